"""The piecewise linear encoding of numbers."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, MinLen

from nnfw.arrays import Array
from nnfw.errors import ConfigError, DataError, Mistake, short
from nnfw.plain import PlainTable
from nnfw.protocols import Transform


@dataclass(frozen=True)
class PiecewiseLinear(Transform):
    """A number as how far it fills each of several bins, between 0 and 1.

    | x'_t = (x − b_(t−1)) / (b_t − b_(t−1)) for the bins t = 1 … T with edges b_0 < b_1 < … < b_T,
    | but 0 where that is below 0, except in the first bin, and 1 where it is above 1, except in the last

    Parameters
    ----------
    bins
        T, 1 or more; 16 by default. Equal edges become one, so a column with few values has fewer bins.
    columns
        Names of the columns to change; None (default) for every numeric one.
    edges
        b_0 to b_T, increasing; by default the quantiles of the training split with equal shares between them.

    Raises
    ------
    ConfigError
        From :meth:`fit`, for edges that do not increase.

    Notes
    -----
    A dense layer after it can learn any function of x that is linear in each bin, so this is the encoding of the paper
    with its linear layer in the network. Beyond the outer edges the first and the last bin go on, so nothing is lost. A
    column that is constant in training becomes a single 0. All numbers of a block have the same edges.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko (2022), *On embeddings for numerical features in tabular deep learning*,
    Equation 1 and section 3.2.

    Examples
    --------
    >>> transform = PiecewiseLinear(2)
    >>> fitted = transform.fit(np.array([0.0, 1.0, 2.0, 6.0, 10.0]))
    >>> fitted
    {'edges': [0.0, 2.0, 10.0]}
    >>> transform.apply(np.array([1.0, 4.0, 12.0]), fitted)
    array([[0.5 , 0.  ],
           [1.  , 0.25],
           [1.  , 1.25]])
    """

    bins: Annotated[int, Ge(1)] = 16
    _: KW_ONLY
    columns: tuple[str, ...] | None = None
    edges: Annotated[tuple[float, ...], MinLen(2)] | None = None
    accepts: ClassVar[Literal["numeric", "categorical"]] = "numeric"

    def fit(self, column: Array) -> PlainTable:
        """Return ``edges``."""
        if self.edges is not None:
            if not _increase(np.array(self.edges)):
                raise ConfigError([Mistake(("edges",), f"must increase, got {short(self.edges)}.")], "piecewise_linear")
            return {"edges": [*map(float, self.edges)]}
        # quantiles of halves: the difference of two edges may be larger than the largest number
        halves = np.asarray(column, np.float64) / 2
        return {"edges": (2 * np.unique(np.quantile(halves, np.linspace(0, 1, self.bins + 1)))).tolist()}

    def apply(self, column: Array, fitted: PlainTable) -> Array:
        """Return x' ``(N, ..., T)``."""
        edges = _edges(fitted) / 2
        if len(edges) == 1:
            return np.zeros((*column.shape, 1), column.dtype if column.dtype.kind == "f" else np.float64)
        low = np.full(len(edges) - 1, 0.0)
        high = np.full(len(edges) - 1, 1.0)
        low[0], high[-1] = -np.inf, np.inf
        x = np.asarray(column, np.float64)[..., np.newaxis] / 2
        shares = np.clip((x - edges[:-1]) / np.diff(edges), low, high)
        return shares.astype(column.dtype, copy=False) if column.dtype.kind == "f" else shares

    def invert(self, column: Array, fitted: PlainTable) -> Array:
        """Return b_0 + Σ_t x'_t (b_t − b_(t−1)), ``(N, ...)``."""
        edges = _edges(fitted) / 2
        widths = np.diff(edges) if len(edges) > 1 else np.zeros(1)
        x: Array = 2 * (edges[0] + np.asarray(column, np.float64) @ widths)
        return x.astype(column.dtype, copy=False) if column.dtype.kind == "f" else x


def _increase(edges: Array) -> bool:
    return bool(np.isfinite(edges).all() and (edges[:-1] < edges[1:]).all())


def _edges(fitted: PlainTable) -> Array:
    """Return the fitted edges; a file may hold anything in their place."""
    try:
        edges = np.asarray(fitted.get("edges"), np.float64)
    except (TypeError, ValueError):
        edges = np.empty(0)
    if fitted.keys() != {"edges"} or edges.ndim != 1 or not edges.size or not _increase(edges):
        raise DataError(f"the fitted values must be edges, numbers that increase, got {short(fitted)}.")
    return edges
