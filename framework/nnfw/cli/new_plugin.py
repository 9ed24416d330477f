"""``nnfw new-plugin``: a complete, working project to start from."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from nnfw.cli.completion import Completion
from nnfw.cli.console import print_heading, print_table, print_text
from nnfw.errors import NnfwError, UnknownComponentError, article, did_you_mean
from nnfw.plugins import default_registry, own_version
from nnfw.plugins.specs import NAME, normalised
from nnfw.protocols import KINDS

SORTS = {sort: kind.name for kind in KINDS.values() for sort in kind.protocols} | {"operation": "activation"}
"""What a project can start with, and the kind of its component.

A merge and a block are layers, a solver is an optimizer; an operation comes with an activation that is made of it.
"""


def _complete_sorts(incomplete: str) -> list[Completion]:
    return [(sort, "") for sort in SORTS if sort.startswith(incomplete)]


Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the distribution: nnfw-swish.")]
StartingKind = Annotated[
    str,
    typer.Option(
        "--kind",
        metavar="KIND",
        help=f"Kind of the first component: {', '.join(SORTS)}.",
        autocompletion=_complete_sorts,
    ),
]
Directory = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="The project's directory. By default its name.")
]

EQUATIONS = {  # of the component that a project starts with
    "layer": "z = g ⊙ a_prev + b",
    "merge": "z = Σ_k g_k ⊙ a_k",
    "block": "a = f(x) ⊙ sigmoid(g(x))",
    "activation": "scale tanh(z / scale)",
    "cost": "1/N Σ s² log cosh((a − y) / s)",
    "optimizer": "v ← momentum v + g, θ ← θ − η (v + weight_decay θ)",
    "solver": "θ ← θ − η ∇C, with η halved until C falls",
    "schedule": "1 / (1 + t / half)",
    "initializer": "w = ± scale / √fan_in",
    "regularizer": "rate/2 Σ log(1 + w²)",
    "metric": "share of examples with |a − y| ≤ tolerance",
    "dataset": "y = sin(x) + noise ε",
    "transform": "x' = asinh((x − median) / scale)",
    "callback": "end a training whose cost stays below a bound",
    "operation": "a = z / (1 + |z| / scale)",
}
FILES = {  # template: file
    "project/pyproject.toml": "pyproject.toml",
    "project/README.md": "README.md",
    "project/gitignore": ".gitignore",
    "project/tests.yml": ".github/workflows/tests.yml",
    "project/__init__.py": "src/$package/__init__.py",
    "project/plugin.py": "src/$package/plugin.py",
    "$sort/component.py": "src/$package/$component.py",
    "$sort/test.py": "tests/test_$component.py",
    "$sort/example.toml": "example.toml",
}
MORE_FILES = {  # of some kinds; they take the place of those above
    "operation": {
        "operation/plugin.py": "src/$package/plugin.py",
        "operation/operations.py": "src/$package/operations.py",
        "operation/loops.py": "src/$package/loops.py",
    }
}

_DISTRIBUTION = re.compile(r"[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]")
_PREFIX = "nnfw_"
_OWN_MODULES = {"plugin", "operations", "loops"}


def new_plugin(name: Name, kind: StartingKind = "activation", out: Directory = None) -> None:
    """Write the project of a new plugin: a component with its equation, its tests and an experiment that uses it.

    Its tests run the conformance kit, and pass from the start. The component is named like the distribution, without
    nnfw-. Replace its equation with your own.

    Examples
    --------
    $ nnfw new-plugin nnfw-swish
    $ nnfw new-plugin nnfw-gate --kind layer --out ~/src/nnfw-gate
    """
    directory = out if out is not None else Path(name)
    values = _values(name, kind)
    filled = {
        _filled(source, values): _filled(file, values) for source, file in (FILES | MORE_FILES.get(kind, {})).items()
    }
    texts = {file: _filled(_template(source), values) for source, file in filled.items()}
    _write(directory, texts)
    print_heading(f"{directory}: {article(kind)} called {values['component']}")
    print_table(("file", "lines"), [(file, str(text.count("\n"))) for file, text in texts.items()])
    print_text(
        f'\nNext:\n  cd {directory}\n  pip install -e ".[test]" && pytest\n  nnfw show {values["component"]}\n'
        "  nnfw train example.toml"
    )


def _values(name: str, sort: str) -> dict[str, str]:
    """Return the values for the templates; refuse a name that cannot become a package and a component."""
    if sort not in SORTS:
        raise UnknownComponentError(f"Unknown kind {sort!r}.{did_you_mean(sort, SORTS)} Kinds: {', '.join(SORTS)}.")
    kind = SORTS[sort]
    if not _DISTRIBUTION.fullmatch(name):
        raise _refused(
            f"{name!r} is not a valid name of a distribution; use letters, digits and hyphens, as in nnfw-swish"
        )
    package = normalised(name).replace("-", "_")
    component = package.removeprefix(_PREFIX)
    if not NAME.fullmatch(component) or iskeyword(component) or component in _OWN_MODULES:
        raise _refused(f"{component!r}, from {name!r}, cannot name a component; begin with a letter, as in nnfw-swish")
    if find_spec(package) is not None:
        raise _refused(f"a package {package!r} is already installed here; choose another name")
    for item in default_registry().components(kind):
        if item.name == component:
            raise _refused(f"there is already {article(kind)} {item}; choose another name")
    for operation in default_registry().operations if sort == "operation" else ():
        if operation.name in (component, f"{component}_delta"):
            raise _refused(f"there is already an operation {operation}; choose another name")
    requirements = [f"nnfw>={own_version()}", "numpy>=2.0"]
    if "annotated_types" in _template(f"{sort}/component.py"):
        requirements.insert(0, "annotated-types>=0.7")
    return {
        "distribution": name,
        "package": package,
        "component": component,
        "cls": "".join(part.capitalize() for part in component.split("_")),
        "kind": kind,
        "sort": sort,
        "equation": EQUATIONS[sort],
        "summary": f"{article(sort).capitalize()} for networks of nnfw.",
        "version": own_version(),
        "requirements": ", ".join(f'"{item}"' for item in requirements),
    }


def _refused(text: str) -> typer.BadParameter:
    return typer.BadParameter(f"{text}.", param_hint="'NAME'")


def _template(name: str) -> str:
    return files("nnfw.cli").joinpath("templates", f"{name}.template").read_text(encoding="utf-8")


def _filled(text: str, values: dict[str, str]) -> str:
    return Template(text).substitute(values)


def _write(directory: Path, texts: dict[str, str]) -> None:
    """Write all files, or none: they go to a temporary directory, which is then renamed."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise NnfwError(f"{directory} already exists and is not an empty directory. Choose another one with --out.")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".nnfw-", suffix=".tmp", dir=directory.parent) as temporary:
        project = Path(temporary, directory.name)
        for file, text in texts.items():
            path = project / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        if directory.exists():
            directory.rmdir()  # it is empty; Windows would not replace it
        project.rename(directory)
