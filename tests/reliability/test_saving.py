"""A model file survives what may happen while it is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "saving.py"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, limits and permissions of POSIX")

PLANTED = f"""
import importlib.util, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("saving", {str(SCRIPT)!r})
saving = importlib.util.module_from_spec(spec)
spec.loader.exec_module(saving)
from nnfw.storage import container

def write_in_place(path, content, inside=None):
    with Path(path).open("wb") as file:
        for start in range(0, len(content), 100_000):
            file.write(content[start : start + 100_000])
            file.flush()
            time.sleep(0.002)

container.replace_file = write_in_place
saving.CASES = (getattr(saving, sys.argv.pop()),) if len(sys.argv) > 1 else ()
sys.argv[1:] = ["--kills", "0" if saving.CASES else "20"]
sys.exit(saving.main())
"""


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [12, pytest.param(50, marks=pytest.mark.long)])
def test_killed_processes_full_disks_and_vanished_folders_leave_the_file_before(kills):
    result = run(str(SCRIPT), "--kills", str(kills))
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"killed {kills} times: " in result.stdout
    assert ", temporary files left 0 times" not in result.stdout  # else no kill came in the middle
    assert int(re.search(r"read 200 times, (\d+) different", result.stdout)[1]) > 10


def test_script_finds_a_file_that_is_written_in_place():
    result = run("-c", PLANTED)
    assert result.returncode == 1
    assert "WRONG: kill " in result.stdout


def test_script_finds_a_file_that_is_written_in_place_while_it_is_read():
    result = run("-c", PLANTED, "several_at_once")
    assert result.returncode == 1
    assert "WRONG: a file that is being replaced: " in result.stdout
