"""What a component made of kernels needs: the kernels in use, and the mark of a method that calls nothing else."""

from nnfw.ops import kernels, kernels_only, made_of_kernels

__all__ = ["kernels", "kernels_only", "made_of_kernels"]
