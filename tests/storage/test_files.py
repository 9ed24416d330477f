"""Replacing a file in one step."""

import errno
import os
import shutil
import stat
import sys

import pytest

from nnfw.errors import NnfwError
from nnfw.storage import Directory, replace_file

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
    def fail(old, new, **descriptors):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", fail)
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
            taken.extend(path.parent.glob(".nnfw-*.tmp"))
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


def failing_sync_of_the_folder(monkeypatch, number):
    """Let the system fail to bring a folder's names to the disk."""
    real = os.fsync

    def fail(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail)


@posix
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EACCES], ids=["not-supported", "not-allowed"])
def test_replace_file_in_a_folder_that_knows_no_sync_is_no_error(path, monkeypatch, number):
    failing_sync_of_the_folder(monkeypatch, number)
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"


@posix
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT], ids=["broken-disk", "full", "quota"])
def test_replace_file_whose_name_does_not_reach_the_disk_is_an_error(path, monkeypatch, number):
    failing_sync_of_the_folder(monkeypatch, number)
    refused(path, b"new", match=r"was written, but the disk did not confirm its name: .* may be the one before\.$")
    assert names_in(path.parent) == [path.name]


@posix
def test_replace_file_whose_bytes_are_lost_when_it_is_closed_changes_nothing(path, monkeypatch):
    """Network disks report lost bytes at close; the first close of the new file must come before it has the name."""
    real, files = os.close, []

    def fail(descriptor):
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        real(descriptor)
        if regular and not files:
            files.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "close", fail)
    refused(path, b"new", match=r"model\.nnfw: its 3 bytes cannot be .*: Input/output error\. .* Nothing was changed")
    assert files
    assert_untouched(path)


@posix
def test_replace_file_takes_short_writes(path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:2]))
    replace_file(path, b"newer")
    assert path.read_bytes() == b"newer"


@posix
def test_replace_file_drops_the_bits_that_run_a_program_as_its_owner(path):
    path.chmod(0o6755)
    replace_file(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


@posix
def test_replace_file_changes_the_mode_of_nothing_else_where_its_name_is_swapped(path, tmp_path, monkeypatch):
    """Whoever may write into the folder can put a link where the temporary file was."""
    victim = tmp_path.with_name(f"{tmp_path.name}-victim")
    victim.write_bytes(b"theirs")
    victim.chmod(0o600)
    path.chmod(0o666)
    for name in ("chmod", "fchmod"):
        monkeypatch.setattr(os, name, swapping(getattr(os, name), path.parent, victim))
    replace_file(path, b"new")
    assert victim.stat().st_mode & 0o777 == 0o600


def swapping(change, folder, victim):
    def swapped(place, mode, **options):
        for temporary in folder.glob(".nnfw-*.tmp"):
            temporary.unlink()
            temporary.symlink_to(victim)
        change(place, mode, **options)

    return swapped


@pytest.fixture(params=[True, False], ids=["descriptors", "none"])
def descriptors(request, monkeypatch):
    """Let directories have descriptors, or none, as on Windows."""
    monkeypatch.setattr("nnfw.storage.directory._HAS_DESCRIPTORS", request.param)


@posix
def test_replace_file_inside_a_directory_refuses_a_link(path, tmp_path, descriptors):
    run = tmp_path / "run"
    run.mkdir()
    (run / "report.html").symlink_to(path)
    with pytest.raises(NnfwError, match=r"report\.html: its 3 bytes cannot .*: it is a link, and .* Remove the"):
        replace_file(run / "report.html", b"new", inside=Directory(run))
    assert path.read_bytes() == b"old"
    assert (run / "report.html").is_symlink()


@posix
def test_replace_file_inside_a_directory_refuses_a_linked_folder(path, tmp_path, descriptors):
    run = tmp_path / "run"
    run.mkdir()
    (run / "logs").symlink_to(path.parent, target_is_directory=True)
    with pytest.raises(NnfwError, match=r"logs/model\.nnfw: .* it is a link, and links in here are not followed"):
        replace_file(run / "logs" / path.name, b"new", inside=Directory(run))
    assert path.read_bytes() == b"old"


@posix
def test_directory_reads_and_writes_with_descriptors_and_without(tmp_path, descriptors):
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    directory = Directory(tmp_path / "run").below("logs")
    Directory(tmp_path / "run").make()
    directory.make()
    directory.make()
    directory.replace("a", b"1")
    directory.sync()
    (tmp_path / "run" / "logs" / "b").symlink_to(tmp_path / "elsewhere")
    with directory.open("a") as file:
        assert file.read() == b"1"
    for use in (directory.open, directory.append_to):
        with pytest.raises(OSError, match="it is a link"):
            use("b")
    directory.remove("b")
    assert directory.names() == ["a"]
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"


@posix
def test_replace_file_inside_a_directory_that_was_replaced_writes_nothing(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    directory = Directory(run)
    replace_file(run / "a", b"1", inside=directory)
    shutil.rmtree(run)
    run.mkdir()
    with pytest.raises(
        NnfwError, match=r"a: its 1 bytes cannot be written: another directory has taken the place of its own"
    ):
        replace_file(run / "a", b"2", inside=directory)
    assert names_in(run) == []


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
