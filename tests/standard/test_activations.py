"""The activations against their formulas, SciPy and finite differences, on ordinary and on extreme z."""

import math
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate, optimize, special, stats

import nnfw
from nnfw_standard import (
    CELU,
    ELU,
    GELU,
    SELU,
    GELUTanh,
    HardSigmoid,
    HardSwish,
    Identity,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Sparsemax,
    Tanh,
)


def Phi(z):
    return math.erfc(-z / math.sqrt(2)) / 2


def phi(z):
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def sigma(z):
    return 1 / (1 + math.exp(-z))


def mish_t(z):
    return math.tanh(math.log(1 + math.exp(z)))


def half_tanh(z):
    return sigma(2 * math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))


def half_tanh_slope(z):
    return 2 * half_tanh(z) * (1 - half_tanh(z)) * math.sqrt(2 / math.pi) * (1 + 0.134145 * z**2)


SCALE, ALPHA = SELU.scale, SELU.alpha
# component, the equation as its docstring has it, σ(z) and σ'(z) of one number, where a derivative jumps
ELEMENTWISE = {
    "sigmoid": (Sigmoid(), "a = 1 / (1 + e^−z), σ'(z) = a (1 − a)", sigma, lambda z: sigma(z) * (1 - sigma(z)), ()),
    "tanh": (Tanh(), "a = tanh z, σ'(z) = 1 − a²", math.tanh, lambda z: 1 - math.tanh(z) ** 2, ()),
    "relu": (
        ReLU(),
        "a = max(0, z), σ'(z) = 1 if z > 0, else 0",
        lambda z: max(0, z),
        lambda z: 1 if z > 0 else 0,
        (0,),
    ),
    "leaky_relu": (
        LeakyReLU(0.2),
        "a = z if z > 0, else slope · z; σ'(z) = 1 if z > 0, else slope",
        lambda z: z if z > 0 else 0.2 * z,
        lambda z: 1 if z > 0 else 0.2,
        (0,),
    ),
    "elu": (
        ELU(1.5),
        "a = z if z > 0, else alpha (e^z − 1); σ'(z) = 1 if z > 0, else a + alpha",
        lambda z: z if z > 0 else 1.5 * (math.exp(z) - 1),
        lambda z: 1 if z > 0 else 1.5 * (math.exp(z) - 1) + 1.5,
        (0,),
    ),
    "selu": (
        SELU(),
        "a = scale · z if z > 0, else scale · alpha (e^z − 1); σ'(z) = scale if z > 0, else a + scale · alpha",
        lambda z: SCALE * z if z > 0 else SCALE * ALPHA * (math.exp(z) - 1),
        lambda z: SCALE if z > 0 else SCALE * ALPHA * (math.exp(z) - 1) + SCALE * ALPHA,
        (0,),
    ),
    "gelu": (GELU(), "a = z Φ(z), σ'(z) = Φ(z) + z φ(z)", lambda z: z * Phi(z), lambda z: Phi(z) + z * phi(z), ()),
    "silu": (
        SiLU(),
        "a = z s with s = 1 / (1 + e^−z), σ'(z) = s + a (1 − s)",
        lambda z: z * sigma(z),
        lambda z: sigma(z) + z * sigma(z) * (1 - sigma(z)),
        (),
    ),
    "softplus": (
        Softplus(),
        "a = log(1 + e^z), σ'(z) = 1 / (1 + e^−z)",
        lambda z: math.log(1 + math.exp(z)),
        sigma,
        (),
    ),
    "softsign": (
        Softsign(),
        "a = z / (1 + |z|), σ'(z) = 1 / (1 + |z|)²",
        lambda z: z / (1 + abs(z)),
        lambda z: 1 / (1 + abs(z)) ** 2,
        (0,),
    ),
    "hard_sigmoid": (
        HardSigmoid(),
        "a = min(max(z/6 + 1/2, 0), 1), σ'(z) = 1/6 if |z| < 3, else 0",
        lambda z: min(max(z / 6 + 1 / 2, 0), 1),
        lambda z: 1 / 6 if abs(z) < 3 else 0,
        (-3, 3),
    ),
    "celu": (
        CELU(1.5),
        "a = z if z > 0, else alpha (e^(z/alpha) − 1); σ'(z) = 1 if z > 0, else a/alpha + 1",
        lambda z: z if z > 0 else 1.5 * (math.exp(z / 1.5) - 1),
        lambda z: 1 if z > 0 else math.exp(z / 1.5),
        (0,),
    ),
    "gelu_tanh": (
        GELUTanh(),
        "a = z s with s = 1 / (1 + e^−2u) and u = √(2/π) (z + 0.044715 z³)",
        lambda z: z * half_tanh(z),
        lambda z: half_tanh(z) + z * half_tanh_slope(z),
        (),
    ),
    "mish": (
        Mish(),
        "a = z t with t = tanh(log(1 + e^z)), σ'(z) = t + z s (1 − t²) with s = 1 / (1 + e^−z)",
        lambda z: z * mish_t(z),
        lambda z: mish_t(z) + z * sigma(z) * (1 - mish_t(z) ** 2),
        (),
    ),
    "log_sigmoid": (
        LogSigmoid(),
        "a = −log(1 + e^−z), σ'(z) = 1 / (1 + e^z)",
        lambda z: -math.log(1 + math.exp(-z)),
        lambda z: sigma(-z),
        (),
    ),
    "hard_swish": (
        HardSwish(),
        "a = z min(max(z/6 + 1/2, 0), 1), σ'(z) = 0 if z ≤ −3, 1 if z ≥ 3, else z/3 + 1/2",
        lambda z: z * min(max(z / 6 + 1 / 2, 0), 1),
        lambda z: 0 if z <= -3 else 1 if z >= 3 else z / 3 + 1 / 2,
        (-3, 3),
    ),
    "relu6": (
        ReLU6(),
        "a = min(max(0, z), 6), σ'(z) = 1 if 0 < z < 6, else 0",
        lambda z: min(max(0, z), 6),
        lambda z: 1 if 0 < z < 6 else 0,
        (0, 6),
    ),
    "identity": (Identity(), "a = z, σ'(z) = 1", lambda z: z, lambda z: 1, ()),
}
VECTOR = {
    "softmax": (Softmax(), "a_j = e^z_j / Σ_k e^z_k, δ_j = a_j (g_j − Σ_k g_k a_k) with g = ∂C/∂a"),
    "log_softmax": (LogSoftmax(), "a_j = z_j − log Σ_k e^z_k, δ_j = g_j − e^a_j Σ_k g_k with g = ∂C/∂a"),
}
SPARSE = "a_j = max(z_j − τ, 0), δ_j = g_j − Σ_(k ∈ S) g_k / |S| if j ∈ S, else 0, with g = ∂C/∂a"
ALL = {name: row[:2] for name, row in (ELEMENTWISE | VECTOR).items()} | {"sparsemax": (Sparsemax(), SPARSE)}
BUFFERED = [name for name in ALL if name != "identity"]
INCREASING = [name for name in ELEMENTWISE if ELEMENTWISE[name][0].monotonic]
DTYPES = ["float32", "float64"]

few_examples = settings(max_examples=15)  # of each component


def component_of(name):
    return ALL[name][0]


def each(*names):
    return pytest.mark.parametrize("name", names or ALL)


def frozen(array):
    """Return the array, write-protected: a component that modifies its input fails."""
    array.flags.writeable = False
    return array


def backpropagate(component, grad_a, z):
    """Return a and δ from one real workspace."""
    workspace = nnfw.Workspace(z.dtype)
    a = component.forward(z, workspace)
    return a, component.delta(grad_a, z, a, workspace)


def finite(dtype):
    return st.floats(width=np.dtype(dtype).itemsize * 8, allow_nan=False, allow_infinity=False)


def extremes(dtype):
    largest, smallest = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    ends = [1e4, 750.0, 720.0, 105.0, 89.0, 40.0, float(largest), float(largest) / 2, float(smallest), 1e-30, 0.0]
    return np.array([[*ends, *(-end for end in ends)]], dtype)


# --- value and derivative --------------------------------------------------------------------------------------------


@each()
def test_docstring_states_the_equation_tested_here(name):
    component, equation = ALL[name]

    assert equation in type(component).__doc__


@each(*ELEMENTWISE)
def test_value_equals_the_formula(rng, name):
    component, _, value, _, _ = ELEMENTWISE[name]
    z = frozen(rng.normal(0, 4, (50, 4)))

    expected = [[value(z_j) for z_j in row] for row in z.tolist()]

    np.testing.assert_allclose(component.value(z), expected, rtol=1e-12, atol=1e-15)


@each(*ELEMENTWISE)
def test_derivative_equals_the_formula(rng, name):
    component, _, _, derivative, _ = ELEMENTWISE[name]
    z = frozen(rng.normal(0, 4, (50, 4)))

    expected = [[derivative(z_j) for z_j in row] for row in z.tolist()]

    np.testing.assert_allclose(component.derivative(z, component.value(z)), expected, rtol=1e-12, atol=1e-15)


@each(*ELEMENTWISE)
def test_derivative_equals_central_difference_away_from_kinks(rng, name):
    component, _, _, _, kinks = ELEMENTWISE[name]
    z = rng.normal(0, 3, 500)
    z = z[np.all([np.abs(z - kink) > 0.01 for kink in kinks], axis=0)] if kinks else z
    h = 1e-3

    steps = [component.value(z + k * h) - component.value(z - k * h) for k in (1, 2, 3)]
    difference = (45 * steps[0] - 9 * steps[1] + steps[2]) / (60 * h)  # error of order h⁶

    np.testing.assert_allclose(component.derivative(z, component.value(z)), difference, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("component", "kink", "expected"),
    [
        pytest.param(ReLU(), 0.0, 0.0, id="relu"),
        pytest.param(LeakyReLU(0.2), 0.0, 0.2, id="leaky_relu"),
        pytest.param(ELU(1.5), 0.0, 1.5, id="elu"),
        pytest.param(SELU(), 0.0, SCALE * ALPHA, id="selu"),
        pytest.param(CELU(1.5), 0.0, 1.0, id="celu"),
        pytest.param(ReLU6(), 0.0, 0.0, id="relu6 below"),
        pytest.param(ReLU6(), 6.0, 0.0, id="relu6 above"),
        pytest.param(HardSwish(), -3.0, 0.0, id="hard_swish below"),
        pytest.param(HardSwish(), 3.0, 1.0, id="hard_swish above"),
        pytest.param(HardSigmoid(), -3.0, 0.0, id="hard_sigmoid below"),
        pytest.param(HardSigmoid(), 3.0, 0.0, id="hard_sigmoid above"),
    ],
)
def test_derivative_at_kink_is_as_documented(component, kink, expected):
    z = np.array([kink])

    assert component.derivative(z, component.value(z)) == expected


@each(*[name for name in ELEMENTWISE if name != "identity"])
def test_value_and_derivative_write_into_out(rng, name):
    component = component_of(name)
    z, out = frozen(rng.normal(size=(5, 3))), np.empty((5, 3))

    a = component.value(z)
    assert component.value(z, out) is out
    np.testing.assert_array_equal(out, a)
    assert component.derivative(z, a, out) is out
    np.testing.assert_array_equal(out, component.derivative(z, a))


@each(*INCREASING)
@few_examples
@given(z=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_value_increases_with_z(name, z):
    a = component_of(name).value(np.sort(np.array(z)))

    assert np.all(np.diff(a) >= -4 * np.finfo(float).eps * np.abs(a[1:]))


@each(*INCREASING)
@few_examples
@given(z=hnp.arrays("float64", 8, elements=st.floats(-1e6, 1e6)))
def test_derivative_of_increasing_activation_is_not_negative(name, z):
    component = component_of(name)

    assert np.all(component.derivative(z, component.value(z)) >= 0)


# --- precision -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [Sigmoid().value, lambda z: Softplus().derivative(z, z)], ids=["σ", "softplus'"])
def test_sigmoid_in_both_tails_keeps_relative_precision(function):
    z = np.linspace(-700, 700, 20_001)

    np.testing.assert_allclose(function(z), 1 / (1 + np.exp(-z)), rtol=1e-15, atol=0)


def test_sigmoid_in_float32_keeps_relative_precision():
    z = np.linspace(-87, 87, 20_001, dtype=np.float32)

    np.testing.assert_allclose(Sigmoid().value(z), special.expit(z.astype(float)), rtol=1e-6, atol=0)


@given(z=hnp.arrays("float64", 8, elements=st.floats(-1e4, 1e4)))
def test_sigmoid_of_opposite_arguments_sums_to_one(z):
    np.testing.assert_allclose(Sigmoid().value(z) + Sigmoid().value(-z), 1, rtol=1e-15)


def test_gelu_in_left_tail_keeps_relative_precision():
    z = np.linspace(-37, -1, 1000)

    np.testing.assert_allclose(GELU().value(z), -np.exp(np.log(-z) + special.log_ndtr(z)), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("component", "limit"),
    [pytest.param(ELU(1.5), 1.5, id="elu"), pytest.param(SELU(), SCALE * ALPHA, id="selu")],
)
def test_exponential_units_near_zero_keep_relative_precision(component, limit):
    z = -np.logspace(-300, -1, 1000)

    np.testing.assert_allclose(component.value(z), limit * special.expm1(z), rtol=1e-15, atol=0)


def test_softplus_in_left_tail_keeps_relative_precision():
    z = np.linspace(-700, -40, 1000)

    np.testing.assert_allclose(Softplus().value(z), np.exp(z), rtol=1e-14, atol=0)


@given(z=hnp.arrays("float64", 8, elements=st.floats(-1e4, 1e4)))
def test_softplus_of_opposite_arguments_differs_by_the_argument(z):
    np.testing.assert_allclose(Softplus().value(z) - Softplus().value(-z), z, rtol=1e-12, atol=1e-15)


def test_silu_of_largest_negative_number_is_zero():
    z = -np.finfo("float64").max * np.ones(1)  # its product with the smallest sigmoid would be −2

    assert abs(SiLU().value(z)) < 1e-300


# --- SELU's constants ------------------------------------------------------------------------------------------------


def test_selu_constants_equal_their_closed_form():
    e = math.e
    c, d = math.erfc(math.sqrt(0.5)), math.erfc(math.sqrt(2))
    alpha = -math.sqrt(2 / math.pi) / (c * math.sqrt(e) - 1)
    bracket = 2 * d * e**2 + math.pi * c**2 * e - 2 * (2 + math.pi) * c * math.sqrt(e) + math.pi + 2
    scale = (1 - c * math.sqrt(e)) * math.sqrt(2 * math.pi) / math.sqrt(bracket)

    assert SELU.alpha == pytest.approx(alpha, rel=3e-15, abs=0)
    assert SELU.scale == pytest.approx(scale, rel=3e-15, abs=0)


@pytest.mark.parametrize(("power", "moment"), [(1, 0.0), (2, 1.0)], ids=["mean", "variance"])
def test_selu_of_standard_normal_keeps_its_moments(power, moment):
    def weighted(z):
        return float(SELU().value(np.array([z]))[0]) ** power * stats.norm.pdf(z)

    found = integrate.quad(weighted, -12, 0, epsabs=1e-13)[0] + integrate.quad(weighted, 0, 12, epsabs=1e-13)[0]

    assert found == pytest.approx(moment, abs=1e-10)


# --- softmax and log-softmax -----------------------------------------------------------------------------------------


def softmax_jacobian(z):
    """∂a_k/∂z_j at [k][j], by loops."""
    p = [math.exp(z_j) / sum(math.exp(z_k) for z_k in z) for z_j in z]
    return [[p[k] * ((k == j) - p[j]) for j in range(len(z))] for k in range(len(z))]


def log_softmax_jacobian(z):
    p = [math.exp(z_j) / sum(math.exp(z_k) for z_k in z) for z_j in z]
    return [[(k == j) - p[j] for j in range(len(z))] for k in range(len(z))]


JACOBIAN = {"softmax": softmax_jacobian, "log_softmax": log_softmax_jacobian}
REFERENCE = {"softmax": special.softmax, "log_softmax": special.log_softmax}


@each(*VECTOR)
@pytest.mark.parametrize("shape", [(7, 5), (7, 1), (4, 2, 3), (5,)], ids=str)
def test_softmax_of_any_rank_equals_scipy_over_last_axis(rng, name, shape):
    z = frozen(rng.normal(0, 4, shape))

    a = component_of(name).forward(z, nnfw.Workspace("float64"))

    np.testing.assert_allclose(a, REFERENCE[name](z, axis=-1), rtol=1e-13, atol=1e-15)


@each(*VECTOR)
def test_softmax_delta_equals_product_with_whole_jacobian(rng, name):
    z, grad_a = frozen(rng.normal(0, 2, (6, 4))), frozen(rng.normal(size=(6, 4)))

    _, delta = backpropagate(component_of(name), grad_a, z)

    for row, g in enumerate(grad_a.tolist()):
        jacobian = JACOBIAN[name](z[row].tolist())
        expected = [sum(g[k] * jacobian[k][j] for k in range(4)) for j in range(4)]
        np.testing.assert_allclose(delta[row], expected, rtol=1e-12, atol=1e-15)


@each(*VECTOR)
def test_softmax_delta_with_more_axes_is_that_of_each_row(rng, name):
    z, grad_a = rng.normal(size=(3, 2, 4)), rng.normal(size=(3, 2, 4))

    _, delta = backpropagate(component_of(name), grad_a, z)
    _, rows = backpropagate(component_of(name), grad_a.reshape(6, 4), z.reshape(6, 4))

    np.testing.assert_allclose(delta.reshape(6, 4), rows, rtol=1e-14, atol=1e-16)


@given(z=hnp.arrays("float64", (3, 4), elements=st.floats(-100, 100)), shift=st.floats(-100, 100))
def test_softmax_with_shifted_z_is_the_same_distribution(z, shift):
    a = Softmax().forward(z, nnfw.Workspace("float64"))

    np.testing.assert_allclose(Softmax().forward(z + shift, nnfw.Workspace("float64")), a, rtol=1e-12, atol=1e-300)


@given(z=hnp.arrays("float32", (3, 4), elements=finite("float32")))
def test_softmax_of_any_finite_z_sums_to_one(z):
    a = Softmax().forward(z, nnfw.Workspace())

    assert np.all(a >= 0)
    np.testing.assert_allclose(a.sum(axis=-1), 1, rtol=1e-6)


def test_log_softmax_where_softmax_rounds_to_zero_keeps_the_logarithm():
    a = LogSoftmax().forward(np.array([[1e4, 0.0, -1e4]], np.float32), nnfw.Workspace())

    np.testing.assert_array_equal(a, np.array([[0, -1e4, -2e4]], np.float32))


# --- sparsemax -------------------------------------------------------------------------------------------------------


def nearest_probabilities(z):
    """The point of the simplex nearest to one row, from the root of Σ max(z − τ, 0) = 1."""
    tau = optimize.brentq(lambda tau: np.maximum(z - tau, 0).sum() - 1, z.max() - 1.5, z.max(), xtol=1e-15)
    return np.maximum(z - tau, 0)


@pytest.mark.parametrize("shape", [(7, 5), (3, 2, 4), (4000, 3)], ids=str)
def test_sparsemax_is_the_nearest_point_of_the_simplex(rng, shape):
    z = frozen(rng.normal(0, 1, shape))

    a = Sparsemax().forward(z, nnfw.Workspace("float64"))

    rows = [nearest_probabilities(row) for row in z.reshape(-1, shape[-1])]
    np.testing.assert_allclose(a, np.reshape(rows, shape), rtol=0, atol=1e-14)
    assert 0 < np.count_nonzero(a) < a.size


def test_sparsemax_delta_equals_central_differences(rng):
    z, grad_a, h = rng.normal(0, 1, (6, 4)), rng.normal(size=(6, 4)), 1e-6

    def total(z):
        return (Sparsemax().forward(z, nnfw.Workspace("float64")) * grad_a).sum(axis=1)

    _, delta = backpropagate(Sparsemax(), grad_a, z)

    for j, step in enumerate(h * np.eye(4)):
        np.testing.assert_allclose(delta[:, j], (total(z + step) - total(z - step)) / (2 * h), rtol=0, atol=1e-8)


@few_examples
@given(z=hnp.arrays("float32", (3, 4), elements=finite("float32")))
def test_sparsemax_of_any_finite_z_sums_to_one(z):
    a = Sparsemax().forward(z, nnfw.Workspace())

    assert np.all(a >= 0)
    np.testing.assert_allclose(a.sum(axis=-1), 1, rtol=1e-6)


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan], ids=str)
def test_sparsemax_of_a_row_that_is_not_finite_is_nan_and_silent(wrong):
    a, delta = backpropagate(Sparsemax(), np.ones((2, 3)), np.array([[0.0, wrong, 1.0], [0.0, 0.5, 3.0]]))

    assert np.isnan(a[0]).all()
    assert np.isnan(delta[0]).all()
    np.testing.assert_array_equal(a[1], [0, 0, 1])


def test_sparsemax_of_a_single_unit_is_refused():
    with pytest.raises(nnfw.ShapeError, match="sparsemax over a single unit is always 1, so there is nothing"):
        Sparsemax().require_shape((1,))


# --- in a workspace --------------------------------------------------------------------------------------------------


@each(*ELEMENTWISE)
def test_forward_and_delta_equal_value_and_derivative(rng, name):
    component = component_of(name)
    z, grad_a = frozen(rng.normal(0, 3, (6, 2, 3))), frozen(rng.normal(size=(6, 2, 3)))

    a, delta = backpropagate(component, grad_a, z)

    np.testing.assert_array_equal(a, component.value(z))
    np.testing.assert_array_equal(delta, grad_a * component.derivative(z, a))


@each(*BUFFERED)
def test_forward_and_delta_share_no_memory_with_their_inputs(rng, name):
    component, workspace = component_of(name), nnfw.Workspace("float64")
    z, grad_a = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))

    a = component.forward(z, workspace)
    before = a.copy()
    delta = component.delta(grad_a, z, a, workspace)

    for result, given_array in ((a, z), (delta, z), (delta, a), (delta, grad_a)):
        assert not np.shares_memory(result, given_array)
    np.testing.assert_array_equal(a, before)


def test_identity_hands_on_the_arrays_themselves(rng):
    z, grad_a = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))

    a, delta = backpropagate(Identity(), grad_a, z)

    assert a is z
    assert delta is grad_a


@each()
@pytest.mark.parametrize("dtype", DTYPES)
def test_second_pass_allocates_no_array_of_the_batch_size(rng, name, dtype):
    component, workspace = component_of(name), nnfw.Workspace(dtype)
    z, grad_a = rng.normal(0, 4, (20_000, 10)).astype(dtype), rng.normal(size=(20_000, 10)).astype(dtype)
    component.delta(grad_a, z, component.forward(z, workspace), workspace)

    tracemalloc.start()
    component.delta(grad_a, z, component.forward(z, workspace), workspace)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 100_000  # bytes: less than one for each of the 200,000 values, and more than NumPy's own buffers


@each()
def test_smaller_batch_in_the_same_workspace_gives_the_same_rows(rng, name):
    component, workspace = component_of(name), nnfw.Workspace("float64")
    z, grad_a = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    component.delta(grad_a, z, component.forward(z, workspace), workspace)

    a = component.forward(z[:4], workspace)
    delta = component.delta(grad_a[:4], z[:4], a, workspace)

    expected = backpropagate(component, grad_a[:4], z[:4])
    np.testing.assert_array_equal(a, expected[0])
    np.testing.assert_array_equal(delta, expected[1])


# --- dtypes, extremes, NaN -------------------------------------------------------------------------------------------


@each()
def test_forward_and_delta_in_float32_stay_float32_and_precise(rng, name):
    z, grad_a = rng.normal(0, 3, (6, 3)), rng.normal(size=(6, 3))

    results = backpropagate(component_of(name), grad_a.astype(np.float32), z.astype(np.float32))

    for found, expected in zip(results, backpropagate(component_of(name), grad_a, z), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


@each(*ELEMENTWISE)
def test_value_and_derivative_without_out_stay_float32(rng, name):
    component, z = component_of(name), rng.normal(size=(6, 3)).astype(np.float32)

    a = component.value(z)

    assert a.dtype == np.float32
    assert component.derivative(z, a).dtype == np.float32


@each()
@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_and_delta_at_extremes_are_finite_and_silent(name, dtype):
    z = extremes(dtype).T  # each alone ...

    for batch in (z, z.T):  # ... and all in one row, where it matters to softmax
        a, delta = backpropagate(component_of(name), np.ones_like(batch), batch)
        assert np.isfinite(a).all()
        assert np.isfinite(delta).all()


@each()
@pytest.mark.parametrize("dtype", DTYPES)
@few_examples
@given(data=st.data())
def test_forward_and_delta_of_any_finite_z_are_finite(name, dtype, data):
    z = data.draw(hnp.arrays(dtype, (2, 3), elements=finite(dtype)))

    a, delta = backpropagate(component_of(name), np.ones_like(z), z)

    assert np.isfinite(a).all()
    assert np.isfinite(delta).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("component", "low", "high", "slope_low", "slope_high"),
    [
        pytest.param(Sigmoid(), 0, 1, 0, 0, id="sigmoid"),
        pytest.param(Tanh(), -1, 1, 0, 0, id="tanh"),
        pytest.param(ReLU(), 0, 1e4, 0, 1, id="relu"),
        pytest.param(LeakyReLU(0.25), -2500, 1e4, 0.25, 1, id="leaky_relu"),
        pytest.param(ELU(1.5), -1.5, 1e4, 0, 1, id="elu"),
        pytest.param(SELU(), -SCALE * ALPHA, SCALE * 1e4, 0, SCALE, id="selu"),
        pytest.param(GELU(), 0, 1e4, 0, 1, id="gelu"),
        pytest.param(SiLU(), 0, 1e4, 0, 1, id="silu"),
        pytest.param(Softplus(), 0, 1e4, 0, 1, id="softplus"),
        pytest.param(Softsign(), -1e4 / 10001, 1e4 / 10001, 10001**-2, 10001**-2, id="softsign"),
        pytest.param(HardSigmoid(), 0, 1, 0, 0, id="hard_sigmoid"),
    ],
)
def test_value_and_derivative_at_1e4_reach_their_limits(component, low, high, slope_low, slope_high, dtype):
    z = np.array([[-1e4, 1e4]], dtype)

    a, slope = backpropagate(component, np.ones_like(z), z)

    np.testing.assert_allclose(a, [[low, high]], rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(slope, [[slope_low, slope_high]], rtol=1e-6, atol=2e-7 if slope_low == 0 else 0)


@each()
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_in_z_is_not_hidden(name, dtype):
    z = np.array([[0.5, np.nan], [0.5, 1.0]], dtype)

    a, delta = backpropagate(component_of(name), np.ones_like(z), z)

    assert np.isnan(a[0, 1])
    assert name == "identity" or np.isnan(delta[0, 1])
    assert np.isfinite(a[1]).all()
    assert np.isfinite(delta[1]).all()


@each(*VECTOR)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan], ids=str)
def test_softmax_of_row_that_is_not_finite_is_nan_and_silent(name, dtype, wrong):
    z = frozen(np.array([[0.5, wrong, 1.0], [wrong, wrong, wrong], [0.5, 1.0, 2.0]], dtype))

    a = component_of(name).forward(z, nnfw.Workspace(dtype))

    assert np.isnan(a[:2]).all()
    np.testing.assert_allclose(a[2], REFERENCE[name](z[2]), rtol=1e-6)


# --- ranges ----------------------------------------------------------------------------------------------------------


@each()
@pytest.mark.parametrize("dtype", DTYPES)
def test_value_lies_within_the_declared_range(rng, name, dtype):
    component = component_of(name)
    wide = np.concatenate([extremes(dtype)[0], np.linspace(-50, 50, 20_001, dtype=dtype)])
    z = wide.reshape(-1, 1) if name in ELEMENTWISE else rng.choice(wide, (5000, 3))
    low, high = component.range

    a = component.forward(z, nnfw.Workspace(dtype))

    tolerance = 4 * float(np.finfo(dtype).eps)
    assert a.min() >= low * (1 + tolerance if low < 0 else 1)
    assert a.max() <= high * (1 + tolerance if high > 0 else 1)


@each(*[name for name in ALL if name not in ("elu", "celu", "leaky_relu")])
def test_declared_range_is_no_wider_than_the_values(rng, name):
    z = np.concatenate([np.linspace(-50, 50, 100_001), [-1e300, 1e300]])
    z = z.reshape(-1, 1) if name in ELEMENTWISE else np.stack([z, -z], axis=1)
    low, high = component_of(name).range

    a = component_of(name).forward(z, nnfw.Workspace("float64"))

    assert a.min() == pytest.approx(low, rel=1e-6, abs=1e-6) or (low == -np.inf and a.min() < -1e299)
    assert a.max() == pytest.approx(high, rel=1e-6, abs=1e-6) or (high == np.inf and a.max() > 1e299)


@pytest.mark.parametrize(
    ("name", "minimum"),
    [
        ("gelu", lambda z: z * Phi(z)),
        ("silu", lambda z: z * sigma(z)),
        ("mish", lambda z: z * mish_t(z)),
        ("gelu_tanh", lambda z: z * half_tanh(z)),
    ],
    ids=["gelu", "silu", "mish", "gelu_tanh"],
)
def test_lower_end_of_the_range_is_the_minimum(name, minimum):
    found = optimize.minimize_scalar(minimum, bracket=(-2, -1, 0), tol=1e-12).fun

    assert component_of(name).range[0] == pytest.approx(found, rel=1e-11)
    assert component_of(name).range[0] <= found


# --- the components as such ------------------------------------------------------------------------------------------


@each()
def test_component_found_by_name_is_the_class_with_its_defaults(name):
    assert nnfw.activation(name) == type(component_of(name))()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        pytest.param("leaky_relu", {"slope": -0.1}, "slope must be .*got -0.1", id="slope below 0"),
        pytest.param("leaky_relu", {"slope": 1.5}, "slope must be .*got 1.5", id="slope above 1"),
        pytest.param("elu", {"alpha": 0.0}, "alpha must be .*got 0.0", id="alpha 0"),
    ],
)
def test_option_out_of_range_is_refused(name, options, message):
    with pytest.raises(nnfw.ConfigError, match=message):
        nnfw.activation(name, **options)


def test_common_activations_start_without_scipy_special():
    code = (
        "import sys, numpy as np, nnfw; from nnfw_standard import Sigmoid, Tanh, ReLU, Softmax\n"
        "for sigma in (Sigmoid(), Tanh(), ReLU(), Softmax()):\n"
        "    w = nnfw.Workspace(); z = np.ones((2, 3), np.float32); sigma.delta(z, z, sigma.forward(z, w), w)\n"
        "assert not any(name.startswith('scipy.special') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("name", "value"), [("softmax", 1), ("log_softmax", 0)])
@pytest.mark.parametrize("shape", [(1,), (5, 1), ()], ids=str)
def test_softmax_over_a_single_unit_is_refused(name, value, shape):
    message = (
        rf"^{name} over a single unit is always {value}, so there is nothing to learn\. For two classes use sigmoid"
    )
    with pytest.raises(nnfw.ShapeError, match=message):
        nnfw.activation(name).require_shape(shape)


@pytest.mark.parametrize("shape", [(2,), (1, 2)], ids=str)
def test_activations_take_every_other_shape(shape):
    for item in nnfw.plugins.default_registry().components("activation"):
        nnfw.activation(item.name).require_shape(shape)
    nnfw.activation("sigmoid").require_shape((1,))
