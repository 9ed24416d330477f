"""Training again from a run's record, and judging whether the results are the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import ConfigError, DataError, DivergedError
from nnfw.experiments.experiment import ExperimentFile
from nnfw.model import Sequential
from nnfw.runs.comparison import Differences, input_differences
from nnfw.runs.layout import unused
from nnfw.runs.opening import Access, open_model, open_run
from nnfw.runs.reading import VALIDATION, EpochValue, StoredRun, read_run
from nnfw.runs.run import train

Verdict = Literal["bit-equal", "within rounding", "different"]

ENDED = ("finished", "diverged")
_JUDGED = ("cost", f"{VALIDATION}cost", "penalty", "parameters")


@dataclass(frozen=True, eq=False)
class Reproduction:
    """The result of training a run again.

    The verdict is ``"bit-equal"`` if every number of every epoch and every parameter is the same, and ``"within
    rounding"`` if the costs of every epoch and the parameters differ by no more than `tolerance`, the square root of
    the machine epsilon of the experiment's dtype: 3.5e-4 for float32, 1.5e-8 for float64.

    Notes
    -----
    Other kernels, threads or versions add the same numbers in another order. The last digits of the sums then differ,
    and training amplifies that. If half of the digits still agree, rounding explains the rest: with OpenBLAS's Haswell
    kernels instead of those for AVX-512, the costs and parameters of nnfw's examples differ by at most 4e-6 in float32
    and 2e-15 in float64; another seed or learning rate changes their first digits. The difference of a cost is relative
    to that cost, that of the parameters to the largest of them. Metrics that count examples jump when a single example
    crosses a boundary, so they are reported, but not part of the verdict.
    """

    verdict: Verdict
    tolerance: float
    largest: Mapping[str, float]  # relative differences of what epochs record; infinite if one run lacks it
    changed: Mapping[str, Differences]  # inputs, by section: as recorded, and now
    directory: Path | None  # of the new run; None if it was removed again
    outcome: str  # how the two runs ended, if that differs


def reproduce(path: Path, access: Access, out: Path | None = None, callbacks: Sequence[object] = ()) -> Reproduction:
    """Train a run's experiment again, and compare.

    ConfigError if the run did not finish or diverge; DataError if the data cannot be read; other errors are those of
    :func:`open_run`.

    Parameters
    ----------
    path, access
        The run's directory, and how it is opened.
    out
        The directory of the new run. By default it is made next to the old one, and removed again if all is bit-equal.
    callbacks
        Further callbacks, a progress bar for instance.
    """
    old = _ended(path)
    file, registry = open_run(path, access), access.registry
    before = open_model(path, access) if old.status == "finished" else None
    whole = path.resolve()
    directory = unused(whole.with_name(f"{whole.name}-reproduced")) if out is None else out
    new = _trained_again(file, access, directory, callbacks)
    after = open_model(directory, Access(registry)) if new.status == "finished" else None
    largest = dict(_largest_differences(old, new))
    if before is not None and after is not None:
        vectors = zip(_vectors(before), _vectors(after), strict=True)
        largest["parameters"] = max(_difference(a, b) for a, b in vectors)
    tolerance = float(np.sqrt(np.finfo(file.experiment.dtype).eps))
    equal = _bits(old, before) == _bits(new, after)
    verdict = "bit-equal" if equal else _verdict(old, new, largest, tolerance)
    kept = out is not None or verdict != "bit-equal"
    if not kept:
        shutil.rmtree(directory)
    changed = input_differences([old, new])
    return Reproduction(verdict, tolerance, largest, changed, directory if kept else None, _outcome(old, new))


def _ended(path: Path) -> StoredRun:
    """Return a run that finished or diverged; damaged files are reported here, before anything is trained."""
    run = read_run(path)
    if run.status in ENDED and run.history is not None:
        return run
    advice = "Resume it first, or train its experiment.toml again."
    raise ConfigError(f"{path} is {run.status}: it has no final results to compare with. {advice}")


def _trained_again(file: ExperimentFile, access: Access, directory: Path, callbacks: Sequence[object]) -> StoredRun:
    """Train, and return the new run, which may have diverged."""
    try:
        with suppress(DivergedError):
            train(file, access.registry, directory, callbacks, access.tell)
    except DataError as error:
        advice = f"nnfw looked in {file.directory}. If the data is elsewhere, name its folder: --data-dir DIR."
        raise DataError(f"{error} {advice}") from error
    return read_run(directory)


def _bits(run: StoredRun, model: Sequential | None) -> tuple[str, ...]:
    """Return everything that must be the same to the last bit; as text, since 0.0 == -0.0."""
    vectors = () if model is None else _vectors(model)
    return run.status, run.reason, repr(run.history), *(sha256(vector.tobytes()).hexdigest() for vector in vectors)


def _verdict(old: StoredRun, new: StoredRun, largest: Mapping[str, float], tolerance: float) -> Verdict:
    if old.status != new.status or len(old.history) != len(new.history):
        return "different"
    judged = [value for name, value in largest.items() if name in _JUDGED]
    return "within rounding" if max(judged, default=0.0) <= tolerance else "different"


def _outcome(old: StoredRun, new: StoredRun) -> str:
    before, now = (f"{run.status} after {run.epochs} epochs. {run.reason}".strip() for run in (old, new))
    return "" if before == now else f"It was {before}\nNow it is {now}"


def _largest_differences(old: StoredRun, new: StoredRun) -> Iterator[tuple[str, float]]:
    for name in dict.fromkeys(name for run in (old, new) for row in run.history for name in row):
        pairs = zip(old.history, new.history, strict=False)
        yield name, max((_difference(a.get(name), b.get(name)) for a, b in pairs), default=0.0)


def _vectors(model: Sequential) -> tuple[Array, Array]:
    return model.parameters.vector, model.parameters.state


def _difference(before: Array | EpochValue, after: Array | EpochValue) -> float:
    """Return the largest relative difference of numbers, arrays or nested lists; None stands for one not finite."""
    try:
        a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    except ValueError:  # rows of unequal lengths
        return float("inf")
    if np.array_equal(a, b, equal_nan=True):
        return 0.0
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    return float(np.max(np.abs(a - b)) / max(np.max(np.abs(a)), np.max(np.abs(b))))
