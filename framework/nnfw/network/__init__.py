"""Networks: nodes in order, their inputs and costs, flat parameter vectors, and passes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
