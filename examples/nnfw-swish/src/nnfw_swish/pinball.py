"""The cost pinball."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt, Lt
from nnfw import Cost, DataError


@dataclass(frozen=True)
class Pinball(Cost):
    """Quantile regression: the cost is least if a is the quantile q of the labels, given the input.

    | C = 1/N Σ_i weight_i Σ_j max(q r_ij, (q − 1) r_ij) with r = y − a and q = quantile
    | ∂C/∂a_ij = weight_i/N · (1/2 − q − sign(r_ij)/2): −q/N below the label, (1 − q)/N above it

    Parameters
    ----------
    quantile
        Share of labels below a, between 0 and 1; 0.5 by default, the median.

    Raises
    ------
    DataError
        From :meth:`targets`, for labels that are not finite numbers or do not have the shape of the outputs.

    References
    ----------
    R. Koenker, G. Bassett (1978), *Regression quantiles*.

    Examples
    --------
    >>> Pinball(0.75).value(np.array([[1.0], [1.0]]), np.array([[0.0], [3.0]]))  # (0.25 · 1 + 0.75 · 2) / 2
    0.875
    """

    quantile: Annotated[float, Gt(0), Lt(1)] = 0.5
    least_at_labels = True

    def targets(self, y, output_shape):
        """Return the labels as numbers, ``(N, *output_shape)``."""
        if y.ndim == 1 and output_shape == (1,):
            y = y[:, np.newaxis]
        if y.dtype.kind not in "biuf" or not np.isfinite(y).all():
            raise DataError("pinball: labels must be finite numbers. Correct or drop the other examples.")
        if y.shape[1:] != output_shape:
            raise DataError(f"pinball: labels must have shape {('N', *output_shape)}, got {y.shape}. Reshape them.")
        return y if y.dtype.kind == "f" else y.astype(np.float32)

    def value(self, a, y, weight=None):
        """Return C."""
        r = y - a
        c = np.maximum(self.quantile * r, (self.quantile - 1) * r).reshape(len(a), -1).sum(axis=1)
        return float(np.mean(c if weight is None else c * weight, dtype=np.float64))

    def gradient(self, a, y, workspace, weight=None):
        """Return ∇_a C; at a label, the mean of the slopes on both sides."""
        gradient = np.subtract(y, a, out=workspace.buffer("gradient", a.shape))
        np.sign(gradient, out=gradient)  # NaN stays NaN
        gradient *= -0.5
        gradient += 0.5 - self.quantile
        gradient /= len(a)
        if weight is not None:
            gradient *= weight.reshape(-1, *[1] * (a.ndim - 1))
        return gradient
