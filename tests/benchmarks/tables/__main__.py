"""How well nnfw learns from real tables with nothing but the target named, beside other libraries at their defaults.

Each table is split five times into 80 % for training and 20 % for testing. Results are added to a file, and what is
there is not measured again, so a run that was stopped goes on where it was. At the end, tables in Markdown show what
the file has of the chosen tables and contenders.
"""

import argparse
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console

from .catalogue import REGRESSION, TABLES, Table
from .contenders import CONTENDERS, Contender, Job, figures
from .data import rows_of
from .report import HALVES, listing, markdown
from .results import Results

SPLITS, LIMIT = 5, 1200.0


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tables", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="tables to learn from, all by default; see --list")
    parser.add_argument("--half", choices=HALVES, help="only this half of the tables")
    parser.add_argument(
        "--only", action="append", choices=CONTENDERS, metavar="CONTENDER", help=f"repeatable: {', '.join(CONTENDERS)}"
    )
    parser.add_argument("--splits", type=int, default=SPLITS, help=f"the first so many splits; {SPLITS} by default")
    parser.add_argument("--results", type=Path, default=Path("tables.jsonl"), help="file of results; tables.jsonl")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds for one split; {LIMIT:g} by default")
    parser.add_argument("--again", action="store_true", help="measure what is in the file again")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change nnfw's experiment")
    parser.add_argument("--as", dest="name", metavar="NAME", help="keep the results of nnfw under this name")
    parser.add_argument("--list", action="store_true", help="list the tables with their licences, and measure nothing")
    parser.add_argument("--show", action="store_true", help="show what is in the file, and measure nothing")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.tables if name not in TABLES]:
        parser.error(f"there is no table {', '.join(unknown)}; there are {', '.join(TABLES)}")
    if chosen.splits < 1:
        parser.error(f"--splits must be 1 or more, got {chosen.splits}")
    if chosen.set and not chosen.name:
        parser.error("--set needs --as NAME, so that its results are not taken for those of nnfw's defaults")
    return chosen


def contenders(chosen: argparse.Namespace) -> dict[str, Contender]:
    """Return who takes part, by the name under which results are kept."""
    found = {name: contender for name, contender in CONTENDERS.items() if not chosen.only or name in chosen.only}
    return {chosen.name if chosen.name and name == "nnfw" else name: found[name] for name in found}


def measure(
    chosen: argparse.Namespace, tables: list[Table], contenders: Mapping[str, Contender], results: Results
) -> None:
    """Add what the file lacks."""
    progress = Console(stderr=True, highlight=False)
    for name, contender in contenders.items():
        if contender.missing:
            progress.print(f"{name} is left out; not installed: {', '.join(contender.missing)}")
    able = {name: contender for name, contender in contenders.items() if not contender.missing}
    for table in tables:
        wanted = {
            name: tuple(k for k in range(chosen.splits) if chosen.again or results.lacks((table.name, name, k)))
            for name in able
        }
        if not any(wanted.values()):
            continue
        columns = table.columns()
        size = {"rows": rows_of(columns), "features": len(columns) - 1}
        deviation = float(np.std(columns[table.target])) if table.kind == REGRESSION else 1.0
        for name, splits in wanted.items():
            module, settings = able[name].module, tuple(chosen.set) if able[name].module == "own" else ()
            job = Job(module, columns, table.target, table.kind, deviation, splits, settings)
            for number, found in figures(job, chosen.limit):
                key = {"table": table.name, "contender": name, "split": number}
                results.add({**key, **found, **size, "versions": able[name].versions})
                progress.print(f"{table.name} {name} {number}: {found}", markup=False, soft_wrap=True)


def main() -> None:
    """Measure what is missing, and show what there is."""
    chosen = arguments()
    tables = [
        table
        for name, table in TABLES.items()
        if (not chosen.tables or name in chosen.tables) and (not chosen.half or table.half == chosen.half)
    ]
    console = Console()
    if chosen.list:
        console.file.write(listing(tables))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the processes of contenders end too
    results, able = Results(chosen.results), contenders(chosen)
    if not chosen.show:
        measure(chosen, tables, able, results)
    kept = {contender for _, contender, _ in results}
    console.file.write(markdown(results, tables, [name for name in able if name in kept], chosen.splits))


if __name__ == "__main__":
    main()
