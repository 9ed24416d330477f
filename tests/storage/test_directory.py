"""Opening what may be no file."""

import os

import pytest

from nnfw.storage import open_regular, open_without_waiting

posix = pytest.mark.skipif(os.name != "posix", reason="pipes and devices of POSIX")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


@pytest.mark.parametrize("opened", [open_regular, open_without_waiting])
def test_open_file_reads_it(path, opened):
    with opened(path) as file:
        assert file.read() == b"content"


@posix
def test_open_regular_link_to_a_file_reads_it(path):
    path.with_name("link").symlink_to(path)
    with open_regular(path.with_name("link")) as file:
        assert file.read() == b"content"


@posix
@pytest.mark.parametrize("opened", [open_regular, open_without_waiting])
def test_open_folder_is_refused_and_nothing_stays_open(tmp_path, opened):
    before = os.listdir("/dev/fd")  # noqa: PTH208
    with pytest.raises(IsADirectoryError):
        opened(tmp_path)
    assert len(os.listdir("/dev/fd")) == len(before)  # noqa: PTH208


@posix
def test_open_regular_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a device or a pipe, not a file"):
        open_regular(tmp_path / "pipe")


@posix
def test_open_without_waiting_pipe_without_writer_is_empty(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with open_without_waiting(tmp_path / "pipe") as file:
        assert file.read() == b""


@posix
def test_open_without_waiting_pipe_waits_for_what_its_writer_writes(tmp_path):
    from threading import Timer

    reading, writing = os.pipe()
    timer = Timer(0.05, lambda: (os.write(writing, b"late"), os.close(writing)))
    timer.start()
    with open_without_waiting(f"/dev/fd/{reading}") as file:
        assert file.read() == b"late"
    timer.join()
    os.close(reading)
