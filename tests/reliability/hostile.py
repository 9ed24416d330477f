"""Read files that are made to do harm, each in a process that may take 64 MiB more than it has.

Run it with: python tests/reliability/hostile.py [--json]

For each: whether it was read or refused, and the message. Exit status: 1 if one of them ends in anything but an error
of nnfw (a lack of memory, for instance), computes for more than ten seconds, waits for ten minutes, or makes a file.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy: the memory of its threads is no file's

import numpy as np

import nnfw
from nnfw.data import read_csv
from nnfw.experiments import read_experiment
from nnfw.experiments.preparation import prepare
from nnfw.plugins import default_registry
from nnfw.runs import read_run

EXTRA = 64 << 20
SECONDS = 10  # of CPU time: a machine that is busy with others changes nothing
WAIT = 600  # seconds for what does not compute, such as a pipe without writer
TIB = 1 << 40

Use = Callable[[], object]
Case = Callable[[Path], Use]


def sparse(path: Path, content: bytes, size: int = TIB) -> Path:
    """Write a file that is said to be large, and takes no place."""
    with path.open("wb") as file:
        file.write(content)
        file.truncate(size)
    return path


def dataset(name: str, folder: Path, **options: Any) -> Use:
    return lambda: nnfw.dataset(name, **options).load(folder)


# --- models -----------------------------------------------------------------------------------------------------------


def container(header: dict[str, Any], table: dict[str, Any]) -> bytes:
    from hashlib import sha256

    text = json.dumps(header)
    entry = {"nnfw": f"{sha256(text.encode()).hexdigest()} {text}"}
    content = json.dumps({"__metadata__": entry, **table}).encode()
    return len(content).to_bytes(8, "little") + content


def model_of(side: int) -> bytes:
    """Return all but the numbers of a model with one weight of side x side."""
    row = {"dtype": "F32", "shape": [side, side], "data_offsets": [0, 4 * side * side]}
    described = {"dtype": "float32", "shape": [side, side], "sha256": "0" * 64}
    header = {
        "format": 1,
        "readable_since": "0.1",
        "distributions": {"nnfw": "0.1.0"},
        "dtype": "float32",
        "input_shape": [side],
        "seed": 0,
        "layers": [{"type": "nnfw:dense", "units": side, "bias": False}],
        "tensors": {"layers.0.weight": described},
    }
    return container(header, {"layers.0.weight": row})


def model_that_declares_a_tib(folder: Path) -> Use:
    (folder / "model.nnfw").write_bytes(model_of(1 << 19))
    return lambda: nnfw.load(folder / "model.nnfw")


def model_of_a_sparse_tib(folder: Path) -> Use:
    content = model_of(1 << 19)
    sparse(folder / "model.nnfw", content, len(content) + TIB)
    return lambda: nnfw.load(folder / "model.nnfw")


def model_of_a_sparse_gib(folder: Path) -> Use:
    content = model_of(1 << 14)
    sparse(folder / "model.nnfw", content, len(content) + (1 << 30))
    return lambda: nnfw.load(folder / "model.nnfw")


def table_of_a_tib(folder: Path) -> Use:
    sparse(folder / "model.nnfw", TIB.to_bytes(8, "little") + b"{")
    return lambda: nnfw.load(folder / "model.nnfw")


def table_of_many_lists(folder: Path) -> Use:
    text = b'{"a":[' + b",".join([b"[]"] * ((8 << 20) // 3 - 10)) + b"]}"
    (folder / "model.nnfw").write_bytes(len(text).to_bytes(8, "little") + text)
    return lambda: nnfw.load(folder / "model.nnfw")


def table_of_as_many_values_as_are_read(folder: Path) -> Use:
    text = b'{"a":[' + b",".join([b"{}"] * ((1 << 18) - 10)) + b'],"b":"' + b"x" * (7 << 20) + b'"}'
    (folder / "model.nnfw").write_bytes(len(text).to_bytes(8, "little") + text)
    return lambda: nnfw.load(folder / "model.nnfw")


def table_of_deep_lists(folder: Path) -> Use:
    text = b'{"a":' + b"[" * 400_000
    (folder / "model.nnfw").write_bytes(len(text).to_bytes(8, "little") + text)
    return lambda: nnfw.load(folder / "model.nnfw")


# --- arrays -----------------------------------------------------------------------------------------------------------


def npy_head(shape: str, descr: str = "<f8") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text


def npy(content: bytes) -> Case:
    def case(folder: Path) -> Use:
        (folder / "x.npy").write_bytes(content)
        return dataset("npy", folder, x="x.npy")

    return case


def npy_header_of_four_gib(folder: Path) -> Use:
    sparse(folder / "x.npy", b"\x93NUMPY\x02\0" + b"\xff" * 4 + b"{")
    return dataset("npy", folder, x="x.npy")


def npz_that_expands(folder: Path) -> Use:
    np.savez_compressed(folder / "x.npz", x=np.zeros(100 << 17))
    return dataset("npz", folder, path="x.npz", y=None)


def npz_of_another_compression(folder: Path) -> Use:
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", npy_head(f"({100 << 17},)") + bytes(100 << 20))
    return dataset("npz", folder, path="x.npz", y=None)


def npz_of_a_million_arrays(folder: Path) -> Use:
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        archive.writestr("x.npy", npy_head("(1,)") + bytes(8))
    content = (folder / "x.npz").read_bytes()
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    listed = content[start:end] * 10**6
    last = content[end : end + 12] + struct.pack("<II", len(listed), start) + bytes(2)
    (folder / "x.npz").write_bytes(content[:start] + listed + last)
    return dataset("npz", folder, path="x.npz", y=None)


def npz_with_name(name: str) -> Case:
    def case(folder: Path) -> Use:
        with zipfile.ZipFile(folder / "x.npz", "w") as archive:
            archive.writestr(f"{name}.npy", npy_head("(1,)") + bytes(8))
        return dataset("npz", folder, path="x.npz", x=name, y=None)

    return case


def idx_that_expands(folder: Path) -> Use:
    import gzip

    content = struct.pack(">HBBI", 0, 8, 1, 100 << 20) + bytes(100 << 20)
    (folder / "x.gz").write_bytes(gzip.compress(content))
    return dataset("idx", folder, images="x.gz")


def idx_of_vast_sizes(folder: Path) -> Use:
    (folder / "x").write_bytes(struct.pack(">HBB4I", 0, 8, 4, 0, *[0xFFFFFFFF] * 3))
    return dataset("idx", folder, images="x")


# --- tables -----------------------------------------------------------------------------------------------------------


def csv(text: str) -> Case:
    def case(folder: Path) -> Use:
        (folder / "x.csv").write_text(text)
        return lambda: read_csv(folder / "x.csv")

    return case


def csv_sparse(folder: Path) -> Use:
    sparse(folder / "x.csv", b"a,b\n")
    return lambda: read_csv(folder / "x.csv")


def csv_of_one_long_word(folder: Path) -> Use:
    (folder / "x.csv").write_text("a,b\n" + "x,1\n" * 20_000 + "y" * 100_000 + ",1\n")
    return dataset("csv", folder, path="x.csv", target="b")


def csv_of_short_words_and_a_longer_one(folder: Path) -> Use:
    (folder / "x.csv").write_text("a,b\n" + "x,1\n" * 50_000 + "y" * 1000 + ",1\n")
    return dataset("csv", folder, path="x.csv", target="b")


# --- experiments ------------------------------------------------------------------------------------------------------


def experiment(change: Callable[[str], str], words: int = 3) -> Case:
    """Return the case of an experiment on a table with so many different words, after a change of its text."""

    def case(folder: Path) -> Use:
        rows = "".join(f"w{index % words},{index % 2}\n" for index in range(max(words, 100)))
        (folder / "words.csv").write_text("word,y\n" + rows)
        text = """
            [data]
            source = { type = "csv", path = "words.csv", target = "y" }
            transforms = ["one_hot"]
            [[model.layers]]
            type = "dense"
            units = 2
            activation = "softmax"
            [cost]
            type = "cross_entropy"
            [optimizer]
            type = "sgd"
            learning_rate = 0.1
            [training]
            epochs = 1
        """
        (folder / "x.toml").write_text(change(text))
        registry = default_registry()
        return lambda: prepare(read_experiment(str(folder / "x.toml"), registry), registry)

    return case


def with_path(path: str) -> Case:
    return experiment(lambda text: text.replace("words.csv", path))


def experiment_of_a_tib(folder: Path) -> Use:
    sparse(folder / "x.toml", b"seed = 7\n")
    return lambda: read_experiment(str(folder / "x.toml"), default_registry())


# --- pipes, devices and links -----------------------------------------------------------------------------------------


def record_of_a_tib(folder: Path) -> Use:
    sparse(folder / "record.json", b"{")
    return lambda: read_run(folder)


def metrics_of_a_tib(folder: Path) -> Use:
    (folder / "record.json").write_text('{"format": 1, "status": "finished"}')
    sparse(folder / "metrics.jsonl", b"{")
    return lambda: read_run(folder).history


def readers(path: Path) -> dict[str, Use]:
    """Return every reader of a file, for one path."""
    return {
        "model": lambda: nnfw.load(path),
        "csv": lambda: read_csv(path),
        "npy": dataset("npy", path.parent, x=path.name),
        "npz": dataset("npz", path.parent, path=path.name),
        "idx": dataset("idx", path.parent, images=path.name),
        "experiment": lambda: read_experiment(str(path), default_registry()),
    }


def pipe(reader: str) -> Case:
    def case(folder: Path) -> Use:
        os.mkfifo(folder / "pipe")
        return readers(folder / "pipe")[reader]

    return case


def link(reader: str, target: str) -> Case:
    def case(folder: Path) -> Use:
        (folder / "link").symlink_to(target)
        return readers(folder / "link")[reader]

    return case


def link_to_a_table(folder: Path) -> Use:
    (folder / "x.csv").write_text("a,b\n1,2\n")
    (folder / "link").symlink_to("x.csv")
    return lambda: read_csv(folder / "link")


NO_FILE = r"it is a device or a pipe, not a file"
LITERAL = r"there is no such file; expected a CSV table\. A path is taken literally"
FORMATS = ("model", "csv", "npy", "npz", "idx")

CASES: dict[str, tuple[Case, str]] = {
    "model that declares a TiB": (model_that_declares_a_tib, r"is truncated: \d+ bytes of at least 1,099,511,627,776"),
    "model of a sparse TiB": (
        model_of_a_sparse_tib,
        r"which take 1,024\.0 GiB as float32: more than this machine's [\d,]+ GiB",
    ),
    "model of a sparse GiB": (model_of_a_sparse_gib, r"takes 1,073,741,824 bytes of memory, more than there are"),
    "table of a TiB": (table_of_a_tib, r"is not a model file of nnfw"),
    "table of many lists": (table_of_many_lists, r"holds more than 524,288 values"),
    "table of as many values as are read": (table_of_as_many_values_as_are_read, r"not a model of nnfw"),
    "table of deep lists": (table_of_deep_lists, r"is not JSON"),
    "npy of negative size": (npy(npy_head("(-1, 3)")), r"must hold real numbers or text, got dtype .* shape \(-1, 3\)"),
    "npy that declares a TiB": (
        npy(npy_head(f"({1 << 37},)")),
        r"declares .* 1,099,511,627,776 bytes, but the file has 0",
    ),
    "npy of overflowing size": (npy(npy_head(f"({1 << 62}, 4)")), r"declares .*, but the file has 0"),
    "npy of nothing times too much": (npy(npy_head(f"(0, {1 << 62}, 4)")), r"more than can be addressed"),
    "npy of empty words": (npy(npy_head(f"({1 << 40},)", "<U0")), r"must hold real numbers or text"),
    "npy with a header of 4 GiB": (npy_header_of_four_gib, r"is not a readable \.npy array: "),
    "npz that expands 1,000-fold": (npz_that_expands, r"expand to more than 200 times as many"),
    "npz of another compression": (npz_of_another_compression, r"compressed in a way that NumPy does not use"),
    "npz of a million arrays": (npz_of_a_million_arrays, r"list of its arrays has more than 1,048,576 bytes"),
    "npz with names that climb": (npz_with_name("../../x"), r"names arrays outside of the archive"),
    "npz with names from the root": (npz_with_name("/etc/x"), r"names arrays outside of the archive"),
    "idx that expands 1,000-fold": (idx_that_expands, r"expand to more than 200 times as many"),
    "idx of nothing times too much": (idx_of_vast_sizes, r"more than can be addressed"),
    "csv of 10^6 columns": (csv("c," * 10**6 + "\n"), r"more than 65,536 cells"),
    "csv of 10^6 cells in a row": (csv("a,b\n" + "1," * 10**6 + "\n"), r"x\.csv:2: the row has more than 65,536 cells"),
    "csv of one line": (csv("a,b\n" + "1" * (20 << 20)), r"the row is longer than 4,194,304 characters"),
    "csv of one cell": (csv('a,b\n"' + "1\n" * (10 << 20)), r"field larger than field limit|longer than 4,194,304"),
    "csv of a sparse TiB": (csv_sparse, r"holds a NUL character"),
    "csv of one long word": (csv_of_one_long_word, r"a category may have 1,000 characters, this one has 100,000"),
    "csv of 2 · 10^7 numbers": (
        csv(",".join(f"c{k}" for k in range(500)) + "\n" + ("1," * 499 + "1\n") * 40_000),
        r"x\.csv: does not fit into memory\. Store it as an \.npy array",
    ),
    "csv of short words and a longer one": (
        csv_of_short_words_and_a_longer_one,
        r"column 'a' does not fit into memory: 50,001 words with the room for 1,000 characters each",
    ),
    "one_hot of 50,000 words": (experiment(str, 50_000), r"found 3\d,\d+ categories, more than 1,000"),
    "layer of 10^7 units": (
        experiment(lambda text: text.replace("units = 2", "units = 10000000")),
        r"40,000,000 parameters, which take 0\.1 GiB as float32: more than this process may have",
    ),
    "layer of 10^15 units": (
        experiment(lambda text: text.replace("units = 2", f"units = {10**15}")),
        r"parameters, which take",
    ),
    "experiment that includes": (
        experiment(lambda text: 'include = "/etc/passwd"\n' + text),
        r"include is not an option",
    ),
    "experiment of a TiB": (experiment_of_a_tib, r"has more than 1,048,576 bytes"),
    "record of a TiB": (record_of_a_tib, r"has more than 16,777,216 bytes"),
    "metrics of a TiB": (metrics_of_a_tib, r"has more than 268,435,456 bytes"),
    "$HOME in a path": (with_path("$HOME/words.csv"), LITERAL),
    "~ in a path": (with_path("~/words.csv"), LITERAL),
    "file:// in a path": (with_path("file:///etc/passwd"), LITERAL),
    "NUL in a path": (with_path("words.csv\\u0000"), r"it holds a NUL character"),
    "experiment in a pipe without writer": (pipe("experiment"), r"is empty"),
    "experiment in /dev/zero": (link("experiment", "/dev/zero"), r"has more than 1,048,576 bytes"),
    "link to a table": (link_to_a_table, "^read$"),
    "link to itself": (link("csv", "link"), r"Too many levels of symbolic links"),
    **{f"{reader} in a pipe": (pipe(reader), NO_FILE) for reader in FORMATS},
    **{f"{reader} in /dev/zero": (link(reader, "/dev/zero"), NO_FILE) for reader in FORMATS},
}


def read(use: Use) -> str:
    """Return what comes of a file, in words."""
    size = int(re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[1]) << 10  # type: ignore[index]
    resource.setrlimit(resource.RLIMIT_AS, (size + EXTRA, size + EXTRA))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(WAIT)
    try:
        use()
    except nnfw.NnfwError as error:
        return str(error)
    except BaseException as error:
        return f"NO ERROR OF NNFW: {type(error).__name__}: {error}"
    return "read"


def in_a_child(use: Use) -> str:
    """Return what :func:`read` gives in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, read(use).encode("utf-8", "replace")[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        message = answer.read().decode()
    _, status = os.waitpid(child, 0)
    return message if not status else f"NO ERROR OF NNFW: ended by signal {status & 0x7F} after {message!r}"


def outcome(case: Case) -> str:
    with TemporaryDirectory() as folder:
        use = case(Path(folder))
        before = sorted(os.listdir(folder))  # noqa: PTH208
        message = in_a_child(use)
        made = sorted(set(os.listdir(folder)) - set(before))  # noqa: PTH208
    return f"NO ERROR OF NNFW: made {made}" if made else message.replace(folder, "")


def main() -> int:
    registry = default_registry()
    for component in registry.components():
        registry.load(component.kind, component.qualified_name)
    in_memory = experiment(str)  # imports what is imported at first use
    with TemporaryDirectory() as folder:
        in_memory(Path(folder))()
    outcomes = {name: outcome(case) for name, (case, _) in CASES.items()}
    wrong = [name for name, message in outcomes.items() if not re.search(CASES[name][1], message)]
    if "--json" in sys.argv:
        print(json.dumps(outcomes))
    else:
        for name, message in outcomes.items():
            print(f"{'WRONG' if name in wrong else 'ok':5} {name}: {' '.join(message.split())[:160]}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
