"""The lock of a directory: one process at a time, and none after its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nnfw.errors import NnfwError, StateError
from nnfw.storage import LOCK, locked

HOLDER = """
import sys, time
from pathlib import Path
from nnfw.storage import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Return a process that holds the lock of the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_lock_names_its_process_and_goes_with_it(tmp_path):
    with locked(tmp_path):
        found = json.loads((tmp_path / LOCK).read_text())
        assert (found["pid"], found["host"]) == (os.getpid(), socket.gethostname())
    assert list(tmp_path.iterdir()) == []


def test_second_process_is_refused_and_told_who_is_first(tmp_path, holder):
    match = (
        rf"{tmp_path.name} is in use by process {holder.pid} on {socket.gethostname()} since 20.* Wait until it ends"
    )
    with pytest.raises(StateError, match=match), locked(tmp_path):
        pass


def test_lock_of_a_killed_process_is_free_and_left_by_nobody(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_holder_that_has_not_signed_yet_is_another_process(tmp_path, holder):
    (tmp_path / LOCK).write_bytes(b"")
    with pytest.raises(StateError, match="is in use by another process"), locked(tmp_path):
        pass


def test_holder_that_has_signed_with_nonsense_is_another_process(tmp_path, holder):
    (tmp_path / LOCK).write_bytes(b"[" * 4000)
    with pytest.raises(StateError, match="is in use by another process"), locked(tmp_path):
        pass


def test_directory_that_is_not_there_is_refused(tmp_path):
    with (
        pytest.raises(NnfwError, match="none/lock cannot be written: No such file or directory"),
        locked(tmp_path / "none"),
    ):
        pass


def test_lock_that_is_a_link_is_refused(tmp_path):
    (tmp_path / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NnfwError, match="lock cannot be written"), locked(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_lock_that_is_a_hard_link_is_refused_and_the_other_name_keeps_its_content(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "run" / LOCK).hardlink_to(tmp_path / "mine")
    with pytest.raises(NnfwError, match="lock cannot be written: it is a link"), locked(tmp_path / "run"):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


def test_lock_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / LOCK)
    match = "lock cannot be written: it is a device or a pipe, not a file"
    with pytest.raises(NnfwError, match=match), locked(tmp_path):
        pass


def test_lock_of_another_process_stays_where_ones_own_was_removed(tmp_path):
    with locked(tmp_path):
        (tmp_path / LOCK).unlink()
        (tmp_path / LOCK).touch()
    assert (tmp_path / LOCK).exists()


def test_directory_that_vanishes_meanwhile_is_no_matter(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with locked(folder):
        (folder / LOCK).unlink()
        folder.rmdir()


def test_many_at_once_are_never_two_inside(tmp_path):
    inside, entered, most = [], [], []

    def enter(number):
        try:
            with locked(tmp_path):
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.001)
                inside.remove(number)
                entered.append(number)
        except StateError:
            return

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(enter, range(200)))
    assert max(most) == 1
    assert len(entered) > 1
    assert list(tmp_path.iterdir()) == []
