"""Errors for methods of components that return something else than their protocol says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnfw.errors import PluginError, described
from nnfw.plugins.registry import default_registry

if TYPE_CHECKING:
    from nnfw.plugins.registry import Registry


def wrong_result(
    component: object, method: str, found: object, expected: str, registry: Registry | None = None
) -> PluginError:
    """Return the error for what a method of a component returned.

    Parameters
    ----------
    component, method
        Whose method it was.
    found, expected
        What it returned, and what it should have, in words.
    registry
        Names the component; by default the installed plugins.
    """
    owner = (registry or default_registry()).title(component)
    return PluginError(f"{owner}: {method} returned {described(found)}, expected {expected}.")
