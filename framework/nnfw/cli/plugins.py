"""``nnfw plugins``: lists components, commands and plugins."""

from __future__ import annotations

from nnfw.cli.commands import PluginCommand, plugin_commands
from nnfw.cli.completion import Kind
from nnfw.cli.console import Json, print_heading, print_json, print_table, print_text
from nnfw.plugins import Listed, OperationSpec, Plugin, TableReaderSpec, default_registry
from nnfw.plugins.specs import Declared

Item = Listed | PluginCommand | Declared[OperationSpec] | Declared[TableReaderSpec]


def plugins(kind: Kind = None, json: Json = False) -> None:
    """List the installed components by kind: summary, origin and problems.

    Only the plugins' declarations are imported, no component. The exit status is 0 even if something is broken.

    Examples
    --------
    $ nnfw plugins
    $ nnfw plugins --kind layer
    $ nnfw plugins --json
    """
    registry = default_registry()
    components, commands = registry.inspected(kind), plugin_commands(registry)
    operations, readers = ((), ()) if kind else (registry.operations, registry.table_readers)
    if json:
        print_json(
            {
                "components": [component_table(item) for item in components],
                "operations": [{"name": item.name, **_declared(item)} for item in operations],
                "table_readers": [{"name": item.name, **_declared(item)} for item in readers],
                "commands": [{"name": item.name, **_declared(item)} for item in commands],
                "plugins": [plugin_table(item) for item in registry.plugins],
            }
        )
        return
    print_table(("kind", "name", "summary", "from", "status"), [(item.kind, *_row(item)) for item in components])
    if own := [item for item in operations if not item.plugin.built_in]:
        print_heading("\nOperations")
        print_table(("name", "summary", "from", "status"), map(_row, own))
    if foreign := [item for item in readers if not item.plugin.built_in]:
        print_heading("\nTable readers")
        print_table(("name", "summary", "from", "status"), map(_row, foreign))
    if commands:
        print_heading("\nCommands")
        print_table(("name", "summary", "from", "status"), map(_row, commands))
    inactive = [f"{item}: {item.status}: {item.reason}" for item in registry.plugins if item.status != "active"]
    problems = [
        f"{item.title}: {item.problem}"
        for group in (components, operations, commands)
        for item in group
        if item.problem
    ]
    for heading, lines in (("Problems", problems), ("Plugins that are not active", inactive)):
        if lines:
            print_heading(f"\n{heading}")
            print_text("\n".join(lines))


def component_table(item: Listed) -> dict[str, object]:
    """Return what ``--json`` says about a component."""
    return {"kind": item.kind, "name": item.name, "qualified_name": item.qualified_name, **_declared(item)}


def plugin_table(item: Plugin) -> dict[str, object]:
    """Return what ``--json`` says about a plugin."""
    return {key: getattr(item, key) for key in ("distribution", "version", "entry_point", "module", "status", "reason")}


def _declared(item: Item) -> dict[str, object]:
    return {
        "summary": item.spec.summary,
        "target": item.spec.target,
        "distribution": item.plugin.distribution,
        "version": item.plugin.version,
        "status": _status(item),
        "problem": item.problem,
    }


def _row(item: Item) -> tuple[str, ...]:
    return item.name, item.spec.summary, str(item.plugin), _status(item)


def _status(item: Item) -> str:
    return "problem" if item.problem else "ok"
