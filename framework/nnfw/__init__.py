"""nnfw: small and medium neural networks on a CPU, composed of plugins.

The mathematics is the architecture: z = wa + b, a = σ(z), and a backward pass that is a chain of δ.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
