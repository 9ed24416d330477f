"""Change one line of the source at a time, and count which changes the tests notice.

Run it with: python tests/reliability/mutants.py [FOLDER ...] [--count 20] [--seed 0] [--workers 1] [--longest 600]

Each mutant has one change: another comparison, sign or number, a negated condition, `and` for `or`, two arguments
swapped, a statement left out, None for a result. They are drawn at random from all that a folder's source allows. The
tests that fit run, in a copy of the checkout, until one fails. Mutants that no test notices are listed with file, line
and change: either nobody can see the difference, or a test is missing.

FOLDER is one of the table below, by default all of them; a folder may take an hour. ``--tests PATH`` runs other tests
than the table says; ``--list`` prints the mutants and runs nothing; ``--only INDEX`` runs one of them again and shows
what the tests print. Needs POSIX. Exit status: 1 if a mutant survived, 2 if the tests fail without any change.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import distribution
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("framework", "plugins")
MEMORY = 8 << 30  # bytes that the tests may take: a changed number may ask for all there are
LONGEST_TEXT = 100  # characters of a change that are shown
TESTS = {
    "framework/nnfw": (
        *("tests/test_arrays.py", "tests/test_configuration.py", "tests/test_errors.py", "tests/test_randomness.py"),
        *("tests/plugins", "tests/network", "tests/model"),
    ),
    "framework/nnfw/checking": ("tests/checking", "tests/planted", "tests/conformance"),
    "framework/nnfw/cli": ("tests/cli", "tests/runs"),
    "framework/nnfw/conformance": ("tests/planted", "tests/conformance", "tests/cli"),
    "framework/nnfw/data": ("tests/data", "tests/standard", "tests/experiments", "tests/runs", "tests/training"),
    "framework/nnfw/experiments": ("tests/experiments", "tests/runs", "tests/cli", "tests/reporting"),
    "framework/nnfw/machine": ("tests/machine", "tests/training"),
    "framework/nnfw/model": ("tests/model", "tests/network", "tests/training", "tests/standard", "tests/proofs"),
    "framework/nnfw/network": ("tests/network", "tests/model", "tests/training", "tests/standard", "tests/proofs"),
    "framework/nnfw/ops": ("tests/ops", "tests/network", "tests/training"),
    "framework/nnfw/plugins": ("tests/plugins", "tests/cli", "tests/examples"),
    "framework/nnfw/protocols": ("tests/protocols", "tests/plugins", "tests/network", "tests/standard"),
    "framework/nnfw/sklearn": ("tests/sklearn",),
    "framework/nnfw/reporting": ("tests/reporting", "tests/cli"),
    "framework/nnfw/runs": ("tests/runs", "tests/cli", "tests/reporting"),
    "framework/nnfw/storage": ("tests/storage", "tests/model", "tests/training", "tests/reliability/test_any.py"),
    "framework/nnfw/toml": ("tests/toml", "tests/experiments", "tests/runs"),
    "framework/nnfw/training": ("tests/training", "tests/runs", "tests/model", "tests/standard"),
    "plugins/nnfw_numba": ("tests/nnfw_numba", "tests/ops", "tests/network", "tests/training"),
    "plugins/nnfw_standard": ("tests/standard", "tests/network", "tests/training", "tests/planted"),
}
"""The tests that fit the source of a folder, the nearest first."""

# --- operators --------------------------------------------------------------------------------------------------------

Change = tuple[ast.AST, ast.AST]
"""What is replaced, and by what."""

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr,
}  # fmt: skip


def swap(node: ast.AST) -> Iterator[Change]:
    """Exchange `<` for `<=`, `+` for `-`, `and` for `or` and so on."""
    match node:
        case ast.Compare(ops=[first, *others]):
            yield node, with_fields(node, ops=[SWAPS[type(first)](), *others])
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) if type(op) in SWAPS:
            yield node, with_fields(node, op=SWAPS[type(op)]())


def move(node: ast.AST) -> Iterator[Change]:
    """Make a number larger or smaller, and True of False."""
    match node:
        case ast.Constant(value=bool(value)):
            yield node, ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield from ((node, ast.Constant(value + step)) for step in (1, -1))
        case ast.Constant(value=float(value)):
            yield from ((node, ast.Constant(other)) for other in (value * 2, value / 2, value + 1))


def negate(node: ast.AST) -> Iterator[Change]:
    """Negate a condition, and drop a ``not`` or a sign."""
    match node:
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield node, operand
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) | ast.comprehension(ifs=[test, *_]):
            if not isinstance(test, ast.Compare):  # which `swap` negates
                yield test, ast.UnaryOp(ast.Not(), test)


def leave_out(node: ast.AST) -> Iterator[Change]:
    """Do nothing in the place of a statement, and return None."""
    match node:
        case ast.Expr(value=ast.Call() | ast.YieldFrom()) | ast.AugAssign() | ast.Raise() | ast.Delete():
            yield node, ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield node, ast.Pass()
        case ast.Return(value=ast.expr()):
            yield node, ast.Return(ast.Constant(None))
        case ast.Break() | ast.Continue():
            yield node, ast.Continue() if isinstance(node, ast.Break) else ast.Break()


def exchange(node: ast.AST) -> Iterator[Change]:
    """Give the first two arguments of a call in the other order, where both are names, or calls, and so on."""
    match node:
        case ast.Call(args=[first, second, *others]) if type(first) is type(second) is not ast.Starred:
            yield node, with_fields(node, args=[second, first, *others])


OPERATORS: tuple[Callable[[ast.AST], Iterator[Change]], ...] = (swap, move, negate, leave_out, exchange)


def with_fields(node: ast.AST, **fields: object) -> ast.AST:
    """Return a copy of a node with other fields."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


# --- mutants ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """A file of the source with one change in it.

    Parameters
    ----------
    path
        The file, below the checkout.
    line, start
        Line and byte where the change begins.
    old, new
        The old text and its replacement.
    """

    path: str
    line: int
    start: int
    old: str
    new: str

    def applied(self, content: bytes) -> bytes:
        """Return the content of the file after the change."""
        return content[: self.start] + self.new.encode() + content[self.start + len(self.old.encode()) :]

    @property
    def is_other_code(self) -> bool:
        """Whether the file is Python after the change, and not the same code as before."""
        content = (ROOT / self.path).read_bytes()
        try:
            return ast.dump(ast.parse(self.applied(content))) != ast.dump(ast.parse(content))
        except SyntaxError:
            return False

    def __str__(self) -> str:
        """Return place and change in a line."""
        return f"{self.path}:{self.line}: {in_a_line(self.old)}  ->  {in_a_line(self.new)}"


def in_a_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."


def mutants_of(path: str) -> list[Mutant]:
    """Return the mutants of a file, of which some may be no Python, or the same code."""
    content = (ROOT / path).read_bytes()
    starts = [0]
    for row in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(row))
    found = []
    for node, operators in places(ast.parse(content)):
        for old, new in (change for operator in operators for change in operator(node)):
            begin = starts[old.lineno - 1] + old.col_offset  # type: ignore[attr-defined]
            end = starts[old.end_lineno - 1] + old.end_col_offset  # type: ignore[attr-defined]
            text = f"({ast.unparse(new)})" if isinstance(new, ast.expr) else ast.unparse(new)
            found.append(Mutant(path, old.lineno, begin, content[begin:end].decode(), text))  # type: ignore[attr-defined]
    return found


def places(node: ast.AST) -> Iterator[tuple[ast.AST, tuple[Callable[[ast.AST], Iterator[Change]], ...]]]:
    """Yield the nodes that may be changed, with the operators for each.

    In types, only the limits of options are numbers. Left alone are assertions, which only a bug can break, what only
    type checkers read, and the words of messages, in which Python 3.11 does not say where things are.
    """
    match node:
        case ast.Assert() | ast.JoinedStr() | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return
    yield node, OPERATORS
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            if name in ("annotation", "returns"):
                yield from ((inner, (move,)) for inner in ast.walk(child))
            else:
                yield from places(child)


def files_of(folder: str) -> list[str]:
    """Return the files of Python in a folder, without those of folders within, which have tests of their own."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).glob("*.py"))


def drawn(folder: str, count: int, seed: int) -> list[Mutant]:
    """Return `count` mutants of a folder, or all if there are fewer, in the order of files and lines."""
    found = [mutant for path in files_of(folder) for mutant in mutants_of(path)]
    order = random.Random(f"{seed}:{folder}").sample(range(len(found)), len(found))
    chosen = islice((index for index in order if found[index].is_other_code), count)
    return [found[index] for index in sorted(chosen)]


# --- tests ------------------------------------------------------------------------------------------------------------


def tests_for(path: str, tests: tuple[str, ...]) -> list[str]:
    """Return what pytest is to run: tests named like the file, its doctests, then all that fit the folder."""
    near = [str(found.relative_to(ROOT)) for found in (ROOT / tests[0]).glob(f"test_{Path(path).stem}.py")]
    return [*near, path, *tests]


class Checkout:
    """A copy of the checkout, and an environment of its own in which the tests run.

    Parameters
    ----------
    folder
        Where to make them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.temporary = folder / "checkout", folder / "temporary"
        shutil.copytree(ROOT, self.folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        self.python = python_with(self.folder, folder / "environment")

    def judge(self, mutant: Mutant, tests: tuple[str, ...], longest: float, *, show: bool = False) -> str:
        """Return what comes of a mutant: "caught", "survived" or "timeout"."""
        path = self.folder / mutant.path
        content = path.read_bytes()
        path.write_bytes(mutant.applied(content))
        try:
            return self.run(tests_for(mutant.path, tests), longest, show=show)
        finally:
            path.write_bytes(content)

    def run(self, tests: list[str], longest: float, *, show: bool = False) -> str:
        """Return what comes of some tests."""
        self.temporary.mkdir()
        command = [str(self.python), "-m", "pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider"]
        environment = {
            "PYTHONPATH": "",
            "PYTHONDONTWRITEBYTECODE": "1",  # two mutants of one size within a second would share it
            "TMPDIR": str(self.temporary),
        }
        output = None if show else subprocess.DEVNULL
        process = subprocess.Popen(
            [*command, *tests],
            cwd=self.folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=prepare,
        )
        try:
            return "caught" if process.wait(longest) else "survived"
        except subprocess.TimeoutExpired:
            return "timeout"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with all that the tests have started
            process.wait()
            shutil.rmtree(self.temporary)


def python_with(checkout: Path, folder: Path) -> Path:
    """Make an environment with all that is installed here, but nnfw from a checkout; return its Python."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "nnfw" not in path.name:
            (site / path.name).symlink_to(path)
    own = distribution("nnfw")
    metadata = site / f"nnfw-{own.version}.dist-info"
    metadata.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        (metadata / name).write_text(own.read_text(name) or "")
    (metadata / "RECORD").write_text("nnfw.pth,,\n")
    (site / "nnfw.pth").write_text("".join(f"{checkout / source}\n" for source in SOURCES))
    return folder / "bin" / "python"


def prepare() -> None:
    """Limit the memory of a process, and let it be interrupted even where a shell ignores that."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def judged(mutants: list[Mutant], tests: tuple[str, ...], longest: float, workers: int) -> Iterator[str]:
    """Yield what comes of each mutant, in their order."""
    with ExitStack() as stack:
        checkouts: SimpleQueue[Checkout] = SimpleQueue()
        for _ in range(workers):
            checkouts.put(Checkout(Path(stack.enter_context(TemporaryDirectory()))))

        def judge(mutant: Mutant) -> str:
            checkout = checkouts.get()
            try:
                return checkout.judge(mutant, tests, longest)
            finally:
                checkouts.put(checkout)

        yield from stack.enter_context(ThreadPoolExecutor(workers)).map(judge, mutants)


def passes(tests: tuple[str, ...], longest: float) -> bool:
    """Return whether the tests pass without any change."""
    with TemporaryDirectory() as folder:
        return Checkout(Path(folder)).run([*tests], longest) == "survived"


def count(folder: str, tests: tuple[str, ...], given: argparse.Namespace) -> Counter[str]:
    """Run the tests for the mutants of a folder, list those that were not caught, and count all."""
    mutants = drawn(folder, given.count, given.seed)
    row: Counter[str] = Counter()
    for index, outcome in enumerate(judged(mutants, tests, given.longest, given.workers)):
        row[outcome] += 1
        if outcome != "caught":
            print(f"{outcome} {index}: {mutants[index]}", flush=True)
    return row


def show(mutant: Mutant, tests: tuple[str, ...], longest: float) -> int:
    """Run the tests for one mutant and let them print."""
    with TemporaryDirectory() as folder:
        outcome = Checkout(Path(folder)).judge(mutant, tests, longest, show=True)
    print(f"{outcome}: {mutant}")
    return int(outcome == "survived")


def report(rows: dict[str, Counter[str]]) -> None:
    print(f"{'folder':30} {'mutants':>8} {'caught':>8} {'survived':>9} {'timeouts':>9}")
    for folder, row in rows.items():
        print(f"{folder:30} {row.total():8} {row['caught']:8} {row['survived']:9} {row['timeout']:9}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folders", nargs="*", metavar="FOLDER")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--longest", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--tests", action="append", metavar="PATH")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", type=int, metavar="INDEX")
    given = parser.parse_args(arguments)
    names = [name.rstrip("/") for name in given.folders or TESTS]
    folders = {name: tuple(given.tests or TESTS.get(name, ())) for name in names}
    unknown = ", ".join(name for name, tests in folders.items() if not tests)
    if unknown:
        parser.error(f"no tests are known for {unknown}: name them with --tests, or take one of {', '.join(TESTS)}")
    if given.list:
        for folder in folders:
            print("\n".join(f"{index}: {each}" for index, each in enumerate(drawn(folder, given.count, given.seed))))
        return 0
    if given.only is not None:
        if len(folders) > 1:
            parser.error("--only needs the one FOLDER that the mutant is in")
        return show(drawn(names[0], given.count, given.seed)[given.only], folders[names[0]], given.longest)
    rows = {}
    for folder, tests in folders.items():
        rows[folder] = count(folder, tests, given)
        # tests that fail anyway would catch everything; where a mutant survived, they have passed
        if not rows[folder]["survived"] and not passes(tests, given.longest):
            print(f"{folder}: its tests fail without any change")
            return 2
    report(rows)
    return int(any(row["survived"] for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
