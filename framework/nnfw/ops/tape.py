"""A recorded pass: the operations it carried out, replayed without dispatch.

In training, every batch runs the same calculations in the same memory. Replaying a recording saves Python the lookup of
buffers, options and methods at each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import takewhile
from types import FunctionType
from typing import ParamSpec, TypeVar, cast

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import PluginError
from nnfw.ops.engines import Engine, engine_in_use, using
from nnfw.ops.operation import Call, Function, Operation, Value, dispatched
from nnfw.plugins.results import wrong_result

Method = TypeVar("Method", bound=Callable[..., object])
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def kernels_only(method: Method) -> Method:
    """Declare that a component's method changes arrays by kernels only.

    For batches of one shape, it must call the same kernels on the same arrays in the same order: parameters, gradients,
    its arguments, buffers of its workspace, arrays that it creates, and views of these. The calls are recorded once and
    replayed; the method is not called again. It may keep things in the workspace, and draws random numbers only with
    :func:`nnfw.ops.noise.uniform`. The conformance kit checks this.

    Examples
    --------
    >>> class Rectifier:
    ...     @kernels_only
    ...     def forward(self, z, workspace):
    ...         a = workspace.buffer("a", z.shape)
    ...         kernels().relu(z, a)
    ...         return a
    """
    method.kernels_only = True  # type: ignore[attr-defined]
    return method


def made_of_kernels(method: Callable[..., object]) -> bool:
    """Return whether a method is declared `kernels_only`."""
    return bool(getattr(method, "kernels_only", False))


def splits(component: object, method: str, parts: str) -> bool:
    """Return whether `parts` is made of kernels and replaces `method`.

    It does not if a subclass overrides `method`, or a helper that both may call: a method that is neither abstract nor
    part of a protocol.
    """
    found = getattr(component, parts, None)
    if found is None or not made_of_kernels(found) or not hasattr(component, method):
        return False
    classes = type(component).__mro__
    public = {name for each in classes if vars(each).get("_is_protocol") for name in vars(each)}
    subclasses = list(takewhile(lambda each: parts not in vars(each), classes))
    for k, subclass in enumerate(subclasses):
        for name, value in vars(subclass).items():
            own = isinstance(value, FunctionType | staticmethod | classmethod) and not name.startswith("__")
            before = next((vars(each)[name] for each in classes[k + 1 :] if name in vars(each)), None)
            helper = name not in public and before is not None and not getattr(before, "__isabstractmethod__", False)
            if name == method or (own and helper):
                return False
    return True


class Tape:
    """A recording.

    Parameters
    ----------
    engine
        Runs the recorded operations.

    Attributes
    ----------
    owner
        Whose methods are recorded, in words; in front of the errors of their replays.

    Examples
    --------
    >>> import numpy as np
    >>> from nnfw.ops import DEFINITIONS, kernels, kernels_only
    >>> @kernels_only
    ... def doubled(a, out):
    ...     kernels().product(a, 2 * np.eye(2), out)
    ...     return out
    >>> tape, a, out = Tape(DEFINITIONS), np.ones((1, 2)), np.zeros((1, 2))
    >>> out is tape.perform(doubled, a, out)
    True
    >>> tape.finish()
    >>> out
    array([[2., 2.]])
    >>> a[...] = 5.0
    >>> tape.repeat()
    >>> out
    array([[10., 10.]])
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._calls: list[Call] = []
        self._recorder = _Recorder(self._calls)  # does not refer to the tape: a cycle would keep its arrays alive
        self._kept: list[Call] = []  # keeps the arrays alive
        self._steps: list[Callable[[], object]] = []
        self._calls_methods = False  # whether a replay calls methods, which may look up the engine in use
        self.owner = ""

    def perform(
        self, method: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Call a component's method and record it: its kernels if it is made of kernels, otherwise the method.

        Kernels run at :meth:`finish`, or before the next recorded method. They run as in a replay, so the first pass
        gives the same bits.
        """
        if made_of_kernels(method):
            with dispatched(self._recorder):
                return method(*arguments, **named)
        self.finish()
        result = _own(method(*arguments, **named), arguments)
        self._steps.append(_replay_of(partial(method, *arguments, **named), method, result, self.owner))
        self._calls_methods = True
        return result

    def call(self, operation: Operation, *arguments: Value) -> None:
        """Record an operation."""
        self._calls.append(Call(operation, arguments))

    def finish(self) -> None:
        """Run recorded operations that have not run yet."""
        steps = tuple(self._engine.sequence(self._calls))
        self._kept += self._calls
        self._calls.clear()
        for step in steps:
            step()
        self._steps += steps

    @property
    def calls(self) -> list[Call] | None:
        """All recorded operations in order; None if a method was recorded."""
        return None if self._calls_methods else [*self._kept, *self._calls]

    def repeat(self) -> None:
        """Replay the recording with the current content of the arrays, by the same engine."""
        if self._calls_methods and engine_in_use() is not self._engine:
            with using(self._engine):
                self.repeat()
            return
        for step in self._steps:
            step()


class _Recorder(dict[Operation, Function]):
    """For each operation, the function that records it."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls

    def __missing__(self, operation: Operation) -> Function:
        calls = self._calls

        def record(*arguments: Value) -> None:
            calls.append(Call(operation, arguments))

        self[operation] = record
        return record


def _own(result: Result, arguments: tuple[object, ...]) -> Result:
    """Return a result, or each item of a tuple of them; a copy of what replays cannot write into.

    That is read-only, or overlaps an argument or an item before it.
    """
    arrays = list(_arrays_in(arguments))
    if isinstance(result, tuple):
        owned: list[object] = []
        for item in result:
            owned.append(_owned(item, [*arrays, *_arrays_in(tuple(owned))]))
        return cast(Result, tuple(owned))
    return cast(Result, _owned(result, arrays))


def _owned(result: object, others: Iterable[Array]) -> object:
    if not isinstance(result, np.ndarray):
        return result
    taken = not result.flags.writeable or any(np.may_share_memory(result, array) for array in others)
    return result.copy() if taken else result


def _arrays_in(arguments: Iterable[object]) -> Iterator[Array]:
    """Yield the arrays among arguments, in tuples and tables too."""
    for item in arguments:
        if isinstance(item, np.ndarray):
            yield item
        elif isinstance(item, Mapping):
            yield from item.values()
        elif isinstance(item, tuple):
            yield from _arrays_in(item)


def _replay_of(
    call: Callable[[], object], method: Callable[..., object], result: object, owner: str
) -> Callable[[], object]:
    """Return a function that calls a method again and copies its result, or each of a tuple, into the first one.

    A result of another shape or dtype is refused; errors name the `owner`. What is not an array in the first result is
    unused or was refused.
    """
    items = result if isinstance(result, tuple) else (result,)
    if not any(isinstance(item, np.ndarray) for item in items):
        return call

    def repeat() -> None:
        found = call()
        again = found if isinstance(result, tuple) and isinstance(found, tuple) else (found,)
        if len(again) != len(items):
            raise refused(found, f"a tuple of {len(items)}, as before")
        for first, new in zip(items, again, strict=True):
            if not isinstance(first, np.ndarray) or new is first:
                continue
            if not isinstance(new, np.ndarray) or new.shape != first.shape or new.dtype != first.dtype:
                raise refused(new, f"a {first.dtype} array of shape {first.shape}, as before")
            np.copyto(first, new)

    def refused(found: object, expected: str) -> PluginError:
        error = wrong_result(getattr(method, "__self__", method), method.__name__, found, expected)
        return error.of(owner) if owner else error

    return repeat
