"""A callback, and what it sees of a training."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from nnfw.arrays import Array
    from nnfw.errors import DivergedError
    from nnfw.plain import PlainTable


class Callback(Protocol):
    """Code that runs during a training. It keeps its memory in `state`, a dictionary of its own.

    When a training is resumed, :meth:`state` is called as at the start, and then every plain entry is restored from the
    checkpoint: numbers, texts, True and False, None and arrays, and lists, tuples and dictionaries of these. Any other
    entry, such as an open file, stays as :meth:`state` made it.
    """

    def state(self, fit: Fit) -> dict[str, Any]:
        """Return the memory of this callback for one training; called before its first step, resumed or not."""
        return {}

    def step_computed(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        """Run after cost and gradient of a batch are known, before the parameters change.

        Steps are then taken one at a time. Where costs are enough, :meth:`steps_computed` is faster.
        """
        return

    def steps_computed(self, fit: Fit, costs: Sequence[float], state: MutableMapping[str, Any]) -> None:
        """Run after one or more steps, with their costs.

        Only the last cost can be non-finite; that step has not changed the parameters yet.
        """
        return

    def step_ended(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        """Run after the parameters have changed; a solver's step is one of its iterations.

        Steps are then taken one at a time.
        """
        return

    def epoch_ended(self, fit: Fit, record: Mapping[str, float], state: MutableMapping[str, Any]) -> None:
        """Run after each epoch with its record: epoch, learning_rate, cost, metrics, validation_cost and so on."""
        return

    def fit_ended(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        """Run when the training has ended without an error."""
        return

    def close(self, state: MutableMapping[str, Any]) -> None:
        """Release what `state` holds, such as an open file; runs last, after an error too."""
        return


class Lines(Protocol):
    """A text file that grows while a training runs."""

    def write(self, text: str) -> None:
        """Append a text; it is passed to the operating system at once."""

    def close(self) -> None:
        """Close the file once its bytes have reached the disk."""


class Installed(Protocol):
    """The registry of plugins, as far as a callback needs it."""

    def label(self, kind: str, component: object) -> str:
        """Return how messages name a component: ``'csv_log' (built-in)``."""

    def notify(self, hook: str, arguments: Mapping[str, object]) -> None:
        """Call the observers of a run, plugin by plugin; one that fails is warned about and ends nothing."""


class Fit(Protocol):
    """What a callback sees of a training in progress.

    Attributes
    ----------
    epochs, steps
        The planned number of epochs, and the number of steps in one epoch.
    examples
        The number of examples to train on.
    recorded
        Names of the numbers that each epoch will record, apart from matrices.
    vector
        The flat parameter vector of the model; to be read only. At the end of an epoch and of the training it holds the
        average that the model is evaluated with, if there is one.
    parameters
        The parameters of the model by name, ``layers.0.weight`` for instance: views that cannot be written to.
    parts
        Where each trainable parameter is in the vector.
    experiment
        The experiment as the table of a file, with every default, if the training is one; else None.
    directory
        Where files with relative paths go.
    """

    epochs: int
    steps: int
    examples: int
    recorded: tuple[str, ...]
    vector: Array
    parameters: Mapping[str, Array]
    parts: Mapping[str, slice]
    experiment: PlainTable | None
    directory: Path

    @property
    def registry(self) -> Installed:
        """The installed components and plugins."""

    @property
    def epoch(self) -> int:
        """The current epoch, from 1."""

    @property
    def step(self) -> int:
        """The current step, from 1, counted over the whole training."""

    @property
    def cost(self) -> float:
        """The cost of the last batch."""

    @property
    def history(self) -> Sequence[dict[str, Any]]:
        """The records of the epochs that have ended, the first one first."""

    def stop(self, reason: str) -> None:
        """End the training after this epoch."""

    def better(self, monitor: str, value: float, best: float) -> bool:
        """Whether `value` of the record entry `monitor` is better than `best`."""

    def snapshot(self) -> tuple[Array, ...]:
        """Return a copy of all parameters and state of the model."""

    def restore(self, snapshot: tuple[Array, ...]) -> None:
        """Put the values of a snapshot back into the model."""

    def watch(self) -> None:
        """Watch the parameters from now on; DivergedError names the step that makes them not finite."""

    def diverged(self, what: str) -> DivergedError:
        """Return the error for a cost that is not finite, which `what` describes; it names the first such step."""

    def first_non_finite(self) -> str:
        """Name the first layer with values that were not finite in the last pass, else the labels or the last layer."""

    def save_model(self, path: Path) -> None:
        """Write the model as it is now to `path`, replacing the file in one step."""

    def claim(self, path: str, callback: Callback) -> Path:
        """Return where a callback's file goes, and keep that name for it alone; ConfigError if another has it."""

    def lines(self, path: Path) -> Lines:
        """Return a new text file at a claimed path; call its `close` at the end."""
