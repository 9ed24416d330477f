"""Write the generated blocks of the pages, or with ``--check`` compare them with what they should be.

Run it with: python docs/update.py [--check]

A generated block stands between the lines ``<!-- generated: SOURCE -->`` and ``<!-- end -->``. SOURCE is one of:

- ``nnfw ARGUMENTS``, after ``NAME=value`` if need be: the command with all that it prints, and its exit status if that
  is not 0;
- ``options of MODULE:CLASS``: a table of the options of a dataclass;
- ``protocol NAME``: a table of what the author of a component writes, by a class of :mod:`nnfw.protocols`;
- ``members of NAME``: a table of what nnfw hands to a component, by such a class;
- ``components of KIND``: a table of the standard components of a kind;
- ``hooks``: a table of the hooks of a plugin;
- ``kinds``: a table of the kinds of component;
- ``checks of KIND``: a table of the checks of the conformance kit for a kind of component alone, or ``component``, for
  all kinds;
- ``file PATH``: a file of the project.

Commands run in a folder that holds the examples, and the files of their page: every block of code whose first line is a
comment with the name of a file. Where such a file, or one that the page includes, is called pyproject.toml, its project
counts as installed.
"""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import MISSING, is_dataclass
from difflib import unified_diff
from importlib import import_module
from io import StringIO
from pathlib import Path
from subprocess import PIPE, STDOUT
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CHECK_OPTION = "--check"
ENVIRONMENT = {"NNFW_PLUGINS": "", "NO_COLOR": "1", "COLUMNS": "100", "TERM": "dumb", "PYTHONUTF8": "1"}
"""The same output on every machine: built-in components only, no colours, one width."""

_BLOCK = re.compile(r"^<!-- generated: (?P<source>.+?) -->\n(?P<body>.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(\w+=\S* )*nnfw ")
_FILE_NAME = re.compile(r"# (?P<name>[\w./-]+\.(?:py|toml|csv))\n")
_MARKUP = re.compile(r"([\\|_*\[\]]|<(?! ))")
_TYPER_TYPES = re.compile(r"<(?:str|int|float|path)>|\b(?:TEXT|INTEGER|FLOAT|PATH)\b|[{}\\]")


def pages() -> list[Path]:
    """Return the project's pages."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def code_blocks(text: str) -> list[tuple[str, str]]:
    """Return language and code of every block of code on a page."""
    return [(match["language"], match["code"]) for match in _CODE.finditer(text)]


def files_of(text: str) -> dict[str, str]:
    r"""Return the files that a page shows, by name.

    Examples
    --------
    >>> files_of("A file:\n\n```toml\n# exp.toml\nseed = 7\n```\n")
    {'exp.toml': '# exp.toml\nseed = 7\n'}
    """
    named = ((_FILE_NAME.match(code), code) for _, code in code_blocks(text))
    return {match["name"]: code for match, code in named if match}


def write_files(text: str, folder: Path) -> None:
    """Write the files of a page into a folder, and for every project among them what an installation would leave."""
    for name, content in files_of(text).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        if path.name == "pyproject.toml":
            _install(tomllib.loads(content)["project"], path.parent)


def _install(project: Mapping[str, Any], folder: Path) -> None:
    place = folder / "src" if (folder / "src").is_dir() else folder
    info = place / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def updated(text: str) -> str:
    """Return the text of a page with every generated block made anew."""
    with TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "examples", Path(folder, "examples"))
        write_files(text, Path(folder))
        for path in re.findall(r"^<!-- generated: file (.+/pyproject\.toml) -->$", text, re.MULTILINE):
            _install(tomllib.loads((ROOT / path).read_text(encoding="utf-8"))["project"], Path(folder, path).parent)
        with chdir(folder):
            return _BLOCK.sub(_made_anew, text)


def _made_anew(block: re.Match[str]) -> str:
    return f"<!-- generated: {block['source']} -->\n\n{generate(block['source'])}\n\n<!-- end -->"


def _with_layout_of(old: str, new: str) -> str:
    """Return `new`, with the old text of each help that differs from the new one in layout alone.

    Versions of Typer differ in where they break lines, and in how they name the types of arguments.
    """
    known = {block["source"]: block[0] for block in _BLOCK.finditer(old)}

    def kept(block: re.Match[str]) -> str:
        before = known[block["source"]]
        return before if block["source"].endswith("--help") and _words(before) == _words(block[0]) else block[0]

    return _BLOCK.sub(kept, new)


def _words(text: str) -> list[str]:
    return _TYPER_TYPES.sub("", text).split()


def generate(source: str) -> str:
    """Return what belongs into a generated block."""
    if _COMMAND.match(source):
        return _transcript(source)
    for name, make in _MAKERS.items():
        if source.startswith(name):
            return make(*source[len(name) :].split())
    raise ValueError(f"unknown source of a generated block: {source!r}; expected nnfw or {', '.join(_MAKERS)}")


def _transcript(command: str) -> str:
    """Return a command with what it prints, as in a terminal."""
    status, output = _run(command)
    shown = [f"$ {command}", output.rstrip("\n")]
    shown += ["$ echo $?", str(status)] if status else []
    return "```console\n" + "\n".join(shown) + "\n```"


def _run(command: str) -> tuple[int, str]:
    words = shlex.split(command)
    start = words.index("nnfw")
    installed = sorted(Path().rglob("*.dist-info"))
    if not installed and not start:
        return _run_here(words[1:])
    names = [info.name.partition("-")[0].replace("_", "-") for info in installed]
    folders = [str(info.parent.absolute()) for info in installed]
    environment = os.environ | {"NNFW_PLUGINS": ",".join(names), "PYTHONPATH": os.pathsep.join(folders)}
    environment |= dict(word.split("=", 1) for word in words[:start])
    program = [sys.executable, "-m", "nnfw.cli.main", *words[start + 1 :]]
    result = subprocess.run(program, env=environment, stdout=PIPE, stderr=STDOUT, encoding="utf-8", check=False)
    return result.returncode, result.stdout


def _run_here(arguments: list[str]) -> tuple[int, str]:
    """Run a command in this process, where everything is imported already."""
    from nnfw.cli.main import main

    output = StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        status = main(arguments)
    return status, output.getvalue()


def _options(target: str) -> str:
    """Return a table of the options of a section of an experiment file."""
    from nnfw.cli.docstrings import meanings_of
    from nnfw.configuration import options_of

    module, _, name = target.partition(":")
    cls = getattr(import_module(module), name)
    meanings = meanings_of(cls)
    rows = (
        (f"`{option.name}`", _escaped(str(option)), _default(option), _escaped(meanings[option.name]))
        for option in options_of(cls).values()
    )
    return _table(("option", "type", "default", "meaning"), rows)


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.default is None:
        return "none"
    return "all defaults" if is_dataclass(option.default) else f"`{_in_toml(option.default)}`"


def _in_toml(value: Any) -> str:
    from nnfw.toml import write

    return write({"_": value}).removeprefix("_ = ").strip()


def _components(kind: str) -> str:
    """Return a table of the standard components of a kind."""
    from nnfw.configuration import options_of
    from nnfw.plugins import Registry

    registry = Registry.discover()
    rows = []
    for item in registry.components(kind):
        options = options_of(registry.load(kind, item.name)).values()
        listed = "; ".join(f"`{option.name}` ({_escaped(str(option))}; {_default_of(option)})" for option in options)
        target = item.spec.target.replace("nnfw_standard.", "").replace(":", ".")
        rows.append((f"`{item.name}`", _escaped(item.spec.summary), listed or "none", f"`{target}`"))
    return _table(("name", "equation or summary", "options", "class"), rows)


def _default_of(option: Any) -> str:
    return "required" if option.required else f"default {_default(option)}"


def _protocol(name: str) -> str:
    """Return a table of what the author of a component writes."""
    from nnfw import protocols

    cls = getattr(protocols, name)
    rows = ((shown, _need(cls, key), text) for key, shown, text in _members(cls))
    return _table(("member", "you write it", "what it is"), rows)


def _given(name: str) -> str:
    """Return a table of what nnfw hands to a component."""
    from nnfw import protocols

    return _table(("member", "what it is"), ((shown, text) for _, shown, text in _members(getattr(protocols, name))))


def _members(cls: type) -> Iterator[tuple[str, str, str]]:
    """Yield name, signature and meaning of the attributes, properties and methods of a protocol and its bases."""
    from nnfw import protocols

    yield from ((key, f"`{key}`", _escaped(text)) for key, text in _attributes(cls).items())
    bases = [base for base in cls.__mro__ if base.__module__.startswith(protocols.__name__)]
    for name in dict.fromkeys(name for base in bases for name in vars(base) if not name.startswith("_")):
        member = getattr(cls, name)
        if isinstance(member, property):
            yield name, f"`{name}`", _escaped(_paragraph(member))
        elif inspect.isfunction(member):
            parameters = list(inspect.signature(member).parameters)[1:]
            yield name, f"`{name}({', '.join(parameters)})`", _escaped(_paragraph(member))


def _need(cls: type, name: str) -> str:
    from nnfw.protocols.kinds import MAY_LACK

    optional = getattr(cls, name, MISSING) is not MISSING and name not in cls.__abstractmethods__  # type: ignore[attr-defined]
    optional |= name in MAY_LACK
    return "if you need it" if optional else "yes"


def _attributes(cls: type) -> dict[str, str]:
    """Return what the docstrings of a protocol say of its attributes."""
    from nnfw.cli.docstrings import sections_of

    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        for line in sections_of(base).get("Attributes", "").splitlines():
            if line.startswith(" "):
                name = next(reversed(found))
                found[name] = f"{found[name]} {line.strip()}".strip()
            else:
                found[line.strip()] = ""
    return found


def _hooks() -> str:
    """Return a table of the hooks of a plugin."""
    from nnfw.plugins import hookspecs
    from nnfw.plugins.loading import HOOKS

    functions = [getattr(hookspecs, name) for name in vars(hookspecs) if name in HOOKS]
    rows = (
        (f"`{item.__name__}({', '.join(inspect.signature(item).parameters)})`", _escaped(_paragraph(item)))
        for item in functions
    )
    return _table(("hook", "what it does"), rows)


def _kinds() -> str:
    """Return a table of the kinds of component."""
    from nnfw.protocols import KINDS

    rows = (
        (
            f"`{kind.name}`",
            " or ".join(f"`{item.__name__}`" for item in kind.protocols.values()),
            f"`{kind.place}`",
            f"`{kind.command.format('NAME')}`",
        )
        for kind in KINDS.values()
    )
    return _table(("kind", "protocol", "in an experiment file", "on the command line"), rows)


def _checks(kind: str) -> str:
    """Return a table of the checks whose ids begin with a kind."""
    from nnfw.conformance.running import all_checks

    rows = ((f"`{check.id}`", _escaped(check.meaning)) for check in all_checks() if check.id.startswith(f"{kind}."))
    return _table(("check", "what it requires"), rows)


def _file(path: str) -> str:
    return f"```{Path(path).suffix[1:]}\n{(ROOT / path).read_text(encoding='utf-8').rstrip()}\n```"


_MAKERS: dict[str, Callable[..., str]] = {
    "options of ": _options,
    "components of ": _components,
    "protocol ": _protocol,
    "members of ": _given,
    "hooks": _hooks,
    "kinds": _kinds,
    "checks of ": _checks,
    "file ": _file,
}


def _paragraph(function: Any) -> str:
    """Return the first paragraph of a docstring in one line, without markup of its own."""
    text = (inspect.getdoc(function) or "").split("\n\n")[0]
    return " ".join(re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text).split())


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = list(columns)
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, ["---"] * len(columns), *rows))


def _escaped(text: str) -> str:
    r"""Return a text so that Markdown shows it as it is, but for what stands between backticks.

    Examples
    --------
    >>> _escaped("|a_j| < `a_k`")
    '\\|a\\_j\\| < `a_k`'
    """
    parts = re.split(r"(`+[^`]*`+)", text)
    return "".join(part.replace("|", "\\|") if part[:1] == "`" else _MARKUP.sub(r"\\\1", part) for part in parts)


def differences() -> Iterator[str]:
    """Yield the lines by which the pages differ from what they should be."""
    for page in pages():
        old = page.read_text(encoding="utf-8")
        names = (f"{page.relative_to(ROOT)} (as it is)", f"{page.relative_to(ROOT)} (as it should be)")
        new = _with_layout_of(old, updated(old))
        yield from unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="")


def main(arguments: list[str]) -> int:
    """Update or check the pages and return the exit status: 1 if a check found a difference."""
    os.environ.update(ENVIRONMENT)
    if arguments not in ([], [CHECK_OPTION]):
        sys.stderr.write(f"usage: python docs/update.py [{CHECK_OPTION}]\n")
        return 2
    if arguments:
        found = list(differences())
        sys.stdout.writelines(f"{line}\n" for line in found)
        return 1 if found else 0
    for page in pages():
        text = page.read_text(encoding="utf-8")
        page.write_text(updated(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
