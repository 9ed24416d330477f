"""A network that tells classes apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.callback import with_callbacks
from sklearn.utils import Tags, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from nnfw.arrays import Array
from nnfw.data import Column, Target, is_sparse, listed
from nnfw.errors import ConfigError, DataError, short
from nnfw.protocols import Cost
from nnfw.sklearn.estimator import TARGET, Labels, Network, one_column, require_columns

_LIKELY = 0.5
"""A label applies whose probability is above this."""


@dataclass(eq=False, repr=False)
class NNClassifier(ClassifierMixin, Network):
    """A network that tells classes apart, or says which of several labels apply.

    The output layer follows from y: a unit with softmax for each class, with sigmoid for each label of a matrix of 0
    and 1, and an output for each column of several targets.

    Parameters
    ----------
    layers
        The layers before the output, ``(100,)`` by default: sizes of dense layers, names, tables and objects,
        ``(64, "batch_norm", {"type": "dropout", "rate": 0.2})``. Without any the model is linear.
    activation
        That of the layers that are given by their size; ``"relu"`` by default.
    optimizer
        An optimizer or a solver; ``"adam"`` by default. A solver, such as ``"lbfgs"``, sees all examples at once, and
        an epoch is one of its iterations.
    cost
        ``"auto"``, the default: ``cross_entropy``, and ``binary_cross_entropy`` for several labels.
    epochs
        Passes over the examples, 1 or more; 200 by default.
    batch_size
        Examples per step; ``"auto"``, the default, is 200, or all if there are fewer.
    shuffle
        Whether each epoch takes the examples in a new order; True by default.
    early_stopping
        Whether a part of the examples is held out, and training ends when their cost no longer improves; the network is
        then that of the best epoch. False by default.
    validation_fraction, patience
        The share that is held out, and the epochs without improvement after which training ends; 0.1 and 10 by default.
    regularizer, schedule
        Ω(w) and the course of the learning rate; none by default.
    dtype
        ``"float32"``, the default, or ``"float64"``.
    accelerator
        As in :meth:`nnfw.Sequential.fit`.
    warm_start
        Whether `fit` goes on where the last call ended, for `epochs` more; False by default.
    callbacks
        Callbacks of nnfw; those of scikit-learn are given to `set_callbacks`.
    random_state
        Seed of first parameters, order, noise and the held-out part: None, a number or a ``RandomState``.
    verbose
        Whether to show a progress bar; False by default.
    class_weight
        Weights of the classes by class, ``"balanced"``, or None, the default.

    Attributes
    ----------
    classes_
        The classes; the numbers of the labels where several apply; of several targets a list with those of each.
    model_, history_
        The trained :class:`nnfw.Sequential`, and a record of each epoch.
    n_iter_
        The number of epochs, with those of earlier calls where a training goes on; of a solver those of the last call.
    optimizer_
        The optimizer with all its options.
    n_features_in_, feature_names_in_
        Number and, of a frame, names of the columns of X.
    multilabel_
        Whether several labels may apply to an example.

    Notes
    -----
    C of all examples is Σ w_i c_i / Σ w_i, so weights can be multiplied by any number, and a weight of 2 is an example
    that is there twice: exactly where a step sees all examples. In smaller batches each example weighs w_i / w̄, w̄ the
    mean of all, and examples of weight 0 are left out.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NNClassifier((16,), epochs=100, random_state=0).set_params(optimizer__learning_rate=0.01).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """

    class_weight: Any = None

    @with_callbacks
    def fit(self, X: object, y: object, sample_weight: ArrayLike | None = None) -> Self:
        """Train on examples with their classes; return the estimator.

        Parameters
        ----------
        X
            ``(N, n)``: an array, a frame, or a sparse matrix, of which one batch at a time becomes dense.
        y
            Classes of any type ``(N,)``; a matrix of 0 and 1, dense or sparse, where several labels may apply; classes
            ``(N, K)`` of several targets.
        sample_weight
            Weights ``(N,)``, 0 or more.

        Raises
        ------
        ConfigError
            With the wrong parameters, or with layers and cost that do not fit together.
        DataError, ValueError
            If X or y are not as described, weights are negative or all zero, or there is a single class.
        DivergedError
            At the step whose cost is not finite.
        """
        return self._fit(X, y, sample_weight)

    def partial_fit(
        self, X: object, y: object, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch more, from where the last call ended; return the estimator.

        Optimizer, schedule, order and noise go on: ten calls give the bits of a `fit` of ten epochs. A solver starts
        from the parameters alone.

        Parameters
        ----------
        X, y, sample_weight
            As for :meth:`fit`; the examples may be others in each call. `early_stopping` holds none of them out.
        classes
            All classes that may come, of several targets a list; in the first call. By default those of `y`.

        Raises
        ------
        ConfigError
            If `class_weight` is ``"balanced"``, and as :meth:`fit`.
        DataError
            If y holds a class that is not among `classes`, and as :meth:`fit`.
        """
        if self.class_weight == "balanced":
            raise ConfigError(
                "class_weight 'balanced' needs the classes of all examples, but partial_fit sees some of them. Give a "
                "table, {class: weight}, or sample_weight."
            )
        return self._train(X, y, sample_weight, goes_on=hasattr(self, "model_"), epochs=1, known=classes)

    def predict(self, X: object) -> Array:
        """Return the most probable class of each example, or 1 for each label whose probability is above 0.5.

        DataError or ValueError for X that is not finite or has other columns than in `fit`; NotFittedError before.
        """
        found = self.predict_proba(X)
        labels: Array
        if self.multilabel_:
            labels = (found > _LIKELY).astype(np.intp)
        elif isinstance(found, list):
            labels = np.stack([own[a.argmax(axis=1)] for own, a in zip(self.classes_, found, strict=True)], axis=1)
        else:
            labels = self.classes_[found.argmax(axis=1)]
        return labels

    def predict_proba(self, X: object) -> Any:
        """Return the probabilities of the classes, ``(N, K)`` in the order of `classes_`; of several targets a list.

        Those of labels do not add up to 1, and are never rounded to 0 or 1. Errors are those of :meth:`predict`.
        """
        found = self._predicted(X)
        if self.multilabel_:
            limits = np.finfo(found.dtype)
            return found.clip(limits.tiny, 1 - limits.epsneg)
        return [*found.values()] if isinstance(found, Mapping) else found

    def predict_log_proba(self, X: object) -> Any:
        """Return the logarithms of :meth:`predict_proba`."""
        found = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return [*map(np.log, found)] if isinstance(found, list) else np.log(found)

    def __sklearn_tags__(self) -> Tags:
        """Return what this estimator can do."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _labels(self, y: Any, known: Any, *, goes_on: bool) -> Labels:
        y = y.toarray() if is_sparse(y) else one_column(y)
        try:
            check_classification_targets(y)
        except TypeError as error:
            raise DataError("y mixes words and numbers, which have no order. Make all of them words.") from error
        if not goes_on:
            self.multilabel_: bool = type_of_target(y) == "multilabel-indicator"
            self.classes_: Any = _classes_in(y, known, multilabel=self.multilabel_)
        require_columns(y, len(self.classes_) if self.multilabel_ or isinstance(self.classes_, list) else 1)
        if self.multilabel_:
            return np.asarray(y, self.dtype)
        if y.ndim == 1:
            return _codes(y, self.classes_)
        return dict(zip(self._outputs(), map(_codes, y.T, self.classes_), strict=True))

    def _outputs(self) -> dict[str, int]:
        if isinstance(self.classes_, list):
            return {f"target_{k}": len(own) for k, own in enumerate(self.classes_)}
        return {"": len(self.classes_)}

    def _auto_cost(self) -> str:
        return "binary_cross_entropy" if self.multilabel_ else "cross_entropy"

    def _activation(self, cost: Cost) -> str:
        return "sigmoid" if self.multilabel_ else "softmax"

    def _target(self) -> Target:
        if self.multilabel_ or isinstance(self.classes_, list):
            return Target(None)
        return Target(Column(TARGET, "categorical", (), (), ()), tuple(map(str, self.classes_)))

    def _targets(self, labels: Labels, cost: Cost) -> Labels:
        if self.multilabel_ or cost.canonical == "softmax":
            return labels
        if isinstance(labels, Mapping):
            return {name: np.eye(self._outputs()[name], dtype=self.dtype)[own] for name, own in labels.items()}
        return np.eye(len(self.classes_), dtype=self.dtype)[labels]

    def _weights(self, y: Any, sample_weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return sample_weight
        own: Array = compute_sample_weight(self.class_weight, y)
        return own if sample_weight is None else own * sample_weight


def _classes_in(y: Array, known: Any, *, multilabel: bool) -> Any:
    """Return the classes, a list of them for several targets; DataError if there is but one."""
    if multilabel:
        return np.arange(y.shape[1])
    columns = [y] if y.ndim == 1 else [*y.T]
    given = columns if known is None else [known] if y.ndim == 1 else known
    found = [np.unique(each) for each in given]
    for classes in found:
        if len(classes) < 2:
            raise DataError(
                f"y holds one class, {short(classes.tolist()[0])}; a classifier needs examples of two or more. Add "
                "examples of another class."
            )
    return found[0] if y.ndim == 1 else found


def _codes(y: Array, classes: Array) -> Array:
    """Return the position of each label among the classes; DataError if it is none of them."""
    codes = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    wrong = classes[codes] != y
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"y holds {short(y[row].item())} in row {row} (the first is row 0), which is not one of the classes: "
            f"{listed([*map(str, classes)])}. Name all classes in the first call, or fit a new estimator."
        )
    return codes
