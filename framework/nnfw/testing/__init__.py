"""The conformance kit: whether a component keeps the rules of its kind, and whether its δ is right.

``nnfw check NAME`` runs it on what is installed, :func:`parametrize_checks` runs it in pytest.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
