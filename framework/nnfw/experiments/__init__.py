"""Experiments: files that describe data, network and training, and their preparation."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
