"""A copy of arrays: whether it lies in memory or in a file, and what happens where no file can be written."""

import os
import subprocess
import sys
import tempfile
from contextlib import closing
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from nnfw.training import stored_copy
from nnfw.training.stored_copy import LARGE, StoredCopy

FULL = Path("/dev/full")
SMALL_COUNT, LARGE_COUNT = 10, LARGE // 4


def arrays(count):
    return [np.arange(count, dtype=np.float32), np.arange(12.0).reshape(3, 4).T, np.array(7), np.empty(0)]


@pytest.mark.parametrize("count", [SMALL_COUNT, LARGE_COUNT], ids=["memory", "file"])
def test_stored_copy_gives_back_the_bits_of_the_last_time_it_was_renewed(count):
    changing = arrays(count)
    with closing(StoredCopy(changing)) as copy:
        for number in (1, 2):
            changing[0][3], changing[1][0, 1] = np.nan, -number
            copy.renew()
            kept = [array.tobytes() for array in changing]
            for array in changing:
                array[...] = 5
            copy.put_back()
            assert [array.tobytes() for array in changing] == kept


@pytest.fixture
def made(monkeypatch):
    """Return the temporary files that are made."""
    files = []

    def temporary_file():
        files.append(tempfile.TemporaryFile())  # noqa: SIM115 - `close` closes it
        return files[-1]

    monkeypatch.setattr(stored_copy, "TemporaryFile", temporary_file)
    return files


def test_stored_copy_has_a_file_only_if_it_is_large(made):
    for count in (SMALL_COUNT, LARGE_COUNT):
        with closing(StoredCopy(arrays(count))):
            assert len(made) == (count == LARGE_COUNT)
    assert made[0].closed


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_stored_copy_goes_into_memory_where_the_disk_is_full(monkeypatch):
    monkeypatch.setattr(stored_copy, "TemporaryFile", lambda: FULL.open("r+b"))
    require_in_memory()


def test_stored_copy_goes_into_memory_where_no_file_can_be_made(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    require_in_memory()


def require_in_memory():
    changing = arrays(LARGE_COUNT)
    with closing(StoredCopy(changing)) as copy:
        for number in (1, 2):
            changing[0][0] = number
            copy.renew()
            changing[0][0] = 9
            copy.put_back()
            assert changing[0][0] == number
            assert isinstance(copy._file, BytesIO)


KILLED = """
import os, signal
import numpy as np
from nnfw.training.stored_copy import LARGE, StoredCopy

copy = StoredCopy([np.zeros(LARGE)])
copy.renew()
print(os.listdir(os.environ["TMPDIR"]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="there a file that is open has a name")
def test_stored_copy_leaves_nothing_behind_when_its_process_is_killed(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", KILLED], env=environment, capture_output=True, text=True, check=False)
    assert found.returncode < 0, found.stderr
    assert found.stdout == "[]\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("renews", [True, False], ids=["renews", "does not renew"])
def test_child_of_a_fork_leaves_the_file_to_its_parent(renews):
    changing = [np.zeros(LARGE_COUNT, np.float32)]
    with closing(StoredCopy(changing)) as copy:
        copy.renew()
        child = os.fork()
        if not child:
            os._exit(0 if _keeps_its_own(copy, changing[0], renews) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        changing[0][...] = 9
        copy.put_back()
        assert (changing[0] == 0).all()


def _keeps_its_own(copy, array, renews):
    """Return whether a child gets back what it has kept itself, and nothing of its parent's."""
    if renews:
        array[...] = 5
        copy.renew()
    array[...] = 7
    try:
        copy.put_back()
    except OSError as error:
        return not renews and "belongs to the process that this one was forked from" in str(error)
    return renews and (array == 5).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_child_of_a_fork_has_the_copy_that_lies_in_memory():
    changing = [np.zeros(SMALL_COUNT)]
    with closing(StoredCopy(changing)) as copy:
        copy.renew()
        child = os.fork()
        if not child:
            changing[0][...] = 7
            copy.put_back()
            os._exit(0 if (changing[0] == 0).all() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
