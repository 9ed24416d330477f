"""The optimizers against their equations, taken literally: one parameter at a time, in float64, with loops."""

import tracemalloc
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

import nnfw
from nnfw_standard import LAMB, SGD, Adagrad, Adam, AdamW, Lion, NAdam, RAdam, RMSProp, operations, optimizers
from nnfw_standard.operations import clip

OPTIMIZERS = [
    pytest.param(SGD(0.1), id="sgd"),
    pytest.param(SGD(0.1, momentum=0.9), id="momentum"),
    pytest.param(SGD(0.1, momentum=0.9, nesterov=True), id="nesterov"),
    pytest.param(Adam(0.1), id="adam"),
    pytest.param(AdamW(0.1, weight_decay=0.0), id="adamw"),
    pytest.param(Adam(0.1, amsgrad=True), id="amsgrad"),
    pytest.param(NAdam(0.1), id="nadam"),
    pytest.param(RAdam(0.1), id="radam"),
    pytest.param(Lion(0.1), id="lion"),
    pytest.param(RMSProp(0.1), id="rmsprop"),
    pytest.param(Adagrad(0.5), id="adagrad"),
]


# The equations of the docstrings for one parameter. `memory` is what the parameter's equations remember.


def literal_sgd(optimizer, theta, g, memory, t, eta):
    mu = optimizer.momentum
    memory["v"] = mu * memory.get("v", 0.0) + g
    return theta - eta * (g + mu * memory["v"] if optimizer.nesterov else memory["v"])


def literal_adam(optimizer, theta, g, memory, t, eta):
    b1, b2 = optimizer.beta1, optimizer.beta2
    memory["m"] = b1 * memory.get("m", 0.0) + (1 - b1) * g
    memory["v"] = b2 * memory.get("v", 0.0) + (1 - b2) * g**2
    memory["largest"] = max(memory.get("largest", 0.0), memory["v"])
    v = memory["largest"] if optimizer.amsgrad else memory["v"]
    m_hat, v_hat = memory["m"] / (1 - b1**t), v / (1 - b2**t)
    return theta - eta * m_hat / (sqrt(v_hat) + optimizer.epsilon)


def literal_nadam(optimizer, theta, g, memory, t, eta):
    b1, b2 = optimizer.beta1, optimizer.beta2
    now, ahead = (b1 * (1 - 0.96 ** (optimizer.momentum_decay * k) / 2) for k in (t, t + 1))
    memory["product"] = memory.get("product", 1.0) * now
    memory["m"] = b1 * memory.get("m", 0.0) + (1 - b1) * g
    memory["v"] = b2 * memory.get("v", 0.0) + (1 - b2) * g**2
    first = (1 - now) * g / (1 - memory["product"]) + ahead * memory["m"] / (1 - memory["product"] * ahead)
    return theta - eta * first / (sqrt(memory["v"] / (1 - b2**t)) + optimizer.epsilon)


def literal_radam(optimizer, theta, g, memory, t, eta):
    b1, b2 = optimizer.beta1, optimizer.beta2
    memory["m"] = b1 * memory.get("m", 0.0) + (1 - b1) * g
    memory["v"] = b2 * memory.get("v", 0.0) + (1 - b2) * g**2
    m_hat, most = memory["m"] / (1 - b1**t), 2 / (1 - b2) - 1
    rho = most - 2 * t * b2**t / (1 - b2**t)
    if rho <= 5:
        return theta - eta * m_hat
    r = sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
    return theta - eta * r * m_hat / ((sqrt(memory["v"]) + optimizer.epsilon) / sqrt(1 - b2**t))


def literal_lion(optimizer, theta, g, memory, t, eta):
    m = memory.get("m", 0.0)
    update = optimizer.beta1 * m + (1 - optimizer.beta1) * g
    memory["m"] = optimizer.beta2 * m + (1 - optimizer.beta2) * g
    return theta - eta * np.sign(update)


def literal_rmsprop(optimizer, theta, g, memory, t, eta):
    memory["r"] = optimizer.rho * memory.get("r", 0.0) + (1 - optimizer.rho) * g**2
    return theta - eta * g / (sqrt(memory["r"]) + optimizer.epsilon)


def literal_adagrad(optimizer, theta, g, memory, t, eta):
    memory["s"] = memory.get("s", 0.0) + g**2
    return theta - eta * g / (sqrt(memory["s"]) + optimizer.epsilon)


LITERAL = {
    SGD: literal_sgd,
    Adam: literal_adam,
    AdamW: literal_adam,
    NAdam: literal_nadam,
    RAdam: literal_radam,
    Lion: literal_lion,
    RMSProp: literal_rmsprop,
    Adagrad: literal_adagrad,
}


def literal_run(optimizer, theta, gradients, rates, decays):
    theta = [float(value) for value in theta]
    memories = [{} for _ in theta]
    for t, (gradient, eta) in enumerate(zip(gradients, rates, strict=True), start=1):
        if (limit := optimizer.clip_value) is not None:
            gradient = [max(-limit, min(limit, g)) for g in gradient]
        norm = sqrt(sum(g**2 for g in gradient))
        for i, g in enumerate(gradient):
            if optimizer.clip_norm is not None and norm > optimizer.clip_norm:
                g = g * optimizer.clip_norm / norm
            decaying = i in range(len(theta))[decays]
            if decaying and optimizer.decoupled:
                theta[i] -= eta * optimizer.weight_decay * theta[i]
            elif decaying:
                g = g + optimizer.weight_decay * theta[i]
            theta[i] = LITERAL[type(optimizer)](optimizer, theta[i], g, memories[i], t, eta)
    return theta


def run(optimizer, theta, gradients, rates, decays, *, state=None, first_step=1):
    theta = theta.copy()
    state = optimizer.state(theta) if state is None else state
    for step, (gradient, eta) in enumerate(zip(gradients, rates, strict=True), start=first_step):
        optimizer.update(theta, gradient.copy(), state, step, eta, decays)
    return theta


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param({"weight_decay": 0.3}, id="decay"),
        pytest.param({"clip_norm": 2.0}, id="clip"),
        pytest.param({"clip_value": 0.5}, id="clip-value"),
        pytest.param({"clip_value": 0.9, "clip_norm": 1.5}, id="clip-both"),
        pytest.param({"weight_decay": 0.3, "clip_norm": 2.0}, id="decay-clip"),
    ],
)
def test_update_20_steps_follows_equations_element_by_element(rng, optimizer, options):
    optimizer = replace(optimizer, **options)
    theta, gradients, rates = rng.normal(size=7), rng.normal(size=(20, 7)), rng.uniform(0.01, 0.2, 20).tolist()

    found = run(optimizer, theta, gradients, rates, slice(0, 4))

    np.testing.assert_allclose(
        found, literal_run(optimizer, theta, gradients, rates, slice(0, 4)), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(Adam(beta1=0.3, beta2=0.7, epsilon=0.1), id="adam"),
        pytest.param(AdamW(beta1=0.0, beta2=0.0, epsilon=0.1, weight_decay=0.2), id="adamw-no-memory"),
        pytest.param(Adam(beta1=0.3, beta2=0.7, epsilon=0.1, amsgrad=True), id="amsgrad"),
        pytest.param(NAdam(beta1=0.3, beta2=0.7, epsilon=0.1, momentum_decay=2.0), id="nadam"),
        pytest.param(NAdam(beta1=0.0, beta2=0.0, epsilon=0.1), id="nadam-no-memory"),
        pytest.param(RAdam(beta1=0.3, beta2=0.9, epsilon=0.1), id="radam"),
        pytest.param(RAdam(beta1=0.3, beta2=0.5, epsilon=0.1), id="radam-never-rectified"),
        pytest.param(RMSProp(rho=0.4, epsilon=0.1), id="rmsprop"),
        pytest.param(RMSProp(rho=0.0, epsilon=0.1), id="rmsprop-no-memory"),
        pytest.param(Adagrad(epsilon=0.1), id="adagrad"),
    ],
)
def test_update_with_large_epsilon_adds_it_outside_of_the_root(rng, optimizer):
    theta, gradients, rates = rng.normal(size=5), rng.normal(size=(20, 5)), [0.1] * 20

    found = run(optimizer, theta, gradients, rates, slice(0, 3))

    np.testing.assert_allclose(
        found, literal_run(optimizer, theta, gradients, rates, slice(0, 3)), rtol=1e-12, atol=1e-12
    )


def test_sgd_nesterov_equals_sutskever_seen_from_the_point_ahead(rng):
    curvature, theta, velocity, mu, eta = rng.uniform(0.5, 2, 4), rng.normal(size=4), np.zeros(4), 0.9, 0.05
    ahead = theta.copy()
    optimizer = SGD(eta, momentum=mu, nesterov=True)
    state = optimizer.state(ahead)

    for step in range(1, 21):
        velocity = mu * velocity - eta * curvature * (theta + mu * velocity)
        theta = theta + velocity
        optimizer.update(ahead, curvature * ahead, state, step, eta, slice(0, 0))

    np.testing.assert_allclose(ahead, theta + mu * velocity, rtol=0, atol=1e-12)


def test_sgd_nesterov_without_momentum_is_plain_descent(rng):
    theta, gradients = rng.normal(size=5), rng.normal(size=(3, 5))

    found = run(SGD(nesterov=True), theta, gradients, [0.1] * 3, slice(0, 0))

    np.testing.assert_array_equal(found, run(SGD(), theta, gradients, [0.1] * 3, slice(0, 0)))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_update_on_a_quadratic_converges_to_its_minimum(rng, optimizer):
    curvature, minimum, steps = np.array([0.5, 1.0, 4.0]), np.array([1.0, -2.0, 0.5]), 600
    theta = np.zeros(3)
    state = optimizer.state(theta)

    for step in range(1, steps + 1):
        rate = optimizer.learning_rate * (1 - (step - 1) / steps)
        optimizer.update(theta, curvature * (theta - minimum), state, step, rate, slice(0, 0))

    np.testing.assert_allclose(theta, minimum, rtol=0, atol=1e-3)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weight_decay_without_gradient_moves_only_what_decays(optimizer):
    theta = np.array([1.0, -2.0, 3.0, 4.0])

    found = run(replace(optimizer, weight_decay=0.1), theta, np.zeros((3, 4)), [0.1] * 3, slice(0, 2))

    assert (np.abs(found[:2]) < np.abs(theta[:2])).all()
    np.testing.assert_array_equal(found[2:], theta[2:])


def test_adamw_decay_is_the_same_for_small_and_large_gradients():
    theta = np.array([5.0, 5.0])
    gradients, rates = np.array([[1e-3, 1e3]] * 4), [0.1] * 4

    plain = run(AdamW(weight_decay=0.0, epsilon=1e-300), theta, gradients, rates, slice(0, 2))
    decayed = run(AdamW(weight_decay=0.5, epsilon=1e-300), theta, gradients, rates, slice(0, 2))

    np.testing.assert_allclose(*(plain - decayed), rtol=1e-12)


def test_adamw_by_default_decays_by_one_percent_of_the_rate():
    found = run(AdamW(), np.ones(2), np.zeros((1, 2)), [0.1], slice(0, 1))

    assert found.tolist() == [1 - 0.1 * 0.01, 1.0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_clip_norm_above_the_gradients_changes_nothing(rng, optimizer):
    theta, gradients, rates = rng.normal(size=6), rng.normal(size=(5, 6)), [0.1] * 5

    found = run(replace(optimizer, clip_norm=1e3), theta, gradients, rates, slice(0, 0))

    np.testing.assert_array_equal(found, run(optimizer, theta, gradients, rates, slice(0, 0)))


def test_clip_value_keeps_nan_and_ends_infinities():
    gradient = np.array([np.nan, np.inf, -np.inf, 0.5])

    operations.clip_values(gradient, 1.0)

    np.testing.assert_array_equal(gradient, [np.nan, 1, -1, 0.5])


def literal_lamb(optimizer, theta, gradients, eta, decays, parts):
    m, v = np.zeros(len(theta)), np.zeros(len(theta))
    for t, g in enumerate(gradients, start=1):
        m, v = optimizer.beta1 * m + (1 - optimizer.beta1) * g, optimizer.beta2 * v + (1 - optimizer.beta2) * g * g
        r = m / (1 - optimizer.beta1**t) / (np.sqrt(v / (1 - optimizer.beta2**t)) + optimizer.epsilon)
        r[decays] += optimizer.weight_decay * theta[decays]
        for part in parts.values():
            own, length = sqrt(sum(theta[part] ** 2)), sqrt(sum(r[part] ** 2))
            theta[part] -= eta * (own / length if own and length else 1) * r[part]
    return theta


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_lamb_20_steps_follow_equations_part_by_part(rng, weight_decay):
    optimizer, parts = LAMB(weight_decay=weight_decay), {"weight": slice(0, 4), "bias": slice(4, 7)}
    theta, gradients = rng.normal(size=7), rng.normal(size=(20, 7))
    theta[4:] = 0  # as biases start
    found, state = theta.copy(), optimizer.state(theta)

    for step, gradient in enumerate(gradients, start=1):
        optimizer.update_parts(found, gradient.copy(), state, step, 0.1, slice(0, 4), parts)

    expected = literal_lamb(optimizer, theta, gradients, 0.1, slice(0, 4), parts)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_lamb_clips_before_anything_else():
    theta, optimizer = np.array([3.0, 4.0]), LAMB(weight_decay=0.0, clip_value=1.0, clip_norm=1.0, beta1=0.0, beta2=0.0)
    state = optimizer.state(theta)

    optimizer.update(theta, np.array([5.0, 0.0]), state, 1, 0.1, slice(0, 2))

    np.testing.assert_allclose(state["mean"], [1, 0])
    np.testing.assert_allclose(theta, [2.5, 4], rtol=1e-5)


def test_lamb_with_another_part_beside_it_takes_the_same_step(rng):
    vector, gradient, optimizer = rng.normal(size=6), rng.normal(size=6), LAMB()
    alone = vector[:3].copy()
    optimizer.update_parts(alone, gradient[:3].copy(), optimizer.state(alone), 1, 0.1, slice(0, 3), {"a": slice(0, 3)})

    parts = {"a": slice(0, 3), "b": slice(3, 6)}
    optimizer.update_parts(vector, gradient, optimizer.state(vector), 1, 0.1, slice(0, 3), parts)

    np.testing.assert_array_equal(vector[:3], alone)


def test_radam_rectifies_from_the_sixth_step_on():
    rates = [RAdam().coefficients(step, 1.0)[1] for step in range(1, 8)]

    assert [rate > 0 for rate in rates] == [False] * 5 + [True] * 2


def test_amsgrad_steps_do_not_grow_after_a_large_gradient():
    gradients = np.array([[100.0]] + [[0.01]] * 3000)

    plain, bounded = (
        run(optimizer, np.zeros(1), gradients, [0.1] * 3001, slice(0, 0)) for optimizer in (Adam(), Adam(amsgrad=True))
    )

    assert abs(bounded[0]) < abs(plain[0]) * 0.6


def test_clip_large_gradient_keeps_direction_and_has_the_norm():
    gradient = np.array([30.0, -40.0])

    clip(gradient, 2.0)

    np.testing.assert_allclose(gradient, [1.2, -1.6], rtol=1e-15)


def test_clip_float32_gradient_whose_squares_overflow_has_the_norm():
    gradient = np.full(4, 1e25, np.float32)

    clip(gradient, 1.0)

    np.testing.assert_allclose(gradient, 0.5, rtol=1e-6)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan], ids=["inf", "minus-inf", "nan"])
def test_clip_gradient_that_is_not_finite_is_left_alone(value):
    gradient = np.array([1.0, value, 1e5])

    clip(gradient, 1.0)

    np.testing.assert_array_equal(gradient, [1.0, value, 1e5])


def test_clip_norm_acts_before_weight_decay():
    theta = run(SGD(weight_decay=0.5, clip_norm=1.0), np.array([8.0]), np.array([[4.0]]), [1.0], slice(0, 1))

    assert theta.tolist() == [8.0 - (1.0 + 0.5 * 8.0)]


@pytest.mark.parametrize("optimizer", [pytest.param(Adam(), id="adam"), pytest.param(AdamW(), id="adamw")])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4], ids=str)
def test_adam_first_step_is_as_long_as_the_rate(optimizer, scale):
    optimizer = replace(optimizer, weight_decay=0.0)

    found = run(optimizer, np.zeros(2), np.array([[scale, -scale]]), [0.1], slice(0, 0))

    np.testing.assert_allclose(found, [-0.1, 0.1], rtol=2e-4)  # ε against a gradient of 1e-4


def test_adam_later_step_corrects_the_bias_less(rng):
    gradients = rng.normal(size=(1, 5))

    first = run(Adam(epsilon=1e-12), np.zeros(5), gradients, [0.1], slice(0, 0), first_step=1)
    later = run(Adam(epsilon=1e-12), np.zeros(5), gradients, [0.1], slice(0, 0), first_step=1000)

    ratio = (0.1 / (1 - 0.9**1000)) / sqrt(0.001 / (1 - 0.999**1000))
    np.testing.assert_allclose(later / first, ratio, rtol=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_update_with_restored_state_continues_bit_equal(rng, optimizer, dtype):
    optimizer = replace(optimizer, weight_decay=0.01, clip_norm=2.0)
    gradients, rates, decays = rng.normal(size=(10, 9)).astype(dtype), [0.1] * 10, slice(0, 5)
    start = rng.normal(size=9).astype(dtype)
    whole = run(optimizer, start, gradients, rates, decays)

    state = optimizer.state(start)
    half = run(optimizer, start, gradients[:5], rates[:5], decays, state=state)
    restored = {name: array.copy() for name, array in state.items()}
    found = run(optimizer, half, gradients[5:], rates[5:], decays, state=restored, first_step=6)

    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_update_with_anything_in_scratch_gives_the_same(rng, optimizer):
    optimizer = replace(optimizer, weight_decay=0.01)
    theta, gradients = rng.normal(size=6), rng.normal(size=(1, 6))
    state = optimizer.state(theta)
    if optimizers.SCRATCH in state:
        state[optimizers.SCRATCH].fill(np.nan)

    found = run(optimizer, theta, gradients, [0.1], slice(0, 3), state=state)

    np.testing.assert_array_equal(found, run(optimizer, theta, gradients, [0.1], slice(0, 3)))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_state_is_zeros_shaped_like_the_vector_in_its_dtype(optimizer, dtype):
    vector = np.ones(5, dtype)

    state = replace(optimizer, weight_decay=0.1).state(vector)

    for array in state.values():
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, np.zeros(5))


@pytest.mark.parametrize(
    ("optimizer", "names"),
    [
        pytest.param(SGD(), set(), id="sgd"),
        pytest.param(SGD(momentum=0.9), {"velocity"}, id="momentum"),
        pytest.param(SGD(weight_decay=0.1), {"scratch"}, id="sgd-decay"),
        pytest.param(Adam(), {"gradient_sum", "square_sum"}, id="adam"),
        pytest.param(AdamW(weight_decay=0.1), {"gradient_sum", "square_sum"}, id="adamw-decay"),
    ],
)
def test_state_holds_no_array_that_is_not_needed(optimizer, names):
    assert set(optimizer.state(np.zeros(3))) == names


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_update_in_float32_with_a_numpy_rate_computes_in_float32(rng, optimizer):
    optimizer = replace(optimizer, weight_decay=0.01, clip_norm=1.0)
    theta, gradients = rng.normal(size=50).astype(np.float32), rng.normal(size=(3, 50)).astype(np.float32)

    found = run(optimizer, theta, gradients, np.array([0.1, 0.2, 0.3]), slice(0, 30))

    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, run(optimizer, theta, gradients, [0.1, 0.2, 0.3], slice(0, 30)))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e4, 1e15], ids=str)
def test_update_in_float32_at_extreme_gradients_stays_finite(optimizer, scale):
    gradients = np.array([[scale, -scale, 0.0]] * 3, np.float32)

    found = run(optimizer, np.ones(3, np.float32), gradients, [0.1] * 3, slice(0, 0))

    assert np.isfinite(found).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_update_block_by_block_equals_all_at_once(rng, monkeypatch, optimizer):
    optimizer = replace(optimizer, weight_decay=0.1)
    theta, gradients = rng.normal(size=100), rng.normal(size=(3, 100))
    whole = run(optimizer, theta, gradients, [0.1] * 3, slice(0, 60))

    monkeypatch.setattr(operations, "BLOCK", 7)

    np.testing.assert_array_equal(run(optimizer, theta, gradients, [0.1] * 3, slice(0, 60)), whole)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_update_allocates_nothing_of_the_size_of_the_parameters(rng, optimizer):
    optimizer = replace(optimizer, weight_decay=0.1, clip_norm=1.0)
    vector, gradient = rng.normal(size=(2, 1_000_000)).astype(np.float32)
    state = optimizer.state(vector)
    optimizer.update(vector, gradient, state, 1, 0.1, slice(0, 900_000))

    tracemalloc.start()
    try:
        optimizer.update(vector, gradient, state, 2, 0.1, slice(0, 900_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < vector.nbytes / 20


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        pytest.param("sgd", {"learning_rate": 0.0}, "learning_rate must be greater than 0, got 0.0", id="rate"),
        pytest.param("sgd", {"momentum": 1.0}, "momentum must be less than 1, got 1.0", id="momentum"),
        pytest.param("adam", {"beta1": -0.1}, "beta1 must be greater than or equal to 0, got -0.1", id="beta1"),
        pytest.param("adam", {"beta2": 1.0}, "beta2 must be less than 1, got 1.0", id="beta2"),
        pytest.param("adamw", {"weight_decay": -1.0}, "weight_decay must be greater than or equal to 0", id="decay"),
        pytest.param("rmsprop", {"rho": 1.0}, "rho must be less than 1, got 1.0", id="rho"),
        pytest.param("nadam", {"momentum_decay": -1.0}, "momentum_decay must be greater than or equal", id="μ"),
        pytest.param("lamb", {"clip_value": 0.0}, "clip_value must be greater than 0, got 0.0", id="clip-value"),
        pytest.param("lion", {"beta2": 1.0}, "beta2 must be less than 1, got 1.0", id="lion-beta2"),
        pytest.param("rmsprop", {"clip_norm": 0.0}, "clip_norm must be greater than 0, got 0.0", id="clip"),
        pytest.param("adagrad", {"epsilon": 0.0}, "epsilon must be greater than 0, got 0.0", id="epsilon"),
    ],
)
def test_optimizer_option_out_of_range_is_refused(name, options, message):
    with pytest.raises(nnfw.ConfigError, match=message):
        nnfw.optimizer(name, **options)
