"""Runs: experiments trained into a directory; reading, using, comparing and reproducing them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
