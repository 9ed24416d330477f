"""The tape: what is recorded, what is called again, and that numba's program does the same."""

import gc
import weakref
from abc import abstractmethod
from functools import partial
from typing import Protocol

import numpy as np
import pytest

import nnfw
from nnfw.compute import operation
from nnfw.ops import DEFINITIONS, Call, Tape, engine_in_use, kernels, kernels_only, splits
from nnfw.ops.engines import engine_of


@kernels_only
def rectified_product(a, b, out):
    kernels().product(a, b, out)
    kernels().relu(out, out)
    return out


def test_repeated_tape_computes_with_what_the_arrays_hold_now(rng):
    tape, a, b, out = Tape(DEFINITIONS), rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), np.zeros((3, 2))
    assert tape.perform(rectified_product, a, b, out) is out
    tape.finish()
    np.testing.assert_array_equal(out, np.maximum(a @ b, 0))
    a[...], b[...] = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
    out[...] = np.nan
    tape.repeat()
    np.testing.assert_array_equal(out, np.maximum(a @ b, 0))


def test_method_made_of_kernels_is_not_asked_again():
    asked = []

    @kernels_only
    def method(z, out):
        asked.append(1)
        kernels().relu(z, out)

    tape = Tape(DEFINITIONS)
    tape.perform(method, np.ones(2), np.ones(2))
    tape.finish()
    tape.repeat()
    assert asked == [1]


def test_other_method_is_asked_again_and_its_result_lies_where_the_first_one_lay():
    tape, z, out = Tape(DEFINITIONS), np.ones((2, 2)), np.zeros((2, 2))
    doubled = tape.perform(lambda z: 2 * z, z)
    tape.perform(rectified_product, doubled, np.eye(2), out)
    tape.finish()
    z[...] = 3
    tape.repeat()
    np.testing.assert_array_equal(out, 6)
    np.testing.assert_array_equal(doubled, 6)


@pytest.mark.parametrize(
    "method",
    [
        lambda z, params: z if z.max() <= 3 else 2 * z,
        lambda z, params: params["w"] if z.max() <= 3 else 2 * z,
        lambda z, params: np.broadcast_to(z[:1], z.shape),
    ],
    ids=["argument", "parameter", "read-only"],
)
def test_result_that_others_own_is_not_overwritten_by_the_next_one(method):
    tape, z, params = Tape(DEFINITIONS), np.ones((2, 2)), {"w": np.full((2, 2), 7.0)}
    found = tape.perform(method, z, params)
    tape.finish()
    for value in (5.0, 1.0):
        z[...] = value
        expected = method(z, params).copy()
        tape.repeat()
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(z, value)
        np.testing.assert_array_equal(params["w"], 7.0)


def test_tape_is_freed_without_the_garbage_collector():
    tape = Tape(DEFINITIONS)
    tape.perform(rectified_product, np.ones((1, 2)), np.eye(2), np.zeros((1, 2)))
    tape.finish()
    freed = weakref.ref(tape)
    gc.disable()
    try:
        del tape
        assert freed() is None
    finally:
        gc.enable()


class Base(Protocol):
    def whole(self): ...

    def free(self):
        return 1


class Halves(Base):
    """`parts` does what `whole` does, by way of a helper; `step` is left to subclasses."""

    def whole(self):
        self.helper()

    @kernels_only
    def parts(self):
        self.helper()

    def helper(self): ...

    @abstractmethod
    def step(self): ...


def subclass(base, **members):
    return type("Own", (base,), {"__abstractmethods__": frozenset(), **members})


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({}, True),
        ({"other": lambda self: None}, True),
        ({"free": lambda self: 2}, True),
        ({"step": lambda self: None}, False),
        ({"option": property(lambda self: 2)}, True),
        ({"helper": lambda self: None}, False),
        ({"helper": staticmethod(lambda: None)}, False),
        ({"whole": lambda self: None}, False),
        ({"whole": lambda self: None, "parts": kernels_only(lambda self: None)}, True),
        ({"parts": lambda self: None}, False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else str(value),
)
def test_parts_stand_for_the_method_unless_a_subclass_changes_what_they_share(members, found):
    standard = subclass(Halves, step=lambda self: None, option=property(lambda self: 1))
    assert splits(standard(), "whole", "parts")
    own = subclass(standard, **members)
    assert splits(own(), "whole", "parts") is found


def test_parts_need_a_method_that_they_stand_for():
    class Alone:
        parts = kernels_only(lambda self: None)

    assert not splits(Alone(), "whole", "parts")
    assert not splits(object(), "whole", "parts")


def test_other_method_that_calls_kernels_is_recorded_once():
    calls = []

    def method(z):
        calls.append(engine_in_use())
        kernels().relu(z, z)
        return z

    tape, z = Tape(DEFINITIONS), np.array([-1.0, 1.0])
    tape.perform(method, z)
    tape.repeat()
    assert calls == [DEFINITIONS, DEFINITIONS]


def test_order_of_kernels_and_other_methods_is_kept():
    tape, z, out = Tape(DEFINITIONS), np.array([[1.0]]), np.zeros((1, 1))

    def shift(z):
        z -= 2
        return z

    tape.perform(rectified_product, z, np.eye(1), out)
    tape.perform(shift, z)
    tape.perform(rectified_product, z, np.eye(1), out)
    tape.finish()
    assert (z.tolist(), out.tolist()) == ([[-1.0]], [[0.0]])
    z[...] = 5
    tape.repeat()
    assert out.tolist() == [[3.0]]


def test_kernels_outside_of_the_tape_are_not_recorded():
    tape, out = Tape(DEFINITIONS), np.zeros((1, 1))
    tape.perform(rectified_product, np.ones((1, 1)), np.eye(1), out)
    kernels().relu(-np.ones(1), out[0])
    tape.finish()
    out[...] = 7
    tape.repeat()
    assert out.tolist() == [[1.0]]


@pytest.fixture
def fast():
    """Return the kernels of numba."""
    module = pytest.importorskip("nnfw_numba.kernels", reason="numba is not installed", exc_type=ImportError)
    return engine_of(module.load(), "numba")


def of(name, *arguments):
    return Call(getattr(kernels(), name), arguments)


def calls_of(rng, dtype):
    """Return calls of every kernel that a program knows, with arrays to work on."""

    def array(*shape):
        return rng.random(shape).astype(dtype)

    n, i, k = 6, 5, 3
    x, w, z, a, delta, out = array(n, i), array(k, i), array(n, k), array(n, k), array(n, k), array(n, k)
    classes = rng.integers(0, k, n)
    return [
        of("product", x, w.T, z),
        of("add_bias", z, array(k)),
        *(of(name, z, array(n, k)) for name in ("sigmoid", "tanh", "relu")),
        of("softmax", z, array(n, 1), a),
        of("residual", a, array(n, k), 6, delta),
        of("label_residual", a, array(n, k), 0.125, 6, array(n, k)),
        of("class_residual", a, classes, 0.25, 6, delta),
        of("weigh", delta, array(n)),
        *(of(name, delta, a, array(n, k)) for name in ("sigmoid_delta", "tanh_delta", "relu_delta")),
        of("product", delta.T, x, array(k, i)),
        of("sum_examples", delta, array(k)),
        of("product", delta, w, array(n, i)),
        of("product", np.asfortranarray(array(n, i)), array(i, k), out),
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_program_of_numba_does_what_the_calls_do(fast, rng, dtype):
    calls = calls_of(rng, dtype)
    assert {call.operation.name for call in calls} >= {"product", "softmax", "weigh"}
    copies = {id(item): item.copy("K") for call in calls for item in call.arguments if isinstance(item, np.ndarray)}
    steps = list(fast.sequence(calls))
    assert len(steps) == 1  # one program, nothing is left to Python
    steps[0]()
    found = {key: item.copy() for call in calls for key, item in _arrays(call)}
    for call in calls:
        for key, item in _arrays(call):
            item[...] = copies[key] if item.base is None else item
    for call in calls:
        call.operation.definition(*call.arguments)  # the definitions
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    for call in calls:
        for key, item in _arrays(call):
            np.testing.assert_allclose(found[key], item, rtol=tolerance, atol=tolerance, err_msg=call.operation.name)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (4, 1), (1, 3), (4, 2, 3), (4, 3, 1)], ids=str)
def test_program_of_numba_takes_the_axes_of_its_calls(fast, rng, shape):
    def array(*shape):
        return rng.random(shape)

    classes, ones = rng.integers(0, shape[-1], shape[:-1]), rng.integers(0, 2, shape)
    calls = [
        of("relu", array(*shape), array(*shape)),
        of("residual", array(*shape), array(*shape), 7, array(*shape)),
        of("softmax", array(*shape), array(*shape[:-1], 1), array(*shape)),
        of("weigh", array(*shape), array(shape[0])),
        *(
            of("label_residual", array(*shape), y, 0.125, 7, array(*shape))
            for y in (array(*shape), ones, ones.astype("i4"))
        ),
    ]
    if len(shape) > 1:
        calls += [
            of("add_bias", array(*shape), array(*shape[1:])),
            of("sum_examples", array(*shape), array(*shape[1:])),
        ]
        calls += [
            of("class_residual", array(*shape), y, 0.125, 7, array(*shape)) for y in (classes, classes.astype("i4"))
        ]
    copies = [[np.copy(item) if isinstance(item, np.ndarray) else item for item in call.arguments] for call in calls]
    for step in fast.sequence(calls):
        step()
    for call, arguments in zip(calls, copies, strict=True):
        call.operation.definition(*arguments)
        for position in (0, -1):
            np.testing.assert_allclose(
                call.arguments[position], arguments[position], rtol=1e-13, err_msg=call.operation.name
            )


@pytest.mark.parametrize("label", [-1, 3, 1 << 40])
def test_label_that_changed_into_none_of_the_classes_gives_no_number_and_is_refused(fast, label):
    a, y, out, total = np.ones((2, 3)), np.array([0, label]), np.zeros((2, 3)), np.zeros(1)
    for call in (of("class_residual", a, y, 0.0, 2, out), of("class_loss", a, y, 2, total)):
        (step,) = fast.sequence([call])
        for carry_out in (step, partial(fast.function(call.operation), *call.arguments)):
            message = (
                rf"Operation '{call.operation.name}': y holds an index that is out of range\. Do not modify labels"
            )
            with pytest.raises(IndexError, match=message):
                carry_out()
    assert not out.any()
    assert not total.any()


def _arrays(call):
    items = [item for item in call.arguments if isinstance(item, np.ndarray)]
    return [
        (id(item), item) for item in items if call.operation.name != "softmax" or item is not items[1]
    ]  # that is overwritten


@pytest.mark.parametrize(
    "call",
    [
        of("relu", np.ones((2, 4))[:, ::2], np.ones((2, 2))),
        of("relu", np.ones(2, np.longdouble), np.ones(2, np.longdouble)),
        of("residual", np.ones((2, 2)), np.ones((2, 2), np.float32), 2, np.ones((2, 2))),
        of("product", np.ones((200, 300)), np.ones((600, 4))[::2, ::2], np.ones((200, 2))),
        of("product", np.ones((3, 2, 2)), np.ones((2, 2)), np.ones((3, 2, 2))),
    ],
    ids=["strided", "longdouble", "mixed", "strided product", "stacked product"],
)
def test_call_that_no_program_can_hold_is_made_from_python(fast, call):
    between = of("relu", np.array([[-1.0]]), np.ones((1, 1)))
    copies = [np.copy(item) if isinstance(item, np.ndarray) else item for item in call.arguments]
    steps = list(fast.sequence([between, call, between]))
    assert len(steps) == 3
    for step in steps:
        step()
    call.operation.definition(*copies)
    np.testing.assert_array_equal(call.arguments[0], copies[0])
    np.testing.assert_array_equal(call.arguments[-1], copies[-1])
    assert between.arguments[1].tolist() == [[0.0]]


MISFITS = {
    "product": lambda a: (a(2, 3), a(4, 3), a(2, 3)),
    "add_bias": lambda a: (a(2, 3), a(2)),
    "sum_examples": lambda a: (a(2, 3), a(4)),
    "sigmoid": lambda a: (a(2, 3), a(2, 2)),
    "tanh_delta": lambda a: (a(2, 3), a(2, 3), a(4, 3)),
    "relu_delta": lambda a: (a(2, 3), a(3, 3), a(2, 3)),
    "softmax": lambda a: (a(2, 3), a(3, 1), a(2, 3)),
    "residual": lambda a: (a(2, 3), a(2, 2), 2, a(2, 3)),
    "class_residual": lambda a: (a(2, 3), np.zeros(3, np.intp), 0.0, 2, a(2, 3)),
    "class_residual of one label": lambda a: (a(2, 3, 4), np.zeros(2, np.intp), 0.0, 2, a(2, 3, 4)),
    "weigh": lambda a: (a(2, 3), a(3)),
    "take": lambda a: (a(5, 3), np.zeros(2, np.intp), a(2, 4)),
    "take of fewer": lambda a: (a(5, 3), np.zeros(3, np.intp), a(2, 3)),
    "sigmoid_delta of one axis less": lambda a: (a(2, 1), a(2), a(2, 1)),
}


@pytest.mark.parametrize("name", MISFITS)
def test_arrays_that_do_not_fit_together_are_refused_by_numpy_and_not_trusted_by_numba(fast, name):
    arguments, name = MISFITS[name](lambda *shape: np.ones(shape)), name.split()[0]
    (step,) = fast.sequence([of(name, *arguments)])
    with pytest.raises((ValueError, IndexError)):
        step()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gathered_examples_and_labels_are_part_of_the_program_of_a_network(fast, dtype, rng):
    x, y = rng.normal(size=(9, 4)).astype(dtype), rng.integers(0, 3, 9)
    rows, a, labels = np.zeros(2, np.intp), np.zeros((2, 4), dtype), np.zeros(2, np.intp)
    calls = [of("take", y, rows, labels), of("take", x, rows, a), of("relu", a, a)]
    (step,) = fast.sequence(calls)
    for present in ([3, 8], [0, 0]):
        rows[...] = present
        step()
        np.testing.assert_array_equal(a, np.maximum(x[present], 0))
        np.testing.assert_array_equal(labels, y[present])


def test_labels_are_gathered_by_a_program_of_their_own(fast):
    out = np.zeros(2, np.intp)
    (step,) = fast.sequence([of("take", np.arange(9), np.array([7, 1]), out)])
    step()
    assert out.tolist() == [7, 1]


@operation(z="read n ...", out="written n ...", cut="n")
def relu(z, out):
    np.clip(z, 0, 6, out=out)


@operation(z="changed n k", cut="n k")
def doubled(z):
    z *= 2


@operation(table="read n", rows="read index<n k", others="read index<n k", out="written k", bodies={"numba": "x:y"})
def twice_taken(table, rows, others, out):
    out[:] = table[rows] + table[others]


def test_operation_with_the_name_of_a_standard_one_runs_its_own_definition(fast):
    z, out = np.array([[-1.0, 9.0]]), np.zeros((1, 2))
    for step in fast.sequence([Call(relu, (z, out))]):
        step()
    assert out.tolist() == [[0.0, 6.0]]


def test_operation_that_may_be_cut_along_two_axes_runs_in_a_program(fast):
    z = np.ones((1 << 9, 1 << 9))
    for step in fast.sequence([Call(doubled, (z,))]):
        step()
    fast.function(doubled)(z)
    assert (z == 4).all()


def test_operation_with_two_indices_is_left_to_numpy_which_checks_both(fast):
    table, rows, others, out = np.arange(3.0), np.array([0, 2]), np.array([1, 2]), np.zeros(2)
    (step,) = fast.sequence([Call(twice_taken, (table, rows, others, out))])
    step()
    assert out.tolist() == [1.0, 4.0]
    others[0] = 3
    with pytest.raises(IndexError, match="index 3 is out of bounds"):
        step()


class Splits:
    """A method that is not made of kernels and returns several arrays: new ones, and one of its arguments twice."""

    def backward(self, delta):
        return delta * 2, delta, delta


def test_replay_of_several_results_writes_each_into_the_first_one():
    tape, delta = Tape(DEFINITIONS), np.ones(3)
    double, same, again = tape.perform(Splits().backward, delta)
    tape.finish()
    assert not np.shares_memory(same, again)
    delta[...] = 5
    tape.repeat()
    assert (double.tolist(), same.tolist(), again.tolist()) == ([10] * 3, [5] * 3, [5] * 3)


class Shrinks:
    """Returns fewer arrays at each call."""

    left = 3

    def backward(self, delta):
        self.left -= 1
        return (delta + 1,) * self.left


def test_replay_with_another_number_of_results_is_refused():
    tape = Tape(DEFINITIONS)
    tape.perform(Shrinks().backward, np.ones(3))
    tape.finish()
    with pytest.raises(nnfw.PluginError, match=r"backward returned tuple, expected a tuple of 2, as before\."):
        tape.repeat()
