from . import document as document
from .document import Document as Document
from .document import apply_overrides as apply_overrides
from .document import write as write
