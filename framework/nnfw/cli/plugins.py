"""``nnfw plugins``: lists components, commands and plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnfw.cli.completion import Kind
from nnfw.cli.console import Json

if TYPE_CHECKING:
    from nnfw.cli.commands import PluginCommand
    from nnfw.plugins import Listed, OperationSpec, Plugin


def plugins(kind: Kind = None, json: Json = False) -> None:
    """List the installed components by kind: summary, origin and problems.

    Only the plugins' declarations are imported, no component. The exit status is 0 even if something is broken.

    Examples
    --------
    $ nnfw plugins
    $ nnfw plugins --kind layer
    $ nnfw plugins --json
    """
    from nnfw.cli import console
    from nnfw.cli.commands import plugin_commands
    from nnfw.plugins import default_registry

    registry = default_registry()
    components = registry.inspected(kind)
    commands = plugin_commands(registry)
    if json:
        console.print_json(
            {
                "components": [component_table(item) for item in components],
                "commands": [_command_table(item) for item in commands],
                "operations": [_operation_table(*item) for item in registry.operations],
                "plugins": [plugin_table(item) for item in registry.plugins],
            }
        )
        return
    console.print_table(
        ("kind", "name", "summary", "from", "status"),
        [(item.kind, item.name, item.spec.summary, str(item.plugin), _status(item)) for item in components],
    )
    operations = [(spec.name, spec.summary, str(plugin)) for spec, plugin in registry.operations if not plugin.built_in]
    if operations:
        console.print_heading("\nOperations")
        console.print_table(("name", "summary", "from"), operations)
    if commands:
        console.print_heading("\nCommands")
        console.print_table(
            ("name", "summary", "from", "status"),
            [(item.spec.name, item.spec.summary, str(item.plugin), _status(item)) for item in commands],
        )
    problems = [f"{item.kind.capitalize()} {item}: {item.problem}" for item in components if item.problem]
    problems += [f"Command {item}: {item.problem}" for item in commands if item.problem]
    inactive = [f"{item}: {item.status}: {item.reason}" for item in registry.plugins if item.status != "active"]
    _print_part("Problems", problems)
    _print_part("Plugins that are not active", inactive)


def _print_part(heading: str, lines: list[str]) -> None:
    from nnfw.cli import console

    if lines:
        console.print_heading(f"\n{heading}")
        console.print_text("\n".join(lines))


def component_table(item: Listed) -> dict[str, object]:
    """Return what ``--json`` says about a component."""
    return {
        "kind": item.kind,
        "name": item.name,
        "qualified_name": item.qualified_name,
        "summary": item.spec.summary,
        "target": item.spec.target,
        "distribution": item.plugin.distribution,
        "version": item.plugin.version,
        "status": _status(item),
        "problem": item.problem,
    }


def plugin_table(item: Plugin) -> dict[str, object]:
    """Return what ``--json`` says about a plugin."""
    return {
        "distribution": item.distribution,
        "version": item.version,
        "entry_point": item.entry_point,
        "module": item.module,
        "status": item.status,
        "reason": item.reason,
    }


def _command_table(item: PluginCommand) -> dict[str, object]:
    return {
        "name": item.spec.name,
        "summary": item.spec.summary,
        "target": item.spec.target,
        "distribution": item.plugin.distribution,
        "version": item.plugin.version,
        "status": _status(item),
        "problem": item.problem,
    }


def _operation_table(spec: OperationSpec, plugin: Plugin) -> dict[str, object]:
    return {
        "name": spec.name,
        "summary": spec.summary,
        "target": spec.target,
        "distribution": plugin.distribution,
        "version": plugin.version,
    }


def _status(item: Listed | PluginCommand) -> str:
    return "problem" if item.problem else "ok"
