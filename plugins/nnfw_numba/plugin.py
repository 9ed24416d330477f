"""The hook of the accelerator. Importing this module imports neither numba nor NumPy."""

from collections.abc import Iterator

from nnfw.plugins import AcceleratorSpec, hookimpl

_START = 6.0
"""Seconds of the first start on a machine; later ones load compiled loops from disk in half a second."""


@hookimpl
def nnfw_accelerators() -> Iterator[AcceleratorSpec]:
    """Yield the accelerator."""
    summary = "pip install 'nnfw[fast]' brings numba, which compiles the loops of a step"
    yield AcceleratorSpec("numba", "nnfw_numba.kernels:load", summary, _START)
