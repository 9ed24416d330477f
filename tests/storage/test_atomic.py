"""Replacing a file in one step."""

import errno
import os
import sys
from pathlib import Path

import pytest

from nnfw.errors import NnfwError
from nnfw.storage import replace_file

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions, links and limits")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.nnfw"
    path.write_bytes(b"old")
    return path


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def assert_untouched(path):
    assert path.read_bytes() == b"old"
    assert names_in(path.parent) == [path.name]


def refused(path, content, *, match):
    with pytest.raises(NnfwError, match=match):
        replace_file(path, content)


@pytest.mark.parametrize("content", [b"", b"new", bytes(3_000_000)], ids=["empty", "short", "long"])
def test_replace_file_writes_content_and_leaves_nothing_else(path, content):
    replace_file(path, content)
    assert path.read_bytes() == content
    assert names_in(path.parent) == ["model.nnfw"]


def test_replace_file_that_is_not_there_makes_it(tmp_path):
    replace_file(str(tmp_path / "new"), b"1")
    assert (tmp_path / "new").read_bytes() == b"1"


@posix
def test_replace_file_gives_a_new_file_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    replace_file(tmp_path / "new", b"1")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


@posix
def test_replace_file_keeps_permissions(path):
    path.chmod(0o640)
    replace_file(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o640


@posix
def test_replace_file_through_a_link_keeps_the_link(path, tmp_path):
    folder = tmp_path / "links"
    folder.mkdir()
    link = folder / "link"
    link.symlink_to(path)
    replace_file(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert names_in(folder) == ["link"]


def test_replace_file_open_elsewhere_leaves_the_old_content_to_its_reader(path):
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old"


def test_replace_file_content_is_on_disk_before_it_has_the_name(path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor).st_size, path.read_bytes())))
    replace_file(path, b"newer")
    assert seen[0] == (5, b"old")
    assert len(seen) == 2  # then the folder
    assert seen[1][1] == b"newer"


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        pytest.param(errno.ENOSPC, r"No space left on device\. Free some space or choose another place\.", id="full"),
        pytest.param(errno.EACCES, r"Permission denied\. Choose a folder that you may write to\.", id="permission"),
        pytest.param(
            errno.ENOENT, r"No such file or directory\. Make the folder or choose another one\.", id="vanished"
        ),
        pytest.param(errno.EIO, r"Input/output error\. Choose another place\.", id="broken-disk"),
    ],
)
def test_replace_file_error_while_writing_changes_nothing(path, monkeypatch, number, hint):
    def fail(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    refused(path, b"n" * 1234, match=rf"model\.nnfw: its 1,234 bytes cannot be written: {hint} Nothing was changed\.$")
    assert_untouched(path)


@posix
def test_replace_file_beyond_a_real_limit_changes_nothing(path):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        refused(path, bytes(20_000), match=r"its 20,000 bytes cannot be written: File too large\. Free some space")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_untouched(path)


def test_replace_file_bytes_lost_without_an_error_changes_nothing(path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.truncate(descriptor, 2))
    refused(path, b"newer", match=r"its 5 bytes cannot be written: only 2 of them arrived\.")
    assert_untouched(path)


def test_replace_file_error_while_renaming_changes_nothing(path, monkeypatch):
    def fail(self, target):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", fail)
    refused(path, b"new", match=r"cannot be written: Permission denied\.")
    assert_untouched(path)


LEFT_OVER = ".nnfw-0123456789abcdef.tmp"


@posix
def test_replace_file_removes_what_a_dead_process_has_left(path):
    path.with_name(LEFT_OVER).write_bytes(b"half")
    replace_file(path, b"new")
    assert names_in(path.parent) == [path.name]


@posix
def test_replace_file_leaves_the_temporary_file_of_another_that_lives(path):
    import fcntl

    with path.with_name(LEFT_OVER).open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        replace_file(path, b"new")
        assert sorted(names_in(path.parent)) == [LEFT_OVER, path.name]


@posix
@pytest.mark.parametrize("name", [".nnfw-mine.tmp", "nnfw-0123456789abcdef.tmp"])
def test_replace_file_leaves_other_names(path, name):
    path.with_name(name).write_bytes(b"mine")
    replace_file(path, b"new")
    assert path.with_name(name).read_bytes() == b"mine"


@posix
def test_replace_file_leaves_what_is_no_file_but_has_such_a_name(path):
    os.mkfifo(path.with_name(LEFT_OVER))
    replace_file(path, b"new")
    assert path.with_name(LEFT_OVER).exists()


@posix
def test_replace_file_without_locks_writes_and_removes_nothing(path, monkeypatch):
    import fcntl

    def fail(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    path.with_name(LEFT_OVER).write_bytes(b"half")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert sorted(names_in(path.parent)) == [LEFT_OVER, path.name]


@posix
def test_replace_file_whose_temporary_file_was_taken_for_a_left_over_makes_another(path, monkeypatch):
    import fcntl

    real, taken = fcntl.flock, []

    def clean_first(file, operation):
        if not taken:
            taken.append(Path(file.name))
            taken[0].unlink()
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", clean_first)
    replace_file(path, b"new")
    assert taken
    assert path.read_bytes() == b"new"
    assert names_in(path.parent) == [path.name]


@posix
def test_replace_file_never_shows_secrets_under_wider_permissions(path, monkeypatch):
    seen = []
    path.chmod(0o600)
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(os.fstat(descriptor).st_mode & 0o777))
    replace_file(path, b"new")
    assert seen[0] == 0o600


def test_replace_file_interrupted_changes_nothing(path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace_file(path, b"new")
    assert_untouched(path)


def test_replace_file_folder_that_cannot_be_synced_is_no_error(path, monkeypatch):
    real = os.open

    def fail(name, flags, *args):
        if name == path.parent:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(name, flags, *args)

    monkeypatch.setattr(os, "open", fail)
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"


@posix
def test_replace_file_leaves_nothing_open(path):
    before = os.listdir("/dev/fd")  # noqa: PTH208
    replace_file(path, b"new")
    assert len(os.listdir("/dev/fd")) == len(before)  # noqa: PTH208


def test_replace_file_in_missing_folder_is_refused(tmp_path):
    refused(tmp_path / "none" / "a", b"1", match=r"none.a: its 1 bytes cannot .*: No such file or directory\. Make the")


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_replace_file_in_folder_without_permission_is_refused(path):
    path.parent.chmod(0o500)
    try:
        refused(path, b"1", match=r"cannot be written: Permission denied\. Choose a folder that you may write to\.")
    finally:
        path.parent.chmod(0o700)
    assert_untouched(path)


def test_replace_file_that_is_read_only_is_refused(path):
    path.chmod(0o444)
    refused(path, b"new", match=r"model\.nnfw: its 3 bytes cannot be written: Permission denied\. Choose a folder that")
    assert_untouched(path)


def test_replace_file_that_is_a_folder_is_refused(tmp_path):
    refused(tmp_path, b"1", match=r"its 1 bytes cannot be written: it is a folder, not a file\. Choose another place\.")


@pytest.mark.skipif(sys.platform == "win32", reason="no /dev here")
def test_replace_file_that_is_a_device_is_refused():
    refused(os.devnull, b"1", match=r"^/dev/null: .*: it is a device or a pipe, not a file\. Choose another place\.")


def test_replace_file_impossible_name_is_refused():
    refused("a\0b", b"1", match=r"^a\x00b: its 1 bytes cannot be written: .*embedded null .* Choose another place\.")
