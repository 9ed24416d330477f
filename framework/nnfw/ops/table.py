"""The table of operations of all plugins."""

from __future__ import annotations

from functools import cache

from nnfw.errors import PluginError, UnknownComponentError, short
from nnfw.ops.operation import Operation
from nnfw.plugins import Registry, default_registry
from nnfw.plugins.registry import import_target


class Operations:
    """The operations of all plugins by name, imported on first use: ``kernels().relu``.

    Parameters
    ----------
    registry
        The installed plugins.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getattr__(self, name: str) -> Operation:
        """Return an operation; later accesses find it as an attribute."""
        try:
            found = operation_of(self._registry, name)
        except UnknownComponentError as error:
            raise AttributeError(str(error)) from error
        setattr(self, name, found)
        return found


def kernels() -> Operations:
    """Return all operations by name; a call runs on the engine in use."""
    return _of_default_registry()


@cache
def _of_default_registry() -> Operations:
    return Operations(default_registry())


def operation_of(registry: Registry, name: str) -> Operation:
    """Return the operation called `name` or ``distribution:name``.

    Raises
    ------
    UnknownComponentError
        If there is none.
    PluginError
        If two plugins offer it, or its target is missing, fails to import, or is not an operation of this name.
    """
    declared = registry.find_operation(name)
    found, spec = import_target(declared), declared.spec
    owner = f"{declared.title}: target {spec.target!r}"
    if not isinstance(found, Operation):
        raise PluginError(f"{owner} is {short(found)}; write @operation(...) above its definition.")
    if found.name != spec.name:
        raise PluginError(f"{owner} is called {found.name!r}; declare it by this name.")
    return found
