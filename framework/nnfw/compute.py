"""What a component made of operations needs: the operations, and the mark of a method that calls nothing else."""

from nnfw.ops import kernels, kernels_only, made_of_kernels
from nnfw.ops.operation import operation

__all__ = ["kernels", "kernels_only", "made_of_kernels", "operation"]
