"""A network that predicts numbers."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks

from nnfw.arrays import Array
from nnfw.configuration import build
from nnfw.data import Column, Target
from nnfw.data.columns import FittedTransform
from nnfw.data.conversion import as_numeric
from nnfw.plugins import default_registry
from nnfw.protocols import Cost, Transform
from nnfw.sklearn.estimator import TARGET, Labels, Network, Weighed, one_column, require_columns


@dataclass(frozen=True)
class _Own:
    """The parameter that nothing else checks."""

    standardize_target: bool


def _standardize() -> Transform:
    found: Transform = default_registry().resolve("transform", "standardize")
    return found


@dataclass(eq=False, repr=False)
class NNRegressor(RegressorMixin, Network):
    """A network that predicts one number or more for each example.

    Every parameter but these two is that of :class:`NNClassifier`.

    Parameters
    ----------
    cost
        By name, by table or as an object; ``"auto"``, the default, is ``mse``. The output has a unit for each column of
        y, and the activation that belongs to the cost: softplus where it takes numbers above 0 alone.
    standardize_target
        Whether the network learns the target with mean 0 and standard deviation 1, as the network's own numbers are;
        True by default. `cost` and `history_` are then those of the standardized target; `predict` and `score` are in
        the unit of y. A cost of numbers above 0, such as ``poisson``, takes them as they are.
    layers, activation, optimizer, epochs, batch_size, ...
        As of :class:`NNClassifier`, which also has `class_weight`.

    Attributes
    ----------
    model_, history_, n_iter_, optimizer_
        As of :class:`NNClassifier`.
    outputs_
        The number of columns of y.
    target_mean_, target_scale_
        What is subtracted from each column of y, and what it is then divided by, float64: mean and standard deviation
        of the y that a training begins with, weighted; 0 and 1 without `standardize_target`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> model = NNRegressor((20,), activation="tanh", optimizer="lbfgs", random_state=0).fit(X, np.sin(6 * X[:, 0]))
    >>> model.score(X, np.sin(6 * X[:, 0])) > 0.99
    True
    """

    _: KW_ONLY
    standardize_target: bool = True

    @with_callbacks
    def fit(self, X: object, y: object, sample_weight: ArrayLike | None = None) -> Self:
        """Train on examples ``(N, n)`` with numbers ``(N,)`` or ``(N, K)``; return the estimator.

        Parameters and errors are those of :meth:`NNClassifier.fit`.
        """
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X: object, y: object, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch more, from where the last call ended; return the estimator.

        Parameters and errors are those of :meth:`NNClassifier.partial_fit`.
        """
        return self._train(X, y, sample_weight, goes_on=hasattr(self, "model_"), epochs=1)

    def predict(self, X: object) -> Array:
        """Return a number in the unit of y for each example, ``(N,)``, or ``(N, K)`` for K targets, in float64.

        DataError or ValueError for X that is not finite or has other columns than in `fit`; NotFittedError before.
        """
        a: Array = self._predicted(X)
        return self._column.invert(a.reshape(len(a), *self._column.shape))

    def _labels(self, y: Any, known: Any, *, goes_on: bool) -> Array:
        y = one_column(y)
        if goes_on:
            require_columns(y, self.outputs_)
        self.outputs_: int = 1 if y.ndim == 1 else y.shape[1]
        labels: Array = y
        return labels

    def _outputs(self) -> dict[str, int]:
        return {"": self.outputs_}

    def _target(self) -> Target:
        return Target(self._column)

    @property
    def _column(self) -> Column:
        """The target with its transform."""
        shape = () if self.outputs_ == 1 else (self.outputs_,)
        fitted = {"mean": self.target_mean_.tolist(), "scale": self.target_scale_.tolist()}
        scaled = bool(self.target_mean_.any() or (self.target_scale_ != 1).any())
        steps = (FittedTransform(_standardize(), fitted),) if scaled else ()
        return Column(TARGET, "numeric", shape, shape, steps)

    def _learn_target(self, data: Weighed, cost: Cost) -> None:
        assert isinstance(data.y, np.ndarray)
        y = as_numeric(data.y, "y").astype(np.float64)
        self.target_mean_: Array = np.zeros(y.shape[1:])
        self.target_scale_: Array = np.ones(y.shape[1:])
        chosen = build(_Own, {"standardize_target": self.standardize_target}, default_registry().resolve)
        if not chosen.standardize_target or cost.domain is not None:
            return
        transform = _standardize()
        fitted = transform.fit(y)
        if data.weight is not None:
            z = transform.apply(y, fitted)
            mean = np.average(z, axis=0, weights=data.weight)
            spread = np.sqrt(np.average((z - mean) ** 2, axis=0, weights=data.weight))
            scale = np.where(spread > 0, spread, 1) * fitted["scale"]
            fitted = {"mean": transform.invert(mean[np.newaxis], fitted)[0], "scale": scale}
        self.target_mean_, self.target_scale_ = (np.asarray(fitted[name], np.float64) for name in ("mean", "scale"))

    def _targets(self, labels: Labels, cost: Cost) -> Labels:
        assert isinstance(labels, np.ndarray)
        return self._column.apply(labels)

    def _auto_cost(self) -> str:
        return "mse"

    def _activation(self, cost: Cost) -> str:
        return "identity" if cost.domain is None else "softplus"
