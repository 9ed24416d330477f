"""The hook of the accelerator. Importing this module imports neither numba nor NumPy."""

from collections.abc import Iterator

from nnfw.plugins import AcceleratorSpec, hookimpl


@hookimpl
def nnfw_accelerators() -> Iterator[AcceleratorSpec]:
    """Yield the accelerator."""
    yield AcceleratorSpec(
        "numba", "nnfw_numba.kernels:load", "pip install 'nnfw[fast]' brings numba, which compiles the loops of a step"
    )
