"""Kernels: their definitions, those of numba, and what happens to one that is wrong."""

import threading
from dataclasses import dataclass

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erfcx

import nnfw
from nnfw.ops import DEFINITIONS, engine_in_use, kernels, made_of_kernels, using
from nnfw.ops.checked import checked, difference
from nnfw.ops.engines import engine_of
from nnfw_standard import ELU, GELU, GELUTanh, Mish

nnfw_numba_kernels = pytest.importorskip("nnfw_numba.kernels", reason="numba is not installed", exc_type=ImportError)
exponential = pytest.importorskip("nnfw_numba.exponential")
NAMES = [item.name for item in nnfw.Registry.discover().operations]
compiled = pytest.importorskip("nnfw_numba.caching").compiled
FAST = engine_of(nnfw_numba_kernels.load(), "numba")


def different(name, *arguments, engine=FAST):
    """Return how numba's kernel differs from its definition."""
    operation = getattr(kernels(), name)
    return difference(operation, engine.function(operation), arguments)


VECTORS = ("scale", "add_scaled", "add_signs", "clip", "sgd", "momentum", "adam", "rmsprop")


def laid_out(array, layout):
    """Return an array of the same values with strides of its own."""
    if layout == "strided":
        wide = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if layout == "reversed":
        return array[..., ::-1].copy()[..., ::-1]
    return np.asfortranarray(array) if layout == "fortran" else array


@st.composite
def arguments(draw, name, dtype):
    """Draw what a kernel may be called with."""
    layout = draw(st.sampled_from(["plain", "strided", "reversed", "fortran"]))
    rows, width = draw(st.integers(0 if name in VECTORS else 1, 70)), draw(st.integers(1, 7))
    share, rate = draw(st.floats(0, 1)), draw(st.floats(1e-6, 10))

    def array(*shape, low=-1e4, high=1e4):
        numbers = st.floats(low, high, width=32).map(dtype)
        return laid_out(draw(hnp.arrays(dtype, shape, elements=numbers)), layout)

    def classes():
        return draw(hnp.arrays(np.intp, rows, elements=st.integers(0, width - 1)))

    def matrix(**limits):
        return array(rows, width, **limits)

    def vectors(count):
        return tuple(array(rows) for _ in range(count))

    return {
        "product": lambda: (matrix(low=-10, high=10), array(width, 5, low=-10, high=10), array(rows, 5)),
        "add_bias": lambda: (matrix(), array(width)),
        "sum_examples": lambda: (matrix(), array(width)),
        "take": lambda: (matrix(), draw(hnp.arrays(np.intp, 9, elements=st.integers(0, rows - 1))), array(9, width)),
        "sigmoid": lambda: (matrix(low=-200, high=200), matrix()),
        "tanh": lambda: (matrix(low=-50, high=50), matrix()),
        "relu": lambda: (matrix(), matrix()),
        "sigmoid_delta": lambda: (matrix(), matrix(low=0, high=1), matrix()),
        "tanh_delta": lambda: (matrix(), matrix(low=-1, high=1), matrix()),
        "relu_delta": lambda: (matrix(), matrix(low=0), matrix()),
        "softmax": lambda: (matrix(), array(rows, 1), matrix()),
        "residual": lambda: (matrix(), draw(st.sampled_from([matrix(), matrix().astype(int)])), rows, matrix()),
        "label_residual": lambda: (
            matrix(low=0, high=1),
            matrix(low=0, high=1),
            draw(st.sampled_from([0.0, 0.1])),
            rows,
            matrix(),
        ),
        "class_residual": lambda: (matrix(low=0, high=1), classes(), draw(st.sampled_from([0.0, 0.1])), rows, matrix()),
        "weigh": lambda: (matrix(), array(rows, low=0)),
        "squared_distance": lambda: (matrix(), matrix(), rows, np.empty(1)),
        "logistic_loss": lambda: (matrix(low=-200, high=200), matrix(low=0, high=1), rows, np.empty(1)),
        "class_loss": lambda: (matrix(), classes(), rows, np.empty(1)),
        "scale": lambda: (*vectors(1), rate),
        "multiply": lambda: (matrix(), matrix(), matrix()),
        "add_scaled": lambda: (*vectors(2), rate),
        "add_signs": lambda: (*vectors(2), rate),
        "clip": lambda: (*vectors(1), rate),
        "sgd": lambda: (*vectors(2), rate),
        "momentum": lambda: (*vectors(3), share, rate, draw(st.booleans())),
        "adam": lambda: (*vectors(3), array(rows, low=0), share, 0.999, rate, 1e-8),
        "rmsprop": lambda: (*vectors(2), array(rows, low=0), array(rows), share, rate, 1e-8),
    }[name]()


DRAWN = [
    "product",
    "add_bias",
    "sum_examples",
    "take",
    "sigmoid",
    "tanh",
    "relu",
    "sigmoid_delta",
    "tanh_delta",
    "relu_delta",
    "softmax",
    "residual",
    "label_residual",
    "class_residual",
    "weigh",
    "squared_distance",
    "logistic_loss",
    "class_loss",
    "scale",
    "multiply",
    "add_scaled",
    "add_signs",
    "clip",
    "sgd",
    "momentum",
    "adam",
    "rmsprop",
]  # the kit checks all of them


def in_both(names, some):
    """Return parameters for each name in float32, and in float64, which is long but for some: each is compiled."""
    return [
        *(pytest.param(name, np.float32, id=f"{name}-float32") for name in names),
        *(
            pytest.param(name, np.float64, id=f"{name}-float64", marks=() if name in some else pytest.mark.long)
            for name in names
        ),
    ]


@pytest.mark.parametrize(
    ("name", "dtype"), in_both(DRAWN, ("product", "sum_examples", "softmax", "class_loss", "adam"))
)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_kernel_of_numba_gives_what_its_definition_gives(name, dtype, data):
    assert different(name, *data.draw(arguments(name, dtype))) == ""


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 1e-30, 1e30, -1e30, 3e38, -3e38, 1e-44])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_extreme_numbers_go_through_an_activation_of_numba(name, dtype):
    with np.errstate(over="ignore"):
        z = np.append(SPECIAL, np.linspace(-800, 800, 4001)).astype(dtype)
    assert different(name, z, np.empty_like(z)) == ""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", SPECIAL, ids=str)
def test_extreme_numbers_go_through_softmax_and_its_cost(value, dtype):
    z = np.ones((3, 4), dtype)
    z[1, 2] = value
    labels = np.array([0, 2, 3])
    assert different("softmax", z, np.empty((3, 1), dtype), np.empty_like(z)) == ""
    assert different("class_loss", z, labels, 3, np.empty(1)) == ""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponential_of_numba_is_precise_to_two_units_in_the_last_place(dtype):
    @compiled
    def both(x, e, e1):
        for k in range(x.size):
            e[k], e1[k] = exponential.exp(x[k]), exponential.expm1(x[k])

    limit = -np.log(np.finfo(dtype).smallest_normal)
    x = np.concatenate([-np.geomspace(1e-12, limit, 20_001)[::-1], [0]]).astype(dtype)
    e, e1 = np.empty_like(x), np.empty_like(x)
    both(x, e, e1)
    exact = x.astype(np.longdouble)
    unit = np.finfo(dtype).eps
    assert np.max(np.abs(e - np.exp(exact)) / np.exp(exact)) < 1.5 * unit
    assert np.max(np.abs(e1 - np.expm1(exact)) / np.maximum(np.abs(np.expm1(exact)), 1e-300)) < 2 * unit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logarithm_of_numba_is_precise_to_two_units_in_the_last_place(dtype):
    @compiled
    def log1p(x, out):
        for k in range(x.size):
            out[k] = exponential.log1p(x[k])

    x = np.concatenate([[0], np.geomspace(1e-30, 1, 20_001)]).astype(dtype)
    out = np.empty_like(x)
    log1p(x, out)
    exact = np.log1p(x.astype(np.longdouble))
    assert np.max(np.abs(out - exact) / np.maximum(exact, 1e-300)) < 2 * np.finfo(dtype).eps
    log1p(np.array([np.nan], dtype), out[:1])
    assert np.isnan(out[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distribution_of_the_normal_by_numba_is_precise_in_its_tail_too(dtype):
    @compiled
    def normal(z, out):
        for k in range(z.size):
            out[k] = exponential.normal(z[k])

    z = np.concatenate([np.linspace(-13, 9, 40_001), [-0.0, -np.inf, np.inf, np.nan]]).astype(dtype)
    out = np.empty_like(z)
    normal(z, out)
    assert out[-3:-1].tolist() == [0, 1]
    assert np.isnan(out[-1])
    x = z[:-3].astype(np.longdouble)
    tail = erfcx(np.abs(z[:-3].astype(np.float64)) * np.sqrt(0.5)) / 2 * np.exp(-x * x / 2)
    exact = np.where(x < 0, tail, 1 - tail)
    assert np.max(np.abs(out[:-3] - exact) / exact) < 8 * np.finfo(dtype).eps


@pytest.mark.parametrize("layout", ["strided", "reversed", "fortran"])
def test_label_residual_is_written_wherever_its_array_lies(layout, rng):
    a, y = rng.random((4, 2, 3)), rng.integers(0, 3, (4, 2))
    out = laid_out(np.zeros_like(a), layout)
    kernels().class_residual(a, y, 0.0, 4, out)
    np.testing.assert_allclose(out, (a - np.eye(3)[y]) / 4, rtol=1e-15)


def test_numba_offers_kernels_and_what_compiles_them():
    assert {*nnfw_numba_kernels.load()} <= {*NAMES, "sequence", "elementwise", "body", "steps"}


def test_difference_of_a_wrong_kernel_names_place_and_values():
    def wrong(vector, gradient, rate):
        kernels().sgd.definition(vector, gradient, rate)
        vector[1] *= 1 + 1e-5

    text = difference(kernels().sgd, wrong, (np.ones(3), np.ones(3), 0.5))
    assert text == "gives 0.500005 at [1], its definition 0.5"


def test_checked_kernel_that_is_wrong_is_named():
    chosen = checked(engine_of({"sgd": lambda vector, gradient, rate: None}, "Accelerator 'x'"))
    with pytest.raises(nnfw.PluginError, match=r"Accelerator 'x': kernel 'sgd' gives 1 at \[0\], its definition 0\.5"):
        chosen.functions[kernels().sgd](np.ones(2), np.ones(2), 0.5)
    chosen.functions[kernels().relu_delta](np.ones(2), np.ones(2), np.zeros(2))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"sdg": print}, r"unknown kernel 'sdg'\. Did you mean 'sgd'\? Available: product, add_bias"),
        ({"sgd": 3}, "kernel 'sgd' must be a function, got 3"),
        ([print], "must give its kernels by name, got"),
    ],
    ids=["name", "function", "mapping"],
)
def test_kernels_that_are_none_are_refused(found, message):
    with pytest.raises(nnfw.PluginError, match=message):
        engine_of(found, "Accelerator 'x'")


def test_kernels_are_those_of_this_thread():
    seen = []
    chosen = engine_of({"sgd": print}, "x")
    with using(chosen):
        thread = threading.Thread(target=lambda: seen.append(engine_in_use()))
        thread.start()
        thread.join()
        assert engine_in_use() is chosen
    assert seen == [DEFINITIONS]
    assert engine_in_use() is DEFINITIONS


_OTHER_OPTIONS = {"leaky_relu": {"slope": 0.25}, "elu": {"alpha": 1.75}, "celu": {"alpha": 0.3}}


def elementwise_activations():
    registry = nnfw.Registry.discover()
    for component in registry.components("activation"):
        activation = registry.create("activation", component.name, {})
        if activation.as_layer() or made_of_kernels(activation.forward) or not hasattr(activation, "derivative"):
            continue
        yield activation
    yield from (registry.create("activation", name, given) for name, given in _OTHER_OPTIONS.items())


@pytest.mark.parametrize(("activation", "dtype"), in_both([*elementwise_activations()], (GELU(), ELU(), Mish())))
def test_loops_of_numba_give_what_the_activation_gives(activation, dtype, rng):
    forward, delta = (FAST.function(each) for each in FAST.elementwise(activation))
    far = float(np.finfo(dtype).max) / 8
    special = [0.0, -0.0, np.nan, -far, far, -3.0, 3.0, -1e-30, 1e-30, -80.0, 80.0, -700.0, 700.0]
    z = np.concatenate([special, rng.normal(0, 1, 400), rng.normal(0, 30, 400)]).astype(dtype)
    g = rng.normal(size=z.shape).astype(dtype)
    a, d = np.empty_like(z), np.empty_like(z)
    with np.errstate(all="ignore"):
        right = activation.value(z)
        slopes = activation.derivative(z, right)
        forward(z, a)
        delta(g, z, right, d)
        tail = {GELU: z * z, GELUTanh: abs(z) ** 3}.get(type(activation), 0 * z)  # one of z is so many of Φ there
        units = 8 + np.fmin(tail, 1e4)
        epsilon, least = np.finfo(dtype).eps, np.finfo(dtype).smallest_normal
        close = abs(a - right) <= 8 * least + units * epsilon * abs(right)
        close_slopes = abs(d - g * slopes) <= 8 * epsilon * (1 + abs(g * slopes))
    assert np.isnan(a[2])
    assert np.isnan(d[2])
    assert (close | np.isnan(z)).all()
    assert (close_slopes | np.isnan(z)).all()


def test_activation_with_a_private_option_stays_as_it_is_written():
    @dataclass(frozen=True)
    class Private(nnfw.Elementwise):
        _by: float = 0.5

        def value(self, z):
            return self._by * z

        def derivative(self, z, a):
            return np.full_like(z, self._by)

    assert nnfw_numba_kernels.load()["elementwise"](Private()) is None


@dataclass(frozen=True)
class Line(nnfw.Elementwise):
    """What the activations below are, but for one method each."""

    def value(self, z):
        return z

    def derivative(self, z, a):
        return np.ones_like(z)


@dataclass(frozen=True)
class OwnForward(Line):
    def forward(self, z, workspace):
        return 2 * z


@dataclass(frozen=True)
class OwnDelta(Line):
    def delta(self, grad_a, z, a, workspace):
        return 2 * grad_a


@dataclass(frozen=True)
class RoundedValue(Line):
    def value(self, z):
        return (z + 1e8) - 1e8  # in float32 a multiple of 8; numba adds in float64


@dataclass(frozen=True)
class RoundedDerivative(Line):
    def derivative(self, z, a):
        return (z + 1e8) - 1e8  # in float32 a multiple of 8; numba adds in float64


@pytest.mark.parametrize("activation", [OwnForward, OwnDelta], ids=lambda each: each.__name__)
def test_activation_with_a_method_of_its_own_is_not_compiled_from_the_others(activation, rng):
    assert nnfw_numba_kernels.load()["elementwise"](activation()) is None
    x = rng.normal(size=(40, 3))
    trained = []
    for accelerator in ("none", "numba"):
        layers = [nnfw.layer("dense", units=4, activation=activation()), nnfw.layer("dense", units=1)]
        model = nnfw.Sequential(layers, 3, dtype="float64")
        model.fit(x, x[:, :1], cost="mse", optimizer="sgd", epochs=3, accelerator=accelerator)
        trained.append(model.parameters.vector)
    np.testing.assert_allclose(*trained, rtol=1e-9)


@pytest.mark.parametrize("activation", [RoundedValue, RoundedDerivative], ids=lambda each: each.__name__)
def test_activation_that_differs_in_float32_when_it_is_compiled_stays_as_it_is_written(activation):
    assert nnfw_numba_kernels.load()["elementwise"](activation()) is None


def test_activation_that_is_the_same_when_it_is_compiled_is_compiled():
    assert nnfw_numba_kernels.load()["elementwise"](Line()) is not None
