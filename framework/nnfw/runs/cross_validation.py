"""Cross-validation: an experiment trained several times, each time judged on other examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nnfw.data import Fold, fold_chunks, folds, split
from nnfw.data.splitting import is_of_classes
from nnfw.errors import warn
from nnfw.experiments.data import InChunks, InMemory, RawData, read_data
from nnfw.experiments.experiment import ExperimentFile
from nnfw.experiments.preparation import Figures, prepare, require_columns
from nnfw.plain import jsonable
from nnfw.plugins import Registry
from nnfw.randomness import stream
from nnfw.runs.layout import CROSS_VALIDATION
from nnfw.runs.run import training_of
from nnfw.storage import Directory, replace_file

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class FoldResult:
    """A network of a cross-validation.

    Parameters
    ----------
    seed
        Of its parameters, its validation part, the order of its examples and its noise.
    examples
        How many examples each part has.
    epochs
        How many it was trained.
    results
        Cost and metrics of each part.
    baseline
        Those of the same outputs for every example, on the test part; empty if there are none.
    """

    seed: int
    examples: Mapping[str, int]
    epochs: int
    results: Mapping[str, Figures]
    baseline: Figures


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What a cross-validation found.

    Parameters
    ----------
    kind
        How the folds were cut: ``"stratified"``, ``"random"``, ``"grouped"``, ``"in order"`` or ``"in time"``.
    folds
        One network for each fold.
    unit
        In which unit cost and metrics are, in words; empty if nothing transforms the target.
    """

    kind: str
    folds: Sequence[FoldResult]
    unit: str = ""

    @property
    def mean(self) -> dict[str, float]:
        """The mean over the folds of cost and metrics on the test parts."""
        return {name: float(np.mean(values)) for name, values in self._values()}

    @property
    def spread(self) -> dict[str, float]:
        """The standard deviation over the folds, with n − 1 in the denominator."""
        return {name: float(np.std(values, ddof=min(1, len(values) - 1))) for name, values in self._values()}

    @property
    def baseline(self) -> dict[str, float]:
        """The mean over the folds of the baseline on the test parts."""
        found = [fold.baseline for fold in self.folds]
        return {name: float(np.mean([each[name] for each in found])) for name in found[0]}

    def _values(self) -> Iterator[tuple[str, list[float]]]:
        """Yield the values of each number on the test parts."""
        tests = [fold.results["test"] for fold in self.folds]
        yield from ((name, [test[name] for test in tests]) for name, value in tests[0].items() if _is_number(value))

    def table(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "format": _FORMAT,
            "kind": self.kind,
            "unit": self.unit,
            "mean": self.mean,
            "spread": self.spread,
            "baseline": self.baseline,
            "folds": [asdict(fold) for fold in self.folds],
        }


def cross_validate(
    file: ExperimentFile,
    registry: Registry,
    count: int,
    callbacks: Sequence[object] = (),
    tell: Callable[[str], None] = warn,
) -> CrossValidation:
    """Train an experiment once for each of `count` folds, on the other folds, and evaluate each network on its fold.

    The folds follow the dataset and ``[data] split``: groups stay together, and in time or with `in_order` each network
    is tested on the block after those that it knows. Otherwise classes are stratified, unless the data is read in
    chunks. The validation part is cut from the known examples, in the proportion of the split. Transforms are fitted on
    the training part of each fold. No run is written.

    Parameters
    ----------
    file, registry
        The experiment, and where names are looked up.
    count
        The number of folds, 2 or more.
    callbacks
        Further callbacks, a progress bar for instance.
    tell
        Called with a line after each fold.

    Raises
    ------
    DataError
        If there are too few examples or groups.
    ConfigError
        As :func:`nnfw.experiments.prepare`.
    DivergedError, TrainingInterrupted
        As :func:`nnfw.runs.train` does.
    """
    experiment = file.experiment
    data = read_data(experiment.data.source, file.directory)
    require_columns(file, data)
    kind, cut, seeds = _folds(data, file, count)
    further, found, unit = [registry.resolve("callback", callback) for callback in callbacks], [], ""
    for number, (rows, seed) in enumerate(zip(cut, seeds, strict=True), 1):
        result, unit = _trained(file, registry, data, rows, seed, further)
        found.append(result)
        figures = ", ".join(f"{name} {value:.4g}" for name, value in _numbers(found[-1].results["test"]))
        tell(f"Fold {number} of {len(cut)}: {figures}")
    return CrossValidation(kind, found, unit)


def _folds(data: RawData, file: ExperimentFile, count: int) -> tuple[str, list[Mapping[str, Any]], list[int]]:
    """Return how the folds are cut, the rows of the parts of each, and its seed."""
    shares, rng = file.experiment.data.split, stream(file.experiment.seed, "folds")
    if isinstance(data, InChunks):
        share = shares.validation / (1 - shares.test)
        parts: list[Mapping[str, Any]] = [
            *fold_chunks(data.source.chunks, count, share, in_order=shares.in_order, rng=rng)
        ]
        return "in order" if shares.in_order else "random", parts, rng.integers(1 << 31, size=count).tolist()
    assert isinstance(data, InMemory)
    examples = data.examples
    groups = None if shares.group is None else examples.columns[shares.group]
    cut = folds(examples, count, in_order=shares.in_order, groups=groups, rng=rng)
    seeds: list[int] = rng.integers(1 << 31, size=len(cut)).tolist()
    kinds = {
        "in time": examples.time is not None,
        "in order": shares.in_order,
        "grouped": groups is not None or examples.group is not None,
        "stratified": is_of_classes(examples),
    }
    kind = next((kind for kind, holds in kinds.items() if holds), "random")
    return kind, [_parts(fold, data, file, seed) for fold, seed in zip(cut, seeds, strict=True)], seeds


def _parts(fold: Fold, data: InMemory, file: ExperimentFile, seed: int) -> dict[str, Any]:
    """Return the rows of training, validation and test; the known examples are split as the experiment says."""
    shares = file.experiment.data.split
    known = data.examples.take(fold.known)
    own = split(
        known,
        shares.validation / (1 - shares.test),
        0.0,
        stratify=shares.stratify,
        in_order=shares.in_order,
        groups=None if shares.group is None else known.columns[shares.group],
        rng=stream(seed, "split"),
    )
    return {"training": fold.known[own.training], "validation": fold.known[own.validation], "test": fold.test}


def _trained(
    file: ExperimentFile,
    registry: Registry,
    data: RawData,
    rows: Mapping[str, Any],
    seed: int,
    callbacks: Sequence[Any],
) -> tuple[FoldResult, str]:
    """Train a network, with callbacks' files in a temporary folder; return also the unit of its figures."""
    prepared = prepare(replace(file, experiment=replace(file.experiment, seed=seed)), registry, data=data, rows=rows)
    with TemporaryDirectory() as folder:
        history = training_of(prepared, Directory(Path(folder)), callbacks, None).run()
    sizes = {name: len(part) for name, part in prepared.parts.items()}
    results = {name: prepared.evaluate(name) for name in prepared.parts}
    return FoldResult(seed, sizes, len(history), results, prepared.baseline("test")), prepared.unit


def write_cross_validation(found: CrossValidation, path: Path) -> Path:
    """Write what was found as JSON into a run's directory, or beside an experiment file; return the file."""
    content = (json.dumps(jsonable(found.table()), indent=2) + "\n").encode()
    if path.is_dir():
        place = path / CROSS_VALIDATION
        replace_file(place, content, inside=Directory(path))
    else:
        place = path.with_name(f"{path.stem}.{CROSS_VALIDATION}")
        replace_file(place, content)
    return place


def _numbers(figures: Figures) -> Iterable[tuple[str, float]]:
    return ((name, value) for name, value in figures.items() if _is_number(value))


def _is_number(value: object) -> bool:
    return isinstance(value, float)
