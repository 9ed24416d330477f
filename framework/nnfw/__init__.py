"""nnfw: small and medium neural networks on a CPU, composed of plugins.

The mathematics is the architecture: z = wa + b, a = σ(z), and a backward pass that is a chain of δ.
"""

from pathlib import Path

import lazy_loader

if not Path(__file__).is_file():
    raise ImportError(
        f"nnfw cannot be imported from {__file__}, which is not a file on disk: it reads others beside it. "
        "Unpack the archive, and put the folder on Python's path instead."
    )

from nnfw.machine.blas import choose_blas_kernels

choose_blas_kernels()  # now, since it has no effect once NumPy is imported
del Path

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
