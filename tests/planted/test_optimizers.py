"""Wrong optimizers, each in one place, and the check that must find it; the standard ones against literal formulas."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import nnfw
import nnfw.compute
from nnfw.plugins import default_registry
from nnfw.protocols import Parts
from nnfw.testing import checks_of, run_checks
from nnfw_standard import LAMB, SGD, Adagrad, Adam, AdamW, Lion, Muon, NAdam, RAdam, RMSProp, ScheduleFree
from nnfw_standard.muon import orthogonal

FORMULA = "optimizer.agrees_with_its_formula"


def decayed(theta, g, rate, decays):
    g = g.copy()
    g[decays] += rate * theta[decays]
    return g


def sgd(momentum=0.0, decay=0.0, *, nesterov=False):
    def step(theta, g, memory, t, eta, decays):
        g = decayed(theta, g, decay, decays)
        v = memory["v"] = momentum * memory.get("v", 0) + g
        return theta - eta * (g + momentum * v if nesterov else v)

    return step


def adam(decay=0.0, *, decoupled=False, b1=0.9, b2=0.999, epsilon=1e-8):
    def step(theta, g, memory, t, eta, decays):
        if decoupled:
            theta = theta.copy()
            theta[decays] -= eta * decay * theta[decays]
        else:
            g = decayed(theta, g, decay, decays)
        m = memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
        v = memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g * g
        return theta - eta * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + epsilon)

    return step


def rmsprop(component):
    def step(theta, g, memory, t, eta, decays):
        r = memory["r"] = component.rho * memory.get("r", 0) + (1 - component.rho) * g * g
        return theta - eta * g / (np.sqrt(r) + component.epsilon)

    return step


def adagrad(component):
    def step(theta, g, memory, t, eta, decays):
        s = memory["s"] = memory.get("s", 0) + g * g
        return theta - eta * g / (np.sqrt(s) + component.epsilon)

    return step


def amsgrad(b1=0.9, b2=0.999):
    def step(theta, g, memory, t, eta, decays):
        m = memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
        v = memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g * g
        h = memory["h"] = np.maximum(memory.get("h", 0), v)
        return theta - eta * (m / (1 - b1**t)) / (np.sqrt(h / (1 - b2**t)) + 1e-8)

    return step


def nadam(b1=0.9, b2=0.999):
    def step(theta, g, memory, t, eta, decays):
        now, ahead = (b1 * (1 - 0.5 * 0.96 ** (0.004 * k)) for k in (t, t + 1))
        product = memory["product"] = memory.get("product", 1) * now
        m = memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
        v = memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g * g
        first = (1 - now) / (1 - product) * g + ahead / (1 - product * ahead) * m
        return theta - eta * first / (np.sqrt(v / (1 - b2**t)) + 1e-8)

    return step


def radam(b1=0.9, b2=0.999):
    def step(theta, g, memory, t, eta, decays):
        m = memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
        v = memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g * g
        most = 2 / (1 - b2) - 1
        rho = most - 2 * t * b2**t / (1 - b2**t)
        if rho <= 5:
            return theta - eta * m / (1 - b1**t)
        r = np.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
        return theta - eta * r * m / (1 - b1**t) * np.sqrt(1 - b2**t) / (np.sqrt(v) + 1e-8)

    return step


def lion(decay=0.0, b1=0.9, b2=0.99):
    def step(theta, g, memory, t, eta, decays):
        theta = theta.copy()
        theta[decays] -= eta * decay * theta[decays]
        m = memory.get("m", 0)
        memory["m"] = b2 * m + (1 - b2) * g
        return theta - eta * np.sign(b1 * m + (1 - b1) * g)

    return step


# where the kit puts parameters
MATRICES = ((slice(0, 6), (2, 3)), (slice(6, 8), (1, 2)))
BIASES = (slice(8, 10), slice(10, 12))


def lamb(decay=0.01, b1=0.9, b2=0.999):
    def step(theta, g, memory, t, eta, decays):
        m = memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
        v = memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g * g
        r = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-6)
        r[decays] += decay * theta[decays]
        found = theta.copy()
        for part in [place for place, _ in MATRICES] + list(BIASES):
            found[part] -= eta * np.linalg.norm(theta[part]) / np.linalg.norm(r[part]) * r[part]
        return found

    return step


def muon(mu=0.95, decay=0.1, iterations=5):
    """By singular values: the polynomial acts on them alone."""

    def step(theta, g, memory, t, eta, decays):
        found = adam(decay, decoupled=True)(theta, g, memory, t, eta, decays)
        mean = memory["mean"] = mu * memory.get("mean", 0) + (1 - mu) * g
        ahead = (1 - mu) * g + mu * mean
        for part, shape in MATRICES:
            u, s, vt = np.linalg.svd(ahead[part].reshape(shape), full_matrices=False)
            s /= max(np.sqrt(np.sum(s**2)), 1e-7)
            for _ in range(iterations):
                s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
            o = (u * s @ vt).reshape(-1)
            found[part] = theta[part] * (1 - eta * decay) - 0.2 * eta * np.sqrt(max(shape)) * o
        return found

    return step


def schedule_free(b1=0.9, b2=0.999, decay=0.0, *, sgd=False):
    def step(theta, g, memory, t, eta, decays):
        z, x = memory.get("z", theta), memory.get("x", theta)
        if not sgd:
            v = memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g * g
            eta, g = eta * np.sqrt(1 - b2**t), g / (np.sqrt(v) + 1e-8)
        z = memory["z"] = z - eta * decayed(theta, g, decay, decays)
        memory["sum"] = memory.get("sum", 0) + eta**2
        c = eta**2 / memory["sum"]
        x = memory["x"] = (1 - c) * x + c * z
        return (1 - b1) * z + b1 * x

    return step


FORMULAS = {
    "schedule-free": (ScheduleFree(weight_decay=0.1), schedule_free(decay=0.1)),
    "schedule-free-sgd": (ScheduleFree(base="sgd"), schedule_free(sgd=True)),
    "lamb": (LAMB(), lamb()),
    "muon": (Muon(), muon()),
    "amsgrad": (Adam(amsgrad=True), amsgrad()),
    "nadam": (NAdam(), nadam()),
    "radam": (RAdam(), radam()),
    "lion": (Lion(weight_decay=0.1), lion(0.1)),
    "sgd": (SGD(0.1), sgd()),
    "sgd-momentum": (SGD(0.1, momentum=0.9), sgd(0.9)),
    "sgd-nesterov-and-decay": (SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1), sgd(0.9, 0.1, nesterov=True)),
    "adam": (Adam(), adam()),
    "adam-decay": (Adam(weight_decay=0.1), adam(0.1)),
    "adamw": (AdamW(weight_decay=0.1), adam(0.1, decoupled=True)),
    "rmsprop": (RMSProp(), rmsprop(RMSProp())),
    "adagrad": (Adagrad(), adagrad(Adagrad())),
}


@pytest.mark.parametrize(("optimizer", "formula"), FORMULAS.values(), ids=FORMULAS)
def test_standard_optimizer_agrees_with_its_formula(optimizer, formula):
    report = run_checks(optimizer, only=[FORMULA], formula=formula)
    assert [item.status for item in report.outcomes] == ["passed"], report


@dataclass(frozen=True)
class Momentum(nnfw.Optimizer):
    """v ← μ v + g, θ ← θ − η v; right."""

    learning_rate: float = 0.05
    momentum: float = 0.9

    def state(self, vector):
        return {"v": np.zeros_like(vector)}

    def update(self, vector, gradient, state, step, learning_rate, decays):
        v = state["v"]
        v *= self.momentum
        v += gradient
        vector -= vector.dtype.type(learning_rate) * v


@dataclass(frozen=True)
class PlainAdam(nnfw.Optimizer):
    """Adam, literally, with places to spoil it."""

    learning_rate: float = 0.001
    weight_decay: float = 0.1

    def state(self, vector):
        return {"m": np.zeros_like(vector), "v": np.zeros_like(vector)}

    def correction(self, step):
        return 1 - 0.9**step, 1 - 0.999**step

    def divided(self, m, v):
        return m / (np.sqrt(v) + 1e-8)

    def decay(self, vector, gradient, learning_rate, decays):
        vector[decays] *= 1 - learning_rate * self.weight_decay

    def update(self, vector, gradient, state, step, learning_rate, decays):
        self.decay(vector, gradient, learning_rate, decays)
        m, v = state["m"], state["v"]
        m[...] = 0.9 * m + 0.1 * gradient
        v[...] = 0.999 * v + 0.001 * gradient**2
        first, second = self.correction(step)
        vector -= learning_rate * self.divided(m / first, v / second)


def spoilt(base, **methods):
    return dataclass(frozen=True)(type("Spoilt", (base,), {**methods, "__annotations__": {}}))()


def coupled(self, vector, gradient, learning_rate, decays):
    gradient[decays] += self.weight_decay * vector[decays]


def on_everything(self, vector, gradient, learning_rate, decays):
    vector *= 1 - learning_rate * self.weight_decay


@dataclass(frozen=True)
class OneNorm(LAMB):
    def update_parts(self, vector, gradient, state, step, learning_rate, decays, parts):
        whole = Parts({"all": slice(0, len(vector))}, {"all": vector.shape})
        super().update_parts(vector, gradient, state, step, learning_rate, decays, whole)


@dataclass(frozen=True)
class Transposed(Muon):
    def _step_of_matrix(self, w, g, m, shape, rate):
        super()._step_of_matrix(w, g, m, shape[::-1], rate)


@dataclass(frozen=True)
class OnTheGradient(Muon):
    def _step_of_matrix(self, w, g, m, shape, rate):
        w -= 0.2 * rate * np.sqrt(max(shape)) * orthogonal(g.reshape(shape)).reshape(-1)


@dataclass(frozen=True)
class EqualShares(ScheduleFree):
    def _share(self, rates, rate, out):
        return super()._share(rates, 1.0, out)


@dataclass(frozen=True)
class FirstCounts(ScheduleFree):
    def state(self, vector):
        found = super().state(vector)
        return {**found, "squared_rates": found["squared_rates"] + self.learning_rate**2}


WRONG_STEPS = {
    "schedule-free-with-equal-shares": (EqualShares(base="sgd"), schedule_free(sgd=True)),
    "schedule-free-where-the-start-counts": (FirstCounts(base="sgd"), schedule_free(sgd=True)),
    "schedule-free-at-the-fastest": (ScheduleFree(beta1=0.0), schedule_free()),
    "schedule-free-sgd-that-is-adamw": (ScheduleFree(), schedule_free(sgd=True)),
    "schedule-free-without-decay": (ScheduleFree(), schedule_free(decay=0.1)),
    "lamb-with-one-norm-for-all": (OneNorm(), lamb()),
    "lamb-without-norms": (AdamW(epsilon=1e-6), lamb()),
    "lamb-of-other-betas": (LAMB(beta1=0.8), lamb()),
    "lamb-without-decay": (LAMB(weight_decay=0.0), lamb()),
    "muon-that-is-adam": (Muon(adam=("*",)), muon()),
    "muon-of-transposed-matrices": (Transposed(), muon()),
    "muon-without-momentum": (OnTheGradient(), muon()),
    "muon-without-nesterov": (Muon(nesterov=False), muon()),
    "muon-with-an-iteration-less": (Muon(iterations=4), muon()),
    "nadam-that-is-adam": (Adam(), nadam()),
    "nadam-of-other-betas": (NAdam(beta1=0.8), nadam()),
    "nadam-with-constant-momentum": (NAdam(momentum_decay=0.0), nadam(b1=0.95)),
    "radam-that-is-adam": (Adam(), radam()),
    "radam-of-other-betas": (RAdam(beta2=0.99), radam()),
    "radam-never-rectified": (SGD(0.001, momentum=0.9), radam()),
    "lion-of-the-gradient-alone": (Lion(beta1=0.0), lion()),
    "lion-with-betas-swapped": (Lion(beta1=0.99, beta2=0.9), lion(b1=0.5, b2=0.99)),
    "lion-decay-forgotten": (Lion(), lion(0.1)),
    "amsgrad-that-is-adam": (Adam(beta2=0.5), amsgrad(b2=0.5)),
    "amsgrad-of-other-betas": (Adam(amsgrad=True, beta1=0.8), amsgrad()),
    "amsgrad-without-mean": (Adam(amsgrad=True, beta1=0.0), amsgrad()),
    "momentum-sign": (replace(Momentum(), momentum=-0.9), sgd(0.9)),
    "momentum-forgotten": (replace(Momentum(), momentum=0.0), sgd(0.9)),
    "nesterov-that-is-plain-momentum": (Momentum(), sgd(0.9, nesterov=True)),
    "without-bias-correction": (spoilt(PlainAdam, correction=lambda self, step: (1, 1)), adam(0.1, decoupled=True)),
    "bias-correction-one-step-late": (
        spoilt(PlainAdam, correction=lambda self, step: (1 - 0.9 ** (step + 1), 1 - 0.999 ** (step + 1))),
        adam(0.1, decoupled=True),
    ),
    "epsilon-inside-the-root": (
        spoilt(PlainAdam, divided=lambda self, m, v: m / np.sqrt(v + 1e-8)),
        adam(0.1, decoupled=True),
    ),
    "without-root": (spoilt(PlainAdam, divided=lambda self, m, v: m / (v + 1e-8)), adam(0.1, decoupled=True)),
    "coupled-decay": (spoilt(PlainAdam, decay=coupled), adam(0.1, decoupled=True)),
    "decay-on-biases": (spoilt(PlainAdam, decay=on_everything), adam(0.1, decoupled=True)),
    "without-decay": (spoilt(PlainAdam, decay=lambda *arguments: None), adam(0.1, decoupled=True)),
}


@pytest.mark.parametrize(("optimizer", "formula"), WRONG_STEPS.values(), ids=WRONG_STEPS)
def test_wrong_step_is_found_by_its_formula(optimizer, formula):
    report = run_checks(optimizer, only=[FORMULA], formula=formula)
    assert [item.check for item in report.failures] == [FORMULA], report
    assert "it is off its formula by up to" in report.failures[0].message


_KEPT = {}


def changing(change, base=Momentum):
    """Return an optimizer whose step is ``change(parent's update, vector, gradient, state, step, rate, decays)``."""

    @dataclass(frozen=True)
    class Changed(base):
        def update(self, vector, gradient, state, step, learning_rate, decays):
            return change(super().update, vector, gradient, state, step, learning_rate, decays)

    return Changed()


def counting(update, vector, gradient, state, step, learning_rate, decays):
    """The step count is kept outside of the state."""
    _KEPT["n"] = _KEPT.get("n", 0) + 1 if step > 1 else 1
    update(vector, gradient / _KEPT["n"], state, step, learning_rate, decays)


def with_a_global_buffer(update, vector, gradient, state, step, learning_rate, decays):
    v = _KEPT.setdefault("v", np.zeros_like(vector)) if step > 1 else _KEPT.__setitem__("v", np.zeros_like(vector))
    if v is not None:
        gradient = gradient + 0.5 * v
    _KEPT["v"] = gradient.copy()
    update(vector, gradient, state, step, learning_rate, decays)


def on_a_copy(update, vector, gradient, state, step, learning_rate, decays):
    moved = vector.copy()
    update(moved, gradient, state, step, learning_rate, decays)
    return moved


def without_state(self, vector):
    return {"v": np.zeros(len(vector) + 1)}


def shared_state(self, vector):
    return {"v": _KEPT.setdefault(("state", vector.dtype), np.zeros_like(vector))}


def noisy(update, vector, gradient, state, step, learning_rate, decays):
    update(
        vector,
        gradient + 1e-3 * np.random.default_rng().standard_normal(len(gradient)),
        state,
        step,
        learning_rate,
        decays,
    )


def drifting(update, vector, gradient, state, step, learning_rate, decays):
    update(vector, gradient, state, step, learning_rate, decays)
    vector -= 1e-3 * learning_rate


def mixing(update, vector, gradient, state, step, learning_rate, decays):
    update(vector, gradient - gradient.mean(), state, step, learning_rate, decays)


def up(update, vector, gradient, state, step, learning_rate, decays):
    update(vector, -gradient, state, step, learning_rate, decays)


def own_rate(update, vector, gradient, state, step, learning_rate, decays):
    update(vector, gradient, state, step, 0.05, decays)


def squaring(update, vector, gradient, state, step, learning_rate, decays):
    update(vector, gradient / np.sqrt(np.mean(gradient**4) + 1e-30), state, step, learning_rate, decays)


def of_float16(update, vector, gradient, state, step, learning_rate, decays):
    if vector.dtype == np.float32:
        gradient = gradient.astype(np.float16).astype(np.float32) * np.float32(1.01)
    update(vector, gradient, state, step, learning_rate, decays)


def without_nan(update, vector, gradient, state, step, learning_rate, decays):
    update(vector, np.nan_to_num(gradient), state, step, learning_rate, decays)


def by_largest(update, vector, gradient, state, step, learning_rate, decays):
    update(vector, gradient / max(1, np.abs(gradient).max()), state, step, learning_rate, decays)


@dataclass(frozen=True)
class PreviousGradient(Momentum):
    """Steps along 2 g − the gradient before, which it remembers without a copy."""

    def update(self, vector, gradient, state, step, learning_rate, decays):
        before = state.get("before", gradient)
        super().update(vector, 2 * gradient - before, state, step, learning_rate, decays)
        state["before"] = gradient


def first_slope(update, vector, gradient, state, step, learning_rate, decays):
    """Scale by the size that the gradient had when this array was first seen."""
    if _KEPT.get("gradient") is not gradient:
        _KEPT.update(gradient=gradient, size=1 + np.abs(gradient).max())
    update(vector, gradient / _KEPT["size"], state, step, learning_rate, decays)


@dataclass(frozen=True)
class Float64State(Momentum):
    def update(self, vector, gradient, state, step, learning_rate, decays):
        state["v"] = state["v"].astype(np.float64)
        super().update(vector, gradient.astype(np.float64), state, step, learning_rate, decays)


@dataclass(frozen=True)
class SplitDifferently(SGD):
    """One whose recorded step forgets the second coefficient's meaning: it decays at the rate of the first step."""

    def coefficients(self, step, learning_rate):
        return learning_rate, 0.1 * learning_rate

    def update(self, vector, gradient, state, step, learning_rate, decays):
        vector[decays] *= 1 - 0.1 * learning_rate
        vector -= learning_rate * gradient

    @nnfw.compute.kernels_only
    def apply(self, vector, gradient, state, coefficients, decays):
        nnfw.compute.kernels().sgd(vector, gradient, coefficients[0])


split_differently = SplitDifferently(0.1)


@dataclass(frozen=True)
class Forgotten(ScheduleFree):
    """The average stays where it was."""

    def state(self, vector):
        return {**super().state(vector), "evaluated": vector.copy(), "other": vector.copy()}

    def update_parts(self, vector, gradient, state, *others):
        super().update_parts(vector, gradient, {**state, "evaluated": state["other"]}, *others)


def with_rates(change):
    """Return an optimizer with an average whose rates of parts `change` has changed."""

    @dataclass(frozen=True)
    class Changed(ScheduleFree):
        def update_parts(self, vector, gradient, state, step, learning_rate, decays, parts):
            parts = replace(parts, rates={name: change(rate) for name, rate in parts.rates.items()})
            super().update_parts(vector, gradient, state, step, learning_rate, decays, parts)

    return Changed(0.1)


@dataclass(frozen=True)
class AverageGoesOn(ScheduleFree):
    """The average of frozen parameters still moves towards where they are."""

    def update_parts(self, vector, gradient, state, step, learning_rate, decays, parts):
        for name, rate in parts.rates.items():
            gradient[parts[name]] *= rate > 0
        super().update(vector, gradient, state, step, learning_rate, decays)


CONTRACT = {
    "rates-of-parts-ignored": (with_rates(lambda rate: 1.0), "optimizer.rates_of_parts_scale_the_step"),
    "rates-of-parts-squared": (with_rates(lambda rate: rate**2), "optimizer.rates_of_parts_scale_the_step"),
    "rates-of-parts-only-freeze": (
        with_rates(lambda rate: float(rate > 0)),
        "optimizer.rates_of_parts_scale_the_step",
    ),
    "frozen-parts-creep": (with_rates(lambda rate: rate or 1e-9), "optimizer.rates_of_parts_scale_the_step"),
    "average-of-frozen-parts-moves": (AverageGoesOn(), "optimizer.rates_of_parts_scale_the_step"),
    "average-that-stays": (Forgotten(), "optimizer.minimises_a_quadratic"),
    "climbs": (changing(up), "optimizer.minimises_a_quadratic"),
    "first-step-up": (changing(up), "optimizer.first_step_goes_downhill"),
    "drifts": (changing(drifting), "optimizer.zero_gradient_is_rest"),
    "mixes-gradients": (changing(mixing), "optimizer.frozen_parameters_stay"),
    "decays-biases": (
        changing(
            lambda update, vector, *rest: (update(vector, *rest), vector.__imul__(1 - 0.1 * bool(rest[-1].stop)))[0]
        ),
        "optimizer.decay_acts_on_weights_alone",
    ),
    "on-a-copy": (changing(on_a_copy), "optimizer.updates_in_place"),
    "state-of-another-length": (spoilt(Momentum, state=without_state), "optimizer.state_has_the_shape_of_the_vector"),
    "state-shared": (spoilt(Momentum, state=shared_state), "optimizer.state_is_fresh"),
    "float64-state": (Float64State(), "optimizer.keeps_dtype"),
    "half-precision": (changing(of_float16), "optimizer.float32_is_accurate"),
    "step-not-saved": (changing(counting), "optimizer.state_is_all_it_remembers"),
    "remembers-without-a-copy": (PreviousGradient(), "optimizer.copies_what_it_remembers"),
    "size-by-identity": (changing(first_slope), "optimizer.copies_what_it_remembers"),
    "memory-in-the-module": (changing(with_a_global_buffer), "optimizer.two_trainings_do_not_meet"),
    "own-learning-rate": (changing(own_rate), "optimizer.uses_the_learning_rate_it_is_given"),
    "noise": (changing(noisy), "optimizer.is_deterministic"),
    "overflow": (changing(squaring), "optimizer.finite_for_extreme_gradients"),
    "hidden-nan": (changing(without_nan), "optimizer.nan_is_not_hidden"),
    "split-without-decay": (split_differently, "optimizer.many_steps_are_like_single_ones"),
    "largest-of-nothing": (changing(by_largest), "optimizer.no_parameters_are_handled"),
}


@pytest.mark.parametrize(("optimizer", "check"), CONTRACT.values(), ids=CONTRACT)
def test_broken_contract_is_found(optimizer, check):
    _KEPT.clear()
    report = run_checks(optimizer, only=[check])
    assert [item.check for item in report.failures] == [check], report


def test_every_check_of_optimizers_finds_something():
    found = {FORMULA, PLACES} | {check for _, check in CONTRACT.values()}
    assert {check.id for check in checks_of("optimizer") if check.id.startswith("optimizer.")} == found


@pytest.mark.parametrize("optimizer", [Momentum(), PlainAdam()], ids=repr)
def test_right_optimizer_passes_everything(optimizer):
    report = run_checks(optimizer)
    assert [item for item in report.failures if item.check != "component.is_documented"] == [], report


@pytest.mark.parametrize("name", [item.name for item in default_registry().components("optimizer")])
def test_standard_optimizer_passes_everything(name):
    report = run_checks(f"optimizer:{name}")
    assert report.ok, report


@dataclass(frozen=True)
class Layerwise(nnfw.Optimizer):
    """θ_p ← θ_p − η g_p / max(‖g_p‖, 1) for each parameter p; right."""

    learning_rate: float = 0.05

    def update(self, vector, gradient, state, step, learning_rate, decays):
        raise AssertionError("a training calls update_parts")

    def places(self, vector, parts):
        return list(parts.values())

    def update_parts(self, vector, gradient, state, step, learning_rate, decays, parts):
        for place in self.places(vector, parts):
            g = gradient[place]
            vector[place] -= vector.dtype.type(learning_rate) * g / max(np.linalg.norm(g), 1)


PLACES = "optimizer.places_do_not_matter"
WRONG_PLACES = {
    "blocks of 64": lambda self, vector, parts: [slice(k, k + 64) for k in range(0, len(vector), 64)],
    "whole vector": lambda self, vector, parts: [slice(0, len(vector) // 2), slice(len(vector) // 2, None)],
    "shifted": lambda self, vector, parts: [slice(max(p.start - 1, 0), p.stop - 1) for p in parts.values()],
    "last left out": lambda self, vector, parts: list(parts.values())[:-1],
}


def test_layerwise_optimizer_passes_everything():
    report = run_checks(Layerwise())
    assert [item for item in report.failures if item.check != "component.is_documented"] == [], report


@pytest.mark.parametrize("name", WRONG_PLACES)
def test_layerwise_optimizer_that_is_wrong_for_real_sizes_is_found(name):
    report = run_checks(spoilt(Layerwise, places=WRONG_PLACES[name]), only=[PLACES])
    assert [item.check for item in report.failures] == [PLACES], report
    assert "moves otherwise where parameters lie in another order" in report.failures[0].message
