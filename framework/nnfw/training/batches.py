"""Labelled examples, checked once, and the batches cut from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnfw.compute import kernels
from nnfw.configuration import short
from nnfw.data import as_batch, as_numeric, as_weights, in_dtype, release, require_finite
from nnfw.errors import DataError, PluginError
from nnfw.protocols import Cost, Shape

if TYPE_CHECKING:
    from nnfw.network import Workspace

Array = NDArray[Any]

_READ = "read"
_READ_AROUND = 1 << 16  # bytes that the system maps around what is asked for, where it has them at hand
_RELEASE_AFTER = 1 << 27  # more often costs time: what is let go must be mapped again


@dataclass(frozen=True, eq=False)
class Labelled:
    """N examples that a model and a cost can take.

    Parameters
    ----------
    x
        ``(N, *input_shape)``; in the model's dtype unless it is memory-mapped.
    y
        Labels in the form that the cost takes.
    weight
        ``(N,)`` in the model's dtype, or None.
    rows
        Which of them count, where not all do: a split, without copying memory-mapped data.
    """

    x: Array
    y: Array
    weight: Array | None = None
    rows: Array | None = None

    def __len__(self) -> int:
        """Return the number of examples that count."""
        return len(self.x) if self.rows is None else len(self.rows)

    def subset(self, rows: Array) -> Labelled:
        """Return the examples of the given rows of the arrays; nothing is copied."""
        return Labelled(self.x, self.y, self.weight, rows)

    def part(self, start: int, stop: int, dtype: np.dtype[Any]) -> tuple[Array, Array, Array | None]:
        """Return the examples from `start` to `stop`, x in `dtype`; views where nothing must be converted."""
        release(self.x)  # of the part before
        rows = slice(start, stop) if self.rows is None else self.rows[start:stop]
        weight = None if self.weight is None else self.weight[rows]
        return np.asarray(self.x[rows], dtype), np.asarray(self.y[rows]), weight

    def gather(self, order: Array, workspace: Workspace) -> tuple[Array, Array, Array | None]:
        """Return the examples at the given positions, copied into buffers of `workspace`."""
        rows = order if self.rows is None else self.rows[order]
        if isinstance(self.x, np.memmap):
            self._release_at_times(len(rows), workspace)
        x = _take(self.x, rows, workspace.buffer("x", (len(rows), *self.x.shape[1:])))
        y = _take(self.y, rows, workspace.buffer("y", (len(rows), *self.y.shape[1:]), self.y.dtype))
        if self.weight is None:
            return x, y, None
        return x, y, _take(self.weight, rows, workspace.buffer("weight", (len(rows),)))

    def _release_at_times(self, count: int, workspace: Workspace) -> None:
        """Let go of the memory map whenever so much of it may have been read."""
        read = workspace.get(_READ, 0) + count * (self.x.nbytes // len(self.x) + _READ_AROUND)
        if read > _RELEASE_AFTER:
            release(self.x)
            read = 0
        workspace[_READ] = read


def labelled(
    x: ArrayLike,
    y: ArrayLike,
    weight: ArrayLike | None,
    *,
    input_shape: Shape,
    output_shape: Shape,
    cost: Cost,
    dtype: np.dtype[Any],
    suffix: str = "",
) -> Labelled:
    """Return checked examples.

    Parameters
    ----------
    x, y, weight
        As users hand them over; never modified.
    input_shape, output_shape, cost, dtype
        What they must fit.
    suffix
        Put behind the names x and y in messages, ``"_val"`` for instance.

    Raises
    ------
    DataError
        If there is no example, lengths differ, a shape or label does not fit, or a value is not finite.
    """
    x, single = as_batch(x, input_shape, f"x{suffix}")
    y = as_numeric(y, f"y{suffix}")
    y = y[np.newaxis] if single else y
    if not len(x):
        raise DataError(f"x{suffix} is empty: it holds no example.")
    if y.ndim == 0 or len(y) != len(x):
        raise DataError(
            f"x{suffix} and y{suffix} must have one entry per example, got {len(x)} and "
            f"{len(y) if y.ndim else 'a number'}."
        )
    require_finite(x, f"x{suffix}")
    require_finite(y, f"y{suffix}")
    y = _targets(cost, y, output_shape)
    weights = as_weights(weight, len(x))
    return Labelled(
        in_dtype(x, dtype, f"x{suffix}"),
        in_dtype(y, dtype if y.dtype.kind == "f" else y.dtype, f"y{suffix}"),
        None if weights is None else in_dtype(weights, dtype, "sample_weight"),
    )


def _targets(cost: Cost, y: Array, output_shape: Shape) -> Array:
    targets = cost.targets(y, output_shape)
    if not isinstance(targets, np.ndarray) or len(targets) != len(y):
        raise PluginError(
            f"Cost {type(cost).__name__!r}: targets must return an array with one entry for each of {len(y)} examples, "
            f"got {short(targets)}."
        )
    return targets


def _take(source: Array, rows: Array, out: Array) -> Array:
    kernels().take(source, rows, out)
    return out
