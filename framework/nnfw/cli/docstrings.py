"""The docstrings of components, for people who read them in a terminal."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from itertools import pairwise

PARAMETERS = "Parameters"
"""The section that describes options."""

_UNDERLINE = re.compile(r"-{3,}")
_ROLE = re.compile(r":[a-z:]+:`(?:~[\w.]*?(\w+)|([^`]+))`")


def sections_of(cls: type) -> Mapping[str, str]:
    """Return the sections of a class's NumPy docstring by heading; the text before the first one is under ``""``.

    Markup is removed.
    """
    text = cls.__doc__ or ""
    if text.startswith(f"{cls.__name__}("):  # made by dataclass because the author wrote none
        text = ""
    lines = _ROLE.sub(lambda match: f"`{match[1] or match[2]}`", inspect.cleandoc(text)).replace("``", "`").splitlines()
    found: dict[str, list[str]] = {"": []}
    heading = ""
    for line, following in pairwise([*lines, ""]):
        if line and _UNDERLINE.fullmatch(following):
            heading = line
            found[heading] = []
        elif not _UNDERLINE.fullmatch(line):
            found[heading].append(line)
    return {heading: "\n".join(body).strip("\n") for heading, body in found.items()}


def meanings_of(cls: type) -> Mapping[str, str]:
    """Return what the docstrings of a class and its bases say about each parameter, in one line."""
    meanings: dict[str, list[str]] = {}
    for base in reversed(cls.__mro__[:-1]):
        names: list[str] = []
        for line in sections_of(base).get(PARAMETERS, "").splitlines():
            if line and not line[0].isspace():
                names = [name.strip() for name in line.partition(":")[0].split(",")]
                meanings |= {name: [] for name in names}
            else:
                for name in names:
                    meanings[name].append(line.strip())
    return {name: " ".join(filter(None, lines)) for name, lines in meanings.items()}
