"""The commands of ``nnfw``; one is found without importing the others.

A command is a function for Typer, in a module that imports little more than Typer at its top. Its docstring is its
help; the section ``Examples`` is shown at the end.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from nnfw.errors import PluginError, class_name, did_you_mean, in_words
from nnfw.plugins import CommandSpec, Plugin, Registry, default_registry, own_version
from nnfw.plugins.registry import import_target
from nnfw.plugins.specs import Declared

BUILT_IN = (
    CommandSpec("train", "nnfw.cli.train:train", "Train the network of an experiment file."),
    CommandSpec("resume", "nnfw.cli.train:resume", "Resume a run that was interrupted or killed."),
    CommandSpec("evaluate", "nnfw.cli.evaluate:evaluate", "Compute cost and metrics of a trained model."),
    CommandSpec("predict", "nnfw.cli.evaluate:predict", "Apply a trained model to new data."),
    CommandSpec("explain", "nnfw.cli.explain:explain", "Show which columns matter to a model."),
    CommandSpec("generate", "nnfw.cli.generate:generate", "Write text with a network trained on characters."),
    CommandSpec("runs", "nnfw.cli.runs:runs", "List runs with their final metrics."),
    CommandSpec("compare", "nnfw.cli.runs:compare", "Show the differences between runs."),
    CommandSpec("reproduce", "nnfw.cli.train:reproduce", "Train a run again and compare the results."),
    CommandSpec("report", "nnfw.cli.runs:report", "Write an HTML page about a run."),
    CommandSpec("assemble", "nnfw.cli.assemble:assemble", "Make an experiment from named components."),
    CommandSpec("init", "nnfw.cli.init:init", "Write an experiment file for a table."),
    CommandSpec(
        "inspect", "nnfw.cli.inspect_table:inspect", "Show the columns of a table, and what is odd about them."
    ),
    CommandSpec("summary", "nnfw.cli.summary:summary", "Show layers, shapes, parameters and memory of a network."),
    CommandSpec("find-rate", "nnfw.cli.find_rate:find_rate", "Find a learning rate: a range test with a picture."),
    CommandSpec("trace", "nnfw.cli.trace:trace", "Show where learning stops: z, a and δ at each layer."),
    CommandSpec("gradcheck", "nnfw.cli.check:gradcheck", "Check a network's gradients, equation by equation."),
    CommandSpec("check", "nnfw.cli.check:check", "Check components: their rules, and their derivatives."),
    CommandSpec("new-plugin", "nnfw.cli.new_plugin:new_plugin", "Write the project of a new plugin."),
    CommandSpec("plugins", "nnfw.cli.plugins:plugins", "List the installed components and their origin."),
    CommandSpec("show", "nnfw.cli.show:show", "Show what a component is, and its options."),
    CommandSpec("doctor", "nnfw.cli.doctor:doctor", "Check this installation."),
)

HELP = """Small and medium neural networks on a CPU, composed of plugins.

Data goes to stdout, messages to stderr. Exit status: 0 done; 1 the job ran and failed; 2 wrong usage, file or data;
130 and 143 interrupted.
"""
EXAMPLES = """nnfw train examples/digits.toml        train on real handwritten digits
nnfw train examples/digits.toml --set training.epochs=5
nnfw plugins --kind layer              list the layers
nnfw show dense                        describe one, and its options
nnfw COMMAND --help                    show the options of a command
"""


PluginCommand = Declared[CommandSpec]
"""A command that a plugin adds; `problem` says why it cannot be used."""


def plugin_commands(registry: Registry) -> tuple[PluginCommand, ...]:
    """Return the commands of plugins; a name that nnfw or another plugin also uses is a problem of each of them."""
    built_in = {spec.name for spec in BUILT_IN}

    def problem(command: PluginCommand) -> str:
        if command.name in built_in:
            return "the name is built in and cannot be taken; its author must choose another"
        same = [item.plugin for item in registry.commands if item.name == command.name]
        others = [str(plugin) for plugin in same if plugin is not command.plugin]
        return (
            f"the name is also used by {' and '.join(others)}; choose one of them with NNFW_PLUGINS" if others else ""
        )

    return tuple(replace(item, problem=problem(item)) for item in registry.commands)


class _Lean:
    """A command that validates only where necessary; its help ends with examples, one per line."""

    epilog: str | None

    def get_params(self, ctx: Any) -> list[Any]:
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            _spare(parameter)
        return parameters

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if self.epilog:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in self.epilog.splitlines()))


class Command(_Lean, TyperCommand):
    """A command, imported."""


class Commands(_Lean, TyperGroup):
    """The group of all commands. It lists them from their specs, and imports only the one to run."""

    plugin: Plugin | None = None
    """The plugin whose command runs; None for nnfw's own commands."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the names, nnfw's own first."""
        return list(_summaries())

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # type: ignore[override]
        """Return a command for the list, with name and summary only."""
        summary = _summaries().get(cmd_name)
        return None if summary is None else TyperCommand(cmd_name, short_help=summary)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> tuple[str | None, Command, list[str]]:  # type: ignore[override]
        """Return the command to run, imported."""
        name, *rest = args
        for spec in BUILT_IN:
            if spec.name == name:
                return name, _command(spec, spec.loaded()), rest
        wanted = [item for item in plugin_commands(default_registry()) if item.name == name]
        if not wanted:
            known = self.list_commands(ctx)
            ctx.fail(f"Unknown command {name!r}.{did_you_mean(name, known)} Commands: {', '.join(known)}.")
        if wanted[0].problem:
            raise PluginError("\n".join(f"Command {item}: {item.problem}." for item in wanted))
        self.plugin = wanted[0].plugin
        return name, load_command(wanted[0]), rest


def _summaries() -> dict[str, str]:
    """Return the summaries of the commands that can be used, nnfw's own first."""
    own = {spec.name: spec.summary for spec in BUILT_IN}
    try:
        added = [item for item in plugin_commands(default_registry()) if not item.problem]
    except PluginError:  # strict mode: reported when a plugin is used, not in a list of commands
        return own
    return own | {item.name: f"{item.spec.summary} ({item.plugin})" for item in added}


def application() -> Commands:
    """Return the whole command line."""
    app = typer.Typer(cls=Commands, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
    app.callback(help=HELP, epilog=EXAMPLES, invoke_without_command=True)(_root)
    group = get_command(app)
    assert isinstance(group, Commands)
    return group


def load_command(item: PluginCommand) -> Command:
    """Return a plugin's command; PluginError if it cannot be imported or is not a function that Typer accepts."""
    prefix = f"{item.title}: target {item.spec.target!r}"
    with redirect_stdout(sys.stderr):  # what a module prints on import is not the command's data
        function = import_target(item)
    if not inspect.isfunction(function):
        raise PluginError(f"{prefix} is of type {class_name(function)}; a command is a function.")
    try:
        return _command(item.spec, function)
    except Exception as error:
        raise PluginError(f"{prefix} is not a function that Typer accepts: {in_words(error)}") from error


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nnfw {own_version()}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback has acted
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[  # noqa: ARG001 - main has acted
        bool, typer.Option("--debug", help="Show tracebacks; anywhere on the line. Also NNFW_DEBUG=1.")
    ] = False,
) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(2)


def _command(spec: CommandSpec, function: Callable[..., object]) -> Command:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    text, _, examples = (inspect.getdoc(function) or spec.summary).partition("\nExamples\n--------\n")
    settings = {"help_option_names": ["-h", "--help"]}
    examples = re.sub(r"^\$ ", "", examples.strip(), flags=re.MULTILINE)
    app.command(spec.name, cls=Command, help=text.strip(), epilog=examples, context_settings=settings)(function)
    command = get_command(app)
    assert isinstance(command, Command)
    return command


def _spare(parameter: Any) -> None:
    """Let a parameter accept texts and omitted values without validation.

    Newer versions of Typer build a pydantic validator for every parameter of a command, needed or not, and importing
    pydantic takes longer than ``nnfw plugins`` does. Completion needs no validation at all.
    """
    descriptor = getattr(parameter, "type_descriptor", None)
    if descriptor is None or "process_value" in vars(parameter):  # an older Typer without validators, or already done
        return
    validated = parameter.process_value
    is_text = descriptor.annotation is str and descriptor.parameter_info.parser is None
    is_single = parameter.nargs == 1 and not parameter.multiple

    def process_value(ctx: typer.Context, value: object) -> object:
        if ctx.resilient_parsing:
            return value
        spared = (is_single and is_text and isinstance(value, str)) or (value is None and not parameter.required)
        if not spared:
            return validated(ctx, value)
        return parameter.callback(ctx, parameter, value) if parameter.callback else value

    parameter.process_value = process_value
