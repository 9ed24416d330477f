"""Files that grow by lines: whole, and with an error that says where and how much."""

import errno
import os

import pytest

from nnfw.errors import NnfwError
from nnfw.storage import Directory, LineFile


def test_lines_are_there_at_once(tmp_path):
    lines = LineFile(tmp_path / "a")
    lines.write("σ\n")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "σ\n"
    lines.close()


def test_file_that_was_there_is_replaced(tmp_path):
    (tmp_path / "a").write_text("old")
    LineFile(tmp_path / "a").close()
    assert (tmp_path / "a").read_text() == ""


def test_pieces_that_the_system_takes_are_put_together(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:2]))
    lines = LineFile(tmp_path / "a")
    lines.write("abcde\n")
    lines.close()
    assert (tmp_path / "a").read_text() == "abcde\n"


def test_file_in_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NnfwError, match="none/a: its 0 bytes cannot be written: No such file or directory. Make the"):
        LineFile(tmp_path / "none" / "a")


def test_file_that_vanishes_before_it_is_opened_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr("nnfw.storage.files.replace_file", lambda path, content, inside: None)
    with pytest.raises(NnfwError, match="/a cannot be written: No such file or directory. Make the folder"):
        LineFile(tmp_path / "a")


def test_full_disk_is_reported_with_path_and_bytes(tmp_path, monkeypatch):
    lines = LineFile(tmp_path / "a")

    def full(descriptor, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NnfwError, match=r"/a: its next 6 bytes cannot be written: No space left on device. Free some"):
        lines.write("abcde\n")
    lines.close()


def test_file_that_is_replaced_while_it_grows_is_reported(tmp_path):
    lines = LineFile(tmp_path / "a")
    (tmp_path / "b").write_text("other\n")
    (tmp_path / "b").replace(tmp_path / "a")
    with pytest.raises(NnfwError, match="/a was removed or replaced while it was being written. Keep other programs"):
        lines.write("abcde\n")
    lines.close()
    assert (tmp_path / "a").read_text() == "other\n"


def test_file_that_is_removed_while_it_grows_is_reported(tmp_path):
    lines = LineFile(tmp_path / "a")
    (tmp_path / "a").unlink()
    with pytest.raises(NnfwError, match="/a was removed or replaced while it was being written"):
        lines.write("abcde\n")
    lines.close()


@pytest.mark.parametrize("name", ["fsync", "close"])
def test_bytes_that_are_lost_when_it_is_closed_are_told(tmp_path, monkeypatch, name):
    lines = LineFile(tmp_path / "a")
    real, failed = getattr(os, name), []

    def fail(descriptor):
        real(descriptor)
        if not failed:
            failed.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(NnfwError, match="/a: its last bytes cannot be written: Input/output error. Choose another"):
        lines.close()
    assert failed


def test_file_inside_a_directory_refuses_a_link(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "log.csv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NnfwError, match="log.csv: its 0 bytes cannot be written: it is a link"):
        LineFile(run / "log.csv", inside=Directory(run))
    assert not (tmp_path / "elsewhere").exists()
