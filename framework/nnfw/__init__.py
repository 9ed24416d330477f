"""nnfw: small and medium neural networks on a CPU, composed of plugins.

The mathematics is the architecture: z = wa + b, a = σ(z), and a backward pass that is a chain of δ.
"""

import lazy_loader

from nnfw.compute.blas import choose_blas_kernels

choose_blas_kernels()  # now, since it has no effect once NumPy is imported

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
