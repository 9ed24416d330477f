"""A first good experiment for a table: what the datasets ``csv`` and ``table`` recommend.

An MLP with Mish, dropout and decoupled weight decay, trained with a cosine schedule until the validation cost is best;
numbers are standardized, words become vectors. The network and its training are simpler than in the papers below, and
take less time.

References
----------
D. Holzmüller, L. Grinsztajn, I. Steinwart (2024), *Better by default: strong pre-tuned MLPs and boosted trees on
tabular data*. C. Guo, F. Berkhahn (2016), *Entity embeddings of categorical variables*.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from nnfw.arrays import Array
from nnfw.data import Table, listed, names_in
from nnfw.errors import DataError, shown, warn

Option = str | bool | tuple[str, ...] | None
"""A value of an option of the dataset."""

_MOST_CLASSES, _ROWS_PER_CLASS = 20, 10
"""Numbers are classes if they are whole, so few, and each has so many rows on average."""

_MOST_WORDS = 0.5  # different words for each row; a column of more is text or identifies its row
_LIKE_NUMBERS = "looks like numbers"  # the beginning of a hint
_ROWS_TO_JUDGE = 20  # fewer may determine their target by chance
_SURPRISING = 0.1  # different values, or repeated rows, for each row; with fewer of either, rows are alike by chance
_STRATIFIED = 7  # rows of the rarest class from which each part gets some of it
_TRUNK = "hidden"  # the layer that several outputs take
_TAKEN = (_TRUNK, "vectors", "categories", "numbers", "x", "previous", "layers")  # names that no output may have
_ROLES = ("id", "weight", "group", "time")  # options that name columns which are no features


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
    """

    name: str
    classes: int
    numbered: bool
    rarest: int


@dataclass(frozen=True)
class _Found:
    """What the recipe goes by.

    Parameters
    ----------
    numbers, words
        Columns that become features.
    counts
        For each column of words, how many different ones there are, a missing one included.
    incomplete
        Columns of numbers in which some are missing.
    left_out
        Columns that are no features, with the reason.
    targets
        The targets.
    """

    numbers: tuple[str, ...]
    words: tuple[str, ...]
    counts: tuple[int, ...]
    incomplete: tuple[str, ...]
    left_out: dict[str, str]
    targets: tuple[_Target, ...]

    @property
    def outputs(self) -> dict[str, _Target]:
        """The target of each output by its name; one output for all targets, if they are numbers, has none."""
        if len(self.targets) == 1 or not any(target.classes for target in self.targets):
            return {}
        found: dict[str, _Target] = {}
        for target in self.targets:
            name = re.sub("[^A-Za-z0-9_-]", "_", target.name)
            plain = name[:1].isalpha() and name not in (*found, *_TAKEN)
            found[name if plain else f"target_{len(found) + 1}_{name}"] = target
        return found


def experiment(table: Table, options: Mapping[str, Option]) -> str:
    """Return the text of an experiment file for a table, with a reason beside each choice.

    DataError if a target has missing values or is always the same, or no column is left to learn from.

    Parameters
    ----------
    table
        The table.
    options
        The dataset's ``type``, and the options that the user chose, its path as the file should say it among them.
    """
    found, path = _look(table, options), str(options["path"])
    return "\n".join(
        [
            f"# {shown(path)}: {len(table):,} rows. Change what you like; nnfw train trains it.",
            f"name = {_value(PurePath(path).name.partition('.')[0] or 'table')}",
            "",
            "[data]",
            *_source(options, found),
            *_split(options, found),
            *_transforms(found),
            *_layers(found, len(table)),
            *_training(found, len(table)),
            "",
        ]
    )


def _look(table: Table, options: Mapping[str, Option]) -> _Found:
    targets = tuple(_target(table, name) for name in _names(options, "target"))
    no_features = {*_names(options, "target"), *(name for role in _ROLES for name in _names(options, role))}
    left_out = dict.fromkeys(_names(options, "exclude"), "excluded")
    chosen = _names(options, "features")
    table.columns(chosen, missing=chosen)  # what is no feature is refused
    columns: dict[str, list[str]] = {"numbers": [], "words": []}
    for name in chosen or table.features:
        reason = _reason(table, name)
        if name in left_out or (name in no_features and name not in chosen):
            continue
        if reason and not chosen:
            left_out[name] = reason
        else:
            columns[table.kind(name)].append(name)
    if not any(columns.values()):
        reasons = listed([f"{name} ({reason})" for name, reason in left_out.items()])
        advice = f" Left out: {reasons}. Name columns in features to take them all the same." if left_out else ""
        raise DataError(f"{table.name}: no column is left to learn from. Its columns: {listed(table.names)}.{advice}")
    table.columns([*columns["numbers"], *columns["words"]], missing=table.names)  # what no training takes is refused
    for told in (
        *_unread(left_out),
        *(leak for target in targets for leak in _leaks(table, columns, target)),
        *_repeated(table, columns, _names(options, "target")),
    ):
        warn(f"{table.name}: {told}")
    return _Found(
        tuple(columns["numbers"]),
        tuple(columns["words"]),
        tuple(table.seen(name).distinct + bool(table.seen(name).missing) for name in columns["words"]),
        tuple(name for name in columns["numbers"] if table.seen(name).missing),
        left_out,
        targets,
    )


def _target(table: Table, name: str) -> _Target:
    """Return what a target is; DataError if it is always the same, or nearly every row has a word of its own."""
    values = table.columns([name])[name]
    if table.seen(name).distinct < 2:
        raise DataError(f"{table.name}: the target {name!r} is always the same, so there is nothing to learn.")
    _, counts = np.unique(values, return_counts=True)
    words = table.kind(name) == "words"
    if words and len(counts) > max(_MOST_CLASSES, _MOST_WORDS * len(table)):
        raise DataError(
            f"{table.name}: the target {name!r} has {len(counts):,} different words in {len(table):,} rows, which are "
            "no classes: most rows have one of their own. Name another target."
        )
    few = len(counts) <= min(_MOST_CLASSES, len(table) / _ROWS_PER_CLASS)
    classes = len(counts) if words or (few and bool((values == np.rint(values)).all())) else 0
    return _Target(name, classes, classes > 0 and not words, int(counts.min()))


def _reason(table: Table, name: str) -> str:
    """Return why a column should be no feature; nothing if it may be one."""
    hint = table.hint(name)
    if table.kind(name) == "other":
        return "neither numbers nor words"
    if table.kind(name) == "numbers":
        return "identifies rows" if hint.startswith("identifies") else ""
    if hint.startswith("dates"):
        return "dates"
    different = "nearly all different" if table.seen(name).distinct > _MOST_WORDS * len(table) else ""
    return hint if different and hint.startswith(_LIKE_NUMBERS) else different


def _unread(left_out: Mapping[str, str]) -> Iterator[str]:
    """Yield what is lost with columns of numbers that cannot be read."""
    for name, reason in left_out.items():
        if reason.startswith(_LIKE_NUMBERS):
            yield f"column {name!r} is left out: it {reason}, without currencies and units."


def _leaks(table: Table, columns: Mapping[str, list[str]], target: _Target) -> Iterator[str]:
    """Yield which features tell a target exactly: by their values, or as thresholds between classes."""
    if len(table) < _ROWS_TO_JUDGE:
        return
    labels = np.unique(table.columns([target.name])[target.name], return_inverse=True)[1]
    for name in (*columns["words"], *columns["numbers"]):
        try:
            feature = table.columns([name], missing=[name])[name]
        except DataError:
            continue  # training will say what is wrong with it
        if _determines(np.unique(feature, return_inverse=True)[1], labels, target.classes):
            yield (
                f"column {name!r} determines the target exactly. If it is not known before the target is, "
                f"exclude it: exclude = {_value((name,))}."
            )


def _determines(feature: Array, target: Array, classes: int) -> bool:
    """Return whether the target is a function of a feature, and not only because each value occurs once or twice.

    Both are given as ranks. Values occur ten times on average, or thresholds separate the classes, or a numeric target
    never falls, or never rises, with the feature.
    """
    order = np.lexsort((target, feature))
    values, labels = feature[order], target[order]
    changes, steps = labels[1:] != labels[:-1], values[1:] != values[:-1]
    if (changes & ~steps).any():
        return False
    repeated = 10 * (1 + int(steps.sum())) <= len(values)
    if classes:
        return repeated or int(changes.sum()) == classes - 1
    rises = np.diff(labels)
    return repeated or bool((rises >= 0).all() or (rises <= 0).all())


def _repeated(table: Table, columns: Mapping[str, list[str]], targets: Iterable[str]) -> Iterator[str]:
    """Yield how many rows are repeated, unless the table has so few different values that this is no surprise."""
    names = (*columns["numbers"], *columns["words"])
    few = max(table.seen(name).distinct for name in names) < _SURPRISING * len(table)
    if few or len(table) < _ROWS_TO_JUDGE:
        return
    count = table.repeated_rows((*names, *targets))
    if count > _SURPRISING * len(table):
        yield (
            f"{count:,} of {len(table):,} rows repeat an earlier one. Where copies are in different parts, the "
            "results on validation and test data are too good: remove them."
        )


def _names(options: Mapping[str, Option], name: str) -> tuple[str, ...]:
    """Return the names in an option."""
    value = options.get(name)
    return () if isinstance(value, bool) else names_in(value)


def _source(options: Mapping[str, Option], found: _Found) -> list[str]:
    words = _names(options, "categorical")
    numbered = [target for target in found.targets if target.numbered]
    changed = {
        "exclude": tuple(found.left_out),
        "categorical": (*words, *(target.name for target in numbered if target.name not in words)),
    }
    every = {**options, **changed}
    reasons = [f"# {shown(name)}: {reason}" for name, reason in found.left_out.items()]
    reasons += [f"# {shown(each.name)}: {each.classes} whole numbers, taken for classes" for each in numbered]
    written = ", ".join(f"{name} = {_value(value)}" for name, value in every.items() if value != ())
    return [*reasons, f"source = {{ {written} }}"]


def _split(options: Mapping[str, Option], found: _Found) -> list[str]:
    by = [f"; the newest rows, by {shown(name)}, are held out" for name in _names(options, "time")]
    by += [f"; rows of one {shown(name)} stay together" for name in _names(options, "group")]
    first = found.targets[0]
    stratified = not by and first.classes > 0 and first.rarest >= _STRATIFIED
    shares = "".join(by) or ", each with its share of every class" * stratified
    return [
        f"# The validation part says when to stop, the test part how good the network is{shares}.",
        f"split = {{ validation = 0.15, test = 0.15{', stratify = true' * stratified} }}",
    ]


def _transforms(found: _Found) -> list[str]:
    lines = ["transforms = ["]
    complete = [name for name in (*found.numbers, *found.words) if name not in found.incomplete]
    if found.incomplete:
        told = "columns = " + _value(found.incomplete)
        lines.append(f'    {{ type = "fill", by = "median", indicator = true, {told} }},  # missing here: say so')
    if complete:
        own = f", columns = {_value(tuple(complete))}" if found.incomplete else ""
        lines.append(f'    {{ type = "fill", by = "median"{own} }},  # complete here, but new data may not be')
    if found.words:
        lines.append('    "index",  # words become vectors; one is for new ones')
    if found.numbers:
        lines.append('    "standardize",')
    lines.append("]")
    if not all(target.classes for target in found.targets):
        lines.append('target_transforms = ["standardize"]  # the network predicts numbers around 0')
    if found.words:
        lines += ["", "[data.inputs]", f"categories = {_value(found.words)}"]
        lines += [f"numbers = {_value(found.numbers)}"] if found.numbers else []
    if found.outputs:
        lines += ["", "[data.targets]  # an output for each"]
        lines += [f"{name} = {_value(target.name)}" for name, target in found.outputs.items()]
        lines += ["", "[model]", f"outputs = {_value(tuple(found.outputs))}"]
    return lines


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
        if found.numbers:
            lines += ["", "[[model.layers]]", 'type = "concatenate"', 'inputs = ["vectors", "numbers"]']
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
    if not found.outputs:
        units = found.targets[0].classes or len(found.targets)
        return ["", "[[model.layers]]", 'type = "dense"', *_units(units, classes=found.targets[0].classes > 0)]
    lines = []
    for name, target in found.outputs.items():
        lines += ["", "[[model.layers]]", f'name = "{name}"', 'type = "dense"', f'inputs = ["{_TRUNK}"]']
        lines += _units(target.classes or 1, classes=target.classes > 0)
    return lines


def _units(count: int, *, classes: bool) -> list[str]:
    return [f"units = {count}", *['activation = "softmax"'] * classes]


def _training(found: _Found, rows: int) -> list[str]:
    batch, epochs = next((b, e) for most, b, e in _SIZES if rows < most)
    return [
        *_costs(found),
        *("", "[optimizer]", 'type = "adamw"', "learning_rate = 2e-3", "weight_decay = 1e-2"),
        *("", "[training]", f"epochs = {epochs}  # at most", f"batch_size = {batch}"),
        f"metrics = {_metrics(found)}",
        'schedule = { type = "cosine", warmup = 2 }',
        'callbacks = [{ type = "early_stopping", patience = 30 }]  # the best epoch is kept',
    ]


def _costs(found: _Found) -> list[str]:
    if not found.outputs:
        return ["", "[cost]", f'type = "{_cost(found.targets[0])}"']
    each = found.outputs.items()
    return [line for name, target in each for line in ("", f"[cost.{name}]", f'type = "{_cost(target)}"')]


def _cost(target: _Target) -> str:
    return "cross_entropy" if target.classes else "mse"


def _metrics(found: _Found) -> str:
    own = {name: _value(_METRICS[target.classes > 0]) for name, target in found.outputs.items()}
    if not own:
        return _value(_METRICS[found.targets[0].classes > 0])
    return f"{{ {', '.join(f'{name} = {value}' for name, value in own.items())} }}"


_METRICS = {True: ("accuracy",), False: ("r2", "mae")}
"""Of classes, and of numbers."""

_SIZES = ((5_000, 64, 150), (20_000, 128, 80), (100_000, 256, 50), (np.inf, 512, 20))
"""Batch and epochs for tables with fewer rows than the first number."""


def _value(value: Option) -> str:
    """Return an option as TOML, whose basic strings are those of JSON, but for DEL."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
