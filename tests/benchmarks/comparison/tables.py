"""The figures as tables for a terminal, as the tables of docs/performance.md, and as JSON."""

import os
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from rich.markup import escape
from rich.table import Table

from nnfw.machine import describe_environment

from .contenders import versions
from .measurements import OWN, Measurement, Setting
from .turns import Row

SHOWN_IN_BRACKETS = "In brackets: how many times as long as the first row."
NOTHING = "–"


def terminal(measurement: Measurement) -> Table:
    """Return a table with medians, spread and ratios."""
    table = Table(title=escape(measurement.title), caption=escape(caption(measurement)), caption_justify="left")
    table.add_column("", no_wrap=True)
    references = [label for label in measurement.references if measurement.row(label) is not None]
    for heading in (measurement.unit_name, "spread", *(f"over {label}" for label in references)):
        table.add_column(escape(heading), justify="right")
    for row in measurement.rows:
        ratios = measurement.ratios(row)
        over = [f"{ratios[label]:.2f}" for label in references]
        table.add_row(escape(row.label), number(row.median * measurement.unit), f"{row.spread:.0%}", *over)
    return table


def caption(measurement: Measurement) -> str:
    """Return what a turn was, the best peer and who was left out."""
    lines = [f"A turn: {measurement.work}."]
    if (best := measurement.best_peer()) is not None:
        against = [f"{best.median / own.median:.2f} times as long as {own.label}" for own in own_rows(measurement)]
        lines += [f"The fastest peer, {best.label}, takes {' and '.join(against)}."] if against else []
    lines += [f"Left out: {label}, {reason}." for label, reason in measurement.left_out.items()]
    return "\n".join(lines)


def own_rows(measurement: Measurement) -> list[Row]:
    """Return the rows of nnfw that were measured."""
    return [row for label in OWN if (row := measurement.row(label)) is not None]


def number(value: float) -> str:
    """Return three digits of it, or all that stand before the point."""
    return f"{value:,.{max(0, 2 - (value >= 10) - (value >= 100))}f}"


def markdown(measurements: Iterable[Measurement], setting: Setting) -> str:
    """Return the dated figures as the page shows them."""
    found = list(measurements)
    parts = [introduction(found, setting)]
    for _, family in groupby(found, key=lambda measurement: measurement.family):
        parts.append(grid(list(family)))
    missing = {f"{label} ({reason})" for measurement in found for label, reason in measurement.left_out.items()}
    parts += [f"Left out: {'; '.join(sorted(missing))}."] if missing else []
    return "\n\n".join(parts) + "\n"


def introduction(found: list[Measurement], setting: Setting) -> str:
    """Return when, on what and how this was measured."""
    cpu = describe_environment()["cpu"]
    packages = ", ".join(f"{name} {version}" for name, version in versions().items() if version)
    spreads = [row.spread for measurement in found for row in measurement.rows] or [0.0]
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {cpu['model']}, {cpu['available']} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}. {setting.kernels.reason}. Medians of {setting.rounds} "
        f"rounds; between the quartiles lie {min(spreads):.0%} to {max(spreads):.0%} of the median. {SHOWN_IN_BRACKETS}"
    )


def grid(family: list[Measurement]) -> str:
    """Return measurements side by side; a row for each contender, and how the fastest peer compares."""
    labels = list(dict.fromkeys(row.label for measurement in family for row in measurement.rows))
    lines = [
        "| | " + " | ".join(f"{m.title}, {m.unit_name}" for m in family) + " |",
        "| --- " * (len(family) + 1) + "|",
    ]
    lines += [line(label, [cell(measurement, label) for measurement in family]) for label in labels]
    if any(measurement.best_peer() for measurement in family):
        lines += [line(f"fastest peer over {own}", [lead(m, own) for m in family]) for own in OWN if own in labels]
    return "\n".join(lines)


def line(label: str, cells: list[str]) -> str:
    """Return one line of a table."""
    return f"| {label} | {' | '.join(cells)} |"


def cell(measurement: Measurement, label: str) -> str:
    """Return the median and, in brackets, the ratio to the first reference."""
    row = measurement.row(label)
    if row is None:
        return NOTHING
    ratio = measurement.ratios(row).get(measurement.references[0])
    return number(row.median * measurement.unit) + (f" ({ratio:.2f})" if ratio is not None else "")


def lead(measurement: Measurement, own: str) -> str:
    """Return how many times as long as nnfw the fastest peer takes."""
    best, row = measurement.best_peer(), measurement.row(own)
    return NOTHING if best is None or row is None else f"{best.median / row.median:.2f}"


def as_json(measurements: Mapping[str, Measurement], setting: Setting) -> dict[str, Any]:
    """Return all figures and what they depend on; times are in seconds."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        "environment": describe_environment(),
        "versions": versions(),
        "kernels": setting.kernels.reason,
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "rounds": setting.rounds,
        "quick": setting.quick,
        "measurements": {name: measurement.as_json() for name, measurement in measurements.items()},
    }
