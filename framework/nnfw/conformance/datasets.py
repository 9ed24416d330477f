"""The checks of datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np

from nnfw.arrays import Array
from nnfw.conformance.outcomes import CheckFailed, NotApplicable, applies_if, require
from nnfw.conformance.requirements import equal
from nnfw.conformance.subjects import Subject
from nnfw.data import Examples
from nnfw.protocols import Dataset


def exercise(subject: Subject[Dataset], component: Dataset) -> list[object]:
    """Use a dataset as nnfw does, and return everything that it reads."""
    return [array for folder in _folders(subject) for array in _arrays(_loaded(component, folder))]


def check_loads_examples(subject: Subject[Dataset]) -> None:
    """Load returns Examples, with at least one example."""
    for folder in _folders(subject):
        require(len(_loaded(subject.component, folder)) > 0, "load returned no example.")


def check_loads_the_same_twice(subject: Subject[Dataset]) -> None:
    """Loading twice gives the same bits: randomness comes from a seed among the options."""
    for folder in _folders(subject):
        first, second = (list(_arrays(_loaded(subject.component, folder))) for _ in range(2))
        require(equal(first, second), "loading it twice gives different examples.")


def check_copies_are_independent(subject: Subject[Dataset]) -> None:
    """Changing what was loaded does not change what is loaded next."""
    for folder in _folders(subject):
        for array in _arrays(_loaded(subject.component, folder)):
            before = np.array(array)
            if not array.flags.writeable or array.dtype.kind not in "fiu":
                continue
            array += 1
            again = map(np.array, _arrays(_loaded(subject.component, folder)))
            require(any(equal(each, before) for each in again), "changing loaded examples changes the next load.")
            return
    raise NotApplicable("what it loads cannot be written")


def check_input_shape_is_real(subject: Subject[Dataset]) -> None:
    """input_shape returns the shape of one example without reading data, or None."""
    said = subject.component.input_shape()
    applies_if(said is not None, "it leaves the shape open")
    for folder in _folders(subject):
        columns = list(_loaded(subject.component, folder).features.values())
        widths = {array.shape[1:] or (1,) for array in columns}
        found = next(iter(widths)) if len(columns) == 1 else (sum(int(np.prod(array.shape[1:])) for array in columns),)
        require(found == said, f"input_shape says {said}, but an example has the shape {found}.")


def _folders(subject: Subject[Dataset]) -> Iterator[Path]:
    """Yield the folders to load from: those that the dataset brings, each as long as it is used, or the current one."""
    brought = False
    for folder in subject.samples():
        brought = True
        require(isinstance(folder, Path), f"samples yielded {type(folder).__name__}, expected the Path of a folder.")
        yield cast("Path", folder)
    if not brought:
        yield Path()


def _loaded(dataset: Dataset, folder: Path) -> Examples:
    found = dataset.load(folder)
    if not isinstance(found, Examples):
        raise CheckFailed(f"load returned {type(found).__name__}, expected Examples.")
    return found


def _arrays(examples: Examples) -> Iterator[Array]:
    yield from examples.features.values()
    if examples.target is not None:
        yield examples.target
