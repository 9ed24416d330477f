"""Operations for components, and the decorator of methods made of them."""

from nnfw.ops import kernels, kernels_only, made_of_kernels
from nnfw.ops.operation import operation

__all__ = ["kernels", "kernels_only", "made_of_kernels", "operation"]
