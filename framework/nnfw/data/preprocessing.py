"""From raw columns to the arrays of a network and back, with what was fitted on the training split."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nnfw.data.examples import Examples, categorical, require_finite
from nnfw.data.tables import Table, listed
from nnfw.errors import ConfigError, DataError, FileFormatError, PluginError, did_you_mean, short
from nnfw.protocols import Shape, Transform

if TYPE_CHECKING:
    from nnfw.plugins import Registry

Array = NDArray[Any]
Kind = Literal["numeric", "integer", "categorical"]

THRESHOLD = 0.5  # of a single output: above it, class 1


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
            _require_finite(raw, name)
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

        Parameters
        ----------
        examples
            The training examples.
        transforms
            Each changes the columns it names, or else every raw column of the kind it accepts. Several for one column
            apply in order.
        target_transforms
            The same for the target.

        Raises
        ------
        DataError
            If a transform names an unknown column or takes no words, if a column still holds words in the end, or if a
            value is not finite.
        PluginError
            If what a transform fitted cannot be stored as JSON.

        Notes
        -----
        The classes of a target of words are ``examples.classes`` if given, else the words in sorted order.
        """
        _require_columns(transforms, examples.features, "columns")
        columns = tuple(
            Column.fit(name, raw, _of_column(name, raw, transforms), "categorical" if categorical(raw) else "numeric")
            for name, raw in examples.features.items()
        )
        words = [column.name for column in columns if categorical(column.apply(examples.features[column.name][:1]))]
        if words:
            raise DataError(
                f"A network cannot take words, which are in: {', '.join(map(repr, words))}. Add the transform "
                "'one_hot', or leave them out of the features."
            )
        return cls(columns, *_fit_target(examples, target_transforms))

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

    def apply(self, features: Mapping[str, Array], dtype: DTypeLike = np.float32) -> Array:
        """Return x of shape ``(N, *input_shape)`` from raw columns.

        Several columns are flattened and joined in order. A single column keeps its shape, ``(N,)`` becomes ``(N, 1)``.

        Parameters
        ----------
        features
            Raw columns by name; further ones are ignored.
        dtype
            Of x, unless x is a single numeric column without transforms: that one is returned as it is, so that a
            memory-mapped one is not copied.

        Raises
        ------
        DataError
            If a column is missing, of another kind or shape, holds an unknown category, or a value that is not finite.
        """
        wanted = np.dtype(dtype)
        raw = self._raw(features)
        if len(self.columns) == 1:
            (column,) = self.columns
            x = column.apply(raw[column.name])
            x = _cast(x, wanted, column.name) if column.steps else x
            return x if column.output_shape else x.reshape(len(x), 1)
        count = len(next(iter(raw.values())))
        x = np.empty((count, *self.input_shape), wanted)
        start = 0
        for column in self.columns:
            values = column.apply(raw[column.name]).reshape(count, column.width)
            x[:, start : start + column.width] = _cast(values, wanted, column.name)
            start += column.width
        return x

    def target(self, examples: Examples, dtype: DTypeLike = np.float32) -> Array:
        """Return y from the raw target.

        Returns
        -------
        array
            After target transforms: what they make, in `dtype`. Without any: classes as int64 ``(N,)``; whole numbers
            as int64; other numbers in `dtype`, where ``(N,)`` becomes ``(N, 1)``.

        Raises
        ------
        DataError
            If there is no target, or it holds an unknown class or a value that is not finite.
        """
        raw, column = examples.target, self.target_column
        if column is None or raw is None:
            missing = "the preprocessing was fitted without a target" if column is None else "the data has none"
            raise DataError(f"There is no target: {missing}.")
        if not column.steps and self.classes is not None:
            return _class_numbers(raw, self.classes, column.name)
        if categorical(raw) != (column.kind == "categorical"):
            held, expected = ("words", "numbers") if categorical(raw) else ("numbers", "words")
            raise DataError(f"Column {column.name!r}: the target holds {held}; expected {expected}.")
        if raw.shape[1:] != column.shape:
            raise DataError(_shape_problem(column, raw))
        _require_finite(raw, column.name)
        y = column.apply(raw)
        if not column.steps and y.dtype.kind in "iub":
            return y.astype(np.int64)
        y = _cast(y, np.dtype(dtype), column.name)
        return y if column.output_shape else y.reshape(len(y), 1)

    def labels(self, a: Array) -> Array:
        """Return what the activations of the output layer say, in the terms of the raw target.

        Parameters
        ----------
        a
            ``(N, *output_shape)``.

        Returns
        -------
        array
            Names of classes ``(N,)``, that of the largest output, or of class 1 where a single output is above ½.
            For a target of whole numbers without names and several outputs, the number of the largest. Else values in
            the target's unit, target transforms undone.
        """
        column = self.target_column
        if column is not None and column.steps:
            values = column.invert(a.reshape(len(a), *column.output_shape))
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

    def select(self, table: Table, *, with_target: bool = False) -> Examples:
        """Return the examples of a table: the columns that the model needs, picked by name.

        A block of n numbers takes the columns ``name_0`` to ``name_(n-1)``. Where the block is the only feature and
        these are not there, a table of exactly n columns beside the target's is taken by position.

        Parameters
        ----------
        table
            Read by :func:`read_csv` with ``categorical=preprocessing.categorical``.
        with_target
            Whether the target is needed too.

        Raises
        ------
        DataError
            If columns are missing, lack values, or hold words where the model needs numbers.
        """
        names = {column.name: self._names_in(table, column) for column in self.columns}
        target = self.target_column if with_target else None
        missing = [column for column in self.columns if not names[column.name]]
        missing += [target] if target is not None and target.name not in table.names else []
        if missing:
            raise DataError("\n".join(_missing(table, column) for column in missing))
        numeric = {name for column in self.columns if column.kind == "numeric" for name in names[column.name]}
        wanted = [name for column in self.columns for name in names[column.name]]
        if target is not None:
            wanted.append(target.name)
            numeric |= {target.name} if target.kind == "numeric" else set()
        values = table.columns(wanted, numeric)
        features = {
            column.name: np.column_stack([values[name] for name in names[column.name]]).reshape(-1, *column.shape)
            if column.shape
            else values[column.name]
            for column in self.columns
        }
        if target is None:
            return Examples(features)
        return Examples(features, _whole(values[target.name], target), target.name, self.classes)

    def to_table(self, registry: Registry) -> dict[str, Any]:
        """Return all of it as plain tables, lists, texts and numbers, fit for JSON.

        Raises
        ------
        PluginError
            If a transform belongs to no installed plugin.
        """
        table: dict[str, Any] = {"columns": [_column_table(column, registry) for column in self.columns]}
        if self.target_column is not None:
            table["target"] = _column_table(self.target_column, registry)
        if self.classes is not None:
            table["classes"] = list(self.classes)
        return table

    @classmethod
    def from_table(cls, table: Mapping[str, Any], registry: Registry) -> Preprocessing:
        """Return the preprocessing that :meth:`to_table` described.

        Raises
        ------
        ConfigError
            If a transform is not installed.
        FileFormatError
            If the table is damaged.
        """
        try:
            columns = tuple(_column_of(entry, registry) for entry in table["columns"])
            target = _column_of(table["target"], registry) if "target" in table else None
            classes = tuple(str(name) for name in table["classes"]) if "classes" in table else None
        except ConfigError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileFormatError(f"The stored preprocessing is damaged: {type(error).__name__}: {error}.") from error
        return cls(columns, target, classes)

    def _named(self, numbers: Array) -> Array:
        names: Array = np.array(self.classes)
        named: Array = names[numbers]
        return named

    def _raw(self, features: Mapping[str, Array]) -> dict[str, Array]:
        missing = [column.name for column in self.columns if column.name not in features]
        if missing:
            lines = [f"The data lacks the column {name!r}.{did_you_mean(name, features)}" for name in missing]
            raise DataError("\n".join(lines) + f" It has: {listed(tuple(features))}.")
        raw = {column.name: features[column.name] for column in self.columns}
        Examples(raw)  # refuses lengths that differ
        for column in self.columns:
            _require_like(column, raw[column.name])
        return raw

    def _names_in(self, table: Table, column: Column) -> tuple[str, ...]:
        """Return the names of the table's columns that make up `column`; none if they are not there."""
        if not column.shape:
            return (column.name,) if column.name in table.names else ()
        block = _block_names(column)
        if set(block) <= set(table.names):
            return block
        target = self.target_column.name if self.target_column else None
        others = tuple(name for name in table.names if name != target)
        return others if len(self.columns) == 1 and len(others) == len(block) else ()


def _fit_target(examples: Examples, transforms: Sequence[Transform]) -> tuple[Column | None, tuple[str, ...] | None]:
    raw, name = examples.target, examples.target_name
    if raw is None:
        if transforms:
            raise DataError(f"There is no target for the target transform {short(transforms[0])}.")
        return None, None
    _require_columns(transforms, {name: raw}, "target columns")
    _require_finite(raw, name)
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


def _require_columns(transforms: Iterable[Transform], known: Collection[str], what: str) -> None:
    lines = [
        f"{short(transform)}: there is no column {name!r}.{did_you_mean(name, known)}"
        for transform in transforms
        for name in transform.columns or ()
        if name not in known
    ]
    if lines:
        raise DataError("\n".join(lines) + f" The {what}: {listed(tuple(known))}.")


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


def _require_finite(raw: Array, name: str) -> None:
    require_finite(raw, f"Column {name!r}")


def _require_like(column: Column, raw: Array) -> None:
    if categorical(raw) != (column.kind == "categorical"):
        held, expected = ("words", "numbers") if categorical(raw) else ("numbers", "words")
        raise DataError(f"Column {column.name!r} holds {held}; the model needs {expected}.")
    if raw.shape[1:] != column.shape:
        raise DataError(_shape_problem(column, raw))
    _require_finite(raw, column.name)


def _shape_problem(column: Column, raw: Array) -> str:
    wanted = f"({', '.join(('N', *map(str, column.shape)))}{'' if column.shape else ','})"
    return f"Column {column.name!r} must have shape {wanted}, got {raw.shape}."


def _cast(values: Array, dtype: np.dtype[Any], name: str) -> Array:
    if values.dtype.kind == "f" and values.dtype.itemsize > dtype.itemsize:
        largest = max(float(values.max()), -float(values.min()))
        if largest > float(np.finfo(dtype).max):
            raise DataError(f"Column {name!r} reaches {largest:g}, too large for {dtype}. Rescale it or use float64.")
    return values.astype(dtype, copy=False)


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
        expected = listed(classes) if categorical(raw) else f"0 to {len(classes) - 1}"
        raise DataError(
            f"Column {name!r}: unknown class {raw[row].item()!r} in row {row} (from 0); expected {expected}."
        )
    return numbers


def _whole(values: Array, column: Column) -> Array:
    """Return a target of whole numbers, which a table holds as float64, as int64 again."""
    if column.kind != "integer" or categorical(values) or (values != np.rint(values)).any():
        return values
    return values.astype(np.int64)


def _block_names(column: Column) -> tuple[str, ...]:
    return tuple(f"{column.name}_{index}" for index in range(prod(column.shape)))


def _missing(table: Table, column: Column) -> str:
    has = f"It has {len(table.names)}: {listed(table.names)}."
    if not column.shape:
        return f"{table.name}: lacks the column {column.name!r}.{did_you_mean(column.name, table.names)} {has}"
    names = _block_names(column)
    return (
        f"{table.name}: lacks the {len(names)} columns of {column.name!r}. Name them {names[0]!r} to {names[-1]!r}, or "
        f"give exactly {len(names)} columns of numbers. {has}"
    )


def _column_table(column: Column, registry: Registry) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "shape": list(column.shape),
        "output_shape": list(column.output_shape),
        "steps": [
            {"transform": registry.describe("transform", step.transform), "fitted": dict(step.fitted)}
            for step in column.steps
        ],
    }


def _column_of(table: Mapping[str, Any], registry: Registry) -> Column:
    kind = table["kind"]
    if kind not in ("numeric", "integer", "categorical"):
        raise ValueError(f"unknown kind {kind!r}")
    return Column(
        str(table["name"]),
        kind,
        tuple(int(size) for size in table["shape"]),
        tuple(int(size) for size in table["output_shape"]),
        tuple(Step(registry.resolve("transform", step["transform"]), dict(step["fitted"])) for step in table["steps"]),
    )
