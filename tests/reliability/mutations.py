"""Read mutated files and count what comes of it: a result, one of nnfw's own errors, or anything else, which is a bug.

Run it with: python tests/reliability/mutations.py [--count 100000] [--seed 0] [--workers 2] [--kind model ...]

Each file is a good one after one to three changes: a bit flipped, a block cut, doubled, swapped or overwritten, a
length edited, a value of its JSON or a token of its text edited. The header of a model file is edited with its
checksums made anew, too: otherwise nothing behind them would be reached. A model that loads is used for a prediction.

A file counts as a failure if reading it raises anything but an NnfwError or warns, if another file than it and the
modules of Python is opened, or if anything is created, removed, run or connected to; also if the message is empty or
has more than 20,000 characters. Exit status: 1 if there are any.
``--only INDEX`` reads a single file again, with its traceback; ``--keep FILE`` keeps that file.
"""

from __future__ import annotations

import argparse
import encodings.cp1252
import encodings.utf_16  # noqa: F401
import json
import os
import random
import re
import shutil
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

import nnfw
from nnfw.data import Examples, Preprocessing, read_csv, read_npy
from nnfw.experiments import read_experiment
from nnfw.experiments.preparation import infer_shapes
from nnfw.plugins import default_registry
from nnfw.training import Checkpoints, Loop, Task, TrainingOptions, checkpoint_files, differences, loop_of
from nnfw.training.checkpoint_file import FORMAT, name_of, resume
from nnfw.training.checkpoint_file import read as read_checkpoint

Mutation = Callable[[bytes, random.Random], bytes]
ROOT = Path(__file__).resolve().parents[2]
LENGTH = 8
FLIPS = 1000

# --- changes of any file ----------------------------------------------------------------------------------------------


def place(content: bytes, rng: random.Random) -> int:
    return rng.randrange(len(content) + 1)


def block(content: bytes, rng: random.Random) -> slice:
    start = place(content, rng)
    return slice(start, start + rng.choice((1, 2, 8, 64, 1024)))


def flip_bit(content: bytes, rng: random.Random) -> bytes:
    if not content:
        return content
    index = rng.randrange(len(content))
    return content[:index] + bytes([content[index] ^ 1 << rng.randrange(8)]) + content[index + 1 :]


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: place(content, rng)]


def remove(content: bytes, rng: random.Random) -> bytes:
    gone = block(content, rng)
    return content[: gone.start] + content[gone.stop :]


def double(content: bytes, rng: random.Random) -> bytes:
    twice = block(content, rng)
    return content[: twice.stop] + content[twice] + content[twice.stop :]


def swap(content: bytes, rng: random.Random) -> bytes:
    a, b, c = sorted(place(content, rng) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def overwrite(content: bytes, rng: random.Random) -> bytes:
    gone = block(content, rng)
    filled = rng.choice((b"\0", b"\xff", b"[", b'"', rng.randbytes(1))) * (gone.stop - gone.start)
    return content[: gone.start] + filled + content[gone.stop :]


def edit_length(content: bytes, rng: random.Random) -> bytes:
    """Change the first eight bytes, which in a model file are a length."""
    length = int.from_bytes(content[:LENGTH], "little")
    edited = rng.choice(
        (0, length - 1, length + 1, 2 * length, len(content), 1 << 40, (1 << 64) - 1, rng.getrandbits(63))
    )
    return (edited % (1 << 64)).to_bytes(LENGTH, "little") + content[LENGTH:]


BYTES: tuple[Mutation, ...] = (flip_bit, cut, remove, double, swap, overwrite, edit_length)

# --- changes of JSON and of text --------------------------------------------------------------------------------------

ODD = json.loads(r"""[
    null, true, false, 0, 1, -1, 2, 7, 0.5, -0.0, 1e308, 5e-324, 2147483648, 9007199254740992, 9223372036854775808,
    -9223372036854775808, 18446744073709551616, 1000000000000000000000000000000, "", "a", "x", "relu", "nnfw:relu",
    "nnfw:dense", "dense", "os:system", "../../x", "/etc/passwd", "\u0000", "\u00df", "\ud800", "numeric",
    "categorical", "integer", [], [0], [[]], [1, [2]], [null], [0.5, 1.5], [1000000000, 1000000000, 1000000000], {},
    {"": 0}, {"type": 3}, {"type": "nnfw:tanh"}, {"type": "nnfw:chain", "layers": ["nnfw:flatten"]}
]""")
ODD += ["x" * 5000, [[0] * 40] * 40]


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield table or list, and key or index, of everything inside."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from nodes(value[key])


def edit_json(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one thing changed within."""
    value = json.loads(json.dumps(value))
    found = list(nodes(value))
    if not found:
        return rng.choice(ODD)
    parent, key = rng.choice(found)
    other, other_key = rng.choice(found)
    change = rng.randrange(6)
    if change == 0:
        del parent[key]
    elif change == 1 and isinstance(parent, dict):
        parent[rng.choice(("", "more", "type", str(other_key), f"{key} "))] = parent.pop(key)
    elif change == 1:
        parent.insert(key, parent[key])
    elif change == 2:
        parent[key] = json.loads(json.dumps(other[other_key]))
    elif change == 3 and isinstance(parent[key], int | float):
        parent[key] = rng.choice((-parent[key], parent[key] + 1, parent[key] * 2, parent[key] / 2, str(parent[key])))
    elif change == 3 and isinstance(parent[key], list):
        parent[key] = rng.choice((parent[key][::-1], parent[key] * 2, parent[key][:1], [parent[key]]))
    else:
        parent[key] = rng.choice(ODD)
    return value


TOKEN = re.compile(rb'"[^"\n]*"|[\w.+-]+|[^\w\s]|\s+')
ODD_TOKENS = rb'''
    0 -1 1e400 nan inf 9223372036854775808 true "" "relu" "'" """ [[ ]] { } = . # , [model] include "../../x"
    "$HOME/x.csv" "file:///etc/passwd" "\ud800" 1979-05-27T07:32:00Z {type="dense",units=3}
'''.split()
ODD_TOKENS += [b"\n", b"\0", b"\xff", b"9" * 400, b"[" * 200, b"a." * 200, b"x" * 5000]


def edit_token(content: bytes, rng: random.Random) -> bytes:
    """Return a text with one word, number, sign or gap removed, doubled, exchanged or replaced."""
    tokens = TOKEN.findall(content) or [b""]
    index, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    change = rng.randrange(4)
    if change == 0:
        del tokens[index]
    elif change == 1:
        tokens.insert(index, tokens[index])
    elif change == 2:
        tokens[index], tokens[other] = tokens[other], tokens[index]
    else:
        tokens[index] = rng.choice(ODD_TOKENS)
    return b"".join(tokens)


VALUE = re.compile(rb'(?<=[=,\[])\s*(?:"[^"\n]*"|[\w.+-]+)')


def edit_value(content: bytes, rng: random.Random) -> bytes:
    """Return a TOML text with one text or number replaced by another of the same text, or an odd one."""
    values = list(VALUE.finditer(content))
    if not values:
        return edit_token(content, rng)
    found = rng.choice(values)
    new = rng.choice(values).group() if rng.random() < 0.4 else rng.choice(ODD_TOKENS)
    return content[: found.start()] + new + content[found.end() :]


# --- model files ------------------------------------------------------------------------------------------------------


def opened(content: bytes, entry: str = "nnfw") -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return table of the container, header of nnfw, and the bytes of the arrays."""
    end = LENGTH + int.from_bytes(content[:LENGTH], "little")
    table = json.loads(content[LENGTH:end])
    own = json.loads(table.pop("__metadata__")[entry].partition(" ")[2])
    return table, own, content[end:]


def closed(table: Any, own: Any, data: bytes, entry: str = "nnfw") -> bytes:
    """Return a model file whose checksum is right, whatever it says."""
    text = json.dumps(own)
    metadata = {entry: f"{sha256(text.encode()).hexdigest()} {text}"}
    content = json.dumps({"__metadata__": metadata, **table} if isinstance(table, dict) else table).encode()
    return len(content).to_bytes(LENGTH, "little") + content + data


def forge_header(content: bytes, rng: random.Random) -> bytes:
    """Change what a header says, outside of the list of arrays, which would only contradict the table."""
    table, own, data = opened(content)
    tensors = own.pop("tensors")
    own = edit_json(own, rng)
    return closed(table, own | {"tensors": tensors} if isinstance(own, dict) else own, data)


def forge_preprocessing(content: bytes, rng: random.Random) -> bytes:
    """Change what a header says of columns, fitted values and classes."""
    table, own, data = opened(content)
    return closed(table, own | {"preprocessing": edit_json(own["preprocessing"], rng)}, data)


def forge_arrays(content: bytes, rng: random.Random) -> bytes:
    """Change the rows of the table, and what the header says of the arrays in the same way."""
    table, own, data = opened(content)
    state = rng.getstate()
    edited = edit_json(table, rng)
    if rng.random() < 0.5 and isinstance(edited, dict):
        rows = {name: row for name, row in edited.items() if isinstance(row, dict) and name in own["tensors"]}
        names = {"F32": "float32", "F64": "float64", "I64": "int64"}
        for name, row in rows.items():
            own["tensors"][name] |= {"shape": row.get("shape"), "dtype": names.get(str(row.get("dtype")), "float32")}
    rng.setstate(state)
    return closed(edited, own, data)


def forge_values(content: bytes, rng: random.Random) -> bytes:
    """Overwrite numbers of the arrays, and make their checksums anew."""
    table, own, data = opened(content)
    number = rng.choice((np.nan, np.inf, -np.inf, 3e38, 1e-45, -0.0, rng.gauss(0, 1)))
    index = 4 * rng.randrange(max(1, len(data) // 4))
    data = data[:index] + np.float32(number).tobytes() + data[index + 4 :]
    for name, row in table.items():
        own["tensors"][name]["sha256"] = sha256(data[slice(*row["data_offsets"])]).hexdigest()
    return closed(table, own, data)


FORGED: tuple[Mutation, ...] = (*(forge_header, forge_preprocessing) * 4, forge_arrays, forge_values)


def models() -> Iterator[nnfw.Sequential]:
    """Yield small models that differ in layers, columns and target."""
    rng = np.random.default_rng(0)
    n = 12
    columns = {
        "age": rng.normal(size=n),
        "city": np.array(["Oslo", "Bern", "Rome"] * 4),
        "block": rng.normal(size=(n, 2, 2)),
    }
    mixed = Examples(columns, np.array(["no", "yes", "maybe"] * 4))
    numbers = Examples({"x": rng.normal(size=(n, 3))}, rng.normal(size=n))
    ranks = Examples({"x": rng.normal(size=(n, 3))}, np.arange(n) % 3)
    standardize, min_max, one_hot = (
        nnfw.transform("standardize"),
        nnfw.transform("min_max", high=2),
        nnfw.transform("one_hot"),
    )
    yield built(["dense:5", "dropout", "dense:3:softmax"], Preprocessing.fit(mixed, [standardize, one_hot]))
    yield built(["dense:4:tanh", "dense:1"], Preprocessing.fit(numbers, [min_max], [standardize]))
    yield built(
        ["dense:4:leaky_relu", "dense:3:softmax"], Preprocessing.fit(ranks, [], [nnfw.transform("one_hot")]), "float64"
    )
    chain = {"type": "chain", "layers": [{"type": "dense", "units": 3}, {"type": "activation", "activation": "gelu"}]}
    shaped = [{"type": "reshape", "shape": [2, 2]}, "flatten", chain]
    yield nnfw.Sequential(shaped, 4, seed=3)


def built(layers: list[str], preprocessing: Preprocessing, dtype: str = "float32") -> nnfw.Sequential:
    tables = []
    for layer in layers:
        name, *options = layer.split(":")
        tables.append({"type": name} | dict(zip(("units", "activation"), options, strict=False)))
        if "units" in tables[-1]:
            tables[-1]["units"] = int(options[0])
    model = nnfw.Sequential(tables, preprocessing.input_shape, dtype=dtype)
    model.preprocessing = preprocessing
    return model


def model_files() -> Iterator[bytes]:
    with TemporaryDirectory() as folder:
        for model in models():
            model.save(Path(folder, "model.nnfw"))
            yield Path(folder, "model.nnfw").read_bytes()


def use_model(path: Path) -> None:
    model = nnfw.load(path)
    if np.prod(model.input_shape, dtype=float) > 1e6:
        return
    a = model.predict(np.zeros((2, *model.input_shape)))
    if model.preprocessing is not None:
        model.preprocessing.labels(a)
        categorical = model.preprocessing.categorical
        raw = {
            column.name: np.full((2, *column.shape), "Oslo" if column.name in categorical else 0)
            for column in model.preprocessing.columns
        }
        model.preprocessing.apply(raw)


# --- checkpoints ------------------------------------------------------------------------------------------------------


def training(folder: Path, epochs: int, checkpoints: Checkpoints | None = None) -> Loop:
    """Return a training of a small network, with everything that a checkpoint can hold."""
    x = np.linspace(-1, 1, 48).reshape(16, 3)
    layers = [{"type": "dense", "units": 3}, {"type": "dropout", "rate": 0.2}, {"type": "dense", "units": 1}]
    model = nnfw.Sequential(layers, 3)
    objective = model.objective("mse")
    options = TrainingOptions(
        epochs=epochs,
        batch_size=5,
        metrics=(nnfw.metric("mae"),),
        callbacks=(nnfw.callback("early_stopping"),),
    )
    data, validation = (model.labelled(x, x[:, :1], objective) for _ in range(2))
    task = Task(model.network, data, validation, objective, nnfw.optimizer("adam"), options, seed=0)
    return loop_of(task, model.save, folder, (), checkpoints)


def checkpoint_contents() -> Iterator[bytes]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        keeper = Checkpoints(folder, 0.0, origin={"seed": 0}, advice="", tell=print)
        training(folder, 3, keeper).run()
        for path in checkpoint_files(folder):
            yield path.read_bytes()


def use_checkpoint(path: Path) -> None:
    start = read_checkpoint(path, default_registry())
    loop = training(path.parent, 5)
    names = [name_of("callback", callback, loop.fit.registry) for callback in loop.task.options.callbacks]
    resume(start, loop.state, names, loop.fit.steps, loop.fit.recorded)
    list(differences(start.header.origin, {"seed": 0}))


def forge_progress(content: bytes, rng: random.Random) -> bytes:
    """Change what a checkpoint says beside its arrays, with a checksum that is right."""
    table, own, data = opened(content, FORMAT.entry)
    tensors = own.pop("tensors")
    part = rng.choice((None, "progress", "progress"))
    edited = edit_json(own if part is None else own[part], rng)
    own = edited if part is None else own | {part: edited}
    return closed(table, own | {"tensors": tensors} if isinstance(own, dict) else own, data, FORMAT.entry)


# --- experiments and data ---------------------------------------------------------------------------------------------


def experiment_files() -> Iterator[bytes]:
    for path in sorted((ROOT / "examples").glob("*.toml")):
        yield path.read_bytes()


def use_experiment(path: Path) -> None:
    infer_shapes(read_experiment(str(path), default_registry()).experiment, default_registry())


def saved(save: Callable[..., None], *arrays: Any, **named: Any) -> bytes:
    stream = BytesIO()
    save(stream, *arrays, **named)
    return stream.getvalue()


def npy_files() -> Iterator[bytes]:
    for array in (np.eye(3), np.arange(5), np.array(["a", "bc"]), np.asfortranarray(np.ones((2, 3, 2), ">f4"))):
        yield saved(np.save, array)


def npz_files() -> Iterator[bytes]:
    for save in (np.savez, np.savez_compressed):
        yield saved(save, x=np.eye(3), y=np.arange(3))


def idx_files() -> Iterator[bytes]:
    import gzip

    for content in (
        bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, *range(12))),
        b"\0\0\x0d\1\0\0\0\2" + bytes(8),
    ):
        yield content
        yield gzip.compress(content)


def csv_files() -> Iterator[bytes]:
    text = (ROOT / "examples" / "penguins.csv").read_text().splitlines(keepends=True)
    yield "".join(text[:8]).encode()
    yield b'\xef\xbb\xbfa,b\r\n1,"x ""y"" z"\r\n2,\xc3\xa4\r\n'


def use_csv(path: Path) -> None:
    table = read_csv(path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* is taken for words", RuntimeWarning)
        table.columns(table.names)


def use_dataset(name: str, option: str, path: Path) -> None:
    examples = nnfw.dataset(name, **{option: path.name}).load(path.parent)
    for column in examples.features.values():
        np.asarray(column).sum(dtype=float) if column.dtype.kind in "biuf" else None


@dataclass(frozen=True)
class Kind:
    """A kind of file: good ones, how they are changed, and how they are used."""

    files: Callable[[], Iterator[bytes]]
    use: Callable[[Path], object]
    mutations: tuple[Mutation, ...] = BYTES
    share: int = 1

    def mutated(self, rng: random.Random) -> bytes:
        content = rng.choice(samples(self.files))
        for _ in range(rng.choice((1, 1, 2, 3))):
            mutation = rng.choice(self.mutations)
            try:
                content = mutation(content, rng)
            except (ValueError, KeyError, AttributeError, TypeError, IndexError):  # what is damaged cannot be forged
                content = flip_bit(content, rng)
        return content


@cache
def samples(files: Callable[[], Iterator[bytes]]) -> tuple[bytes, ...]:
    return tuple(files())


KINDS = {
    "model": Kind(model_files, use_model, BYTES, 3),
    "forged-model": Kind(model_files, use_model, FORGED, 6),
    "checkpoint": Kind(checkpoint_contents, use_checkpoint, BYTES, 2),
    "forged-checkpoint": Kind(checkpoint_contents, use_checkpoint, (forge_progress,), 3),
    "experiment": Kind(experiment_files, use_experiment, (*(edit_token, edit_value, edit_value) * 4, *BYTES), 6),
    "csv": Kind(csv_files, use_csv, (edit_token, *BYTES), 2),
    "npy": Kind(npy_files, read_npy, (edit_token, *BYTES)),
    "npz": Kind(npz_files, partial(use_dataset, "npz", "path"), BYTES),
    "idx": Kind(idx_files, partial(use_dataset, "idx", "images"), BYTES),
}

# --- what may happen --------------------------------------------------------------------------------------------------

MODULES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")} | {str(ROOT), sys.base_prefix})
SOURCES = (".py", ".pyc", ".pyi", ".so")
FORBIDDEN = (
    *(f"os.{name}" for name in ("mkdir", "remove", "rmdir", "rename", "link", "symlink", "truncate", "chmod", "chown")),
    *(f"os.{name}" for name in ("system", "exec", "spawn", "posix_spawn", "fork", "putenv")),
    *("shutil.", "tempfile.", "subprocess.", "socket.", "urllib.", "webbrowser.", "ctypes.dlopen", "pickle.find_class"),
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
LONGEST_MESSAGE = 20_000  # characters


@dataclass
class Watch:
    """Notes what a call opens and does beside reading one file."""

    allowed: str | None = None
    seen: list[str] = field(default_factory=list)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.fsdecode(arguments[0])
            writes = set(str(arguments[1] or "")) & set("wax+") or arguments[2] & WRITING
            module = path.startswith(MODULES) and path.endswith(SOURCES)
            if writes or not (path == self.allowed or module):
                self.seen.append(f"opened {path}")
        elif event.startswith(FORBIDDEN):
            self.seen.append(f"{event} {arguments}")

    @contextmanager
    def during(self, path: Path) -> Iterator[None]:
        self.seen.clear()
        self.allowed = str(path)
        try:
            yield
        finally:
            self.allowed = None


@cache
def watch() -> Watch:
    """Return the watch of this process; a hook cannot be taken back."""
    watching = Watch()
    sys.addaudithook(watching.hook)
    return watching


@dataclass
class Outcome:
    """What came of one file: ``"used"``, ``"refused"``, or a failure in words."""

    index: int
    kind: str
    result: str
    seconds: float
    size: int


def kind_of(index: int, names: list[str]) -> str:
    shares = [name for name in names for _ in range(KINDS[name].share)]
    return shares[index % len(shares)]


def mutated(index: int, seed: int, names: list[str]) -> tuple[str, bytes]:
    name = kind_of(index, names)
    return name, KINDS[name].mutated(random.Random(f"{seed}:{index}"))


def read_one(use: Callable[[Path], object], path: Path) -> str:
    """Return what comes of using one file."""
    with warnings.catch_warnings(), watch().during(path):
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*: It was written with ", RuntimeWarning)  # a version that was changed
        try:
            use(path)
            result = "used"
        except nnfw.NnfwError as error:
            result = (
                "refused" if 0 < len(str(error)) <= LONGEST_MESSAGE else f"a message of {len(str(error))} characters"
            )
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            last = traceback.extract_tb(error.__traceback__)[-1]
            result = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
    return f"it {watch().seen[0]}" if watch().seen else result


def run(indices: range, seed: int, names: list[str]) -> list[Outcome]:
    """Read the files of some indices, one after the other."""
    prepare(names)
    outcomes = []
    with TemporaryDirectory() as folder:
        path = Path(folder, "file")
        for index in indices:
            kind, content = mutated(index, seed, names)
            path.write_bytes(content)
            start = perf_counter()
            result = read_one(KINDS[kind].use, path)
            outcomes.append(Outcome(index, kind, result, perf_counter() - start, len(content)))
    return outcomes


def prepare(names: list[str]) -> None:
    """Import what is imported at first use, so that no file has to wait for it."""
    registry = default_registry()
    for component in registry.components():
        registry.load(component.kind, component.qualified_name)
    with TemporaryDirectory() as folder:
        for name in names:
            for number, content in enumerate(samples(KINDS[name].files)):
                path = Path(folder, f"{name}-{number}")
                path.write_bytes(content)
                KINDS[name].use(path)  # a good one raises nothing


def flipped_bits_noticed(count: int = FLIPS, seed: int = 0) -> int:
    """Return how many model files with a single bit flipped in the bytes of their arrays are refused."""
    rng = random.Random(seed)
    noticed = 0
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.nnfw")
        for _ in range(count):
            content = rng.choice(samples(model_files))
            start = len(content) - len(opened(content)[2])
            path.write_bytes(content[:start] + flip_bit(content[start:], rng))
            try:
                nnfw.load(path)
            except nnfw.FileFormatError:
                noticed += 1
    return noticed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--only", type=int, metavar="INDEX")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    names = given.kind or list(KINDS)
    if given.only is not None:
        return read_again(given.only, given.seed, names, given.keep)
    start = perf_counter()
    parts = [range(first, given.count, given.workers) for first in range(given.workers)]
    with ProcessPoolExecutor(given.workers) as pool:
        outcomes = [item for part in pool.map(partial(run, seed=given.seed, names=names), parts) for item in part]
    failures = report(outcomes)
    noticed = flipped_bits_noticed()
    print(f"single bits flipped in arrays: {noticed} of {FLIPS} noticed")
    print(f"{perf_counter() - start:.1f} s with {given.workers} workers")
    return int(bool(failures) or noticed < FLIPS)


def report(outcomes: list[Outcome]) -> list[Outcome]:
    """Print a table and the failures, and return these."""
    print(f"{'kind':14} {'files':>8} {'used':>8} {'refused':>8} {'failures':>8} {'slowest':>10}")
    for kind in dict.fromkeys(item.kind for item in outcomes):
        mine = [item for item in outcomes if item.kind == kind]
        used, refused = (sum(item.result == result for item in mine) for result in ("used", "refused"))
        slowest = max(item.seconds for item in mine)
        print(f"{kind:14} {len(mine):8} {used:8} {refused:8} {len(mine) - used - refused:8} {slowest:8.3f} s")
    failures = [item for item in outcomes if item.result not in ("used", "refused")]
    for result in sorted({re.sub(r"\d+", "#", item.result) for item in failures})[:40]:
        example = next(item for item in failures if re.sub(r"\d+", "#", item.result) == result)
        print(f"FAILURE {example.index} ({example.kind}, {example.size} bytes): {example.result[:300]}")
    slowest = max(outcomes, key=lambda item: item.seconds)
    print(f"slowest: {slowest.index} ({slowest.kind}), {slowest.seconds:.3f} s, {slowest.result[:100]}")
    return failures


def read_again(index: int, seed: int, names: list[str], keep: Path | None) -> int:
    kind, content = mutated(index, seed, names)
    with TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(content)
        if keep is not None:
            shutil.copy(path, keep)
        try:
            print(kind, KINDS[kind].use(path))
        except nnfw.NnfwError as error:
            print(f"{kind}: refused: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
