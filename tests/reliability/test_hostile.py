"""Files made to do harm are refused by a limit that the message states, within 64 MiB."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "hostile.py"
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory as Linux has them")


def cases():
    if not sys.platform.startswith("linux"):
        return {}
    spec = importlib.util.spec_from_file_location("reliability_hostile", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


CASES = cases()


@pytest.fixture(scope="module")
def messages():
    result = subprocess.run([sys.executable, str(SCRIPT), "--json"], capture_output=True, text=True, check=False)
    assert result.stdout, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", CASES)
def test_hostile_file_is_refused_by_a_stated_limit(messages, name):
    _, expected = CASES[name]
    assert not messages[name].startswith("NO ERROR OF NNFW")
    assert re.search(expected, messages[name])


def test_cases_that_the_page_names_exist():
    page = (SCRIPT.parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
    rows = [row.split(" | ") for row in page.splitlines() if row.startswith("| ")][2:]
    named = {name for row in rows for name in re.findall("`([^`]+)`", row[2])}
    assert len(rows) > 10
    assert named <= set(CASES)


def test_script_tells_a_lack_of_memory_a_made_file_too_much_work_and_a_wait_from_errors():
    program = f"""
import importlib.util, os, time
spec = importlib.util.spec_from_file_location("hostile", {str(SCRIPT)!r})
hostile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hostile)
def work(folder):
    while True:
        pass

hostile.SECONDS = 0.2
for use in (lambda folder: bytes(100 << 20), lambda folder: (folder / "made").touch(), work):
    print(hostile.outcome(lambda folder: lambda: use(folder)))
hostile.WAIT = 1
print(hostile.outcome(lambda folder: lambda: time.sleep(30)))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    memory, made, work, wait = result.stdout.splitlines()
    assert memory.startswith("NO ERROR OF NNFW: MemoryError")
    assert made == "NO ERROR OF NNFW: made ['made']"
    assert work.startswith("NO ERROR OF NNFW: ended by signal 27")
    assert wait.startswith("NO ERROR OF NNFW: ended by signal 14")
