"""A progress bar for trainings."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from nnfw.protocols import Callback, Fit

REDRAW_SECONDS = 0.2  # drawing takes a millisecond or two, which is to be one in a hundred
BAR_WIDTH = 10  # characters, so that cost and a metric fit beside it on 80 columns


@dataclass
class _Bar:
    """What is drawn: not plain, so that no checkpoint brings back the times of another process."""

    progress: Any
    task: Any
    figures: str
    first_step: int
    started: float
    drawn: float = 0.0


@dataclass(frozen=True)
class ProgressBar(Callback):
    """Shows epoch, cost, metrics, examples per second and the time left on stderr.

    A figure with a slash is that of the training data, then that of the validation data, both of the epoch before.
    Silent where stderr is no terminal.
    """

    def state(self, fit: Fit) -> dict[str, Any]:
        """Start the bar."""
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
            refresh_per_second=1 / REDRAW_SECONDS,
        )
        progress.start()
        task = progress.add_task("", total=fit.epochs * fit.steps, epoch=_epoch(1, fit.epochs), figures="", speed="")
        figures = figures_of(fit.history[-1]) if fit.history else ""
        return {"bar": _Bar(progress, task, figures, fit.step, monotonic())}

    def step_computed(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        """Redraw, at most five times a second."""
        bar, now = state["bar"], monotonic()
        if now - bar.drawn < REDRAW_SECONDS:
            return
        bar.drawn = now
        bar.progress.update(
            bar.task,
            completed=fit.step,
            epoch=_epoch(fit.epoch, fit.epochs),
            figures=bar.figures or f"cost {fit.cost:.3g}",
            speed=f"{(fit.step - bar.first_step) / fit.steps * fit.examples / (now - bar.started):,.0f}/s",
        )

    def epoch_ended(self, fit: Fit, record: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
        """Take over the figures of the epoch."""
        state["bar"].figures = figures_of(record)

    def close(self, state: MutableMapping[str, Any]) -> None:
        """Remove the bar."""
        state["bar"].progress.stop()


def _epoch(epoch: int, epochs: int) -> str:
    return f"epoch {epoch}/{epochs}"


def figures_of(record: Mapping[str, Any]) -> str:
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
