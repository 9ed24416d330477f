"""From raw columns to the network's arrays and back, by transforms fitted on the training split."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import MinLen
from numpy.typing import DTypeLike

from nnfw.arrays import Array, Shape
from nnfw.configuration import build, to_table
from nnfw.data.columns import Column, takes_missing
from nnfw.data.conversion import as_numeric, as_whole, cast, column_names, require_finite
from nnfw.data.cross_fitting import TrainingRows
from nnfw.data.examples import Examples, categorical
from nnfw.data.fitting import ColumnFit, Parts, fit_columns, words_in
from nnfw.data.frames import as_frame, columns_of, is_row
from nnfw.data.padded import Padded
from nnfw.data.tables import Table, header_advice, listed, repeated
from nnfw.data.targets import Target, Word
from nnfw.errors import ConfigError, DataError, Mistake, ShapeError, about, did_you_mean, short
from nnfw.protocols import FitsToTarget, Transform

if TYPE_CHECKING:
    from nnfw.plain import PlainTable
    from nnfw.plugins import Registry

INPUT = "x"
"""The name of the input of a network that has only one."""

_MOST_WORK = 1 << 22  # numbers that transforms may make of one example
_MOST_ROOM = 1 << 24  # characters, in an array that gives each class the room of the longest


@dataclass(frozen=True)
class InputColumns:
    """The columns of one input of a network.

    Parameters
    ----------
    columns
        Their names, in order. Several are joined; a single one keeps its shape, ``(N,)`` becomes ``(N, 1)``.
    lengths
        The column of the lengths of padded sequences, whole numbers; none by default.
    """

    columns: Annotated[tuple[str, ...], MinLen(1)]
    lengths: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, that of the lengths included."""
        return self.columns if self.lengths is None else (*self.columns, self.lengths)


@dataclass(frozen=True)
class _Stored:
    """A preprocessing in a model file."""

    columns: Annotated[tuple[Column, ...], MinLen(1)]
    target: Column | None = None
    classes: Annotated[tuple[Word, ...], MinLen(1)] | None = None
    inputs: Mapping[str, InputColumns] | None = None
    indices: tuple[str, ...] | None = None
    targets: Mapping[str, Target] | None = None
    numbers: Annotated[tuple[int, ...], MinLen(2)] | None = None


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
    inputs
        The columns of each input, where inputs have names; otherwise all columns make up the only one.
    indices
        Names of the inputs that hold indices, which stay int64; the only input is called ``x``.
    targets
        The target of each output, where outputs have names; `target_column` and `classes` are then None.
    numbers
        The labels of classes without names, where these are not 0 … K − 1; see :class:`Target`.

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
    inputs: Mapping[str, InputColumns] | None = None
    indices: tuple[str, ...] | None = None
    targets: Mapping[str, Target] | None = None
    numbers: tuple[int, ...] | None = None

    @classmethod
    def fit(
        cls,
        examples: Examples | Parts,
        transforms: Sequence[Transform] = (),
        target_transforms: Sequence[Transform] = (),
        *,
        inputs: Mapping[str, InputColumns] | None = None,
        indices: tuple[str, ...] | None = None,
        targets: Mapping[str, str] | None = None,
        classes: Mapping[str, tuple[str, ...]] | None = None,
        seed: int = 0,
    ) -> Preprocessing:
        """Return the preprocessing with everything fitted on `examples`, which must be the training split.

        Raises DataError if a transform names an unknown column or takes no words, if a column still holds words after
        its transforms, or if a value is not finite; PluginError if what a transform fitted cannot be stored as JSON.

        Parameters
        ----------
        examples
            The training examples, or parts of them. Parts are read once for each transform of the longest chain, and
            their whole numbers are those of an integer dtype.
        transforms
            Each changes the columns it names, or else every raw column of the kind it accepts. Several for one column
            apply in order.
        target_transforms
            The same for the target. Of several targets, each changes those that it names, or else those of the kind it
            accepts.
        inputs, indices
            As the attributes; by default all features make up the only input, which holds real numbers.
        targets
            The column for each output, where outputs have names; by default the target of the examples.
        classes
            Names of the classes of target columns. Those of a target of words are these, else ``examples.classes``,
            else the words in sorted order.
        seed
            Of the folds in which transforms that learn from the target make the training part; 0 by default.
        """
        parts = [examples] if isinstance(examples, Examples) else examples
        first = next(iter(parts))
        groups = (inputs or {}).values()
        wanted = [name for group in groups for name in group.columns] or list(first.features)
        there, labels = first.columns, set((targets or {}).values())
        features = {name: there[name] for name in wanted if name not in labels}
        lengths = {group.lengths: there[group.lengths] for group in groups if group.lengths is not None}
        _require_columns(transforms, features, "columns")
        chosen = {name: _of_column(name, raw, transforms) for name, raw in features.items()}
        filled = [name for name, own in chosen.items() if own and takes_missing(own[0], categorical(features[name]))]
        first.require_filled([*filled, *(there.keys() - features.keys() - lengths.keys() - labels)])
        of_targets = _fits_of_targets(first, target_transforms, targets, whole=len(parts) == 1)
        training = _training_rows(first, chosen, of_targets, seed)
        of_columns = [
            ColumnFit(
                name, "categorical" if categorical(features[name]) else "numeric", own, _raw_column(name), training
            )
            for name, own in chosen.items()
        ]
        fit_columns([*of_columns, *of_targets.values()], parts)
        columns = tuple(fit.column(first) for fit in of_columns)
        words = [column.name for column in columns if categorical(column.apply(features[column.name][:1]))]
        if words:
            raise DataError(
                f"A network cannot take words, which are in: {', '.join(map(repr, words))}. Add the transform "
                "'one_hot', or leave them out of the features."
            ).of("", ("columns", words[0]))
        columns += tuple(Column(name, "integer", raw.shape[1:], raw.shape[1:], ()) for name, raw in lengths.items())
        known = {first.target_name: first.classes, **(classes or {})}
        if targets is not None:
            fitted = {output: _target(fit, known.get(fit.name), parts) for output, fit in of_targets.items()}
            return cls(columns, inputs=inputs, indices=indices, targets=fitted)
        entries = (first.target_name, *first.further) if first.further else None
        only = _target(of_targets[""], known.get(of_targets[""].name), parts, entries) if of_targets else Target(None)
        return cls(columns, only.column, only.classes, inputs, indices)

    @classmethod
    def of_names(cls, names: Sequence[str], owner: str) -> Preprocessing:
        """Return the preprocessing of columns of numbers that are taken as they are.

        Raises DataError if a name occurs twice; `owner` is what messages call the data.
        """
        _require_different(names, owner)
        return cls(tuple(Column(name, "numeric", (), (), ()) for name in names))

    def to_table(self, registry: Registry) -> PlainTable:
        """Return it as plain values, fit for JSON; PluginError if a transform belongs to no installed plugin."""
        stored = _Stored(
            self.columns, self.target_column, self.classes, self.inputs, self.indices, self.targets, self.numbers
        )
        return to_table(stored, registry.describe)

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
        columns, known = found.columns, [column.name for column in found.columns]
        preprocessing = cls(
            columns, found.target, found.classes, found.inputs, found.indices, found.targets, found.numbers
        )
        targets = preprocessing.outputs.values()
        classes = [each.classes or () for each in targets]
        for what, names in (("columns", known), *(("classes", own) for own in classes)):
            if twice := repeated(names):
                text = f"must be different names, got {short(twice[0])} twice."
                raise ConfigError([Mistake(("preprocessing", what), text)])
        for each in targets:
            if each.numbers is not None and list(each.numbers) != sorted(set(each.numbers)):
                text = f"must be different labels in order, got {short(list(each.numbers))}."
                raise ConfigError([Mistake(("preprocessing", "numbers"), text)])
        preprocessing._require_groups()
        room = sum(len(own) * max(map(len, own), default=0) for own in classes)
        if room > _MOST_ROOM:
            raise DataError(
                f"{sum(map(len, classes)):,} classes with the room of the longest have {room:,} characters; "
                f"{_MOST_ROOM:,} are the most. Shorten their names."
            )
        of_targets = [each.column for each in targets if each.column is not None]
        work = sum(column.work for column in (*columns, *of_targets))
        if work > _MOST_WORK:
            raise DataError(f"Transforms may make {_MOST_WORK:,} numbers of one example, these make {work:,}.")
        for column in columns:
            if categorical(column.require_sound()):
                raise DataError(f"Column {column.name!r} gives words, which a network cannot take.")
        for column in of_targets:
            column.require_sound()
        return preprocessing

    def _require_groups(self) -> None:
        """Refuse inputs that are not made of all columns, as a file may hold them; ConfigError says which."""
        groups, known = self._groups, [column.name for column in self.columns]
        used = {name for group in groups.values() for name in group.names}
        wrong = [f"inputs name {short(name)}, which is no column" for name in used.difference(known)]
        wrong += [f"columns have {short(name)}, which no input takes" for name in known if name not in used]
        wrong += [f"indices name {short(name)}, which is no input" for name in self.indices or () if name not in groups]
        wrong += [
            f"column {short(column.name)} has {len(column.entries)} entries of shape {column.shape}"
            for column in (*self.columns, *(each.column for each in self.outputs.values()))
            if column is not None and column.entries is not None and column.shape != (len(column.entries),)
        ]
        if self.targets is not None:
            without = [name for name, each in self.targets.items() if each.column is None]
            wrong += [f"targets have no column for {short(name)}" for name in without]
            wrong += ["there are a target and targets"] * (self.target_column is not None or self.classes is not None)
        if wrong:
            raise ConfigError([Mistake(("preprocessing",), f"does not fit together: {wrong[0]}.")])

    @property
    def names_inputs(self) -> bool:
        """Whether x is a mapping; the name ``x`` alone is that of an input without a name."""
        return self.inputs is not None and tuple(self.inputs) != (INPUT,)

    @property
    def plain(self) -> bool:
        """Whether x is the raw columns as they are, side by side."""
        return not (self.inputs or self.indices) and not any(column.steps or column.shape for column in self.columns)

    @property
    def without_names(self) -> bool:
        """Whether x was arrays without names, each of which is a column that is taken as it is."""
        groups = self._groups.items()
        return all(group.names == (name,) for name, group in groups) and not any(
            column.steps or not column.shape for column in self.columns
        )

    @property
    def only_names(self) -> bool:
        """Whether it holds only the names of columns, as after a training in Python."""
        return self.plain and not self.has_targets

    @property
    def has_targets(self) -> bool:
        """Whether there was a target."""
        return self.target_column is not None or self.targets is not None

    @property
    def outputs(self) -> Mapping[str, Target]:
        """The target of each output by its name; that of the only one, without a name, under the empty name."""
        return self.targets or {"": Target(self.target_column, self.classes, self.numbers)}

    def remarks(self) -> Iterator[str]:
        """Yield what was understood of the labels that a user may want to know."""
        for target in self.outputs.values():
            if target.numbers is not None and target.column is not None:
                numbers = listed([*map(str, target.numbers)])
                yield f"The labels of {target.column.name!r} are classes, in this order: {numbers}."

    def numbered(self, output: str, numbers: tuple[int, ...]) -> Preprocessing:
        """Return it with these whole numbers, in order, as the labels of the classes of an output."""
        if self.targets is None:
            return replace(self, numbers=numbers)
        return replace(self, targets={**self.targets, output: replace(self.targets[output], numbers=numbers)})

    @property
    def _groups(self) -> Mapping[str, InputColumns]:
        return self.inputs or {INPUT: InputColumns(tuple(column.name for column in self.columns))}

    def _columns_of(self, group: InputColumns) -> list[Column]:
        own = {column.name: column for column in self.columns}
        return [own[name] for name in group.columns]

    @property
    def input_shape(self) -> Shape | Mapping[str, Shape]:
        """Shape of one example of x; by name where inputs have names."""
        shapes = {name: _shape(self._columns_of(group)) for name, group in self._groups.items()}
        return shapes if self.names_inputs else shapes[INPUT]

    @property
    def categorical(self) -> tuple[str, ...]:
        """Names of the raw columns, targets included, that hold words: :func:`read_csv` must not parse them."""
        columns = (*self.columns, *(each.column for each in self.outputs.values() if each.column is not None))
        return tuple(column.name for column in columns if column.kind == "categorical")

    @property
    def takes_missing(self) -> tuple[str, ...]:
        """Names of the columns whose values may be missing."""
        return tuple(column.name for column in self.columns if column.takes_missing)

    def require_filled(self, examples: Examples, *, labels: bool = False) -> None:
        """Refuse missing numbers in columns that are needed, with or without labels; DataError says where they are."""
        needed = {column.name for column in self.columns}
        needed |= {each.column.name for each in self.outputs.values() if labels and each.column is not None}
        examples.require_filled([*self.takes_missing, *(examples.columns.keys() - needed)])

    def require_fit(self, input_shape: Shape | Mapping[str, Shape], output_shape: Shape | Mapping[str, Shape]) -> None:
        """Refuse a network whose inputs or outputs have other shapes; ShapeError says which shape differs."""
        if self.input_shape != input_shape:
            raise ShapeError(
                f"its preprocessing makes examples of shape {self.input_shape}, the network takes {input_shape}."
            )
        shapes = output_shape if isinstance(output_shape, Mapping) else {"": output_shape}
        if not self.has_targets and self.classes is None:
            return
        if self.outputs.keys() != shapes.keys():
            raise ShapeError(f"it has targets for {listed([*self.outputs])}, the network has {listed([*shapes])}.")
        for name, shape in shapes.items():
            self.outputs[name].require_fit(shape)

    def require_names(self, names: Sequence[str], owner: str) -> None:
        """Refuse columns of a source that are missing, further ones, or another order; DataError says which."""
        own = tuple(column.name for column in self.columns)
        if (tuple(names) == own and self.plain) or self.without_names:
            return
        if not self.plain:
            raise DataError(
                f"{owner} names its columns, but the network takes what transforms made of raw ones. Give raw columns "
                f"as model.preprocessing.apply({owner}, model.dtype)."
            )
        _require_different(names, owner)
        _require_there(self.columns, names, owner)
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

    def of_frame(self, frame: Any, owner: str, dtype: DTypeLike) -> Any:
        """Return what the network takes of the raw columns of a frame, or of a row of one, by name, in any order.

        What has no names is returned as it is, as are the numbers of a block that no transform changes.

        Raises DataError as :meth:`apply`, or if a name occurs twice; `owner` is what the message calls the frame.
        """
        names = column_names(frame)
        own = tuple(column.name for column in self.columns)
        if not names or (names == own and self.plain):
            return frame
        if len(own) == 1 and self.columns[0].shape:  # its numbers have no names
            (block,) = self.columns
            if not block.steps:
                return frame
            return self.apply({block.name: _entries(as_numeric(frame, owner), block.shape)}, dtype)
        _require_different(names, owner)
        _require_there(self.columns, names, owner)
        columns, row = columns_of(frame), is_row(frame)
        raw = {name: [columns[name]] if row else columns[name] for name in own}
        if self.plain:
            x = np.column_stack([as_numeric(column, f"{owner}[{name!r}]") for name, column in raw.items()])
            require_finite(x, owner, own)
        else:
            x = self.apply(self._as_trained(raw), dtype)
        if not row:
            return x
        return {name: each[0] for name, each in x.items()} if isinstance(x, Mapping) else x[0]

    def _as_trained(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return columns of a frame, words made of whole numbers where the training had words."""
        words = {column.name for column in self.columns if column.kind == "categorical"}
        arrays = {name: np.asarray(raw[name]) for name in words}
        return {**raw, **{name: each.astype(str) for name, each in arrays.items() if each.dtype.kind in "biu"}}

    def select(self, table: Table, *, with_target: bool = False, weight: str | None = None) -> Examples:
        """Return the examples of a table: the columns that the model needs, picked by name, and that of the weights.

        A block of n numbers takes the columns ``name_0`` to ``name_(n-1)``. If the block is the only feature and the
        table lacks these, a table of exactly n columns beside the target's is taken by position.

        The table was read by :func:`read_csv` with ``categorical=preprocessing.categorical``. DataError if columns are
        missing, lack values, or hold words where the model needs numbers.
        """
        targets = [each.column for each in self.outputs.values() if with_target and each.column is not None]
        there = set(table.names)
        names = {column.name: column.table_names for column in self.columns if there.issuperset(column.table_names)}
        if not names and (block := self._by_position(table)):
            names = {self.columns[0].name: block}
        absent = [column for column in self.columns if column.name not in names]
        absent += [target for target in targets if not there.issuperset(target.table_names)]
        if absent:
            advice = header_advice(table.names) if len(absent) == len(self.columns) + len(targets) else ""
            shown = absent[:1] if advice else absent
            raise DataError("\n".join(_absent(table, column) for column in shown) + advice)
        numeric = {name for column in self.columns if column.kind != "categorical" for name in names[column.name]}
        numeric |= {name for target in targets if target.kind == "numeric" for name in target.table_names}
        wanted = [name for column in self.columns for name in names[column.name]]
        wanted += [name for target in targets for name in target.table_names]
        missing = {name for column in self.columns if column.takes_missing for name in names[column.name]}
        values = table.columns(wanted, numeric, missing)
        features = {
            column.name: column.joined([values[name] for name in names[column.name]]) for column in self.columns
        }
        _require_known(table, values, self.outputs.values() if with_target else ())
        raws = {target.name: target.joined([values[name] for name in target.table_names]) for target in targets}
        labels = {
            each.name: as_whole(raws[each.name]) if each.kind == "integer" else raws[each.name] for each in targets
        }
        weights = None if weight is None else table.weights(weight)
        if self.targets is not None or not labels:
            return Examples(features | labels, weight=weights)
        ((name, raw),) = labels.items()
        return Examples(features, raw, name, self.classes, weight=weights)

    def training_rows(self, examples: Examples, rows: Array, seed: int) -> TrainingRows | None:
        """Return which examples are the training part, for :meth:`apply`; None where no transform asks for it.

        The `seed` is that of :meth:`fit`.
        """
        if not any(isinstance(step.transform, FitsToTarget) for column in self.columns for step in column.steps):
            return None
        labels = self.raw_labels(examples).items()
        changed = {name: each.column is not None and bool(each.column.steps) for name, each in self.outputs.items()}
        return TrainingRows.of([(raw, changed[name]) for name, raw in labels], rows, seed)

    def apply(self, features: Any, dtype: DTypeLike = np.float32, training: TrainingRows | None = None) -> Any:
        """Return x of shape ``(N, *input_shape)`` from raw columns; by name where inputs have names.

        Several columns are flattened and joined in order. A single column keeps its shape, ``(N,)`` becomes ``(N, 1)``.
        An input of indices is int64, one with lengths is :class:`~nnfw.Padded`.

        Raises DataError if a column is missing, of another kind or shape, holds an unknown category, or a value that is
        not finite; if indices or lengths are no whole numbers; if the examples do not fit into memory.

        Parameters
        ----------
        features
            Raw columns by name, or a frame; others are ignored.
        dtype
            Of x, unless x is a single column: a numeric one without transforms is returned as it is, so that a
            memory-mapped one is not copied; one whose transforms end in integers is int64.
        training
            Which rows are those of the training part, as :meth:`training_rows` gives them: transforms that learn from
            the target make each of them without its own label. None, the default, for other examples.
        """
        raw = self._raw(features)
        try:
            found = {
                name: self._input(name, group, raw, np.dtype(dtype), training) for name, group in self._groups.items()
            }
        except MemoryError as error:
            count = len(next(iter(raw.values())))
            raise DataError(
                f"{count:,} examples of shape {self.input_shape} need more memory than there is: {error}. Take fewer "
                "of them, or store them as an .npy array of numbers that needs no transforms, which is not read whole."
            ) from error
        return found if self.names_inputs else found[INPUT]

    def _input(
        self,
        name: str,
        group: InputColumns,
        raw: Mapping[str, Array],
        dtype: np.dtype[np.generic],
        training: TrainingRows | None,
    ) -> Array | Padded:
        with about("input_shape", name):
            x = _joined(self._columns_of(group), raw, None if name in (self.indices or ()) else dtype, training)
            if group.lengths is None:
                return x
            return Padded(x, _whole(raw[group.lengths], group.lengths, "lengths"))

    def raw_of(self, name: str, place: Sequence[int], examples: Examples) -> object:
        """Return the raw value from which an entry of an input was made, whose position in it is `place`."""
        row, *rest = place
        columns = self._columns_of(self._groups[name])
        if len(columns) > 1:
            return _entry(examples.column(columns[_holder(columns, rest[0])].name)[row])
        raw = examples.column(columns[0].name)
        return _entry(raw[(row, *rest)] if raw.ndim == len(place) else raw[row])

    def target(self, examples: Examples, dtype: DTypeLike = np.float32) -> Any:
        """Return y from the raw target; by name where outputs have names.

        After target transforms it is what they make, in `dtype`. Without any: classes as int64 ``(N,)``; whole numbers
        as int64; other numbers in `dtype`, where ``(N,)`` becomes ``(N, 1)``.

        Raises DataError if there is no target, or it holds an unknown class or a value that is not finite.
        """
        found = {}
        for name, raw in self.raw_labels(examples).items():
            with about("targets", name):
                found[name] = self.outputs[name].apply(raw, dtype)
        return found if self.targets is not None else found[""]

    def raw_labels(self, examples: Examples) -> dict[str, Array]:
        """Return the raw target of each output, as :attr:`outputs`; DataError if there is none."""
        if self.targets is not None:
            there, columns = examples.columns, {name: each.column for name, each in self.targets.items() if each.column}
            _require_there(columns.values(), there, "The data")
            raw = {name: there[column.name] for name, column in columns.items()}
            return {
                name: _label(raw[name]) if column.kind == "integer" else raw[name] for name, column in columns.items()
            }
        if self.target_column is None or examples.target is None:
            fitted = self.target_column is not None
            missing = "the data has none" if fitted else "the preprocessing was fitted without a target"
            raise DataError(f"There is no target: {missing}.")
        block = examples.block
        assert block is not None
        return {"": block}

    def labels(self, a: Any) -> Any:
        """Return predictions in the raw target's terms, from the output layer's activations ``(N, *output_shape)``.

        They are names of classes ``(N,)``: that of the largest output, or of class 1 where a single output is above ½.
        For a target of whole numbers without names and several outputs, the number of the largest. Else values in the
        target's unit; in float64 where target transforms were undone. Where outputs have names, `a` and labels are
        given by these.

        Raises DataError if an activation, or a value in the target's unit, is not finite; says of which example.
        """
        if self.targets is not None:
            return {name: each.labels(a[name]) for name, each in self.targets.items()}
        return self.outputs[""].labels(a)

    def _raw(self, features: Any) -> Mapping[str, Array]:
        named = isinstance(features, Mapping)
        there = features if named else columns_of(as_frame(features, "The data"))
        _require_there(self.columns, there, "The data")
        chosen = {column.name: there[column.name] for column in self.columns}
        examples = Examples(chosen if named else self._as_trained(chosen))
        examples.require_filled(self.takes_missing)
        raw = examples.features
        for column in self.columns:
            with about("columns", column.name):
                column.require(raw[column.name])
        return raw

    def _by_position(self, table: Table) -> tuple[str, ...]:
        """Return all columns beside the target's if the only feature is a block of as many numbers; else none."""
        column, targets = self.columns[0], {each.column.name for each in self.outputs.values() if each.column}
        others = tuple(name for name in table.names if name not in targets)
        fit = len(self.columns) == 1 and column.shape and len(others) == len(column.table_names)
        return others if fit else ()


def _require_there(columns: Iterable[Column], names: Iterable[str], owner: str) -> None:
    there = tuple(names)
    known = set(there)
    missing = [column.name for column in columns if column.name not in known]
    if missing:
        lines = [f"{owner} lacks the column {name!r}.{did_you_mean(name, there)}" for name in missing]
        raise DataError("\n".join(lines) + f" It has: {listed(there)}.")


def _entries(array: Array, shape: Shape) -> Array:
    """Return entries of a shape from numbers side by side; the array itself if they are not as many."""
    return array.reshape(-1, *shape) if array.shape[-1:] == (prod(shape),) else array


def _entry(value: Any) -> object:
    return value.item() if getattr(value, "ndim", 1) == 0 else value.tolist()


def _holder(columns: Sequence[Column], position: int) -> int:
    """Return which of the columns that make up an input holds a position in it."""
    ends = np.cumsum([column.width for column in columns])
    return int(np.searchsorted(ends, position, side="right"))


def _shape(columns: Sequence[Column]) -> Shape:
    """Return the shape of one example of an input that is made of these columns."""
    return columns[0].output_shape or (1,) if len(columns) == 1 else (sum(column.width for column in columns),)


def _joined(
    columns: Sequence[Column],
    raw: Mapping[str, Array],
    dtype: np.dtype[np.generic] | None,
    training: TrainingRows | None,
) -> Array:
    """Return one input in `dtype`; indices, in int64, where that is None."""
    if len(columns) == 1:
        (column,) = columns
        x = column.apply(raw[column.name], training)
        if dtype is None:
            x = _whole(x, column.name, "indices")
        elif column.steps and not column.output_kind:
            x = cast(x, dtype, f"Column {column.name!r}")
        return x if column.output_shape else x.reshape(len(x), 1)
    count = len(next(iter(raw.values())))
    x = np.empty((count, *_shape(columns)), np.int64 if dtype is None else dtype)
    start = 0
    for column in columns:
        values = column.apply(raw[column.name], training).reshape(count, column.width)
        stop = start + column.width
        name = column.name
        x[:, start:stop] = _whole(values, name, "indices") if dtype is None else cast(values, dtype, f"Column {name!r}")
        start = stop
    return x


def _whole(values: Array, name: str, what: str) -> Array:
    """Return indices or lengths as integers; DataError names the first that is none."""
    whole = as_whole(values)
    if whole.dtype.kind in "iub":
        return whole
    row, *rest = np.argwhere(values != np.rint(values))[0].tolist()
    raise DataError(
        f"Column {name!r} must hold {what}, which are whole numbers, got {values[(row, *rest)]} in row {row} (from 0)."
    )


def _label(raw: Array) -> Array:
    """Return a target from the columns of a dataset, whose whole numbers may be classes."""
    return as_whole(raw) if raw.ndim == 1 and not categorical(raw) else raw


def _absent(table: Table, column: Column) -> str:
    has = f"It has {len(table.names)}: {listed(table.names)}."
    if not column.shape:
        return f"{table.name}: lacks the column {column.name!r}.{did_you_mean(column.name, table.names)} {has}"
    names = column.table_names
    return (
        f"{table.name}: lacks the {len(names)} columns of {column.name!r}. Name them {names[0]!r} to {names[-1]!r}, or "
        f"give exactly {len(names)} columns of numbers, or name the dataset that reads the table as in the training: "
        f"NAME:path={table.name},.... {has}"
    )


def _require_known(table: Table, values: Mapping[str, Array], targets: Iterable[Target]) -> None:
    """Refuse words that are none of the classes; DataError names the line."""
    for target in targets:
        if target.column is None or target.column.kind != "categorical" or target.classes is None:
            continue
        unknown = ~np.isin(values[target.column.name], target.classes)
        if unknown.any():
            row = int(np.argmax(unknown))
            word = str(values[target.column.name][row])
            near = did_you_mean(word, target.classes, 1)
            text = f"unknown class {short(word)}; expected {listed(target.classes)}.{near}"
            raise DataError(table.at(target.column.name, row, text))


def _raw_column(name: str) -> Callable[[Examples], Array]:
    return lambda examples: examples.column(name)


def _training_rows(
    examples: Examples, chosen: Mapping[str, list[Transform]], targets: Mapping[str, ColumnFit], seed: int
) -> TrainingRows | None:
    """Return all examples as the training part, if a transform learns from the target."""
    learning = [transform for own in chosen.values() for transform in own if isinstance(transform, FitsToTarget)]
    if not learning:
        return None
    if not targets:
        raise DataError(f"There is no target for the transform {short(learning[0])}, which learns from it.")
    labels = [(fit.raw(examples), bool(fit.transforms)) for fit in targets.values()]
    return TrainingRows.of(labels, slice(None), seed)


def _fits_of_targets(
    first: Examples, transforms: Sequence[Transform], targets: Mapping[str, str] | None, *, whole: bool
) -> dict[str, ColumnFit]:
    """Return how the target of each output is fitted, if there is any; that of the only one under the empty name.

    `first` are all examples if they are `whole`: then numbers without a fraction are whole numbers.
    """
    named = targets is not None

    def raw_of(name: str, examples: Examples) -> Array:
        raw = examples.column(name) if named else examples.block
        assert raw is not None
        with about("columns", name):
            require_finite(raw, f"Column {name!r}")
        return _label(raw) if named and whole else raw

    if targets is None and first.target is None:
        if transforms:
            raise DataError(f"There is no target for the target transform {short(transforms[0])}.")
        return {}
    if targets is None:
        targets = {"": listed([first.target_name, *first.further])}
        if first.further and (chosen := [transform for transform in transforms if transform.columns is not None]):
            raise DataError(
                f"{short(chosen[0])} names columns, but the targets {targets['']} are the numbers of one output, which "
                "a transform changes together. Leave its columns out, or name an output for each target."
            )
    labels = {name: raw_of(name, first) for name in targets.values()}
    _require_columns(transforms, labels, "target columns")
    if lossy := [transform for transform in transforms if not transform.invertible]:
        raise DataError(
            f"{short(lossy[0])} cannot be undone, so it cannot change a target: predictions would not have its unit. "
            "Take it out of the target transforms."
        )
    return {
        output: ColumnFit(
            name,
            "categorical"
            if categorical(labels[name])
            else "integer"
            if labels[name].dtype.kind in "iub"
            else "numeric",
            _of_column(name, labels[name], transforms) if named else transforms,
            partial(raw_of, name),
        )
        for output, name in targets.items()
    }


def _target(
    fit: ColumnFit, classes: tuple[str, ...] | None, parts: Parts, entries: tuple[str, ...] | None = None
) -> Target:
    """Return a target, which may be made of several columns; the classes of words are `classes`, else the words."""
    column = replace(fit.column(next(iter(parts))), entries=entries)
    if column.kind != "categorical" or (classes is not None and not column.steps):
        return Target(column, classes)
    if (
        column.steps and not column.output_shape and column.output_kind is None
    ):  # numbers in place of words, such as ranks
        return Target(column)
    return Target(column, words_in(column.name, parts))


def _of_column(name: str, raw: Array, transforms: Iterable[Transform]) -> list[Transform]:
    kind = "categorical" if categorical(raw) else "numeric"
    return [
        transform
        for transform in transforms
        if (transform.accepts in (kind, "any") if transform.columns is None else name in transform.columns)
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
