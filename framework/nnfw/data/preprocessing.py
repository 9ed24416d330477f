"""From raw columns to the network's arrays and back, by transforms fitted on the training split."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import MaxLen, MinLen
from numpy.typing import DTypeLike

from nnfw.arrays import Array, Shape
from nnfw.configuration import build, to_table
from nnfw.data.columns import Column, Kind
from nnfw.data.conversion import as_whole, cast, column_names, require_finite, require_finite_predictions
from nnfw.data.examples import Examples, categorical
from nnfw.data.tables import Table, delimiter_advice, listed, repeated
from nnfw.errors import ConfigError, DataError, Mistake, ShapeError, did_you_mean, short
from nnfw.protocols import Transform

if TYPE_CHECKING:
    from nnfw.plain import PlainTable
    from nnfw.plugins import Registry

THRESHOLD = 0.5  # of a single output: above it, class 1
_MOST_WORK = 1 << 22  # numbers that transforms may make of one example
_MOST_ROOM = 1 << 24  # characters, in an array that gives each class the room of the longest
_Word = Annotated[str, MaxLen(1000)]  # an array of words gives each of them the room of the longest


@dataclass(frozen=True)
class _Stored:
    """A preprocessing in a model file."""

    columns: Annotated[tuple[Column, ...], MinLen(1)]
    target: Column | None = None
    classes: Annotated[tuple[_Word, ...], MinLen(1)] | None = None


@dataclass(frozen=True)
class Preprocessing:
    """How raw columns become x, how a raw target becomes y, and how predictions become labels.

    Fitted on the training split only and stored with the model, so that predictions start from raw columns.

    Parameters
    ----------
    columns
        The feature columns, in the order in which they lie in x.
    target_column
        The target, or None where there was none.
    classes
        Names of the classes: the network's output k stands for ``classes[k]``. None for a numeric target.

    Examples
    --------
    >>> examples = Examples({"age": np.array([31.0, 55.0]), "height": np.array([1.8, 1.6])}, np.array(["no", "yes"]))
    >>> preprocessing = Preprocessing.fit(examples)
    >>> preprocessing.apply(examples.features)
    array([[31. ,  1.8],
           [55. ,  1.6]], dtype=float32)
    >>> preprocessing.target(examples)
    array([0, 1])
    >>> preprocessing.labels(np.array([[0.1, 0.9]]))
    array(['yes'], dtype='<U3')
    """

    columns: tuple[Column, ...]
    target_column: Column | None = None
    classes: tuple[str, ...] | None = None

    @classmethod
    def fit(
        cls, examples: Examples, transforms: Sequence[Transform] = (), target_transforms: Sequence[Transform] = ()
    ) -> Preprocessing:
        """Return the preprocessing with everything fitted on `examples`, which must be the training split.

        Raises DataError if a transform names an unknown column or takes no words, if a column still holds words after
        its transforms, or if a value is not finite; PluginError if what a transform fitted cannot be stored as JSON.

        Parameters
        ----------
        examples
            The training examples.
        transforms
            Each changes the columns it names, or else every raw column of the kind it accepts. Several for one column
            apply in order.
        target_transforms
            The same for the target.

        Notes
        -----
        The classes of a target of words are ``examples.classes`` if given, else the words in sorted order.
        """
        _require_columns(transforms, examples.features, "columns")
        chosen = {name: _of_column(name, raw, transforms) for name, raw in examples.features.items()}
        examples.require_filled([name for name, first in chosen.items() if first and first[0].takes_missing])
        columns = tuple(
            Column.fit(name, raw, chosen[name], "categorical" if categorical(raw) else "numeric")
            for name, raw in examples.features.items()
        )
        words = [column.name for column in columns if categorical(column.apply(examples.features[column.name][:1]))]
        if words:
            raise DataError(
                f"A network cannot take words, which are in: {', '.join(map(repr, words))}. Add the transform "
                "'one_hot', or leave them out of the features."
            )
        return cls(columns, *_fit_target(examples, target_transforms))

    @classmethod
    def of_names(cls, names: Sequence[str], owner: str) -> Preprocessing:
        """Return the preprocessing of columns of numbers that are taken as they are.

        Raises DataError if a name occurs twice; `owner` is what messages call the data.
        """
        _require_different(names, owner)
        return cls(tuple(Column(name, "numeric", (), (), ()) for name in names))

    def to_table(self, registry: Registry) -> PlainTable:
        """Return it as plain values, fit for JSON; PluginError if a transform belongs to no installed plugin."""
        return to_table(_Stored(self.columns, self.target_column, self.classes), registry.describe)

    @classmethod
    def from_table(cls, table: object, registry: Registry) -> Preprocessing:
        """Return the preprocessing that :meth:`to_table` described.

        ConfigError lists every mistake in the table, such as a transform that is not installed. DataError or
        PluginError if a transform cannot be applied with the values fitted.
        """
        if not isinstance(table, Mapping):
            raise ConfigError([Mistake(("preprocessing",), f"must be a table, got {short(table)}.")])
        try:
            found: _Stored = build(_Stored, table, registry.resolve)
        except ConfigError as error:
            raise ConfigError([mistake.under("preprocessing") for mistake in error.mistakes]) from error
        columns, target, classes = found.columns, found.target, found.classes or ()
        for what, names in (("columns", [column.name for column in columns]), ("classes", classes)):
            if twice := repeated(names):
                text = f"must be different names, got {short(twice[0])} twice."
                raise ConfigError([Mistake(("preprocessing", what), text)])
        room = len(classes) * max(map(len, classes), default=0)
        if room > _MOST_ROOM:
            raise DataError(
                f"{len(classes):,} classes with the room of the longest have {room:,} characters; {_MOST_ROOM:,} are "
                "the most. Shorten their names."
            )
        work = sum(column.work for column in (*columns, *([target] if target else ())))
        if work > _MOST_WORK:
            raise DataError(f"Transforms may make {_MOST_WORK:,} numbers of one example, these make {work:,}.")
        for column in columns:
            if categorical(column.require_sound()):
                raise DataError(f"Column {column.name!r} gives words, which a network cannot take.")
        if target is not None:
            target.require_sound()
        return cls(columns, target, found.classes)

    @property
    def plain(self) -> bool:
        """Whether x is the raw columns as they are, side by side."""
        return not any(column.steps or column.shape for column in self.columns)

    @property
    def only_names(self) -> bool:
        """Whether it holds only the names of columns, as after a training in Python."""
        return self.plain and self.target_column is None

    @property
    def input_shape(self) -> Shape:
        """Shape of one example of x."""
        if len(self.columns) == 1:
            return self.columns[0].output_shape or (1,)
        return (sum(column.width for column in self.columns),)

    @property
    def categorical(self) -> tuple[str, ...]:
        """Names of the raw columns, the target included, that hold words: :func:`read_csv` must not parse them."""
        columns = (*self.columns, *([self.target_column] if self.target_column else []))
        return tuple(column.name for column in columns if column.kind == "categorical")

    @property
    def takes_missing(self) -> tuple[str, ...]:
        """Names of the columns whose numbers may be missing."""
        return tuple(column.name for column in self.columns if column.takes_missing)

    def tells_apart(self, outputs: int) -> bool:
        """Return whether `outputs` can represent the classes: one output for each, or a single one for two classes."""
        assert self.classes is not None
        single = len(self.classes) == 2 and not (self.target_column and self.target_column.steps)
        return outputs == len(self.classes) or (outputs == 1 and single)

    def require_fit(self, input_shape: Shape, output_shape: Shape) -> None:
        """Refuse a network whose input or output has another shape; ShapeError says which shape differs."""
        if self.input_shape != input_shape:
            raise ShapeError(
                f"its preprocessing makes examples of shape {self.input_shape}, the network takes {input_shape}."
            )
        target = self.target_column
        if target is not None and target.steps and prod(target.output_shape) != prod(output_shape):
            raise ShapeError(
                f"its transforms make targets of shape {target.output_shape}, the network gives {output_shape}."
            )
        if self.classes is not None and not self.tells_apart((1, *output_shape)[-1]):
            raise ShapeError(f"it has {len(self.classes)} classes, the network gives {output_shape}.")

    def require_names(self, names: Sequence[str], owner: str) -> None:
        """Refuse named columns that differ in names or order from those of x; without names, position counts.

        Raises DataError if columns are missing, in another order, more than those of x, or still need transforms.
        """
        own = tuple(column.name for column in self.columns)
        block = len(own) == 1 and self.columns[0].shape != ()  # its numbers have no names
        transformed = any(column.steps for column in self.columns)
        if not names or (tuple(names) == own and self.plain) or (block and not transformed):
            return
        if not self.plain:
            raw = f"{{{own[0]!r}: {owner}.to_numpy()}}" if block else owner
            raise DataError(
                f"{owner} names its columns, but the network takes what transforms made of raw ones. Give raw columns "
                f"as model.preprocessing.apply({raw}, model.dtype), transformed ones without names: {owner}.to_numpy()."
            )
        _require_different(names, owner)
        self._require_there(names, owner)
        known = set(own)
        further = [name for name in names if name not in known]
        if further:
            what = f"columns that the model was not trained on: {listed(further)}"
        else:
            first = next(index for index, pair in enumerate(zip(names, own, strict=False)) if pair[0] != pair[1])
            what = f"its columns in another order than in training: {names[first]!r} in the place of {own[first]!r}"
        raise DataError(
            f"{owner} has {what}. Give model.preprocessing.apply({owner}, model.dtype), which picks them by name."
        )

    def select(self, table: Table, *, with_target: bool = False) -> Examples:
        """Return the examples of a table: the columns that the model needs, picked by name.

        A block of n numbers takes the columns ``name_0`` to ``name_(n-1)``. If the block is the only feature and the
        table lacks these, a table of exactly n columns beside the target's is taken by position.

        The table was read by :func:`read_csv` with ``categorical=preprocessing.categorical``. DataError if columns are
        missing, lack values, or hold words where the model needs numbers.
        """
        target = self.target_column if with_target else None
        there = set(table.names)
        names = {column.name: column.table_names for column in self.columns if there.issuperset(column.table_names)}
        if not names and (block := self._by_position(table)):
            names = {self.columns[0].name: block}
        absent = [column for column in self.columns if column.name not in names]
        absent += [target] if target is not None and target.name not in table.names else []
        if absent:
            advice = delimiter_advice(table.names)  # then all columns are absent, and one message is enough
            shown = absent[:1] if advice else absent
            raise DataError("\n".join(_absent(table, column) for column in shown) + advice)
        numeric = {name for column in self.columns if column.kind == "numeric" for name in names[column.name]}
        wanted = [name for column in self.columns for name in names[column.name]]
        if target is not None:
            wanted.append(target.name)
            numeric |= {target.name} if target.kind == "numeric" else set()
        missing = {name for column in self.columns if column.takes_missing for name in names[column.name]}
        values = table.columns(wanted, numeric, missing)
        features = {
            column.name: column.joined([values[name] for name in names[column.name]]) for column in self.columns
        }
        if target is None:
            return Examples(features)
        raw = values[target.name]
        return Examples(features, as_whole(raw) if target.kind == "integer" else raw, target.name, self.classes)

    def apply(self, features: Mapping[str, Array], dtype: DTypeLike = np.float32) -> Array:
        """Return x of shape ``(N, *input_shape)`` from raw columns.

        Several columns are flattened and joined in order. A single column keeps its shape, ``(N,)`` becomes ``(N, 1)``.

        Raises DataError if a column is missing, of another kind or shape, holds an unknown category, or a value that is
        not finite; if the examples do not fit into memory.

        Parameters
        ----------
        features
            Raw columns by name, or a frame; others are ignored.
        dtype
            Of x, unless x is a single column: a numeric one without transforms is returned as it is, so that a
            memory-mapped one is not copied; one whose transforms end in integers is int64.
        """
        raw = self._raw(features)
        try:
            return self._joined(raw, np.dtype(dtype))
        except MemoryError as error:
            count = len(next(iter(raw.values())))
            raise DataError(
                f"{count:,} examples of shape {self.input_shape} need more memory than there is: {error}. Take fewer "
                "of them, or store them as an .npy array of numbers that needs no transforms, which is not read whole."
            ) from error

    def _joined(self, raw: Mapping[str, Array], dtype: np.dtype[np.generic]) -> Array:
        if len(self.columns) == 1:
            (column,) = self.columns
            x = column.apply(raw[column.name])
            x = cast(x, dtype, f"Column {column.name!r}") if column.steps and not column.output_kind else x
            return x if column.output_shape else x.reshape(len(x), 1)
        count = len(next(iter(raw.values())))
        x = np.empty((count, *self.input_shape), dtype)
        start = 0
        for column in self.columns:
            values = column.apply(raw[column.name]).reshape(count, column.width)
            x[:, start : start + column.width] = cast(values, dtype, f"Column {column.name!r}")
            start += column.width
        return x

    def target(self, examples: Examples, dtype: DTypeLike = np.float32) -> Array:
        """Return y from the raw target.

        After target transforms it is what they make, in `dtype`. Without any: classes as int64 ``(N,)``; whole numbers
        as int64; other numbers in `dtype`, where ``(N,)`` becomes ``(N, 1)``.

        Raises DataError if there is no target, or it holds an unknown class or a value that is not finite.
        """
        raw, column = examples.target, self.target_column
        if column is None or raw is None:
            missing = "the preprocessing was fitted without a target" if column is None else "the data has none"
            raise DataError(f"There is no target: {missing}.")
        if not column.steps and self.classes is not None:
            return _class_numbers(raw, self.classes, column.name)
        column.require(raw)
        y = column.apply(raw)
        if not column.steps and y.dtype.kind in "iub":
            return y.astype(np.int64)
        y = cast(y, np.dtype(dtype), f"Column {column.name!r}")
        return y if column.output_shape else y.reshape(len(y), 1)

    def labels(self, a: Array) -> Array:
        """Return predictions in the raw target's terms, from the output layer's activations ``(N, *output_shape)``.

        They are names of classes ``(N,)``: that of the largest output, or of class 1 where a single output is above ½.
        For a target of whole numbers without names and several outputs, the number of the largest. Else values in the
        target's unit; in float64 where target transforms were undone.

        Raises DataError if an activation, or a value in the target's unit, is not finite; says of which example.
        """
        require_finite_predictions(a)
        column = self.target_column
        if column is not None and column.steps:
            values = column.invert(a.reshape(len(a), *column.output_shape))
            require_finite_predictions(values, f" when the transforms of {column.name!r} are undone")
            named = self.classes is not None and values.dtype.kind in "iu"
            return self._named(values) if named else values
        single = a.shape[-1] == 1
        numbers = (a[..., 0] > THRESHOLD).astype(np.int64) if single else np.argmax(a, axis=-1)
        if self.classes is not None:
            return self._named(numbers)
        if column is not None and column.kind == "integer" and not single:
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

    def _raw(self, features: Mapping[str, Array]) -> Mapping[str, Array]:
        self._require_there(column_names(features) or tuple(features), "The data")
        raw = Examples({column.name: features[column.name] for column in self.columns}).features
        for column in self.columns:
            column.require(raw[column.name])
        return raw

    def _by_position(self, table: Table) -> tuple[str, ...]:
        """Return all columns beside the target's if the only feature is a block of as many numbers; else none."""
        column, target = self.columns[0], self.target_column.name if self.target_column else None
        others = tuple(name for name in table.names if name != target)
        fit = len(self.columns) == 1 and column.shape and len(others) == len(column.table_names)
        return others if fit else ()

    def _require_there(self, names: Sequence[str], owner: str) -> None:
        there = set(names)
        missing = [column.name for column in self.columns if column.name not in there]
        if missing:
            lines = [f"{owner} lacks the column {name!r}.{did_you_mean(name, names)}" for name in missing]
            raise DataError("\n".join(lines) + f" It has: {listed(names)}.")


def _absent(table: Table, column: Column) -> str:
    has = f"It has {len(table.names)}: {listed(table.names)}."
    if not column.shape:
        return f"{table.name}: lacks the column {column.name!r}.{did_you_mean(column.name, table.names)} {has}"
    names = column.table_names
    return (
        f"{table.name}: lacks the {len(names)} columns of {column.name!r}. Name them {names[0]!r} to {names[-1]!r}, or "
        f"give exactly {len(names)} columns of numbers. {has}"
    )


def _fit_target(examples: Examples, transforms: Sequence[Transform]) -> tuple[Column | None, tuple[str, ...] | None]:
    raw, name = examples.target, examples.target_name
    if raw is None:
        if transforms:
            raise DataError(f"There is no target for the target transform {short(transforms[0])}.")
        return None, None
    _require_columns(transforms, {name: raw}, "target columns")
    require_finite(raw, f"Column {name!r}")
    kind: Kind = "categorical" if categorical(raw) else "integer" if raw.dtype.kind in "iub" else "numeric"
    column = Column.fit(name, raw, transforms, kind)
    if kind != "categorical" or (examples.classes is not None and not transforms):
        return column, examples.classes
    return column, tuple(np.unique(raw).tolist())


def _of_column(name: str, raw: Array, transforms: Iterable[Transform]) -> list[Transform]:
    kind = "categorical" if categorical(raw) else "numeric"
    return [
        transform
        for transform in transforms
        if (transform.accepts == kind if transform.columns is None else name in transform.columns)
    ]


def _require_different(names: Iterable[str], owner: str) -> None:
    if twice := repeated(names):
        raise DataError(
            f"{owner} has several columns {short(twice[0])}. Rename them, or give the numbers alone: "
            f"{owner}.to_numpy()."
        )


def _require_columns(transforms: Iterable[Transform], known: Collection[str], what: str) -> None:
    lines = [
        f"{short(transform)}: there is no column {name!r}.{did_you_mean(name, known)}"
        for transform in transforms
        for name in transform.columns or ()
        if name not in known
    ]
    if lines:
        raise DataError("\n".join(lines) + f" The {what}: {listed(tuple(known))}.")


def _class_numbers(raw: Array, classes: tuple[str, ...], name: str) -> Array:
    if categorical(raw):
        number_of = {word: number for number, word in enumerate(classes)}
        numbers = np.array([number_of.get(word, -1) for word in raw.tolist()], dtype=np.int64)
    else:
        if raw.ndim != 1 or raw.dtype.kind not in "iub":
            raise DataError(
                f"Column {name!r}: expected classes as words or whole numbers (N,), got {raw.dtype} {raw.shape}."
            )
        numbers = raw.astype(np.int64)
    wrong = (numbers < 0) | (numbers >= len(classes))
    if wrong.any():
        row = int(np.argmax(wrong))
        hint = did_you_mean(str(raw[row]), classes, 1) if categorical(raw) else ""
        expected = listed(classes) if categorical(raw) else f"0 to {len(classes) - 1}"
        raise DataError(
            f"Column {name!r}: unknown class {raw[row].item()!r} in row {row} (from 0); expected {expected}.{hint}"
        )
    return numbers
