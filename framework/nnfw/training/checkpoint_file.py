"""A checkpoint: everything that a training needs to resume as if it had never stopped, in one file.

The file has the container format of a model file. ``docs/resume.md`` says what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.configuration import build
from nnfw.errors import ConfigError, DataError, FileFormatError, short
from nnfw.network import Parameters
from nnfw.protocols import EVALUATED
from nnfw.storage import Directory, container, decoded, encoded
from nnfw.training.average import EVALUATED_STATE
from nnfw.training.history import Memory
from nnfw.training.state import TrainingState

if TYPE_CHECKING:
    from nnfw.plugins import Registry

FILE_NAME = re.compile(r"step-[0-9]{12,}\.checkpoint")
FORMAT = container.Format("checkpoint", "nnfw-checkpoint", "a training", 1, "0.1")
_VECTOR, _STATE, _PROGRESS = "vector", "state", "progress"
_PARTS = {
    "order": dict,
    "noise": dict,
    "optimizer": dict,
    "records": list,
    "tally": dict,
    "cost": float,
    "callbacks": list,
}


@dataclass(frozen=True)
class Header:
    """The part of a checkpoint that is plain data.

    Parameters
    ----------
    epoch, step
        Where the training was, counted over the whole training.
    position
        The number of steps taken in the epoch; 0 after its end.
    stopped
        Why no further epoch begins; empty if one may.
    accelerator
        Whose kernels were used.
    best_cost, best_step
        The checkpoint from the end of the epoch with the lowest cost; None if there is none.
    origin
        What was trained on what, as far as the results depend on it.
    environment
        Versions, machine and libraries.
    """

    epoch: Annotated[int, Ge(0)]
    step: Annotated[int, Ge(0)]
    position: Annotated[int, Ge(0)]
    stopped: str
    accelerator: str
    best_cost: float | None
    best_step: int | None
    origin: dict[str, object]
    environment: dict[str, object]

    def is_end(self, epochs: int) -> bool:
        """Return whether a training of so many epochs has no steps left."""
        return not self.position and (self.epoch >= epochs or bool(self.stopped))

    @property
    def place(self) -> str:
        """Where the training was, in words."""
        return f"in epoch {self.epoch}, after step {self.step}" if self.position else f"after epoch {self.epoch}"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint that was read: parameters, layer state, and the rest of what changes in training as `progress`."""

    path: Path
    header: Header
    vector: Array
    state: Array
    progress: Mapping[str, Any]


def write(path: Path, header: Header, state: TrainingState, folder: Directory) -> None:
    """Write the state of a training to a file in a folder; NnfwError, and an existing file stays, if that fails."""
    arrays: dict[str, Array] = {}
    changing = {
        "order": state.order_of_epoch,
        "noise": state.noise.bit_generator.state,
        "optimizer": state.arrays,
        "records": state.history.records,
        "tally": state.tally.content(),
        "cost": float(state.cost),
        "callbacks": [[name, plain_part(memory)] for name, memory in state.memories],
    }
    progress = encoded(changing, arrays, _PROGRESS)
    parameters = {_VECTOR: state.parameters.vector, _STATE: state.parameters.state}
    container.write(path, {**asdict(header), _PROGRESS: progress}, arrays | parameters, FORMAT, inside=folder)


def plain_part(memory: Memory) -> Memory:
    """Return the entries of a callback's memory that are plain; others it builds again."""
    return {key: value for key, value in memory.items() if _is_plain(key) and _is_plain(value)}


def _is_plain(value: object) -> bool:
    try:
        encoded(value, {})
    except (DataError, RecursionError):
        return False
    return True


def name_of(kind: str, component: object, registry: Registry) -> str:
    """Return the name by which the state of a callback or an optimizer is found again."""
    found = registry.component_of(kind, component)
    return found.qualified_name if found else type(component).__qualname__


def read(path: Path, registry: Registry, folder: Directory | None = None) -> Checkpoint:
    """Return the checkpoint in a file; FileFormatError if it is missing, damaged, or of another format.

    If its directory is passed as `folder`, the file must not be a link.
    """
    table, arrays = container.read(path, FORMAT, inside=folder)
    with _naming_file(path, "is no checkpoint"):
        vector, state = arrays.pop(_VECTOR, None), arrays.pop(_STATE, None)
        progress = decoded(table.pop(_PROGRESS, None), arrays)
        if arrays or vector is None or state is None:
            raise FileFormatError(f"its arrays are not those of a training: {short(sorted(arrays))}")
        if type(progress) is not dict or {key: type(value) for key, value in progress.items()} != _PARTS:
            raise FileFormatError(f"its progress is {short(progress)}")
        header = build(Header, table, registry.resolve)
    return Checkpoint(path, header, vector, state, progress)


@contextmanager
def _naming_file(path: Path, what: str) -> Iterator[None]:
    """Name the file in messages about what is wrong with it."""
    try:
        yield
    except (FileFormatError, ConfigError) as error:
        raise FileFormatError(f"{path}: {what}: {error}") from error


def resume(
    checkpoint: Checkpoint, state: TrainingState, callbacks: Sequence[str], steps: int, recorded: Collection[str]
) -> list[Memory]:
    """Put a training in the state of a checkpoint, and return what its callbacks remembered.

    Arrays are filled in place, because others hold views of them. If the checkpoint does not fit, the model is
    unchanged.

    Parameters
    ----------
    checkpoint, state
        Where the training resumes, and its fresh state.
    callbacks
        The names of the callbacks. A new one gets an empty memory; FileFormatError if one with a memory is missing.
    steps, recorded
        The number of steps in an epoch, and the names of what each epoch records.
    """
    header, progress = checkpoint.header, checkpoint.progress
    with _naming_file(checkpoint.path, "does not fit this training"):
        found = _named(checkpoint.vector, checkpoint.state, progress["optimizer"])
        own = _named(state.parameters.vector, state.parameters.state, state.arrays)
        _require_alike(found, own)
        if header.position >= steps or len(progress["records"]) != header.epoch - bool(header.position):
            raise FileFormatError(
                f"it holds {len(progress['records'])} records in epoch {header.epoch}, after step {header.position} of "
                f"{steps}"
            )
        _require_records(progress["records"], recorded)
        memories = _memories(progress["callbacks"], callbacks)
        state.tally.put_back(progress["tally"])
        _set_random(state.noise, progress["noise"])
        _set_random(state.order, progress["order"])
    for name, array in own.items():
        array[...] = found[name]
    state.epoch, state.step, state.position = header.epoch, header.step, header.position
    state.history.records, state.history.resumed = progress["records"], header.place
    state.cost = progress["cost"]
    return memories


def load_parameters(parameters: Parameters, checkpoint: Checkpoint) -> None:
    """Fill parameters and layer state with those that a model is evaluated with; FileFormatError if they do not fit."""
    arrays = checkpoint.progress["optimizer"]
    vector, state = arrays.get(EVALUATED, checkpoint.vector), arrays.get(EVALUATED_STATE, checkpoint.state)
    with _naming_file(checkpoint.path, "does not fit this model"):
        _require_alike(_named(vector, state), _named(parameters.vector, parameters.state))
    parameters.vector[...], parameters.state[...] = vector, state


def _named(vector: Array, state: Array, optimizer: Mapping[str, Array] | None = None) -> dict[str, Array]:
    others = {f"optimizer's {name}": array for name, array in (optimizer or {}).items()}
    return {"parameters": vector, "state": state, **others}


def _require_alike(found: Mapping[str, object], own: Mapping[str, object]) -> None:
    for name in dict.fromkeys((*own, *found)):
        there, here = (
            f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else short(array)
            for array in (found.get(name), own.get(name))
        )
        if there != here:
            raise FileFormatError(f"its {name} are {there}, those of the training {here}")


def _require_records(records: Iterable[object], recorded: Collection[str]) -> None:
    for record in records:
        if type(record) is not dict or not {"epoch", "learning_rate", *recorded} <= record.keys():
            raise FileFormatError(f"a record of an epoch is {short(record)}; it must have {', '.join(recorded)}")


def _set_random(generator: np.random.Generator, state: Any) -> None:
    try:
        generator.bit_generator.state = state
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise FileFormatError(f"{short(state)} is no state of random numbers") from error


def _memories(items: Iterable[object], callbacks: Iterable[str]) -> list[Memory]:
    """Return the memory of each callback, found by its name; an empty one for a new callback."""
    stored: dict[str, list[Memory]] = {}
    for item in items:
        match item:
            case [str(name), dict(entries)]:
                stored.setdefault(name, []).append(entries)
            case _:
                raise FileFormatError(f"{short(item)} is no memory of a callback")
    found: list[Memory] = [stored[name].pop(0) if stored.get(name) else {} for name in callbacks]
    missing = [name for name, memories in stored.items() if any(memories)]
    if missing:
        raise FileFormatError(f"there is no callback {missing[0]!r} here, which remembers something")
    return found
