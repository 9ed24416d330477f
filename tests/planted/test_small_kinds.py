"""Wrong schedules, initializers, regularizers, metrics, datasets, transforms and callbacks, and the check for each."""

import os
import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import nnfw
from nnfw.compute import kernels, kernels_only
from nnfw.data import Examples
from nnfw.plugins import default_registry
from nnfw.testing import checks_of, run_checks
from nnfw_standard import (
    L1,
    L2,
    MSE,
    R2,
    ROCAUC,
    SGD,
    XOR,
    Accuracy,
    ConfusionMatrix,
    Constant,
    Cosine,
    CSVLog,
    Dropout,
    EarlyStopping,
    GlorotNormal,
    GlorotUniform,
    LogLoss,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MinMax,
    OneHot,
    Spearman,
    Standardize,
    Step,
    TargetEncoding,
)

KINDS = ("schedule", "initializer", "regularizer", "metric", "dataset", "transform", "callback")
_KEPT = {}


def changed(base, options=(), attributes=(), **methods):
    """Return a component with other methods, each ``method(self, parent's method, *arguments)``."""

    def overriding(name, function):
        def method(self, *arguments):
            return function(self, getattr(super(cls, self), name), *arguments)

        method.__name__ = name
        return method

    body = {name: overriding(name, function) for name, function in methods.items()}
    cls = dataclass(frozen=True)(type("Changed", (base,), {**body, **dict(attributes), "__annotations__": {}}))
    return cls(*options)


def in_place(array, factor=2.0):
    array *= factor
    return array


def counted(self, parent, *arguments):
    _KEPT["n"] = _KEPT.get("n", 0) + 1
    return parent(*arguments) * (1 + 1e-3 * _KEPT["n"])


def own_rows(self, parent, fit, record, state):
    """Write what this process has seen, no matter what was there."""
    with (fit.directory / "log.txt").open("a" if "opened" in state else "w") as file:
        state["opened"] = object()
        file.write(f"{record['epoch']}\n")


TURNS = count()


class Halves(nnfw.Source):
    """The examples of XOR in two chunks."""

    schema = np.dtype([("x1", "f8"), ("x2", "f8"), ("y", "f8", (1,))])
    chunks = (2, 2)
    target = "y"

    def __init__(self):
        self.counter, self.turn = count(), next(TURNS)

    def rows(self, chunk, more=0.0):
        columns = XOR().load(Path()).columns
        return {name: column[2 * chunk : 2 * chunk + 2] + more for name, column in columns.items()}

    def read(self, chunk):
        return self.rows(chunk)


@dataclass(frozen=True)
class Opens(XOR):
    """The exclusive or, in two chunks."""

    def open(self, directory):
        return Halves()


def opening(**changes):
    """Return XOR with an `open`, whose source has other methods or attributes."""
    source = type("Changed", (Halves,), changes)
    return changed(XOR, open=lambda s, p, d: source())


@dataclass(frozen=True)
class Swapped(Accuracy):
    """Accuracy that writes its two numbers in the wrong order."""

    @kernels_only
    def write_statistics(self, a, y, weight, out):
        return super().write_statistics(a, y, weight, out[::-1])


@dataclass(frozen=True)
class Share(Accuracy):
    """The mean output: sums whose order matters."""

    def statistics(self, a, y, weight=None):
        return np.array([np.sum(a[:, 0], dtype=np.float64), len(a)])

    @kernels_only
    def write_statistics(self, a, y, weight, out):
        kernels().mean(np.ascontiguousarray(a[:, 0]), 1, out[:1])
        kernels().mean(np.ones(1), 1 / len(a), out[1:])
        return True


class Count:
    """A number that is not plain."""

    n = 0


def sudden(self, parent, fit, record, state):
    """Stop after two epochs, counted in an object."""
    state.setdefault("count", Count()).n += 1
    if state["count"].n == 2:
        fit.stop("enough")


def shared(self, parent, shape, *rest):
    buffer = _KEPT.setdefault(shape, np.empty(shape))
    buffer[...] = parent(shape, *rest)
    return buffer


def slightly_off(self, parent, w, gradient):
    parent(w, gradient)
    gradient *= 1 + 1e-4


def refuses(self, parent, a, y, weight=None):
    raise nnfw.DataError("no")


def by_identity(position):
    """Return a method that copies one of its arrays once, whatever is in it later."""

    def statistics(self, parent, *arrays):
        arrays = list(arrays)
        if _KEPT.get("array") is not arrays[position]:
            _KEPT.update(array=arrays[position], copy=arrays[position].copy())
        arrays[position] = _KEPT["copy"]
        return parent(*arrays)

    return statistics


def shifted(examples):
    return Examples({name: column + np.random.default_rng().normal() for name, column in examples.features.items()})


def kept(self, parent, directory):
    return _KEPT.setdefault("examples", parent(directory))


def in_the_order_of_the_system(list_names):
    """Return a load that reads the names of a folder in the order in which the system lists them."""
    return lambda self, parent, directory: Examples({"name": np.array(list_names(Path(nnfw.__file__).parent))})


def of_classes(target, classes):
    """Return a load of examples with this target."""
    return lambda self, parent, directory: Examples({"x": np.arange(3.0)}, np.array(target), classes=classes)


def remembered(self, parent, column):
    return {**parent(column), "array": column}


def centred(self, parent, column, fitted):
    changed = parent(column, fitted)
    return changed - changed.mean(axis=0)


def moving(self, parent, fit, record, state):
    fit.vector[...] *= 1.01
    parent(fit, record, state)


def flattering(self, parent, fit, record, state):
    parent(fit, record, state)
    record["cost"] *= 0.5


@dataclass(frozen=True)
class Slip(nnfw.Callback):
    """Ends a training, if only it were called."""

    def epoch_end(self, fit, record, state):
        fit.stop("seen enough")


def stopping_once(self, parent, fit, record, state):
    _KEPT["runs"] = _KEPT.get("runs", 0) + 1
    if _KEPT["runs"] > 3:
        fit.stop("enough")


def unready(self, parent, fit):
    raise RuntimeError("only for 2 epochs or more") if fit.epochs == 1 else RuntimeError("never")


@dataclass(frozen=True)
class Median(nnfw.Transform):
    """x' = x − median: a transform whose author wrote `fit` alone.

    Parameters
    ----------
    columns
        Names of the columns; all numeric ones by default.
    """

    columns: tuple[str, ...] | None = None
    accepts: ClassVar = "numeric"

    def fit(self, column):
        return {"median": np.median(column, axis=0).tolist()}

    def apply(self, column, fitted):
        return column - np.asarray(fitted["median"])

    def invert(self, column, fitted):
        return column + np.asarray(fitted["median"])


@dataclass(frozen=True)
class Filled(Median):
    """The median in place of what is missing, and beside it 1 where it was missing, else 0.

    Parameters
    ----------
    columns
        Names of the columns; all numeric ones by default.
    """

    takes_missing: ClassVar = True

    def fit(self, column):
        there = np.where(np.isnan(column).all(axis=0), 0.0, column)  # 0 where nothing is known
        return {"median": np.nanmedian(there, axis=0).tolist()}

    def apply(self, column, fitted):
        missing = np.isnan(column)
        return np.stack([np.where(missing, np.asarray(fitted["median"]), column), missing], axis=-1)

    def invert(self, column, fitted):
        return column[..., 0]


@dataclass(frozen=True)
class Half(nnfw.Metric):
    """Half of what is right."""

    higher_is_better = True

    def statistics(self, a, y, weight=None):
        return np.array([np.mean(a), 1.0])

    def result(self, statistics):
        return float(statistics[0] / statistics[1])


@dataclass(frozen=True)
class MedianOutput(nnfw.Metric):
    """The median output, from all outputs; NaN for one output."""

    higher_is_better = True

    def statistics(self, a, y, weight=None):
        return np.repeat(a[:, -1], 1 if weight is None else weight.astype(int)).astype(np.float64)

    def merge(self, first, second):
        return np.concatenate([first, second])

    def result(self, statistics):
        return float("nan") if np.ptp(statistics) == 0 else float(np.median(statistics))


def doubled(a, y, weight):
    return 2 * MeanSquaredError().result(MeanSquaredError().statistics(a, y, weight))


WRONG = {
    # schedules
    "schedule-number": (changed(Cosine, factor=lambda s, p, t, *r: 1.0), "schedule.gives_one_factor_for_each_time"),
    "schedule-negative": (
        changed(Cosine, factor=lambda s, p, t, *r: 0.5 - t),
        "schedule.is_finite_and_not_negative",
    ),
    "schedule-in-place": (
        changed(Cosine, factor=lambda s, p, t, *r: p(in_place(t, 0.5), *r)),
        "schedule.changes_nothing_it_is_given",
    ),
    "schedule-counts-calls": (changed(Step, (2,), factor=counted), "schedule.is_a_pure_function"),
    "schedule-of-the-position": (
        changed(Cosine, factor=lambda s, p, t, *r: np.linspace(1, 0.5, len(t))),
        "schedule.each_time_has_a_factor_of_its_own",
    ),
    # initializers
    "initializer-flat": (
        changed(GlorotNormal, sample=lambda s, p, *r: p(*r).ravel()),
        "initializer.gives_the_shape_it_is_asked_for",
    ),
    "initializer-infinite": (changed(GlorotNormal, sample=lambda s, p, *r: p(*r) * 1e300), "initializer.is_finite"),
    "initializer-own-generator": (
        changed(GlorotNormal, sample=lambda s, p, a, b, c, rng: p(a, b, c, np.random.default_rng())),
        "initializer.same_seed_gives_same_values",
    ),
    "initializer-global-generator": (
        changed(GlorotNormal, sample=lambda s, p, *r: p(*r) + np.random.random()),  # noqa: NPY002
        "initializer.same_seed_gives_same_values",
    ),
    "initializer-shared": (changed(GlorotNormal, sample=shared), "initializer.gives_memory_of_its_own"),
    "initializer-fan-in-for-both": (
        changed(GlorotNormal, sample=lambda s, p, shape, i, o, rng: p(shape, i, i, rng)),
        "initializer.variance_is_as_declared",
    ),
    "initializer-deviation-for-variance": (
        changed(GlorotNormal, sample=lambda s, p, shape, i, o, rng: rng.normal(0, 2 / (i + o), shape)),
        "initializer.variance_is_as_declared",
    ),
    "initializer-7-percent-more": (
        changed(GlorotNormal, sample=lambda s, p, *r: p(*r) * np.sqrt(1.07)),
        "initializer.variance_is_as_declared",
    ),
    "initializer-7-percent-less": (
        changed(GlorotUniform, sample=lambda s, p, *r: p(*r) * np.sqrt(0.93)),
        "initializer.variance_is_as_declared",
    ),
    # regularizers
    "regularizer-numpy-number": (changed(L2, value=lambda s, p, w: np.float64(p(w))), "regularizer.value_is_a_number"),
    "regularizer-twice": (
        changed(L2, add_gradient=lambda s, p, w, g: (p(w, g), p(w, g))[0]),
        "regularizer.gradient_is_the_gradient_of_value",
    ),
    "regularizer-1e-4": (changed(L1, add_gradient=slightly_off), "regularizer.gradient_is_the_gradient_of_value"),
    "regularizer-overwrites": (
        changed(L2, add_gradient=lambda s, p, w, g: g.fill(0) or p(w, g)),
        "regularizer.adds_to_the_gradient",
    ),
    "regularizer-weights-in-place": (
        changed(L2, value=lambda s, p, w: p(in_place(w))),
        "regularizer.leaves_weights_alone",
    ),
    "regularizer-float16": (
        changed(
            L2,
            add_gradient=lambda s, p, w, g: p(w.astype(np.float16).astype(w.dtype) if w.dtype == np.float32 else w, g),
        ),
        "regularizer.keeps_dtype",
    ),
    "regularizer-of-the-order": (
        changed(L2, value=lambda s, p, w: p(w * np.arange(len(w)))),
        "regularizer.order_does_not_matter",
    ),
    # metrics
    "metric-refuses": (changed(Accuracy, statistics=refuses), "metric.takes_some_labels"),
    "metric-no-direction": (changed(Accuracy, attributes={"higher_is_better": None}), "metric.says_what_is_better"),
    "metric-domain-upside-down": (changed(LogLoss, attributes={"domain": (1, 0)}), "metric.domain_is_an_interval"),
    "metric-shift-of-text": (changed(R2, attributes={"ignores_shift": "yes"}), "metric.ignores_a_shift"),
    "metric-shift-that-counts": (
        changed(MeanAbsolutePercentageError, attributes={"ignores_shift": True}),
        "metric.ignores_a_shift",
    ),
    "metric-domain-of-text": (changed(LogLoss, attributes={"domain": "0 to 1"}), "metric.domain_is_an_interval"),
    "metric-ranks-of-batches": (
        changed(Spearman, statistics=lambda s, p, *r: np.array([p(*r).mean(axis=0)])),
        "metric.adds_up_over_batches",
    ),
    "metric-area-without-weights": (
        changed(ROCAUC, statistics=lambda s, p, a, y, w=None: p(a, y)),
        "metric.weights_count_examples",
    ),
    "metric-area-of-the-first-of-equals": (
        changed(ROCAUC, figure=lambda s, p, x, *r: p(np.argsort(np.argsort(x, kind="stable")), *r)),
        "metric.order_of_examples_does_not_matter",
    ),
    "metric-float32": (
        changed(Accuracy, statistics=lambda s, p, *r: p(*r).astype(np.float32)),
        "metric.statistics_are_float64",
    ),
    "metric-mean-of-batches": (Half(), "metric.adds_up_over_batches"),
    "metric-merges-the-last-alone": (
        changed(MedianOutput, merge=lambda s, p, first, second: second),
        "metric.adds_up_over_batches",
    ),
    "metric-merges-to-float32": (
        changed(MedianOutput, merge=lambda s, p, *r: p(*r).astype(np.float32)),
        "metric.adds_up_over_batches",
    ),
    "metric-merges-in-place": (
        changed(Accuracy, merge=lambda s, p, first, second: in_place(first, 1.5)),
        "metric.leaves_its_arguments_alone",
    ),
    "metric-merges-to-text": (
        changed(Accuracy, merge=lambda s, p, *r: str(p(*r))),
        "metric.adds_up_over_batches",
    ),
    "metric-first-example": (
        changed(MeanSquaredError, statistics=lambda s, p, a, y, w=None: p(a, y, w) + p(a[:1], y[:1])),
        "metric.order_of_examples_does_not_matter",
    ),
    "metric-without-weights": (
        changed(MeanAbsoluteError, statistics=lambda s, p, a, y, w=None: p(a, y)),
        "metric.weights_count_examples",
    ),
    "metric-in-place": (
        changed(MeanSquaredError, statistics=lambda s, p, a, y, w=None: p(in_place(a), y, w)),
        "metric.leaves_its_arguments_alone",
    ),
    "metric-outputs-by-identity": (changed(MeanSquaredError, statistics=by_identity(0)), "metric.remembers_nothing"),
    "metric-labels-by-identity": (changed(Accuracy, statistics=by_identity(1)), "metric.remembers_nothing"),
    "metric-written-wrong": (Swapped(), "metric.written_statistics_are_the_statistics"),
    "metric-written-fractions": (Share(), "metric.written_statistics_are_the_statistics"),
    "metric-text": (changed(ConfusionMatrix, result=lambda s, p, x: str(p(x))), "metric.result_is_a_number"),
    "metric-halved": (MeanSquaredError(), "metric.agrees_with_its_formula"),
    # datasets
    "dataset-opens-others": (opening(read=lambda s, k: s.rows(k, 1.0)), "dataset.open_gives_what_load_gives"),
    "dataset-opens-two-rows": (opening(chunks=[1, 1]), "dataset.open_gives_what_load_gives"),
    "dataset-chunk-too-long": (opening(chunks=[1, 2]), "dataset.open_gives_what_load_gives"),
    "dataset-opens-other-classes": (opening(classes=("a", "b")), "dataset.open_gives_what_load_gives"),
    "dataset-opens-a-list": (
        changed(XOR, open=lambda s, p, d: [p(d)]),
        "dataset.open_gives_what_load_gives",
    ),
    "dataset-goes-on-reading": (
        opening(read=lambda s, k: s.rows(s.counter.__next__() % 2)),
        "dataset.chunks_do_not_depend_on_what_was_read",
    ),
    "dataset-draws-when-it-opens": (
        opening(read=lambda s, k: s.rows(k, s.turn)),
        "dataset.chunks_do_not_depend_on_what_was_read",
    ),
    "dataset-fingerprint-of-the-time": (
        opening(fingerprint=lambda s: str(s.turn)),
        "dataset.fingerprint_is_the_same_for_the_same_data",
    ),
    "dataset-fingerprint-is-a-number": (
        opening(fingerprint=lambda s: 3),
        "dataset.fingerprint_is_the_same_for_the_same_data",
    ),
    "dataset-tuple": (changed(XOR, load=lambda s, p, d: tuple(p(d).features)), "dataset.loads_examples"),
    "dataset-random": (changed(XOR, load=lambda s, p, d: shifted(p(d))), "dataset.loads_the_same_twice"),
    "dataset-kept": (changed(XOR, load=kept), "dataset.copies_are_independent"),
    "dataset-lists-a-folder": (
        changed(XOR, load=in_the_order_of_the_system(lambda folder: [path.name for path in folder.iterdir()])),
        "dataset.does_not_depend_on_the_order_of_a_folder",
    ),
    "dataset-finds-files": (
        changed(XOR, load=in_the_order_of_the_system(lambda folder: [path.name for path in folder.glob("*.py")])),
        "dataset.does_not_depend_on_the_order_of_a_folder",
    ),
    "dataset-walks-a-folder": (
        changed(
            XOR, load=in_the_order_of_the_system(lambda folder: [name for _, _, own in os.walk(folder) for name in own])
        ),
        "dataset.does_not_depend_on_the_order_of_a_folder",
    ),
    "dataset-class-without-a-name": (
        changed(XOR, load=of_classes([0, 1, 2], ("a", "b"))),
        "dataset.classes_are_those_of_the_target",
    ),
    "dataset-classes-from-1": (
        changed(XOR, load=of_classes([1, 2, 2], ("a", "b"))),
        "dataset.classes_are_those_of_the_target",
    ),
    "dataset-words-of-no-class": (
        changed(XOR, load=of_classes(["a", "b", "c"], ("a", "b"))),
        "dataset.classes_are_those_of_the_target",
    ),
    "dataset-class-twice": (
        changed(XOR, load=of_classes([0, 1, 2], ("a", "b", "b"))),
        "dataset.classes_are_those_of_the_target",
    ),
    "dataset-shape": (changed(XOR, input_shape=lambda s, p: (7,)), "dataset.input_shape_is_real"),
    # transforms
    "transform-accepts-all": (changed(Standardize, attributes={"accepts": "all"}), "transform.says_what_it_accepts"),
    "transform-array": (changed(Standardize, fit=remembered), "transform.fitted_values_are_json"),
    "transform-drops": (changed(Standardize, apply=lambda s, p, c, f: p(c, f)[1:]), "transform.keeps_the_examples"),
    "transform-one-way": (changed(MinMax, invert=lambda s, p, c, f: c), "transform.is_undone_by_invert"),
    "transform-of-the-batch": (changed(Standardize, apply=centred), "transform.examples_are_changed_one_by_one"),
    "transform-in-place": (
        changed(Standardize, fit=lambda s, p, c: p(in_place(c))),
        "transform.leaves_its_arguments_alone",
    ),
    "transform-last-part": (
        changed(Standardize, add=lambda s, p, gathered, part: p(None, part)),
        "transform.parts_are_like_the_whole",
    ),
    "transform-keeps-a-part": (
        changed(Median, add=lambda s, p, gathered, part: [*gathered, part]),
        "transform.parts_are_like_the_whole",
    ),
    "transform-adds-in-place": (
        changed(Median, add=lambda s, p, gathered, part: p(gathered, in_place(part))),
        "transform.leaves_its_arguments_alone",
    ),
    "transform-divides-by-zero": (
        changed(Standardize, apply=lambda s, p, c, f: (c - c.mean(0)) / c.std(0)),
        "transform.constant_column_stays_finite",
    ),
    "transform-missing-alone": (
        changed(Filled, fit=lambda s, p, c: p(c) if not np.isnan(c).all() else {"median": np.nan}),
        "transform.missing_numbers_are_taken",
    ),
    "transform-missing-becomes-infinite": (
        changed(Filled, apply=lambda s, p, c, f: np.where(np.isnan(c).all(), np.inf, p(c, f))),
        "transform.missing_numbers_are_taken",
    ),
    "transform-missing-changes-the-shape": (
        changed(Filled, apply=lambda s, p, c, f: p(c, f) if np.isnan(c).any() else c),
        "transform.missing_numbers_are_taken",
    ),
    "transform-silent-about-new-words": (
        changed(OneHot, apply=lambda s, p, c, f: p(c, f) if "violet" not in c else np.zeros((0, 3))),
        "transform.new_values_are_handled",
    ),
    "transform-knows-its-label": (
        changed(TargetEncoding, cross_fit=lambda s, p, c, y, rng: s.apply(c, s.fit_to(c, y))),
        "transform.training_rows_do_not_carry_their_label",
    ),
    # callbacks
    "callback-never": (changed(CSVLog, state=unready), "callback.runs_in_a_training"),
    "callback-keeps-count": (changed(EarlyStopping, epoch_ended=stopping_once), "callback.state_is_fresh"),
    "callback-moves-parameters": (changed(CSVLog, epoch_ended=moving), "callback.leaves_parameters_alone"),
    "callback-rewrites-a-record": (changed(CSVLog, epoch_ended=flattering), "callback.leaves_records_alone"),
    "callback-with-a-slip": (Slip(), "callback.spells_its_methods"),
    "callback-forgets-rows": (changed(CSVLog, epoch_ended=own_rows), "callback.goes_on_from_a_checkpoint"),
    "callback-forgets-a-count": (changed(EarlyStopping, epoch_ended=sudden), "callback.goes_on_from_a_checkpoint"),
    "callback-leaves-a-file-open": (
        changed(CSVLog, close=lambda s, p, state: _KEPT.setdefault("open", []).append(state["file"])),
        "callback.closes_what_it_opens",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_component_is_found(case):
    _KEPT.clear()
    component, check = WRONG[case]
    report = run_checks(component, only=[check], formula=doubled if case == "metric-halved" else None)
    for file in filter(None, _KEPT.pop("open", [])):  # None, if the training took too long and ended before its start
        file.close()
    assert [item.check for item in report.failures] == [check], report


NONSENSE = [None, "text", 1j, np.array([None]), np.array(["a", "b"]), {}]
OF_THIS_TEST = {"component.pickles", "component.is_documented"}


@pytest.mark.parametrize("found", NONSENSE, ids=lambda value: str(value).replace("\n", " "))
@pytest.mark.parametrize(
    ("base", "method"),
    [
        (Accuracy, "statistics"),
        (Accuracy, "merge"),
        (Accuracy, "result"),
        (Cosine, "factor"),
        (MSE, "value"),
        (MSE, "gradient"),
        (MSE, "targets"),
    ],
    ids=["statistics", "merge", "result", "factor", "value", "gradient", "targets"],
)
def test_every_check_that_meets_nonsense_names_the_method(base, method, found):
    report = run_checks(changed(base, **{method: lambda s, p, *r: found}))
    failures = [item for item in report.failures if item.check not in OF_THIS_TEST]
    assert failures
    assert all(f"{method} returned" in item.message for item in failures), report


def test_every_check_of_these_kinds_finds_something():
    found = {check for _, check in WRONG.values()}
    assert {check.id for kind in KINDS for check in checks_of(kind) if check.id.startswith(f"{kind}.")} == found


@pytest.mark.parametrize(
    "component",
    [L1(0.0), L2(0.0), Dropout(0.0), SGD(0.1, weight_decay=0.0), Constant(0.0), Step(3, rate=1.0), MedianOutput()],
    ids=repr,
)
def test_right_component_of_a_rare_sort_passes_everything(component):
    report = run_checks(component)
    assert report.ok, report


def test_dataset_that_opens_its_examples_passes_everything():
    report = run_checks(Opens())
    assert report.ok, report
    own = {item.check: item.status for item in report.outcomes if item.check.startswith("dataset.")}
    assert {own[check] for _, check in WRONG.values() if check in own and ("open" in check or "chunks" in check)} == {
        "passed"
    }


@pytest.mark.parametrize("transform", [Median(), Filled()], ids=repr)
def test_transform_with_fit_alone_passes_everything(transform):
    report = run_checks(transform)
    assert report.ok, report


FILES = {"characters", "csv", "idx", "image_folder", "npy", "npz", "sequences_csv", "table", "text_lines"}
"""Datasets that read what a test of their own writes: tests/standard/test_datasets.py and the files beside it."""


@pytest.mark.parametrize(
    "name", [f"{kind}:{item.name}" for kind in KINDS for item in default_registry().components(kind)]
)
def test_standard_component_passes_everything(name):
    kind, _, plain = name.partition(":")
    if kind == "dataset" and plain in FILES:
        with pytest.raises(nnfw.ConfigError, match="Give a value for"):
            run_checks(name)
        return
    report = run_checks(name)
    assert report.ok, report


def test_dataset_that_reads_a_file_passes_everything(tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text("a,b,y\n1,2,p\n3,4,q\n5,6,p\n")
    monkeypatch.chdir(tmp_path)
    for name in ("csv", "table"):
        report = run_checks(name, options={"path": "x.csv", "target": "y"})
        assert report.ok, report


def test_fitted_values_that_are_no_json_are_shown():
    component, check = WRONG["transform-array"]
    (failure,) = run_checks(component, only=[check]).failures
    assert re.search(r"^fit returned \{.*\}, which is not JSON: TypeError: ", failure.message, re.DOTALL)


def test_values_fitted_to_missing_numbers_alone_are_shown():
    component, check = WRONG["transform-missing-alone"]
    (failure,) = run_checks(component, only=[check]).failures
    text = (
        "fitted to missing numbers alone, it returned {'median': nan}, which is not JSON: ValueError: Out of range "
        "float values are not JSON compliant"
    )
    assert failure.message.startswith(text)
    assert failure.message.endswith(" Fit another value, or raise DataError.")
