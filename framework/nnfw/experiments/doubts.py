"""What makes the results of a training on a table doubtful."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nnfw.data import Examples, classes_in_parts, leaks, repeats
from nnfw.experiments.experiment import Experiment
from nnfw.model import Sequential, takes_only_classes
from nnfw.network import Objective


def doubts(
    experiment: Experiment, model: Sequential, objective: Objective, examples: Examples, rows: Mapping[str, Any]
) -> Iterator[str]:
    """Yield features that tell the target, rows that are in several parts, and classes that are missing in a part.

    Nothing, unless the examples are the rows of a table; `rows` are those of each part.
    """
    table = examples.table
    if table is None:
        return
    groups = experiment.data.groups
    used = examples.features if groups is None else [name for group in groups.values() for name in group.names]
    features = [name for name in dict.fromkeys(used) if name in table.names and name != experiment.data.split.group]
    targets = {name: classes for name, classes in _targets(model, objective) if name in table.names}
    parts = {part: own for part, own in rows.items() if len(own)}
    for name, classes in targets.items():
        yield from leaks(table, features, name, classes=classes)
        yield from classes_in_parts(table, name, parts) if classes else ()
    yield from repeats(table, [*features, *targets], parts)


def _targets(model: Sequential, objective: Objective) -> Iterator[tuple[str, bool]]:
    """Yield the column of each target, and whether it has classes."""
    assert model.preprocessing is not None
    shapes = model.network.output_shapes
    for target, term, shape in zip(model.preprocessing.outputs.values(), objective.terms, shapes, strict=True):
        column, labels = target.column, target.classes or target.numbers or ()
        if column is not None:
            numbered = column.kind == "integer" and not column.steps and takes_only_classes(term.cost, shape)
            for name in column.table_names:
                yield name, bool(labels) or numbered
