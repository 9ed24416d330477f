from .document import STDIN as STDIN
from .document import Document as Document
from .document import parse as parse
from .document import read as read
from .overrides import apply_overrides as apply_overrides
from .overrides import flattened as flattened
from .statements import Keys as Keys
from .writing import write as write
