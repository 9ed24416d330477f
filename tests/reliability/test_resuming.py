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


def test_runs_that_are_killed_signalled_and_started_at_once_end_like_one_that_was_not():
    result = run(str(SCRIPT), *("--kills", "5", "--epochs", "10", "--exact", "2", "--signals", "3", "--starts", "3"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "killed 5 times, " in result.stdout
    assert "2 runs killed once, " in result.stdout
    assert "3 starts in one directory: 1 has run, 2 were told its process" in result.stdout


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
