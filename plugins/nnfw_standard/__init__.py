"""The standard components of nnfw, as typed classes: ``from nnfw_standard import Dense``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
