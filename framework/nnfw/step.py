"""How a pass calls the methods of components: plainly, or recording what they do so that it can be replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Method = TypeVar("Method", bound=Callable[..., object])


class Step(Protocol):
    """Calls a method of a component with its arguments, and returns what it returns."""

    def __call__(
        self, method: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Call `method`."""
        ...


def plain(method: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
    """Call a method, and do no more."""
    return method(*arguments, **named)


def asks_step(method: Method) -> Method:
    """Declare that a method calls the methods of other components through the step of its workspace."""
    method.asks_step = True  # type: ignore[attr-defined]
    return method
