"""The threads of OpenBLAS: none is woken for what is small, and what a limit changes is as before afterwards."""

import os
import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import nnfw
from nnfw.machine import one_thread_in_scipy, sum_of_squares, threads
from nnfw.machine.threads import Limit, openblas
from nnfw.ops import DEFINITIONS, Call, definitions

WOKEN = """
import sys, time
from pathlib import Path
import nnfw, numpy as np, scipy.linalg.cython_blas
from nnfw_standard import L2

def helpers():
    "What the threads of BLAS have done so far: how often they ran, by name in the system."
    found = {}
    for task in tasks:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/self/task/{task}/status").read_text().splitlines())
        found[task] = lines["State"].split()[0], lines["voluntary_ctxt_switches"], lines["nonvoluntary_ctxt_switches"]
    return found

def asleep():
    "Wait until they sleep: for a while they look for work."
    before = None
    while (found := helpers()) != before or any(state != "S" for state, *_ in found.values()):
        before = found
        time.sleep(0.2)
    return found

tasks = [task.name for task in Path("/proc/self/task").iterdir()][1:]
rng, accelerator = np.random.default_rng(1), sys.argv[1]
x, y = rng.normal(size=(512, 100)).astype("f4"), rng.integers(0, 10, 512)
wide = rng.normal(size=(64, 400)).astype("f4")

def model(inputs, *units):
    layers = [nnfw.layer("dense", units=count, activation="tanh") for count in units]
    return nnfw.Sequential([*layers, nnfw.layer("dense", units=10, activation="softmax")], inputs)

def fit(inputs, *units, x=x, y=y, **options):
    settings = {"cost": "cross_entropy", "optimizer": "adam", "batch_size": 100, "accelerator": accelerator}
    model(inputs, *units).fit(x, y, **settings | options)

WORK = {
    "fit": lambda: fit(100, 100, 100),
    "fit a narrow network": lambda: fit(100, 60, batch_size=200),
    "fit with few examples": lambda: fit(400, 100, x=wide, y=y[:64], batch_size=64),
    "penalty": lambda: fit(400, 90, x=wide, y=y[:64], regularizer=L2(0.1)),
    "predict": lambda: [model(100, 100).predict(x[:200], accelerator=accelerator) for _ in range(3)],
    "evaluate": lambda: model(100, 70).evaluate(x, y, cost="cross_entropy"),
    "lbfgs": lambda: fit(400, 90, x=wide, y=y[:64], optimizer="lbfgs", batch_size=32, epochs=3),
}
assert len(tasks) >= 2
asleep()
for name, work in WORK.items():
    before = asleep()
    work()
    if helpers() != before:
        print(name)
"""


def in_process(source, *arguments, **variables):
    """Return what a Python program prints."""
    result = subprocess.run(
        [sys.executable, "-c", source, *arguments],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | variables,
        timeout=300,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.skipif(sys.platform != "linux" or openblas("numpy") is None, reason="counts OpenBLAS's threads in /proc")
@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_no_thread_of_blas_is_woken_for_small_products(accelerator):
    if accelerator == "numba":
        pytest.importorskip("numba")
    assert in_process(WOKEN, accelerator, OPENBLAS_NUM_THREADS="2") == ""


@pytest.fixture
def products(monkeypatch):
    """Return a function that tells on how many of three threads NumPy's BLAS multiplies, by way of a list."""
    seen = []
    library = make_limit(monkeypatch, 3)
    monkeypatch.setattr(threads, "limit_of", {"numpy": library}.get)
    matmul = np.matmul
    monkeypatch.setattr(np, "matmul", lambda a, b, out: (seen.append(library.now), matmul(a, b, out))[1])
    yield seen
    assert (library.now, library._users) == (3, 0)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((70, 80, 80), 3),  # which OpenBLAS does not share out
        ((1, 640, 720), 1),
        ((100, 100, 100), 1),
        ((1024, 100, 100), 1),
        ((64, 784, 256), 3),
    ],
    ids=str,
)
@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "not recorded"])
def test_product_of_middling_size_has_one_thread(products, rng, shape, expected, recorded):
    rows, inner, columns = shape
    a, b, out = rng.normal(size=(rows, inner)), rng.normal(size=(inner, columns)), np.zeros((rows, columns))
    if recorded:
        (step,) = DEFINITIONS.sequence([Call(definitions.product, (a, b, out))])
        step()
    else:
        definitions.product(a, b, out)
    assert products == [expected]
    np.testing.assert_allclose(out, a @ b, rtol=1e-10, atol=1e-10)


def test_threads_are_as_before_after_a_product_that_numpy_refuses(products):
    with pytest.raises(ValueError, match="mismatch in its core dimension"):
        definitions.product(np.ones((100, 100)), np.ones((99, 100)), np.ones((100, 100)))
    assert products == [1]


@pytest.mark.parametrize("moment", range(1, 4))
def test_threads_are_as_before_after_a_ctrl_c_at_any_moment_of_a_product(products, monkeypatch, moment):
    library, calls = threads.limit_of("numpy"), []

    def interrupt(function):
        def called(*given):
            result = function(*given)
            calls.append(function)
            if len(calls) == moment:
                raise KeyboardInterrupt  # as Python does after a function of C in which the signal came
            return result

        return called

    multiply = threads.multiplication(*np.ones((2, 100, 100)))
    for name in ("_get", "_set"):
        monkeypatch.setattr(library, name, interrupt(getattr(library, name)))
    monkeypatch.setattr(np, "matmul", interrupt(np.matmul))
    with pytest.raises(KeyboardInterrupt):
        multiply(*np.ones((3, 100, 100)))
    assert (library.now, library._users) == (3, 0)


def test_product_in_the_midst_of_another_as_of_a_handler_of_signals_does_not_wait_for_it(products, monkeypatch):
    inner, multiply = np.ones((3, 100, 100)), np.matmul

    def interrupted(a, b, out):
        monkeypatch.setattr(np, "matmul", multiply)
        definitions.product(*inner)
        multiply(a, b, out)

    monkeypatch.setattr(np, "matmul", interrupted)
    definitions.product(*np.ones((3, 110, 110)))
    assert products == [1, 1]
    assert inner[2, 0, 0] == 100


def test_large_product_waits_until_no_other_one_limits_its_threads(products):
    small, large = (np.ones((3, 100, 100)), np.ones((3, 300, 300)))
    workers = [
        threading.Thread(target=lambda arrays=arrays: [definitions.product(*arrays) for _ in range(30)])
        for arrays in (small, large)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (products.count(1), products.count(3)) == (30, 30)


@pytest.mark.parametrize("count", [None, 1], ids=["no OpenBLAS", "one thread"])
def test_blas_of_numpy_without_several_threads_of_its_own_is_left_alone(monkeypatch, count):
    library = None if count is None else make_limit(monkeypatch, count)
    monkeypatch.setattr(threads, "limit_of", lambda package: library)
    assert threads.multiplication(*np.ones((2, 100, 100))) is np.matmul


@pytest.mark.parametrize("size", [0, 1, 10_000, 10_001, 35_000])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_sum_of_squares_is_that_of_all_numbers(rng, size, dtype):
    array = rng.normal(size=(size, 2)).astype(dtype)[:, 1]
    assert sum_of_squares(array) == pytest.approx(float((array.astype("f8") ** 2).sum()), rel=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_sum_of_squares_is_not_finite_where_one_square_is_not(value):
    array = np.ones(25_000, "f4")
    array[-1] = value
    assert not np.isfinite(sum_of_squares(array))


LIBRARY = {"internal_api": "openblas", "threading_layer": "pthreads", "filepath": "/x/scipy.libs/lib.so"}
OTHER = LIBRARY | {"filepath": "/x/lib/libopenblas.so"}


@pytest.mark.parametrize(
    ("libraries", "expected"),
    [
        ([], (None, None)),
        ([LIBRARY | {"internal_api": "mkl"}], (None, None)),
        ([LIBRARY], (None, LIBRARY)),
        ([LIBRARY | {"filepath": "/x/numpy.libs/lib.so"}, LIBRARY | {"internal_api": "mkl"}], ("numpy.libs", None)),
        ([LIBRARY | {"filepath": "/x/numpy/.dylibs/lib.dylib"}, LIBRARY], ("numpy/.dylibs", LIBRARY)),
        ([OTHER], (OTHER, OTHER)),
        ([OTHER, LIBRARY], (OTHER, LIBRARY)),
        ([OTHER, LIBRARY | {"filepath": "/x/b/lib.so"}], (None, None)),
    ],
    ids=["none", "mkl", "of SciPy", "of NumPy", "macOS", "shared", "one shared", "two"],
)
def test_openblas_of_a_package_is_found_by_where_it_lies(libraries, expected, monkeypatch):
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: libraries)
    for package, right in zip(("numpy", "scipy"), expected, strict=True):
        found = openblas(package)
        assert right in found["filepath"] if isinstance(right, str) else found == right


@pytest.mark.parametrize("library", [None, LIBRARY | {"threading_layer": "openmp"}], ids=["no OpenBLAS", "openmp"])
def test_there_is_no_limit_for_a_blas_whose_threads_are_not_its_own(library, monkeypatch):
    monkeypatch.setattr(threads, "openblas", lambda package: library)
    monkeypatch.setattr(threads, "limit_of", threads.limit_of.__wrapped__)
    assert threads.limit_of("scipy") is None
    with one_thread_in_scipy():
        pass


@pytest.mark.parametrize("package", ["numpy", "scipy"])
def test_library_of_this_process_can_be_limited(package):
    library = openblas(package)
    if library is None or library["threading_layer"] != "pthreads":
        pytest.skip("no OpenBLAS with threads of its own")
    before = library["num_threads"]
    with threadpool_limits(2, "blas"):
        limit = Limit(library["filepath"])
        assert limit.threads == 2
        limit.change(1)
        assert (openblas(package)["num_threads"], limit.threads) == (1, 2)
        limit.change(-1)
        assert openblas(package)["num_threads"] == 2
    assert openblas(package)["num_threads"] == before


def make_limit(monkeypatch, count):
    """Return a limit of a library with so many threads, of which `now` are in use."""
    functions = {"get": lambda: made.now, "set": lambda number: setattr(made, "now", number)}
    monkeypatch.setattr(threads, "_function", lambda path, verb: functions[verb])
    made = Limit("")
    made.now = count
    return made


@pytest.fixture
def limit(monkeypatch):
    """Return a function that makes a limit of a library with so many threads, for SciPy."""

    def make(count):
        made = make_limit(monkeypatch, count)
        monkeypatch.setattr(threads, "limit_of", {"scipy": made}.get)
        return made

    return make


@dataclass(frozen=True)
class Ends(nnfw.Callback):
    """Does something at the end of an epoch."""

    act: object

    def epoch_ended(self, fit, record, state):
        self.act()


def test_limit_ends_with_the_last_who_wants_it(limit):
    library = limit(3)
    with one_thread_in_scipy():
        assert library.now == 1
        with one_thread_in_scipy():
            assert (library.now, library.threads) == (1, 3)
        assert library.now == 1
        with one_thread_in_scipy(-1):
            assert library.now == 3
        assert library.now == 1
    assert library.now == 3


def test_limit_of_another_thread_holds_while_one_does_without(limit):
    library = limit(2)
    with one_thread_in_scipy(), one_thread_in_scipy(), one_thread_in_scipy(-1):
        assert library.now == 1


@pytest.mark.parametrize("count", [1, 4])
def test_threads_are_as_before_after_an_error(limit, count):
    library = limit(count)
    with pytest.raises(ZeroDivisionError), one_thread_in_scipy():
        1 / 0  # noqa: B018
    assert library.now == count


def test_threads_are_as_before_after_many_python_threads(limit):
    library = limit(2)

    def work():
        for _ in range(200):
            with one_thread_in_scipy():
                assert library.now == 1

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (library.now, library._users) == (2, 0)


@pytest.mark.parametrize("solver", ["lbfgs", "cg", "newton_cg", "trust_krylov"])
def test_solver_computes_on_one_thread_and_the_network_on_all(limit, rng, solver, monkeypatch):
    library, seen = limit(2), {"pass": set(), "epoch": set()}
    from scipy import optimize

    minimize = optimize.minimize
    monkeypatch.setattr(
        optimize, "minimize", lambda *a, **o: (seen.setdefault("solver", library.now), minimize(*a, **o))[1]
    )

    model = nnfw.Sequential([nnfw.layer("dense", units=2)], 3)
    backward = model.network.backward
    model.network.backward = lambda *arguments: (seen["pass"].add(library.now), backward(*arguments))[1]
    model.fit(
        rng.normal(size=(9, 3)),
        np.ones((9, 2)),
        cost="mse",
        optimizer=solver,
        epochs=2,
        callbacks=[Ends(lambda: seen["epoch"].add(library.now))],
    )
    assert seen == {"solver": 1, "pass": {2}, "epoch": {2}}
    assert library.now == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork_in_the_midst_of_a_solver_leaves_the_child_all_threads(limit, rng):
    library, status = limit(2), []

    def fork():
        with one_thread_in_scipy():  # as if another thread wanted it
            child = os.fork()
            if not child:
                os._exit(library.now)
        status.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    model = nnfw.Sequential([nnfw.layer("dense", units=2)], 3)
    model.fit(rng.normal(size=(9, 3)), np.ones((9, 2)), cost="mse", optimizer="lbfgs", epochs=1, callbacks=[Ends(fork)])
    assert status == [2]
    assert (library.now, library._users) == (2, 0)
