"""The team: large operations in parts, by several threads, with the same bits whoever works on them."""

import os
import subprocess
import sys
from threading import Thread
from time import monotonic, sleep

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import nnfw
from nnfw.machine import limit_of
from nnfw.machine.threads import openblas
from nnfw.ops import Call
from nnfw.ops import kernels as operations
from nnfw.ops.engines import engine_of

pytest.importorskip("numba")

from nnfw_numba import kernels, sequence, team
from nnfw_numba.caching import native
from nnfw_numba.machine import INDICES, load, store

LIMIT = limit_of("scipy")
pytestmark = pytest.mark.skipif(LIMIT is None, reason="SciPy has no OpenBLAS with threads of its own")

SIZES = [2, 3, 5]


@pytest.fixture
def make_team(monkeypatch):
    """Return a function that makes a team of some size, which everything then asks for."""
    made = []

    def make(size):
        made.append(team.Team(size, LIMIT))
        monkeypatch.setattr(sequence, "team", lambda: made[-1])
        return made[-1]

    yield make
    for each in made:
        each._end()


def number_of_threads():
    """Return how many threads SciPy's BLAS has at this moment."""
    return openblas("scipy")["num_threads"]


@pytest.fixture
def fast():
    return engine_of(kernels.load(), "numba")


def of(name, arguments):
    return Call(getattr(operations(), name), arguments)


def calls(rng, dtype):
    """Return calls with arrays that are large enough for five parts, and cannot be cut evenly."""

    def array(*shape):
        return rng.normal(size=shape).astype(dtype)

    rows, columns = 331, 203
    shape, classes = (rows, columns), rng.integers(0, columns, rows)
    return [
        of("product", (array(131, 251), array(251, 523), array(131, 523))),
        of("product", (array(251, 523).T, array(251, 131), array(523, 131))),
        of("product", (array(131, 251), array(523, 251).T, array(131, 523))),
        of("add_bias", (array(*shape), array(columns))),
        of("add_bias", (array(rows, 29, 7), array(29, 7))),
        of("sum_examples", (array(*shape), array(columns))),
        of("sum_examples", (array(rows, 29, 7), array(29, 7))),
        *(of(name, (array(*shape), array(*shape))) for name in ("sigmoid", "tanh", "relu")),
        *(
            of(name, (array(*shape), array(*shape), array(*shape)))
            for name in ("sigmoid_delta", "tanh_delta", "relu_delta")
        ),
        of("residual", (array(*shape), array(*shape), rows, array(*shape))),
        of("take", (array(*shape), rng.integers(0, rows, rows), array(*shape))),
        of("softmax", (array(*shape), array(rows, 1), array(*shape))),
        of("label_residual", (array(*shape), array(*shape), 0.1, rows, array(*shape))),
        of("class_residual", (array(*shape), classes, 0.1, rows, array(*shape))),
        of("weigh", (array(*shape), array(rows))),
    ]


def outcome(call):
    """Return what a call has written: its last array, or the first where that is changed in place."""
    return call.arguments[0 if call.operation.name in ("add_bias", "weigh") else -1]


def copied(call):
    """Return a call with arrays of its own, each transposed as it was."""
    arrays = (np.copy(item, order="K") if isinstance(item, np.ndarray) else item for item in call.arguments)
    return call._replace(arguments=tuple(arrays))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_shared_program_computes_what_the_definitions_do(make_team, fast, rng, size, dtype):
    make_team(size)
    found = calls(rng, dtype)
    expected = [copied(call) for call in found]
    for step in (*fast.sequence(found), *(lambda call=call: _define(call) for call in expected)):
        step()
    tolerance = {"f4": 3e-5, "f8": 1e-12}[dtype]
    for call, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            outcome(call), outcome(right), rtol=tolerance, atol=tolerance, err_msg=call.operation.name
        )


def _define(call):
    call.operation.definition(*call.arguments)


@pytest.mark.parametrize("size", SIZES)
def test_each_large_operation_is_cut_into_a_part_for_each_member(make_team, fast, rng, size, monkeypatch):
    make_team(size)
    parts, found = [], calls(rng, "f4")
    monkeypatch.setattr(team.Team, "lead", lambda _members, _function, table: parts.append(table))
    for call in found:
        for step in fast.sequence([call]):
            step()
    assert [(table[..., 1] > 0).sum() for table in parts] == [size] * len(found)


@pytest.mark.parametrize("size", SIZES)
def test_who_works_on_a_part_makes_no_difference_to_the_bits(make_team, fast, rng, size):
    members = make_team(size)
    found = calls(rng, "f4")
    again = [copied(call) for call in found]
    (shared,), (alone,) = (tuple(fast.sequence(each)) for each in (found, again))
    step, *_kept = _step(rng, fast)
    _until(lambda: step() or not _sleeping(members))
    shared()
    once = [outcome(copied(call)) for call in found]
    members._board[team._LINE * team._LEADING] = 1  # as if another thread led: this one works alone
    alone()
    members._board[team._LINE * team._LEADING] = 0
    for call, right in zip(again, once, strict=True):
        np.testing.assert_array_equal(outcome(call), right, err_msg=call.operation.name)


def _sleeping(members):
    return members._asleep


def _until(condition):
    """Wait for something that happens within milliseconds on a machine that is not busy."""
    end = monotonic() + 30
    while not condition():
        assert monotonic() < end
        sleep(0.001)


def _step(rng, fast, size=400):
    a, b, out = (rng.normal(size=(size, size)).astype("f4") for _ in range(3))
    (step,) = fast.sequence([of("product", (a, b, out))])
    return step, out, a @ b, (a, b)  # which must be kept as long as the step


def test_helpers_are_woken_by_work_and_sleep_when_there_is_none(make_team, fast, rng):
    members = make_team(3)
    step, *_kept = _step(rng, fast)
    assert _sleeping(members)
    assert not any(thread.is_alive() for thread in members._threads)
    step()
    assert all(thread.is_alive() for thread in members._threads)
    _until(lambda: _sleeping(members))
    step()
    _until(lambda: _sleeping(members))


def test_helper_works_on_its_own_part_of_what_is_posted_and_on_no_other(make_team, fast, rng, monkeypatch):
    members, tables = make_team(2), []
    step, out, right, _kept = _step(rng, fast)
    monkeypatch.setattr(members, "lead", lambda _lead, table: tables.append(table))
    step()
    members._board[team._LINE * team._STAGE] = tables[0].ctypes.data
    members._board[team._LINE * team._TICKET] = 1
    out[...] = 0
    team.help_out(members._board, 1, 1)
    np.testing.assert_array_equal(out[:192], 0)
    np.testing.assert_allclose(out[192:], right[192:], rtol=1e-3, atol=1e-3)
    out[...] = 0
    team.help_out(members._board, 1, 1)  # it is done
    np.testing.assert_array_equal(out, 0)
    assert members._board[team._LINE * (team._OF_MEMBERS + team._OF_MEMBER + team._DONE)] == 1


UPDATES = {
    "sgd": (1, (0.5,)),
    "momentum": (2, (0.9, 0.5, False)),
    "adam": (3, (0.9, 0.99, 0.5, 1e-3)),
    "rmsprop": (3, (0.9, 0.5, 1e-3)),
}


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("size", SIZES)
def test_shared_update_of_an_optimizer_has_the_bits_of_one_thread(make_team, fast, rng, name, dtype, size, monkeypatch):
    others, numbers = UPDATES[name]
    members, tables = make_team(size), []
    arrays = [rng.random((1 + others, 100_003)).astype(dtype) for _ in range(2)]
    arrays[1][...] = arrays[0]
    lead = members.lead
    monkeypatch.setattr(
        members, "lead", lambda function, table, *others: (tables.append(table), lead(function, table, *others))[1]
    )
    for _ in range(3):
        fast.function(getattr(operations(), name))(*arrays[0], *numbers)
    monkeypatch.setattr(sequence, "team", lambda: None)
    (alone,) = fast.sequence([of(name, (*arrays[1], *numbers))])
    for _ in range(3):
        alone()
    assert [(table[..., 1] > 0).sum() for table in tables] == [size] * 3
    rows = 3 if name == "rmsprop" else None  # its last array is scratch
    np.testing.assert_array_equal(arrays[0][:rows], arrays[1][:rows])
    assert np.isfinite(arrays[0]).all()


@pytest.mark.parametrize("misfit", ["strided", "of another dtype", "reversed"])
def test_arrays_of_an_update_that_do_not_fit_are_left_to_numpy(make_team, fast, misfit, monkeypatch):
    members, size = make_team(2), 40_000
    monkeypatch.setattr(members, "lead", lambda *_: pytest.fail("it was shared"))
    gradient = {
        "strided": np.ones(2 * size)[::2],
        "of another dtype": np.ones(size, "f4"),
        "reversed": np.ones((size, 1))[:, 0][::-1],
    }[misfit]
    vector = np.zeros(size)
    fast.function(operations().sgd)(vector, gradient, 0.5)
    np.testing.assert_array_equal(vector, -0.5)


def test_arrays_of_an_update_with_different_lengths_are_refused(make_team, fast):
    make_team(2)
    with pytest.raises(ValueError, match="broadcast"):
        fast.function(operations().sgd)(np.zeros(40_000), np.ones(40_001), 0.5)


def test_threads_of_blas_are_as_before_after_a_program(make_team, fast, rng):
    make_team(2)
    before = number_of_threads()
    step, out, right, _kept = _step(rng, fast)
    step()
    assert number_of_threads() == before
    np.testing.assert_allclose(out, right, rtol=1e-3, atol=1e-3)


def test_two_threads_that_train_have_the_results_of_one(make_team, fast, rng):
    make_team(2)
    before = number_of_threads()
    steps = [_step(rng, fast, 300) for _ in range(2)]
    for step, *_ in steps:
        step()
    once = [out.copy() for _, out, *_ in steps]

    def repeat(step):
        for _ in range(300):
            step()

    threads = [Thread(target=repeat, args=(step,)) for step, *_ in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for (_, out, *_), right in zip(steps, once, strict=True):
        np.testing.assert_array_equal(out, right)
    assert number_of_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_child_works_with_helpers_of_its_own(make_team, fast, rng):
    members = make_team(2)
    step, out, right, _kept = _step(rng, fast)
    _until(lambda: step() or not _sleeping(members))
    child = os.fork()
    if not child:
        try:
            out[...] = 0
            step()
            ok = np.allclose(out, right, rtol=1e-3, atol=1e-3) and members._threads[0].is_alive()
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    step()


def test_program_ends_with_helpers_at_work():
    source = (
        "import numpy as np, nnfw\n"
        "x = np.random.rand(256, 784); y = np.random.rand(256, 10)\n"
        "model = nnfw.Sequential([{'type': 'dense', 'units': 512}, {'type': 'dense', 'units': 10}], 784)\n"
        "model.fit(x, y, cost='mse', optimizer='adam', epochs=3, batch_size=128, accelerator='numba')\n"
        "import threading; print([thread.name for thread in threading.enumerate()][1:])"
    )
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    if number_of_threads() > 1:
        assert result.stdout.strip() == str([f"nnfw-{member}" for member in range(1, number_of_threads())])


def test_there_is_no_team_on_one_thread():
    source = "from nnfw_numba.team import team; print(team())"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, encoding="utf-8", env=environment, check=True
    )
    assert result.stdout == "None\n"


def test_training_with_a_team_is_that_of_the_definitions(make_team, rng):
    make_team(3)
    x, y = rng.normal(size=(256, 300)).astype("f4"), rng.integers(0, 40, 256)
    costs = {}
    for accelerator in ("none", "numba"):
        layers = [
            {"type": "dense", "units": 200, "activation": "relu"},
            {"type": "dense", "units": 40, "activation": "softmax"},
        ]
        model = nnfw.Sequential(layers, 300, seed=3)
        history = model.fit(
            x, y, cost="cross_entropy", optimizer="adam", epochs=5, batch_size=64, accelerator=accelerator
        )
        costs[accelerator] = history["cost"]
    np.testing.assert_allclose(costs["numba"], costs["none"], rtol=1e-4)


def test_blas_has_one_thread_while_a_team_works(make_team):
    members, noted, before = make_team(2), [], number_of_threads()
    for _ in range(2):
        members.lead(lambda _board, helped: noted.append((number_of_threads(), helped)))
    assert noted == [(1, before > 1)] * 2
    assert number_of_threads() == before


def test_blas_has_all_threads_again_after_an_error_in_the_work(make_team):
    members, before = make_team(2), number_of_threads()
    with pytest.raises(ZeroDivisionError):
        members.lead(lambda _board, _helped: 1 / 0)
    assert number_of_threads() == before


def test_no_helper_is_wanted_where_the_user_has_blas_on_one_thread(make_team):
    members, noted = make_team(2), []
    with threadpool_limits(1, "blas"):
        members.lead(lambda _board, helped: noted.append(helped))
    assert noted == [False]


def wait_for_another(p):
    """Wait in a program, for some seconds at most, until another one sets a number; keep it."""
    looks = 0
    while load(p[0]) == 0 and looks < 20_000_000:
        looks += 1
        team._yield()
    p[1] = load(p[0])


def come(p):
    """Set that number."""
    store(p[0], 1)


@pytest.mark.skipif(LIMIT is None or LIMIT.threads == 1, reason="BLAS has one thread")
def test_helper_takes_its_part_while_the_leader_is_at_work(make_team):
    members, met = make_team(2), np.zeros(1, np.int64)
    waiting, coming = (native(function, (INDICES,)) for function in (wait_for_another, come))
    programs = np.array([[waiting.address, 2, met.ctypes.data, 0], [coming.address, 1, met.ctypes.data, 0]])
    table = np.array([[(programs[0].ctypes.data, 4), (programs[1].ctypes.data, 3)]])
    members.lead(team.lead, table)
    assert programs[0, 3] == 1


def test_helpers_are_woken_before_the_work_and_not_after_it(make_team, monkeypatch):
    members, order = make_team(2), []
    monkeypatch.setattr(members, "_wake", lambda: order.append("woken"))
    members.lead(lambda *_: order.append("worked"))
    members._asleep = False
    members.lead(lambda *_: order.append("worked"))
    assert order == ["woken", "worked", "worked"]


def in_process(source, **variables):
    """Return what a Python program prints."""
    result = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | variables,
        timeout=120,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_trainings_that_begin_in_two_threads_leave_the_threads_of_blas_as_they_were():
    source = (
        "import numpy as np, nnfw, threading\n"
        "x, y = np.random.rand(256, 784), np.random.rand(256, 10)\n"
        "def train():\n"
        "    model = nnfw.Sequential([{'type': 'dense', 'units': 512}, {'type': 'dense', 'units': 10}], 784)\n"
        "    model.fit(x, y, cost='mse', optimizer='adam', epochs=3, batch_size=128, accelerator='numba')\n"
        "threads = [threading.Thread(target=train) for _ in range(2)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "from nnfw.machine.threads import openblas\nfrom nnfw_numba.team import team\n"
        "print(openblas('scipy')['num_threads'] == team().size)"
    )
    if number_of_threads() == 1:
        pytest.skip("BLAS has one thread")
    assert in_process(source) == "True\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_child_of_a_fork_while_another_thread_leads_has_all_threads_of_blas():
    before = number_of_threads()
    LIMIT.change(1)  # as if another thread led
    try:
        child = os.fork()
        if not child:
            os._exit(0 if number_of_threads() == before else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        LIMIT.change(-1)
    assert number_of_threads() == before


def test_prediction_has_the_same_bits_whether_or_not_a_product_can_be_cut(rng):
    layers = [{"type": "dense", "units": 5000, "activation": "relu"}, {"type": "dense", "units": 8}]
    model = nnfw.Sequential(layers, 500, seed=4)
    for examples in (7, 16, 31):
        x = rng.normal(size=(examples, 500)).astype("f4")
        first, *others = (model.predict(x, accelerator="numba") for _ in range(4))
        assert all(np.array_equal(first, other) for other in others)


def test_arrays_in_another_order_of_bytes_are_left_to_numpy(fast, rng):
    a, b = (rng.normal(size=(4, 4)).astype(">f8") for _ in range(2))
    out = np.zeros((4, 4), ">f8")
    fast.function(operations().product)(a, b, out)
    np.testing.assert_allclose(out, a @ b)


def test_rows_of_two_axes_are_left_to_numpy(fast, rng):
    source, rows = rng.normal(size=(9, 4)), rng.integers(0, 9, (2, 3))
    out, again = np.full((4, 3, 4), 7.0), np.zeros((2, 3, 4))
    (step,) = fast.sequence([of("take", (source, rows, out[:2]))])
    step()
    fast.function(operations().take)(source, rows, again)
    np.testing.assert_array_equal(out[:2], source[rows])
    np.testing.assert_array_equal(again, source[rows])
    np.testing.assert_array_equal(out[2:], 7.0)
