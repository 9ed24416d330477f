"""The checks of accelerators: wrong kernels are found, and what is not installed is skipped."""

import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import nnfw
from nnfw.ops import PerStep, kernels
from nnfw.ops.many_steps import steps
from nnfw.ops.operation import operation
from nnfw.plugins import AcceleratorSpec, Plugin
from nnfw.plugins.specs import Declared
from nnfw.testing import checks_of, run_checks

OFFERED = {}
NAMES = [item.name for item in nnfw.Registry.discover().operations]


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
    found.accelerators = (Declared(spec, Plugin("nnfw-fake", "1.0", "fake", "fake")),)
    return found


def outcomes(registry, what="fake", only=()):
    return {item.check: item for item in run_checks(what, registry=registry, only=only).outcomes}


def failed(registry, name):
    """Return which of two kernels fail, that of a name and another one."""
    only = [f"kernel.{name}", "kernel.scale" if name != "scale" else "kernel.relu"]
    return {check: item.message for check, item in outcomes(registry, only=only).items() if item.status == "failed"}


def off(name):
    """Return a kernel whose result is off by 1e-3, or by 1 if it is a whole number."""

    def kernel(*arguments):
        operation = getattr(kernels(), name)
        operation.definition(*arguments)
        for position in operation.results:
            result = arguments[position]
            result[...] = result + 1 if result.dtype.kind == "i" else result * (1 + 1e-3)

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


SOME = ("product", "sigmoid", "softmax", "label_terms", "adam")
"""Of all sorts: of matrices, of elements, of rows, with labels, with numbers."""


def some_by_default():
    return [pytest.param(name, marks=() if name in SOME else pytest.mark.long) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_wrong_kernel_is_found(registry, monkeypatch, name):
    monkeypatch.setitem(OFFERED, name, off(name))
    assert [*failed(registry, name)] == [f"kernel.{name}"]


@pytest.mark.parametrize("name", some_by_default())
@pytest.mark.parametrize(
    "make",
    [
        to_a_copy,
        in_float32,
        lambda name: lambda *arguments: None,
        lambda name: lambda *arguments: 1 / 0,
    ],
    ids=["copy", "float32", "nothing", "raises"],
)
def test_kernel_that_is_wrong_in_another_way_is_found(registry, monkeypatch, name, make):
    operation = getattr(kernels(), name)
    results = [operation.arguments[k] for k in operation.results]
    if make is to_a_copy and all(argument.axes == ("1",) for argument in results):
        pytest.skip("a single number is contiguous")
    if make is in_float32 and name in ("right_classes", "right_rows", "mask", "random_places"):
        pytest.skip("float32 holds every count of a few examples, every mark and every place")
    monkeypatch.setitem(OFFERED, name, make(name))
    assert [*failed(registry, name)] == [f"kernel.{name}"]


@pytest.mark.parametrize("name", some_by_default())
def test_wrong_sequence_is_found(registry, monkeypatch, name):
    def sequence(calls):
        for call in calls:
            kernel = off(name) if call.operation.name == name else call.operation.definition
            yield partial(kernel, *call.arguments)

    monkeypatch.setitem(OFFERED, "sequence", sequence)
    found = failed(registry, name)
    assert [*found] == [f"kernel.{name}"]
    assert ", in a sequence, gives " in found[f"kernel.{name}"]


def all_but(last, before, after, costs):
    """Return a function that takes all steps but some."""
    run = steps(before, after, costs)
    return lambda first, count: run(first, count - last)


@pytest.mark.parametrize("name", ["product", "softmax", "squared_distance", "adam"])
def test_wrong_steps_are_found(registry, monkeypatch, name):
    monkeypatch.setitem(OFFERED, "steps", lambda before, after, costs: all_but(0, before, after, costs))
    assert failed(registry, name) == {}

    def first_values(before, after, costs):
        run = steps([call._replace(arguments=frozen(call.arguments)) for call in before], after, costs)
        return lambda first, count: run(first, count)

    def frozen(arguments):
        return tuple(
            PerStep(np.broadcast_to(item.values[:1], item.values.shape).copy()) if item.values.ndim > 1 else item
            for item in arguments
        )

    monkeypatch.setitem(OFFERED, "steps", first_values)
    assert ", in steps, gives " in failed(registry, name)[f"kernel.{name}"]


@pytest.mark.parametrize("role", ["read", "number"])
@pytest.mark.parametrize("name", some_by_default())
def test_steps_that_read_what_the_first_one_reads_are_found(registry, monkeypatch, name, role):
    if all(argument.role != role for argument in getattr(kernels(), name).arguments):
        pytest.skip("it has no such argument")

    def steps_of(before, after, costs):
        for call in before:
            for argument, value in zip(call.operation.arguments, call.arguments, strict=True):
                if argument.role == role:
                    value.values[1:] = value.values[0]
        return steps(before, after, costs)

    monkeypatch.setitem(OFFERED, "steps", steps_of)
    assert ", in steps, gives " in failed(registry, name)[f"kernel.{name}"]


@pytest.mark.parametrize("name", some_by_default())
def test_steps_of_which_only_the_last_is_right_are_found(registry, monkeypatch, name):
    def steps_of(before, after, costs):
        run = steps(before, after, costs)

        def last_alone(first, count):
            done = run(first, count)
            for call in before:
                for k in call.operation.results:
                    call.arguments[k].values[:-1] = 0
            return done

        return last_alone

    monkeypatch.setitem(OFFERED, "steps", steps_of)
    assert ", in steps, gives " in failed(registry, name)[f"kernel.{name}"]


def test_steps_that_end_too_early_are_found(registry, monkeypatch):
    monkeypatch.setitem(OFFERED, "steps", lambda before, after, costs: all_but(1, before, after, costs))
    expected = "steps carried out 3 of 4 steps, though every cost was 0."
    assert failed(registry, "relu")["kernel.relu"] == expected


@operation(values="changed n", cut="n")
def divided(values):
    values /= max(1, len(values))


def test_operation_that_cannot_be_cut_as_it_says_is_found(registry, monkeypatch):
    monkeypatch.setattr("nnfw.conformance.kernel_checks.operation_of", lambda registry, name: divided)
    assert ", in 2 parts, gives " in failed(registry, "relu")["kernel.relu"]


def test_rows_of_an_example_that_are_taken_for_one_are_found(registry, monkeypatch):
    def flat(z, row, out):
        if z.ndim == 2:
            kernels().softmax.definition(z, row, out)
        else:
            whole = np.exp(z - z.max(axis=(1, 2), keepdims=True))
            out[...] = whole / whole.sum(axis=(1, 2), keepdims=True)

    monkeypatch.setitem(OFFERED, "softmax", flat)
    assert "(1, 2, 3, 3), it gives " in outcomes(registry, only=["kernel.softmax"])["kernel.softmax"].message


def test_message_names_arrays_place_and_values(registry, monkeypatch):
    monkeypatch.setitem(OFFERED, "sgd", off("sgd"))
    message = outcomes(registry, only=["kernel.sgd"])["kernel.sgd"].message
    assert message.startswith("for arrays of float32, shapes (1,), (1,), it gives ")
    assert ", its definition " in message


@pytest.mark.parametrize(
    ("dtype", "step"),
    [(np.float32, 4), *(pytest.param(dtype, 1, marks=pytest.mark.long) for dtype in (np.float32, np.float64))],
)
def test_accelerator_without_kernels_of_its_own_passes(registry, monkeypatch, dtype, step):
    monkeypatch.setattr("nnfw.conformance.kernel_checks._DTYPES", (dtype,))
    names = [check.id for check in checks_of("accelerator")][::step]
    found = outcomes(registry, only=names)
    assert list(found) == names
    assert {item.status for item in found.values()} == {"passed"}


def test_accelerator_with_an_unknown_kernel_fails(registry, monkeypatch):
    monkeypatch.setitem(OFFERED, "sdg", print)
    assert "unknown kernel 'sdg'" in outcomes(registry, only=["kernel.sgd"])["kernel.sgd"].message


def test_accelerator_that_lacks_something_is_skipped_with_the_way_to_get_it(registry):
    (item,) = registry.accelerators
    registry.accelerators = (replace(item, spec=replace(item.spec, target="fake_accelerator:load_incomplete")),)
    found = outcomes(registry)
    assert {item.status for item in found.values()} == {"skipped"}
    assert found["kernel.sgd"].message == "No module named 'planted'. pip install fake"


@pytest.mark.parametrize("what", ["fake", "accelerator:fake", "nnfw-fake", "NNFW_Fake"])
def test_accelerator_is_found_by_its_name_and_its_distribution(registry, what):
    assert list(outcomes(registry, what, only=["kernel.sgd"])) == ["kernel.sgd"]


def test_distribution_with_operations_has_them_checked_on_every_accelerator(registry, monkeypatch):
    declared = registry.operations[0]
    own = Declared(replace(declared.spec, name="scale"), Plugin("nnfw-own", "1.0", "own", "own"))
    registry.operations = (*registry.operations, own)
    assert list(outcomes(registry, "nnfw-own")) == ["kernel.scale"]
    monkeypatch.setitem(OFFERED, "scale", off("scale"))
    assert outcomes(registry, "nnfw-own")["kernel.scale"].status == "failed"


PARTS = 4  # which two processes share


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.long)])
def test_numba_passes(monkeypatch, dtype, part):
    """All kernels are compiled, which takes half a minute; tests/ops/test_kernels.py tries many in both dtypes."""
    pytest.importorskip("numba")
    monkeypatch.setattr("nnfw.conformance.kernel_checks._DTYPES", (dtype,))
    names = [f"kernel.{name}" for name in NAMES[part::PARTS]]
    report = run_checks("numba", only=names, seconds=600)  # compiling takes long on a busy machine
    assert report.ok, str(report)
    assert [item.check for item in report.outcomes] == names


def test_distribution_stands_for_its_components_and_its_accelerators():
    kinds = {item.component.partition(" ")[0] for item in run_checks("nnfw", only=["kernel.sgd"]).outcomes}
    assert kinds == {"accelerator"}
