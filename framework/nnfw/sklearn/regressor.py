"""A network that predicts numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks

from nnfw.arrays import Array
from nnfw.protocols import Cost
from nnfw.sklearn.estimator import Network, one_column, require_columns


@dataclass(eq=False, repr=False)
class NNRegressor(RegressorMixin, Network):
    """A network that predicts one number or more for each example.

    Every parameter but these two is that of :class:`NNClassifier`.

    Parameters
    ----------
    cost
        By name, by table or as an object; ``"auto"``, the default, is ``mse``. The output has a unit for each column of
        y, and the activation that belongs to the cost: softplus where it takes numbers above 0 alone.
    layers, activation, optimizer, epochs, batch_size, ...
        As of :class:`NNClassifier`, which also has `class_weight`.

    Attributes
    ----------
    model_, history_, n_iter_, optimizer_
        As of :class:`NNClassifier`.
    outputs_
        The number of columns of y.

    Notes
    -----
    The target is not scaled. If it is far from size 1, scale it:
    ``TransformedTargetRegressor(NNRegressor(), transformer=StandardScaler())``.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> model = NNRegressor((20,), activation="tanh", optimizer="lbfgs", random_state=0).fit(X, np.sin(6 * X[:, 0]))
    >>> model.score(X, np.sin(6 * X[:, 0])) > 0.99
    True
    """

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
        """Return a number for each example, ``(N,)``, or ``(N, K)`` for K targets.

        DataError or ValueError for X that is not finite or has other columns than in `fit`; NotFittedError before.
        """
        a: Array = self._predicted(X)
        return a[:, 0] if self.outputs_ == 1 else a.astype(np.float64)  # as scikit-learn asks of several targets

    def _labels(self, y: Any, known: Any, *, goes_on: bool) -> Array:
        y = one_column(y)
        if goes_on:
            require_columns(y, self.outputs_)
        self.outputs_: int = 1 if y.ndim == 1 else y.shape[1]
        labels: Array = y
        return labels

    def _outputs(self) -> dict[str, int]:
        return {"": self.outputs_}

    def _target(self) -> tuple[Literal["numeric"] | None, None]:
        return "numeric" if self.outputs_ == 1 else None, None

    def _auto_cost(self) -> str:
        return "mse"

    def _activation(self, cost: Cost) -> str:
        return "identity" if cost.domain is None else "softplus"
