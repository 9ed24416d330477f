"""The checks of optimizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import DTypeLike

from nnfw.arrays import Array
from nnfw.conformance.isolation import no_warnings
from nnfw.conformance.outcomes import NotApplicable, require
from nnfw.conformance.requirements import close, equal
from nnfw.conformance.subjects import Subject
from nnfw.ops import DEFINITIONS, Call, PerStep, Tape, splits
from nnfw.ops.definitions import copy
from nnfw.ops.steps import steps
from nnfw.protocols import Optimizer, SplitOptimizer

Formula = Callable[[Array, Array, dict[str, object], int, float, slice], Array]
"""``(vector, gradient, memory, step, learning_rate, decays) -> new vector``; `memory` is empty at the first step."""

_SIZE = 12
_DECAYS = slice(0, 8)
_STEPS = 5
_MANY_STEPS = 400
_LOWER = 0.9  # of the initial distance to the minimum: any method that works gets much closer
_CURVATURES = np.geomspace(1, 10, _SIZE)
_SIZES = np.geomspace(1e-6, 1, _SIZE)  # of gradients; small ones show where ε is added
_HUGE, _TINY = 1e15, 1e-15
_ROUNDING = 1e-9


def exercise(subject: Subject[Optimizer], component: Optimizer) -> list[object]:
    """Use an optimizer as nnfw does, and return everything that it computes."""
    vector, _, state = _trained(subject, component, np.float32, _STEPS)
    return [vector, *(state[name] for name in sorted(state))]


def check_minimises_a_quadratic(subject: Subject[Optimizer]) -> None:
    """400 steps with its own learning rate approach the minimum of Σ ½ h_i (θ_i − 1)²."""
    component, vector = subject.component, subject.rng().standard_normal(_SIZE)
    before = float(np.sum(_CURVATURES * (vector - 1) ** 2))
    state = component.state(vector)
    for step in range(1, _MANY_STEPS + 1):
        component.update(vector, _CURVATURES * (vector - 1), state, step, component.learning_rate, slice(0, 0))
    after = float(np.sum(_CURVATURES * (vector - 1) ** 2))
    require(
        after < _LOWER * before, f"{_MANY_STEPS} steps bring 2C from {before:.6g} to {after:.6g}: it does not descend."
    )


def check_first_step_goes_downhill(subject: Subject[Optimizer]) -> None:
    """Without decay, the first step moves no parameter up its gradient."""
    component, vector = subject.component, np.zeros(_SIZE)
    gradient = subject.rng().standard_normal(_SIZE)
    component.update(vector, gradient.copy(), component.state(vector), 1, component.learning_rate, slice(0, 0))
    uphill = vector * gradient > 0
    require(not uphill.any(), f"the first step moves {int(uphill.sum())} of {_SIZE} parameters up their gradient.")


def check_zero_gradient_is_rest(subject: Subject[Optimizer]) -> None:
    """If rests is True, a first step with a gradient of 0 leaves parameters without decay unchanged."""
    if not subject.component.rests:
        raise NotApplicable("it declares rests = False")
    vector = subject.rng().standard_normal(_SIZE)
    before = vector.copy()
    state = subject.component.state(vector)
    subject.component.update(vector, np.zeros(_SIZE), state, 1, subject.component.learning_rate, _DECAYS)
    rest = slice(_DECAYS.stop, None)
    require(equal(vector[rest], before[rest]), "a gradient of 0 moves parameters that do not decay.")


def check_frozen_parameters_stay(subject: Subject[Optimizer]) -> None:
    """A parameter without decay whose gradient is always 0 stays exactly the same while others move."""
    if not subject.component.rests:
        raise NotApplicable("it declares rests = False")
    rng, component = subject.rng(), subject.component
    vector = rng.standard_normal(_SIZE)
    before, state = vector.copy(), component.state(vector)
    for step in range(1, _STEPS + 1):
        gradient = rng.standard_normal(_SIZE)
        gradient[-2:] = 0
        component.update(vector, gradient, state, step, component.learning_rate, _DECAYS)
    require(equal(vector[-2:], before[-2:]), "parameters whose gradient is 0 move with the others.")


def check_decay_acts_on_weights_alone(subject: Subject[Optimizer]) -> None:
    """Parameters outside `decays` move as they would without decay."""
    rng, component = subject.rng(), subject.component
    start, gradient = rng.standard_normal(_SIZE), rng.standard_normal(_SIZE)
    found = []
    for decays in (_DECAYS, slice(0, 0)):
        vector = start.copy()
        component.update(vector, gradient.copy(), component.state(vector), 1, component.learning_rate, decays)
        found.append(vector[_DECAYS.stop :])
    require(close(*found), "the decay moves parameters outside `decays`.")


def check_updates_in_place(subject: Subject[Optimizer]) -> None:
    """It writes into the vector it is given, which may be part of a larger one, and nowhere else."""
    component, larger = subject.component, subject.rng().standard_normal(_SIZE + 4)
    before, vector = larger.copy(), larger[2:-2]
    state = component.state(vector)
    returned = component.update(vector, np.ones(_SIZE), state, 1, component.learning_rate, _DECAYS)
    require(returned is None, f"update returned {type(returned).__name__}, expected None: it works in place.")
    require(not equal(larger[2:-2], before[2:-2]), "update does not change the vector that it is given.")
    require(equal(larger[:2], before[:2]) and equal(larger[-2:], before[-2:]), "update writes beyond its vector.")


def check_state_has_the_shape_of_the_vector(subject: Subject[Optimizer]) -> None:
    """Every array of state has the shape and dtype of the vector, and its own memory."""
    for dtype in (np.float32, np.float64):
        vector = subject.rng().standard_normal(_SIZE).astype(dtype)
        for name, array in subject.component.state(vector).items():
            require(isinstance(array, np.ndarray), f"state {name!r} is {type(array).__name__}, expected an array.")
            require(
                (array.shape, array.dtype) == (vector.shape, vector.dtype),
                f"state {name!r} is {array.dtype} {array.shape}, expected {vector.dtype} {vector.shape}.",
            )
            require(not np.may_share_memory(array, vector), f"state {name!r} lies in the memory of the vector.")


def check_state_is_fresh(subject: Subject[Optimizer]) -> None:
    """Each call of state gives new arrays with the same values, so no training continues in another."""
    vector = subject.rng().standard_normal(_SIZE)
    first = subject.component.state(vector)
    expected = {name: array.copy() for name, array in first.items()}
    for array in first.values():
        array += 1
    second = subject.component.state(vector)
    require(equal(dict(second), expected), "state returns arrays that were already used.")


def check_keeps_dtype(subject: Subject[Optimizer]) -> None:
    """In float32 and float64, vector and state keep their dtype."""
    for dtype in (np.float32, np.float64):
        vector, _, state = _trained(subject, subject.component, dtype, _STEPS)
        for name, array in {"the vector": vector, **state}.items():
            require(array.dtype == dtype, f"{name} is {array.dtype} after a step, expected {np.dtype(dtype)}.")


def check_float32_is_accurate(subject: Subject[Optimizer]) -> None:
    """Steps in float32 equal those in float64 up to rounding."""
    single, double = (_trained(subject, subject.component, dtype, _STEPS)[0] for dtype in (np.float32, np.float64))
    require(np.allclose(single, double, rtol=1e-3, atol=1e-4), "the steps in float32 differ from those in float64.")


def check_state_is_all_it_remembers(subject: Subject[Optimizer]) -> None:
    """Restored from vector, state and step count, it continues to the same bits: it keeps nothing elsewhere."""
    whole, _, _ = _trained(subject, subject.component, np.float64, 2 * _STEPS)
    component = subject.make()
    vector, rng, state = _trained(subject, component, np.float64, _STEPS)
    restored = {name: array.copy() for name, array in state.items()}
    _trained(subject, component, np.float64, 3)  # another training in between
    again = subject.make()
    for step in range(_STEPS + 1, 2 * _STEPS + 1):
        again.update(vector, rng.standard_normal(_SIZE), restored, step, again.learning_rate, _DECAYS)
    require(equal(vector, whole), "a training restored from its state takes different steps. Keep everything in state.")


def check_copies_what_it_remembers(subject: Subject[Optimizer]) -> None:
    """It copies what it remembers of a gradient: a network writes the next one into the same array."""
    found, expected = (
        _trained(subject, subject.component, np.float64, _STEPS, one_array=each)[0] for each in (True, False)
    )
    require(
        equal(found, expected), "it takes different steps if all gradients come in one array. Copy what it remembers."
    )


def check_two_trainings_do_not_meet(subject: Subject[Optimizer]) -> None:
    """Two trainings that take turns with one optimizer take the steps that each takes alone."""
    component = subject.component
    alone, _, _ = _trained(subject, component, np.float64, _STEPS)
    rngs = [subject.rng() for _ in range(2)]
    vectors = [rng.standard_normal(_SIZE) for rng in rngs]
    states = [component.state(vector) for vector in vectors]
    for step in range(1, _STEPS + 1):
        for vector, rng, state in zip(vectors, rngs, states, strict=True):
            component.update(vector, rng.standard_normal(_SIZE), state, step, component.learning_rate, _DECAYS)
    require(equal(vectors[1], alone), "a second training in turn with it changes its steps.")


def check_uses_the_learning_rate_it_is_given(subject: Subject[Optimizer]) -> None:
    """A step uses the rate that it is given, which a schedule may change: 0 moves nothing, less moves less."""
    start = subject.rng().standard_normal(_SIZE)
    moved = []
    for rate in (0.0, 1e-4, 1e-3):
        vector = start.copy()
        subject.component.update(vector, np.ones(_SIZE), subject.component.state(vector), 1, rate, slice(0, 0))
        moved.append(float(np.max(np.abs(vector - start))))
    require(moved[0] == 0, f"a learning rate of 0 moves the parameters by up to {moved[0]:.3g}.")
    text = f"rates of 1e-4 and 1e-3 move the parameters by {moved[1]:.3g} and {moved[2]:.3g}"
    require(0 < moved[1] < moved[2], f"{text}; expected more with more.")


def check_is_deterministic(subject: Subject[Optimizer]) -> None:
    """Two trainings from the same start are equal to the last bit."""
    first, second = (_trained(subject, subject.component, np.float64, _STEPS)[0] for _ in range(2))
    require(equal(first, second), "two trainings from the same start differ.")


def check_finite_for_extreme_gradients(subject: Subject[Optimizer]) -> None:
    """Gradients of 1e15, 1e-15 and 0 in float32 give finite parameters, without a warning."""
    for size in (_HUGE, _TINY, 0.0):
        component, vector = subject.component, np.ones(_SIZE, np.float32)
        state = component.state(vector)
        with no_warnings(f"for gradients of {size:g} it warns"):
            for step in (1, 2):
                gradient = np.full(_SIZE, size, np.float32)
                component.update(vector, gradient, state, step, component.learning_rate, _DECAYS)
        require(np.isfinite(vector).all(), f"gradients of {size:g} give parameters that are not finite.")


def check_nan_is_not_hidden(subject: Subject[Optimizer]) -> None:
    """A gradient of NaN gives a parameter of NaN, so it is noticed."""
    vector, gradient = np.ones(_SIZE), np.ones(_SIZE)
    gradient[3] = np.nan
    component = subject.component
    component.update(vector, gradient, component.state(vector), 1, component.learning_rate, slice(0, 0))
    require(np.isnan(vector[3]), f"a gradient of NaN gives the parameter {vector[3]:.6g}.")


def check_no_parameters_are_handled(subject: Subject[Optimizer]) -> None:
    """A network without parameters can be trained: empty vectors raise nothing."""
    vector = np.zeros(0)
    subject.component.update(
        vector, np.zeros(0), subject.component.state(vector), 1, subject.component.learning_rate, slice(0, 0)
    )


def check_many_steps_are_like_single_ones(subject: Subject[Optimizer]) -> None:
    """If `update` is split, `apply` recorded once takes the same steps, given the coefficients of each, to the bit."""
    if not splits(subject.component, "update", "apply"):
        raise NotApplicable("its update is not split into coefficients and apply")
    component, rng = cast("SplitOptimizer", subject.component), subject.rng()
    start, gradients = rng.standard_normal(_SIZE), rng.standard_normal((_STEPS, _SIZE))
    rates = [component.learning_rate / step for step in range(1, _STEPS + 1)]
    vector, state = start.copy(), component.state(start)
    for step, rate in enumerate(rates, 1):
        component.update(vector, gradients[step - 1].copy(), state, step, rate, _DECAYS)
    numbers = [component.coefficients(step, rate) for step, rate in enumerate(rates, 1)]
    require(len(set(map(len, numbers))) == 1, "coefficients returns more numbers at some steps than at others.")
    recorded, own, gradient = start.copy(), component.state(start), np.empty(_SIZE)
    columns = tuple(PerStep(np.array(column)) for column in zip(*numbers, strict=True))
    tape = Tape(DEFINITIONS)
    tape.perform(component.apply, recorded, gradient, own, cast("tuple[float, ...]", columns), _DECAYS)
    steps([Call(copy, (PerStep(gradients), gradient))], tape.calls or [], np.zeros((_STEPS, 1)))(0, _STEPS)
    same = equal(recorded, vector) and all(equal(own[name], state[name]) for name in state if name != "scratch")
    require(same, "recorded, apply with the coefficients of each step gives something else than update.")


def check_agrees_with_its_formula(subject: Subject[Optimizer]) -> None:
    """Its steps equal those of the formula that its author gives to the kit."""
    if subject.formula is None:
        raise NotApplicable("no formula is given: parametrize_checks(..., formula=...)")
    component, rng = subject.component, subject.rng()
    vector = rng.standard_normal(_SIZE)
    memory: dict[str, object] = {}
    expected, state = vector.copy(), component.state(vector)
    for step in range(1, 2 * _STEPS + 1):
        gradient, rate = _SIZES * rng.standard_normal(_SIZE), component.learning_rate / step
        expected = subject.formula(expected, gradient.copy(), memory, step, rate, _DECAYS)
        component.update(vector, gradient.copy(), state, step, rate, _DECAYS)
        error = float(np.max(np.abs(vector - expected)))
        require(
            error <= _ROUNDING * max(1.0, float(np.max(np.abs(expected)))),
            f"after step {step} it is off its formula by up to {error:.3g}.",
        )


def _trained(
    subject: Subject[Optimizer], component: Optimizer, dtype: DTypeLike, steps: int, *, one_array: bool = False
) -> tuple[Array, np.random.Generator, dict[str, Array]]:
    """Return vector, random numbers and state after some steps along random gradients."""
    rng = subject.rng()
    vector = rng.standard_normal(_SIZE).astype(dtype)
    state, gradient = dict(component.state(vector)), np.empty_like(vector)
    for step in range(1, steps + 1):
        gradient = gradient if one_array else np.empty_like(vector)
        gradient[...] = rng.standard_normal(_SIZE)
        component.update(vector, gradient, state, step, component.learning_rate, _DECAYS)
    return vector, rng, state
