"""Save models while processes are killed, disks are full and folders vanish: the file before stays, whole.

Run it with: python tests/reliability/saving.py [--kills 100] [--seed 0]

Needs POSIX. A real full disk and a disk that turns read-only need the right to mount a tmpfs; without it, a limit of
the file's size and the permissions of the folder stand for them. Exit status: 1 if a file is torn or lost, an
error is no NnfwError with path and bytes, or a temporary file is left.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nnfw

UNITS = 400  # a file of 640 kB takes some time to write
LONGEST = 0.03  # seconds until a process is killed: several savings
DISK = 2 << 20  # bytes
READS = 200


def model_of(value: float) -> nnfw.Sequential:
    """Return a model all of whose numbers are `value`: a file that mixes two of them would be torn."""
    model = nnfw.Sequential([{"type": "dense", "units": UNITS}], UNITS)
    model.parameters.vector[...] = value
    return model


def value_in(path: Path) -> float:
    """Return the number that a file holds everywhere; ValueError if there are several."""
    (value,) = set(nnfw.load(path).parameters.vector.tolist())
    return float(value)


def in_a_child(work: Callable[[], object]) -> int:
    """Start some work in a process of its own, and return its number."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    return child


# --- killed -----------------------------------------------------------------------------------------------------------


def save_for_ever(path: Path, start: int) -> None:
    value = start
    while True:
        model_of(value).save(path)
        value += 1


def kill(count: int, seed: int) -> Iterator[str]:
    """Kill processes that save, one after the other; yield what is wrong, and print what was seen."""
    rng = random.Random(seed)
    left_over = 0
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.nnfw")
        model_of(0).save(path)
        value = 0.0
        for turn in range(count):
            child = in_a_child(lambda start=int(value) + 1: save_for_ever(path, start))  # type: ignore[misc]
            time.sleep(rng.uniform(0, LONGEST))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            left_over += len(list(Path(folder).iterdir())) - 1
            try:
                after = value_in(path)
            except (nnfw.NnfwError, ValueError) as error:
                yield f"kill {turn}: {error}"
                return
            if after < value:
                yield f"kill {turn}: the file went back from {value} to {after}"
            value = after
        model_of(value).save(path)
        names = sorted(item.name for item in Path(folder).iterdir())
        if names != ["model.nnfw"]:
            yield f"after the next saving there is more than the file: {names}"
    print(f"killed {count} times: {value:.0f} files written, temporary files left {left_over} times, all removed later")


def several_at_once() -> Iterator[str]:
    """Read a file again and again while processes replace it; yield what is wrong."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.nnfw")
        model_of(0).save(path)
        writers = [in_a_child(lambda start=start: save_for_ever(path, start)) for start in (1, 1 << 20)]  # type: ignore[misc]
        try:
            found = {value_in(path) for _ in range(READS)}
        except (nnfw.NnfwError, ValueError) as error:
            yield f"a file that is being replaced: {error}"
            return
        finally:
            for writer in writers:
                os.kill(writer, signal.SIGKILL)
                os.waitpid(writer, 0)
        print(f"    read {READS} times, {len(found)} different files")
        model_of(0).save(path)
        names = sorted(item.name for item in Path(folder).iterdir())
        if names != ["model.nnfw"]:
            yield f"after the next saving there is more than the file: {names}"


# --- no place, no right, no folder ------------------------------------------------------------------------------------


@contextmanager
def small_disk(*, size: int = DISK) -> Iterator[Path | None]:
    """Mount a small disk in memory; None where that is not permitted."""
    with TemporaryDirectory() as folder:
        program = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder]
        mounted = shutil.which("mount") and not subprocess.run(program, capture_output=True, check=False).returncode
        try:
            yield Path(folder) if mounted else None
        finally:
            if mounted:
                subprocess.run(["umount", folder], capture_output=True, check=True)


def refused(path: Path, expected: str) -> Iterator[str]:
    """Yield what is wrong with a saving that must fail, and with what is there afterwards."""
    try:
        model_of(2).save(path)
    except nnfw.NnfwError as error:
        message = str(error)
        if not re.fullmatch(rf"{re.escape(str(path))}: its [\d,]+ bytes cannot be written: {expected}\. .*", message):
            yield f"another message: {message}"
        else:
            print(f"    {message.replace(str(path.parent), '')}")
    else:
        yield f"{path}: was written"


def untouched(path: Path) -> Iterator[str]:
    """Yield what is wrong with a file that must be as it was, with nothing beside it."""
    if value_in(path) != 1:
        yield f"{path}: holds {value_in(path)}"
    if beside := [item.name for item in path.parent.iterdir() if item != path]:
        yield f"{path}: beside it there is {beside}"


def full_disk() -> Iterator[str]:
    with small_disk() as folder:
        if folder is None:
            print("    not permitted to mount a disk")
            return
        model_of(1).save(folder / "model.nnfw")
        with (folder / "filler").open("wb") as filler:
            filler.write(bytes(DISK - 2 * (folder / "model.nnfw").stat().st_size + (64 << 10)))
        yield from refused(folder / "model.nnfw", "No space left on device")
        (folder / "filler").unlink()
        yield from untouched(folder / "model.nnfw")


def size_limit() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.nnfw")
        model_of(1).save(path)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            yield from refused(path, "File too large")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        yield from untouched(path)


def read_only_disk() -> Iterator[str]:
    with small_disk() as folder:
        if folder is None:
            print("    not permitted to mount a disk")
            return
        model_of(1).save(folder / "model.nnfw")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], capture_output=True, check=True)
        yield from refused(folder / "model.nnfw", "Read-only file system")
        yield from untouched(folder / "model.nnfw")


def read_only_folder() -> Iterator[str]:
    if os.geteuid() == 0:
        print("    root may write into every folder")
        return
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.nnfw")
        model_of(1).save(path)
        path.parent.chmod(0o500)
        try:
            yield from refused(path, "Permission denied")
        finally:
            path.parent.chmod(0o700)
        yield from untouched(path)


def vanished_folder() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "run", "model.nnfw")
        path.parent.mkdir()
        model_of(1).save(path)
        shutil.rmtree(path.parent)
        yield from refused(path, "No such file or directory")
        if os.path.lexists(path.parent):
            yield f"{path.parent}: was made again"


CASES = (several_at_once, full_disk, size_limit, read_only_disk, read_only_folder, vanished_folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    wrong = list(kill(given.kills, given.seed))
    for case in CASES:
        print(case.__name__.replace("_", " "))
        wrong += case()
    for problem in wrong:
        print(f"WRONG: {problem}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
