"""Where a check says nothing about a component, it is skipped, with the reason."""

from dataclasses import dataclass

import pytest

from nnfw import DataError, ShapeError
from nnfw.testing import Conformance, Outcome, run_checks
from nnfw_standard import MSE, SGD, XOR, Accuracy, Dense, ReLU, Standardize, Zeros


@dataclass(frozen=True)
class Undeclared(ReLU):
    pass


@dataclass(frozen=True)
class Elsewhere(ReLU):
    pass


Elsewhere.__module__ = "module_made_by_hand"


@dataclass(frozen=True)
class Unbounded(ReLU):
    range = None


@dataclass(frozen=True)
class WholeBatch(Dense):
    rows_independent = False


@dataclass(frozen=True)
class Spoken(MSE):
    def value(self, a, y, weight=None):
        return super().value(a, y, weight)


@dataclass(frozen=True)
class Unsplit(SGD):
    def update(self, vector, gradient, state, step, learning_rate, decays):
        vector -= learning_rate * gradient


@dataclass(frozen=True)
class Anywhere(MSE):
    least_at_labels = False


@dataclass(frozen=True)
class Restless(SGD):
    rests = False


@dataclass(frozen=True)
class Shapeless(XOR):
    def input_shape(self):
        return None


@dataclass(frozen=True)
class Unknown(Zeros):
    def variance(self, shape, fan_in, fan_out):
        return None


@dataclass(frozen=True)
class Shy(Dense):
    def output_shape(self, input_shape):
        raise ShapeError("no")


@dataclass(frozen=True)
class Unlabelled(MSE):
    def targets(self, y, output_shape):
        raise DataError("no")


@dataclass(frozen=True)
class Piled(MSE):
    def targets(self, y, output_shape):
        return super().targets(y, output_shape)[:, None]


@dataclass(frozen=True)
class Blind(Accuracy):
    def statistics(self, a, y, weight=None):
        raise DataError("no")


@dataclass(frozen=True)
class Frozen(XOR):
    def load(self, directory):
        examples = super().load(directory)
        for array in (*examples.features.values(), examples.target):
            array.flags.writeable = False
        return examples


def local():
    @dataclass(frozen=True)
    class Local(ReLU):
        pass

    return Local()


@dataclass(frozen=True)
class Words(Standardize):
    def apply(self, column, fitted):
        return column.astype(str)


@pytest.mark.parametrize(
    ("component", "check", "reason"),
    [
        (Undeclared(), "component.configuration_round_trip", "no plugin declares it, so no file can name it"),
        (Elsewhere(), "component.import_is_fast", "its module 'module_made_by_hand' cannot be imported by name"),
        (Anywhere(), "cost.least_at_labels_where_declared", "it does not declare least_at_labels = True"),
        ("mse", "cost.canonical_delta_is_equation_1", "it names no canonical activation"),
        (WholeBatch(3), "layer.rows_are_independent", "it declares rows_independent = False"),
        (WholeBatch(3), "layer.saves_and_loads", "no plugin declares it, so no file can name it"),
        ("dropout", "layer.wrong_shapes_are_refused", "it takes inputs of every shape"),
        ("dropout", "layer.training_lowers_the_cost", "it has no parameters to train"),
        ("dropout", "layer.gradients_of_parameters", "it has no parameters to train"),
        (Shapeless(), "dataset.input_shape_is_real", "it leaves the shape open"),
        ("accuracy", "metric.agrees_with_its_formula", "no formula is given: parametrize_checks(..., formula=...)"),
        ("sgd", "optimizer.agrees_with_its_formula", "no formula is given: parametrize_checks(..., formula=...)"),
        (
            Unsplit(0.1),
            "optimizer.many_steps_are_like_single_ones",
            "its update is not split into coefficients and apply",
        ),
        (Spoken(), "cost.written_value_is_the_value", "it does not write its value by operations"),
        (Restless(0.1), "optimizer.zero_gradient_is_rest", "it declares rests = False"),
        ("softmax", "activation.derivative_is_the_slope", "it is not Elementwise"),
        ("silu", "activation.monotonic_where_declared", "it does not declare monotonic = True"),
        (Unbounded(), "activation.range_where_declared", "it declares no range"),
        (Unknown(), "initializer.variance_is_as_declared", "its `variance` returns None"),
        (
            Shy(3),
            "layer.rows_are_independent",
            "no shape is known that it takes; declare input_shapes in its ComponentSpec",
        ),
        (Unlabelled(), "cost.value_is_a_number", "no labels are known that it takes"),
        (
            Piled(),
            "cost.least_at_labels_where_declared",
            "labels of shape (4, 1, 3) are no outputs of shape (4, 3)",
        ),
        (Blind(), "metric.adds_up_over_batches", "no labels are known that it takes"),
        (Frozen(), "dataset.copies_are_independent", "what it loads cannot be written"),
        (local(), "component.pickles", "its class is defined inside a function, where pickle cannot find it"),
        ("standardize", "transform.missing_numbers_are_taken", "it declares takes_missing = False"),
        (Words(), "transform.constant_column_stays_finite", "it gives no numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_check_that_does_not_apply_is_skipped_with_the_reason(component, check, reason):
    outcomes = run_checks(component, only=[check]).outcomes
    assert {(item.check, item.status, item.message) for item in outcomes} == {(check, "skipped", reason)}


def test_dataset_that_reads_files_is_skipped_where_its_distribution_is_checked():
    outcomes = {item.component: item for item in run_checks("nnfw", only=["component.constructible"]).outcomes}
    assert outcomes["dataset npy"].status == "skipped"
    assert outcomes["dataset npy"].message == "it needs x: check it with values for them, as it reads files"
    assert outcomes["dataset xor"].status == "passed"


def test_skipped_check_is_counted_as_neither_passed_nor_failed():
    report = run_checks("softmax", only=["activation.derivative_is_the_slope", "activation.keeps_shape_and_dtype"])
    assert report.ok
    assert str(report) == "1 passed, 1 skipped"
    assert report.rows() == [("activation softmax", "1", "0", "1")]


def test_checks_of_a_component_that_cannot_be_made_count_as_skipped():
    report = run_checks("npy", options={"x": "x.npy"}, only=["dataset.loads_examples"])
    assert report.rows()[0][1:] == ("0", "1", "0")  # it is made, and its file is not there
    with_nothing = run_checks("nnfw", kind="dataset", only=["dataset.loads_examples"])
    rows = {name: counts for name, *counts in with_nothing.rows()}
    assert rows["dataset npy"] == ["0", "0", "1"]
    assert rows["dataset xor"] == ["1", "0", "0"]


def test_skipped_check_that_was_expected_to_fail_stays_skipped():
    check = "activation.derivative_is_the_slope"
    report = run_checks("softmax", only=[check], expected_failures={check: "planted"})
    assert [(item.status, item.message) for item in report.outcomes] == [("skipped", "it is not Elementwise")]
    assert report.ok


def test_sums_of_a_table_count_expected_failures_as_passed_and_unexpected_successes_as_failed():
    statuses = ("passed", "expected", "failed", "unexpected", "unexpected", "skipped", "skipped", "skipped")
    report = Conformance(tuple(Outcome("layer a", f"layer.{index}", status) for index, status in enumerate(statuses)))
    assert report.rows() == [("layer a", "2", "3", "3")]
    assert [item.check for item in report.failures] == ["layer.2", "layer.3", "layer.4"]
    assert str(report).splitlines()[-1] == "1 expected, 1 failed, 1 passed, 3 skipped, 2 unexpected"
    assert not report.ok
