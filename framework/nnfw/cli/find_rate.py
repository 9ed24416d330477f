"""``nnfw find-rate``: the learning-rate range test, with a picture."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnfw.cli.arguments import ExperimentPath, Overrides, as_text
from nnfw.cli.console import Json, message, print_json, print_text
from nnfw.plugins import default_registry

if TYPE_CHECKING:
    from nnfw.training import RateTest

Lowest = Annotated[float, typer.Option("--lowest", metavar="RATE", help="The first learning rate, above 0.")]
Highest = Annotated[float, typer.Option("--highest", metavar="RATE", help="The last learning rate.")]
StepCount = Annotated[int, typer.Option("--steps", metavar="N", min=20, help="How many steps to take.")]
Picture = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write the picture to this file, which ends in .svg."),
]

_COLUMNS, _ROWS = 60, 14


def find_rate(
    file: ExperimentPath,
    overrides: Overrides = None,
    lowest: Lowest = 1e-6,
    highest: Highest = 10.0,
    steps: StepCount = 200,
    output: Picture = None,
    json: Json = False,
) -> None:
    """Find a learning rate: train for some steps with rates that rise, and look at the cost.

    The rate grows from step to step by the same factor, until the cost diverges. Suggested is the rate at which the
    cost falls fastest, or a tenth of the one where it is lowest if that is less. Schedule and callbacks of the
    experiment are left out. No run is written. The exit status is 1 if the cost never falls.

    Examples
    --------
    $ nnfw find-rate examples/digits.toml
    $ nnfw find-rate examples/digits.toml --set optimizer.type=sgd --highest 100 -o rates.svg
    """
    if not isfinite(highest):
        raise typer.BadParameter(f"must be a finite number, got {highest:g}.", param_hint="'--highest'")
    if not 0 < lowest < highest:
        text = f"must be above 0 and below --highest, {highest:g}, got {lowest:g}."
        raise typer.BadParameter(text, param_hint="'--lowest'")
    if output is not None and output.suffix.lower() != ".svg":
        raise typer.BadParameter(f"must end in .svg, got {str(output)!r}.", param_hint="'--output'")
    from nnfw.experiments import read_experiment
    from nnfw.runs import find_rate

    registry = default_registry()
    found = find_rate(read_experiment(file, registry, overrides or ()), registry, lowest, highest, steps)
    if output is not None:
        from nnfw.reporting import rate_picture
        from nnfw.storage import replace_file

        replace_file(output, rate_picture(found).encode())
    if json:
        print_json(_table(found))
    else:
        print_text("\n".join(_drawn(found)))
        print_text()
        print_text(_words(found))
    if output is not None:
        message(f"Picture: {output}")
    if found.suggestion is None:
        raise typer.Exit(1)


def _table(found: RateTest) -> dict[str, object]:
    return {
        "suggestion": found.suggestion,
        "lowest": found.rates[found.lowest],
        "diverged": found.diverged,
        "rates": found.rates,
        "costs": found.costs,
        "smoothed": found.smoothed,
    }


def _words(found: RateTest) -> str:
    """Say what the test has shown, and what to do."""
    end = f"diverges at {found.rates[-1]:.2g}" if found.diverged else "does not diverge"
    if found.suggestion is None:
        return f"The cost never falls, and {end}. Begin with a smaller --lowest, or take more --steps."
    lowest = found.rates[found.lowest]
    return (
        f"Learning rate {found.suggestion:g}: there the cost falls fast. It is lowest at {lowest:.2g} and {end}.\n"
        f"Use it with --set optimizer.learning_rate={found.suggestion:g}."
    )


def _drawn(found: RateTest) -> Iterator[str]:
    """Yield the lines of a picture: the smoothed cost over the logarithm of the rate, `|` at the suggestion."""
    low, high = min(found.smoothed), max(found.smoothed[: found.lowest + 1])
    columns = [round(k * (_COLUMNS - 1) / max(1, len(found.rates) - 1)) for k in range(len(found.rates))]
    chosen = [column for column, rate in zip(columns, found.rates, strict=True) if rate <= (found.suggestion or 0)]
    grid = [[" "] * _COLUMNS for _ in range(_ROWS)]
    for row in grid if chosen else ():
        row[chosen[-1]] = "|"
    for column, cost in zip(columns, found.smoothed, strict=True):
        place = (min(cost, high) - low) / ((high - low) or 1.0)
        grid[round((1 - place) * (_ROWS - 1))][column] = "*"
    labels = [as_text(high), *[""] * (_ROWS - 2), as_text(low)]
    width = max(map(len, labels))
    for label, row in zip(labels, grid, strict=True):
        yield f"{label:>{width}} {''.join(row)}".rstrip()
    first, last = f"{found.rates[0]:.2g}", f"{found.rates[-1]:.2g}"
    yield f"{'':{width}} {first}{last:>{_COLUMNS - len(first)}}"
    yield f"{'':{width}} smoothed cost over learning rate, logarithmic"
