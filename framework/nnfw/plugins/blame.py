"""Which plugin raised an error. The traceback shows it, so calling a component costs nothing."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnfw.errors import in_words, one_line

if TYPE_CHECKING:
    from nnfw.plugins.registry import Registry
    from nnfw.plugins.specs import Listed, Plugin


@dataclass(frozen=True)
class Culprit:
    """The plugin whose code raised an error.

    Parameters
    ----------
    plugin
        A third party's.
    component, method
        The component whose method was called, and the method; None and an empty text for other code.
    """

    plugin: Plugin
    component: Listed | None = None
    method: str = ""

    def __str__(self) -> str:
        """Return how messages name it: ``plugin nnfw-swish 0.2 (layer 'gate', forward)``."""
        where = f" ({self.component.kind} {self.component.name!r}, {self.method})" if self.component else ""
        return f"plugin {self.plugin}{where}"


def culprit_of(error: BaseException, registry: Registry) -> Culprit | None:
    """Return the third party whose code raised an error, or None if it was nnfw, or code of no plugin."""
    packages = {name: plugin for plugin, name in _packages(registry) if not plugin.built_in}
    frames = [
        (frame, packages[package])
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if (package := _package(str(frame.f_globals.get("__name__")))) in packages
    ]
    if not frames:
        return None
    plugin = frames[-1][1]
    for frame, owner in frames:
        component = registry.component_of(None, frame.f_locals.get("self"))
        if owner is plugin and component is not None and component.plugin is plugin:
            return Culprit(plugin, component, one_line(frame.f_code.co_name))
    return Culprit(plugin)


def in_words_with_culprit(error: BaseException, registry: Registry) -> str:
    """Return an error in one line, after the plugin whose code raised it."""
    culprit = culprit_of(error, registry)
    return f"{culprit}: {in_words(error)}" if culprit else in_words(error)


def _packages(registry: Registry) -> list[tuple[Plugin, str]]:
    """Return each plugin with the packages that its declarations name."""
    declared = [(plugin, plugin.module) for plugin in registry.plugins if plugin.status == "active"]
    declared += [(item.plugin, item.spec.target) for item in registry.declared]
    return [(plugin, _package(name.partition(":")[0])) for plugin, name in declared]


def _package(module: str) -> str:
    return module.partition(".")[0]
