"""Engines run operations. The definitions in NumPy are one engine; an accelerator brings another.

A component calls ``kernels().relu(z, a)``, calls an operation directly, or uses plain NumPy. The definition runs unless
the training has an accelerator. Engines agree with the definitions to a few units in the last place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from nnfw.arrays import Array
from nnfw.errors import PluginError, did_you_mean, in_words, short, warn
from nnfw.machine.threads import multiplication
from nnfw.ops import definitions
from nnfw.ops.many_steps import Run
from nnfw.ops.operation import Call, Function, Operation, dispatched
from nnfw.ops.table import operation_of
from nnfw.plugins import Registry, default_registry

COMPILERS = ("sequence", "elementwise", "body", "steps")


def one_by_one(
    calls: Iterable[Call], functions: Mapping[Operation, Function] | None = None
) -> Iterator[Callable[[], object]]:
    """Yield one function per call, which repeats it."""
    for operation, arguments in calls:
        if functions is None and operation is definitions.product:
            a, _, out = arguments
            yield partial(multiplication(a, out), *arguments)
        else:
            yield partial(operation.definition if functions is None else functions[operation], *arguments)


class Engine:
    """Functions that run operations, and compilers for several at once.

    Parameters
    ----------
    owner
        Names the accelerator in messages.
    functions
        Functions by operation; operations without one run by their definitions.
    compilers
        ``sequence``, ``elementwise``, ``body`` and ``steps``, each of them optional.

    Attributes
    ----------
    functions
        A function for each operation; None if all run by their definitions.
    gave_up
        Whether a compiler has raised.
    """

    def __init__(
        self,
        owner: str = "NumPy",
        functions: Mapping[Operation, Function] | None = None,
        compilers: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.owner, self.gave_up = owner, False
        self._compilers = dict(compilers or {})
        self.functions: Mapping[Operation, Function] | None = None
        if functions or compilers:
            self.functions = _Functions(self, functions or {})

    def function(self, operation: Operation) -> Function:
        """Return the function that runs an operation."""
        return operation.definition if self.functions is None else self.functions[operation]

    def body(self, operation: Operation) -> Function | None:
        """Return the function that the engine makes for an operation it does not know by name, or None."""
        function: Function | None = self._compile("body", operation)
        if function is not None and not callable(function):
            raise PluginError(f"{self.owner}: body must return a function or None, got {short(function)}.")
        return function

    def sequence(self, calls: Iterable[Call]) -> Iterator[Callable[[], object]]:
        """Return functions that together repeat all calls in order."""
        calls = list(calls)
        functions = self._compile("sequence", calls, gather=list)
        if functions is None:
            return one_by_one(calls, self.functions)
        for function in functions:
            if not callable(function):
                raise PluginError(f"{self.owner}: sequence must yield functions, got {short(function)}.")
        return iter(functions)

    def elementwise(self, activation: object) -> tuple[Operation, Operation] | None:
        """Return two operations for an activation: σ(z) on ``(z, out)``, and δ on ``(grad_a, z, a, out)``.

        None if the engine cannot, for instance because the activation is not elementwise.
        """
        match self._compile("elementwise", activation):
            case None:
                return None
            case (Operation() as forward, Operation() as delta):
                return forward, delta
            case found:
                raise PluginError(f"{self.owner}: elementwise must return two operations or None, got {short(found)}.")

    @property
    def takes_many_steps(self) -> bool:
        """Whether the engine has a compiler for many steps."""
        return "steps" in self._compilers

    def steps(self, before: Iterable[Call], after: Iterable[Call], costs: Array) -> Run | None:
        """Return a function that runs many steps in one call, like :func:`nnfw.ops.many_steps.steps`.

        None if the engine cannot.
        """
        run: Run | None = self._compile("steps", list(before), list(after), costs)
        if run is not None and not callable(run):
            raise PluginError(f"{self.owner}: steps must return a function or None, got {short(run)}.")
        return run

    def _compile(self, name: str, *arguments: Any, gather: Callable[[Any], Any] | None = None) -> Any:
        """Call a compiler of the engine.

        If it raises, warn and compile nothing more.
        """
        if name not in self._compilers:
            return None
        try:
            found = self._compilers[name](*arguments)
            return found if found is None or gather is None else gather(found)
        except PluginError:
            raise
        except Exception as error:  # whatever a compiler raises
            self._give_up(error)
            return None

    def _give_up(self, error: Exception) -> None:
        self._compilers, self.functions, self.gave_up = {}, None, True
        reason = in_words(error).rstrip(".")
        text = f"{self.owner} failed while compiling: {reason}. The training goes on in NumPy."
        warn(text)


class _Functions(dict[Operation, Function]):
    """The functions of an engine; those that it does not know by name are looked up once."""

    def __init__(self, engine: Engine, known: Mapping[Operation, Function]) -> None:
        super().__init__(known)
        self._engine = engine

    def __missing__(self, operation: Operation) -> Function:
        function = self[operation] = self._engine.body(operation) or operation.definition
        return function


DEFINITIONS = Engine()
"""The engine that runs every operation by its definition."""

_engine: ContextVar[Engine] = ContextVar("nnfw_engine", default=DEFINITIONS)


def engine_in_use() -> Engine:
    """Return the engine in use in this thread and this training."""
    return _engine.get()


@contextmanager
def using(engine: Engine) -> Iterator[None]:
    """Use an engine in the body."""
    token = _engine.set(engine)
    try:
        with dispatched(engine.functions):
            yield
    finally:
        _engine.reset(token)


def engine_of(found: object, owner: str, registry: Registry | None = None) -> Engine:
    """Return the engine made of an accelerator's functions.

    Parameters
    ----------
    found
        A mapping: kernels by the names of operations, compilers by the names in ``COMPILERS``.
    owner
        Names the accelerator in messages.
    registry
        Source of the operations; by default everything installed.

    Raises
    ------
    PluginError
        If a name is not that of an operation or compiler, or a value is not a function.
    """
    if not isinstance(found, Mapping):
        raise PluginError(f"{owner} must give its kernels by name, got {short(found)}.")
    registry = registry or default_registry()
    known = (*(item.name for item in registry.operations), *COMPILERS)
    for name, function in found.items():
        if not isinstance(name, str) or name.rpartition(":")[2] not in known:
            raise PluginError(
                f"{owner}: unknown kernel {short(name)}.{did_you_mean(name, known)} Available: {', '.join(known)}."
            )
        if not callable(function):
            raise PluginError(f"{owner}: kernel {name!r} must be a function, got {short(function)}.")
    functions = {operation_of(registry, name): found[name] for name in found if name not in COMPILERS}
    return Engine(owner, functions, {name: found[name] for name in COMPILERS if name in found})
