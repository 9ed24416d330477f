from . import model_file as model_file
from .atomic import replace_file as replace_file
from .json_values import jsonable as jsonable
