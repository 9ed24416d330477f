"""Loading plugins from entry points: each alone, so that a broken plugin affects no other.

Every plugin is first registered with a manager of its own. pluggy keeps a plugin that failed validation, reports
unknown hooks only on request, and stops at the first import that fails; with a manager each, that affects one plugin.
Metadata is read distribution by distribution for the same reason: one malformed file would end a common scan.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from email.parser import HeaderParser
from importlib import import_module
from importlib.metadata import Distribution, distributions
from pathlib import Path
from threading import RLock, Timer
from types import ModuleType

import pluggy

from nnfw.errors import PluginError, did_you_mean, in_words, one_line, short
from nnfw.plugins import hookspecs
from nnfw.plugins.specs import (
    PROJECT,
    AcceleratorSpec,
    CommandSpec,
    ComponentSpec,
    OperationSpec,
    Plugin,
    Spec,
    TableReaderSpec,
    normalised,
)

ONLY_VARIABLE = "NNFW_PLUGINS"
STRICT_VARIABLE = "NNFW_STRICT_PLUGINS"

HOOKS = tuple(sorted(name for name in vars(hookspecs) if name.startswith(f"{PROJECT}_")))

DISCOVERY = RLock()
"""Held while a plugin is loaded, because only one thread at a time may redirect ``sys.stdout``."""

_PATIENCE = 5.0  # seconds that an import may take before a message at a terminal names the plugin

_HOME = Path(__file__).resolve().parents[2]  # the folder from which nnfw was imported

_METADATA = ("METADATA", "PKG-INFO", "")  # of a wheel, of an old installation, and where it is a single file

_YIELDS: Mapping[str, type[Spec]] = {
    "nnfw_components": ComponentSpec,
    "nnfw_commands": CommandSpec,
    "nnfw_operations": OperationSpec,
    "nnfw_accelerators": AcceleratorSpec,
    "nnfw_table_readers": TableReaderSpec,
}
"""What the hooks that declare something yield."""


def load_plugins(manager: pluggy.PluginManager, *, only: frozenset[str] | None, strict: bool) -> list[Plugin]:
    """Load every entry point of the group ``nnfw`` and register the sound ones with `manager`.

    PluginError in strict mode, with all that is broken or missing.

    Parameters
    ----------
    manager
        Receives the modules of the active plugins, so that their hooks are called in the order of the result.
    only
        Third-party distributions or entry points to load, in normalised spelling; None for all. Built-in ones are
        always loaded.
    strict
        Raise instead of quarantining.

    Returns
    -------
    list of Plugin
        Built-in plugins first, then by distribution and entry point.
    """
    owners: dict[tuple[str, str], Plugin] = {}
    modules: dict[str, ModuleType] = {}
    loaded: list[Plugin] = []
    for plugin in _installed():
        if only is None or plugin.built_in or only & _names(plugin):
            loaded.append(_load(plugin, owners, modules))
        else:
            loaded.append(replace(plugin, status="disabled", reason=f"not named in {ONLY_VARIABLE}"))
    missing = sorted((only or frozenset()).difference(*map(_names, loaded)))
    reason = f"named in {ONLY_VARIABLE} but not installed"
    loaded += [Plugin(name, "", "", "", "missing", reason) for name in missing]
    broken = [plugin for plugin in loaded if plugin.status in ("quarantined", "missing")]
    if strict and broken:
        raise PluginError("\n".join(f"Plugin {plugin}: {plugin.reason}" for plugin in broken)) from broken[0].error
    for name in reversed(modules):  # pluggy calls the last first
        manager.register(modules[name], name)
    return loaded


def allowed_plugins() -> frozenset[str] | None:
    """Return the third parties that NNFW_PLUGINS allows, normalised, or None where the variable is not set."""
    names = os.environ.get(ONLY_VARIABLE)
    return None if names is None else frozenset(normalised(name) for name in names.split(",") if name.strip())


def strict_plugins() -> bool:
    """Return whether NNFW_STRICT_PLUGINS asks for errors instead of quarantine."""
    return os.environ.get(STRICT_VARIABLE, "") not in ("", "0")


def new_manager() -> pluggy.PluginManager:
    """Return a manager that knows nnfw's hooks and no plugin."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _names(plugin: Plugin) -> frozenset[str]:
    return frozenset({plugin.distribution, normalised(plugin.entry_point)})


def _installed() -> list[Plugin]:
    """Return the entry points of the group, as they were declared; unreadable ones are quarantined already."""
    found: dict[object, list[Plugin]] = {}
    for distribution in distributions():
        if f"[{PROJECT}]" in _text(distribution, "entry_points.txt"):
            name, version = identity(distribution)
            declared = _declared_by(distribution, name, version)
            if name == PROJECT and not is_own(distribution):
                found[distribution] = [_impostor(distribution, plugin) for plugin in declared]
            else:
                # of a distribution that lies on two path entries, the first is the one whose modules are imported
                found.setdefault(name or distribution, declared)
    plugins = [plugin for group in found.values() for plugin in group]
    return sorted(plugins, key=lambda plugin: (not plugin.built_in, plugin.distribution, plugin.entry_point))


def own_distribution() -> Distribution | None:
    """Return the distribution that this nnfw belongs to; None if its metadata is missing, as in a bare checkout."""
    return next(filter(is_own, distributions(name=PROJECT)), None)


def own_version() -> str:
    """Return the version of this nnfw; PluginError if its metadata is missing."""
    own = own_distribution()
    if own is None:
        raise PluginError(
            f"nnfw is imported from {_HOME}, but not installed there: its metadata is missing. Install it with pip."
        )
    return identity(own)[1]


def is_own(distribution: Distribution) -> bool:
    """Return whether nnfw was imported from the modules of a distribution; a matching name is no proof."""
    return _HOME in map(_resolved, _module_folders(distribution))


def _module_folders(distribution: Distribution) -> Iterator[str]:
    """Yield the folders of a distribution's modules: beside its metadata, or where its .pth files point."""
    record = _text(distribution, "RECORD")
    if not record or f"{PROJECT}/__init__.py," in record:  # Linux distributions leave the record out
        yield str(distribution.locate_file(""))
    for name in re.findall(r"^[\w-]+\.pth(?=,)", record, re.MULTILINE):  # of an editable installation
        yield from _text(distribution, f"../{name}").splitlines()


def _resolved(folder: str) -> Path | None:
    try:
        return Path(folder).resolve()
    except (OSError, ValueError, RuntimeError):  # a third-party .pth file may hold anything
        return None


def _impostor(distribution: Distribution, plugin: Plugin) -> Plugin:
    reason = (
        f"it lies in {distribution.locate_file('')}, but nnfw is imported from {_HOME}, and only what belongs to that "
        "is built in. Uninstall the one that you do not want, or take its folder off Python's path"
    )
    return replace(plugin, status="quarantined", reason=reason)


def _text(distribution: Distribution, name: str) -> str:
    """Return a file of a distribution's metadata; an empty text where it cannot be read."""
    try:
        return distribution.read_text(name) or ""
    except UnicodeDecodeError as error:
        return error.object.decode(errors="replace")
    except Exception:  # a third-party file or finder may raise anything
        return ""


def identity(distribution: Distribution) -> tuple[str, str]:
    """Return normalised name and version of a distribution, empty where its metadata does not give them."""
    try:
        text = next(filter(None, map(distribution.read_text, _METADATA)), "")
    except Exception:  # undecodable, or a third-party finder may raise anything
        return "", ""
    head = HeaderParser().parsestr(text.partition("\n\n")[0])  # below it is the text for readers, often a long one
    name, version = (_printable(str(head.get(key, ""))) for key in ("Name", "Version"))
    return normalised(name), version


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, one_line(text)))


def _declared_by(distribution: Distribution, name: str, version: str) -> list[Plugin]:
    try:
        entry_points = distribution.entry_points.select(group=PROJECT)
    except Exception as error:
        reason = f"its entry_points.txt cannot be read ({in_words(error)}); expected 'name = module' below [{PROJECT}]"
        return [Plugin(name or "unnamed", version, "", "", "quarantined", reason, error)]
    plugins = [Plugin(name or "unnamed", version, item.name, item.value) for item in entry_points]
    if name:
        return plugins
    reason = "the metadata of its distribution gives no name; reinstall it"
    return [replace(plugin, status="quarantined", reason=reason) for plugin in plugins]


def _load(plugin: Plugin, owners: dict[tuple[str, str], Plugin], modules: dict[str, ModuleType]) -> Plugin:
    """Import a plugin's module and collect what it declares.

    `owners` maps each name to its plugin, `modules` each active plugin's qualified entry point to its module of hooks.
    """
    if plugin.status != "active":
        return plugin
    specs: list[Spec] = []
    try:
        # output of a plugin must not mix with the data on stdout
        with DISCOVERY, redirect_stdout(sys.stderr), importing(plugin):
            _claim(owners, plugin, f"the entry point {plugin.entry_point!r}")
            module = _import(plugin)
            _claim(owners, plugin, f"the module {plugin.module!r}")
            hooks = _validated(module)
            for hook, spec_class in _YIELDS.items():
                for spec in _yielded(getattr(hooks, hook), spec_class):
                    # an accelerator has no other name than its plain one
                    scope = "" if spec_class is AcceleratorSpec else plugin.distribution
                    _claim(owners, plugin, f"{spec.kind} {spec.name!r}", scope)
                    specs.append(spec)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a plugin must not end nnfw
        for name in [name for name, owner in owners.items() if owner is plugin]:
            del owners[name]
        return replace(plugin, status="quarantined", reason=in_words(error), error=error, specs=tuple(specs))
    modules[f"{plugin.distribution}:{plugin.entry_point}"] = module
    return replace(plugin, specs=tuple(specs))


@contextmanager
def importing(plugin: Plugin) -> Iterator[None]:
    """Name the plugin that is imported in the body if that takes long at a terminal, or if Ctrl-C interrupts it.

    KeyboardInterrupt with a message, whether the user pressed Ctrl-C or the plugin raised it.
    """
    waiting = None
    if not plugin.built_in and sys.stderr is not None and sys.stderr.isatty():
        waiting = Timer(_PATIENCE, sys.stderr.write, [f"Still importing plugin {plugin}; Ctrl-C ends it.\n"])
        waiting.daemon = True
        waiting.start()
    try:
        yield
    except KeyboardInterrupt as error:
        if plugin.built_in:
            raise
        raise KeyboardInterrupt(
            f"plugin {plugin} was being imported. If it does this by itself, leave it out with {ONLY_VARIABLE}."
        ) from error
    finally:
        if waiting is not None:
            waiting.cancel()


def _claim(owners: dict[tuple[str, str], Plugin], plugin: Plugin, what: str, scope: str = "") -> None:
    """Claim `what` for the plugin: no other may have it, within its own distribution (`scope`) or anywhere."""
    owner = owners.get((scope, what))
    if owner is plugin:
        raise PluginError(f"{what} is declared twice.")
    if owner is not None:
        raise PluginError(f"{what} is already taken by {owner} (entry point {owner.entry_point!r}); choose another.")
    owners[scope, what] = plugin


def _import(plugin: Plugin) -> ModuleType:
    if not all(part.isidentifier() for part in plugin.module.split(".")):
        raise PluginError(f"the entry point must name a module, as in 'nnfw_swish.plugin', got {plugin.module!r}.")
    return import_module(plugin.module)


def _validated(module: ModuleType) -> pluggy.HookRelay:
    """Return the hooks of `module` alone; PluginError if one is unknown, unmarked, a wrapper, or none is there."""
    manager = new_manager()
    for name, value in list(vars(module).items()):
        options = manager.parse_hookimpl_opts(module, name)
        if options or (name.startswith(f"{PROJECT}_") and callable(value)):
            _require_hook(name, options)
    manager.register(module)
    if not manager.get_hookcallers(module):
        raise PluginError(f"the module {module.__name__!r} implements no hook. Hooks: {', '.join(HOOKS)}.")
    return manager.hook


def _require_hook(name: str, options: pluggy.HookimplOpts | None) -> None:
    hook = (options and options["specname"]) or name
    if hook not in HOOKS and not (options and options["optionalhook"]):  # optional: made for another version of nnfw
        raise PluginError(f"unknown hook {hook!r}.{did_you_mean(hook, HOOKS)} Hooks: {', '.join(HOOKS)}.")
    if options is None:
        raise PluginError(f"the hook {name!r} is not marked; write @nnfw.hookimpl above it.")
    if options["wrapper"] or options["hookwrapper"]:
        raise PluginError(f"the hook {name!r} is a wrapper; write @nnfw.hookimpl without arguments.")


def _yielded(caller: pluggy.HookCaller, spec_class: type[Spec]) -> Iterator[Spec]:
    """Yield what a hook declares, validated one by one: a generator may fail half-way."""
    wanted = f"the hook {caller.name!r} must yield {spec_class.__name__} objects"
    results = caller()
    if len(results) < len(caller.get_hookimpls()):  # pluggy drops None
        raise PluginError(f"{wanted}, but it returned None.")
    for result in results:
        if not isinstance(result, Iterable):
            raise PluginError(f"{wanted}, but it returned {short(result)}.")
        for spec in result:
            if not isinstance(spec, spec_class):
                raise PluginError(f"{wanted}, got {short(spec)}.")
            spec.validate()
            yield spec
