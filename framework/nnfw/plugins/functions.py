"""Components made of plain functions, in Python: metrics, callbacks, costs and activations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, ClassVar, NamedTuple

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.configuration import kind_of
from nnfw.errors import DataError, PluginError, described
from nnfw.protocols import Callback, Cost, Elementwise, Fit, Metric
from nnfw.workspace import Workspace

Function = Callable[..., Any]

_NUMBERS = "fiu"  # kinds of dtypes
_ROUNDING = 1e-5  # relative to the values; a mean in float64 loses far less
_CANCELLED = 1e-9  # relative to the outputs: what is left of values that cancel out


class FunctionMetric(Metric):
    """The mean over all examples, from a function ``(a, y)`` that returns the mean over some.

    It gets outputs and labels in float64, not to be written to, and weights if it has a parameter `weight`.
    """

    higher_is_better: ClassVar[bool] = False

    def __init__(self, function: Function) -> None:
        self._function = _OfBatch(function)

    def statistics(self, a: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the sum over the examples and their number, both weighted if there are weights."""
        a, y = a.astype(np.float64), y.astype(np.float64) if y.dtype.kind == "f" else y
        mean, count = self._mean(a, y, weight)
        self._require_mean(mean, a, y, weight)
        return np.array([mean * count, count])

    def result(self, statistics: Array) -> float:
        """Return the mean, NaN if no example counts."""
        total, count = statistics
        return float(total / count) if count else float("nan")

    def _mean(self, a: Array, y: Array, weight: Array | None) -> tuple[float, float]:
        """Return the mean over some examples, and how many they are."""
        count = float(len(a) if weight is None else weight.sum(dtype=np.float64))
        return _number(self, "the function", self._function(self, a, y, weight)) if count else 0.0, count

    def _require_mean(self, mean: float, a: Array, y: Array, weight: Array | None) -> None:
        """Raise PluginError unless the mean over the examples is that over their halves."""
        halves = slice(0, len(a) // 2), slice(len(a) // 2, None)
        if len(a) == 1:
            return
        parts = [self._mean(a[half], y[half], None if weight is None else weight[half]) for half in halves]
        (first, one), (second, two) = parts
        expected = (first * one + second * two) / (one + two) if one and two else float("nan")
        allowed = _ROUNDING * max(abs(first), abs(second)) + _CANCELLED * float(np.abs(a).max(initial=0))
        if abs(mean - expected) > allowed:  # never for NaN
            raise PluginError(
                f"{_title(self)}: the function is no mean over examples: it returned {mean:.6g} for "
                f"{len(a)}, and {first:.6g} and {second:.6g} for their halves. Divide a sum by the number of examples. "
                "For a figure of another kind write a class with nnfw.Metric; its merge may keep all outputs."
            )


class FunctionCallback(Callback):
    """Calls a function ``(fit, record)`` after each epoch."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def epoch_ended(self, fit: Fit, record: Mapping[str, float], state: MutableMapping[str, Any]) -> None:
        """Call the function."""
        self._function(fit, record)


class FunctionCost(Cost):
    """C and ∇_a C, each from a function ``(a, y)`` for a batch, with the mean over its examples inside.

    Labels are those that are given, ``(N,)`` as ``(N, 1)`` for one output. The functions get the weights if they have a
    parameter `weight`.
    """

    def __init__(self, value: Function, gradient: Function) -> None:
        self._value, self._gradient = _OfBatch(value), _OfBatch(gradient)

    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return the labels."""
        return y[:, np.newaxis] if y.ndim == 1 and output_shape == (1,) else y

    def value(self, a: Array, y: Array, weight: Array | None = None) -> float:
        """Return C."""
        return _number(self, "value", self._value(self, a, y, weight))

    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return ∇_a C."""
        return _array(self, "gradient", self._gradient(self, a, y, weight), a)


class FunctionActivation(Elementwise):
    """σ and σ', each from a function of z for each element alone."""

    def __init__(self, value: Function, derivative: Function) -> None:
        self._value, self._derivative = value, derivative

    def value(self, z: Array) -> Array:
        """Return σ(z)."""
        return _array(self, "value", self._value(_read_only(z)), z)

    def derivative(self, z: Array, a: Array) -> Array:
        """Return σ'(z)."""
        return _array(self, "derivative", self._derivative(_read_only(z)), z)


class _OfBatch:
    """A function of the outputs and labels of a batch, and of its weights if it has a parameter `weight`."""

    def __init__(self, function: Function) -> None:
        self._function, self._takes_weight = function, False
        with suppress(ValueError):  # some functions written in C do not tell
            self._takes_weight = "weight" in inspect.signature(function).parameters

    def __call__(self, component: object, a: Array, y: Array, weight: Array | None) -> object:
        """Return what the function returns; DataError if there are weights that it does not take."""
        a, y = _read_only(a), _read_only(y)
        if self._takes_weight:
            return self._function(a, y, weight=weight)
        if weight is not None:
            raise DataError(
                f"{_title(component)}: its function takes no weights. Give it a parameter 'weight', or leave "
                "sample_weight out."
            )
        return self._function(a, y)


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _number(component: object, method: str, found: object) -> float:
    if isinstance(found, int | float | np.generic | np.ndarray):
        number = np.asarray(found)
        if number.ndim == 0 and number.dtype.kind in (*_NUMBERS, "b"):
            return float(number)
    raise _wrong_result(component, method, found, "a number, the mean over the examples")


def _array(component: object, method: str, found: object, like: Array) -> Array:
    """Return an array in the dtype of another, whose shape it must have."""
    if isinstance(found, np.ndarray) and found.shape == like.shape and found.dtype.kind in _NUMBERS:
        return found.astype(like.dtype, copy=False)
    raise _wrong_result(component, method, found, f"an array of numbers of shape {like.shape}")


def _wrong_result(component: object, method: str, found: object, expected: str) -> PluginError:
    return PluginError(f"{_title(component)}: {method} returned {described(found)}, expected {expected}.")


def _title(component: object) -> str:
    """Return how messages name a component of functions: kind and name of the first function."""
    return f"{(kind_of(type(component)) or '').capitalize()} {type(component).__name__!r}"


class Form(NamedTuple):
    """How functions make a component.

    Parameters
    ----------
    component
        Its class, constructed from the functions.
    arguments
        The arguments of each function.
    advice
        What is wrong with the first function alone, and what to write.
    """

    component: type
    arguments: tuple[tuple[str, ...], ...]
    advice: str = ""


FORMS: Mapping[str, Form] = {
    "metric": Form(FunctionMetric, (("a", "y"),)),
    "callback": Form(FunctionCallback, (("fit", "record"),)),
    "cost": Form(
        FunctionCost,
        (("a", "y"), ("a", "y")),
        "gives no gradient, which training needs. Write a pair (value, gradient): gradient(a, y) returns ∂C/∂a, shaped "
        "like a, with the 1/N of the mean inside",
    ),
    "activation": Form(
        FunctionActivation,
        (("z",), ("z",)),
        "gives no derivative, which training needs. Write a pair (value, derivative): derivative(z) returns σ'(z)",
    ),
}
"""The kinds of components that functions can make."""
