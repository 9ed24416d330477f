"""The checks of activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import DTypeLike

from nnfw.arrays import Array
from nnfw.checking import check_activation, check_layer
from nnfw.conformance.isolation import no_warnings
from nnfw.conformance.outcomes import NotApplicable, applies_if, require
from nnfw.conformance.requirements import close, equal, read_only, require_array, require_first_row, strided, unchanged
from nnfw.conformance.subjects import Subject
from nnfw.ops import DEFINITIONS, Tape
from nnfw.protocols import Activation, Elementwise, Layer
from nnfw.workspace import Workspace

SHAPES = ((1, 5), (3, 4), (4, 4), (2, 3, 4))
"""Shapes of a batch of z: one example, not square, square, and with more axes."""

EXTREMES = (-1e4, -700.0, -88.0, -1e-40, 0.0, 1e-40, 88.0, 700.0, 1e4)
"""Values of z that must neither overflow nor warn in float32."""

_KINKS = (0.0, -3.0, 3.0, 1.0, -1.0, 6.0)  # where piecewise functions usually change
_NEAR = (0.0, 1e-4, -1e-7, 1e-9)
_GRID = np.linspace(-12, 12, 2001)
_ROUNDING = 1e-6  # in float64, what a monotonic function may fall by, or overstep its range, relative to its size
_FLOAT32 = 1e-4  # relative: a value in float32 that is further from float64's was not computed well


def exercise(subject: Subject[Activation], component: Activation) -> list[object]:
    """Use an activation as nnfw does, and return everything that it computes."""
    results: list[object] = []
    for shape in SHAPES[:3]:
        z, cotangent = _normal(subject, shape, np.float32)
        results += _both(component, z, cotangent)
    return results


def _layout_check(inputs: str, change: Callable[[Array], Array]) -> Callable[[Subject[Activation]], None]:
    def check(subject: Subject[Activation]) -> None:
        z, grad_a = _normal(subject, (3, 4), np.float64)
        expected = _both(subject.component, z, grad_a)
        found = _both(subject.component, change(z), change(grad_a))
        require(all(map(close, found, expected)), "a or δ depends on the memory layout of z and ∂C/∂a.")

    check.__doc__ = f"{inputs} give what their copies give."
    return check


def check_keeps_shape_and_dtype(subject: Subject[Activation]) -> None:
    """A and δ have the shape and the dtype of z, float32 and float64."""
    for dtype in (np.float32, np.float64):
        for shape in SHAPES:
            z, cotangent = _normal(subject, shape, dtype)
            for name, found in zip(("a", "δ"), _both(subject.component, z, cotangent), strict=True):
                require(
                    (found.shape, found.dtype) == (z.shape, z.dtype),
                    f"{name} is {found.dtype} of shape {found.shape}, expected {z.dtype} of shape {z.shape}, as z.",
                )


def check_leaves_its_arguments_alone(subject: Subject[Activation]) -> None:
    """Neither forward nor delta changes z, a or ∂C/∂a."""
    z, grad_a = _normal(subject, (3, 4), np.float64)
    workspace = Workspace(np.float64)
    with unchanged("forward changes z.", z):
        a = subject.component.forward(z, workspace)
    of_z, of_a = unchanged("delta changes z.", z), unchanged("delta changes a.", a)
    with unchanged("delta changes ∂C/∂a.", grad_a), of_z, of_a:
        subject.component.delta(grad_a, z, a, workspace)


def check_delta_is_the_gradient(subject: Subject[Activation]) -> None:
    """δ agrees with numerical differentiation for a random ∂C/∂a, for several shapes and at more than one point."""
    for scale in (1.0, 4.0):
        for shape in SHAPES:
            z = scale * _normal(subject, shape, np.float64)[0]
            require_first_row(check_activation(subject.component, z, subject.registry), f"δ for z of shape {shape}")


def check_layer_begins_as_it(subject: Subject[Activation]) -> None:
    """If it becomes a layer in a network, that layer at first gives the same a and the same δ."""
    layer, workspace = _layer_of(subject), Workspace(np.float64, training=True)
    z, grad_a = _normal(subject, (3, 4), np.float64)
    declared, rng = layer.parameters(z.shape[1:]), subject.rng()
    params = {name: np.array(item.sample(rng), np.float64) for name, item in declared.items()}
    a, delta = _both(subject.component, z, grad_a)
    require(close(layer.forward(params, z, workspace), a), "its layer begins with another a.")
    grads = {name: np.empty_like(array) for name, array in params.items()}
    found = cast(Array, layer.backward(params, grad_a, grads, workspace))
    require(close(found, delta), "its layer begins with another δ.")


def check_gradients_of_its_layer(subject: Subject[Activation]) -> None:
    """If it becomes a layer, ∂C/∂a and the gradients of its parameters are right, and sequences keep their lengths."""
    layer = _layer_of(subject)
    require(layer.keeps_time, "its layer ends the lengths of padded sequences. Set keeps_time = True in it.")
    for shape in SHAPES:
        z = _normal(subject, shape, np.float64)[0]
        report = check_layer(layer, shape[1:], subject.registry, x=z)
        require(not report.problem, report.problem)
        for row in report.rows:
            require(row.ok, f"its layer, for z of shape {shape}: {row.explanation()}")


def _layer_of(subject: Subject[Activation]) -> Layer:
    """Return the layer that it becomes; NotApplicable if it has no parameters."""
    made = subject.component.as_layer() if hasattr(subject.component, "as_layer") else None
    applies_if(made is not None, "it has no parameters")
    return cast(Layer, made)


def check_delta_at_kinks(subject: Subject[Activation]) -> None:
    """At and near a kink, δ lies between the slopes on both sides."""
    for kink in _KINKS:
        z = kink + np.resize(_NEAR, (3, 4))
        require_first_row(check_activation(subject.component, z, subject.registry), f"near z = {kink:g}: δ")


def check_derivative_is_the_slope(subject: Subject[Activation]) -> None:
    """For an elementwise activation, delta is ∂C/∂a times `derivative`, and forward is `value`."""
    applies_if(Elementwise in subject.cls.__mro__, "it is not Elementwise")
    component = cast(Elementwise, subject.component)
    z, grad_a = _normal(subject, (3, 4), np.float64)
    a, delta = _both(component, z, grad_a)
    require(close(component.value(z), a), "forward is not what value gives.")
    require(close(grad_a * component.derivative(z, a), delta), "delta is not ∂C/∂a ⊙ derivative(z, a).")


def check_linear_in_the_gradient(subject: Subject[Activation]) -> None:
    """δ is linear in ∂C/∂a, however large or small."""
    z, one = _normal(subject, (3, 4), np.float64)
    other = one[::-1].copy()
    first, second = (_both(subject.component, z, each)[1] for each in (one, other))
    for factor in (1.0, 1e6, 1e-6):
        _, found = _both(subject.component, z, factor * (2 * one - 3 * other))
        require(close(found / factor, 2 * first - 3 * second), f"δ is not linear in ∂C/∂a, of size {factor:g}.")


def check_zero_gradient_gives_zero(subject: Subject[Activation]) -> None:
    """For ∂C/∂a = 0, δ is exactly 0."""
    z, grad_a = _normal(subject, (3, 4), np.float64)
    _, delta = _both(subject.component, z, 0 * grad_a)
    require(not np.any(delta), "δ is not 0 where ∂C/∂a is.")


def check_monotonic_where_declared(subject: Subject[Activation]) -> None:
    """If it declares monotonic, no a_j falls as its z_j grows."""
    applies_if(subject.component.monotonic, "it does not declare monotonic = True")
    z = np.zeros((len(_GRID), 3))
    z[:, 1] = _GRID
    a = _value(subject.component, z)[:, 1]
    falls = np.diff(a) < -_ROUNDING * np.maximum(1, np.abs(a[1:]))
    require(not falls.any(), f"a falls where z grows, at z = {_GRID[1:][falls][0] if falls.any() else 0:.4g}.")


def check_range_where_declared(subject: Subject[Activation]) -> None:
    """Every a lies in the declared range."""
    if subject.component.range is None:
        raise NotApplicable("it declares no range")
    low, high = subject.component.range
    for z in (_GRID.reshape(-1, 3), np.array([EXTREMES]), _normal(subject, (5, 4), np.float64)[0]):
        a = _value(subject.component, z)
        margin = _ROUNDING * max(1.0, float(np.max(np.abs(a))))
        outside = (a < low - margin) | (a > high + margin)
        value = a[outside][0] if outside.any() else 0.0
        require(not outside.any(), f"a = {value:.6g} lies outside the declared range {(low, high)}.")


def check_finite_at_extremes(subject: Subject[Activation]) -> None:
    """For z from −10,000 to 10,000 in float32, a and δ are finite, without a warning."""
    for z in (np.array([EXTREMES], np.float32), *(np.full((2, 3), value, np.float32) for value in EXTREMES)):
        with no_warnings("it warns at extreme z"):
            a, delta = _both(subject.component, z, np.ones_like(z))
        require(np.isfinite(a).all(), f"a is not finite for z from {z.min():g} to {z.max():g}.")
        require(np.isfinite(delta).all(), f"δ is not finite for z from {z.min():g} to {z.max():g}.")


def check_float32_is_accurate(subject: Subject[Activation]) -> None:
    """In float32, a and δ are close to those in float64."""
    z, grad_a = _normal(subject, (6, 5), np.float32)
    exact = _both(subject.component, z.astype(np.float64), grad_a.astype(np.float64))
    for name, found, expected in zip(("a", "δ"), _both(subject.component, z, grad_a), exact, strict=True):
        error = float(np.max(np.abs(found - expected)) / max(1e-30, float(np.max(np.abs(expected)))))
        require(
            error < _FLOAT32,
            f"{name} in float32 differs by {error:.2g} from {name} in float64, relative to the largest.",
        )


def check_nan_is_not_hidden(subject: Subject[Activation]) -> None:
    """Where z is NaN, a is NaN; where ∂C/∂a is NaN, δ is NaN."""
    z, grad_a = _normal(subject, (3, 4), np.float64)
    spoilt = z.copy()
    spoilt[1] = np.nan
    require(np.isnan(_value(subject.component, spoilt)[1]).any(), "a has no NaN where z is NaN.")
    grad_a[1] = np.nan
    _, delta = _both(subject.component, z, grad_a)
    require(np.isnan(delta[1]).any(), "δ has no NaN where ∂C/∂a is NaN.")


def check_rows_are_independent(subject: Subject[Activation]) -> None:
    """A and δ of an example depend only on that example."""
    z, grad_a = _normal(subject, (4, 5), np.float64)
    a, delta = _both(subject.component, z, grad_a)
    for row in range(len(z)):
        alone = _both(subject.component, z[row : row + 1], grad_a[row : row + 1])
        require(close(a[row : row + 1], alone[0]), "a of an example depends on other examples.")
        require(close(delta[row : row + 1], alone[1]), "δ of an example depends on other examples.")


def check_empty_batch_is_handled(subject: Subject[Activation]) -> None:
    """A batch without examples gives empty results."""
    z = np.zeros((0, 4))
    for name, found in zip(("a", "δ"), _both(subject.component, z, z.copy()), strict=True):
        require(found.shape == (0, 4), f"{name} of no examples has shape {found.shape}, expected (0, 4).")


check_strided_input = _layout_check("Z and ∂C/∂a that are every second element of larger arrays", strided)
check_fortran_input = _layout_check("Z and ∂C/∂a in Fortran's order", np.asfortranarray)
check_read_only_input = _layout_check("Read-only z and ∂C/∂a", read_only)


def check_workspaces_do_not_meet(subject: Subject[Activation]) -> None:
    """Two passes that take turns, each with its own workspace, do not disturb each other."""
    component, (z, other) = subject.component, _normal(subject, (3, 4), np.float64)
    alone = [_both(component, each, other) for each in (z, z + 1)]
    memories = [Workspace(np.float64) for _ in alone]
    values = [component.forward(each, memory) for each, memory in zip((z, z + 1), memories, strict=True)]
    for each, a, memory, expected in zip((z, z + 1), values, memories, alone, strict=True):
        delta = component.delta(other, each, a, memory)
        require(equal([a, delta], expected), "beside a second pass it gives another a or δ.")


def check_recorded_pass_is_like_asked_again(subject: Subject[Activation]) -> None:
    """A recording of methods marked `kernels_only` gives, for other numbers, what the methods themselves give."""
    z, grad_a = _normal(subject, (3, 4), np.float64)
    tape, memory = Tape(DEFINITIONS), Workspace(np.float64)
    a = tape.perform(subject.component.forward, z, memory)
    delta = tape.perform(subject.component.delta, grad_a, z, a, memory)
    tape.finish()
    z *= -0.75
    grad_a += 1
    tape.repeat()
    require(
        equal([a, delta], _both(subject.component, z, grad_a)), "recorded with `kernels_only`, it gives another a or δ."
    )


def check_reused_workspace_is_like_new(subject: Subject[Activation]) -> None:
    """A pass in a used workspace gives what it gives in a new one: after other sizes, and with other numbers in z."""
    component, workspace = subject.component, Workspace(np.float64)
    for examples in (4, 2, 5):
        z, grad_a = _normal(subject, (examples, 4), np.float64)
        batches = [(z.copy(), grad_a.copy()), (-0.75 * z, grad_a + 1)]
        expected = [_both(component, *batch) for batch in batches]
        for batch, right in zip(batches, expected, strict=True):
            z[...], grad_a[...] = batch  # as a network does: into the arrays of the previous batch
            a = component.forward(z, workspace)
            delta = component.delta(grad_a, z, a, workspace)
            require(equal([a, delta], right), "in a used workspace it gives another a or δ.")


def _normal(subject: Subject[Activation], shape: tuple[int, ...], dtype: DTypeLike) -> tuple[Array, Array]:
    """Return normal z and ∂C/∂a."""
    rng = subject.rng()
    return 2 * rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape).astype(dtype)


def _value(component: Activation, z: Array) -> Array:
    return require_array(component.forward(z, Workspace(z.dtype)), "forward").copy()


def _both(component: Activation, z: Array, grad_a: Array) -> list[Array]:
    """Return copies of a and δ from a new workspace."""
    workspace = Workspace(z.dtype)
    a = require_array(component.forward(z, workspace), "forward")
    delta = require_array(component.delta(grad_a, z, a, workspace), "delta")
    return [a.copy(), delta.copy()]
