"""Completion in the shell: ``nnfw show de<TAB>``, ``--kind <TAB>``, ``--layer dense:units=8,act<TAB>``.

Names come from the plugins' declarations, so nothing is imported for them; the options of a component come from its
class, so that one is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from nnfw.configuration import Option, kind_of, options_of
from nnfw.plugins import Listed, default_registry
from nnfw.protocols import KINDS

Completion = tuple[str, str]
"""A candidate, and what it means."""

BREAKS = ":="
"""Where bash, unlike other shells, splits words."""

_LONGEST_MEANING = 60  # letters; Typer wraps longer lines, and the shell would take the rest for candidates


def complete_kinds(incomplete: str) -> list[Completion]:
    """Complete ``--kind``."""
    return [(kind, "") for kind in KINDS if kind.startswith(incomplete)]


Kind = Annotated[
    str | None, typer.Option("--kind", metavar="KIND", help="Only of this kind.", autocompletion=complete_kinds)
]
"""An option that names one kind of component: ``kind: Kind = None``. The registry refuses any other."""


def complete_names(ctx: typer.Context, incomplete: str) -> list[Completion]:
    """Complete the name of a component, of the kind that ``--kind`` names or of any; ``KIND:NAME`` too."""
    kind, _, name = incomplete.rpartition(":")
    if kind in KINDS:
        return [(f"{kind}:{found}", meaning) for found, meaning in _named(default_registry().components(kind), name)]
    return _named(default_registry().components(ctx.params.get("kind")), incomplete)


def complete_components(kind: str) -> Callable[[str], list[Completion]]:
    """Return the completion of a component of `kind` with its options, as ``nnfw assemble`` takes it.

    Examples
    --------
    >>> complete_components("layer")("den")
    [('dense', 'z = a w^T + b')]
    >>> complete_components("layer")("dense:units=8,act")
    [('dense:units=8,activation=', 'activation')]
    """

    def complete(incomplete: str) -> list[Completion]:
        return _named(default_registry().components(kind), incomplete) or _configured(kind, incomplete)

    return complete


def complete_runs(incomplete: str) -> list[Completion]:
    """Complete the directory of a run: those in ``runs``, and the folders that `incomplete` leads to."""
    folder, _, name = incomplete.rpartition("/")
    begun = [path for path in Path(f"{folder}/" if folder or name != incomplete else ".").glob("*") if path.is_dir()]
    listed = [record.parent for record in Path().glob("runs/*/record.json")]
    found = {path.as_posix(): "" for path in sorted({*begun, *listed})}
    return [(path, meaning) for path, meaning in found.items() if path.startswith(incomplete)]


def answer(group: Any, variable: str) -> int:
    """Answer the shell, which asks through environment variables, and return the exit status.

    Errors print nothing: a prompt is no place for messages.
    """
    written = _join_words() if os.environ[variable].endswith("_bash") else ""
    output = StringIO()
    try:
        with redirect_stdout(output):
            group.main(prog_name="nnfw", complete_var=variable)
    except Exception:
        return 1
    except SystemExit as end:
        for line in output.getvalue().splitlines():
            typer.echo(line.removeprefix(written))
        return end.code if isinstance(end.code, int) else 1
    return 1


def _join_words() -> str:
    """Join the words that bash split at ``:`` and ``=``; return the part that bash takes for earlier words."""
    words: list[str] = []
    written, after_break = "", False
    text = os.environ.get("COMP_WORDS", "")
    cursor = int(os.environ.get("COMP_CWORD", "0"))
    for word in text.split("\n" if "\n" in text else " ")[: cursor + 1]:
        is_break = bool(word) and not word.strip(BREAKS)
        if words and word and (is_break or after_break):
            written = words[-1] + (word if is_break else "")
            words[-1] += word
        else:
            words.append(word)
            written = ""
        after_break = is_break
    os.environ["COMP_WORDS"] = "\n".join(words)
    os.environ["COMP_CWORD"] = str(len(words) - 1)
    return written.partition("=")[2] if written.startswith("-") else written  # Typer takes --layer= off by itself


def _named(components: Iterable[Listed], incomplete: str) -> list[Completion]:
    found: dict[str, str] = {}
    for item in components:
        for name in (item.name, item.qualified_name) if ":" in incomplete or item.problem else (item.name,):
            if name.startswith(incomplete):
                found.setdefault(name, _meaning(item.spec.summary))
    return list(found.items())


def _configured(kind: str, incomplete: str) -> list[Completion]:
    name = incomplete.partition("=")[0].rpartition(":")[0]
    if not name:
        return []
    with redirect_stdout(StringIO()):  # output at import is not a candidate
        options = options_of(default_registry().load(kind, name))
    given, _, last = incomplete.removeprefix(f"{name}:").rpartition(",")
    before = incomplete.removesuffix(last)
    option, equals, value = last.partition("=")
    if equals:
        values = _values(options[option]) if option in options else []
        return [(f"{before}{option}={word}", meaning) for word, meaning in values if word.startswith(value)]
    taken = {part.partition("=")[0] for part in given.split(",")}
    free = [item for item in options.values() if item.name not in taken and item.name.startswith(last)]
    return [(f"{before}{item.name}=", _meaning(str(item))) for item in free]


def _values(option: Option) -> list[Completion]:
    kind = kind_of(option.hint)
    if kind is not None:
        return _named(default_registry().components(kind), "")
    if get_origin(option.hint) is Literal:
        return [(str(word), "") for word in get_args(option.hint)]
    return [("true", ""), ("false", "")] if option.hint is bool else []


def _meaning(text: str) -> str:
    """Return `text` so that Typer, which reads it as Rich markup, shows all of it."""
    return shorten(text, _LONGEST_MEANING, placeholder="…").replace("[", r"\[")
