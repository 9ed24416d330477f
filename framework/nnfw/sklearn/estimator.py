"""What the estimators share: their parameters, the network and its training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import KW_ONLY, dataclass, replace
from math import ceil
from typing import Annotated, Any, Literal, NamedTuple, Self, cast

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.callback import CallbackSupportMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from nnfw.arrays import Array
from nnfw.configuration import TYPE, build, options_of
from nnfw.data import Preprocessing, Target, as_weights
from nnfw.errors import ConfigError, DataError, Mistake, NnfwError, short
from nnfw.model import Sequential
from nnfw.plugins import Registry, default_registry
from nnfw.protocols import Callback, Cost, Optimizer, Solver, is_solver
from nnfw.sklearn.epochs import EpochTasks
from nnfw.sklearn.parameters import SEPARATOR, SIZE, Part, is_size, names_below, unknown, with_part
from nnfw.training import History, ProgressBar, TrainingOptions

Reference = Any
"""A component by name, by table with ``type``, or as an object."""

Labels = Array | Mapping[str, Array]
"""Labels as a cost takes them; by name where there are several outputs."""

AUTO = "auto"

_KINDS = {
    "layers": "layer",
    "activation": "activation",
    "optimizer": "optimizer",
    "cost": "cost",
    "regularizer": "regularizer",
    "schedule": "schedule",
    "callbacks": "callback",
}
"""The parameters that are components, or lists of them."""

_LARGEST_BATCH = 200
"""Examples in a batch of size "auto", as in scikit-learn's own networks."""

_SEEDS = 1 << 31

_MOST_NAMES = 1 << 14
"""Columns whose names a model keeps, as in :meth:`nnfw.Sequential.fit`."""

TARGET = "target"
"""What the file of a model calls the target."""

_SHARED = "before_outputs"
"""The node from which several outputs start."""


@dataclass(frozen=True)
class _Own:
    """The parameters that nothing else checks."""

    epochs: Annotated[int, Ge(1)]
    batch_size: Annotated[int, Ge(1)] | Literal["auto"]
    early_stopping: bool
    validation_fraction: Annotated[float, Gt(0), Lt(1)]
    patience: Annotated[int, Ge(1)]
    dtype: Literal["float32", "float64"]
    warm_start: bool
    callbacks: tuple[Callback, ...]
    verbose: bool | Annotated[int, Ge(0)]


class Weighed(NamedTuple):
    """Examples with labels, and weights or None."""

    x: Any
    y: Labels
    weight: Array | None

    def take(self, rows: Array) -> Weighed:
        """Return the examples of the given rows."""
        y = {name: each[rows] for name, each in self.y.items()} if isinstance(self.y, Mapping) else self.y[rows]
        return Weighed(self.x[rows], y, None if self.weight is None else self.weight[rows])

    @property
    def that_count(self) -> Weighed:
        """Those whose weight is not 0: the others must not fill batches."""
        return self if self.weight is None or self.weight.all() else self.take(np.flatnonzero(self.weight))

    @property
    def mean_1(self) -> Array | None:
        """Weights with a mean of 1: the cost of all examples is then Σ w_i c_i / Σ w_i."""
        return None if self.weight is None else self.weight / self.weight.mean()


@dataclass(eq=False, repr=False)
class Network(CallbackSupportMixin, BaseEstimator):
    """The base of the estimators; its fields are their parameters."""

    layers: Sequence[Reference] = (100,)
    _: KW_ONLY
    activation: Reference = "relu"
    optimizer: Reference = "adam"
    cost: Reference = AUTO
    epochs: int = 200
    batch_size: int | str = AUTO
    shuffle: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    patience: int = 10
    regularizer: Reference | None = None
    schedule: Reference | None = None
    dtype: str = "float32"
    accelerator: str = AUTO
    warm_start: bool = False
    callbacks: Sequence[Reference] = ()
    random_state: Any = None
    verbose: bool | int = False

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; with `deep`, the options of components too: ``optimizer__learning_rate``."""
        found: dict[str, Any] = super().get_params(deep=False)
        return _deep(found, default_registry()) if deep else found

    def set_params(self, **params: Any) -> Self:
        """Change parameters, and options of components: ``layers__0__units=50``, ``optimizer__learning_rate=0.01``.

        A component is replaced by a copy with the new option. Nothing changes if a name is wrong.

        Raises
        ------
        ConfigError
            If there is no such parameter or option; names the nearest.
        """
        values, registry = self.get_params(deep=False), default_registry()
        for name in sorted(params, key=lambda name: name.count(SEPARATOR)):
            head, *path = name.split(SEPARATOR)
            try:
                values[head] = with_part(Part(values[head], _KINDS.get(head)), path, params[name], registry)
            except LookupError as error:
                text = unknown(name, _deep(values, registry))
                raise ConfigError(f"{type(self).__name__} {text}") from error
        for name, value in values.items():
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Tags:
        """Return what this estimator can do."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags

    @abstractmethod
    def _labels(self, y: Any, known: Any, *, goes_on: bool) -> Labels:
        """Return labels as numbers; keep what they say about the output, or check that they fit the one there is.

        `known` are the classes that the caller names.
        """

    @abstractmethod
    def _outputs(self) -> dict[str, int]:
        """Return the units of each output by name; a single one is called ""."""

    @abstractmethod
    def _auto_cost(self) -> str:
        """Return the cost that "auto" means."""

    @abstractmethod
    def _activation(self, cost: Cost) -> str:
        """Return the activation of the output for a cost without a canonical one."""

    def _target(self) -> Target:
        """Return the target as the model's file describes it; without a column where there are several outputs."""
        return Target(None)

    def _targets(self, labels: Labels, cost: Cost) -> Labels:
        """Return labels as a cost takes them."""
        return labels

    def _learn_target(self, data: Weighed, cost: Cost) -> None:
        """Keep what a new training needs to know of all labels, before the network is built."""
        return

    def _weights(self, y: Array, sample_weight: Array | None) -> Array | None:
        """Return the weight of each example, or None."""
        return sample_weight

    def _fit(self, X: object, y: object, sample_weight: ArrayLike | None) -> Self:
        """Train for the given number of epochs, which are tasks for the callbacks of scikit-learn."""
        context = self._init_callback_context(max_subtasks=self.epochs)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        seen = {"X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(estimator=self, **seen)
        tasks = EpochTasks(context, self, seen, self._so_far)
        goes_on = self.warm_start and hasattr(self, "model_")
        self._train(X, y, sample_weight, goes_on=goes_on, epochs=self.epochs, tasks=tasks)
        context.call_on_fit_task_end(estimator=self, **seen, reconstruction_attributes=self._so_far)
        return self

    def _train(
        self,
        X: object,
        y: object,
        sample_weight: ArrayLike | None,
        *,
        goes_on: bool,
        epochs: int,
        tasks: EpochTasks | None = None,
        known: object = None,
    ) -> Self:
        """Train a new network, or the one there is; early stopping may end it only where there are `tasks`."""
        registry = default_registry()
        own = build(_Own, {name: getattr(self, name) for name in options_of(_Own)}, registry.resolve)
        data = self._checked(X, y, sample_weight, known, goes_on=goes_on)
        optimizer = registry.resolve("optimizer", self.optimizer)
        cost: Cost = registry.resolve("cost", self._auto_cost() if self.cost == AUTO else self.cost)
        before = self._continued(optimizer) if goes_on else None
        if not goes_on:
            self._learn_target(data, cost)
            self.model_: Sequential[Any] = self._built(data.x.shape[1], cost)
            self.model_.preprocessing = self._names()
        callbacks, validation = [*own.callbacks, *([ProgressBar()] if own.verbose else [])], None
        if tasks is not None:
            if own.early_stopping:
                callbacks.append(registry.resolve("callback", {TYPE: "early_stopping", "patience": own.patience}))
                data, held_out = self._split(data)
                validation = (held_out.x, self._targets(held_out.y, cost), held_out.mean_1)
            callbacks.append(tasks)
        with self._unfitted_after_errors(goes_on=goes_on):
            self.history_: History = self.model_.fit(
                data.x,
                self._targets(data.y, cost),
                cost=cost if "" in self._outputs() else dict.fromkeys(self._outputs(), cost),
                optimizer=optimizer,
                epochs=epochs,
                batch_size=self._batch_size(data.x.shape[0], solves=is_solver(optimizer)),
                shuffle=self.shuffle,
                sample_weight=data.mean_1,
                validation_data=validation,
                schedule=self.schedule,
                regularizer=self.regularizer,
                callbacks=callbacks,
                accelerator=self.accelerator,
                continue_from=before,
                planned_epochs=max(own.epochs, epochs + len(before or ())),
            )
        self.optimizer_: Optimizer | Solver = optimizer
        self.n_iter_ = len(self.history_)
        return self

    def _checked(self, X: object, y: Any, sample_weight: ArrayLike | None, known: object, *, goes_on: bool) -> Weighed:
        """Return examples that count with labels and weights; where a new training begins, forget the last one."""
        targets = {"y": y, "multi_output": True, "y_numeric": is_regressor(self)}
        x, y = self._validated(X, reset=not goes_on, **targets)
        for name in () if goes_on else ("model_", "history_", "optimizer_"):
            self.__dict__.pop(name, None)
        labels = self._labels(y, known, goes_on=goes_on)
        return Weighed(x, labels, self._weights(y, as_weights(sample_weight, x.shape[0]))).that_count

    @contextmanager
    def _unfitted_after_errors(self, *, goes_on: bool) -> Iterator[None]:
        """Forget a new network that could not be trained; one whose training was interrupted can be used."""
        try:
            yield
        except NnfwError:
            if not goes_on:
                del self.model_
            raise

    def _continued(self, optimizer: Optimizer | Solver) -> History | None:
        """Return the history with the state of the optimizer, if `optimizer` can go on with it."""
        before = vars(self).get("optimizer_")  # none where the training before was interrupted
        if before is None or is_solver(optimizer) or is_solver(before) or type(before) is not type(optimizer):
            return None
        same = before.state(np.zeros(1)).keys() == optimizer.state(np.zeros(1)).keys()
        end = self.history_.end
        return replace(self.history_, end=replace(end, callbacks=[])) if same and end is not None else None

    def _built(self, features: int, cost: Cost) -> Sequential[Any]:
        """Return a new network: the layers, and an output for each target."""
        if not isinstance(self.layers, list | tuple):
            text = f"must be a list of sizes and layers, got {short(self.layers)}. Write (100,) for one layer of 100."
            raise ConfigError([Mistake(("layers",), text)])
        hidden = [
            {TYPE: "dense", SIZE: each, "activation": self.activation} if is_size(Part(each, "layer")) else each
            for each in self.layers
        ]
        ending = {TYPE: "dense", "activation": cost.canonical or self._activation(cost)}
        outputs, seed = self._outputs(), int(check_random_state(self.random_state).randint(_SEEDS))
        if "" in outputs:
            return Sequential([*hidden, {**ending, SIZE: outputs[""]}], features, seed=seed, dtype=self.dtype)
        shared = {TYPE: "activation", "activation": "identity", "name": _SHARED}
        ends = [{**ending, SIZE: units, "name": name, "inputs": [_SHARED]} for name, units in outputs.items()]
        return Sequential([*hidden, shared, *ends], features, outputs=[*outputs], seed=seed, dtype=self.dtype)

    def _names(self) -> Preprocessing | None:
        """Return the names of columns and classes for the model's file; None if X has none."""
        names: Sequence[str] = vars(self).get("feature_names_in_", ())
        if not 0 < len(names) <= _MOST_NAMES:
            return None
        target = Target(None) if TARGET in names else self._target()
        return replace(Preprocessing.of_names(names, "X"), target_column=target.column, classes=target.classes)

    def _split(self, data: Weighed) -> tuple[Weighed, Weighed]:
        """Return the examples to train on and those held out; classes keep their shares if all are large enough."""
        count, share, y = data.x.shape[0], self.validation_fraction, data.y
        least = min(ceil(count * share), count - ceil(count * share))
        sizes = np.bincount(y) if is_classifier(self) and isinstance(y, np.ndarray) and y.ndim == 1 else np.zeros(1)
        stratify = y if sizes.min() > 1 and len(sizes) <= least else None
        parts = train_test_split(np.arange(count), test_size=share, random_state=self.model_.seed, stratify=stratify)
        trained, held = (data.take(np.sort(rows)) for rows in parts)
        return trained, held

    def _batch_size(self, count: int, *, solves: bool) -> int:
        if self.batch_size != AUTO:
            return cast("int", self.batch_size)
        return TrainingOptions.batch_size if solves else min(_LARGEST_BATCH, count)

    def _so_far(self) -> dict[str, object]:
        """Return copies of the attributes with which an estimator can predict, as if the training had stopped here."""
        return {name: deepcopy(value) for name, value in vars(self).items() if name.endswith("_")}

    def _validated(self, X: object, *, reset: bool, **targets: Any) -> Any:
        """Return X, and y where it is given, as scikit-learn checks them."""
        with np.errstate(over="ignore", invalid="ignore"):  # infinity in the dtype is refused
            return validate_data(self, X, accept_sparse="csr", dtype=self.dtype, reset=reset, **targets)

    def _predicted(self, X: object) -> Any:
        """Return the outputs for checked examples."""
        check_is_fitted(self, "model_")
        return self.model_.predict(self._validated(X, reset=False))


def _deep(values: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Return parameters, and what is inside the components among them, by name."""
    inner = (names_below(name, Part(values[name], kind), registry) for name, kind in _KINDS.items())
    return dict(values) | {name: value for each in inner for name, value in each}


def require_columns(y: Array, expected: int) -> None:
    """Refuse labels with another number of columns than those of the training that goes on."""
    found = 1 if y.ndim == 1 else y.shape[1]
    if found != expected:
        raise DataError(
            f"y must have as many columns as in the first call, {expected}, got {found}. Fit a new estimator to them."
        )


def one_column(y: Array) -> Array:
    """Return labels ``(N, 1)`` as ``(N,)``, with scikit-learn's warning; any others as they are."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
