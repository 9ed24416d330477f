"""A first good experiment for a table: what the datasets ``csv`` and ``table`` recommend.

An MLP with Mish, dropout and decoupled weight decay, trained with a cosine schedule until the validation cost of the
averaged parameters is best. Numbers are standardized; in larger tables, their quantiles become waves of learned
frequencies. Words become vectors. The network and its training are simpler than in the papers below, and take less
time. docs/tables.md has what it was compared with.

References
----------
D. Holzmüller, L. Grinsztajn, I. Steinwart (2024), *Better by default: strong pre-tuned MLPs and boosted trees on
tabular data*. Y. Gorishniy, I. Rubachev, A. Babenko (2022), *On embeddings for numerical features in tabular deep
learning*. C. Guo, F. Berkhahn (2016), *Entity embeddings of categorical variables*.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, NamedTuple

import numpy as np

from nnfw.data import Dates, Table, leaks, listed, names_in, require_different
from nnfw.errors import DataError, shown
from nnfw.plain import PlainTable
from nnfw.toml import inline
from nnfw_standard.suitable_transforms import MOST_WORDS, Kinds, transforms_for

Option = str | bool | tuple[str, ...] | None
"""A value of an option of the dataset."""

_MOST_CLASSES, _ROWS_PER_CLASS = 20, 10
"""Numbers are classes if they are whole, so few, and each has so many rows on average."""

_ROWS_FOR_TEST = 5_000  # with fewer, those of a test part are missed in training
_ROWS_FOR_WAVES, _MOST_WAVES = 3_000, 100  # waves overfit small tables, and take long for many columns
_STRATIFIED = 7  # rows of the rarest class from which each part gets some of it
_TRUNK = "hidden"  # the layer that several outputs take
_TAKEN = (
    _TRUNK,
    "vectors",
    "waves",
    "categories",
    "numbers",
    "x",
    "previous",
    "layers",
)  # names that no output may have
_ROLES = ("id", "weight", "group", "time")  # options that name columns which are no features


_Kind = Literal["classes", "numbers", "labels"]
"""What an output gives; of several labels any number may be right."""


@dataclass(frozen=True)
class _Target:
    """What the recipe goes by in a target.

    Parameters
    ----------
    name
        Its column.
    classes
        How many classes it has; 0 for a number.
    numbered
        Whether the classes are numbers.
    rarest
        Rows of the rarest class.
    yes_or_no
        Whether it is 0 or 1.
    """

    name: str
    classes: int
    numbered: bool
    rarest: int
    yes_or_no: bool

    @property
    def kind(self) -> _Kind:
        """What an output for it gives."""
        return "classes" if self.classes else "numbers"


@dataclass(frozen=True)
class _Found:
    """What the recipe goes by.

    Parameters
    ----------
    numbers, words
        Columns that become features.
    dates
        Columns of dates that become features, and how they are written.
    counts
        For each column of words, how many different ones there are, a missing one included.
    incomplete
        Columns of numbers in which some are missing.
    left_out
        Columns that are no features, with the reason.
    codes
        Columns of numbers that are taken for words.
    leaks
        What is to be said of features that tell a target.
    targets
        The targets.
    """

    numbers: tuple[str, ...]
    words: tuple[str, ...]
    dates: dict[str, Dates]
    counts: tuple[int, ...]
    incomplete: tuple[str, ...]
    left_out: dict[str, str]
    codes: tuple[str, ...]
    leaks: list[str]
    targets: tuple[_Target, ...]

    @property
    def numeric(self) -> tuple[str, ...]:
        """The features that are numbers, or become some."""
        return (*self.numbers, *self.dates)

    @property
    def kind(self) -> _Kind | None:
        """What one output for all targets gives; None if each needs its own."""
        kinds = {target.kind for target in self.targets}
        if len(self.targets) > 1 and all(target.yes_or_no for target in self.targets):
            return "labels"
        return self.targets[0].kind if len(self.targets) == 1 or kinds == {"numbers"} else None

    @property
    def outputs(self) -> dict[str, _Target]:
        """The target of each output by its name, if there is not one for all."""
        if self.kind is not None:
            return {}
        found: dict[str, _Target] = {}
        for target in self.targets:
            name = re.sub("[^A-Za-z0-9_-]", "_", target.name)
            plain = name[:1].isalpha() and name not in (*found, *_TAKEN)
            found[name if plain else f"target_{len(found) + 1}_{name}"] = target
        return found


def experiment(table: Table, options: Mapping[str, Option], coded: tuple[str, ...] = ()) -> str:
    """Return the text of an experiment file for a table, with a reason beside each choice.

    DataError if a target has missing values or is always the same, or no column is left to learn from.

    Parameters
    ----------
    table
        The table.
    options
        The dataset's ``type``, and the options that the user chose, its path as the file should say it among them.
    coded
        Columns of numbers that are taken for words, as :func:`codes` finds them; they are among the options.
    """
    found, path = _look(table, options, coded), str(options["path"])
    return "\n".join(
        [
            f"# {shown(path)}: {len(table):,} rows. Change what you like; nnfw train trains it.",
            f"name = {_value(PurePath(path).name.partition('.')[0] or 'table')}",
            "",
            "[data]",
            *_source(options, found),
            *_split(options, found, len(table)),
            *_transforms(found, len(table)),
            *_layers(found, len(table)),
            *_training(found, len(table)),
            "",
        ]
    )


def codes(table: Table, others: Collection[str]) -> tuple[str, ...]:
    """Return the columns of numbers that are names of few things, such as postcodes, beside `others`."""
    return tuple(
        name
        for name in table.names
        if name not in others and table.finding(name) in ("codes", "rounded") and not _many(table, name)
    )


def _many(table: Table, name: str) -> bool:
    """Return whether the values of a column are nearly all different."""
    return table.seen(name).distinct > MOST_WORDS * len(table)


def _look(table: Table, options: Mapping[str, Option], coded: tuple[str, ...]) -> _Found:
    targets = tuple(_target(table, name) for name in _names(options, "target"))
    no_features = {*_names(options, "target"), *(name for role in _ROLES for name in _names(options, role))}
    left_out = dict.fromkeys(_names(options, "exclude"), "excluded")
    chosen, kept = _names(options, "features"), _names(options, "categorical")
    table.columns(chosen, missing=chosen)  # what is no feature is refused
    columns: dict[str, list[str]] = {"numbers": [], "words": [], "dates": []}
    for name in chosen or table.features:
        reason = _reason(table, name)
        if name in left_out or (name in no_features and name not in chosen):
            continue
        if reason and not chosen:
            left_out[name] = reason
        else:
            dates = None if name in kept else table.dates(name)
            columns["dates" if dates and not dates.doubt else table.kind(name)].append(name)
    features = [name for names in columns.values() for name in names]
    if not features:
        reasons = listed([f"{name} ({reason})" for name, reason in left_out.items()])
        advice = f" Left out: {reasons}. Name columns in features to take them all the same." if left_out else ""
        raise DataError(f"{table.name}: no column is left to learn from. Its columns: {listed(table.names)}.{advice}")
    table.columns(features, missing=table.names)  # what no training takes is refused
    found = [text for each in targets for text in leaks(table, features, each.name, classes=each.classes > 0)]
    return _Found(
        tuple(columns["numbers"]),
        tuple(columns["words"]),
        {name: dates for name in columns["dates"] if (dates := table.dates(name))},
        tuple(table.seen(name).distinct + bool(table.seen(name).missing) for name in columns["words"]),
        tuple(name for name in columns["numbers"] if table.seen(name).missing),
        left_out,
        coded,
        [text.removeprefix(f"{table.name}: ") for text in found],
        targets,
    )


def _target(table: Table, name: str) -> _Target:
    """Return what a target is; DataError for a single row, if it is always the same, or if most words are different."""
    if len(table) < 2:
        raise DataError(f"{table.name} has a single row; there is nothing to learn from it.")
    values = table.columns([name])[name]
    require_different(table, name, np.arange(len(table)))
    _, counts = np.unique(values, return_counts=True)
    words = table.kind(name) == "words"
    if words and len(counts) > max(_MOST_CLASSES, MOST_WORDS * len(table)):
        raise DataError(
            f"{table.name}: the target {name!r} has {len(counts):,} different words in {len(table):,} rows, which are "
            "no classes: most rows have one of their own. Name another target."
        )
    few = len(counts) <= min(_MOST_CLASSES, len(table) / _ROWS_PER_CLASS)
    classes = len(counts) if words or (few and bool((values == np.rint(values)).all())) else 0
    yes_or_no = not words and np.unique(values).tolist() == [0, 1]
    return _Target(name, classes, classes > 0 and not words, int(counts.min()), yes_or_no)


def _reason(table: Table, name: str) -> str:
    """Return why a column should be no feature; nothing if it may be one."""
    kind, finding, dates = table.kind(name), table.finding(name), table.dates(name)
    if kind == "other":
        return "neither numbers nor words"
    if dates is not None:
        return dates.doubt and f"dates, but {dates.doubt}; correct them, or use the transform date"
    if finding == "unread numbers" and _many(table, name):
        return "looks like numbers: write them as 1234.5, without currencies and units"
    if finding == "identifier":
        return "identifies rows"
    if (kind == "words" or finding in ("codes", "rounded")) and _many(table, name):
        return "nearly all different"
    return ""


def _names(options: Mapping[str, Option], name: str) -> tuple[str, ...]:
    """Return the names in an option."""
    value = options.get(name)
    return () if isinstance(value, bool) else names_in(value)


def _source(options: Mapping[str, Option], found: _Found) -> list[str]:
    words = _names(options, "categorical")
    numbered = [target for target in found.targets if target.numbered and found.kind != "labels"]
    changed = {
        "exclude": tuple(found.left_out),
        "categorical": (*words, *(target.name for target in numbered if target.name not in words)),
    }
    every = {**options, **changed}
    reasons = [f"# {shown(name)}: {reason}" for name, reason in found.left_out.items() if reason != "excluded"]
    reasons += [f"# {shown(name)}: codes, taken for words" for name in found.codes]
    reasons += [f"# {shown(name)}: rows without it are left out" for name in _names(options, "drop_missing")]
    reasons += [f"# {shown(each.name)}: {each.classes} whole numbers, taken for classes" for each in numbered]
    together = listed([target.name for target in found.targets])
    reasons += [f"# {shown(together)}: labels, of which a row may have several"] * (found.kind == "labels")
    written = ", ".join(f"{name} = {_value(value)}" for name, value in every.items() if value != ())
    return [*reasons, f"source = {{ {written} }}", *(f"# {text}" for text in found.leaks)]


def _split(options: Mapping[str, Option], found: _Found, rows: int) -> list[str]:
    held_out = [f"The newest rows, by {shown(name)}, are held out." for name in _names(options, "time")]
    together = [f"Rows of one {shown(name)} stay together." for name in _names(options, "group")]
    first = found.targets[0]
    stratified = not (held_out or together) and first.classes > 0 and first.rarest >= _STRATIFIED
    if rows < _ROWS_FOR_TEST:
        purpose = "To judge with so few rows: nnfw evaluate RUN --cross-validation 5."
    else:
        purpose = "The test part says how good the network is."
    test = "0.0" if rows < _ROWS_FOR_TEST else "0.1"
    return [
        f"# {' '.join(('The validation part says when to stop.', purpose, *held_out, *together))}",
        f"split = {{ validation = 0.15, test = {test}{', stratify = true' * stratified} }}"
        + "  # each with its share of every class" * stratified,
    ]


def _transforms(found: _Found, rows: int) -> list[str]:
    kinds = Kinds(found.numbers, found.incomplete, found.dates, vectors=found.words, rows=rows)
    chosen = [f"    {_component(table)},  # {reason}" for table, reason in transforms_for(kinds)]
    lines = ["transforms = [", *chosen, "]"]
    if not all(target.classes for target in found.targets):
        lines.append('target_transforms = ["standardize"]  # the network predicts numbers around 0')
    if found.words:
        lines += ["", "[data.inputs]", f"categories = {_value(found.words)}"]
        lines += [f"numbers = {_value(found.numeric)}"] if found.numeric else []
    if found.outputs:
        lines += ["", "[data.targets]  # an output for each"]
        lines += [f"{name} = {_value(target.name)}" for name, target in found.outputs.items()]
        lines += ["", "[model]", f"outputs = {_value(tuple(found.outputs))}"]
    return lines


def _component(table: PlainTable) -> str:
    return inline(table["type"] if table.keys() == {"type"} else table)


def _layers(found: _Found, rows: int) -> list[str]:
    lines: list[str] = []
    if found.words:
        counts = [count + 1 for count in found.counts]
        widths = [min(50, (count + 1) // 2) for count in counts]
        lines += [
            *("", "[[model.layers]]", 'name = "vectors"', 'type = "category_embedding"', 'inputs = ["categories"]'),
            f"counts = {counts}  # the words of each column, and one for new ones",
            f"widths = {widths}",
        ]
    numbers = "numbers"
    if found.numeric and len(found.numeric) <= _MOST_WAVES and rows >= _ROWS_FOR_WAVES:
        numbers = "waves"
        lines += ["", "[[model.layers]]", 'name = "waves"', 'type = "periodic"  # so that steep changes are learned']
        lines += ['inputs = ["numbers"]'] * bool(found.words)
        lines += ["frequencies = 16", "width = 4"]
    if found.words and found.numeric:
        lines += ["", "[[model.layers]]", 'type = "concatenate"', f'inputs = ["vectors", "{numbers}"]']
    units = 128 if rows < 20_000 else 256
    for _ in range(2):
        lines += ["", "[[model.layers]]", 'type = "dense"', f"units = {units}", 'activation = "mish"']
        lines += ["", "[[model.layers]]", 'type = "dropout"', "rate = 0.15"]
    if found.outputs:
        last = len(lines) - lines[::-1].index("[[model.layers]]")
        lines.insert(last, f'name = "{_TRUNK}"')
    return [*lines, *_ends(found)]


def _ends(found: _Found) -> list[str]:
    """Return the layers that give the outputs; all of them take what the hidden layers give."""
    if found.kind is not None:
        units = found.targets[0].classes if found.kind == "classes" else len(found.targets)
        return ["", "[[model.layers]]", 'type = "dense"', *_units(units, found.kind)]
    lines = []
    for name, target in found.outputs.items():
        lines += ["", "[[model.layers]]", f'name = "{name}"', 'type = "dense"', f'inputs = ["{_TRUNK}"]']
        lines += _units(target.classes or 1, target.kind)
    return lines


def _units(count: int, kind: _Kind) -> list[str]:
    activation = _OUTPUTS[kind].activation
    return [f"units = {count}", *[f'activation = "{activation}"'] * (activation != "")]


def _training(found: _Found, rows: int) -> list[str]:
    batch, epochs = next((b, e) for most, b, e in _SIZES if rows < most)
    return [
        *_costs(found),
        *("", "[optimizer]", 'type = "adamw"', "learning_rate = 2e-3", "weight_decay = 1e-2"),
        *("", "[training]", f"epochs = {epochs}  # at most", f"batch_size = {batch}"),
        f"metrics = {_metrics(found)}",
        'schedule = { type = "cosine", warmup = 2 }',
        'callbacks = [{ type = "early_stopping", patience = 30 }]  # the best epoch is kept',
        *("", "[training.average]  # of the parameters over the last steps", 'type = "ema"', "decay = 0.98"),
    ]


def _costs(found: _Found) -> list[str]:
    if found.kind is not None:
        return ["", "[cost]", f'type = "{_OUTPUTS[found.kind].cost}"']
    lines = []
    for name, target in found.outputs.items():
        lines += ["", f"[cost.{name}]", f'type = "{_OUTPUTS[target.kind].cost}"']
    return lines


def _metrics(found: _Found) -> str:
    if found.kind is not None:
        return _OUTPUTS[found.kind].metrics
    return f"{{ {', '.join(f'{name} = {_OUTPUTS[own.kind].metrics}' for name, own in found.outputs.items())} }}"


class _Output(NamedTuple):
    """What the recipe writes for an output."""

    activation: str
    cost: str
    metrics: str


_F1 = '{ type = "f1", multilabel = true, average = "micro" }'
_OUTPUTS: dict[_Kind, _Output] = {
    "classes": _Output("softmax", "cross_entropy", '["accuracy"]'),
    "numbers": _Output("", "mse", '["r2", "mae"]'),
    "labels": _Output("sigmoid", "binary_cross_entropy", f'["exact_match", {_F1}]'),
}

_SIZES = ((5_000, 64, 150), (20_000, 128, 80), (100_000, 256, 50), (np.inf, 512, 20))
"""Batch and epochs for tables with fewer rows than the first number."""


def _value(value: Option) -> str:
    """Return an option as TOML, whose basic strings are those of JSON, but for DEL."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
