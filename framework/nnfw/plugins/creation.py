"""``nnfw.layer(...)``, ``nnfw.cost(...)`` and so on: a function for each row of the table of kinds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from nnfw import protocols
from nnfw.plugins.registry import default_registry
from nnfw.protocols import KINDS

# for type checkers; the functions themselves are made from the table
layer: Callable[..., protocols.Layer]
activation: Callable[..., protocols.Activation]
cost: Callable[..., protocols.Cost]
optimizer: Callable[..., protocols.Optimizer | protocols.Solver]
schedule: Callable[..., protocols.Schedule]
initializer: Callable[..., protocols.Initializer]
regularizer: Callable[..., protocols.Regularizer]
metric: Callable[..., protocols.Metric]
dataset: Callable[..., protocols.Dataset]
transform: Callable[..., protocols.Transform]
callback: Callable[..., protocols.Callback]


@cache
def __getattr__(kind: str) -> Callable[..., object]:
    """Return the function that makes a component of a kind from its name and options."""
    if kind not in KINDS:
        raise AttributeError(f"module {__name__!r} has no attribute {kind!r}")

    def create(name: str, /, **options: object) -> object:
        return default_registry().create(kind, name, options)

    create.__name__ = create.__qualname__ = kind
    create.__doc__ = f"""Return the {kind} called `name`, or ``distribution:name``, with the given options.

    Options that are left out have their defaults; ``nnfw show NAME`` lists them.

    Raises
    ------
    UnknownComponentError, PluginError, ConfigError
        As :meth:`nnfw.Registry.create`.
    """
    return create
