"""One raw column, and the transforms that turn it into numbers for the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from nnfw.arrays import Array
from nnfw.data.conversion import require_finite
from nnfw.data.cross_fitting import TrainingRows
from nnfw.data.examples import categorical
from nnfw.errors import DataError, NnfwError, PluginError, in_words, short
from nnfw.plugins import default_registry
from nnfw.plugins.results import wrong_result
from nnfw.protocols import FitsToTarget, Transform

_Size = Annotated[int, Ge(1)]

Kind = Literal["numeric", "integer", "categorical"]


@dataclass(frozen=True)
class FittedTransform:
    """A transform, and what its `fit` returned."""

    transform: Transform
    fitted: dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One raw column, and the steps that turn it into numbers for the network; a model file stores it as it is.

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
        Transforms, fitted, in the order in which they apply.
    output_kind
        ``"integer"`` where the steps end in integers that fit into int64, such as indices; None for other numbers.
    entries
        Names of the columns of a table that lie side by side in it, where these have names of their own.
    """

    name: str
    kind: Kind
    shape: tuple[_Size, ...]
    output_shape: tuple[_Size, ...]
    steps: tuple[FittedTransform, ...]
    output_kind: Literal["integer"] | None = None
    entries: tuple[str, ...] | None = None

    @classmethod
    def of_entry(cls, name: str, raw: Array, kind: Kind, steps: tuple[FittedTransform, ...]) -> Column:
        """Return the column with the shapes that the steps give one raw entry ``(1, ...)``."""
        made = through(name, steps, raw)
        output_kind: Literal["integer"] | None = "integer" if steps and _integer(made) else None
        return cls(name, kind, raw.shape[1:], made.shape[1:], steps, output_kind)

    def require(self, raw: Array) -> None:
        """Refuse raw values of another kind or shape, or that are not finite; DataError says which."""
        self._require_form(raw)
        require_numbers(self.name, raw, self.takes_missing)

    def _require_form(self, raw: Array) -> None:
        if categorical(raw) != (self.kind == "categorical"):
            held, expected = ("words", "numbers") if categorical(raw) else ("numbers", "words")
            raise DataError(f"Column {self.name!r} holds {held}; the model needs {expected}.")
        if raw.shape[1:] != self.shape:
            wanted = f"({', '.join(('N', *map(str, self.shape)))}{'' if self.shape else ','})"
            raise DataError(f"Column {self.name!r} must have shape {wanted}, got {raw.shape}.")

    def apply(self, raw: Array, training: TrainingRows | None = None) -> Array:
        """Return the raw column after every step; where the `output_kind` is integer, in int64.

        Steps that learn from the target make the `training` rows without their own labels.
        """
        values = through(self.name, self.steps, raw, training=training)
        if values.shape[1:] != self.output_shape:
            raise PluginError(
                f"Column {self.name!r}: its transforms returned entries of shape {values.shape[1:]}, but had made "
                f"{self.output_shape} when they were fitted."
            )
        if self.output_kind == "integer":
            if not _integer(values):
                raise PluginError(
                    f"Column {self.name!r}: its transforms returned {values.dtype}, but integers when they were fitted."
                )
            return values.astype(np.int64, copy=False)
        if self.steps:
            require_numbers(self.name, values, False, ", after its transforms,")
        return values

    def invert(self, values: Array) -> Array:
        """Return raw values from values after every step; floats are computed and returned in float64."""
        values = values.astype(np.float64) if values.dtype.kind == "f" else values
        for step in reversed(self.steps):
            values = _transformed(self.name, step, "invert", values)
        return values

    def require_sound(self) -> Array:
        """Refuse steps that cannot turn a raw entry into one of `output_shape` and back, as a file may hold them.

        One entry is inverted, transformed again and returned; DataError or PluginError says what is wrong.
        """
        entry = np.array([""]) if self.kind == "categorical" else np.zeros(())
        if not self.steps:
            if self.output_shape != self.shape:
                raise DataError(
                    f"Column {self.name!r} has no steps, yet they make {self.output_shape} of {self.shape}."
                )
            if self.output_kind is not None:
                raise DataError(f"Column {self.name!r} has no steps, yet they end in integers.")
            return entry
        with np.errstate(all="ignore"):
            raw = self.invert(np.zeros((1, *self.output_shape)))
            self._require_form(raw)
            return self.apply(raw)

    @property
    def takes_missing(self) -> bool:
        """Whether raw values may be missing, since the first transform takes such ones."""
        return bool(self.steps) and takes_missing(self.steps[0].transform, self.kind == "categorical")

    @property
    def table_names(self) -> tuple[str, ...]:
        """Names of the columns of a table that make it up: one for each number of a block."""
        if self.entries is not None:
            return self.entries
        return tuple(f"{self.name}_{index}" for index in range(prod(self.shape))) if self.shape else (self.name,)

    def joined(self, values: Sequence[Array]) -> Array:
        """Return it from these columns of a table."""
        return np.column_stack(values).reshape(-1, *self.shape) if self.shape else values[0]

    @property
    def work(self) -> int:
        """How many numbers the steps compute for one entry, estimated from the shapes."""
        return len(self.steps) * max(prod(self.shape), prod(self.output_shape))

    @property
    def width(self) -> int:
        """Numbers that one entry becomes."""
        return prod(self.output_shape)


def _integer(values: Array) -> bool:
    """Return whether every value of a dtype is an integer of int64."""
    return values.dtype.kind in "iu" and np.can_cast(values.dtype, np.int64)


def takes_missing(transform: Transform, words: bool = False) -> bool:
    """Return whether a transform takes missing values; one of categories takes only missing words."""
    return transform.takes_missing and (words or transform.accepts != "categorical")


def require_numbers(name: str, values: Array, missing: bool, when: str = "") -> None:
    """Refuse infinite numbers, and NaN unless they may be missing."""
    advice = "a transform that fills what is missing" if when else "a first transform that takes missing numbers"
    require_finite(values, f"Column {name!r}{when}", missing=missing, advice=f", or give the column {advice}")


def through(
    name: str,
    steps: Sequence[FittedTransform],
    raw: Array,
    then: Transform | None = None,
    training: TrainingRows | None = None,
) -> Array:
    """Return a raw column after the steps; DataError if numbers are missing that the next one, or `then`, needs."""
    values, after = raw, [*(step.transform for step in steps[1:]), then]
    for step, following in zip(steps, after, strict=False):
        before, values = values, _transformed(name, step, "apply", values)
        if training is not None and isinstance(step.transform, FitsToTarget):
            values = _cross_fitted(name, step.transform, before, values, training)
        if following is not None and step.transform.takes_missing:
            require_numbers(name, values, takes_missing(following), f", before {short(following)},")
    return values


def _transformed(name: str, step: FittedTransform, method: Literal["apply", "invert"], values: Array) -> Array:
    """Return what a transform makes of a column; PluginError unless it is an array with as many entries."""
    with calling(name, step.transform, method):
        result: object = getattr(step.transform, method)(values, step.fitted)
    if not isinstance(result, np.ndarray) or result.shape[:1] != (len(values),):
        raise wrong_result(step.transform, method, result, f"an array of length {len(values)} for column {short(name)}")
    return result


def _cross_fitted(name: str, transform: FitsToTarget, column: Array, changed: Array, training: TrainingRows) -> Array:
    """Return a changed column whose training rows are made without their own labels."""
    with calling(name, transform, "cross_fit"):
        found: object = training.cross_fit(transform, column)
    expected = changed[training.rows].shape
    if not isinstance(found, np.ndarray) or found.shape != expected:
        raise wrong_result(transform, "cross_fit", found, f"an array of shape {expected} for column {short(name)}")
    values = changed.astype(np.result_type(changed, found))
    values[training.rows] = found
    return values


@contextmanager
def calling(name: str, transform: Transform, method: str) -> Iterator[None]:
    """Add the column to what a transform raises. Overflow shows in the results, which are checked."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except DataError as error:
        raise DataError(f"Column {name!r}: {error}") from error
    except NnfwError:
        raise
    except MemoryError as error:
        raise DataError(
            f"Column {name!r}: {short(transform)} needs more memory than there is: {error}. Take fewer examples."
        ) from error
    except Exception as error:
        owner = default_registry().title(transform)
        raise PluginError(f"Column {name!r}: {owner}: {method} failed: {in_words(error)}.") from error
