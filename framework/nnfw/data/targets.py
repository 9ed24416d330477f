"""The target of one output: how raw labels become y, and how predictions become labels."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Annotated

import numpy as np
from annotated_types import MaxLen, MinLen
from numpy.typing import DTypeLike

from nnfw.arrays import Array, Shape
from nnfw.data.columns import Column
from nnfw.data.conversion import cast, require_finite_predictions
from nnfw.data.examples import categorical
from nnfw.data.tables import listed
from nnfw.errors import DataError, ShapeError, did_you_mean

THRESHOLD = 0.5  # of a single output: above it, class 1
Word = Annotated[str, MaxLen(1000)]  # an array of words gives each of them the room of the longest


@dataclass(frozen=True)
class Target:
    """The labels of one output; a model file stores it as it is.

    Parameters
    ----------
    column
        The raw column, or None where there was none.
    classes
        Names of the classes: the network's output k stands for ``classes[k]``. None for a numeric target.
    numbers
        The labels of classes without names, in order, where these are not 0 … K − 1: the output k stands for
        ``numbers[k]``. None otherwise.
    """

    column: Column | None
    classes: Annotated[tuple[Word, ...], MinLen(1)] | None = None
    numbers: Annotated[tuple[int, ...], MinLen(2)] | None = None

    @property
    def entries(self) -> tuple[str, ...] | None:
        """Names of labels of which an example has any number: whole numbers of a table, side by side; None if none."""
        column = self.column
        return column.entries if column is not None and column.kind == "integer" and not column.steps else None

    def apply(self, raw: Array, dtype: DTypeLike) -> Array:
        """Return y; see :meth:`Preprocessing.target`."""
        column = self.column
        assert column is not None
        if not column.steps and self.classes is not None:
            return _class_numbers(raw, self.classes, column.name)
        column.require(raw)
        if self.numbers is not None:
            return _positions(raw, self.numbers, column.name)
        y = column.apply(raw)
        if column.steps and column.steps[0].transform.accepts == "categorical":
            self._require_known(raw, y)
        if not column.steps and y.dtype.kind in "iub":
            return y.astype(np.int64)
        y = cast(y, np.dtype(dtype), f"Column {column.name!r}")
        return y if column.output_shape else y.reshape(len(y), 1)

    def _require_known(self, raw: Array, y: Array) -> None:
        """Refuse classes that are not those of the training; transforms may take them, but not give them back."""
        column = self.column
        assert column is not None
        if categorical(raw) and self.classes is not None:
            _class_numbers(raw, self.classes, column.name)
            return
        wrong = column.invert(y) != raw
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0].tolist())
            raise DataError(f"Column {column.name!r}: unknown class {raw[place].item()!r} in row {place[0]} (from 0).")

    def labels(self, a: Array) -> Array:
        """Return predictions in the raw target's terms; see :meth:`Preprocessing.labels`."""
        require_finite_predictions(a)
        column = self.column
        if column is not None and column.steps:
            if a.size != len(a) * prod(column.output_shape):
                raise DataError(
                    f"the network gives {a[0].size} numbers for each {column.name!r}, and only the cost knows what "
                    "they are. Use nnfw predict with the directory of the run."
                )
            values = column.invert(a.reshape(len(a), *column.output_shape))
            require_finite_predictions(values, f" when the transforms of {column.name!r} are undone")
            named = self.classes is not None and values.dtype.kind in "iu"
            return self._named(values) if named else values
        single = a.shape[-1] == 1
        numbers = (a[..., 0] > THRESHOLD).astype(np.int64) if single else np.argmax(a, axis=-1)
        if self.classes is not None:
            return self._named(numbers)
        if self.numbers is not None:
            return np.asarray(np.array(self.numbers)[numbers])
        if column is not None and column.kind == "integer" and not single and column.entries is None:
            return numbers
        if column is None or prod(column.shape) * len(a) != a.size:
            return a
        return a.reshape(len(a), *column.shape)

    def _named(self, numbers: Array) -> Array:
        names: Array = np.array(self.classes)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(names):
            raise DataError(f"The outputs stand for classes {numbers.min()} to {numbers.max()}, of {len(names)}.")
        named: Array = names[numbers]
        return named

    def tells_apart(self, outputs: int) -> bool:
        """Return whether `outputs` can represent the classes: one output for each, or a single one for two classes."""
        assert self.classes is not None
        single = len(self.classes) == 2 and not (self.column and self.column.steps)
        return outputs == len(self.classes) or (outputs == 1 and single)

    def require_fit(self, output_shape: Shape) -> None:
        """Refuse an output of a network that has another shape; ShapeError says which shape differs."""
        column = self.column
        if column is not None and column.steps and prod(output_shape) % prod(column.output_shape):
            raise ShapeError(
                f"its transforms make targets of shape {column.output_shape}, the network gives {output_shape}. "
                "Classes need no target transform; for other targets change the output layer."
            )
        outputs = (1, *output_shape)[-1]
        if self.numbers is not None and outputs != len(self.numbers) and (outputs, len(self.numbers)) != (1, 2):
            raise ShapeError(f"it has {len(self.numbers)} numbered classes, the network gives {output_shape}.")
        if self.classes is not None and not self.tells_apart((1, *output_shape)[-1]):
            raise ShapeError(f"it has {len(self.classes)} classes, the network gives {output_shape}.")


def _positions(raw: Array, numbers: tuple[int, ...], name: str) -> Array:
    """Return the position of each label among those of the classes; DataError names the first that is none."""
    known = np.array(numbers)
    found = np.searchsorted(known, raw).clip(max=len(known) - 1)
    wrong = known[found] != raw
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0].tolist())
        raise DataError(
            f"Column {name!r}: unknown class {raw[place].item()!r} in row {place[0]} (from 0); expected "
            f"{listed([*map(str, numbers)])}."
        )
    return found.astype(np.int64)


def _class_numbers(raw: Array, classes: tuple[str, ...], name: str) -> Array:
    if categorical(raw):
        number_of = {word: number for number, word in enumerate(classes)}
        numbers = np.array([number_of.get(word, -1) for word in raw.ravel().tolist()], np.int64).reshape(raw.shape)
    else:
        if raw.dtype.kind not in "iub":
            raise DataError(f"Column {name!r}: expected classes as words or whole numbers, got {raw.dtype}.")
        numbers = raw.astype(np.int64)
    wrong = (numbers < 0) | (numbers >= len(classes))
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0].tolist())
        hint = did_you_mean(str(raw[place]), classes, 1) if categorical(raw) else ""
        expected = listed(classes) if categorical(raw) else f"0 to {len(classes) - 1}"
        raise DataError(
            f"Column {name!r}: unknown class {raw[place].item()!r} in row {place[0]} (from 0); expected {expected}."
            f"{hint}"
        )
    return numbers
