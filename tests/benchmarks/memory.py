"""What a training and a prediction keep in memory, beside what they may: one process for each, on Linux.

Run it with: python tests/benchmarks/memory.py [NAME ...] [--size GIB] [--folder FOLDER]

A training may hold, beyond imports and data: parameters x (2 + slots of the optimizer) + 3 x the activations of one
batch, its input among them. Names that end in "file" read a memory-mapped file of `--size`, 2 GiB by default, written
to `--folder`, the system's for temporary files by default; they may hold 400 MiB, imports included.

Before the measurement each process trains a tiny network of the same components, so that everything is imported. What
the system counts as the process's is then compared with the peak of the training.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

import nnfw

MIB = 1 << 20
FILE_LIMIT = 400 * MIB
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
SLOTS = {"sgd": 0, "adam": 2}


@dataclass(frozen=True)
class Case:
    """A network and what is done with it; `examples` is None where a file decides."""

    sizes: tuple[int, ...]
    hidden: str
    optimizer: str
    batch: int
    examples: int | None = None
    dtype: str = "float32"
    shuffle: bool = True
    validation: bool = False
    task: str = "fit"

    def model(self, sizes: tuple[int, ...]) -> nnfw.Sequential:
        """Return the network with layers of other sizes."""
        layers = [{"type": "dense", "units": units, "activation": self.hidden} for units in sizes[1:]]
        return nnfw.Sequential([*layers[:-1], layers[-1] | {"activation": "identity"}], sizes[0])

    def fit(self, model: nnfw.Sequential, x: np.ndarray, y: np.ndarray) -> None:
        """Train for two epochs: the order of the second is drawn while that of the first is there."""
        optimizer = {"type": self.optimizer, "learning_rate": 1e-6}
        held_out = (x[: len(x) // 10], y[: len(x) // 10]) if self.validation else None
        model.fit(
            x,
            y,
            cost="mse",
            optimizer=optimizer,
            epochs=2,
            batch_size=self.batch,
            shuffle=self.shuffle,
            validation_data=held_out,
        )

    def bound(self, model: nnfw.Sequential) -> int:
        """Return the bytes that a training may hold beyond imports and data."""
        parameters, activations = model.parameters.vector.size, self.batch * sum(self.sizes)
        return model.dtype.itemsize * (parameters * (2 + SLOTS[self.optimizer]) + 3 * activations)


T1, T2 = (784, 30, 10), (784, 128, 10)
CASES = {
    "T1": Case(T1, "sigmoid", "sgd", 10, 50_000),
    "T1 validated": Case(T1, "sigmoid", "sgd", 10, 50_000, validation=True),
    "T2": Case(T2, "relu", "adam", 32, 50_000),
    "T3": Case((784, 512, 512, 10), "relu", "adam", 128, 20_000),
    "T4": Case((1024, 2048, 2048, 1024), "relu", "sgd", 1024, 4096),
    "T2 file": Case(T2, "relu", "adam", 32),
    "T2 ordered file": Case(T2, "relu", "adam", 32, shuffle=False),
    "T2 bytes file": Case(T2, "relu", "adam", 256, dtype="uint8"),
    "T2 validated file": Case(T2, "relu", "adam", 256, validation=True),
    "predict file": Case(T2, "relu", "adam", 32, task="predict"),
}


def held(what: str) -> int:
    """Return the bytes that the system counts as this process's: VmRSS now, VmHWM at most."""
    return next(int(line.split()[1]) * 1024 for line in STATUS.read_text().splitlines() if line.startswith(what))


def data(case: Case, path: str) -> tuple[np.ndarray, np.ndarray]:
    """Return examples in the network's dtype, or those of the file."""
    rng = np.random.default_rng(0)
    x = np.load(path, mmap_mode="r") if path else rng.random((case.examples or 0, case.sizes[0]), dtype=np.float32)
    return x, rng.random((len(x), case.sizes[-1]), dtype=np.float32)


def measure(case: Case, path: str) -> dict[str, int]:
    """Return what this process held at most, in bytes, and what it may hold."""
    rng = np.random.default_rng(0)
    case.fit(case.model((2, 2, 2)), rng.random((64, 2)), rng.random((64, 2)))
    imports = held("VmRSS")
    x, y = data(case, path)
    before = held("VmRSS")
    CLEAR.write_text("5")  # forget the peak so far
    model = case.model(case.sizes)
    if case.task == "predict":
        model.predict(x)
    else:
        case.fit(model, x, y)
    peak = held("VmHWM")
    bound = FILE_LIMIT if path else case.bound(model)
    return {"imports": imports, "data": before - imports, "measured": peak if path else peak - before, "bound": bound}


def write_file(path: Path, case: Case, size: int) -> None:
    """Write an array of `size` bytes that holds random numbers."""
    rows, rng = size // (case.sizes[0] * np.dtype(case.dtype).itemsize), np.random.default_rng(0)
    block = rng.integers(0, 255, (1000, case.sizes[0])).astype(case.dtype)
    array = np.lib.format.open_memmap(path, "w+", block.dtype, (rows, case.sizes[0]))
    for start in range(0, rows, len(block)):
        array[start : start + len(block)] = block[: rows - start]
    array.flush()


def in_a_process(name: str, folder: Path, size: int) -> dict[str, int]:
    """Measure one case in a process of its own."""
    case, path = CASES[name], folder / f"{CASES[name].dtype}.npy"
    if case.examples is None and not path.exists():
        write_file(path, case, size)
    arguments = [sys.executable, __file__, "--measure", name, "--file", "" if case.examples else str(path)]
    result = subprocess.run(arguments, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def show(names: list[str], parent: Path | None, size: int) -> None:
    """Print the table."""
    table = Table(
        "",
        "imports",
        "data",
        "measured",
        "may hold",
        title="MiB",
        caption="measured: beyond imports and data, or all where a file is read",
    )
    with TemporaryDirectory(dir=parent) as folder:
        for name in names:
            found = in_a_process(name, Path(folder), size)
            mark = "" if found["measured"] <= found["bound"] else " [red]more[/red]"
            figures = [f"{value / MIB:.1f}" for value in found.values()]
            table.add_row(name, *figures[:2], figures[2] + mark, figures[3])
    Console().print(table)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=", ".join(CASES))
    parser.add_argument("--size", type=float, default=2.0, help="of the files, in GiB")
    parser.add_argument("--folder", type=Path, help="where the files go")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--file", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(CASES[options.measure], options.file)))  # noqa: T201
    else:
        show(options.names or list(CASES), options.folder, int(options.size * (1 << 30)))


if __name__ == "__main__":
    main()
