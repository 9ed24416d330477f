"""A run goes on whichever of its file operations fails; and whoever judges that notices what is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "operations.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see what a descriptor is"),
]

PLANTED = f"""
import importlib.util, os, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("operations", {str(SCRIPT)!r})
operations = importlib.util.module_from_spec(spec)
spec.loader.exec_module(operations)
from nnfw.storage import Directory

def in_place(self, name, content):
    descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.write(descriptor, content)
    os.close(descriptor)

Directory.replace = in_place
sys.exit(operations.main(["--kinds", "kill", "--first", "15", "--last", "16"]))
"""


def run(*arguments):
    threads = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=threads)


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.long)])
def test_run_that_is_killed_at_its_beginning_goes_on(step):
    result = run(str(SCRIPT), "--kinds", "kill", "--last", "24", "--step", str(step))
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"kill: {24 // step} operations failed, {24 // step} runs went on to equal bytes" in result.stdout


@pytest.mark.parametrize(
    ("kinds", "step", "least"),
    [(("ENOSPC", "short"), 97, 4), pytest.param(("ENOSPC", "EIO", "short"), 47, 8, marks=pytest.mark.long)],
    ids=["some", "more"],
)
def test_run_whose_file_operations_fail_goes_on(kinds, step, least):
    result = run(str(SCRIPT), "--kinds", *kinds, "--first", "3", "--step", str(step))
    assert result.returncode == 0, result.stdout + result.stderr
    for kind, tried, went_on in re.findall(r"(\w+): (\d+) operations failed, (\d+) runs went on", result.stdout):
        assert int(tried) == int(went_on) >= (1 if kind == "short" else least)


def test_files_that_are_written_in_place_are_noticed():
    result = run("-c", PLANTED)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "WRONG: kill at " in result.stdout
