"""The results as tables in Markdown: averages and ranks, then each table; the two halves apart."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

from comparison.tables import NOTHING, line, number

from nnfw.machine import describe_environment

from .catalogue import CLASSIFICATION, REGRESSION, Table
from .contenders import CONTENDERS
from .results import Results

HALVES = {"tune": "Tables that settings were chosen by", "report": "Tables that settings were not chosen by"}
COSTS = {CLASSIFICATION: "log_loss", REGRESSION: "rmse"}


@dataclass(frozen=True)
class Row:
    """What the contenders did on one table: means over the splits, by contender."""

    table: Table
    costs: Mapping[str, float]
    averaged: Mapping[str, float]
    seconds: Mapping[str, float]
    failed: Mapping[str, str]
    size: str

    def is_measured(self, names: Iterable[str]) -> bool:
        """Whether all of them finished or failed."""
        return all(name in self.costs or name in self.failed for name in names)

    def rank(self, name: str, names: Iterable[str]) -> float:
        """Return the place of a contender, 1 for the lowest cost; equal ones share theirs, failed ones the last."""
        worst = float("inf")
        cost, all_costs = self.costs.get(name, worst), [self.costs.get(other, worst) for other in names]
        return 1 + sum(other < cost for other in all_costs) + (all_costs.count(cost) - 1) / 2


def row(table: Table, results: Results, names: Iterable[str], splits: int) -> Row:
    """Return what the contenders did on one table."""
    costs, averaged, seconds, failed, size = {}, {}, {}, {}, ""
    for name in names:
        lines = [results[key] for k in range(splits) if (key := (table.name, name, k)) in results]
        reasons = [found["failed"] for found in lines if "failed" in found]
        if reasons:
            failed[name] = reasons[0]
        elif len(lines) == splits:
            costs[name] = fmean(found[COSTS[table.kind]] for found in lines)
            averaged[name] = fmean(found["log_loss" if table.kind == CLASSIFICATION else "scaled"] for found in lines)
            seconds[name] = fmean(found["seconds"] for found in lines)
            size = f"{lines[0]['rows']:,} × {lines[0]['features']}"
    return Row(table, costs, averaged, seconds, failed, size)


def markdown(results: Results, tables: Iterable[Table], names: Sequence[str], splits: int) -> str:
    """Return all that was found of these tables and contenders."""
    rows = [row(table, results, names, splits) for table in tables]
    parts = [introduction(results, splits)]
    for half, title in HALVES.items():
        found = [row for row in rows if row.table.half == half and (row.costs or row.failed)]
        if found:
            parts += [f"### {title}", averages(found, names), single(found, names)]
    notes = [f"- {label(name)} on {row.table.name}: {why}" for row in rows for name, why in row.failed.items()]
    parts += ["Failed:\n\n" + "\n".join(notes)] if notes else []
    return "\n\n".join(parts) + "\n"


def introduction(results: Results, splits: int) -> str:
    """Return when, on what and how this was measured."""
    cpu = describe_environment()["cpu"]
    packages = sorted({part for found in results.values() for part in found["versions"].split(", ") if part})
    return (
        f"Measured until {datetime.now(UTC):%Y-%m-%d}: {cpu['model']}, {cpu['available']} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {', '.join(packages)}. Means of {splits} splits."
    )


def averages(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return ranks and means, over the tables that all contenders finished; a failure counts in the ranks."""
    ranked = [row for row in rows if row.is_measured(names)]
    whole = [row for row in ranked if not row.failed]
    by_kind = {kind: [row for row in whole if row.table.kind == kind] for kind in COSTS}
    costs = [f"log loss ({len(by_kind[CLASSIFICATION])})", f"RMSE in standard deviations ({len(by_kind[REGRESSION])})"]
    lines = [
        line("", [f"mean rank ({len(ranked)})", *costs, f"seconds of CPU time ({len(whole)})"]),
        "| --- " * 5 + "|",
    ]
    for name in names:
        rank = mean([row.rank(name, names) for row in ranked], 2)
        costs = [mean([row.averaged[name] for row in by_kind[kind]], 4) for kind in COSTS]
        lines.append(line(label(name), [rank, *costs, mean([row.seconds[name] for row in whole], 1)]))
    return "\n".join(lines)


def single(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return a line for each table: log loss or RMSE and, in brackets, seconds of CPU time; the lowest cost is bold."""
    lines = [line("table", ["rows × features", "cost", *map(label, names)]), "| --- " * (len(names) + 3) + "|"]
    for row in rows:
        cost = COSTS[row.table.kind].replace("_", " ").replace("rmse", "RMSE")
        lines.append(line(row.table.name, [row.size, cost, *(cell(row, name) for name in names)]))
    return "\n".join(lines)


def cell(row: Row, name: str) -> str:
    """Return cost and seconds of a contender on a table."""
    if name not in row.costs:
        return "failed" if name in row.failed else NOTHING
    cost = row.costs[name]
    text = number(cost) if cost >= 10 else f"{cost:.3f}"
    return f"{f'**{text}**' if cost == min(row.costs.values()) else text} ({row.seconds[name]:.1f})"


def mean(values: Sequence[float], digits: int) -> str:
    """Return a mean with so many digits after the point."""
    return f"{fmean(values):.{digits}f}" if values else NOTHING


def label(name: str) -> str:
    """Return what a contender is called in tables."""
    return CONTENDERS[name].label if name in CONTENDERS else name


def listing(tables: Iterable[Table]) -> str:
    """Return a line for each table of the benchmark."""
    lines = [line("table", ["package", "target", "kind", "half", "left out", "licence"]), "| --- " * 7 + "|"]
    for table in tables:
        cells = [table.package, table.target, table.kind, table.half, ", ".join(table.without), table.licence]
        lines.append(line(table.name, cells))
    return "\n".join(lines) + "\n"
