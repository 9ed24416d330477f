"""Files that grow by lines: whole, and with an error that says where and how much."""

import errno
import os

import pytest

from nnfw.errors import NnfwError
from nnfw.storage import LineFile


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


def test_file_that_vanishes_before_it_is_opened_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("nnfw.storage.line_file.replace_file", lambda path, content: None)
    with pytest.raises(NnfwError, match="/a cannot be written: No such file or directory. Make the folder"):
        LineFile(tmp_path / "a")


def test_full_disk_is_told_with_path_and_bytes(tmp_path, monkeypatch):
    lines = LineFile(tmp_path / "a")

    def full(descriptor, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NnfwError, match=r"/a: its next 6 bytes cannot be written: No space left on device. Free some"):
        lines.write("abcde\n")
    lines.close()
