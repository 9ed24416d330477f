"""A run survives what may happen while it trains; and whoever judges that notices what is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "resuming.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals, limits and permissions of POSIX"),
]

PLANTED = f"""
import importlib.util, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("resuming", {str(SCRIPT)!r})
resuming = importlib.util.module_from_spec(spec)
spec.loader.exec_module(resuming)
from nnfw.storage import container
from nnfw.training import loop

def write_in_place(path, content, inside=None):
    with Path(path).open("wb") as file:
        for start in range(0, len(content), 3000):
            file.write(content[start : start + 3000])
            file.flush()
            time.sleep(0.002)

def forget(start, state, *others):
    memories = real(start, state, *others)
    for array in state.optimizer.values():
        array[...] = 0
    return memories

real = loop.resume
{{planted}}
sys.exit(resuming.main())
"""


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("kills", "exact", "signals", "starts"),
    [(2, 1, 1, 2), pytest.param(20, 6, 10, 4, marks=pytest.mark.long)],
    ids=["few", "many"],
)
def test_runs_that_are_killed_signalled_and_started_at_once_end_like_one_that_was_not(kills, exact, signals, starts):
    counts = {"kills": kills, "exact": exact, "signals": signals, "starts": starts, "epochs": 10}
    result = run(str(SCRIPT), *(f"--{name}={count}" for name, count in counts.items()))
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"killed {kills} times, " in result.stdout
    assert f"{exact} runs killed once, " in result.stdout
    assert f"{starts} starts in one directory: 1 has run, {starts - 1} were told its process" in result.stdout


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        ("container.replace_file = write_in_place", r"WRONG: kill "),
        ("loop.resume = forget", r"WRONG: run \d ended with another metrics.jsonl"),
    ],
    ids=["torn", "forgotten"],
)
def test_script_finds_what_is_planted(planted, expected):
    arguments = ("--kills", "6", "--epochs", "5", "--exact", "0", "--signals", "0", "--starts", "0", "--no-disks")
    result = run("-c", PLANTED.replace("{planted}", planted), *arguments)
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search(expected, result.stdout), result.stdout
