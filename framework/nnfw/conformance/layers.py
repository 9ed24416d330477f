"""The checks of layers."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from itertools import cycle
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nnfw.arrays import Array
from nnfw.checking import check_layer
from nnfw.checking.differences import compare
from nnfw.configuration import kind_of, options_of
from nnfw.conformance.isolation import no_warnings
from nnfw.conformance.layer_bench import TRIAL_SHAPES, Bench, Pass, benches, shapes_of, takes
from nnfw.conformance.outcomes import CheckFailed, NotApplicable, applies_if, require
from nnfw.conformance.requirements import close, equal, read_only, strided, unchanged
from nnfw.conformance.subjects import Subject
from nnfw.errors import DataError, NnfwError, ShapeError, StateError, in_words, short
from nnfw.model import Sequential, load
from nnfw.network import pictures_of
from nnfw.ops import DEFINITIONS, Tape
from nnfw.plugins import Registry
from nnfw.protocols import Layer, Parameter

LayerCheck = Callable[[Subject[Layer]], None]
BatchCheck = Callable[[Bench, Array, Array], None]

EXTREME = 1e4
"""Inputs of this size must neither overflow nor warn in float32."""

_BATCHES = (1, 3, 4)  # one example; not square and square with the shapes of the bench
_ITERATIONS = 50
_LOWER = 1 - 1e-6  # relative to the first cost
_MANY = 8192  # numbers in a batch: enough for an array of it to stand out
_LATER_PASSES = 8
_ELEMENTS = 100  # of a tensor, that are compared outside of training
_NOISE = 1e-12  # of δ and the largest gradient: the rounding of gradients that are 0 as sums of larger terms


def exercise(subject: Subject[Layer], component: Layer) -> list[object]:
    """Use a layer as nnfw does, in training and out of it, and return everything that it computes."""
    results: list[object] = []
    for bench in benches(subject, np.float32, layer=component, most=2):
        x, delta, workspace = bench.x(3), bench.delta(3), bench.workspace()
        for _ in range(2):
            results += bench.run(x, delta, workspace).named().values()
        results.append(bench.evaluate(x))
    return results


def _for_batches_of(examples: int) -> Callable[[BatchCheck], LayerCheck]:
    """Run a check on each bench, with x and δ of a batch."""

    def decorate(check: BatchCheck) -> LayerCheck:
        @wraps(check)
        def of_subject(subject: Subject[Layer]) -> None:
            for bench in benches(subject):
                check(bench, bench.x(examples), bench.delta(examples))

        return of_subject

    return decorate


def _dtype_check(dtype: np.dtype[Any]) -> LayerCheck:
    def check(subject: Subject[Layer]) -> None:
        for bench in benches(subject, dtype):
            results = bench.run(bench.x(3), bench.delta(3)).named()
            for name, array in (results | {"z outside of training": bench.evaluate(bench.x(3))}).items():
                right = array.dtype == dtype
                require(right, f"{name} is {array.dtype}, expected {dtype}, the network's dtype.")

    check.__doc__ = f"In a {dtype} network everything is {dtype}."
    return check


def _layout_check(inputs: str, change: Callable[[Array], Array]) -> LayerCheck:
    @_for_batches_of(3)
    def check(bench: Bench, x: Array, delta: Array) -> None:
        expected = bench.run(x, delta).named()
        for name, found in bench.run(change(x), change(delta)).named().items():
            require(close(found, expected[name]), f"{name} depends on the memory layout of the input.")

    check.__doc__ = f"{inputs} give what their copies give."
    return check


def check_takes_some_shape(subject: Subject[Layer]) -> None:
    """It accepts inputs of a shape that its plugin declares, or of a common one."""
    wanted = subject.single_shapes or TRIAL_SHAPES
    require(
        any(takes(subject.component, shape) for shape in wanted),
        f"it refuses inputs of all shapes that were tried: {', '.join(map(str, wanted))}. "
        "Declare input_shapes in its ComponentSpec.",
    )


def check_output_shape_is_real(subject: Subject[Layer]) -> None:
    """output_shape predicts the shape that forward returns, for every batch size and input shape."""
    for bench in benches(subject, most=None):
        for examples in (*_BATCHES, 7, 2):
            found, said = bench.forward(bench.x(examples), bench.workspace()).shape, (examples, *bench.output_shape)
            require(found == said, f"forward gave shape {found} for {bench.shape}, expected {said}.")


def check_parameters_are_real(subject: Subject[Layer]) -> None:
    """Every declared parameter has a name, a shape that its initializer fills, and a gradient of that shape."""
    for shape in shapes_of(subject):
        for name, parameter in subject.component.parameters(shape).items():
            require(isinstance(name, str) and name, f"a parameter is named {short(name)}, expected text.")
            require(isinstance(parameter, Parameter), f"{name} is {short(parameter)}, expected a Parameter.")
            require(
                not isinstance(parameter.initializer, str),
                f"the initializer of {name} is the name {parameter.initializer!r}, expected a component. Make it an "
                "option of the layer, annotated Initializer | str: the names of options are replaced.",
            )
            first = np.asarray(parameter.sample(subject.rng()))
            fits = first.shape == parameter.shape
            require(fits, f"{name} is drawn in shape {first.shape}, expected {parameter.shape}.")
    for bench in benches(subject, most=None):
        for name, gradient in bench.run(bench.x(3), bench.delta(3)).grads.items():
            written = np.isfinite(gradient).all()
            require(written, f"backward leaves parts of the gradient of {name} unwritten, or not finite.")


check_keeps_float32 = _dtype_check(np.dtype(np.float32))
check_keeps_float64 = _dtype_check(np.dtype(np.float64))


@_for_batches_of(3)
def check_leaves_input_alone(bench: Bench, x: Array, delta: Array) -> None:
    """Neither forward nor backward changes a_prev, the activations of another layer."""
    workspace = bench.workspace()
    with unchanged("forward changes its input.", x):
        bench.forward(x, workspace)
    with unchanged("backward changes the input of forward.", x):
        bench.backward(delta, workspace)


@_for_batches_of(3)
def check_leaves_delta_alone(bench: Bench, x: Array, delta: Array) -> None:
    """Backward does not change δ."""
    with unchanged("backward changes delta.", delta):
        bench.run(x, delta)


@_for_batches_of(3)
def check_leaves_parameters_alone(bench: Bench, x: Array, delta: Array) -> None:
    """Neither forward nor backward changes a trainable parameter: only the optimizer may."""
    with unchanged("a pass changes the parameters.", bench.vector):
        bench.run(x, delta)


@_for_batches_of(3)
def check_leaves_z_alone(bench: Bench, x: Array, delta: Array) -> None:
    """Backward does not change z, which the activation needs."""
    workspace = bench.workspace()
    z = bench.forward(x, workspace)
    with unchanged("backward changes the z that forward returned. Use a buffer with another name.", z):
        bench.backward(delta, workspace)


@_for_batches_of(3)
def check_gives_memory_of_its_own(bench: Bench, x: Array, delta: Array) -> None:
    """The arrays it returns share no memory with parameters or gradients."""
    workspace = bench.workspace()
    z = bench.forward(x, workspace)
    gradient, grads = bench.backward(delta, workspace)
    parameters = {f"the parameter {name}": array for name, array in bench.params.items()}
    gradients = {f"the gradient of {name}": array for name, array in grads.items()}
    for what, result, others in (("z", z, parameters), ("∂C/∂a_prev", gradient, parameters | gradients)):
        for name, array in others.items():
            require(not np.may_share_memory(result, array), f"{what} shares memory with {name}.")


@_for_batches_of(3)
def check_same_seed_gives_same_bits(bench: Bench, x: Array, delta: Array) -> None:
    """Two passes with the same noise are equal to the last bit."""
    _require_same(bench.run(x, delta), bench.run(x, delta), "a second pass with the same seed gives another")


@_for_batches_of(3)
def check_overwrites_gradients(bench: Bench, x: Array, delta: Array) -> None:
    """Backward overwrites the gradients; it does not add to them."""
    workspace, expected, grads = bench.workspace(), bench.run(x, delta), bench.grads(fill=0.0)
    bench.forward(x, workspace)
    for _ in range(2):
        bench.backward(delta, workspace, grads)
    for name, gradient in grads.items():
        require(equal(gradient, expected.grads[name]), f"a second backward adds to the gradient of {name}.")


def check_reused_workspace_is_like_new(subject: Subject[Layer]) -> None:
    """A pass in a used workspace gives what it gives in a new one, after other batch sizes and other inputs."""
    for bench, other in zip(benches(subject), benches(subject), strict=True):
        workspace = bench.workspace()
        for examples in (4, 2, 5, 1):
            arrays = bench.x(examples), bench.delta(examples), bench.vector
            batches = [[_times(factor, array) for array in arrays] for factor in (1, -0.75)]
            expected = []
            for x, delta, vector in batches:
                other.vector[...] = vector
                expected.append(other.run(x, delta))
            for batch, right in zip(batches, expected, strict=True):
                for array, values in zip(arrays, batch, strict=True):
                    array[...] = values  # as a network does: into the arrays of the previous batch
                workspace.rng.bit_generator.state = bench.workspace().rng.bit_generator.state
                found = bench.run(*arrays[:2], workspace)
                _require_same(right, found, "in a workspace that was used before it gives another")


@_for_batches_of(3)
def check_workspaces_do_not_meet(bench: Bench, x: Array, delta: Array) -> None:
    """Two passes that take turns, each with its own workspace, do not disturb each other."""
    pairs = [(x, delta), (bench.x(3), bench.delta(3))]
    alone = [bench.run(*pair) for pair in pairs]
    memories = [bench.workspace() for _ in pairs]
    zs = [bench.forward(each, memory) for (each, _), memory in zip(pairs, memories, strict=True)]
    for (_, each), memory, z, expected in zip(pairs, memories, zs, alone, strict=True):
        found = Pass(z, *bench.backward(each, memory))
        _require_same(expected, found, "beside a second pass it gives another")


@_for_batches_of(3)
def check_recorded_pass_is_like_asked_again(bench: Bench, x: Array, delta: Array) -> None:
    """A recording of methods marked `kernels_only` gives, for other numbers, what the methods themselves give."""
    tape, grads, workspace = Tape(DEFINITIONS), bench.grads(), bench.workspace()
    z = tape.perform(bench.layer.forward, bench.params, x, workspace)
    gradient = tape.perform(bench.layer.backward, bench.params, delta, grads, workspace)
    tape.finish()
    other = bench.workspace()
    bench.run(x, delta, other)  # so that the noise is at the same point
    x[...], delta[...] = bench.x(3), bench.delta(3)
    bench.vector *= -0.5
    expected = bench.run(x, delta, other)
    tape.repeat()
    found = expected.grad_a_prev if gradient is None else gradient  # None for indices alone
    _require_same(expected, Pass(z, found, grads), "recorded with `kernels_only`, it gives another")


@_for_batches_of(3)
def check_backward_before_forward_is_refused(bench: Bench, x: Array, delta: Array) -> None:
    """Backward without forward raises StateError, unless it needs nothing from forward."""
    expected = bench.run(x, delta)
    try:
        found = Pass(expected.z, *bench.backward(delta, bench.workspace()))
    except StateError:
        return
    except Exception as error:
        text = f"backward before forward raises {in_words(error)}; expected StateError, as workspace[key] does."
        raise CheckFailed(text) from error
    _require_same(expected, found, "backward without forward raises nothing and gives a wrong")


@_for_batches_of(3)
def check_zero_delta_gives_zero(bench: Bench, x: Array, delta: Array) -> None:
    """For δ = 0 every gradient is exactly 0."""
    for name, array in bench.run(x, np.zeros_like(delta)).gradients().items():
        require(not np.any(array), f"{name} is not 0 for δ = 0, but up to {np.max(np.abs(array)):.3g}.")


@_for_batches_of(3)
def check_linear_in_delta(bench: Bench, x: Array, delta: Array) -> None:
    """Backward is linear: the gradients for 2 δ₁ − 3 δ₂ are 2 times those for δ₁ minus 3 times those for δ₂."""
    other = bench.delta(3)
    first, second, both = (bench.run(x, each).gradients() for each in (delta, other, 2 * delta - 3 * other))
    noise = _noise(delta, first)
    for name, found in both.items():
        expected = 2 * first[name] - 3 * second[name]
        off = np.max(np.abs(found - expected))
        require(off <= noise or close(found, expected), f"{name} is not linear in δ: off by {off:.3g}.")


@_for_batches_of(3)
def check_linear_for_large_delta(bench: Bench, x: Array, delta: Array) -> None:
    """Backward scales with δ, however large or small; nothing is clipped."""
    expected = bench.run(x, delta).gradients()
    noise = _noise(delta, expected)
    for factor in (1e6, 1e-6):
        for name, found in bench.run(x, factor * delta).gradients().items():
            same = np.max(np.abs(found / factor - expected[name])) <= noise or close(found / factor, expected[name])
            require(same, f"{name} for {factor:g} δ is not {factor:g} times that for δ.")


def check_rows_are_independent(subject: Subject[Layer]) -> None:
    """If rows_independent is True, z and ∂C/∂a_prev of an example depend only on that example."""
    applies_if(subject.component.rows_independent, "it declares rows_independent = False")
    inner = all(layer.rows_independent for layer in _layers_in(subject.component))
    applies_if(inner, "it is composed of a layer that declares rows_independent = False")
    for bench in benches(subject):
        x, delta = bench.x(4), bench.delta(4)
        together = bench.evaluate(x)
        for row in range(len(x)):
            alone = bench.evaluate(x[row : row + 1])
            require(close(together[row : row + 1], alone), f"z of example {row} depends on the other examples.")
        delta[1:] = 0
        gradient = bench.run(x, delta).grad_a_prev
        require(not np.any(gradient[1:]), "∂C/∂a_prev of an example depends on the δ of others.")


def check_permuted_batch_gives_permuted_output(subject: Subject[Layer]) -> None:
    """The order of the examples does not matter."""
    for bench in benches(subject):
        x = bench.x(4)
        order = [2, 0, 3, 1]
        require(close(bench.evaluate(x[order]), bench.evaluate(x)[order]), "z depends on the order of the examples.")


@_for_batches_of(1)
def check_batch_of_one_keeps_its_axis(bench: Bench, x: Array, delta: Array) -> None:
    """One example is a batch too: no axis is dropped."""
    found = bench.run(x, delta)
    for name, array, like in (("z", found.z, delta), ("∂C/∂a_prev", found.grad_a_prev, x)):
        fits = array.shape == like.shape
        require(fits, f"{name} of one example has shape {array.shape}, expected {like.shape}.")


@_for_batches_of(0)
def check_empty_batch_is_handled(bench: Bench, x: Array, delta: Array) -> None:
    """A batch without examples gives empty results and gradients of 0, or raises an error of nnfw."""
    try:
        found = bench.run(x, delta)
    except NnfwError:
        return
    require(found.z.shape == delta.shape, f"z of no examples has shape {found.z.shape}.")
    for name, gradient in found.grads.items():
        require(not np.any(gradient), f"the gradient of {name} for no examples is not 0.")


check_strided_input = _layout_check("Inputs and δ that are every second element of a larger array", strided)
check_fortran_input = _layout_check("Inputs and δ in Fortran's order", np.asfortranarray)
check_reversed_input = _layout_check("Inputs and δ with negative strides", lambda a: a[::-1].copy()[::-1])
check_read_only_input = _layout_check("Read-only inputs and δ", read_only)


def check_wrong_shapes_are_refused(subject: Subject[Layer]) -> None:
    """An input shape that does not fit raises ShapeError, which names that shape and the expected one."""
    refused = 0
    for shape in (*TRIAL_SHAPES, (), (2, 2, 2, 2, 2)):
        try:
            subject.component.output_shape(shape)
        except ShapeError as error:
            refused += 1
            text, about = str(error), f"for the shape {shape} its error does not"
            require(str(shape) in text, f"{about} name that shape: {text!r}.")
            rest = text.replace(str(shape), "")
            require("expected" in rest.lower(), f"{about} say what is expected: {text!r}.")
    applies_if(refused, "it takes inputs of every shape")


@_for_batches_of(3)
def check_nan_is_not_hidden(bench: Bench, x: Array, delta: Array) -> None:
    """NaN in gives NaN out, forward and backward: an error must not look like a number."""
    applies_if(bench.limit is None, "its inputs are indices")
    x[1], delta[1] = np.nan, np.nan
    require(np.isnan(bench.evaluate(x)[1]).any(), "z of an example that is all NaN has no NaN.")
    found = bench.run(bench.x(3), delta)
    require(np.isnan(found.grad_a_prev[1]).any(), "∂C/∂a_prev for a δ that is all NaN has no NaN.")


def check_evaluation_is_deterministic(subject: Subject[Layer]) -> None:
    """Outside training it draws no random numbers and gives the same result at every call."""
    for bench in benches(subject):
        x = bench.x(3)
        require(equal(bench.evaluate(x), bench.evaluate(x)), "two evaluations of one batch differ.")


def check_evaluation_has_no_side_effects(subject: Subject[Layer]) -> None:
    """Outside training neither parameters nor state change."""
    for bench in benches(subject):
        x = bench.x(3)
        workspace = bench.workspace(training=False)
        parameters = unchanged("an evaluation changes the parameters.", bench.vector)
        with unchanged("an evaluation changes the state that is not trained.", bench.state), parameters:
            bench.layer.forward(bench.params, x, workspace)


def check_running_state_is_updated(subject: Subject[Layer]) -> None:
    """Training updates every parameter that is not trainable, such as a running mean."""
    for bench in _with_state(subject):
        first, last = (bench.layout.views(bench.vector, state) for state in (bench.first_state, bench.trained_state()))
        for name in (name for name, parameter in bench.layout.declared.items() if not parameter.trainable):
            changed = not equal(first[name], last[name])
            require(changed, f"{name}, which is not trainable, stays as it is in training; nothing else updates it.")


def check_evaluation_uses_running_state(subject: Subject[Layer]) -> None:
    """Outside training z depends on the parameters that are not trainable, not on statistics of the batch."""
    for bench in _with_state(subject):
        x, state = bench.x(4), bench.trained_state()
        same = equal(bench.evaluate(x), bench.evaluate(x, state))
        require(not same, "z outside of training is the same before and after the running state has changed.")


def check_evaluation_sees_one_example(subject: Subject[Layer]) -> None:
    """Outside training z of an example depends only on that example, where running state replaces statistics."""
    for bench in _with_state(subject):
        x, state = bench.x(4), bench.trained_state()
        together = bench.evaluate(x, state)
        for row in range(len(x)):
            same = close(together[row : row + 1], bench.evaluate(x[row : row + 1], state))
            require(same, f"z of example {row} outside of training depends on the other examples.")


def check_gradients_in_evaluation(subject: Subject[Layer]) -> None:
    """Outside training backward, if it works there, gives the gradients of the forward pass outside training."""
    for bench in benches(subject):
        _require_gradients_in_evaluation(bench, bench.x(3), bench.delta(3), bench.trained_state())


def check_lengths_end_sequences(subject: Subject[Layer]) -> None:
    """If it uses or hands on lengths, what lies beyond them changes neither z nor a gradient, and these are right.

    A layer may refuse them with DataError.
    """
    used = []
    for bench in benches(subject, most=None):
        steps = bench.shape[0] if bench.shape else 0
        if steps > 1 and max(len(bench.shape), len(bench.output_shape)) > 1:
            lengths = np.array([1, steps - 1, steps])
            beyond = np.arange(steps) >= lengths[:, np.newaxis]
            used.append(uses_lengths(bench, lengths, beyond, _beyond_in_z(bench, lengths)))
    applies_if(any(used), "it does not use workspace.lengths")


def _beyond_in_z(bench: Bench, lengths: Array) -> Array | None:
    """Return what lies beyond the lengths of z; None if it has none."""
    steps = bench.shape[0]
    if not getattr(bench.layer, "keeps_time", False) or len(bench.output_shape) < 2:
        return None
    table = np.arange(steps + 1)
    if hasattr(bench.layer, "output_lengths"):  # it may be older than this method
        table = bench.layer.output_lengths(table)
    if table[-1] != bench.output_shape[0]:
        return None  # a network refuses padded sequences of this shape
    beyond: Array = np.arange(bench.output_shape[0]) >= table[lengths][:, np.newaxis]
    return beyond


def uses_lengths(bench: Bench, lengths: Array, beyond: Array, beyond_z: Array | None) -> bool:
    """Return whether a layer uses lengths or z has some; CheckFailed if what lies beyond, in x and in z, counts."""
    x, delta = bench.x(3), bench.delta(3)
    without, gradients = bench.evaluate(x), bench.run(x, delta).gradients()
    bench.lengths = lengths
    try:
        unused = equal(bench.evaluate(x), without)
    except DataError as error:
        raise NotApplicable(f"it refuses padded sequences: {error}") from error
    if unused and beyond_z is None:
        for name, gradient in bench.run(x, delta).gradients().items():
            require(close(gradient, gradients[name]), f"{name} depends on lengths, but z does not.")
        return False
    if beyond_z is not None:
        delta[beyond_z] = 0
    other = x.copy()
    other[beyond] = bench.x(3)[beyond]
    first, second = (bench.run(each, delta) for each in (x, other))
    zs = [each.z if beyond_z is None else each.z[~beyond_z] for each in (first, second)]
    require(close(*zs), "z depends on what lies beyond the length of a sequence.")
    for name, gradient in first.gradients().items():
        same = close(second.gradients()[name], gradient)
        require(same, f"{name} depends on what lies beyond the length of a sequence.")
    require(not np.any(first.grad_a_prev[beyond]), "∂C/∂a_prev is not 0 beyond the length of a sequence.")
    _require_gradients_in_evaluation(bench, x, delta, bench.first_state)
    return True


def _require_gradients_in_evaluation(bench: Bench, x: Array, delta: Array, state: Array) -> None:
    workspace = bench.workspace(training=False)
    z = bench.forward(x, workspace, state).copy()
    try:
        gradient, grads = bench.backward(delta, workspace)
    except StateError as error:
        raise NotApplicable("its backward raises StateError outside training") from error
    arrays = {"∂C/∂a_prev": (x, gradient)} if bench.limit is None else {}
    arrays |= {f"the gradient of {name}": (bench.params[name], found) for name, found in grads.items()}
    for name, (array, found) in arrays.items():
        _require_slopes(bench, (x, delta, state), array, found, f"{name} outside of training", np.abs(delta * z))


def _require_slopes(
    bench: Bench, batch: tuple[Array, Array, Array], array: Array, gradient: Array, what: str, terms: Array
) -> None:
    """Compare a gradient with the slopes of Σ δ ⊙ z outside of training, by elements of x or of a parameter."""
    x, delta, state = batch
    flat = array.reshape(-1)  # a view
    elements = np.unique(np.linspace(0, flat.size - 1, min(flat.size, _ELEMENTS)).astype(int))

    def probe(number: int, t: float) -> float:
        place = elements[number]
        before = flat[place]
        flat[place] += t
        try:
            return float(np.sum(delta * bench.evaluate(x, state)))
        finally:
            flat[place] = before

    found = compare(probe, gradient.reshape(-1)[elements], np.abs(flat[elements]), float(terms.sum()))
    for k in np.flatnonzero(~found.ok):
        place = tuple(map(int, np.unravel_index(elements[k], array.shape)))
        text = f"is {found.analytic[k]:.6g} at {place}; numerical differentiation gives {found.numeric[k]:.6g}."
        require(False, f"{what} {text}")


@_for_batches_of(3)
def check_uses_only_the_generator_it_is_given(bench: Bench, x: Array, delta: Array) -> None:
    """Its noise comes only from workspace.rng, so a seed determines it."""
    expected = bench.run(x, delta)
    np.random.seed(1)  # noqa: NPY002 - must have no effect
    random.seed(1)
    _require_same(expected, bench.run(x, delta), "with other global random numbers it gives another")


def check_finite_at_extremes(subject: Subject[Layer]) -> None:
    """Inputs of ±10,000 and of 0 give finite results in float32, without a warning."""
    for bench in benches(subject, np.float32):
        applies_if(bench.batch is None, "it is tried with its own samples alone")
        applies_if(bench.limit is None, "its inputs are indices")
        for x in (np.sign(bench.x(3)) * np.float32(EXTREME), np.zeros_like(bench.x(3))):
            with no_warnings(f"for inputs of ±{EXTREME:g} it warns"):
                found = bench.run(x, bench.delta(3))
            finite = all(np.isfinite(array).all() for array in found.named().values())
            require(finite, f"for inputs of {short(x.flat[0])} it gives values that are not finite.")


def check_training_lowers_the_cost(subject: Subject[Layer]) -> None:
    """50 iterations of L-BFGS lower the cost of a regression that it can fit."""
    from scipy.optimize import minimize

    bench = benches(subject)[0]
    applies_if(bench.layout.size, "it has no parameters to train")
    x, rng, first = bench.x(8), subject.rng(), bench.vector.copy()
    bench.vector += rng.standard_normal(bench.vector.shape)
    y = bench.forward(x, bench.workspace()).copy()

    def cost(vector: Array) -> tuple[float, Array]:
        bench.vector[...] = vector
        gradient, workspace = np.zeros_like(vector), bench.workspace()
        difference = bench.forward(x, workspace) - y
        bench.backward(difference, workspace, bench.layout.views(gradient))
        return 0.5 * float(np.sum(np.square(difference))), gradient

    before = cost(first)[0]
    after = minimize(cost, first, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS}).fun
    require(after < before * _LOWER, f"{_ITERATIONS} iterations change the cost from {before:.6g} to {after:.6g}.")


def check_saves_and_loads(subject: Subject[Layer]) -> None:
    """A model with it is the same to the last bit after saving and loading."""
    applies_if(subject.declared is not None, "no plugin declares it, so no file can name it")
    bench = benches(subject, most=1)[0]
    model = Sequential([subject.component], bench.shape, registry=subject.registry)
    x = bench.x(3)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.nnfw"
        model.save(path)
        again = load(path, registry=subject.registry)
    for name, array in model.parameters.items():
        require(equal(array, again.parameters[name]), f"{name} differs after loading.")
    require(equal(model.predict(x), again.predict(x)), "a loaded model predicts other values.")


@_for_batches_of(3)
def check_input_gradient_may_be_left_out(bench: Bench, x: Array, delta: Array) -> None:
    """If needs_input_gradient is False, the gradients of the parameters are unchanged."""
    grads, workspace = bench.grads(), bench.workspace(needs_input_gradient=False)
    bench.forward(x, workspace)
    bench.layer.backward(bench.params, delta, grads, workspace)
    for name, gradient in bench.run(x, delta).grads.items():
        require(close(grads[name], gradient), f"the gradient of {name} changes if ∂C/∂a_prev is not needed.")


def check_pictures_are_arrays(subject: Subject[Layer]) -> None:
    """What `pictures` returns after a forward pass are arrays (K, rows, columns) of finite numbers, by title."""
    shown = False
    for bench in benches(subject):
        workspace = bench.workspace(training=False)
        bench.forward(bench.x(3), workspace)
        shown |= bool(pictures_of(bench.layer, bench.params, workspace))
    applies_if(shown, "it shows none")


def check_memory_does_not_grow(subject: Subject[Layer]) -> None:
    """Repeated passes do not accumulate memory."""
    bench = benches(subject, np.float32, most=1)[0]
    examples = -(-_MANY // min(prod(bench.shape), prod(bench.output_shape)))
    x, delta, workspace = bench.x(examples), bench.delta(examples), bench.workspace()
    grads = bench.grads()

    def held_after(passes: int) -> int:
        for _ in range(passes):
            bench.forward(x, workspace)
            bench.backward(delta, workspace, grads)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        growth = -held_after(2) + held_after(_LATER_PASSES)
    finally:
        tracemalloc.stop()
    smallest = min(x.nbytes, delta.nbytes)
    require(
        growth < _LATER_PASSES * smallest / 2,
        f"{_LATER_PASSES} further passes with batches of {smallest:,} bytes left {growth:,} bytes behind.",
    )


def check_gradient_of_input(subject: Subject[Layer]) -> None:
    """∂C/∂a_prev agrees with numerical differentiation, with noise and activation, for several shapes and points."""
    applies_if(subject.component.index_limit() is None, "its inputs are indices")
    require_gradients(benches(subject), subject.registry, is_input)


def check_gradients_of_parameters(subject: Subject[Layer]) -> None:
    """The gradient of every parameter agrees with numerical differentiation (Equations 3 and 4 for w and b)."""
    applies_if(any(bench.layout.size for bench in benches(subject)), "it has no parameters to train")
    require_gradients(benches(subject), subject.registry, is_parameter)


def require_gradients(found: Sequence[Bench], registry: Registry, wanted: Callable[[str], bool]) -> None:
    """Compare the gradients whose names are wanted with numerical differentiation, for several batches on one bench."""
    first, *others = found
    for bench, examples in (*((first, size) for size in _BATCHES), *zip(others, cycle(_BATCHES[1:]), strict=False)):
        report = check_layer(bench.layer, bench.shape, registry, x=bench.x(examples), wanted=wanted)
        require(not report.problem, report.problem)
        for row in report.rows:
            require(row.ok, f"for {examples} examples of shape {bench.shape}: {row.explanation()}")


def is_input(name: str) -> bool:
    """Return whether a gradient is that of the input."""
    return name == "x"


def is_parameter(name: str) -> bool:
    """Return whether a gradient is that of a parameter: not of the input, nor a δ."""
    return not is_input(name) and not name.endswith(".delta")


def _layers_in(layer: Layer) -> Iterator[Layer]:
    """Yield the layers that a layer is composed of: those among its options, and theirs."""
    for name in options_of(type(layer)):
        value = getattr(layer, name)
        for item in value if isinstance(value, tuple) else (value,):
            if kind_of(type(item)) == "layer":
                yield item
                yield from _layers_in(item)


def _with_state(subject: Subject[Layer]) -> list[Bench]:
    """Return the benches on which the layer has parameters that are not trainable; NotApplicable if none."""
    found = [bench for bench in benches(subject) if bench.layout.state_size]
    applies_if(found, "it has no parameters that are not trainable")
    return found


def _times(factor: float, array: Array) -> Array:
    """Return other numbers of the same kind: the array times a factor, or indices in another order."""
    return np.roll(array, int(factor), axis=0) if array.dtype.kind == "i" else factor * array


def _noise(delta: Array, gradients: Mapping[str, Array]) -> float:
    """Return by how much rounding may change the gradients of a pass."""
    return _NOISE * max(float(np.max(np.abs(array), initial=0)) for array in (delta, *gradients.values()))


def _require_same(expected: Pass, found: Pass, what: str) -> None:
    for name, array in expected.named().items():
        require(equal(array, found.named()[name]), f"{what} {name}.")
