"""Let every single file operation of a run fail, one run for each, and go on as the messages say.

Run it with: python tests/reliability/operations.py [--kinds kill ENOSPC EIO short] [--first 1] [--last N] [--step 1]

A small run, with a checkpoint after each step and all files that the standard callbacks write, makes some hundreds of
file operations in its directory: open, write, fsync, close, rename, unlink, mkdir and so on. For each of them, and each
kind, a process is forked in which that operation fails:

- kill: the process is killed just before it;
- ENOSPC, EIO: it raises this error (a close first closes the file, as the system does);
- short: a write takes only the first half of its bytes, and says so.

Then the same command is given again; where it answers that there is a run already, the run is resumed. In the end
every run must have finished, with the same bytes as one that nothing happened to; an error must end with exit status 2
and name a path. Needs POSIX and /proc. Exit status: 1 if anything is not as it must be.
"""

from __future__ import annotations

import argparse
import errno
import importlib.util
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nnfw.cli.main import main as run_nnfw
from nnfw.plugins import default_registry

KINDS = ("kill", "ENOSPC", "EIO", "short")
OPERATIONS = (
    "open",
    "write",
    "fsync",
    "close",
    "ftruncate",
    "fchmod",
    "replace",
    "unlink",
    "mkdir",
    "rmdir",
    "listdir",
)
"""Functions of `os` that are counted where they concern the run's directory."""

ATTEMPTS = 4  # commands until a run must have finished
REPORT = "operations"  # file in which a forked process names the operations it made


def resuming() -> Any:
    """Return the script beside this one, which has the experiment and compares runs."""
    spec = importlib.util.spec_from_file_location("reliability_resuming", Path(__file__).with_name("resuming.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Shim:
    """Counts the file operations below a directory, and lets one of them fail.

    Parameters
    ----------
    directory
        The run's.
    number
        Which operation fails, counted from 1; 0 for none.
    kind
        How it fails, one of `KINDS`.
    """

    def __init__(self, directory: Path, number: int, kind: str) -> None:
        self.directory, self.number, self.kind = os.path.realpath(directory), number, kind
        self.made: list[str] = []

    def install(self) -> None:
        """Take the places of the system's functions, in this process, for good."""
        for name in OPERATIONS:
            setattr(os, name, self.counted(name, getattr(os, name)))

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(target: Any = ".", *given: Any, **options: Any) -> Any:
            place = self.place(target, options.get("dir_fd", options.get("src_dir_fd")))
            if not place.startswith(self.directory):
                return function(target, *given, **options)
            self.made.append(f"{name} {place.removeprefix(self.directory)}")
            if len(self.made) != self.number:
                return function(target, *given, **options)
            return self.fail(name, function, target, *given, **options)

        return operation

    def place(self, target: Any, directory: int | None) -> str:
        """Return the path that an operation concerns."""
        if isinstance(target, int):
            return str(Path(f"/proc/self/fd/{target}").readlink())
        base = Path.cwd() if directory is None else Path(f"/proc/self/fd/{directory}").readlink()
        return os.path.normpath(base / target)

    def fail(self, name: str, function: Callable[..., Any], *given: Any, **options: Any) -> Any:
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "short":
            return (
                function(given[0], given[1][: len(given[1]) // 2]) if name == "write" else function(*given, **options)
            )
        if name == "close":
            function(*given)
        number = getattr(errno, self.kind)
        raise OSError(number, os.strerror(number))


def command(folder: Path, words: list[str], number: int, kind: str) -> tuple[int, str]:
    """Run a command in a forked process with the shim; return its exit status, or less than 0, and its messages."""
    messages = folder / "messages"
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.chdir(folder)
        os.dup2(os.open(messages, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        leave = os._exit
        shim = Shim(folder / "run", number, kind)
        shim.install()
        status = run_nnfw(words)
        (folder / REPORT).write_text("\n".join(shim.made))
        leave(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, messages.read_text()


def carry_out(folder: Path, number: int, kind: str) -> Iterator[str]:
    """Train with one operation that fails, then follow the messages until it has finished; yield what is wrong."""
    train = ["train", "everything.toml", "--out", "run", "--quiet"]
    words = train
    for attempt in range(ATTEMPTS):
        status, messages = command(folder, words, 0 if attempt else number, kind)
        if status == 0:
            return
        failed = "killed" if status < 0 else f"status {status}: {messages.strip()}"
        if status > 0 and (status != 2 or "run" not in messages or "Traceback" in messages):
            yield f"attempt {attempt + 1}: {failed}"
        words = ["resume", "run", "--quiet"] if "nnfw resume run" in messages else train
    yield f"not finished after {ATTEMPTS} attempts; {failed}"


def run_all(kinds: list[str], first: int, last: int | None, step: int) -> Iterator[str]:
    """Let every operation, or one in `step` that can, fail once in each way; yield what is wrong."""
    script = resuming()
    default_registry()
    with TemporaryDirectory() as name:
        whole = Path(name, "whole")
        whole.mkdir()
        script.experiment(whole, epochs=2, units=2)
        status, messages = command(whole, ["train", "everything.toml", "--out", "run", "--quiet"], 0, "")
        assert status == 0, messages
        operations = (whole / REPORT).read_text().splitlines()
        print(f"{len(operations)} operations: {dict(Counter(line.split()[0] for line in operations))}")
        for kind in kinds:
            wrong = 0
            able = [
                number
                for number, operation in enumerate(operations[:last], 1)
                if number >= first and (kind != "short" or operation.startswith("write"))
            ]
            chosen = able[::step]
            for number in chosen:
                folder = Path(name, f"{kind}-{number}")
                folder.mkdir()
                script.experiment(folder, epochs=2, units=2)
                problems = list(carry_out(folder, number, kind))
                problems = problems or [f"another {file}" for file in script.different(whole / "run", folder / "run")]
                left = [str(path.relative_to(folder)) for path in folder.rglob(script.TEMPORARY)]
                problems += [f"left {path}" for path in left]
                yield from (f"{kind} at {number}, {operations[number - 1]}: {problem}" for problem in problems)
                wrong += bool(problems)
                shutil.rmtree(folder)
            print(
                f"{kind}: {len(chosen)} operations failed, {len(chosen) - wrong} runs went on to equal bytes",
                flush=True,
            )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int)
    parser.add_argument("--step", type=int, default=1)
    given = parser.parse_args(arguments)
    wrong = 0
    for problem in run_all(given.kinds, given.first, given.last, given.step):
        wrong += 1
        print(f"WRONG: {problem}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
