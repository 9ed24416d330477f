"""A progress bar for trainings."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from nnfw.protocols import Callback, Fit

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

REDRAW_SECONDS = 0.2  # drawing takes up to two milliseconds, and may take a hundredth of the time
BAR_WIDTH = 10  # characters, so that cost and a metric fit beside it on 80 columns


@dataclass
class _Bar:
    """What is drawn. It is not plain data, so checkpoints do not restore the times of another process."""

    figures: str
    first_step: int
    done: int  # steps before the first one, if all epochs had the length that they have now
    started: float
    drawn: float
    progress: Progress | None = None
    task: TaskID | None = None


@dataclass(frozen=True)
class ProgressBar(Callback):
    """Shows epoch, cost, metrics, examples per second and the time left on stderr.

    Two figures with a slash are those of the training and the validation data, both of the previous epoch. Nothing is
    shown if stderr is not a terminal, or if the training lasts only an instant.
    """

    def state(self, fit: Fit) -> dict[str, Any]:
        """Note when the training started; the bar is created when it is first drawn."""
        figures, now = figures_of(fit.history[-1]) if fit.history else "", monotonic()
        done, steps = fit.step, fit.steps
        if done // steps != len(fit.history):  # epochs of another length, of the training that is continued
            done = len(fit.history) * steps
        return {"bar": _Bar(figures, fit.step, done, now, now)}

    def steps_computed(self, fit: Fit, costs: Sequence[float], state: MutableMapping[str, Any]) -> None:
        """Redraw, at most five times a second."""
        bar, now = state["bar"], monotonic()
        if now - bar.drawn < REDRAW_SECONDS:
            return
        if bar.progress is None:
            bar.progress, bar.task = _begun(fit)
        bar.progress.update(
            bar.task,
            completed=bar.done + fit.step - bar.first_step,
            epoch=_epoch(fit.epoch, fit.epochs),
            figures=bar.figures or f"cost {costs[-1]:.3g}",
            speed=f"{(fit.step - bar.first_step) / fit.steps * fit.examples / (now - bar.started):,.0f}/s",
            refresh=True,
        )
        bar.drawn = monotonic()

    def epoch_ended(self, fit: Fit, record: Mapping[str, float], state: MutableMapping[str, Any]) -> None:
        """Show the figures of the epoch from now on."""
        state["bar"].figures = figures_of(record)

    def close(self, state: MutableMapping[str, Any]) -> None:
        """Remove the bar."""
        if state["bar"].progress is not None:
            state["bar"].progress.stop()


def _begun(fit: Fit) -> tuple[Progress, TaskID]:
    """Return a bar on the screen, and its task. No thread redraws it: it would compete with the training."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    def text(content: str, width: int) -> TextColumn:
        return TextColumn(content, table_column=Column(no_wrap=True, min_width=width))

    console = Console(stderr=True)
    progress = Progress(
        text("{task.fields[epoch]}", len(_epoch(fit.epochs, fit.epochs))),
        BarColumn(BAR_WIDTH),
        text("{task.fields[figures]}", len("cost 0.000")),
        text("{task.fields[speed]}", len("00,000/s")),
        TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=len("0:00:00"))),
        console=console,
        disable=not console.is_terminal,
        transient=True,
        auto_refresh=False,
    )
    progress.start()
    return progress, progress.add_task("", total=fit.epochs * fit.steps, epoch="", figures="", speed="")


def _epoch(epoch: int, epochs: int) -> str:
    return f"epoch {epoch}/{epochs}"


def figures_of(record: Mapping[str, object]) -> str:
    """Return cost and metrics of an epoch in short: training data, then validation data.

    Examples
    --------
    >>> figures_of({"epoch": 3, "learning_rate": 0.1, "cost": 0.25, "accuracy": 0.9, "validation_cost": 0.5})
    'cost 0.25/0.5  accuracy 0.9'
    """
    numbers = {name: f"{value:.3g}" for name, value in record.items() if isinstance(value, float)}
    return "  ".join(
        f"{name} {'/'.join([number, *filter(None, [numbers.get(f'validation_{name}')])])}"
        for name, number in numbers.items()
        if name != "learning_rate" and not name.startswith("validation_")
    )
