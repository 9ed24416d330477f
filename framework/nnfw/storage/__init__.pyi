from . import model_file as model_file
from .atomic import replace_file as replace_file
from .json_values import jsonable as jsonable
from .opening import open_regular as open_regular
from .opening import open_without_waiting as open_without_waiting
