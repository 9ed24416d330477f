"""The checks of accelerators: wrong kernels are found, and what is not installed is skipped."""

import sys
from functools import partial

import numpy as np
import pytest

import nnfw
from nnfw.ops import kernels
from nnfw.plugins import AcceleratorSpec, Plugin
from nnfw.testing import checks_of, run_checks

OFFERED = {}
NAMES = [spec.name for spec, _ in nnfw.Registry.discover().operations]


def load():
    return OFFERED


def load_incomplete():
    raise ModuleNotFoundError("No module named 'planted'")


@pytest.fixture
def registry(monkeypatch):
    """Return a registry with one accelerator, ``fake``, which offers what a test puts into OFFERED."""
    monkeypatch.setitem(sys.modules, "fake_accelerator", sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "OFFERED", {})
    found = nnfw.Registry.discover()
    spec = AcceleratorSpec("fake", "fake_accelerator:load", "pip install fake")
    found.accelerators = ((spec, Plugin("nnfw-fake", "1.0", "fake", "fake")),)
    return found


def outcomes(registry, what="fake"):
    return {item.check: item for item in run_checks(what, registry=registry).outcomes}


def off(name):
    """Return a kernel whose result is off by 1e-3."""

    def kernel(*arguments):
        operation = getattr(kernels(), name)
        operation.definition(*arguments)
        for position in operation.results:
            arguments[position][...] *= 1 + 1e-3

    return kernel


def to_a_copy(name):
    """Return a kernel that works on copies of arrays that are not contiguous, as a careless binding does."""

    def kernel(*arguments):
        getattr(kernels(), name).definition(
            *(np.ascontiguousarray(item) if isinstance(item, np.ndarray) else item for item in arguments)
        )

    return kernel


def in_float32(name):
    def kernel(*arguments):
        arrays = [item.astype(np.float32) if isinstance(item, np.ndarray) else item for item in arguments]
        getattr(kernels(), name).definition(*arrays)
        for array, result in zip(arguments, arrays, strict=True):
            if isinstance(array, np.ndarray):
                array[...] = result

    return kernel


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "make",
    [
        off,
        to_a_copy,
        in_float32,
        lambda name: lambda *arguments: None,
        lambda name: lambda *arguments: 1 / 0,
    ],
    ids=["1e-3", "copy", "float32", "nothing", "raises"],
)
def test_wrong_kernel_is_found(registry, monkeypatch, name, make):
    monkeypatch.setitem(OFFERED, name, make(name))
    found = outcomes(registry)
    assert [check for check, item in found.items() if item.status == "failed"] == [f"kernel.{name}"]


@pytest.mark.parametrize("name", NAMES)
def test_wrong_sequence_is_found(registry, monkeypatch, name):
    def sequence(calls):
        for call in calls:
            kernel = off(name) if call.operation.name == name else call.operation.definition
            yield partial(kernel, *call.arguments)

    monkeypatch.setitem(OFFERED, "sequence", sequence)
    found = outcomes(registry)
    assert [check for check, item in found.items() if item.status == "failed"] == [f"kernel.{name}"]
    assert ", in a sequence, gives " in found[f"kernel.{name}"].message


def test_rows_of_an_example_that_are_taken_for_one_are_found(registry, monkeypatch):
    def flat(z, row, out):
        if z.ndim == 2:
            kernels().softmax.definition(z, row, out)
        else:
            whole = np.exp(z - z.max(axis=(1, 2), keepdims=True))
            out[...] = whole / whole.sum(axis=(1, 2), keepdims=True)

    monkeypatch.setitem(OFFERED, "softmax", flat)
    assert "shape (1, 2, 3), it gives 0." in outcomes(registry)["kernel.softmax"].message


def test_message_names_arrays_place_and_values(registry, monkeypatch):
    monkeypatch.setitem(OFFERED, "sgd", off("sgd"))
    message = outcomes(registry)["kernel.sgd"].message
    assert message.startswith("for arrays of float32, shape (3,), it gives ")
    assert ", its definition " in message


def test_accelerator_without_kernels_of_its_own_passes(registry):
    assert {item.status for item in outcomes(registry).values()} == {"passed"}


def test_accelerator_with_an_unknown_kernel_fails(registry, monkeypatch):
    monkeypatch.setitem(OFFERED, "sdg", print)
    assert "unknown kernel 'sdg'" in outcomes(registry)["kernel.sgd"].message


def test_accelerator_that_lacks_something_is_skipped_with_the_way_to_get_it(registry):
    spec, plugin = registry.accelerators[0]
    registry.accelerators = ((AcceleratorSpec("fake", "fake_accelerator:load_incomplete", spec.summary), plugin),)
    found = outcomes(registry)
    assert {item.status for item in found.values()} == {"skipped"}
    assert found["kernel.sgd"].message == "No module named 'planted'. pip install fake"


@pytest.mark.parametrize("what", ["fake", "accelerator:fake", "nnfw-fake", "NNFW_Fake"])
def test_accelerator_is_found_by_its_name_and_its_distribution(registry, what):
    assert list(outcomes(registry, what)) == [check.id for check in checks_of("accelerator")]


def test_numba_passes():
    pytest.importorskip("numba")
    report = run_checks("numba")
    assert report.ok, str(report)
    assert len(report.outcomes) == len(NAMES)


def test_distribution_stands_for_its_components_and_its_accelerators():
    kinds = {item.component.partition(" ")[0] for item in run_checks("nnfw", only=["kernel.sgd"]).outcomes}
    assert kinds == {"accelerator"}
