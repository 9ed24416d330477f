"""The commit of an experiment's folder; nothing in a stranger's repository is executed to find it."""

import os
import shutil
import subprocess

import pytest

from nnfw.runs.git import describe_commit

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Return a repository with one file in one commit, whose name needs quoting."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / 'a "ü".toml').write_text("seed = 7\n")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", "first")
    return folder


def git(folder, *arguments):
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def the_file(folder):
    return next(folder.glob("*.toml"))


def test_commit_of_a_clean_folder_is_told(repository):
    (repository / "deeper").mkdir()
    expected = {"commit": git(repository, "rev-parse", "HEAD"), "changed": False}
    assert describe_commit(repository) == expected
    assert describe_commit(repository / "deeper") == expected


def test_file_that_was_changed_is_told(repository):
    the_file(repository).write_text("seed = 8\n")
    assert describe_commit(repository)["changed"] is True


def test_file_that_was_removed_or_added_to_the_index_is_told(repository):
    the_file(repository).unlink()
    assert describe_commit(repository)["changed"] is True
    git(repository, "checkout", "-q", ".")
    (repository / "new").touch()
    assert describe_commit(repository)["changed"] is False  # git does not know it
    git(repository, "add", "new")
    assert describe_commit(repository)["changed"] is True


def test_file_with_a_new_time_alone_is_not_changed(repository):
    os.utime(the_file(repository), (1, 1))
    assert git(repository, "diff-index", "HEAD") != ""
    assert describe_commit(repository)["changed"] is False


def test_nothing_is_told_without_a_repository_a_commit_or_git(tmp_path, repository, monkeypatch):
    assert describe_commit(tmp_path) is None
    assert describe_commit(tmp_path / "not there") is None
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    assert describe_commit(empty) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_commit(repository) is None


def test_git_that_hangs_is_no_hindrance(repository, tmp_path, monkeypatch):
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("nnfw.runs.git._SECONDS", 0.1)
    assert describe_commit(repository) is None


def test_programs_that_a_repository_names_are_not_run(repository, tmp_path):
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path / 'sprung'}'\ncat\n")
    trap.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(trap))
    git(repository, "config", "filter.trap.clean", str(trap))
    git(repository, "config", "filter.trap.process", str(trap))
    git(repository, "config", "diff.external", str(trap))
    (repository / ".gitattributes").write_text("* filter=trap\n")
    the_file(repository).write_text("seed = 8\n")
    assert describe_commit(repository)["changed"] is True
    assert not (tmp_path / "sprung").exists()
    subprocess.run(["git", "-C", str(repository), "status"], check=False, capture_output=True)
    assert (tmp_path / "sprung").exists()  # the trap works
