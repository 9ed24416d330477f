"""Programs made from the rows of operations: in one go, in parts, and for many steps in one call."""

import sys
import warnings
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest

import nnfw
from nnfw.machine import limit_of
from nnfw.ops import Call, Operation, PerStep, operation_of
from nnfw.ops import kernels as operations
from nnfw.ops.engines import engine_of
from nnfw.ops.many_steps import steps as plain_steps
from nnfw.ops.operation import operation

pytest.importorskip("numba")

from nnfw_numba import kernels, sequence, team
from nnfw_numba.library import body_of
from nnfw_numba.tiles import suits
from nnfw_standard import Dense, Flatten, GaussianNoise, RandomCrop, RandomFlip, RandomShift


@pytest.fixture
def fast():
    return engine_of(kernels.load(), "numba")


@pytest.fixture(params=[1, 2, 3, 5])
def members(request, monkeypatch):
    """Let programs be shared by a team of some size."""
    limit = limit_of("scipy")
    if limit is None and request.param > 1:
        pytest.skip("SciPy has no OpenBLAS with threads of its own")
    made = None if request.param == 1 else team.Team(request.param, limit)
    monkeypatch.setattr(sequence, "team", lambda: made)
    yield request.param
    if made is not None:
        made._end()


def of(name, *arguments):
    return Call(getattr(operations(), name), arguments)


def run(fast, *calls):
    """Carry out calls as programs; return how many functions that took."""
    found = list(fast.sequence(calls))
    for function in found:
        function()
    return len(found)


# a stranger's operations, whose bodies lie in a module of its own


@operation(x="read n ...", factor="number", out="written n ...", cut="n", bodies={"numba": "strangers_bodies:shifted"})
def shifted(x, factor, out):
    out[...] = x * factor + 1


@operation(x="changed n", bodies={"numba": "strangers_bodies:refused"})
def refused(x):
    x *= 2


@operation(x="changed n", bodies={"numba": "strangers_bodies:missing"})
def missing(x):
    x *= 2


@operation(table="read m ...", rows="read index<m n", out="written n ...", bodies={"numba": "strangers_bodies:picked"})
def picked(table, rows, out):
    out[...] = table[rows]


@operation(x="changed n")
def unknown(x):
    x *= 2


@operation(x="changed n ...", y="read n ...")
def relu(x, y):
    """Nothing but the name in common with the standard one."""
    x -= y


@pytest.fixture
def strangers():
    """Put a module with bodies where they are looked for, as if a plugin had brought it."""

    def body(x, factor, out):
        for k in range(x.size):
            out.flat[k] = x.flat[k] * x.dtype.type(factor) + x.dtype.type(1)

    def uncompilable(x):
        raise KeyError(open)

    def taken(table, rows, out):
        for i in range(rows.size):
            for j in range(out.shape[1]):
                out[i, j] = table[rows[i], j]

    module = ModuleType("strangers_bodies")
    module.shifted, module.refused, module.picked = body, uncompilable, taken
    sys.modules["strangers_bodies"] = module
    yield module
    del sys.modules["strangers_bodies"]


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 2)], ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_operation_of_a_stranger_runs_in_the_program_by_its_own_body(fast, strangers, rng, dtype, shape):
    x, out, a = rng.normal(size=shape).astype(dtype), np.zeros(shape, dtype), np.zeros(shape, dtype)
    assert run(fast, Call(shifted, (x, 2.5, out)), of("relu", out, a)) == 1
    np.testing.assert_array_equal(a, np.maximum(x * np.dtype(dtype).type(2.5) + 1, 0))


def test_operation_of_a_stranger_is_cut_into_parts(fast, strangers, rng, members, monkeypatch):
    x, out, tables = rng.normal(size=(1003, 41)), np.zeros((1003, 41)), []
    lead = team.Team.lead
    monkeypatch.setattr(team.Team, "lead", lambda own, f, *a: (tables.append(a[0]), lead(own, f, *a))[1])
    run(fast, Call(shifted, (x, 2.5, out)))
    np.testing.assert_array_equal(out, x * 2.5 + 1)
    assert [(table[..., 1] > 0).sum() for table in tables] == ([members] if members > 1 else [])


def test_call_of_a_strangers_operation_takes_its_body(fast, strangers):
    out = np.zeros(2)
    fast.function(shifted)(np.ones(2), 2.0, out)
    assert out.tolist() == [3.0, 3.0]


def test_body_that_does_not_compile_is_left_to_numpy_with_a_warning(fast, strangers):
    x, out = np.ones(3), np.zeros(3)
    between = Call(shifted, (x, 2.0, out))
    expected = r"Operation 'refused': numba cannot compile its body: .*\. NumPy runs it\."
    with pytest.warns(RuntimeWarning, match=expected):
        found = list(fast.sequence([between, Call(refused, (x,)), between]))
    assert len(found) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        assert run(fast, Call(refused, (x,))) == 1
    assert x.tolist() == [2.0, 2.0, 2.0]


def test_body_that_is_missing_is_left_to_numpy_with_a_warning(fast, strangers):
    x = np.ones(3)
    with pytest.warns(RuntimeWarning, match=r"'missing': numba cannot compile its body: .*missing.*NumPy runs it"):
        run(fast, Call(missing, (x,)))
    assert x.tolist() == [2.0, 2.0, 2.0]


def test_operation_without_a_body_is_left_to_numpy(fast):
    x = np.ones(3)
    assert fast.body(unknown) is None
    run(fast, Call(unknown, (x,)))
    assert x.tolist() == [2.0, 2.0, 2.0]


def test_every_operation_of_nnfw_has_a_body_but_products():
    registry = nnfw.Registry.discover()
    names = [item.name for item in registry.operations if item.plugin.distribution == "nnfw"]
    without = {name for name in names if body_of(operation_of(registry, name)) is None}
    assert without == {"product"}  # products are BLAS's


COSTS = {
    "focal": ("sigmoid", lambda rng: rng.integers(0, 2, (32, 3))),
    "log_cosh": ("identity", lambda rng: rng.normal(size=(32, 3))),
    "hinge": ("identity", lambda rng: rng.choice([-1, 1], (32, 3))),
    "squared_hinge": ("identity", lambda rng: rng.choice([-1, 1], (32, 3))),
    "kl_divergence": ("softmax", lambda rng: np.full((32, 3), 1 / 3)),
    "cosine": ("identity", lambda rng: rng.normal(size=(32, 3))),
    "quantile": ("identity", lambda rng: rng.normal(size=32)),
    "gaussian_nll": ("identity", lambda rng: rng.normal(size=32)),
    "token_cross_entropy": ("softmax", lambda rng: rng.integers(0, 3, 32)),
}


@pytest.fixture
def programs(monkeypatch):
    """The programs of whole steps that a training asks for; None for one that is not to be had."""
    found = []

    def steps(*arguments):
        found.append(sequence.steps(*arguments))
        return found[-1]

    monkeypatch.setattr(kernels, "steps", steps)
    return found


@pytest.mark.parametrize("name", COSTS)
def test_whole_step_with_a_cost_is_one_program(rng, name, programs):
    activation, (x, y) = COSTS[name][0], (rng.normal(size=(32, 4)), COSTS[name][1](rng))
    units = 2 if name == "gaussian_nll" else 3
    model = nnfw.Sequential([Dense(3, activation="sparsemax"), Dense(units, activation=activation)], 4)
    model.fit(x, y, cost=name, optimizer="lion", epochs=1, batch_size=8, accelerator="numba")
    assert programs
    assert None not in programs


def test_whole_step_that_changes_images_at_random_is_one_program(rng, programs):
    layers = [RandomFlip(), RandomShift(), RandomCrop(3), GaussianNoise(), Flatten(), Dense(1)]
    x, y = rng.normal(size=(32, 2, 4, 5)), rng.normal(size=32)
    model = nnfw.Sequential(layers, (2, 4, 5))
    model.fit(x, y, cost="mse", optimizer="sgd", epochs=1, batch_size=8, accelerator="numba")
    assert programs
    assert None not in programs


def test_operation_with_the_name_of_another_is_not_taken_for_it(fast):
    x = np.array([[3.0]])
    assert fast.body(relu) is None
    run(fast, Call(relu, (x, np.array([[5.0]]))))
    assert x.tolist() == [[-2.0]]


@pytest.mark.parametrize("row", [-1, 3, 1 << 40])
def test_index_beyond_its_axis_reaches_no_body(fast, strangers, row):
    out = np.zeros((2, 2))
    (step,) = fast.sequence([Call(picked, (np.ones((3, 2)), np.array([0, row]), out))])
    for _ in range(2):
        with pytest.raises(IndexError, match="holds an index that is out of range"):
            step()
    assert not out.any()


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u1"])
def test_rows_of_every_dtype_are_gathered_in_the_program(fast, rng, dtype):
    source, rows, out = rng.integers(0, 9, (5, 3)).astype(dtype), np.array([4, 0]), np.zeros((2, 3), dtype)
    labels, chosen = np.arange(5), np.zeros(2, np.int64)
    assert run(fast, of("take", source, rows, out), of("take", labels, rows, chosen)) == 1
    np.testing.assert_array_equal(out, source[rows])
    assert chosen.tolist() == [4, 0]


def test_arrays_whose_lines_are_apart_are_taken_as_they_lie(fast, rng):
    z, bias, wide = rng.normal(size=(4, 9)), rng.normal(size=(3,)), np.zeros((4, 8))
    expected = np.maximum(z[:, 2:5] + bias, 0)
    found = run(fast, of("add_bias", z[:, 2:5], bias), of("relu", z[:, 2:5], wide[:, 1:4]))
    assert found == 1
    np.testing.assert_array_equal(wide[:, 1:4], expected)
    assert not wide[:, 4:].any()


def test_array_that_must_not_be_written_is_left_to_numpy_which_refuses(fast):
    out = np.zeros((2, 2))
    out.flags.writeable = False
    (step,) = fast.sequence([of("relu", np.ones((2, 2)), out)])
    with pytest.raises(ValueError, match="read-only"):
        step()
    assert not out.any()


PRODUCTS = {
    "z = a w^T": lambda a, n, k, m: (a(n, k), a(m, k).T),
    "delta w": lambda a, n, k, m: (a(n, k), a(k, m)),
    "delta^T a": lambda a, n, k, m: (a(k, n).T, a(k, m)),
    "of transposed ones": lambda a, n, k, m: (a(k, n).T, a(m, k).T),
}


SHAPES = [(1, 1, 1), (7, 5, 3), (8, 24, 17), (13, 2, 40), (33, 9, 16), (200, 24, 8), (9, 600, 35), (12, 257, 1030)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("form", PRODUCTS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_product_in_our_own_loops_is_that_of_numpy_and_the_same_in_programs_and_calls(fast, rng, form, shape, dtype):
    def array(*shape):
        return rng.normal(size=shape).astype(dtype)

    a, b = PRODUCTS[form](array, *shape)
    rows, _, columns = shape
    assert suits(a, b)
    around = np.full((rows, columns + 2), 7, dtype)
    out, single = around[:, 1:-1], np.zeros((rows, columns), dtype)
    assert run(fast, of("product", a, b, out), of("relu", out.copy(), single)) == 1
    fast.function(operations().product)(a, b, single)
    np.testing.assert_array_equal(out, single)
    np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-4 if dtype == "f4" else 1e-12)
    np.testing.assert_array_equal(around[:, [0, -1]], 7)


def test_blas_computes_products_of_few_long_rows_and_of_lines_that_compete_in_the_cache():
    def array(rows, columns):
        return np.zeros((rows, columns), np.float32)

    assert suits(array(9, 784), array(1000, 784).T)
    assert not suits(array(8, 784), array(1000, 784).T)
    assert suits(array(8, 256), array(256, 1000))
    assert not suits(array(8, 784), array(784, 1000))
    assert not suits(array(64, 1024).T, array(64, 32))
    assert not suits(array(9, 20), array(20, 60)[:, ::2])


@dataclass(frozen=True)
class Cubic(nnfw.Elementwise):
    """A stranger's activation with an option."""

    by: float = 0.5

    def value(self, z):
        return self.by * z * z * z

    def derivative(self, z, a):
        return 3 * self.by * z * z


@pytest.mark.parametrize("activation", [Cubic(), Cubic(0.25), "softplus", "gelu"], ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_elementwise_activation_runs_in_the_program_and_is_cut(fast, rng, activation, dtype, members):
    registry = nnfw.Registry.discover()
    activation = registry.create("activation", activation, {}) if isinstance(activation, str) else activation
    forward, delta = fast.elementwise(activation)
    z, grad_a, bias = (rng.normal(size=shape).astype(dtype) for shape in ((331, 203), (331, 203), 203))
    a, out, expected = np.zeros_like(z), np.zeros_like(z), z + bias
    assert run(fast, of("add_bias", z, bias), Call(forward, (z, a)), Call(delta, (grad_a, z, a, out))) == 1
    tolerance = 1e-4 if dtype == "f4" else 1e-12
    np.testing.assert_allclose(a, activation.value(expected), rtol=tolerance, atol=tolerance)
    right = grad_a * activation.derivative(expected, activation.value(expected))
    np.testing.assert_allclose(out, right, rtol=tolerance, atol=tolerance)


def test_elementwise_activation_has_the_same_operations_each_time(fast):
    assert fast.elementwise(Cubic(2.0)) is not None
    assert fast.elementwise(Cubic(2.0))[0] is fast.elementwise(Cubic(2.0))[0]
    assert isinstance(fast.elementwise(Cubic(2.0))[0], Operation)


def training(rng, dtype, batch, steps=7, hidden=6):
    """Return the calls of a step before and after its cost, the costs, and the arrays that it changes."""

    def array(*shape):
        return rng.normal(size=shape).astype(dtype)

    x, y, order = array(3 * batch, 5), array(3 * batch, hidden), rng.integers(0, 3 * batch, (steps, batch))
    vector, gradient, velocity = (np.zeros(6 * hidden, dtype) for _ in range(3))
    vector[...] = 0.3 * array(6 * hidden)
    w, bias = vector[:-hidden].reshape(hidden, 5), vector[-hidden:]
    own_x, own_y, z, a, d, delta = array(batch, 5), *(array(batch, hidden) for _ in range(5))
    costs, rates, noise = (
        np.full((steps, 1), 9.0),
        np.linspace(0.1, 0.5, 2 * steps)[::2],
        array(steps, 2 * batch, hidden),
    )
    before = [
        of("take", x, PerStep(order), own_x),
        of("take", y, PerStep(order), own_y),
        of("product", own_x, w.T, z),
        of("add_bias", z, bias),
        of("add_bias", z, PerStep(noise[:, 1, :])),
        of("tanh", z, a),
        of("squared_distance", a, own_y, 2 * batch, PerStep(costs)),
        of("residual", a, own_y, batch, d),
        of("tanh_delta", d, a, delta),
        of("sum_examples", delta, gradient[-hidden:]),
        of("product", delta.T, own_x, gradient[:-hidden].reshape(hidden, 5)),
    ]
    after = [of("momentum", vector, gradient, velocity, 0.9, PerStep(rates), False)]
    return before, after, costs, (vector, velocity, costs), y


def single(calls, k):
    """Return calls with what they take at step k."""

    def at(argument, value):
        if not isinstance(value, PerStep):
            return value
        return float(value.values[k]) if argument.role == "number" else value.values[k]

    return [call._replace(arguments=tuple(map(at, call.operation.arguments, call.arguments))) for call in calls]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("batch", [4, 1000], ids=["small", "shared"])
def test_steps_in_one_call_have_the_bits_of_single_steps(fast, dtype, batch, members):
    outcomes = []
    for many in (True, False):
        before, after, costs, changed, _ = training(np.random.default_rng(3), dtype, batch, hidden=40)
        if many:
            steps = fast.steps(before, after, costs)
            assert [steps(0, 3), steps(3, 0), steps(3, 4)] == [3, 0, 4]
        else:
            for k in range(len(costs)):
                assert run(fast, *single(before, k)) == run(fast, *single(after, k)) == 1
        outcomes.append(changed)
    for found, right in zip(*outcomes, strict=True):
        np.testing.assert_array_equal(found, right)


def test_steps_in_one_call_compute_what_the_definitions_do(fast, members):
    outcomes = []
    for steps_of in (fast.steps, plain_steps):
        before, after, costs, changed, _ = training(np.random.default_rng(4), "f8", 30)
        assert steps_of(before, after, costs)(1, 5) == 5
        outcomes.append(changed)
    for found, right in zip(*outcomes, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-12)
    assert (outcomes[0][2][[0, 6]] == 9).all()  # steps that were not asked for


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_step_with_a_cost_that_is_not_finite_is_the_last_and_takes_no_update(fast, value):
    outcomes = []
    for steps_of in (fast.steps, plain_steps):
        before, after, costs, changed, y = training(np.random.default_rng(5), "f8", 4)
        order = before[0].arguments[1].values
        order[order == order[3, 0]] = order[3, 0] - 1 if order[3, 0] else 1
        order[3, 0] = unused = next(k for k in range(12) if k not in order)
        y[unused] = value
        assert steps_of(before, after, costs)(1, 6) == 2
        outcomes.append(changed)
    assert not np.isfinite(outcomes[0][2][3, 0])
    assert (outcomes[0][2][4:] == 9).all()
    for found, right in zip(*outcomes, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-12)


def test_step_with_an_index_beyond_its_axis_raises(fast):
    before, after, costs, (vector, *_), _ = training(np.random.default_rng(6), "f8", 4)
    before[0].arguments[1].values[2, 1] = 1 << 40
    steps, other = fast.steps(before, after, costs), vector.copy()
    steps(0, 2)
    assert not np.array_equal(vector, other)
    other[...] = vector
    with pytest.raises(IndexError, match="holds an index that is out of range"):
        steps(2, 3)
    np.testing.assert_array_equal(vector, other)


def test_steps_without_an_update_change_nothing_else(fast, members):
    before, _, costs, (vector, *_), _ = training(np.random.default_rng(8), "f8", 4)
    copy = vector.copy()
    assert fast.steps(before, [], costs)(0, 7) == 7
    assert (costs != 9).all()
    np.testing.assert_array_equal(vector, copy)


def test_steps_that_need_python_in_between_are_not_one_call(fast):
    before, after, costs, *_ = training(np.random.default_rng(7), "f8", 4)
    assert fast.steps([*before, Call(unknown, (np.zeros(3),))], after, costs) is None
    assert fast.steps(before, [*after, Call(unknown, (np.zeros(3),))], costs) is None


def test_numbers_of_a_single_call_may_differ_from_those_before(fast):
    vector, sgd = np.zeros(3), fast.function(operations().sgd)
    for rate in (1.0, 0.5, 1.0):
        sgd(vector, np.ones(3), rate)
    assert vector.tolist() == [-2.5, -2.5, -2.5]


def test_single_call_holds_no_array(fast):
    out, other = np.zeros((2, 2)), np.zeros((2, 2), np.longdouble)
    before = [sys.getrefcount(array) for array in (out, other)]
    for _ in range(40):
        fast.function(operations().relu)(np.ones((2, 2)), out)
        fast.function(operations().relu)(np.ones((2, 2), np.longdouble), other)
    assert [sys.getrefcount(array) for array in (out, other)] == before
    assert out.all()
    assert other.all()
