"""``nnfw doctor``: checks the installation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

import typer

from nnfw.cli.commands import PluginCommand, load_command, plugin_commands
from nnfw.cli.console import Json, print_heading, print_json, print_table, print_text
from nnfw.cli.plugins import plugin_table
from nnfw.errors import NnfwError, in_words
from nnfw.plugins import Listed, OperationSpec, Registry, TableReaderSpec, default_registry
from nnfw.plugins.registry import import_target
from nnfw.plugins.specs import Declared

LIBRARIES = ("numpy", "scipy.linalg")
"""The libraries that every component needs; each loads its own BLAS."""

BAD, BROKEN = ("quarantined", "missing"), "cannot be loaded:"

Item = TypeVar("Item", Listed, PluginCommand, Declared[OperationSpec], Declared[TableReaderSpec])


def doctor(json: Json = False) -> None:
    """Check this installation: versions, machine, BLAS, threads, plugins, and that components and accelerators load.

    The exit status is 0 if everything works, and 1 if something is broken.

    Examples
    --------
    $ nnfw doctor
    $ nnfw doctor --json > environment.json
    """
    from nnfw.machine import describe_environment

    registry = default_registry()
    components, commands = registry.components(), plugin_commands(registry)
    with redirect_stdout(sys.stderr):  # what a module prints on import is not data
        broken = list(_broken_libraries())
        environment: Mapping[str, Any] = {} if broken else describe_environment()
        accelerators = {} if broken else dict(_accelerators(registry))
        problems = [
            *broken,
            *(f"Plugin {item} is {item.status}: {item.reason}" for item in registry.plugins if item.status in BAD),
            *_broken(components, lambda item: registry.load(item.kind, item.qualified_name)),
            *_broken(commands, load_command),
            *_broken(registry.operations, partial(_operation, registry)),
            *_broken(registry.table_readers, import_target),
        ]
        problems += [
            f"Accelerator {name!r} {state}" for name, state in accelerators.items() if state.startswith(BROKEN)
        ]
    if json:
        plugins = [plugin_table(item) for item in registry.plugins]
        parts = {"plugins": plugins, "accelerators": accelerators, "environment": environment}
        print_json({"ok": not problems, "problems": problems, **parts})
    else:
        states = [
            *((f"plugin {item}", item.status) for item in registry.plugins if not item.built_in),
            *((f"accelerator {name}", state) for name, state in accelerators.items()),
        ]
        numbers = [
            ("components", str(len(components))),
            ("operations", str(len(registry.operations))),
            ("commands of plugins", str(len(commands))),
        ]
        print_table(("what", "found"), [*_rows(environment), *states, *numbers])
        print_heading("\nProblems" if problems else "\nAll is well.")
        if problems:
            print_text("\n".join(problems))
    if problems:
        raise typer.Exit(1)


def _broken_libraries() -> Iterator[str]:
    for name in LIBRARIES:
        try:
            import_module(name)
        except Exception as error:
            yield f"Library {name!r} cannot be imported: {in_words(error)}"


def _accelerators(registry: Registry) -> Iterator[tuple[str, str]]:
    """Yield the name of each accelerator, and whether it is ready."""
    from nnfw.ops import engine_from

    for item in registry.accelerators:
        try:
            engine_from(item, registry)
        except ModuleNotFoundError as error:
            yield item.name, f"{error}; {item.spec.summary}"
        except Exception as error:
            yield item.name, f"{BROKEN} {in_words(error)}"
        else:
            yield item.name, "ready"


def _operation(registry: Registry, item: Declared[OperationSpec]) -> object:
    from nnfw.ops import operation_of

    return operation_of(registry, item.qualified_name)


def _broken(items: Iterable[Item], load: Callable[[Item], object]) -> Iterator[str]:
    """Import every component or command; a clash of names is a problem too, even if both can be loaded."""
    for item in items:
        if item.problem:
            yield f"{item.title}: {item.problem}"
        try:
            load(item)
        except NnfwError as error:
            yield str(error)


def _rows(environment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield an environment as the rows of a table."""
    if not environment:
        return
    cpu, threads = environment["cpu"], environment["threads"]
    yield "python", environment["python"]
    yield from ((name, version or "not installed") for name, version in environment["packages"].items())
    yield "platform", " ".join(map(str, environment["platform"].values()))
    yield "cpu", f"{cpu['model']}, {cpu['available']} of {cpu['cores']} cores, {' '.join(cpu['flags'])}"
    for library in threads["libraries"]:
        name = f"{library['internal_api']} {library['version']}"
        yield library["user_api"], f"{name}, {library['architecture']} kernels, {library['num_threads']} threads"
    kernels = threads["kernels"]
    yield "kernels", f"chosen by {kernels['chosen_by']}: {kernels['reason']}"
    if kernels["lost"]:
        yield "lost", kernels["lost"]
    yield from threads["variables"].items()
