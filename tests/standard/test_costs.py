"""The costs against their formulas as loops, SciPy and finite differences, and every label that they refuse."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special

import nnfw
from nnfw_standard import (
    MAE,
    MSE,
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Poisson,
    Sigmoid,
    Softmax,
    SquaredHinge,
)


def huber(r, threshold=0.7):
    return r * r / 2 if abs(r) <= threshold else threshold * (abs(r) - threshold / 2)


def focal(a, y, gamma=1.5, positive=0.3):
    right, wrong = positive * y * (1 - a) ** gamma * math.log(a), (1 - positive) * (1 - y) * a**gamma * math.log(1 - a)
    return -right - wrong


def divergence(a, y):
    return sum(y_k * math.log(y_k / a_k) for a_k, y_k in zip(a, y, strict=True))


def smoothed(y, share=0.1):
    return [(1 - share) * y_k + share / len(y) for y_k in y]


def cross_entropy(a, y):
    return -sum(y_k * math.log(a_k) for a_k, y_k in zip(a, y, strict=True))


def over_outputs(term):
    """c(a, y) of one example as a sum of `term` over its outputs."""
    return lambda a, y: sum(term(a_j, y_j) for a_j, y_j in zip(a, y, strict=True))


# component, the equation as its docstring has it, c(a, y) of one example as loops over lists, kind of labels
COSTS = {
    "mse": (MSE(), "C = 1/(2N) Σ_i w_i Σ_j (a_ij − y_ij)²", over_outputs(lambda a, y: (a - y) ** 2 / 2), "real"),
    "mae": (MAE(), "C = 1/N Σ_i w_i Σ_j |a_ij − y_ij|", over_outputs(lambda a, y: abs(a - y)), "real"),
    "huber": (
        Huber(0.7),
        "C = 1/N Σ_i w_i Σ_j h(a_ij − y_ij), h(r) = r²/2 if |r| ≤ threshold, else threshold (|r| − threshold/2)",
        over_outputs(lambda a, y: huber(a - y)),
        "real",
    ),
    "poisson": (
        Poisson(),
        "C = 1/N Σ_i w_i Σ_j (a_ij − y_ij log a_ij)",
        over_outputs(lambda a, y: a - y * math.log(a)),
        "count",
    ),
    "binary_cross_entropy": (
        BinaryCrossEntropy(),
        "C = −1/N Σ_i w_i Σ_j (y_ij log a_ij + (1 − y_ij) log(1 − a_ij))",
        over_outputs(lambda a, y: -(y * math.log(a) + (1 - y) * math.log(1 - a))),
        "share",
    ),
    "log_cosh": (
        LogCosh(),
        "C = 1/N Σ_i w_i Σ_j log cosh(a_ij − y_ij)",
        over_outputs(lambda a, y: math.log(math.cosh(a - y))),
        "real",
    ),
    "hinge": (
        Hinge(),
        "C = 1/N Σ_i w_i Σ_j max(0, 1 − y_ij a_ij)",
        over_outputs(lambda a, y: max(0, 1 - y * a)),
        "sign",
    ),
    "squared_hinge": (
        SquaredHinge(),
        "C = 1/N Σ_i w_i Σ_j max(0, 1 − y_ij a_ij)²",
        over_outputs(lambda a, y: max(0, 1 - y * a) ** 2),
        "sign",
    ),
    "focal of options": (
        Focal(gamma=1.5, alpha=0.3),
        "(alpha y_ij (1 − a_ij)^gamma log a_ij + (1 − alpha)(1 − y_ij) a_ij^gamma log(1 − a_ij))",
        over_outputs(focal),
        "share",
    ),
    "focal": (Focal(), "C = −1/N Σ_i w_i Σ_j (alpha", over_outputs(lambda a, y: focal(a, y, 2, 0.25)), "share"),
    "kl_divergence": (KLDivergence(), "C = 1/N Σ_i w_i Σ_k y_ik (log y_ik − log a_ik)", divergence, "distribution"),
    "cross_entropy": (CrossEntropy(), "C = −1/N Σ_i w_i Σ_k y'_ik log a_ik", cross_entropy, "distribution"),
    "cross_entropy smoothed": (
        CrossEntropy(label_smoothing=0.1),
        "y' = (1 − label_smoothing) y + label_smoothing/K",
        lambda a, y: cross_entropy(a, smoothed(y)),
        "distribution",
    ),
}
RESIDUAL = ("mse", "mae", "huber", "log_cosh")
CANONICAL = (
    "binary_cross_entropy",
    "focal",
    "focal of options",
    "kl_divergence",
    "cross_entropy",
    "cross_entropy smoothed",
)
DTYPES = ["float32", "float64"]
LARGE = 1 << 17  # examples: 5 MB in float32, many blocks of rows

few_examples = settings(max_examples=30)  # of each component


def each(*names):
    return pytest.mark.parametrize("name", names or COSTS)


def cost_of(name):
    return COSTS[name][0]


def frozen(array):
    """Return the array, write-protected: a component that modifies its input fails."""
    array.flags.writeable = False
    return array


def activations_and_labels(name, rng, shape=(6, 4)):
    """Return write-protected `a` and `y` that suit the cost."""
    kind = COSTS[name][3]
    if kind == "real":
        a, y = rng.normal(size=shape), rng.normal(size=shape)
    elif kind == "count":
        a, y = rng.uniform(0.2, 4, shape), rng.poisson(2.0, shape).astype(float)
    elif kind == "sign":
        a, y = rng.normal(size=shape), rng.choice([-1.0, 1.0], shape)
    elif kind == "share":
        a, y = rng.uniform(0.05, 0.95, shape), rng.uniform(0, 1, shape)
    else:
        a, y = special.softmax(rng.normal(size=shape), axis=-1), rng.dirichlet(np.ones(shape[-1]), shape[:-1])
    return frozen(a), frozen(y)


def labels_of(name, y, dtype):
    """Return labels of 0 and 1 as the cost takes them."""
    return np.array(y, dtype) * 2 - 1 if COSTS[name][3] == "sign" else np.array(y, dtype)


def literal(name, a, y, weight=None):
    """C by loops over examples, then over outputs."""
    example = COSTS[name][2]
    weights = [1.0] * len(a) if weight is None else weight.tolist()
    total = 0.0
    for w, a_i, y_i in zip(weights, a, y, strict=True):
        rows = zip(a_i.reshape(-1, a_i.shape[-1]).tolist(), y_i.reshape(-1, y_i.shape[-1]).tolist(), strict=True)
        total += w * sum(example(a_row, y_row) for a_row, y_row in rows)
    return total / len(a)


def differences(function, x, h):
    """∂function/∂x by central differences of order h⁶."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = h
        first, second, third = (function(x + k * step) - function(x - k * step) for k in (1, 2, 3))
        gradient[index] = (45 * first - 9 * second + third) / (60 * h)
    return gradient


def output_activation(cost):
    return {"softmax": Softmax(), "sigmoid": Sigmoid()}[cost.canonical]


def forward(cost, z):
    return output_activation(cost).forward(z, nnfw.Workspace(z.dtype))


def gradient(cost, a, y, weight=None):
    return cost.gradient(a, y, nnfw.Workspace(a.dtype), weight)


def canonical_delta(cost, a, y, weight=None):
    return cost.canonical_delta(a, y, nnfw.Workspace(a.dtype), weight)


# --- value -----------------------------------------------------------------------------------------------------------


@each()
def test_docstring_states_the_equation_tested_here(name):
    component, equation = COSTS[name][:2]

    assert equation in type(component).__doc__


@each()
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("shape", [(1, 4), (6, 1), (7, 4), (3, 2, 4), (2, 3, 2, 2)], ids=str)
def test_value_equals_the_formula(rng, name, shape, weighted):
    a, y = activations_and_labels(name, rng, shape)
    weight = frozen(rng.uniform(0, 3, shape[0])) if weighted else None

    value = cost_of(name).value(a, y, weight)

    assert value == pytest.approx(literal(name, a, y, weight), rel=1e-13, abs=1e-15)
    assert type(value) is float


@each()
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("shape", [(40_001, 2), (3001, 3, 5), (2, 3, 20_000)], ids=str)
def test_value_of_many_rows_equals_the_sum_over_examples(rng, name, shape, weighted):
    a, y = activations_and_labels(name, rng, shape)
    weight = rng.uniform(0, 3, shape[0]) if weighted else None

    value = cost_of(name).value(a, y, weight)

    each_alone = [cost_of(name).value(a[i : i + 1], y[i : i + 1]) for i in range(0, shape[0], max(1, shape[0] // 50))]
    terms = special_terms(name, a, y).reshape(shape[0], -1).sum(axis=1)
    np.testing.assert_allclose(each_alone, terms[:: max(1, shape[0] // 50)], rtol=1e-12, atol=1e-15)
    assert value == pytest.approx(np.mean(terms if weight is None else weight * terms), rel=1e-12)


def special_terms(name, a, y):
    """c_ij by SciPy's special functions."""
    if name == "mse":
        return (a - y) ** 2 / 2
    if name == "mae":
        return np.abs(a - y)
    if name == "huber":
        return special.huber(0.7, a - y)
    if name == "log_cosh":
        return np.log(np.cosh(a - y))
    if "hinge" in name:
        return np.maximum(0, 1 - y * a) ** (2 if "squared" in name else 1)
    if "focal" in name:
        gamma, positive = (1.5, 0.3) if "options" in name else (2, 0.25)
        right = special.xlogy(positive * y * (1 - a) ** gamma, a)
        return -right - special.xlog1py((1 - positive) * (1 - y) * a**gamma, -a)
    if name == "kl_divergence":
        return special.rel_entr(y, a)
    if name == "poisson":
        return a - special.xlogy(y, a)
    if name == "binary_cross_entropy":
        return -special.xlogy(y, a) - special.xlog1py(1 - y, -a)
    return -special.xlogy(0.9 * y + 0.1 / y.shape[-1] if "smoothed" in name else y, a)


@each(*RESIDUAL)
@few_examples
@given(data=st.data())
def test_value_is_zero_for_equal_and_not_negative_for_other_activations(name, data):
    numbers = hnp.arrays("float64", (2, 3), elements=st.floats(-1e6, 1e6))
    a, y = data.draw(numbers), data.draw(numbers)

    assert cost_of(name).value(y, y) == 0
    assert cost_of(name).value(a, y) >= 0


@given(logits=hnp.arrays("float64", (2, 2, 3), elements=st.floats(-20, 20)))
def test_cross_entropy_is_least_where_activations_equal_labels(logits):
    a, y = special.softmax(logits, axis=-1)

    assert CrossEntropy().value(a, y) >= CrossEntropy().value(y, y) - 1e-12


@each()
@pytest.mark.parametrize("count", [1, 2, 5, 13])
def test_value_of_repeated_example_is_that_of_one(rng, name, count):
    a, y = activations_and_labels(name, rng, (1, 4))

    repeated = cost_of(name).value(np.repeat(a, count, axis=0), np.repeat(y, count, axis=0))

    assert repeated == pytest.approx(cost_of(name).value(a, y), rel=1e-14)


@each()
def test_value_in_float32_is_precise(rng, name):
    a, y = activations_and_labels(name, rng, (50_000, 4))
    a, y = a.astype(np.float32), y.astype(np.float32)

    found = cost_of(name).value(a, y)

    assert found == pytest.approx(cost_of(name).value(a.astype(float), y.astype(float)), rel=1e-6)


# --- gradient --------------------------------------------------------------------------------------------------------


@each()
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("shape", [(1, 4), (5, 1), (5, 3), (2, 2, 3)], ids=str)
def test_gradient_equals_central_differences(rng, name, shape, weighted):
    a, y = activations_and_labels(name, rng, shape)
    weight = frozen(rng.uniform(0, 3, shape[0])) if weighted else None

    found = gradient(cost_of(name), a, y, weight)

    h = 1e-7 if name in ("mae", "huber", "hinge", "squared_hinge") else 1e-3  # small beside the distance to a kink
    expected = differences(lambda a: cost_of(name).value(a, y, weight), a, h)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7 if h == 1e-7 else 1e-9)


@each()
@pytest.mark.parametrize("count", [1, 2, 5, 13])
def test_gradient_of_repeated_example_is_divided_by_their_number(rng, name, count):
    a, y = activations_and_labels(name, rng, (1, 4))

    repeated = gradient(cost_of(name), np.repeat(a, count, axis=0), np.repeat(y, count, axis=0))

    np.testing.assert_allclose(repeated, np.repeat(gradient(cost_of(name), a, y) / count, count, axis=0), rtol=1e-14)


@each()
def test_gradient_with_weights_is_scaled_row_by_row(rng, name):
    a, y = activations_and_labels(name, rng, (3, 2, 4))
    weight = np.array([0.0, 1.0, 2.5])

    found = gradient(cost_of(name), a, y, weight)

    np.testing.assert_allclose(found, gradient(cost_of(name), a, y) * weight[:, None, None], rtol=1e-14)


def test_mse_gradient_is_the_difference_over_the_number_of_examples(rng):
    a, y = activations_and_labels("mse", rng)

    np.testing.assert_allclose(gradient(MSE(), a, y), (a - y) / 6, rtol=1e-15)


@pytest.mark.parametrize("cost", [MAE(), Huber(), MSE()], ids=["mae", "huber", "mse"])
def test_gradient_at_the_label_is_zero(cost):
    a = np.array([[0.25, -3.0]])

    np.testing.assert_array_equal(gradient(cost, a, a.copy()), 0)


# --- classes as whole numbers ----------------------------------------------------------------------------------------


@each("cross_entropy", "cross_entropy smoothed")
@pytest.mark.parametrize("shape", [(7, 4), (20_001, 3), (3, 2, 4)], ids=str)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_classes_give_the_same_as_one_hot_rows(rng, name, shape, weighted):
    cost, z = cost_of(name), rng.normal(size=shape)
    classes = rng.integers(shape[-1], size=shape[:-1])
    weight = rng.uniform(0, 3, shape[0]) if weighted else None
    a, rows = forward(cost, z), np.eye(shape[-1])[classes]

    assert cost.value(a, classes, weight) == pytest.approx(cost.value(a, rows, weight), rel=1e-13)
    assert cost.value_from_z(z, classes, weight) == pytest.approx(cost.value_from_z(z, rows, weight), rel=1e-13)
    for method in (gradient, canonical_delta):
        np.testing.assert_allclose(
            method(cost, a, classes, weight), method(cost, a, rows, weight), rtol=1e-12, atol=1e-18
        )


# --- canonical pairs -------------------------------------------------------------------------------------------------


@each(*CANONICAL)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("shape", [(1, 4), (6, 1), (6, 4), (2, 3, 4)], ids=str)
def test_canonical_delta_equals_equation_1(rng, name, shape, weighted):
    cost, z = cost_of(name), frozen(rng.normal(0, 2, shape))
    _, y = activations_and_labels(name, rng, shape)
    weight = frozen(rng.uniform(0, 3, shape[0])) if weighted else None
    workspace = nnfw.Workspace("float64")
    a = output_activation(cost).forward(z, workspace)

    equation_1 = output_activation(cost).delta(gradient(cost, a, y, weight), z, a, workspace)

    np.testing.assert_allclose(canonical_delta(cost, a, y, weight), equation_1, rtol=1e-10, atol=1e-14)


@each(*CANONICAL)
@pytest.mark.parametrize("shape", [(1, 4), (5, 1), (5, 3), (2, 2, 3)], ids=str)
def test_canonical_delta_equals_central_differences(rng, name, shape):
    cost, z = cost_of(name), rng.normal(0, 2, shape)
    _, y = activations_and_labels(name, rng, shape)
    weight = rng.uniform(0, 3, shape[0])

    expected = differences(lambda z: cost.value_from_z(z, y, weight), z, 1e-2)

    np.testing.assert_allclose(canonical_delta(cost, forward(cost, z), y, weight), expected, rtol=0, atol=1e-10)


@each(*CANONICAL)
@pytest.mark.parametrize("shape", [(1, 4), (6, 1), (12_001, 4), (2, 3, 4)], ids=str)
def test_value_from_z_equals_value_of_activations(rng, name, shape):
    cost, z = cost_of(name), frozen(rng.normal(0, 2, shape))
    _, y = activations_and_labels(name, rng, shape)
    weight = frozen(rng.uniform(0, 3, shape[0]))

    value = cost.value_from_z(z, y, weight)

    assert value == pytest.approx(cost.value(forward(cost, z), y, weight), rel=1e-12, abs=1e-14)
    assert type(value) is float


def test_cross_entropy_from_z_equals_scipy(rng):
    z, classes = rng.normal(0, 5, (9, 4)), rng.integers(4, size=9)

    expected = -special.log_softmax(z, axis=-1)[np.arange(9), classes].mean()

    assert CrossEntropy().value_from_z(z, classes) == pytest.approx(expected, rel=1e-14)


def test_binary_cross_entropy_from_z_equals_scipy(rng):
    z, y = rng.normal(0, 5, (9, 4)), rng.uniform(size=(9, 4))

    expected = -(y * special.log_expit(z) + (1 - y) * special.log_expit(-z)).sum() / 9

    assert BinaryCrossEntropy().value_from_z(z, y) == pytest.approx(expected, rel=1e-14)


def test_binary_cross_entropy_from_z_of_confident_and_right_keeps_relative_precision():
    value = BinaryCrossEntropy().value_from_z(np.array([[40.0]]), np.array([[1.0]]))

    assert value == pytest.approx(math.exp(-40), rel=1e-12, abs=0)


@each("cross_entropy", "cross_entropy smoothed")
@given(
    z=hnp.arrays("float64", (3, 4), elements=st.floats(-100, 100)),
    classes=hnp.arrays("intp", 3, elements=st.integers(0, 3)),
)
@few_examples
def test_canonical_delta_of_cross_entropy_sums_to_zero_over_the_classes(name, z, classes):
    delta = canonical_delta(cost_of(name), forward(cost_of(name), z), classes)

    np.testing.assert_allclose(delta.sum(axis=-1), 0, atol=1e-15)


@pytest.mark.parametrize(
    ("cost", "partner"), [(CrossEntropy(), "softmax"), (BinaryCrossEntropy(), "sigmoid"), (MSE(), None)]
)
def test_canonical_activation_is_as_documented(cost, partner):
    assert cost.canonical == partner


# --- memory, dtypes, extremes ----------------------------------------------------------------------------------------


def second_pass_peak(run):
    run()
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@each()
@pytest.mark.parametrize("y_dtype", DTYPES)
def test_second_gradient_allocates_no_array_of_the_batch_size(rng, name, y_dtype):
    cost, workspace = cost_of(name), nnfw.Workspace()
    a, y = activations_and_labels(name, rng, (LARGE, 10))
    a, y, weight = a.astype(np.float32), y.astype(y_dtype), np.ones(LARGE, np.float32)

    peak = second_pass_peak(lambda: cost.gradient(a, y, workspace, weight))

    assert peak < a.nbytes / 16  # NumPy's own buffers for mixed dtypes


@each(*CANONICAL)
@pytest.mark.parametrize("y_dtype", DTYPES)
def test_second_canonical_delta_allocates_no_array_of_the_batch_size(rng, name, y_dtype):
    cost, workspace = cost_of(name), nnfw.Workspace()
    a, y = activations_and_labels(name, rng, (LARGE, 10))
    a, y, weight = a.astype(np.float32), y.astype(y_dtype), np.ones(LARGE, np.float32)

    peak = second_pass_peak(lambda: cost.canonical_delta(a, y, workspace, weight))

    assert peak < a.nbytes / 16


@each("cross_entropy", "cross_entropy smoothed")
def test_second_pass_with_classes_allocates_no_array_of_the_batch_size(rng, name):
    cost, workspace = cost_of(name), nnfw.Workspace()
    a, classes = np.full((LARGE, 10), 0.1, np.float32), rng.integers(10, size=LARGE)

    def run():
        cost.gradient(a, classes, workspace)
        cost.canonical_delta(a, classes, workspace)

    assert second_pass_peak(run) < a.nbytes / 6  # blocks of rows


@each()
@pytest.mark.parametrize("y_dtype", DTYPES)
def test_value_allocates_no_array_of_the_batch_size(rng, name, y_dtype):
    cost = cost_of(name)
    a, y = activations_and_labels(name, rng, (LARGE, 10))
    a, y = a.astype(np.float32), y.astype(y_dtype)
    weight = np.ones(LARGE, np.float32)

    def run():
        cost.value(a, y, weight)
        if cost.canonical:
            cost.value_from_z(a, y, weight)

    assert second_pass_peak(run) < a.nbytes / 6  # blocks of rows


@each()
@pytest.mark.parametrize("y_dtype", DTYPES)
def test_gradients_of_float32_activations_stay_float32(rng, name, y_dtype):
    cost = cost_of(name)
    a, y = activations_and_labels(name, rng)
    weight = np.ones(6)

    methods = (gradient, canonical_delta) if cost.canonical else (gradient,)
    for method in methods:
        found = method(cost, a.astype(np.float32), y.astype(y_dtype), weight)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, method(cost, a, y, weight), rtol=1e-5, atol=1e-6)


@each()
def test_gradients_share_no_memory_with_activations(rng, name):
    cost, workspace = cost_of(name), nnfw.Workspace("float64")
    a, y = activations_and_labels(name, rng)

    results = [cost.gradient(a, y, workspace)] + ([cost.canonical_delta(a, y, workspace)] if cost.canonical else [])

    for result in results:
        assert not np.shares_memory(result, a)
        assert not np.shares_memory(result, y)


def extremes(dtype):
    smallest = np.finfo(dtype)
    ends = [1e4, 1.0, 1e-30, float(smallest.smallest_normal), float(smallest.smallest_subnormal), 0.0, 1 - 1e-7]
    return np.array([*ends, *(-end for end in ends)], dtype)


@each()
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("label", [0, 1])
def test_value_and_gradient_at_extremes_are_finite_and_silent(name, dtype, label):
    cost, a = cost_of(name), extremes(dtype)
    a = np.stack([a, a[::-1]], axis=1)
    y = cost.targets(labels_of(name, [[label, 1 - label]] * len(a), dtype), (2,))

    assert math.isfinite(cost.value(a, y))
    assert np.isfinite(gradient(cost, a, y)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_poisson_of_many_counts_and_no_rate_is_finite_and_silent(dtype):
    a, y = np.zeros((1, 2), dtype), np.array([[1e6, 0.0]], dtype)

    assert math.isfinite(Poisson().value(a, y))
    np.testing.assert_array_equal(np.sign(gradient(Poisson(), a, y)), [[-1, 1]])
    assert np.isfinite(gradient(Poisson(), a, y)).all()


@each(*CANONICAL)
@pytest.mark.parametrize("dtype", DTYPES)
def test_canonical_forms_at_extreme_z_are_finite_and_silent(name, dtype):
    cost = cost_of(name)
    largest = float(np.finfo(dtype).max) / 16  # the cost of several such outputs is still a number
    z = np.array([[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4], [-1e4, -1e4], [largest, 0], [0, -largest]], dtype)

    for y in (np.array([[1, 0]] * 6, dtype), np.array([[0, 1]] * 6, dtype)):
        assert math.isfinite(cost.value_from_z(z, y))
        assert np.isfinite(canonical_delta(cost, forward(cost, z), y)).all()


@each("cross_entropy", "cross_entropy smoothed")
@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_from_the_largest_z_is_finite_and_silent(name, dtype):
    largest = float(np.finfo(dtype).max)
    z = np.array([[largest, -largest]], dtype)

    assert math.isfinite(cost_of(name).value_from_z(z, np.array([1])))
    assert cost_of(name).value_from_z(z, np.array([0])) < cost_of(name).value_from_z(z, np.array([1]))


@pytest.mark.parametrize(("outside", "end"), [(1e4, 1.0), (-1e4, 0.0)], ids=["above", "below"])
@pytest.mark.parametrize("label", [0.0, 0.25, 1.0])
def test_binary_cross_entropy_of_activation_outside_its_range_is_that_of_the_nearest_end(outside, end, label):
    cost, y = BinaryCrossEntropy(), np.array([[label]])

    assert cost.value(np.array([[outside]]), y) == cost.value(np.array([[end]]), y)
    assert gradient(cost, np.array([[outside]]), y) == gradient(cost, np.array([[end]]), y)


@pytest.mark.parametrize(
    ("cost", "y", "expected"),
    [
        pytest.param(CrossEntropy(), [[0.0, 1.0]], 2e4, id="cross_entropy"),
        pytest.param(CrossEntropy(label_smoothing=0.5), [[1.0, 0.0]], 5e3, id="cross_entropy smoothed"),
        pytest.param(BinaryCrossEntropy(), [[0.0, 1.0]], 2e4, id="binary_cross_entropy"),
    ],
)
def test_value_from_z_of_wrong_and_confident_grows_with_z(cost, y, expected):
    z = np.array([[1e4, -1e4]], np.float32)

    assert cost.value_from_z(z, np.array(y, np.float32)) == expected


def test_cross_entropy_of_underflowed_probability_is_clipped_at_the_smallest_normal_number():
    a, smallest = np.array([[0.0, 1.0]], np.float32), float(np.finfo(np.float32).smallest_normal)

    assert CrossEntropy().value(a, np.array([0])) == pytest.approx(-math.log(smallest), rel=1e-6)
    np.testing.assert_allclose(gradient(CrossEntropy(), a, np.array([0])), [[-1 / smallest, 0]], rtol=1e-6)


@each()
def test_nan_in_activations_is_not_hidden(rng, name):
    a, y = activations_and_labels(name, rng)
    a = a.copy()
    a[2, 1] = np.nan

    assert math.isnan(cost_of(name).value(a, y))
    assert np.isnan(gradient(cost_of(name), a, y)[2, 1])


@each(*CANONICAL)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan], ids=str)
@pytest.mark.parametrize("label", [0, 1])
@np.errstate(invalid="ignore")
def test_value_from_z_that_is_not_finite_is_not_finite(name, dtype, wrong, label):
    z, y = np.array([[wrong, 0.5]], dtype), np.array([[label, 1 - label]], dtype)

    assert not math.isfinite(cost_of(name).value_from_z(z, y))
    assert not math.isfinite(cost_of(name).value_from_z(np.full_like(z, wrong), y))


@each("cross_entropy", "cross_entropy smoothed")
@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan], ids=str)
def test_cross_entropy_of_logits_that_are_not_finite_is_nan_and_silent(name, wrong):
    assert math.isnan(cost_of(name).value_from_z(np.full((2, 3), wrong, np.float32), np.array([0, 2])))


# --- domains ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "domain"),
    [
        pytest.param(MSE(), None, id="mse"),
        pytest.param(MAE(), None, id="mae"),
        pytest.param(Huber(), None, id="huber"),
        pytest.param(Poisson(), (0, math.inf), id="poisson"),
        pytest.param(BinaryCrossEntropy(), (0, 1), id="binary_cross_entropy"),
        pytest.param(CrossEntropy(), (0, 1), id="cross_entropy"),
        pytest.param(LogCosh(), None, id="log_cosh"),
        pytest.param(Hinge(), None, id="hinge"),
        pytest.param(SquaredHinge(), None, id="squared_hinge"),
        pytest.param(Focal(), (0, 1), id="focal"),
        pytest.param(KLDivergence(), (0, 1), id="kl_divergence"),
    ],
)
def test_domain_is_where_the_formula_holds(cost, domain):
    assert cost.domain == domain


@each(*CANONICAL)
def test_range_of_the_canonical_activation_is_the_domain(name):
    assert output_activation(cost_of(name)).range == cost_of(name).domain


# --- targets ---------------------------------------------------------------------------------------------------------


@each(*RESIDUAL, "poisson", "binary_cross_entropy")
def test_targets_of_one_output_takes_plain_labels(name):
    y = cost_of(name).targets(np.array([0.0, 1.0, 0.5]), (1,))

    np.testing.assert_array_equal(y, [[0.0], [1.0], [0.5]])


@each()
def test_targets_of_fitting_floats_are_the_array_itself(rng, name):
    _, y = activations_and_labels(name, rng, (3, 2, 4))

    assert cost_of(name).targets(y, (2, 4)) is y


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@each()
def test_targets_keep_the_dtype_of_floats(name, dtype):
    y = cost_of(name).targets(labels_of(name, [[1, 0], [0, 1]], dtype), (2,))

    assert y.dtype == dtype


@pytest.mark.parametrize(
    ("y", "dtype"),
    [
        pytest.param([[True], [False]], "float32", id="bool"),
        pytest.param([[7], [-(2**24)]], "float32", id="exact in float32"),
        pytest.param([[7], [2**24 + 1]], "float64", id="not exact in float32"),
    ],
)
def test_targets_of_whole_numbers_become_floats_of_the_same_value(y, dtype):
    found = MSE().targets(np.array(y), (1,))

    assert found.dtype == dtype
    np.testing.assert_array_equal(found, y)


@pytest.mark.parametrize(
    ("y", "output_shape"),
    [
        pytest.param(np.array([0, 2, 1], np.uint8), (3,), id="bytes"),
        pytest.param(np.array([0.0, 2.0, 1.0]), (3,), id="whole floats"),
        pytest.param(np.array([False, True]), (2,), id="bool"),
        pytest.param(np.array([[0, 2], [1, 1]], np.int32), (2, 3), id="sequences"),
    ],
)
def test_cross_entropy_targets_of_classes_are_intp(y, output_shape):
    found = CrossEntropy().targets(y, output_shape)

    assert found.dtype == np.intp
    np.testing.assert_array_equal(found, y)


def test_cross_entropy_targets_of_whole_number_rows_are_probabilities():
    y = CrossEntropy().targets(np.eye(3, dtype=int), (3,))

    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, np.eye(3))


def test_cross_entropy_targets_of_rounded_probabilities_are_taken():
    y = np.array([[0.333333, 0.333333, 0.333333]])

    assert CrossEntropy().targets(y, (3,)) is y


@each()
@pytest.mark.parametrize(
    ("y", "message"),
    [
        pytest.param(np.array([["a", "b"]]), r"y must hold real numbers, got 'a' at \[0, 0\]", id="text"),
        pytest.param(np.array([[1j, 0]]), r"y must hold real numbers, got an array of dtype complex128", id="complex"),
        pytest.param(np.array([[None, 0]]), r"y must hold real numbers, got None at \[0, 0\]", id="objects"),
        pytest.param(np.array([[1.0, np.nan]]), r"y holds 1 value that is not finite, the first at \[0, 1\]", id="NaN"),
    ],
)
def test_targets_that_are_no_finite_numbers_are_refused(name, y, message):
    with pytest.raises(nnfw.DataError, match=message):
        cost_of(name).targets(y, (2,))


@pytest.mark.parametrize(
    ("y", "output_shape", "message"),
    [
        pytest.param(
            np.ones(5), (3,), r"MSE: y must have shape \(N, 3\), .*, got \(5,\)\. Give it that shape", id="plain"
        ),
        pytest.param(np.ones((5, 2)), (3,), r"shape \(N, 3\), .*, got \(5, 2\)", id="fewer outputs"),
        pytest.param(np.ones((5, 1)), (1, 2), r"shape \(N, 1, 2\), .*, got \(5, 1\)", id="fewer axes"),
        pytest.param(np.array(1.0), (1,), r"shape \(N, 1\), .*, got \(\)", id="one number"),
    ],
)
def test_targets_of_another_shape_are_refused(y, output_shape, message):
    with pytest.raises(nnfw.DataError, match=message):
        MSE().targets(y, output_shape)


@pytest.mark.parametrize(
    ("y", "output_shape", "message"),
    [
        pytest.param(
            np.ones((5, 2)),
            (3,),
            r"y must have shape \(N,\) for classes or \(N, 3\) for rows of probabilities, got \(5, 2\)\. Give it that",
            id="rows",
        ),
        pytest.param(
            np.ones(5), (2, 3), r"shape \(N, 2\) for classes or \(N, 2, 3\) for rows .*, got \(5,\)", id="sequences"
        ),
        pytest.param(np.array(1), (3,), r"shape \(N,\) for classes .*, got \(\)", id="one number"),
    ],
)
def test_cross_entropy_targets_of_another_shape_are_refused(y, output_shape, message):
    with pytest.raises(nnfw.DataError, match=message):
        CrossEntropy().targets(y, output_shape)


@pytest.mark.parametrize(
    ("cost", "y", "message"),
    [
        pytest.param(
            Poisson(),
            [1.0, 0.0, -2.0],
            r"Poisson: y must be 0 or more, got -2\.0 for example 2.*\. Correct it, or choose another cost\.",
            id="poisson",
        ),
        pytest.param(
            BinaryCrossEntropy(),
            [1, 2],
            r"BinaryCrossEntropy: y must be between 0 and 1, got 2 for example 1",
            id="above 1",
        ),
        pytest.param(Focal(), [0.5, 1.5], r"Focal: y must be between 0 and 1, got 1\.5 for example 1", id="focal"),
        pytest.param(
            Hinge(),
            [1, -1, 0],
            r"Hinge: y must be -1 or 1, got 0 for example 2 at \(0,\)\. Correct it; labels of 0 and 1 become .* 2 y",
            id="hinge",
        ),
        pytest.param(BinaryCrossEntropy(), [0.0, -0.5], r"between 0 and 1, got -0\.5 for example 1", id="below 0"),
    ],
)
def test_targets_out_of_range_are_refused(cost, y, message):
    with pytest.raises(nnfw.DataError, match=message):
        cost.targets(np.array(y), (1,))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        pytest.param(
            [1, 9, 0, 12, 10], r"label 12 of example 3 is outside the 10 classes 0 to 9\. Correct it", id="above"
        ),
        pytest.param([1, -1], r"label -1 of example 1 is outside the 10 classes 0 to 9", id="negative"),
        pytest.param([1.0, 2.0, 10.0], r"label 10\.0 of example 2 is outside the 10 classes 0 to 9", id="float"),
        pytest.param([1.0, np.nan], r"label nan of example 1 is outside the 10 classes 0 to 9", id="NaN"),
        pytest.param(
            [1.0, 2.5], r"label 2\.5 of example 1 is not a whole number from 0 to 9\. Number the classes", id="half"
        ),
    ],
)
def test_cross_entropy_targets_that_are_no_classes_are_refused(y, message):
    with pytest.raises(nnfw.DataError, match=f"CrossEntropy: {message}"):
        CrossEntropy().targets(np.array(y), (10,))


def test_cross_entropy_message_names_the_place_within_a_sequence():
    with pytest.raises(nnfw.DataError, match=r"label 3 of example 1 at \(0,\) is outside the 3 classes 0 to 2"):
        CrossEntropy().targets(np.array([[0, 2], [3, 0]]), (2, 3))


def test_cross_entropy_labels_from_one_are_told_to_count_from_zero():
    message = (
        r"label 3 of example 2 is outside the 3 classes 0 to 2\. The labels count from 1 to 3: subtract 1\. .*categor"
    )
    with pytest.raises(nnfw.DataError, match=message):
        CrossEntropy().targets(np.array([1, 2, 3]), (3,))


@pytest.mark.parametrize("y", [[1, 2, 4], [0, 2, 3], [1.5, 2, 3]], ids=["gap", "from zero", "fraction"])
def test_cross_entropy_other_labels_are_told_to_take_more_units(y):
    with pytest.raises(
        nnfw.DataError, match=r"outside the 3 classes 0 to 2\. Correct it, or give the output layer more"
    ):
        CrossEntropy().targets(np.array(y), (3,))


def test_binary_cross_entropy_labels_one_and_two_are_told_to_count_from_zero():
    with pytest.raises(
        nnfw.DataError, match=r"y must be between 0 and 1, got 2 for example 1 at .*count from 1 to 2: sub"
    ):
        BinaryCrossEntropy().targets(np.array([1, 2, 1]), (1,))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        pytest.param(
            [[1.0, 0.0], [1.5, -0.5]],
            r"holds the probability -0\.5 for example 1 at \(1,\)\. .* must be 0 or more",
            id="negative",
        ),
        pytest.param(
            [[1.0, 0.0], [0.75, 0.5]], r"probabilities of example 1 sum to 1\.25\. They must sum to 1: divide", id="sum"
        ),
        pytest.param([[0, 0]], r"probabilities of example 0 sum to 0\.", id="nothing"),
    ],
)
def test_cross_entropy_targets_that_are_no_probabilities_are_refused(y, message):
    with pytest.raises(nnfw.DataError, match=f"CrossEntropy: .*{message}"):
        CrossEntropy().targets(np.array(y), (2,))


# --- the components as such ------------------------------------------------------------------------------------------


@each(*[name for name in COSTS if " " not in name])
def test_component_found_by_name_is_the_class_with_its_defaults(name):
    assert nnfw.cost(name) == type(cost_of(name))()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        pytest.param("huber", {"threshold": 0.0}, "threshold must be .*got 0.0", id="threshold"),
        pytest.param(
            "cross_entropy", {"label_smoothing": 1.0}, "label_smoothing must be .*got 1.0", id="smoothing of 1"
        ),
        pytest.param("focal", {"gamma": -0.5}, "gamma must be .*got -0.5", id="gamma"),
        pytest.param("focal", {"alpha": 1.0}, "alpha must be .*got 1.0", id="alpha"),
        pytest.param("cross_entropy", {"label_smoothing": -0.1}, "label_smoothing must be .*got -0.1", id="below 0"),
    ],
)
def test_option_out_of_range_is_refused(name, options, message):
    with pytest.raises(nnfw.ConfigError, match=message):
        nnfw.cost(name, **options)


@pytest.mark.parametrize("shape", [(1,), (4, 1)], ids=str)
@pytest.mark.parametrize("label", [0, 1])
def test_cross_entropy_of_a_single_output_is_refused(shape, label):
    message = (
        r"a single output cannot tell classes apart\. For two classes use binary_cross_entropy with sigmoid, or give"
    )
    with pytest.raises(nnfw.DataError, match=message):
        CrossEntropy().targets(np.full((3, *shape), label), shape)


@pytest.mark.parametrize("dtype", [np.int64, np.float32], ids=["int64", "float32"])
def test_cross_entropy_takes_labels_in_a_column(dtype):
    y = np.array([[0], [2], [1]], dtype)
    np.testing.assert_array_equal(CrossEntropy().targets(y, (3,)), [0, 2, 1])
    steps = np.array([[[0], [2]], [[1], [1]]], dtype)
    np.testing.assert_array_equal(CrossEntropy().targets(steps, (2, 3)), [[0, 2], [1, 1]])
