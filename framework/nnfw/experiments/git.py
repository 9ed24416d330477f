"""The commit of the folder in which an experiment lies."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

_SECONDS = 10  # on a slow disk, a large repository may take them; then nothing is recorded
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false", "--no-optional-locks")
"""A repository may name programs that git runs to look at files. The folder may be a stranger's, so none is run."""

_SHA1_DIGITS = 40


def describe_commit(folder: Path) -> dict[str, Any] | None:
    """Return the commit that is checked out in `folder`, and whether a file under version control differs from it.

    Parameters
    ----------
    folder
        The experiment's.

    Returns
    -------
    dict or None
        ``commit`` and ``changed``; None if there is no git, or it knows no commit of that folder.

    Notes
    -----
    Files are compared byte by byte, without the filters that a repository may have, for these are programs. Whatever
    goes wrong, a run does not fail for it.
    """
    program = shutil.which("git")
    try:
        if program is None:
            return None
        root = Path(os.fsdecode(_git(program, folder, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
        commit = _git(program, root, "rev-parse", "HEAD").decode().strip()
        entries = _git(program, root, "diff-index", "-z", "--no-renames", "--ignore-submodules=all", "HEAD")
        return {"commit": commit, "changed": any(_changes(root, entries))}
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _git(program: str, folder: Path, *arguments: str) -> bytes:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = [program, "-C", str(folder), *_SAFE, *arguments]
    result = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=_SECONDS
    )
    return result.stdout


def _changes(root: Path, entries: bytes) -> Iterator[bool]:
    """Tell of each file that git takes for changed whether it is: for git, a new time is enough."""
    words = entries.split(b"\0")
    for description, name in zip(words[::2], words[1::2], strict=False):
        before, after, known, now, state = description.removeprefix(b":").decode().split()
        looked_at = state == "M" and before == after and not now.strip("0")
        yield not looked_at or _blob(root / os.fsdecode(name), len(known)) != known


def _blob(path: Path, digits: int) -> str:
    """Return the name that git gives to the content of a file."""
    content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
    digest = sha1 if digits == _SHA1_DIGITS else sha256
    return digest(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
