"""Sparse matrices: only those rows become dense that are needed at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, cast

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.data.conversion import NUMERIC_KINDS, in_dtype, require_finite
from nnfw.errors import DataError


class SparseMatrix(Protocol):
    """A sparse matrix or array of SciPy, in any format."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    def tocsr(self) -> Any:
        """Return its rows one after the other."""


def is_sparse(values: object) -> bool:
    """Return whether values are a sparse matrix or array of SciPy, in any format."""
    return hasattr(values, "tocsr") and hasattr(values, "nnz")


class SparseRows:
    """A sparse matrix ``(N, n)`` in the place of an array; the rows that are taken of it are dense.

    Parameters
    ----------
    matrix
        That of SciPy, in any format.
    name
        What messages call it.

    Raises
    ------
    DataError
        If it does not hold real numbers in rows and columns.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> rows = SparseRows(csr_array([[0.0, 2.0], [3.0, 0.0]]), "x")
    >>> rows.shape, rows[1:]
    ((2, 2), array([[3., 0.]]))
    """

    ndim = 2

    def __init__(self, matrix: Any, name: str) -> None:
        if matrix.ndim != self.ndim or matrix.dtype.kind not in NUMERIC_KINDS:
            raise DataError(
                f"{name} must be a sparse matrix of real numbers with shape (N, n), got {matrix.dtype} of shape "
                f"{matrix.shape}."
            )
        self._matrix = matrix.tocsr()
        self.shape: Shape = matrix.shape
        self.dtype: np.dtype[np.generic] = matrix.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: slice | Array | tuple[int, ...]) -> Array:
        """Return the given rows, dense, or the number at row and column."""
        found: Any = self._matrix[place]
        dense: Array = found.toarray() if is_sparse(found) else found
        return dense

    @property
    def size(self) -> int:
        """The number of entries, those that are 0 among them."""
        return self.shape[0] * self.shape[1]

    def write(self, rows: Array, out: Array) -> None:
        """Write the given rows into `out`, which has the dtype of this matrix."""
        self._matrix[rows].toarray(out=out)

    def in_dtype(self, dtype: np.dtype[np.generic], name: str) -> SparseRows:
        """Return the rows in a dtype; DataError if a number is too large for it."""
        with np.errstate(over="ignore"):
            found = SparseRows(self._matrix.astype(dtype, copy=False), name)
        if not found._is_finite():
            in_dtype(self.as_array, dtype, name)
        return found

    def require_finite(self, name: str, columns: Sequence[str] = ()) -> None:
        """Refuse numbers that are NaN or infinite; DataError says how many and where the first is."""
        if not self._is_finite():
            require_finite(self.as_array, name, columns)

    def _is_finite(self) -> bool:
        return bool(np.isfinite(self._matrix.data).all())

    @property
    def as_array(self) -> Array:
        """The same object, for functions that take one block of rows after the other."""
        return cast("Array", self)


Rows: TypeAlias = Array | SparseRows
"""Examples in memory or in a file: a part of them is an array."""
