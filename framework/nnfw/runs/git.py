"""The commit of the folder in which an experiment lies.

The folder may come from a stranger, and the configuration of a repository can name programs that git runs when it looks
at files. Finding the commit runs none of them. The files are then compared from an empty repository, whose
configuration names no programs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

_SECONDS = 10  # a large repository on a slow disk may take longer; then nothing is recorded
_FILES = ("--git-path", "objects", "--git-path", "index")
_DIFFERENT = 1  # exit status of `git diff --quiet`


def describe_commit(folder: Path) -> dict[str, str | bool | None] | None:
    """Return the ``commit`` that is checked out in `folder`, and whether a file under version control is ``changed``.

    That is None where it cannot be determined. All is None if there is no git, or it knows no commit of that folder: a
    run does not fail for that.
    """
    try:
        found = _git(["rev-parse", "--path-format=absolute", "--show-toplevel", *_FILES, "HEAD"], folder)
        root, objects, index, commit = os.fsdecode(found).splitlines()
        return {"commit": commit, "changed": _changed(root, objects, index, commit)}
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _changed(root: str, objects: str, index: str, commit: str) -> bool | None:
    with TemporaryDirectory() as empty:
        for name in ("objects", "refs"):
            Path(empty, name).mkdir()
        Path(empty, "HEAD").write_text("ref: refs/heads/none\n")
        places = {"GIT_DIR": empty, "GIT_WORK_TREE": root, "GIT_OBJECT_DIRECTORY": objects, "GIT_INDEX_FILE": index}
        try:
            _git(["--no-optional-locks", "diff", "--quiet", "--ignore-submodules=all", commit], Path(root), **places)
        except subprocess.CalledProcessError as error:
            return True if error.returncode == _DIFFERENT else None
    return False


def _git(arguments: list[str], folder: Path, **places: str) -> bytes:
    program = shutil.which("git")
    if program is None:
        raise FileNotFoundError("there is no git")
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    found = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=own | places,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=_SECONDS,
    )
    return found.stdout
