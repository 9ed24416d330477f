"""Kernels: their definitions, those of numba, and what happens to one that is wrong."""

import threading

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnfw
from nnfw.compute import DEFINITIONS, kernels, using
from nnfw.compute.loops import NAMES, checked, difference, kernels_of

numba = pytest.importorskip("nnfw_numba.kernels", reason="numba is not installed", exc_type=ImportError)
FAST = numba.load()

DTYPES = st.sampled_from([np.float32, np.float64])
VECTORS = ("sgd", "momentum", "adam", "rmsprop")


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
def arguments(draw, name):
    """Draw what a kernel may be called with."""
    dtype = draw(DTYPES)
    layout = draw(st.sampled_from(["plain", "strided", "reversed", "fortran"]))
    numbers = st.floats(-1e4, 1e4, width=32).map(dtype)
    positive = st.floats(0, 1e4, width=32).map(dtype)
    share, rate = draw(st.floats(0, 1)), draw(st.floats(1e-6, 10))
    if name in VECTORS:
        shape = draw(st.integers(0, 70))
        vector, gradient, mean = (laid_out(draw(hnp.arrays(dtype, shape, elements=numbers)), layout) for _ in range(3))
        square, scratch = (laid_out(draw(hnp.arrays(dtype, shape, elements=positive)), layout) for _ in range(2))
        return {
            "sgd": (vector, gradient, rate),
            "momentum": (vector, gradient, mean, share, rate, draw(st.booleans())),
            "adam": (vector, gradient, mean, square, share, 0.999, rate, 1e-8),
            "rmsprop": (vector, gradient, square, scratch, share, rate, 1e-8),
        }[name]
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
    a = draw(
        hnp.arrays(dtype, shape, elements=positive if name == "relu_delta" else st.floats(-1, 1, width=32).map(dtype))
    )
    grad_a = draw(hnp.arrays(dtype, shape, elements=numbers))
    return laid_out(grad_a, layout), laid_out(a, layout), laid_out(np.full(shape, np.nan, dtype), layout)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_kernel_of_numba_gives_what_its_definition_gives(name, data):
    assert difference(name, FAST[name], data.draw(arguments(name))) == ""


@pytest.mark.parametrize("name", NAMES)
def test_nan_and_infinity_go_through_a_kernel_of_numba(name, rng):
    special = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0])
    found = {
        "sgd": (rng.normal(size=5), special, 0.1),
        "momentum": (rng.normal(size=5), special, np.ones(5), 0.9, 0.1, True),
        "adam": (rng.normal(size=5), special, np.ones(5), np.ones(5), 0.9, 0.999, 0.1, 1e-8),
        "rmsprop": (rng.normal(size=5), special, np.ones(5), np.ones(5), 0.9, 0.1, 1e-8),
    }.get(name, (special, np.abs(special), np.zeros(5)))
    assert difference(name, FAST[name], found) == ""


def test_every_kernel_is_offered_by_numba():
    assert set(FAST) == set(NAMES)


def test_difference_of_a_wrong_kernel_names_place_and_values():
    def wrong(vector, gradient, rate):
        DEFINITIONS.sgd(vector, gradient, rate)
        vector[1] *= 1 + 1e-5

    text = difference("sgd", wrong, (np.ones(3), np.ones(3), 0.5))
    assert text == "gives 0.500005 at [1], its definition 0.5"


def test_checked_kernel_that_is_wrong_is_named():
    chosen = checked(kernels_of({"sgd": lambda vector, gradient, rate: None}, "Accelerator 'x'"), "Accelerator 'x'")
    with pytest.raises(nnfw.PluginError, match=r"Accelerator 'x': kernel 'sgd' gives 1 at \[0\], its definition 0\.5"):
        chosen.sgd(np.ones(2), np.ones(2), 0.5)
    chosen.relu_delta(np.ones(2), np.ones(2), np.zeros(2))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"sdg": print}, r"unknown kernel 'sdg'\. Did you mean 'sgd'\? There are sgd, momentum"),
        ({"sgd": 3}, "kernel 'sgd' must be a function, got 3"),
        ([print], "must give its kernels by name, got"),
    ],
    ids=["name", "function", "mapping"],
)
def test_kernels_that_are_none_are_refused(found, message):
    with pytest.raises(nnfw.PluginError, match=message):
        kernels_of(found, "Accelerator 'x'")


def test_kernels_are_those_of_this_thread():
    seen = []
    chosen = kernels_of({"sgd": print}, "x")
    with using(chosen):
        thread = threading.Thread(target=lambda: seen.append(kernels()))
        thread.start()
        thread.join()
        assert kernels() is chosen
    assert seen == [DEFINITIONS]
    assert kernels() is DEFINITIONS
