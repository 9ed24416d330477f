"""From entry points to plugins: each is loaded and validated alone, so that a broken one harms nobody else.

Every plugin is first registered with a manager of its own. pluggy keeps a plugin whose validation failed, says nothing of
an unknown hook until asked, and stops at the first import that fails; with one manager each, none of that spreads.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from nnfw.errors import PluginError, did_you_mean
from nnfw.plugins import hookspecs
from nnfw.plugins.specs import PROJECT, CommandSpec, ComponentSpec, Plugin, hookimpl

ONLY_VARIABLE = "NNFW_PLUGINS"
STRICT_VARIABLE = "NNFW_STRICT_PLUGINS"


@dataclass(frozen=True)
class Loaded:
    """A plugin with what it declared; a quarantined one may have declared something before it failed."""

    plugin: Plugin
    components: tuple[ComponentSpec, ...] = ()
    commands: tuple[CommandSpec, ...] = ()


def load_plugins(manager: pluggy.PluginManager, *, only: frozenset[str] | None, strict: bool) -> list[Loaded]:
    """Load every entry point of the group ``nnfw`` and register the sound ones with `manager`.

    Parameters
    ----------
    manager
        Receives the hook implementations of the active plugins.
    only
        Third-party distributions or entry points to load; None for all. Built-in ones are always loaded.
    strict
        Raise PluginError instead of quarantining.

    Returns
    -------
    list of Loaded
        Built-in plugins first, then by distribution and entry point.
    """
    loaded: list[Loaded] = []
    taken: dict[str, Plugin] = {}
    for entry_point, plugin in _installed():
        if only is not None and not plugin.built_in and not only & {plugin.distribution, plugin.entry_point}:
            loaded.append(Loaded(replace(plugin, status="disabled", reason=f"not named in {ONLY_VARIABLE}")))
            continue
        item = _load(entry_point, plugin, taken, manager)
        if strict and item.plugin.status == "quarantined":
            raise PluginError(f"Plugin {plugin}: {item.plugin.reason}") from item.plugin.error
        taken.setdefault(plugin.entry_point, plugin)
        loaded.append(item)
    found = {name for item in loaded for name in (item.plugin.distribution, item.plugin.entry_point)}
    for name in sorted((only or frozenset()) - found):
        loaded.append(Loaded(Plugin(name, "", "", "", "missing", f"named in {ONLY_VARIABLE} but not installed")))
    return loaded


def allowed_plugins() -> frozenset[str] | None:
    """Return the third parties that NNFW_PLUGINS allows, or None where the variable is not set."""
    names = os.environ.get(ONLY_VARIABLE)
    if names is None:
        return None
    return frozenset(form for name in names.split(",") if name.strip() for form in _forms(name.strip()))


def strict_plugins() -> bool:
    """Return whether NNFW_STRICT_PLUGINS asks for errors instead of quarantine."""
    return os.environ.get(STRICT_VARIABLE, "") not in ("", "0")


def new_manager() -> pluggy.PluginManager:
    """Return a manager that knows nnfw's hooks and no plugin."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _forms(name: str) -> tuple[str, str]:
    return name, _normalised(name)


def _installed() -> list[tuple[EntryPoint, Plugin]]:
    found = []
    for entry_point in entry_points(group=PROJECT):
        name = _normalised(entry_point.dist.name) if entry_point.dist else ""
        version = entry_point.dist.version if entry_point.dist else ""
        found.append((entry_point, Plugin(name, version or "", entry_point.name, entry_point.value)))
    return sorted(found, key=lambda pair: (not pair[1].built_in, pair[1].distribution, pair[1].entry_point))


def _load(
    entry_point: EntryPoint, plugin: Plugin, taken: dict[str, Plugin], manager: pluggy.PluginManager
) -> Loaded:
    components: list[ComponentSpec] = []
    commands: list[CommandSpec] = []
    try:
        if plugin.entry_point in taken:
            raise PluginError(
                f"the entry point {plugin.entry_point!r} is already taken by {taken[plugin.entry_point]}; rename it."
            )
        with redirect_stdout(sys.stderr):  # whatever a plugin prints must not end up in the data on stdout
            module = _import(entry_point)
            probe = _probe(module)
            components += _declared(probe.hook.nnfw_components(), ComponentSpec)
            commands += _declared(probe.hook.nnfw_commands(), CommandSpec)
        _refuse_repeated(components, commands)
        manager.register(module, name=f"{plugin.distribution}:{plugin.entry_point}")
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        plugin = replace(plugin, status="quarantined", reason=reason, error=error)
        return Loaded(plugin, tuple(components))
    return Loaded(plugin, tuple(components), tuple(commands))


def _import(entry_point: EntryPoint) -> ModuleType:
    module = entry_point.load()
    if not isinstance(module, ModuleType):
        raise PluginError(f"the entry point must name a module, but {entry_point.value!r} is a {type(module).__name__}.")
    return module


def _probe(module: ModuleType) -> pluggy.PluginManager:
    """Return a manager with `module` alone, its hooks validated."""
    probe = new_manager()
    known = {name for name in vars(hookspecs) if name.startswith("nnfw_")}
    for name in vars(module):
        if not name.startswith("nnfw_") or not callable(getattr(module, name)):
            continue
        if name not in known:
            raise PluginError(f"unknown hook {name!r}.{did_you_mean(name, known)} Hooks: {', '.join(sorted(known))}.")
        if not hasattr(getattr(module, name), hookimpl.project_name + "_impl"):
            raise PluginError(f"the hook {name!r} is not marked: write @nnfw.hookimpl above it.")
    probe.register(module)
    probe.check_pending()
    if not probe.get_hookcallers(module):
        raise PluginError(f"module {module.__name__!r} implements no hook. Hooks: {', '.join(sorted(known))}.")
    return probe


def _declared(results: list[Any], spec_class: type) -> Iterator[Any]:
    for result in results:
        if not isinstance(result, Iterable):
            raise PluginError(f"a hook must yield {spec_class.__name__} objects, got {result!r}.")
        for spec in result:
            if not isinstance(spec, spec_class):
                raise PluginError(f"a hook must yield {spec_class.__name__} objects, got {spec!r}.")
            spec.validate()
            yield spec


def _refuse_repeated(components: list[ComponentSpec], commands: list[CommandSpec]) -> None:
    names = [f"{spec.kind} {spec.name!r}" for spec in components] + [f"command {spec.name!r}" for spec in commands]
    for name in names:
        if names.count(name) > 1:
            raise PluginError(f"{name} is declared twice.")
