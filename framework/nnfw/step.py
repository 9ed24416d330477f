"""How a pass calls the methods of components: directly, or recording them for replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Method = TypeVar("Method", bound=Callable[..., object])


class Step(Protocol):
    """Calls a method of a component and returns its result."""

    def __call__(
        self, method: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Call `method`."""


def plain(method: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
    """Call a method directly."""
    return method(*arguments, **named)


def asks_step(method: Method) -> Method:
    """Declare that a method calls other components through the step of its workspace, and calculates nothing itself.

    In a recording only what goes through the step is replayed.
    """
    method.asks_step = True  # type: ignore[attr-defined]
    return method
