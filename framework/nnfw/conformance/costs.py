"""The checks of costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from typing import cast

import numpy as np
from numpy.typing import DTypeLike

from nnfw.arrays import Array, Shape
from nnfw.checking import check_cost
from nnfw.checking.single_component import Unchanged
from nnfw.conformance.isolation import no_warnings
from nnfw.conformance.outcomes import CheckFailed, NotApplicable, applies_if, require
from nnfw.conformance.requirements import (
    close,
    equal,
    read_only,
    require_array,
    require_first_row,
    require_pair,
    rows_of,
    strided,
    unchanged,
)
from nnfw.conformance.subjects import Subject
from nnfw.errors import DataError, NnfwError, class_name, in_words
from nnfw.ops import DEFINITIONS, Tape, splits
from nnfw.protocols import Activation, CanonicalCost, Cost
from nnfw.workspace import Workspace

OUTPUT_SHAPES: tuple[Shape, ...] = ((3,), (4,), (1,))
"""Shapes of one example's a, of which a cost should take at least one."""

_EXAMPLES = 4
_BATCHES = (1, 2, 5)
_EXTREME_LOGITS = (1e4, 200.0, 90.0)
_NUDGE = 1e-3
_ROUNDING = 1e-9
_WRONG_COLUMNS = 7


@dataclass(frozen=True, eq=False)
class Case:
    """A cost with outputs and labels that it takes."""

    cost: Cost
    z: Array  # without a canonical activation, the outputs
    a: Array  # what the canonical activation makes of z
    y: Array  # as `targets` returned them
    raw: Array  # the labels before that

    @property
    def weights(self) -> tuple[Array | None, ...]:
        """No weights of the examples, and some."""
        return None, np.linspace(0.5, 2, len(self.a))

    def value(self, weight: Array | None = None) -> float:
        """Return C."""
        value: object = self.cost.value(self.a, self.y, weight)
        if not isinstance(value, float):
            raise CheckFailed(f"value returned {class_name(value)}, expected float.")
        return value

    def gradient(self, weight: Array | None = None) -> Array:
        """Return a copy of ∇_a C."""
        return self.gradient_in(Workspace(self.a.dtype), weight).copy()

    def gradient_in(self, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return ∇_a C, computed in a workspace."""
        found = require_array(self.cost.gradient(self.a, self.y, workspace, weight), "gradient")
        require(found.shape == self.a.shape, f"gradient returned shape {found.shape}, expected {self.a.shape}, as a.")
        return found

    def rows(self, rows: slice | Array) -> Case:
        """Return some of the examples."""
        return replace(self, z=self.z[rows], a=self.a[rows], y=self.y[rows])

    def singles(self) -> list[Case]:
        """Return each example alone."""
        return [self.rows(slice(row, row + 1)) for row in range(len(self.a))]

    def cast(self, dtype: DTypeLike) -> Case:
        """Return it in another dtype."""
        y = self.y.astype(dtype) if self.y.dtype.kind == "f" else self.y
        return replace(self, z=self.z.astype(dtype), a=self.a.astype(dtype), y=y)


def exercise(subject: Subject[Cost], component: Cost) -> list[object]:
    """Use a cost as nnfw does, and return everything that it computes."""
    case = _cases(subject)[0].cast(np.float32)
    case = replace(case, cost=component, y=component.targets(case.raw.copy(), case.a.shape[1:]))
    weight = np.linspace(0.5, 2, len(case.a), dtype=np.float32)
    return [case.value(), case.value(weight), case.gradient(), case.gradient(weight)]


def _for_each_case(check: Callable[[Case], None]) -> Callable[[Subject[Cost]], None]:
    """Run a check on each case."""

    @wraps(check)
    def of_subject(subject: Subject[Cost]) -> None:
        for case in _cases(subject):
            check(case)

    return of_subject


def check_takes_some_labels(subject: Subject[Cost]) -> None:
    """It accepts labels of a common form: numbers, probabilities, counts, ±1, one-hot vectors or classes."""
    cases, refusals = _tried(subject, _EXAMPLES)
    text = f"it refuses labels of every form that was tried; the first: {refusals and refusals[0]}"
    require(cases, f"{text} Give it a method samples(rng), which yields what it takes.")


@_for_each_case
def check_targets_leaves_labels_alone(case: Case) -> None:
    """Targets does not change the labels that it is given."""
    with unchanged("targets changes the labels that it is given.", case.raw):
        case.cost.targets(case.raw, case.a.shape[1:])


@_for_each_case
def check_value_is_a_number(case: Case) -> None:
    """Value returns a Python float."""
    value = case.value()
    require(type(value) is float, f"value returned {type(value).__name__}, expected float.")
    require(np.isfinite(value), f"value is {value} for ordinary outputs and labels.")


def check_keeps_dtype(subject: Subject[Cost]) -> None:
    """The gradient has the shape and the dtype of a, float32 and float64."""
    for case in (each.cast(dtype) for dtype in (np.float32, np.float64) for each in _cases(subject)):
        gradient = case.gradient()
        require(
            (gradient.shape, gradient.dtype) == (case.a.shape, case.a.dtype),
            f"gradient is {gradient.dtype} {gradient.shape}, expected {case.a.dtype} {case.a.shape}, as a.",
        )


@_for_each_case
def check_leaves_its_arguments_alone(case: Case) -> None:
    """Neither value nor gradient changes a, y or the weights."""
    weight = np.linspace(0.5, 2, len(case.a))
    a, y = unchanged("it changes a.", case.a), unchanged("it changes y.", case.y)
    with unchanged("it changes the weights.", weight), y, a:
        case.value(weight)
        case.gradient(weight)


def check_gradient_is_the_gradient_of_value(subject: Subject[Cost]) -> None:
    """∇_a C agrees with numerical differentiation of C, for several batch sizes and with weights."""
    for case in (case for examples in _BATCHES for case in _cases(subject, examples)):
        for weight in case.weights:
            # the cost follows an activation that changes nothing
            report = check_cost(case.cost, Unchanged(), case.a, case.y, weight, subject.registry)
            what = f"∇_a C of {len(case.a)} examples{' with weights' if weight is not None else ''}"
            require_first_row(report, what)


def check_is_a_mean_over_examples(subject: Subject[Cost]) -> None:
    """C is a mean over the examples, 1/N Σ c_i, for every N; each example contributes 1/N of its own gradient."""
    for case in (case for examples in _BATCHES for case in _cases(subject, examples)):
        n, singles = len(case.a), case.singles()
        found, expected = case.value(), float(np.mean([each.value() for each in singles]))
        text = f"C of {n} examples is {found:.10g}; the mean of each alone is {expected:.10g}."
        require(close(found, expected), text)
        alone = np.concatenate([each.gradient() for each in singles]) / n
        require(close(case.gradient(), alone), f"∇_a C of {n} examples is not 1/{n} of that of each alone.")


@_for_each_case
def check_weights_scale_examples(case: Case) -> None:
    """C = 1/N Σ weight_i c_i, with the weights in value and gradient alike; weights of 1 change nothing."""
    n = len(case.a)
    ones, weight, gradient = np.ones(n), np.linspace(0.0, 2.5, n), case.gradient()
    require(close(case.value(ones), case.value()), "weights of 1 change C.")
    require(close(case.gradient(ones), gradient), "weights of 1 change ∇_a C.")
    expected, found = float(np.mean(weight * [each.value() for each in case.singles()])), case.value(weight)
    text = f"C with weights is {found:.10g}, expected 1/N Σ weight_i c_i = {expected:.10g}."
    require(close(found, expected), text)
    scaled = gradient * weight.reshape(-1, *[1] * (gradient.ndim - 1))
    require(close(case.gradient(weight), scaled), "∇_a C with weights is not weight_i times that without.")


def check_padding_does_not_count(subject: Subject[Cost]) -> None:
    """If it takes whole sequences, time steps of weight 0 change neither C nor the gradient, which is 0 there.

    A cost may refuse them with DataError.
    """
    applies_if(getattr(subject.component, "whole_sequences", False), "it does not declare whole_sequences = True")
    found = [case for case in _cases(subject) if case.a.ndim == 3 and case.a.shape[1] > 1]
    applies_if(found, "its samples have no sequences of several time steps")
    for case in found:
        weight = np.tile(np.linspace(0.5, 2, len(case.a))[:, np.newaxis], case.a.shape[1])
        weight[::2, -1] = 0
        beyond = weight == 0
        a = np.where(beyond[..., np.newaxis], case.a[::-1, ::-1], case.a)
        try:
            value = case.value(weight)
        except DataError as error:
            raise NotApplicable(f"it refuses padded sequences: {error}") from error
        same = close(value, replace(case, a=a).value(weight))
        require(same, "C depends on time steps whose weight is 0.")
        for method in _gradient_methods(case.cost):
            slopes = np.array(method(case.a, case.y, Workspace(a.dtype), weight))
            require(not np.any(slopes[beyond]), f"{method.__name__} is not 0 at time steps whose weight is 0.")
            other = method(a, case.y, Workspace(a.dtype), weight)
            require(close(slopes, other), f"{method.__name__} depends on time steps whose weight is 0.")


@_for_each_case
def check_order_of_examples_does_not_matter(case: Case) -> None:
    """A permuted batch has the same C and the permuted gradient."""
    order = np.roll(np.arange(len(case.a)), 1)
    other = case.rows(order)
    require(close(case.value(), other.value()), "C depends on the order of the examples.")
    require(close(other.gradient(), case.gradient()[order]), "∇_a C depends on the order.")


def check_canonical_delta_is_equation_1(subject: Subject[Cost]) -> None:
    """The closed form of δ^L equals Equation 1: ∇_a C ⊙ σ'(z), with and without weights, and the slope of C."""
    cost, activation = _canonical(subject)
    for case in _cases(subject):
        for weight in case.weights:
            found = cost.canonical_delta(case.a, case.y, Workspace(case.a.dtype), weight)
            closed = require_array(found, "canonical_delta").copy()
            memory = Workspace(case.z.dtype)
            a = activation.forward(case.z, memory)
            chained = activation.delta(replace(case, a=a).gradient(weight), case.z, a, memory)
            error = float(np.max(np.abs(closed - chained)))
            require(close(closed, chained), f"canonical_delta differs from Equation 1 by up to {error:.3g}.")
            report = check_cost(case.cost, activation, case.z, case.y, weight, subject.registry)
            require_first_row(report, "canonical_delta")


def check_canonical_value_is_the_value(subject: Subject[Cost]) -> None:
    """value_from_z(z) equals value(σ(z)) for the canonical σ, with and without weights."""
    cost, _ = _canonical(subject)
    for case in _cases(subject):
        for weight in case.weights:
            from_z, value = cost.value_from_z(case.z, case.y, weight), case.value(weight)
            require(type(from_z) is float, f"value_from_z returned {type(from_z).__name__}, expected float.")
            require(close(from_z, value), f"value_from_z is {from_z:.10g}, but value {value:.10g}.")


def check_canonical_form_is_finite_at_extreme_logits(subject: Subject[Cost]) -> None:
    """For z of ±10,000 in float32, value_from_z and canonical_delta are finite, without a warning."""
    cost, activation = _canonical(subject)
    for case in (each.cast(np.float32) for each in _cases(subject)):
        for size in _EXTREME_LOGITS:
            z = np.float32(size) * np.sign(case.z)
            with no_warnings(f"for z of ±{size:g} it warns"):
                value = cost.value_from_z(z, case.y)
                a = activation.forward(z, Workspace(z.dtype))
                delta = cost.canonical_delta(a, case.y, Workspace(z.dtype))
            require(np.isfinite(value), f"value_from_z is {value} for z of ±{size:g}.")
            require(np.isfinite(delta).all(), f"canonical_delta is not finite for z of ±{size:g}.")


def check_least_at_labels_where_declared(subject: Subject[Cost]) -> None:
    """If it declares least_at_labels, C is nowhere lower than where a equals the labels."""
    applies_if(subject.component.least_at_labels, "it does not declare least_at_labels = True")
    for case in _cases(subject):
        best = _as_outputs(case)
        lowest, rng = replace(case, a=best).value(), subject.rng()
        for step in (_NUDGE * rng.standard_normal(best.shape) for _ in range(8)):
            value = case.cost.value(_inside(case.cost, best + step), case.y)
            require(
                value >= lowest - _ROUNDING * max(1, abs(lowest)),
                f"C is {value:.10g} near the labels, lower than {lowest:.10g} where a equals them.",
            )
        require(case.value() >= lowest - _ROUNDING, "C is lower elsewhere than at the labels.")


def check_impossible_labels_are_refused(subject: Subject[Cost]) -> None:
    """NaN, infinite numbers, and labels of another shape raise DataError that says what was wrong."""
    for case in _cases(subject)[:1]:
        shape = case.a.shape[1:]
        wrong = {
            "NaN": np.full((_EXAMPLES, *shape), np.nan),
            "infinity": np.full((_EXAMPLES, *shape), np.inf),
            f"{_WRONG_COLUMNS} columns": np.full((_EXAMPLES, _WRONG_COLUMNS), 0.5),
            "three axes": np.full((_EXAMPLES, 2, *shape), 0.5),
        }
        for name, labels in wrong.items():
            try:
                subject.component.targets(labels, shape)
            except DataError as error:
                require(str(error), f"for labels with {name} its DataError says nothing.")
            except Exception as error:
                require(False, f"for labels with {name} it raises {in_words(error)}; expected DataError.")
            else:
                require(False, f"targets takes labels with {name} for outputs of shape {shape}.")


@_for_each_case
def check_memory_layout_does_not_matter(case: Case) -> None:
    """Outputs with another memory layout, or read-only, give the same value and gradient."""
    for change in (strided, np.asfortranarray, read_only):
        other = replace(case, a=change(case.a))
        same = close(other.value(), case.value()) and close(other.gradient(), case.gradient())
        require(same, "C or ∇_a C depends on the memory layout of the outputs.")


@_for_each_case
def check_workspaces_do_not_meet(case: Case) -> None:
    """A gradient stays what it is while another is computed with another workspace."""
    first = case.gradient_in(Workspace(case.a.dtype))
    with unchanged("computing a second gradient changes the first, which has a workspace of its own.", first):
        case.cost.gradient(case.a[::-1].copy(), case.y[::-1].copy(), Workspace(case.a.dtype))


def check_reused_workspace_is_like_new(subject: Subject[Cost]) -> None:
    """A gradient in a used workspace equals that in a new one, after other batch sizes, outputs and labels."""
    for method in _gradient_methods(subject.component):
        workspace = Workspace(np.float64)
        for case in (case for examples in (4, 2, 5) for case in _cases(subject, examples)):
            a, y = case.a.copy(), case.y.copy()
            batches = [(case.a, case.y), (case.a[::-1].copy(), case.y[::-1].copy())]
            expected = [require_array(method(*batch, Workspace(a.dtype)), method.__name__).copy() for batch in batches]
            for batch, right in zip(batches, expected, strict=True):
                a[...], y[...] = batch  # as a network does: into the arrays of the previous batch
                same = equal(method(a, y, workspace), right)
                require(same, f"in a used workspace {method.__name__} gives something else.")


@_for_each_case
def check_recorded_gradient_is_like_asked_again(case: Case) -> None:
    """A recording of methods marked `kernels_only` gives, for other numbers, what the methods themselves give."""
    for method in _gradient_methods(case.cost):
        for weight in case.weights:
            tape, a, y = Tape(DEFINITIONS), case.a.copy(), case.y.copy()
            found = tape.perform(method, a, y, Workspace(a.dtype), weight)
            tape.finish()
            a[...], y[...] = case.a[::-1], case.y[::-1]
            if weight is not None:
                weight *= 2
            tape.repeat()
            same = equal(found, method(a, y, Workspace(a.dtype), weight))
            require(same, f"recorded with `kernels_only`, {method.__name__} gives something else.")


def check_written_value_is_the_value(subject: Subject[Cost]) -> None:
    """If the cost can write its value by operations, that is its value, for other numbers in the same arrays too."""
    cost, written = subject.component, False
    for method, writer in (("value", "write_value"), ("value_from_z", "write_value_from_z")):
        for case in _cases(subject) if splits(cost, method, writer) else ():
            for weight in case.weights:
                tape, out = Tape(DEFINITIONS), np.empty(1)
                a, y = case.a.copy(), case.y.copy()
                if not tape.perform(getattr(cost, writer), a, y, weight, out):
                    continue
                tape.finish()
                a[...], y[...] = case.a[::-1], case.y[::-1]
                tape.repeat()
                right, written = getattr(cost, method)(a, y, weight), True
                require(close(float(out[0]), right), f"{writer} writes {out[0]:.9g}, {method} returns {right:.9g}.")
    applies_if(written, "it does not write its value by operations")


@_for_each_case
def check_nan_is_not_hidden(case: Case) -> None:
    """Where a is NaN, so are C and the gradient of that example."""
    case.a[0] = np.nan
    require(np.isnan(case.value()), "C is a number although an output is NaN.")
    require(np.isnan(case.gradient()[0]).any(), "∇_a C has no NaN for an example whose outputs are NaN.")


def _cases(subject: Subject[Cost], examples: int = _EXAMPLES) -> list[Case]:
    """Return a case for each shape of outputs that it takes, in float64."""
    cases, _ = _tried(subject, examples)
    applies_if(cases, "no labels are known that it takes")
    return cases


def _tried(subject: Subject[Cost], examples: int) -> tuple[list[Case], list[str]]:
    """Return the cases, and why it refuses other labels."""
    if sampled := [_sampled(subject, *require_pair(sample), examples) for sample in subject.samples()]:
        return sampled, []
    cases, refusals, rng = [], [], subject.rng()
    for shape in OUTPUT_SHAPES:
        z = rng.standard_normal((examples, *shape))
        for name, raw in _labels(rng, examples, shape):
            try:
                y = require_array(subject.component.targets(raw.copy(), shape), "targets")
            except NnfwError as error:
                refusals.append(f"{name}: {error}")
                continue
            require(y.shape[:1] == (examples,), f"targets returned shape {y.shape} for {examples} labels.")
            cases.append(Case(subject.component, z, _outputs(subject, z), _in_float64(y), raw))
            break
    return cases, refusals


def _sampled(subject: Subject[Cost], z: Array, raw: Array, examples: int) -> Case:
    """Return a case of what the cost says that it is to be tried with."""
    z, raw = rows_of(_in_float64(z), examples), rows_of(raw, examples)
    y = require_array(subject.component.targets(raw.copy(), z.shape[1:]), "targets")
    named = subject.component.canonical is not None
    return Case(subject.component, z, _outputs(subject, z) if named else z, _in_float64(y), raw)


def _in_float64(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _labels(rng: np.random.Generator, examples: int, shape: Shape) -> Iterator[tuple[str, Array]]:
    """Yield labels of the usual forms, by name."""
    size = (examples, *shape)
    yield "numbers", rng.standard_normal(size)
    yield "classes", np.arange(examples) % max(2, shape[-1])
    yield "one-hot vectors", np.eye(max(2, shape[-1]))[np.arange(examples) % shape[-1]][:, : shape[-1]]
    yield "probabilities", rng.uniform(0.1, 0.9, size)
    yield "counts", rng.integers(0, 5, size).astype(float)
    yield "±1", rng.choice([-1.0, 1.0], size)


def check_constant_is_an_output(subject: Subject[Cost]) -> None:
    """The baseline that it chooses is an output that it takes, or None; labels with a weight of 0 do not count."""
    for case in _cases(subject):
        choose = getattr(case.cost, "constant", None)
        applies_if(choose is not None, "it is older than baselines")
        assert choose is not None
        shape = case.a.shape[1:]
        found = choose(case.y, shape, None)
        applies_if(found is not None, "it chooses no baseline")
        found = require_array(found, "constant")
        require(found.shape == shape, f"constant returned shape {found.shape}, expected {shape}, that of an output.")
        inside = bool(np.isfinite(found).all()) and close(_inside(case.cost, found), found)
        require(inside, f"constant returned {found}, which is outside the domain of the cost.")
        weight = np.arange(len(case.y)) % 2.0
        some, expected = choose(case.y, shape, weight), choose(case.y[1::2], shape, np.ones(len(case.y) // 2))
        require(close(some, expected), f"with weights of 0 and 1 constant is {some}; without those of 0 {expected}.")


def check_predictions_are_labels(subject: Subject[Cost]) -> None:
    """What it says that outputs predict has names, and the shape of the labels."""
    named = False
    for case in _cases(subject):
        explain = getattr(case.cost, "predictions", None)
        found = {} if explain is None else explain(case.a)
        require(isinstance(found, dict), f"predictions returned {class_name(found)}, expected a dictionary.")
        for name, values in found.items():
            named = True
            require(isinstance(name, str), f"predictions returned the name {name!r}, expected text.")
            shape = require_array(values, "predictions").shape
            require(shape == case.y.shape, f"predictions returned shape {shape}, expected {case.y.shape}, the labels'.")
    applies_if(named, "its outputs are labels, or scores of classes")


def _outputs(subject: Subject[Cost], z: Array) -> Array:
    """Return outputs that the cost takes: those of its canonical activation, else of its domain."""
    component = subject.component
    if component.canonical is not None:
        return np.array(_canonical(subject)[1].forward(z, Workspace(z.dtype)))
    low, high = _domain(component)
    if (low, high) == (-np.inf, np.inf):
        return z
    if np.isfinite([low, high]).all():
        return np.asarray(low + (high - low) / (1 + np.exp(-z)))
    return low + np.exp(z) if np.isfinite(low) else high - np.exp(z) if np.isfinite(high) else z


def _inside(cost: Cost, a: Array) -> Array:
    return np.clip(a, *_domain(cost))


def _domain(cost: Cost) -> tuple[float, float]:
    return getattr(cost, "domain", None) or (-np.inf, np.inf)


def _as_outputs(case: Case) -> Array:
    """Return the labels as outputs; the index of a class as a vector with a single 1."""
    if case.y.shape == case.a.shape:
        return _inside(case.cost, case.y.astype(np.float64))
    if case.y.ndim == 1 and case.y.dtype.kind in "iu" and case.a.ndim == 2:
        return np.eye(case.a.shape[1])[case.y]
    raise NotApplicable(f"labels of shape {case.y.shape} are no outputs of shape {case.a.shape}")


def _canonical(subject: Subject[Cost]) -> tuple[CanonicalCost, Activation]:
    """Return the cost and the activation for which it has closed forms."""
    applies_if(subject.component.canonical is not None, "it names no canonical activation")
    activation: Activation = subject.registry.resolve("activation", subject.component.canonical)
    return cast(CanonicalCost, subject.component), activation


def _gradient_methods(cost: Cost) -> list[Callable[..., Array]]:
    """Return the methods that give δ^L or what it is made of."""
    names = ["gradient"] if cost.canonical is None else ["gradient", "canonical_delta"]
    return [getattr(cost, name) for name in names]
