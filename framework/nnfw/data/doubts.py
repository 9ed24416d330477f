"""What makes the results of a training on a table too good, or meaningless."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from nnfw.arrays import Array
from nnfw.data.tables import Table, listed
from nnfw.errors import DataError, short

_FEWEST = 20  # rows; fewer may be alike, or determine their target, by chance
_SURPRISING = 0.1  # different values for each row; where every column has fewer, rows are alike by chance
_REPEATED = 0.05  # of a part's rows; fewer change its results little
_SAMPLE = 10_000  # rows; only what determines their targets is looked at whole


def leaks(table: Table, features: Iterable[str], target: str, *, classes: bool) -> Iterator[str]:
    """Yield which features tell the target exactly: by their values, or as thresholds between classes."""
    if len(table) < _FEWEST:
        return
    every = np.arange(len(table))
    some = every if len(table) <= _SAMPLE else np.linspace(0, len(table) - 1, _SAMPLE).astype(np.intp)
    for name in features:
        if all(_determines(table.ranks(name, rows), table.ranks(target, rows), classes) for rows in (some, every)):
            excluded = json.dumps([name], ensure_ascii=False)
            yield (
                f"{table.name}: column {name!r} determines the target exactly. If it is not known before the target "
                f"is, exclude it: exclude = {excluded}."
            )


def _determines(feature: Array, target: Array, classes: bool) -> bool:
    """Return whether a target is a function of a feature, and not only because each value occurs once or twice.

    Both are given as ranks. Values occur ten times on average, or thresholds separate the classes, or a numeric target
    never falls, or never rises, with the feature.
    """
    order = np.lexsort((target, feature))
    values, labels = feature[order], target[order]
    changes, steps = labels[1:] != labels[:-1], values[1:] != values[:-1]
    if not changes.any() or (changes & ~steps).any():
        return False
    if 10 * (1 + int(steps.sum())) <= len(values):
        return True
    if classes:
        return int(changes.sum()) == int(target.max())
    rises = np.diff(labels)
    return bool((rises >= 0).all() or (rises <= 0).all())


def repeats(table: Table, names: Sequence[str], parts: Mapping[str, Array]) -> Iterator[str]:
    """Yield how many rows of other parts are also in the training part, unless that is no surprise."""
    many = any(table.seen(name).distinct >= _SURPRISING * len(table) for name in names)
    if not many or len(table) < _FEWEST:
        return
    rows = table.marks(names)
    found = {
        part: int(np.isin(rows[own], rows[parts["training"]]).sum())
        for part, own in parts.items()
        if part != "training"
    }
    told = [
        f"{count:,} of {len(parts[part]):,} rows of the {part} part"
        for part, count in found.items()
        if count > _REPEATED * len(parts[part])
    ]
    if told:
        yield (
            f"{table.name}: {' and '.join(told)} are also in the training part, so the results there are too good. "
            "Remove the copies, or keep them together: name what they share as group."
        )


def classes_in_parts(table: Table, target: str, parts: Mapping[str, Array]) -> Iterator[str]:
    """Yield which classes are only in parts that are not trained on, and which parts hold a single class."""
    if len(table) < _FEWEST:
        return
    ranks = table.ranks(target, np.arange(len(table)))
    found = {part: set(np.unique(ranks[rows]).tolist()) for part, rows in parts.items()}
    advice = "data.split.stratify gives each part its share of every class."
    for part, own in found.items():
        if unseen := own - found["training"]:
            names = listed([short(table.cell(target, int(np.argmax(ranks == rank)))) for rank in sorted(unseen)])
            yield (
                f"{table.name}: {names} of {target!r} is in the {part} part but not in the training part, so the "
                f"network cannot learn it. {advice}"
            )
        if len(own) == 1:
            only = short(table.cell(target, int(parts[part][0])))
            told = f"all rows of the {part} part are {only} of {target!r}, so its figures say little"
            yield f"{table.name}: {told}. {advice}"


def require_different(table: Table, target: str, rows: Array) -> None:
    """Refuse a target that is the same in all rows, or in the several that are trained on; DataError."""
    ranks = table.ranks(target, np.arange(len(table)))
    where = " in the training part" if np.ptp(ranks) else ""
    if len(rows) > 1 and not np.ptp(ranks[rows]):
        raise DataError(f"{table.name}: the target {target!r} is always the same{where}, so there is nothing to learn.")
