"""The checks of transforms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw.conformance.outcomes import CheckFailed, applies_if, require
from nnfw.conformance.requirements import equal, require_array, rows_of, unchanged
from nnfw.conformance.subjects import Subject
from nnfw.errors import DataError, in_words
from nnfw.protocols import FitsToTarget, Transform

_EXAMPLES = 9
_UNDONE = 1e-6  # relative to the size of the column
_MISSING = 0.3  # of the numbers of a column, for a transform that takes missing ones
_NUMERIC, _CATEGORICAL, _ANY = "numeric", "categorical", "any"
_WORDS = np.array(["red", "green", "blue", "green"])
_OTHER = 1e3  # added to a label, to see whether it shows
_WORDS_MISSING = np.array(["red", "", "blue", "red"])


def exercise(subject: Subject[Transform], component: Transform) -> list[object]:
    """Use a transform as nnfw does, and return everything that it computes."""
    results: list[object] = []
    for column in _columns(subject):
        fitted = _fit(component, column)
        changed = component.apply(column, fitted)
        results += [dict(fitted), changed, component.invert(changed, fitted)]
        if isinstance(component, FitsToTarget):
            results.append(component.cross_fit(column, _target(len(column)), subject.rng()))
        else:
            results.append(_fitted_in_parts(component, column))
    return results


def check_says_what_it_accepts(subject: Subject[Transform]) -> None:
    """Accepts is "numeric", "categorical" or "any"."""
    found = subject.component.accepts
    text = f"accepts is {found!r}, expected 'numeric', 'categorical' or 'any'."
    require(found in (_NUMERIC, _CATEGORICAL, _ANY), text)


def check_fitted_values_are_json(subject: Subject[Transform]) -> None:
    """What fit returns can be written as JSON, and works the same after reading it back."""
    for column in _columns(subject):
        fitted = dict(_fit(subject.component, column))
        try:
            again = json.loads(json.dumps(fitted, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise CheckFailed(f"fit returned {fitted}, which is not JSON: {in_words(error)}.") from error
        found = [subject.component.apply(column, each) for each in (fitted, again)]
        require(equal(*found), "read from JSON, the fitted values lead to another column.")


def check_parts_are_like_the_whole(subject: Subject[Transform]) -> None:
    """Start, add and finish give a column that comes in parts the values of fit; no part is kept without a copy."""
    component = subject.component
    applies_if(not isinstance(component, FitsToTarget), "it learns from the target, and never gets parts")
    for column in _columns(subject):
        found, expected = (
            component.apply(column, fitted) for fitted in (_fitted_in_parts(component, column), _fit(component, column))
        )
        same = _near(found, expected) if expected.dtype.kind in "fc" else equal(found, expected)
        require(same, "fitted to a column in parts, it changes the column otherwise than fitted to the whole.")


def check_keeps_the_examples(subject: Subject[Transform]) -> None:
    """Apply returns an array with an entry for each example."""
    for column in _columns(subject):
        changed = subject.component.apply(column, _fit(subject.component, column))
        changed = require_array(changed, "apply", words=column.dtype.kind == "U")
        require(len(changed) == len(column), f"apply made {len(changed)} entries of {len(column)}.")


def check_is_undone_by_invert(subject: Subject[Transform]) -> None:
    """Invert gives back what apply was given, but for missing values; if not invertible, a column that apply takes."""
    component = subject.component
    for column in _columns(subject):
        fitted = _fit(component, column)
        changed = component.apply(column, fitted)
        found = component.invert(changed, fitted)
        if not component.invertible:
            again = component.apply(require_array(found, "invert", words=True), fitted)
            require(again.shape == changed.shape, "what invert returns has another shape than what apply was given.")
            continue
        there = ~_missing(column) if component.takes_missing else np.full(column.shape, True)
        same = found.shape == column.shape
        if column.dtype.kind in "fiu":
            same = same and _near(found[there], column[there])
        else:
            same = same and equal(found[there].tolist(), column[there].tolist())
        require(same, "invert does not give back what apply was given.")


def check_examples_are_changed_one_by_one(subject: Subject[Transform]) -> None:
    """Apply depends only on the fitted values and the example, not on other examples."""
    for column in _columns(subject):
        fitted = _fit(subject.component, column)
        whole = subject.component.apply(column, fitted)
        part = subject.component.apply(column[2:5], fitted)
        require(equal(whole[2:5], part), "apply to a part of a column gives other values than to the whole.")


def check_leaves_its_arguments_alone(subject: Subject[Transform]) -> None:
    """Fit, add, apply, invert and cross_fit change neither column nor fitted values."""
    for column in _columns(subject):
        with unchanged("it changes the column that it is given.", column):
            if not isinstance(subject.component, FitsToTarget):
                subject.component.add(subject.component.start(), column)
            fitted = dict(_fit(subject.component, column))
            kept = json.dumps(fitted)
            changed = subject.component.apply(column, fitted)
            with unchanged("it changes the column that it is given.", changed):
                subject.component.invert(changed, fitted)
            if isinstance(subject.component, FitsToTarget):
                with unchanged("it changes the target that it is given.", target := _target(len(column))):
                    subject.component.fit_to(column, target)
                    subject.component.cross_fit(column, target, subject.rng())
        require(json.dumps(fitted) == kept, "it changes the fitted values.")


def check_constant_column_stays_finite(subject: Subject[Transform]) -> None:
    """A column of equal values gives finite numbers."""
    rows = (column[~_missing(column).reshape(len(column), -1).any(axis=1)][:1] for column in _columns(subject))
    for column in (rows_of(row, _EXAMPLES) for row in rows if len(row)):
        changed = subject.component.apply(column, _fit(subject.component, column))
        applies_if(changed.dtype.kind in "fiub", "it gives no numbers")
        require(np.isfinite(changed).all(), "a column of equal values becomes one that is not finite.")


def check_new_values_are_handled(subject: Subject[Transform]) -> None:
    """A value missing from the training split gives a finite number, or a DataError that names it."""
    applies_if(not any(True for _ in subject.samples()), "it is tried with its own samples alone")
    if subject.component.accepts != _CATEGORICAL:
        fitted = _fit(subject.component, np.linspace(0, 1, _EXAMPLES))
        changed = subject.component.apply(np.array([-5.0, 7.0]), fitted)
        require(
            changed.dtype.kind not in "fc" or np.isfinite(changed).all(), "a new value becomes one that is not finite."
        )
        return
    fitted = _fit(subject.component, _WORDS)
    try:
        changed = subject.component.apply(np.array(["violet"]), fitted)
    except DataError as error:
        require("violet" in str(error), f"its DataError does not name the new category 'violet': {error}")
        return
    require(len(changed) == 1, f"a new category becomes {len(changed)} entries.")


def check_missing_numbers_are_taken(subject: Subject[Transform]) -> None:
    """Where it takes missing numbers, it may find none of them in training, or nothing else, and others later."""
    component = subject.component
    applies_if(component.takes_missing, "it declares takes_missing = False")
    applies_if(component.accepts != _CATEGORICAL, "it takes words")
    numbers = np.linspace(0, 1, _EXAMPLES)
    missing = np.full(_EXAMPLES, np.nan)
    later = [component.apply(missing, _fit(component, numbers)), component.apply(numbers, _fit(component, numbers))]
    require(
        later[0].shape == later[1].shape,
        f"fitted to numbers, it makes {later[1].shape} of numbers, and {later[0].shape} of missing ones.",
    )
    require(not np.isinf(later[0]).any(), "a missing number becomes an infinite one.")
    try:
        fitted = dict(_fit(component, missing))
    except DataError:
        return
    try:
        json.dumps(fitted, allow_nan=False)
    except (TypeError, ValueError) as error:
        text = f"fitted to missing numbers alone, it returned {fitted}, which is not JSON: {in_words(error)}."
        raise CheckFailed(f"{text} Fit another value, or raise DataError.") from error


def check_training_rows_do_not_carry_their_label(subject: Subject[Transform]) -> None:
    """Cross_fit makes each row without its own label, the same again from the same state of the generator.

    So a category that is there once tells nothing of its label. The folds do not depend on the labels either.
    """
    component = subject.component
    if not isinstance(component, FitsToTarget):
        applies_if(False, "it does not learn from the target")
        return
    for column in _columns(subject):
        target = _target(len(column))
        made = component.cross_fit(column, target, subject.rng())
        again = component.cross_fit(column, target, subject.rng())
        require(equal(made, again), "cross_fit gives other rows from the same state of the generator.")
        expected = component.apply(column, component.fit_to(column, target)).shape
        made = require_array(made, "cross_fit")
        require(made.shape == expected, f"cross_fit gives the shape {made.shape}, apply {expected}.")
        for row in range(len(column)):
            other = target.copy()
            other[row] += _OTHER
            found = component.cross_fit(column, other, subject.rng())[row]
            require(equal(found, made[row]), f"row {row} of the training part changes with its own label.")


def _fit(component: Transform, column: Array) -> Mapping[str, Any]:
    """Return what it fits to a column, and to a target if it learns from that."""
    if isinstance(component, FitsToTarget):
        return component.fit_to(column, _target(len(column)))
    return component.fit(column)


def _target(count: int) -> Array:
    """Return a target of one number for each example."""
    return np.square(np.arange(count, dtype=np.float64)).reshape(-1, 1)


def _columns(subject: Subject[Transform]) -> list[Array]:
    """Return columns that it accepts: its samples, or words, or numbers, with missing ones if it takes them."""
    if sampled := list(subject.samples()):
        return [rows_of(require_array(column, "samples", words=True), _EXAMPLES) for column in sampled]
    rng, component = subject.rng(), subject.component
    words = [np.resize(_WORDS, _EXAMPLES), *[np.resize(_WORDS_MISSING, _EXAMPLES)] * component.takes_missing]
    if component.accepts == _CATEGORICAL:
        return words
    columns = [10 + 3 * rng.standard_normal(_EXAMPLES), rng.standard_normal((_EXAMPLES, 3))]
    if component.takes_missing:
        columns += [np.where(rng.random(column.shape) < _MISSING, np.nan, column) for column in columns]
    return columns + words * (component.accepts == _ANY)


def _missing(column: Array) -> Array:
    """Return which values are missing."""
    if column.dtype.kind == "f":
        return np.isnan(column)
    return column == "" if column.dtype.kind == "U" else np.full(column.shape, False)


def _fitted_in_parts(component: Transform, column: Array) -> dict[str, object]:
    """Return what it fits to a column in parts that lie in the same memory, one after the other."""
    memory, gathered = column.copy(), component.start()
    for rows in (slice(0, 1), slice(1, 4), slice(4, None)):
        part = column[rows]
        memory[: len(part)] = part
        gathered = component.add(gathered, memory[: len(part)])
    return dict(component.finish(gathered))


def _near(found: Array, expected: Array) -> bool:
    size = float(np.max(np.abs(expected), initial=0, where=~np.isnan(expected)))
    close = found.shape == expected.shape and np.allclose(
        found, expected, rtol=_UNDONE, atol=_UNDONE * size, equal_nan=True
    )
    return bool(close)
