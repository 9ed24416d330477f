"""What nnfw costs beside other libraries: steps of training, predictions, start-up and a whole program.

Every contender that is installed is measured; each library runs in a process of its own, and they take turns. Figures
are medians of the rounds, with the distance between the quartiles as their spread. Only ratios within one run mean
something.
"""

import argparse
import json
from pathlib import Path

from comparison.contenders import CONTENDERS, kernels
from comparison.measurements import MEASUREMENTS, Setting
from comparison.tables import as_json, markdown, terminal
from rich.console import Console

ROUNDS, QUICK_ROUNDS = 11, 2


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to measure, everything by default: {', '.join(MEASUREMENTS)}"
    )
    parser.add_argument(
        "--only", action="append", choices=CONTENDERS, metavar="CONTENDER", help=f"repeatable: {', '.join(CONTENDERS)}"
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"turns of each contender, 2 or more; {ROUNDS} by default"
    )
    parser.add_argument("--quick", action="store_true", help="tiny turns that show that all works, and nothing else")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--markdown", action="store_true", help="print the tables as docs/performance.md shows them")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in MEASUREMENTS]:
        parser.error(f"there is no measurement {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    if chosen.rounds < 2:  # one turn has no spread
        parser.error(f"--rounds must be 2 or more, got {chosen.rounds}")
    return chosen


def main() -> None:
    """Measure, print and write."""
    chosen = arguments()
    contenders = {name: contender for name, contender in CONTENDERS.items() if not chosen.only or name in chosen.only}
    setting = Setting(contenders, kernels(), QUICK_ROUNDS if chosen.quick else chosen.rounds, chosen.quick)
    console, progress = Console(), Console(stderr=True)
    progress.print(setting.kernels.reason)
    found = {}
    for name in chosen.names or MEASUREMENTS:
        progress.print(f"{name} ...")
        found[name] = MEASUREMENTS[name](setting)
        if not chosen.markdown:
            console.print(terminal(found[name]))
        if chosen.json:  # each time, so that what breaks off later loses nothing
            chosen.json.write_text(json.dumps(as_json(found, setting), indent=2) + "\n", encoding="utf-8")
    if chosen.markdown:
        console.file.write(markdown(found.values(), setting))


if __name__ == "__main__":
    main()
