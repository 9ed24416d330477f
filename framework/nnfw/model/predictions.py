"""What predictions are called, and what they mean: labels, probabilities by class, numbers in the target's unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from nnfw.arrays import Array
from nnfw.data import Target, listed, require_finite_predictions
from nnfw.data.targets import THRESHOLD
from nnfw.errors import ConfigError, did_you_mean
from nnfw.network import Graph
from nnfw.protocols import Cost

LABEL, PROBABILITY = "label", "probability_"

Outputs = Mapping[str, tuple[Array, Array | None]]
"""The values of each output, and the lengths of its sequences if they are padded."""


def named_predictions(
    outputs: Outputs, targets: Mapping[str, Target], graph: Graph, costs: Mapping[str, Cost]
) -> dict[str, Array]:
    """Return predictions ``(N,)`` by their names; DataError if one is not finite.

    Parameters
    ----------
    outputs
        What the network gives, by the name of the output; that of an only one without a name under "".
    targets
        The target of each output, where it is known.
    graph
        The network.
    costs
        Of outputs whose cost is known: it says what numbers that are no labels mean, such as quantiles.
    """
    columns: dict[str, Array] = {}
    for name, (values, lengths) in outputs.items():
        require_finite_predictions(values)
        target = targets.get(name, Target(None))
        groups = predicted_by_cost(costs[name], values, target, name) if name in costs else []
        for found in groups or [_named(values, target, name, yes_or_no=_is_yes_or_no(graph, name, target))]:
            columns |= found if lengths is None else _cut(found, values.shape[1], lengths)
    return columns


def predicted_by_cost(cost: Cost, a: Array, target: Target, output: str = "") -> list[dict[str, Array]]:
    """Return what a cost makes of outputs that are no labels, in the unit of the target; nothing of any others.

    There are columns for each of the names that the cost gives.
    """
    explain = getattr(cost, "predictions", None)  # costs that are older than this method have none
    found: Mapping[str, Array] = {} if explain is None else explain(a)
    name = output or ("output" if target.column is None else target.column.name)
    columns = []
    for key, values in found.items():
        flat = _rows(values)
        raw = _rows(target.labels(flat)) if target.column and target.column.steps else flat
        entries = [f"{entry}_{key}" if key else entry for entry in (target.column and target.column.entries) or ()]
        columns.append(_numbered("_".join(filter(None, (name, key))), raw, entries))
    return columns


def _is_yes_or_no(graph: Graph, output: str, target: Target) -> bool:
    """Return whether outputs are the probabilities that labels are 1 rather than 0."""
    column = target.column
    index = graph.outputs[graph.output_names.index(output) if output else 0]
    whole = target.classes is None and column is not None and column.kind == "integer" and not column.steps
    return whole and getattr(graph.nodes[index].activation, "range", None) == (0, 1)


def at_thresholds(columns: Mapping[str, Array], threshold: float | Mapping[str, float]) -> dict[str, Array]:
    """Return predictions whose labels are those with a probability above a threshold, or above one for each label.

    ConfigError unless they are those of two classes, for which there is one threshold, or of labels of which an example
    has any number; a label without a threshold keeps ½.
    """
    names = [name.removeprefix(PROBABILITY) for name in columns if name.startswith(PROBABILITY)]
    probabilities = {name: columns[PROBABILITY + name] for name in names}
    several = bool(names) and set(columns) == {*names, *map(PROBABILITY.__add__, names)}
    if several:
        given = threshold if isinstance(threshold, Mapping) else dict.fromkeys(names, threshold)
        if unknown := [name for name in given if name not in names]:
            near = did_you_mean(unknown[0], names)
            raise ConfigError(f"There is no label {unknown[0]!r} for a threshold.{near} Labels: {listed(names)}.")
        above = {name: p > given.get(name, THRESHOLD) for name, p in probabilities.items()}
        return {**columns, **{name: each.astype(np.int64) for name, each in above.items()}}
    if set(columns) != {LABEL, *map(PROBABILITY.__add__, names)} or len(names) != 2 or isinstance(threshold, Mapping):
        raise ConfigError(
            "A threshold needs a classifier of two classes: predictions with a label and two probabilities; or labels "
            "that are columns of 0 and 1, each of which may have its own."
        )
    chosen = np.array(names)[(probabilities[names[1]] > threshold).astype(np.intp)]
    return {**columns, LABEL: chosen.astype(np.int64) if columns[LABEL].dtype.kind in "iu" else chosen}


def _cut(columns: Mapping[str, Array], steps: int, lengths: Array) -> dict[str, Array]:
    """Return the columns of sequences, as many for each time step, without what lies beyond the lengths."""
    each = len(columns) // steps
    return {
        name: np.ma.masked_array(column, lengths <= index // each)
        for index, (name, column) in enumerate(columns.items())
    }


def _named(a: Array, target: Target, output: str, *, yes_or_no: bool = False) -> dict[str, Array]:
    """Return the columns of the predictions of one output; `yes_or_no` if they are those that labels are 1."""
    flat = _rows(a)
    if target.column is None:
        return _numbered(output or "output", flat)
    if target.classes is not None and a.ndim > 2:  # classes at each of several places
        places, name = a.reshape(len(a), prod(a.shape[1:-1]), a.shape[-1]), output or "label"
        found = (_named(places[:, k], target, f"{name}_{k}") for k in range(places.shape[1]))
        return {key: column for columns in found for key, column in columns.items()}
    labels, classes = target.labels(a), target.classes
    if yes_or_no and flat.shape[1] == 1:
        labels, classes = (flat[:, 0] > THRESHOLD).astype(np.int64), ("0", "1")
    if yes_or_no and target.entries is not None and flat.shape[1] == len(target.entries):
        each = dict(zip(target.entries, flat.T, strict=True))
        said = {name: (p > THRESHOLD).astype(np.int64) for name, p in each.items()}
        return said | {f"{PROBABILITY}{name}": p for name, p in each.items()}
    if labels.ndim > 1 or (classes is None and not (labels.dtype.kind == "i" and flat.shape[1] > 1)):
        return _numbered(output or target.column.name, _rows(labels), target.column.entries)
    if flat.shape[1] == 1:  # the only output is the probability of class 1
        flat = np.hstack([1 - flat, flat])
    names = classes or tuple(map(str, target.labels(np.eye(flat.shape[1]))))
    prefix = f"{output}_" if output else ""
    columns = {f"{prefix}{PROBABILITY}{name}": p for name, p in zip(names, flat.T, strict=True)}
    return {output or LABEL: labels} | columns


def _rows(values: Array) -> Array:
    """Return the values of each example side by side; of none, too."""
    return values.reshape(len(values), prod(values.shape[1:]))


def _numbered(name: str, values: Array, entries: Sequence[str] | None = None) -> dict[str, Array]:
    """Return columns of numbers by name: those of the entries, if there are as many, else with a number each."""
    count = values.shape[1]
    names = [name] if count == 1 else [f"{name}_{k}" for k in range(count)]
    return dict(zip(entries if entries is not None and len(entries) == count else names, values.T, strict=True))
