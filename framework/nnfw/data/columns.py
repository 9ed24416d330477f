"""One raw column, and the transforms that make numbers for the network out of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from numpy.typing import NDArray

from nnfw.data.arrays import require_finite
from nnfw.data.examples import categorical
from nnfw.errors import DataError, PluginError, short
from nnfw.protocols import Shape, Transform

Array = NDArray[Any]
Kind = Literal["numeric", "integer", "categorical"]


@dataclass(frozen=True)
class Step:
    """A transform and what it fitted.

    Parameters
    ----------
    transform
        The component.
    fitted
        What its `fit` returned.
    """

    transform: Transform
    fitted: Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One raw column, and the steps that make numbers for the network out of it.

    Parameters
    ----------
    name
        Its name in the data.
    kind
        What it holds: ``"numeric"``, ``"categorical"`` (words), or ``"integer"`` for a target of whole numbers.
    shape
        Shape of one raw entry: ``()`` for a number or word, ``(64,)`` for a block.
    output_shape
        Shape of one entry after the steps.
    steps
        Transforms in the order in which they apply.
    """

    name: str
    kind: Kind
    shape: Shape
    output_shape: Shape
    steps: tuple[Step, ...] = ()

    @classmethod
    def fit(cls, name: str, raw: Array, transforms: Sequence[Transform], kind: Kind) -> Column:
        """Return the column with every transform fitted on what the ones before it make of `raw`."""
        if transforms:
            require_finite(raw, f"Column {name!r}")
        steps: list[Step] = []
        current = raw
        for transform in transforms:
            if steps:
                current = _applied(name, steps[-1], current)
            if transform.accepts == "numeric" and categorical(current):
                raise DataError(
                    f"Column {name!r} holds words, but {short(transform)} takes numbers. Use one_hot for it."
                )
            steps.append(Step(transform, _fitted(name, transform, current)))
        first = raw[:1]
        for step in steps:
            first = _applied(name, step, first)
        return cls(name, kind, raw.shape[1:], first.shape[1:], tuple(steps))

    def require(self, raw: Array) -> None:
        """Refuse raw values of another kind or shape, or that are not finite; DataError says which."""
        if categorical(raw) != (self.kind == "categorical"):
            held, expected = ("words", "numbers") if categorical(raw) else ("numbers", "words")
            raise DataError(f"Column {self.name!r} holds {held}; the model needs {expected}.")
        if raw.shape[1:] != self.shape:
            wanted = f"({', '.join(('N', *map(str, self.shape)))}{'' if self.shape else ','})"
            raise DataError(f"Column {self.name!r} must have shape {wanted}, got {raw.shape}.")
        require_finite(raw, f"Column {self.name!r}")

    def apply(self, raw: Array) -> Array:
        """Return the raw column after every step."""
        values = raw
        for step in self.steps:
            values = _applied(self.name, step, values)
        if values.shape[1:] != self.output_shape:
            raise PluginError(
                f"Column {self.name!r}: its transforms returned entries of shape {values.shape[1:]}, but had made "
                f"{self.output_shape} when they were fitted."
            )
        return values

    def invert(self, values: Array) -> Array:
        """Return raw values from values after every step."""
        for step in reversed(self.steps):
            values = step.transform.invert(values, step.fitted)
        return values

    @property
    def width(self) -> int:
        """Numbers that one entry becomes."""
        return prod(self.output_shape)


def _fitted(name: str, transform: Transform, values: Array) -> Mapping[str, Any]:
    try:
        fitted = transform.fit(values)
    except DataError as error:
        raise DataError(f"Column {name!r}: {error}") from error
    try:
        json.dumps(fitted, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"Column {name!r}: what {short(transform)} fitted cannot be stored as JSON: {error}."
        ) from error
    return fitted


def _applied(name: str, step: Step, values: Array) -> Array:
    try:
        result = step.transform.apply(values, step.fitted)
    except DataError as error:
        raise DataError(f"Column {name!r}: {error}") from error
    if result.shape[:1] != values.shape[:1]:
        raise PluginError(
            f"Column {name!r}: {short(step.transform)} returned shape {result.shape} for {len(values)} examples."
        )
    return result
