"""Networks: a chain of layers, its flat parameter vector, and the workspace of a pass."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
