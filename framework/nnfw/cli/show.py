"""``nnfw show``."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import redirect_stdout
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from nnfw.cli.completion import Kind, complete_names
from nnfw.cli.console import Json, message, print_heading, print_json, print_table, print_text
from nnfw.configuration import Option, check, kind_of, options_of
from nnfw.errors import ConfigError
from nnfw.plain import Plain
from nnfw.plugins import TYPE, Listed, Registry, default_registry
from nnfw.protocols import KINDS

Record = dict[str, Any]
"""A table for JSON or TOML."""

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A name, KIND:NAME or DISTRIBUTION:NAME, as nnfw plugins lists them.",
        autocompletion=complete_names,
    ),
]

Accelerators = Annotated[
    bool, typer.Option("--accelerators", help="Also show what accelerators make of an activation, by compiling it.")
]

ACTIVATION = "activation"
_VALUES: tuple[Plain, ...] = (0.1, 10, 2, 1, 0, True, [10], [0.1])
"""Values for required options in an example: the first of the right type and range."""
_OPENING = "Description"  # the part of a docstring before its first section
_LEFT_OUT = ("Parameters", "Raises", "Returns")  # the table of options says more; the other two are for callers


def show(name: Name, kind: Kind = None, accelerators: Accelerators = False, json: Json = False) -> None:
    """Show what a component is: its equation, its options with their ranges, and how to write it in an experiment.

    Where several kinds have a component of this name, all of them are shown.

    Examples
    --------
    $ nnfw show dense
    $ nnfw show cost:mse
    $ nnfw show relu --accelerators
    $ nnfw show nnfw-swish:swish --json
    """
    registry = default_registry()
    found = registry.named(name, kind)
    if accelerators and all(item.kind != ACTIVATION for item in found):
        raise typer.BadParameter(f"--accelerators applies to activations, and {name!r} is not one. Leave it out.")
    records = [_record(registry, item, accelerators) for item in found]
    if json:
        print_json(records)
        return
    for index, record in enumerate(records):
        if index:
            print_text()
        _print(record)
    if len(found) > 1:
        choices = " or ".join(f"nnfw show {item.kind}:{name}" for item in found)
        message(f"{len(found)} kinds have a component called {name!r}. To see one: {choices}.")


def _record(registry: Registry, item: Listed, accelerators: bool) -> Record:
    """Return all that is known about a component, fit for JSON."""
    from nnfw.cli.docstrings import meanings_of, sections_of
    from nnfw.cli.plugins import component_table

    with redirect_stdout(sys.stderr):  # output at import is not data
        cls = registry.load(item.kind, item.qualified_name)
        table = example(registry, item)
        accelerated: Record = {}
        if accelerators and item.kind == ACTIVATION:
            from nnfw.cli.acceleration import accelerations

            accelerated["accelerators"] = accelerations(registry.resolve(ACTIVATION, table), registry)
    meanings = meanings_of(cls)
    return {
        **component_table(item),
        "documentation": {heading or _OPENING: text for heading, text in sections_of(cls).items()},
        "options": [
            {
                "name": option.name,
                "type": str(option),
                "required": option.required,
                "default": option.default,
                "meaning": meanings.get(option.name, ""),
            }
            for option in options_of(cls).values()
        ],
        "example": {"file": in_file(item.kind, table), "command": on_command_line(item.kind, table)},
        **accelerated,
    }


def _print(record: Record) -> None:
    origin = "built-in" if record["distribution"] == "nnfw" else f"{record['distribution']} {record['version']}"
    print_heading(f"{record['name']}: {record['kind']}, {origin}")
    print_text(f"{record['summary']}\nclass {record['target']}")
    if record["problem"]:
        print_text(f"Problem: {record['problem']}")
    documentation = dict(record["documentation"])
    opening = documentation.pop(_OPENING)
    if opening:
        print_text(f"\n{opening}")
    print_heading("\nOptions" if record["options"] else "\nNo options")
    if record["options"]:
        rows = [(item["name"], item["type"], _default(item), item["meaning"]) for item in record["options"]]
        print_table(("name", "type", "default", "meaning"), rows)
    for heading, text in documentation.items():
        if heading not in _LEFT_OUT:
            print_heading(f"\n{heading}")
            print_text(text)
    if "accelerators" in record:
        print_heading("\nWith accelerators")
        rows = [tuple(item.values()) for item in record["accelerators"]]
        print_table(("accelerator", "computed by", "because"), rows)
    print_heading("\nIn an experiment file")
    print_text(record["example"]["file"])
    print_heading("\nOn the command line")
    print_text(record["example"]["command"])


def _default(option: Record) -> str:
    default = option["default"]
    return "required" if option["required"] else "none" if default is None else _in_toml(default, bare=True)


def example(registry: Registry, item: Listed, *outer: Listed) -> Record:
    """Return a table that makes the component: its name and the required options, or else one that is optional.

    `outer` are the components that it is an option of.
    """
    cls = registry.load(item.kind, item.qualified_name)
    options = options_of(cls).values()
    merge = not outer and KINDS[item.kind].sort_of(cls) == "merge"
    inputs = {"inputs": ["x", "previous"]} if merge else {}
    if item.spec.examples and item.spec.examples[0] and not outer:
        return {TYPE: item.qualified_name if item.problem else item.name, **inputs, **item.spec.examples[0]}
    required = {option.name: _value_for(registry, item, option, outer) for option in options if option.required}
    usual: Record = {option.name: option.default for option in options if option.default not in (None, ())}
    chosen: Record = required or ({} if outer else dict(list(usual.items())[:1]))
    return {TYPE: item.qualified_name if item.problem else item.name, **inputs, **chosen}


def _value_for(registry: Registry, owner: Listed, option: Option, outer: tuple[Listed, ...]) -> Plain:
    """Return a value that an option of `owner` takes."""
    placeholder = option.name.upper()
    kind = kind_of(option.hint)
    inner_kind = kind or _kind_of_items(option.hint)
    if inner_kind:
        seen = (*outer, owner)
        inner = next((item for item in registry.components(inner_kind) if item not in seen), None)
        value = _short(example(registry, inner, *seen)) if inner else placeholder
        return value if kind else [value]
    cls = registry.load(owner.kind, owner.qualified_name)
    choices = get_args(option.hint) if get_origin(option.hint) is Literal else (*_VALUES, placeholder, [placeholder])
    for value in choices:
        try:
            check(cls, {option.name: value}, registry.resolve)
        except ConfigError as error:
            if any(mistake.path[:1] == (option.name,) for mistake in error.mistakes):
                continue
        return value
    return placeholder


def _kind_of_items(hint: object) -> str | None:
    """Return the kind of component that an annotation lists."""
    kinds = (kind_of(part) or _kind_of_items(part) for part in get_args(hint))
    return next(filter(None, kinds), None)


def in_file(kind: str, table: Record) -> str:
    """Return the lines of an experiment file that name a component."""
    from nnfw.toml import write

    value: Any = table if KINDS[kind].is_section else _short(table)
    for key in reversed(KINDS[kind].place.split(".")):
        value = {key.removesuffix("[]"): [value] if key.endswith("[]") else value}
    return write(value).rstrip("\n")


def on_command_line(kind: str, table: Record) -> str:
    """Return a command that names a component, quoted for the shell."""
    command, _, argument = KINDS[kind].command.rpartition(" ")
    (_, name), *options = table.items()
    if argument == "{}":
        given = ",".join(f"{key}={_in_toml(value, bare=True)}" for key, value in options)
        value = f"{name}:{given}" if given else name
    else:
        value = _in_toml(_short(table), bare="[" not in argument)
    return f"{command} {shlex.quote(argument.format(value))}"


def _short(table: Record) -> Plain:
    """Return the name alone where there is no option."""
    return table if len(table) > 1 else next(iter(table.values()))


def _in_toml(value: Plain, *, bare: bool) -> str:
    """Return a TOML value in one line; `bare` leaves out the quotes of a text."""
    from nnfw.toml import write

    if bare and isinstance(value, str):
        return value
    line = " ".join(write({"_": [[value]]}).split())  # tables in a list in a list are written in line
    return re.sub(r"^_ = \[ ?\[|\],? ?\]$", "", line)
