"""The checks of optimizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from typing import cast

import numpy as np
from numpy.typing import DTypeLike

from nnfw.arrays import Array, Shape
from nnfw.conformance.isolation import no_warnings
from nnfw.conformance.outcomes import NotApplicable, applies_if, require
from nnfw.conformance.requirements import close, equal, unchanged
from nnfw.conformance.subjects import Subject
from nnfw.ops import DEFINITIONS, Call, PerStep, Tape, splits
from nnfw.ops.definitions import copy
from nnfw.ops.many_steps import steps
from nnfw.protocols import EVALUATED, Optimizer, Parts, SplitOptimizer, is_own

_SIZE = 12
_DECAYS, _NO_DECAY = slice(0, 8), slice(0, 0)
_SHAPES: Mapping[str, Shape] = {"0.weight": (2, 3), "1.weight": (1, 2), "0.bias": (2,), "1.bias": (2,)}
_REAL_SHAPES: Mapping[str, Shape] = {
    "0.weight": (30, 64),
    "0.bias": (30,),
    "1.weight": (7, 30),
    "kernel": (4, 3, 2, 2),
    "1.bias": (7,),
    "scale": (1,),
}
_STEPS = 5
_MANY_STEPS = 400
_LOWER = 0.9  # of the initial distance to the minimum: any method that works gets much closer
_CURVATURES = np.geomspace(1, 10, _SIZE)
_SIZES = np.geomspace(1e-6, 1, _SIZE)  # of gradients; small ones show where ε is added
_HUGE, _TINY = 1e15, 1e-15
_ROUNDING = 1e-9


def _parts_of(shapes: Mapping[str, Shape]) -> Parts:
    """Return the places of parameters that lie one after the other."""
    ends = np.cumsum([prod(shape) for shape in shapes.values()]).tolist()
    places = {name: slice(end - prod(shape), end) for (name, shape), end in zip(shapes.items(), ends, strict=True)}
    return Parts(places, shapes)


_PARTS = _parts_of(_SHAPES)


class _Training:
    """A vector on its way: an optimizer with its state, the count of steps, and random numbers for gradients."""

    def __init__(
        self,
        subject: Subject[Optimizer],
        dtype: DTypeLike = np.float64,
        optimizer: Optimizer | None = None,
        start: Array | None = None,
        parts: Parts = _PARTS,
    ) -> None:
        self.parts = parts
        self.optimizer, self.rng = optimizer or subject.component, subject.rng()
        self.vector = self.rng.standard_normal(_SIZE).astype(dtype) if start is None else start
        self.state = dict(self.optimizer.state(self.vector))
        self.step = 0

    def update(self, gradient: Array, decays: slice = _DECAYS, learning_rate: float | None = None) -> object:
        """Take one step, and return what `update` returns."""
        self.step += 1
        rate = self.optimizer.learning_rate if learning_rate is None else learning_rate
        return _update(self.optimizer, self.vector, gradient, self.state, self.step, rate, decays, self.parts)

    def run(self, steps: int = _STEPS, *, one_array: bool = False) -> _Training:
        """Take steps along random gradients, in arrays of their own or all in one, and return itself."""
        gradient = np.empty_like(self.vector)
        for _ in range(steps):
            gradient = gradient if one_array else np.empty_like(self.vector)
            gradient[...] = self.rng.standard_normal(_SIZE)
            self.update(gradient)
        return self


def _update(
    optimizer: Optimizer,
    vector: Array,
    gradient: Array,
    state: Mapping[str, Array],
    step: int,
    rate: float,
    decays: slice,
    parts: Parts,
) -> object:
    """Call `update_parts` if the optimizer has its own, else `update`, as a training does; return what that returns."""
    update: Callable[..., object] = optimizer.update
    if is_own(optimizer, "update_parts", Optimizer):
        update = partial(optimizer.update_parts, parts=parts)
    return update(vector, gradient, state, step, rate, decays)


def exercise(subject: Subject[Optimizer], component: Optimizer) -> list[object]:
    """Use an optimizer as nnfw does, and return everything that it computes."""
    training = _Training(subject, np.float32, component).run()
    return [training.vector, *(training.state[name] for name in sorted(training.state))]


def check_minimises_a_quadratic(subject: Subject[Optimizer]) -> None:
    """400 steps with its own learning rate approach the minimum of Σ ½ h_i (θ_i − 1)².

    So do the parameters at which the model is evaluated, if its state holds others.
    """
    training = _Training(subject)
    before = float(np.sum(_CURVATURES * (training.vector - 1) ** 2))
    for _ in range(_MANY_STEPS):
        training.update(_CURVATURES * (training.vector - 1), _NO_DECAY)
    for name, theta in (("", training.vector), (" at its average", training.state.get(EVALUATED, training.vector))):
        after = float(np.sum(_CURVATURES * (theta - 1) ** 2))
        text = f"{_MANY_STEPS} steps bring 2C{name} from {before:.6g} to {after:.6g}: it does not descend."
        require(after < _LOWER * before, text)


def check_first_step_goes_downhill(subject: Subject[Optimizer]) -> None:
    """Without decay, the first step moves no parameter up its gradient."""
    training = _Training(subject, start=np.zeros(_SIZE))
    gradient = training.rng.standard_normal(_SIZE)
    training.update(gradient.copy(), _NO_DECAY)
    uphill = training.vector * gradient > 0
    require(not uphill.any(), f"the first step moves {int(uphill.sum())} of {_SIZE} parameters up their gradient.")


def check_zero_gradient_is_rest(subject: Subject[Optimizer]) -> None:
    """If rests is True, a first step with a gradient of 0 leaves parameters without decay unchanged."""
    applies_if(subject.component.rests, "it declares rests = False")
    training = _Training(subject)
    with unchanged("a gradient of 0 moves parameters that do not decay.", training.vector[_DECAYS.stop :]):
        training.update(np.zeros(_SIZE))


def check_frozen_parameters_stay(subject: Subject[Optimizer]) -> None:
    """A parameter without decay whose gradient is always 0 stays exactly the same while others move."""
    applies_if(subject.component.rests, "it declares rests = False")
    training = _Training(subject)
    with unchanged("parameters whose gradient is 0 move with the others.", training.vector[-2:]):
        for _ in range(_STEPS):
            gradient = training.rng.standard_normal(_SIZE)
            gradient[-2:] = 0
            training.update(gradient)


def check_rates_of_parts_scale_the_step(subject: Subject[Optimizer]) -> None:
    """If it declares scales_parts, a rate of ½ halves the first step; with 0 parameters and their average stay."""
    applies_if(getattr(subject.component, "scales_parts", False), "it declares scales_parts = False")
    first, *others = _PARTS
    moved = []
    for rates in ({}, {first: 0.5}):
        training = _Training(subject, parts=replace(_PARTS, rates=rates))
        start = training.vector.copy()
        training.update(training.rng.standard_normal(_SIZE))
        moved.append(training.vector - start)
    moved[0][_PARTS[first]] *= 0.5
    require(close(moved[1], moved[0]), f"with a rate of ½ for {first} alone, the first step is not half of it there.")
    frozen = _Training(subject).run()
    frozen.parts = replace(_PARTS, rates=dict.fromkeys(others, 0.0))
    for theta in (frozen.vector, frozen.state.get(EVALUATED, frozen.vector)):
        with unchanged(
            "parameters with a rate of 0, or their average, move.", *(theta[_PARTS[name]] for name in others)
        ):
            frozen.run()


def check_places_do_not_matter(subject: Subject[Optimizer]) -> None:
    """A parameter moves in the same way wherever it lies in the vector, for sizes as networks have them."""
    rng, moved = subject.rng(), []
    values = {name: rng.standard_normal((1 + _STEPS, prod(shape))) for name, shape in _REAL_SHAPES.items()}
    weights = slice(0, sum(prod(shape) for shape in _REAL_SHAPES.values() if len(shape) > 1))
    for order in (list(values), list(reversed(values)), sorted(values)):
        names = sorted(order, key=lambda name: len(_REAL_SHAPES[name]) == 1)  # weights come first, as in a network
        parts = _parts_of({name: _REAL_SHAPES[name] for name in names})
        joined = np.concatenate([values[name] for name in names], axis=1)
        training = _Training(subject, start=joined[0].copy(), parts=parts)
        for gradient in joined[1:]:
            training.update(gradient.copy(), weights)
        moved.append({name: training.vector[place] for name, place in parts.items()})
    for name in values:
        for other in moved[1:]:
            same = np.allclose(moved[0][name], other[name], rtol=_ROUNDING, atol=_ROUNDING)
            shape = _REAL_SHAPES[name]
            require(same, f"{name} of shape {shape} moves otherwise where parameters lie in another order.")


def check_decay_acts_on_weights_alone(subject: Subject[Optimizer]) -> None:
    """Parameters outside `decays` move as they would without decay."""
    found = []
    for decays in (_DECAYS, _NO_DECAY):
        training = _Training(subject)
        training.update(training.rng.standard_normal(_SIZE), decays)
        found.append(training.vector[_DECAYS.stop :])
    require(close(*found), "the decay moves parameters outside `decays`.")


def check_updates_in_place(subject: Subject[Optimizer]) -> None:
    """It writes into the vector it is given, which may be part of a larger one, and nowhere else."""
    larger = subject.rng().standard_normal(_SIZE + 4)
    vector, beyond = larger[2:-2], "update writes beyond its vector."
    before, training = vector.copy(), _Training(subject, start=vector)
    with unchanged(beyond, larger[:2], larger[-2:]):
        returned = training.update(np.ones(_SIZE))
        require(returned is None, f"update returned {type(returned).__name__}, expected None: it works in place.")
        require(not equal(vector, before), "update does not change the vector that it is given.")


def check_state_has_the_shape_of_the_vector(subject: Subject[Optimizer]) -> None:
    """Every array of state has the shape and dtype of the vector, and its own memory."""
    for dtype in (np.float32, np.float64):
        training = _Training(subject, dtype)
        vector = training.vector
        for name, array in training.state.items():
            require(isinstance(array, np.ndarray), f"state {name!r} is {type(array).__name__}, expected an array.")
            require(
                (array.shape, array.dtype) == (vector.shape, vector.dtype),
                f"state {name!r} is {array.dtype} {array.shape}, expected {vector.dtype} {vector.shape}.",
            )
            require(not np.may_share_memory(array, vector), f"state {name!r} shares memory with the vector.")


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
        training = _Training(subject, dtype).run()
        for name, array in {"the vector": training.vector, **training.state}.items():
            require(array.dtype == dtype, f"{name} is {array.dtype} after a step, expected {np.dtype(dtype)}.")


def check_float32_is_accurate(subject: Subject[Optimizer]) -> None:
    """Steps in float32 equal those in float64 up to rounding."""
    single, double = (_Training(subject, dtype).run().vector for dtype in (np.float32, np.float64))
    require(np.allclose(single, double, rtol=1e-3, atol=1e-4), "the steps in float32 differ from those in float64.")


def check_state_is_all_it_remembers(subject: Subject[Optimizer]) -> None:
    """Restored from vector, state and step count, it continues to the same bits: it keeps nothing elsewhere."""
    whole = _Training(subject).run(2 * _STEPS)
    training = _Training(subject, optimizer=subject.make()).run()
    training.state = {name: array.copy() for name, array in training.state.items()}
    _Training(subject, optimizer=training.optimizer).run(3)  # another training in between
    training.optimizer = subject.make()
    same = equal(training.run().vector, whole.vector)
    require(same, "a training restored from its state takes different steps. Keep everything in state.")


def check_copies_what_it_remembers(subject: Subject[Optimizer]) -> None:
    """It copies what it remembers of a gradient: a network writes the next one into the same array."""
    same = equal(*(_Training(subject).run(one_array=each).vector for each in (True, False)))
    require(same, "it takes different steps if all gradients come in one array. Copy what it remembers.")


def check_two_trainings_do_not_meet(subject: Subject[Optimizer]) -> None:
    """Two trainings that take turns with one optimizer take the steps that each takes alone."""
    alone, one, other = _Training(subject).run(), _Training(subject), _Training(subject)
    for _ in range(_STEPS):
        one.run(1)
        other.run(1)
    require(equal(other.vector, alone.vector), "a second training in turn with it changes its steps.")


def check_uses_the_learning_rate_it_is_given(subject: Subject[Optimizer]) -> None:
    """A step uses the rate that it is given, which a schedule may change: 0 moves nothing, less moves less."""
    moved = []
    for rate in (0.0, 1e-4, 1e-3):
        training = _Training(subject)
        start = training.vector.copy()
        training.update(np.ones(_SIZE), _NO_DECAY, rate)
        moved.append(float(np.max(np.abs(training.vector - start))))
    require(moved[0] == 0, f"a learning rate of 0 moves the parameters by up to {moved[0]:.3g}.")
    text = f"rates of 1e-4 and 1e-3 move the parameters by {moved[1]:.3g} and {moved[2]:.3g}"
    require(0 < moved[1] < moved[2], f"{text}; expected more with more.")


def check_is_deterministic(subject: Subject[Optimizer]) -> None:
    """Two trainings from the same start are equal to the last bit."""
    first, second = (_Training(subject).run().vector for _ in range(2))
    require(equal(first, second), "two trainings from the same start differ.")


def check_finite_for_extreme_gradients(subject: Subject[Optimizer]) -> None:
    """Gradients of 1e15, 1e-15 and 0 in float32 give finite parameters, without a warning."""
    for size in (_HUGE, _TINY, 0.0):
        training = _Training(subject, start=np.ones(_SIZE, np.float32))
        with no_warnings(f"for gradients of {size:g} it warns"):
            for _ in range(2):
                training.update(np.full(_SIZE, size, np.float32))
        finite = np.isfinite(training.vector).all()
        require(finite, f"gradients of {size:g} give parameters that are not finite.")


def check_nan_is_not_hidden(subject: Subject[Optimizer]) -> None:
    """A gradient of NaN gives a parameter of NaN, so it is noticed."""
    training, gradient = _Training(subject, start=np.ones(_SIZE)), np.ones(_SIZE)
    gradient[3] = np.nan
    training.update(gradient, _NO_DECAY)
    require(np.isnan(training.vector[3]), f"a gradient of NaN gives the parameter {training.vector[3]:.6g}.")


def check_no_parameters_are_handled(subject: Subject[Optimizer]) -> None:
    """A network without parameters can be trained: empty vectors raise nothing."""
    _Training(subject, start=np.zeros(0), parts=Parts({}, {})).update(np.zeros(0), _NO_DECAY)


def check_many_steps_are_like_single_ones(subject: Subject[Optimizer]) -> None:
    """If `update` is split, `apply` recorded once takes the same steps, given the coefficients of each, to the bit."""
    applies_if(splits(subject.component, "update", "apply"), "its update is not split into coefficients and apply")
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
    training, memory = _Training(subject), dict[str, object]()
    expected = training.vector.copy()
    for step in range(1, 2 * _STEPS + 1):
        gradient = _SIZES * training.rng.standard_normal(_SIZE)
        rate = training.optimizer.learning_rate / step
        expected = subject.formula(expected, gradient.copy(), memory, step, rate, _DECAYS)
        training.update(gradient, learning_rate=rate)
        error = float(np.max(np.abs(training.vector - expected)))
        right = error <= _ROUNDING * max(1.0, float(np.max(np.abs(expected))))
        require(right, f"after step {step} it is off its formula by up to {error:.3g}.")
