"""Make windows.csv of co2.csv: the changes of 24 months, and that of the next. Run it with: python make_windows.py"""

import csv
from itertools import pairwise
from pathlib import Path

MONTHS = 24

FOLDER = Path(__file__).parent


def windows() -> list[list[str]]:
    """Return the rows of windows.csv, its header first; changes are in ppm."""
    with (FOLDER / "co2.csv").open(newline="") as file:
        values = [float(row["ppm"]) for row in csv.DictReader(file)]
    changes = [after - before for before, after in pairwise(values)]
    header = [*(f"before_{k}" for k in range(MONTHS, 0, -1)), "change"]
    return [header, *([f"{each:.2f}" for each in changes[i : i + MONTHS + 1]] for i in range(len(changes) - MONTHS))]


if __name__ == "__main__":
    with (FOLDER / "windows.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(windows())
