"""The checks of metrics."""

from __future__ import annotations

from functools import partial
from typing import cast

import numpy as np

from nnfw.arrays import Array
from nnfw.conformance.outcomes import NotApplicable, applies_if, require
from nnfw.conformance.requirements import close, equal, require_array, require_pair, rows_of, unchanged
from nnfw.conformance.subjects import Subject
from nnfw.errors import class_name, in_words
from nnfw.ops import DEFINITIONS, Tape, splits
from nnfw.protocols import Metric, WritesStatistics, is_own

_EXAMPLES = 7
_OUTPUTS = (2, 3, 1)
_alike = partial(close, equal_nan=True)  # NaN is the result where there is none: of a class without examples, say


def exercise(subject: Subject[Metric], component: Metric) -> list[object]:
    """Use a metric as nnfw does, and return everything that it computes."""
    a, y = _cases(subject)[0]
    statistics = _statistics(component, a.astype(np.float32), y)
    return [statistics, _result(component, _merged(component, statistics, statistics))]


def check_takes_some_labels(subject: Subject[Metric]) -> None:
    """It accepts outputs with labels of a common form: classes, one-hot vectors or numbers."""
    cases, refusals = _tried(subject)
    text = f"it refuses labels of every form that was tried; the first: {refusals and refusals[0]}"
    require(cases, f"{text} Give it a method samples(rng), which yields what it takes.")


def check_says_what_is_better(subject: Subject[Metric]) -> None:
    """higher_is_better is True or False."""
    found = subject.component.higher_is_better
    require(isinstance(found, bool), f"higher_is_better is {found!r}, expected True or False.")


def check_domain_is_an_interval(subject: Subject[Metric]) -> None:
    """Domain is None or two numbers in order."""
    match getattr(subject.component, "domain", None):
        case None:
            return
        case (int() | float() as low, int() | float() as high) if low < high:
            return
        case found:
            require(False, f"domain is {found!r}, expected None or two numbers in order, such as (0, 1).")


def check_ignores_a_shift(subject: Subject[Metric]) -> None:
    """If it says so, one number added to outputs and labels changes nothing but rounding."""
    found = getattr(subject.component, "ignores_shift", False)
    require(isinstance(found, bool), f"ignores_shift is {found!r}, expected True or False.")
    applies_if(found, "it does not say that it ignores a shift")
    for a, y in _cases(subject):
        before, after = _result_of(subject, a, y), _result_of(subject, a + 1, y + 1)
        require(_alike(before, after), f"it is {before}, and {after} with 1 added to outputs and labels.")


def check_statistics_are_float64(subject: Subject[Metric]) -> None:
    """Statistics is an array of float64, also for outputs in float32: sums over many examples must stay exact."""
    for a, y in _cases(subject):
        for each in (a, a.astype(np.float32)):
            found = _statistics(subject.component, each, y)
            require(found.dtype == np.float64, f"statistics returned {found.dtype}, expected float64.")


def check_adds_up_over_batches(subject: Subject[Metric]) -> None:
    """The merged statistics of parts give the result of the whole, whatever the parts are."""
    metric = subject.component
    for a, y in _cases(subject):
        whole = _statistics(metric, a, y)
        one, two, three = (_statistics(metric, a[rows], y[rows]) for rows in (slice(0, 2), slice(2, 3), slice(3, None)))
        left = _merged(metric, _merged(metric, one, two), three)
        right = _merged(metric, one, _merged(metric, two, three))
        for found in (left, right):
            require(found.dtype == np.float64, f"merge returned {found.dtype}, expected float64.")
            same = _alike(_result(metric, found), _result(metric, whole))
            require(same, "the merged statistics of parts give another result than those of the whole.")
            if not is_own(metric, "merge", Metric):
                require(_alike(found, whole), "the statistics of parts do not add up to those of the whole.")


def check_order_of_examples_does_not_matter(subject: Subject[Metric]) -> None:
    """A permuted batch has the same result, also where outputs are equal."""
    order = np.array([3, 0, 5, 6, 1, 4, 2])
    for a, y in _cases(subject):
        equal_outputs = np.repeat(a[:2], (_EXAMPLES - 2, 2), axis=0)
        for each in (a, equal_outputs):
            same = _alike(_result_of(subject, each, y), _result_of(subject, each[order], y[order]))
            require(same, "the result depends on the order of the examples.")


def check_weights_count_examples(subject: Subject[Metric]) -> None:
    """Weights of 1 change nothing; 2 counts an example twice, and 0 leaves it out."""
    for a, y in _cases(subject):
        ones, weight = np.ones(_EXAMPLES), np.ones(_EXAMPLES)
        require(_alike(_result_of(subject, a, y, ones), _result_of(subject, a, y)), "weights of 1 change it.")
        weight[:2] = 2, 0
        rows = [0, 0, *range(2, _EXAMPLES)]
        found, expected = _result_of(subject, a, y, weight), _result_of(subject, a[rows], y[rows])
        require(_alike(found, expected), f"with weights it is {found}; with the examples repeated {expected}.")


def check_leaves_its_arguments_alone(subject: Subject[Metric]) -> None:
    """No method changes what it is given."""
    for a, y in _cases(subject):
        message = "it changes outputs, labels or statistics."
        with unchanged(message, a, y):
            statistics = _statistics(subject.component, a, y)
            with unchanged(message, statistics):
                _result(subject.component, statistics)
                _merged(subject.component, statistics, statistics)


def check_remembers_nothing(subject: Subject[Metric]) -> None:
    """Statistics depends on the numbers in its arrays, not on which arrays hold them."""
    for a, y in _cases(subject):
        for changed in ((np.roll(a, 1, axis=0), y), (a, np.roll(y, 1, axis=0))):
            expected = _statistics(subject.component, *changed)
            arrays = a.copy(), y.copy()
            _statistics(subject.component, *arrays)
            for array, values in zip(arrays, changed, strict=True):
                array[...] = values  # as a network does: into the arrays of the previous batch
            found = _statistics(subject.component, *arrays)
            require(equal(found, expected), "for other numbers in the same arrays it returns the previous statistics.")


def check_written_statistics_are_the_statistics(subject: Subject[Metric]) -> None:
    """If it can write its statistics by operations, they are whole numbers and those of `statistics`."""
    metric, written = subject.component, False
    for a, y in _cases(subject) if splits(metric, "statistics", "write_statistics") else ():
        tape, right = Tape(DEFINITIONS), _statistics(metric, a, y)
        a, y, out = a[::-1].copy(), y[::-1].copy(), np.empty_like(right)
        if not tape.perform(cast("WritesStatistics", metric).write_statistics, a, y, None, out):
            continue
        tape.finish()
        a[...], y[...] = a[::-1].copy(), y[::-1].copy()  # as a network does: into the arrays of the previous batch
        tape.repeat()
        written = True
        require(equal(out, right), f"write_statistics writes {out}, statistics returns {right}.")
        require(equal(out, np.round(out)), f"write_statistics writes {out}, expected whole numbers.")
    applies_if(written, "it does not write its statistics by operations")


def check_result_is_a_number(subject: Subject[Metric]) -> None:
    """Result is a float, or an array such as a matrix."""
    for a, y in _cases(subject):
        found = _result_of(subject, a, y)
        fits = type(found) is float or isinstance(found, np.ndarray)
        require(fits, f"result returned {type(found).__name__}, expected float or an array.")


def check_agrees_with_its_formula(subject: Subject[Metric]) -> None:
    """Its result equals that of the formula that its author gives to the kit."""
    if subject.formula is None:
        raise NotApplicable("no formula is given: parametrize_checks(..., formula=...)")
    for a, y in _cases(subject):
        for weight in (np.ones(_EXAMPLES), np.linspace(0.5, 2, _EXAMPLES)):
            found, expected = _result_of(subject, a, y, weight), subject.formula(a, y, weight)
            require(_alike(found, expected), f"it is {found}, by its formula {expected}.")


def _result_of(subject: Subject[Metric], a: Array, y: Array, weight: Array | None = None) -> float | Array:
    return _result(subject.component, _statistics(subject.component, a, y, weight))


def _statistics(metric: Metric, a: Array, y: Array, weight: Array | None = None) -> Array:
    return require_array(metric.statistics(a, y, weight), "statistics")


def _merged(metric: Metric, first: Array, second: Array) -> Array:
    return require_array(metric.merge(first, second) if is_own(metric, "merge", Metric) else first + second, "merge")


def _result(metric: Metric, statistics: Array) -> float | Array:
    found = metric.result(statistics)
    if isinstance(found, np.ndarray):
        return require_array(found, "result")
    require(isinstance(found, float), f"result returned {class_name(found)}, expected float or an array.")
    return found


def _cases(subject: Subject[Metric]) -> list[tuple[Array, Array]]:
    """Return outputs and labels that it takes."""
    cases, _ = _tried(subject)
    applies_if(cases, "no labels are known that it takes")
    return cases


def _tried(subject: Subject[Metric]) -> tuple[list[tuple[Array, Array]], list[str]]:
    """Return outputs and labels of the usual forms that it takes, and why it refuses others."""
    if sampled := [require_pair(sample) for sample in subject.samples()]:
        return [(rows_of(a, _EXAMPLES), rows_of(y, _EXAMPLES)) for a, y in sampled], []
    cases, refusals, rng = [], [], subject.rng()
    for outputs in _OUTPUTS:
        a = rng.dirichlet(np.ones(max(2, outputs)), _EXAMPLES)[:, :outputs]
        classes = np.arange(_EXAMPLES) % max(2, outputs)
        forms = {
            "classes": classes,
            "one-hot vectors": np.eye(outputs)[classes % outputs],
            "numbers": rng.random(a.shape),
        }
        for name, y in forms.items():
            try:
                subject.component.result(_statistics(subject.component, a, y))
            except Exception as error:  # arrays that do not fit: one that takes numbers need not take classes
                refusals.append(f"{name}: {in_words(error)}")
            else:
                cases.append((a, y))
    return cases, refusals
