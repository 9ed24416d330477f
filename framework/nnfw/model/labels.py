"""Labels of classes in any form: words, whole numbers that do not count from 0, and what numbers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.data import InputColumns, Preprocessing, Target, as_column, as_frame, as_whole, categorical, listed
from nnfw.data.columns import Column
from nnfw.errors import DataError, about
from nnfw.network import INPUT, Network, Objective, by_name
from nnfw.protocols import Cost

_NAMES = ("y", "label", "target")
"""What the labels of an output without a name are called: the first that is no feature."""


def numbers_of(labels: Array, cost: Cost, shape: Shape) -> tuple[int, ...] | None:
    """Return the labels of classes that are whole numbers, but not 0 to K − 1, in order; None for any others.

    They are classes if the cost takes nothing else, and the output of this shape has as many.
    """
    count = _classes(shape)
    low, high = labels.min(), labels.max()
    if (low >= 0 and high < count) or not takes_only_classes(cost, shape):
        return None
    whole = as_whole(labels)
    different = np.unique(whole) if whole.dtype.kind in "iu" else whole[:0]
    return tuple(different.tolist()) if len(different) == count else None


def with_targets(
    known: Preprocessing | None, y: object, network: Network, objective: Objective
) -> Preprocessing | None:
    """Return a preprocessing that numbers the labels `y`, where they are classes but not 0 to K − 1; else `known`.

    DataError if the labels are words, but the output has another number of classes.
    """
    if known is not None and known.has_targets:
        return known
    names = network.output_names
    targets: dict[str, Target] = {}
    for name, value, term, shape in zip(
        names or ("",), _by_output(y, names), objective.terms, network.output_shapes, strict=True
    ):
        with about("targets", name):
            targets[name] = _target(name or _free_name(known), raw_labels(value), term.cost, shape)
    if all(each.classes is None and each.numbers is None for each in targets.values()):
        return known
    columns = _of_arrays(network) if known is None else known
    if names:
        return replace(columns, targets=targets)
    (target,) = targets.values()
    return replace(columns, target_column=target.column, classes=target.classes, numbers=target.numbers)


def numbered(
    y: Any,
    preprocessing: Preprocessing | None,
    names: Sequence[str],
    dtype: np.dtype[np.generic],
    *,
    raw: bool = False,
) -> Any:
    """Return labels as the costs take them: classes that have names or numbers of their own become 0 to K − 1.

    `raw` numbers are in the unit of the target, and transformed.

    DataError names a class that was not there when the model was fitted.
    """
    if preprocessing is None or not preprocessing.has_targets:
        return y
    found = {
        name: _numbered(value, target, dtype, raw=raw)
        for (name, target), value in zip(preprocessing.outputs.items(), _by_output(y, names), strict=True)
    }
    return found if names else found[""]


def classes_of(preprocessing: Preprocessing | None) -> list[tuple[str, ...] | tuple[int, ...] | None]:
    """Return the labels of the classes of each output, in order; None for an output without such."""
    if preprocessing is None:
        return [None]
    return [each.numbers if each.classes is None else each.classes for each in preprocessing.outputs.values()]


def raw_labels(values: Any) -> Array | None:
    """Return labels as numbers or words ``(N, ...)``; None if they are neither, which is refused elsewhere."""
    try:
        return as_column(as_frame(values, "y"), "y")
    except DataError:
        return None


def _numbered(values: Any, target: Target, dtype: np.dtype[np.generic], *, raw: bool) -> Any:
    if target.classes is None and target.numbers is None:
        return _transformed(values, target, dtype) if raw else values
    labels = raw_labels(values)
    if labels is None or not len(labels):
        return values
    if categorical(labels) and target.classes is not None:
        return target.apply(_flat(labels, target), dtype)
    if target.numbers is not None and labels.shape[1:] in ((), (1,)):
        return target.apply(labels.reshape(len(labels)), dtype)
    return values


def _transformed(values: Any, target: Target, dtype: np.dtype[np.generic]) -> Any:
    """Return numbers in the unit of a target, or one of them, as its transforms make them."""
    if target.column is None or not target.column.steps:
        return values
    if np.ndim(values) == 0:
        return target.apply(np.array([values]), dtype)[0]
    labels = raw_labels(values)
    return values if labels is None or not len(labels) else target.apply(_flat(labels, target), dtype)


def _flat(raw: Array, target: Target) -> Array:
    """Return one label for each example as ``(N,)``, where they were so when the model was fitted."""
    assert target.column is not None
    return raw.reshape(len(raw)) if raw.shape[1:] == (1,) and not target.column.shape else raw


def _target(name: str, raw: Array | None, cost: Cost, shape: Shape) -> Target:
    """Return the target of an output; with classes or numbers if its labels must be numbered."""
    if raw is None or not len(raw) or raw.shape[1:] not in ((), (1,)):
        return Target(Column(name, "numeric", shape, shape, ()))
    if not categorical(raw):
        numbers = numbers_of(raw, cost, shape)
        return Target(Column(name, "numeric" if numbers is None else "integer", (), (), ()), numbers=numbers)
    if not takes_only_classes(cost, shape):
        return Target(Column(name, "numeric", shape, shape, ()))
    classes = tuple(np.unique(raw).tolist())
    if len(classes) != _classes(shape):
        outputs = f"{shape[-1]} outputs tell" if shape[-1] > 1 else "a single output tells"
        raise DataError(
            f"{name} holds {len(classes)} different words, {listed(classes)}, but {outputs} {_classes(shape)} "
            f"classes apart. Give the output layer {len(classes)} units, or correct the labels."
        )
    return Target(Column(name, "categorical", (), (), ()), classes)


def _by_output(y: Any, names: Sequence[str]) -> list[Any]:
    return list(by_name(y, names, "y", "output")) if names else [y]


def _free_name(known: Preprocessing | None) -> str:
    taken = set() if known is None else {column.name for column in known.columns}
    return next((name for name in _NAMES if name not in taken), "y")


def _of_arrays(network: Network) -> Preprocessing:
    """Return the preprocessing of arrays without names, which are taken as they are: a block for each input."""
    columns = tuple(Column(each.name, "numeric", each.shape, each.shape, ()) for each in network.inputs)
    indices = tuple(each.name for each in network.inputs if each.limit is not None) or None
    inputs: Mapping[str, InputColumns] | None = None
    if network.inputs[0].name != INPUT or len(columns) > 1:
        inputs = {each.name: InputColumns((each.name,)) for each in network.inputs}
    return Preprocessing(columns, inputs=inputs, indices=indices)


def _classes(shape: Shape) -> int:
    """Return how many classes an output tells apart: a single number, two."""
    return max(shape[-1], 2)


def takes_only_classes(cost: Cost, shape: Shape) -> bool:
    """Return whether a cost takes the labels 0 to K − 1, and not K."""
    count = _classes(shape)
    try:
        cost.targets(np.arange(count), shape)
    except DataError:
        return False
    try:
        cost.targets(np.array([count]), shape)
    except DataError:
        return True
    return False
