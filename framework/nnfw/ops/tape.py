"""A pass on tape: what it did to arrays, to be done again without asking how.

In training, every batch goes through the same calculations in the same memory. Python decides anew each time which they
are: it looks up buffers, options and methods. So a pass is recorded once, and then repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import numpy as np

from nnfw.ops.engines import Engine, engine_in_use, using
from nnfw.ops.operation import Call, Function, Operation, Value, dispatched
from nnfw.plugins.results import wrong_result

Method = TypeVar("Method", bound=Callable[..., object])
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def kernels_only(method: Method) -> Method:
    """Declare of a method of a component that all it does to arrays, it does by kernels.

    For batches of one shape it must then call the same kernels with the same arrays, in the same order: parameters,
    gradients, what it was given, buffers of its workspace and views of these. Once recorded, the calls are repeated
    and the method is not asked again. It may keep things in the workspace; random numbers it draws with
    :func:`nnfw.ops.noise.uniform` alone. The conformance kit checks it.

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
    """Return whether `parts`, made of kernels, may be recorded in place of `method`: a subclass has not changed it."""
    found = getattr(component, parts, None)
    if found is None or not made_of_kernels(found):
        return False
    classes = type(component).__mro__
    defined = [next((k for k, each in enumerate(classes) if name in vars(each)), -1) for name in (method, parts)]
    return -1 not in defined and defined[0] >= defined[1]


class Tape:
    """A recording.

    Parameters
    ----------
    engine
        Carries out what is recorded.

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
        self._recorder = _Recorder(self.call)
        self._calls: list[Call] = []
        self._kept: list[Call] = []  # the arrays must stay where they are
        self._steps: list[Callable[[], object]] = []
        self._asks = False  # whether methods are called, which may want to know the engine in use

    def perform(
        self, method: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Record a method of a component: its kernels if it is made of nothing else, or else the method, and call it.

        What kernels compute is there once :meth:`finish` or a method that is called needs it: they are carried out in
        the way in which they are repeated, so that the first time gives the same bits.
        """
        if made_of_kernels(method):
            with dispatched(self._recorder):
                return method(*arguments, **named)
        self.finish()
        result = method(*arguments, **named)
        self._steps.append(_again(partial(method, *arguments, **named), method, result))
        self._asks = True
        return result

    def call(self, operation: Operation, *arguments: Value) -> None:
        """Record an operation."""
        self._calls.append(Call(operation, arguments))

    def finish(self) -> None:
        """Carry out what is recorded and was not yet carried out."""
        steps = tuple(self._engine.sequence(self._calls))
        self._kept += self._calls
        self._calls = []
        for step in steps:
            step()
        self._steps += steps

    @property
    def calls(self) -> list[Call] | None:
        """All that was recorded, in order; None if it is not all made of operations."""
        return None if self._asks else [*self._kept, *self._calls]

    def repeat(self) -> None:
        """Do again what was recorded, by the same engine, with what the arrays hold now."""
        if self._asks and engine_in_use() is not self._engine:
            with using(self._engine):
                self.repeat()
            return
        for step in self._steps:
            step()


class _Recorder(dict[Operation, Function]):
    """For each operation the function that records it."""

    def __init__(self, record: Callable[..., None]) -> None:
        self._record = record

    def __missing__(self, operation: Operation) -> Function:
        function = self[operation] = partial(self._record, operation)
        return function


def _again(call: Callable[[], object], method: Callable[..., object], result: object) -> Callable[[], object]:
    """Return a function that calls a method again, and puts its result where the first one lay.

    A result that does not fit there is refused. A first result that is not an array is not used, or was refused itself.
    """
    if not isinstance(result, np.ndarray):
        return call
    shape, dtype = result.shape, result.dtype

    def repeat() -> None:
        found = call()
        if found is result:
            return
        if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype != dtype:
            expected = f"a {dtype} array of shape {shape}, as before"
            raise wrong_result(getattr(method, "__self__", method), method.__name__, found, expected)
        np.copyto(result, found)

    return repeat
