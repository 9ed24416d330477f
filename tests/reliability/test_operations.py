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


def test_run_that_is_killed_at_its_beginning_goes_on():
    result = run(str(SCRIPT), "--kinds", "kill", "--last", "24", "--step", "3")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "kill: 8 operations failed, 8 runs went on to equal bytes" in result.stdout


def test_run_whose_file_operations_fail_goes_on():
    result = run(str(SCRIPT), "--kinds", "ENOSPC", "EIO", "short", "--first", "3", "--step", "97")
    assert result.returncode == 0, result.stdout + result.stderr
    for kind, tried, went_on in re.findall(r"(\w+): (\d+) operations failed, (\d+) runs went on", result.stdout):
        assert int(tried) == int(went_on) >= (1 if kind == "short" else 4)


def test_files_that_are_written_in_place_are_noticed():
    result = run("-c", PLANTED)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "WRONG: kill at " in result.stdout
