"""The checks of datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import numpy as np

from nnfw.arrays import Array
from nnfw.conformance.isolation import folders_in_reverse
from nnfw.conformance.outcomes import CheckFailed, NotApplicable, applies_if, require
from nnfw.conformance.requirements import equal
from nnfw.conformance.subjects import Subject
from nnfw.data import Examples, categorical, open_source, read_chunk
from nnfw.errors import DataError, PluginError, short
from nnfw.protocols import Dataset, Source


def exercise(subject: Subject[Dataset], component: Dataset) -> list[object]:
    """Use a dataset as nnfw does, and return everything that it reads."""
    found: list[object] = [array for folder in _folders(subject) for array in _arrays(_loaded(component, folder))]
    for folder in _folders(subject):
        source = open_source(component, folder)
        found += [] if source is None else _arrays(Examples.of(source))
    return found


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


def check_does_not_depend_on_the_order_of_a_folder(subject: Subject[Dataset]) -> None:
    """Files are read in an order of their own: the system lists a folder in another one on another machine."""
    for folder in _folders(subject):
        first = [*_arrays(_loaded(subject.component, folder))]
        with folders_in_reverse():
            second = [*_arrays(_loaded(subject.component, folder))]
        require(
            equal(first, second), "the examples follow the order in which the system lists a folder. Sort the files."
        )


def check_classes_are_those_of_the_target(subject: Subject[Dataset]) -> None:
    """The target holds names that are in classes, or numbers from 0 to one less than there are."""
    named = False
    for folder in _folders(subject):
        examples = _loaded(subject.component, folder)
        target, classes = examples.target, examples.classes
        if target is None or classes is None:
            continue
        named, known = True, classes if categorical(target) else range(len(classes))
        require(len(set(classes)) == len(classes), f"two of the classes have one name: {short(classes)}.")
        unknown = [value for value in np.unique(target).tolist() if value not in known]
        require(not unknown, f"the target holds {short(unknown[:1])}, which is none of its {len(classes)} classes.")
    applies_if(named, "it names no classes")


def check_input_shape_is_real(subject: Subject[Dataset]) -> None:
    """input_shape returns the shape of one example without reading data, or None."""
    said = subject.component.input_shape()
    applies_if(said is not None, "it leaves the shape open")
    for folder in _folders(subject):
        columns = list(_loaded(subject.component, folder).features.values())
        widths = {array.shape[1:] or (1,) for array in columns}
        found = next(iter(widths)) if len(columns) == 1 else (sum(int(np.prod(array.shape[1:])) for array in columns),)
        require(found == said, f"input_shape says {said}, but an example has the shape {found}.")


def check_open_gives_what_load_gives(subject: Subject[Dataset]) -> None:
    """The chunks of the source that open returns hold the examples of load, in their order."""
    for folder, source in _sources(subject):
        opened, loaded = Examples.of(source), _loaded(subject.component, folder)
        require(
            list(opened.columns) == list(loaded.columns),
            f"open has {list(opened.columns)}, load {list(loaded.columns)}.",
        )
        require(opened.classes == loaded.classes, f"open has the classes {opened.classes}, load {loaded.classes}.")
        for name, column in loaded.columns.items():
            same = equal(np.asarray(opened.columns[name], column.dtype), np.asarray(column))
            require(same, f"the chunks of open do not hold the column {name!r} of load.")


def check_chunks_do_not_depend_on_what_was_read(subject: Subject[Dataset]) -> None:
    """A chunk of the source that open returns is the same whenever it is read, in whatever order."""
    for folder, source in _sources(subject):
        numbers = range(len(source.chunks))
        forward = {k: _copy(read_chunk(source, k, "open")) for k in numbers}
        again = _opened(subject.component, folder)
        assert again is not None
        for k in [*reversed(numbers), 0, *numbers]:
            require(
                equal(_copy(read_chunk(source, k, "open")), forward[k]), f"chunk {k} differs when it is read again."
            )
            require(
                equal(_copy(read_chunk(again, k, "open")), forward[k]), f"chunk {k} differs when open is called again."
            )


def check_fingerprint_is_the_same_for_the_same_data(subject: Subject[Dataset]) -> None:
    """The source that open returns has one fingerprint, also when the data is opened again."""
    for folder, source in _sources(subject):
        again = _opened(subject.component, folder)
        assert again is not None
        first, second = source.fingerprint(), again.fingerprint()
        require(isinstance(first, str), f"fingerprint returned {type(first).__name__}, expected a text.")
        require(first == second, "opening the data again gives another fingerprint, so no training could resume.")


def _sources(subject: Subject[Dataset]) -> Iterator[tuple[Path, Source]]:
    """Yield the sources that the dataset opens, each with its folder; NotApplicable if it opens none."""
    opened = False
    for folder in _folders(subject):
        source = _opened(subject.component, folder)
        if source is not None:
            opened = True
            yield folder, source
    applies_if(opened, "it opens no source")


def _opened(dataset: Dataset, folder: Path) -> Source | None:
    try:
        return open_source(dataset, folder)
    except (PluginError, DataError) as error:
        raise CheckFailed(str(error)) from error


def _copy(columns: Mapping[str, Array]) -> dict[str, Array]:
    return {name: column.copy() for name, column in columns.items()}


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
    yield from examples.columns.values()
    yield from examples.roles.values()
