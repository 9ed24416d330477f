"""A progress bar for trainings."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from nnfw.protocols import Callback, Fit

REDRAW_SECONDS = 0.1


@dataclass(frozen=True)
class ProgressBar(Callback):
    """Shows epoch, cost, metrics, examples per second and the time left on stderr.

    Silent where stderr is no terminal.
    """

    def state(self, fit: Fit) -> dict[str, Any]:
        """Start the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TextColumn("{task.fields[speed]} examples/s"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        progress.start()
        task = progress.add_task("", total=fit.epochs * fit.steps, epoch=1, epochs=fit.epochs, figures="", speed="-")
        return {"progress": progress, "task": task, "started": monotonic(), "drawn": 0.0, "figures": ""}

    def step_computed(self, fit: Fit, state: MutableMapping[str, Any]) -> None:
        """Redraw, at most ten times a second."""
        now = monotonic()
        if now - state["drawn"] < REDRAW_SECONDS:
            return
        state["drawn"] = now
        figures = state["figures"] or f"cost {fit.cost:.4g}"
        speed = f"{fit.step / fit.steps * fit.examples / (now - state['started']):,.0f}"
        state["progress"].update(state["task"], completed=fit.step, epoch=fit.epoch, figures=figures, speed=speed)

    def epoch_ended(self, fit: Fit, record: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
        """Take over the figures of the epoch."""
        names = [name for name, value in record.items() if isinstance(value, float) and name != "learning_rate"]
        state["figures"] = "  ".join(f"{name} {record[name]:.4g}" for name in names)

    def close(self, state: MutableMapping[str, Any]) -> None:
        """Remove the bar."""
        state["progress"].stop()
