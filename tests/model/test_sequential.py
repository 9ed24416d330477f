"""The model: what it promises about dtype, memory, threads, inputs and errors."""

import copy
import inspect
import pickle
import re
import sys
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import nnfw
from nnfw.configuration import options_of
from nnfw.network import Workspace
from nnfw.training import TrainingOptions
from nnfw_standard import Add, Dense, Dropout, Flatten, Softmax


def network(**options):
    layers = [Dense(16, activation="relu"), Dropout(0.2), Dense(3, activation="softmax")]
    return nnfw.Sequential(layers, input_shape=8, **options)


@pytest.fixture
def data(rng):
    x = rng.normal(size=(60, 8))
    return x, rng.integers(3, size=60)


def fit(model, data, **options):
    settings = {"cost": "cross_entropy", "optimizer": {"type": "adam", "learning_rate": 0.01}, "metrics": ["accuracy"]}
    return model.fit(*data, **(settings | {"epochs": 3, "batch_size": 16} | options))


def test_parameters_are_float32_by_default_and_float64_on_request():
    assert network().parameters.vector.dtype == np.float32
    assert network(dtype="float64").parameters.vector.dtype == np.float64


def test_named_parameters_are_views_of_the_flat_vector():
    model = network()
    model.parameters["layers.0.weight"][...] = 7.0
    assert (model.parameters.vector == 7.0).sum() == 16 * 8
    assert list(model.parameters) == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]


def test_weights_lie_before_biases_so_that_decay_is_one_slice():
    model = network()
    model.parameters["layers.0.bias"][...] = 9.0
    model.parameters["layers.2.bias"][...] = 9.0
    assert model.parameters.layout.decays == slice(0, 16 * 8 + 3 * 16)
    assert (model.parameters.vector[model.parameters.layout.decays.stop :] == 9.0).all()


@pytest.mark.parametrize(
    ("name", "values", "error", "message"),
    [
        ("layers.0.bias", [1.0], nnfw.ShapeError, r"'layers.0.bias' has shape \(16,\), got values of shape \(1,\)"),
        (
            "layers.0.bais",
            [1.0],
            nnfw.ShapeError,
            "There is no parameter 'layers.0.bais'. Did you mean 'layers.0.bias'",
        ),
        ("layers.0.bias", ["a"] * 16, nnfw.DataError, "Parameter 'layers.0.bias' must hold real numbers"),
        ("layers.0.bias", [1e300] * 16, nnfw.DataError, "Parameter 'layers.0.bias'"),
    ],
    ids=["shape", "name", "text", "overflow"],
)
def test_setting_a_parameter_to_what_it_cannot_be_is_refused(name, values, error, message):
    with pytest.raises(error, match=message):
        network().parameters[name] = values


def test_parameter_that_is_not_there_is_told_with_those_that_are():
    model = nnfw.Sequential([Dense(2)], 3)
    with pytest.raises(KeyError) as caught:
        model.parameters["weight"]
    assert caught.value.args == (
        "There is no parameter 'weight'. Did you mean 'layers.0.weight'? Parameters: layers.0.weight, layers.0.bias.",
    )
    assert model.parameters.get("weight") is None
    assert 0 not in model.parameters


def test_given_values_are_taken_and_the_others_drawn():
    drawn, weight = network(seed=3), np.ones((16, 8))
    model = network(seed=3, values={"layers.0.weight": weight})
    assert np.array_equal(model.parameters["layers.0.weight"], weight)
    assert model.parameters["layers.2.weight"].shape == drawn.parameters["layers.2.weight"].shape
    assert np.abs(model.parameters["layers.2.weight"]).min() > 0


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"]
)
def test_copies_of_a_model_are_whole_and_independent(duplicate, data):
    model = network()
    other = duplicate(model)
    assert np.array_equal(other.predict(data[0]), model.predict(data[0]))
    other.parameters.vector[...] = 0
    assert np.abs(other.parameters["layers.0.weight"]).max() == 0
    assert np.abs(model.parameters["layers.0.weight"]).max() > 0
    fit(other, data)


def out_of_band(model, kind):
    """Return a pickled model whose arrays lie in buffers of their own, as joblib and multiprocessing hand them over."""
    buffers = []
    content = pickle.dumps(model, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(content, buffers=[kind(buffer.raw()) for buffer in buffers])


@pytest.mark.parametrize("accelerator", ["none", "numba"])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_model_unpickled_into_memory_that_is_read_only_can_be_trained(data, accelerator, optimizer):
    if accelerator == "numba":
        pytest.importorskip("numba")
    model = network()
    other = out_of_band(model, bytes)
    other.parameters["layers.0.bias"] = np.zeros(16)
    options = {"cost": "cross_entropy", "optimizer": optimizer, "accelerator": accelerator}
    for each in (model, other):
        each.fit(*data, **options)
    np.testing.assert_array_equal(other.parameters.vector, model.parameters.vector)


def test_model_unpickled_into_memory_that_can_be_written_to_takes_no_other():
    assert not out_of_band(network(), bytearray).parameters.vector.flags.owndata


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_training_of_a_model_whose_parameters_were_mapped_leaves_their_file_as_it_is(tmp_path, data, mode):
    model = network()
    np.save(tmp_path / "vector.npy", model.parameters.vector)
    mapped = np.load(tmp_path / "vector.npy", mmap_mode=mode)
    model.parameters.__setstate__(model.parameters.__getstate__() | {"vector": mapped})
    before = (tmp_path / "vector.npy").read_bytes()
    fit(model, data)
    assert (tmp_path / "vector.npy").read_bytes() == before
    assert not np.array_equal(model.parameters.vector, mapped)


def test_same_seed_gives_bit_equal_first_parameters_and_another_seed_others():
    assert np.array_equal(network(seed=3).parameters.vector, network(seed=3).parameters.vector)
    assert not np.array_equal(network(seed=3).parameters.vector, network(seed=4).parameters.vector)


def test_fit_with_the_same_seed_gives_bit_equal_parameters_twice(data):
    first, second = network(seed=5), network(seed=5)
    histories = fit(first, data), fit(second, data)
    assert np.array_equal(first.parameters.vector, second.parameters.vector)
    assert histories[0].records == histories[1].records
    assert not np.array_equal(first.parameters.vector, network(seed=5).parameters.vector)


def test_fit_with_another_seed_takes_another_order(data):
    first, second = network(seed=5), network(seed=5)
    fit(first, data)
    fit(second, data, seed=6)
    assert not np.array_equal(first.parameters.vector, second.parameters.vector)


def test_fit_in_float32_makes_no_float64_array_of_the_batch_or_the_parameters(data):
    model, found = network(), []
    smallest = 16 * 3  # entries of the smallest array of a batch

    def watch(frame, event, _):
        if event == "return" and "nnfw" in frame.f_code.co_filename:
            for name, value in frame.f_locals.items():
                if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.size >= smallest:
                    found.append((frame.f_code.co_qualname, name, value.shape))

    examples = model.labelled(*data, model.objective("cross_entropy"))  # the user's own float64 arrays end here
    (x,), (y,) = examples.inputs, examples.targets
    sys.setprofile(watch)
    try:
        fit(model, (x, y), validation_data=(x, y), optimizer={"type": "sgd", "learning_rate": 0.1, "momentum": 0.9})
        model.predict(x)
        model.gradient(x, y, cost="cross_entropy")
    finally:
        sys.setprofile(None)
    assert found == []
    assert model.parameters.vector.dtype == np.float32


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "adagrad"])
def test_a_step_allocates_nothing_of_the_size_of_batch_or_parameters_from_the_second_on(rng, optimizer):
    model = nnfw.Sequential([Dense(512, activation="relu"), Dense(512, activation="softmax")], input_shape=512)
    x = rng.normal(size=(2048, 512)).astype(np.float32)
    y = rng.integers(512, size=2048)
    largest = []

    @dataclass(frozen=True)
    class Meter(nnfw.Callback):
        def step_computed(self, fit, state):
            if fit.step > 1:
                largest.append(tracemalloc.get_traced_memory()[1] - state["before"])
            tracemalloc.reset_peak()
            state["before"] = tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        model.fit(x, y, cost="cross_entropy", optimizer=optimizer, batch_size=1024, epochs=2, callbacks=[Meter()])
    finally:
        tracemalloc.stop()
    smallest = 512 * min(1024, 512) * 4  # bytes of one activation, or of one weight
    assert max(largest[1:]) < smallest / 2


def test_predict_in_eight_threads_gives_what_it_gives_alone(rng):
    model = network()
    batches = [rng.normal(size=(rng.integers(1, 3000), 8)) for _ in range(64)]
    alone = [model.predict(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(model.predict, batches))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_predict_results_are_not_overwritten_by_the_next_call(rng):
    model = network()
    first = model.predict(rng.normal(size=(4, 8)))
    kept = first.copy()
    model.predict(rng.normal(size=(4, 8)))
    assert np.array_equal(first, kept)


def test_predict_of_one_example_has_no_batch_axis(rng):
    model, x = network(), rng.normal(size=8)
    assert model.predict(x).shape == (3,)
    assert np.array_equal(model.predict(x), model.predict(x[np.newaxis])[0])


def test_predict_of_an_empty_batch_is_empty():
    assert network().predict(np.empty((0, 8))).shape == (0, 3)


def test_inputs_are_never_modified(data):
    x, y = data[0].astype(np.float32), data[1]
    weight = np.ones(60, np.float32)
    for array in (x, y, weight):
        array.flags.writeable = False
    model = network()
    fit(model, (x, y), sample_weight=weight, validation_data=(x, y))
    model.predict(x)
    model.trace(x, y, cost="cross_entropy")
    model.evaluate(x, y, cost="cross_entropy", sample_weight=weight)


@pytest.mark.parametrize(
    "rearrange",
    [np.asfortranarray, lambda x: np.repeat(x, 2, axis=0)[::2], lambda x: x[::-1].copy()[::-1]],
    ids=["fortran", "strided", "negative-stride"],
)
def test_predict_takes_arrays_of_any_memory_layout(rng, rearrange):
    model, x = network(), rng.normal(size=(5, 8))
    np.testing.assert_allclose(model.predict(rearrange(x)), model.predict(x), rtol=1e-6)


def test_gradient_equals_central_differences(data):
    model = nnfw.Sequential(
        ["flatten", Dense(5, activation="tanh"), Dense(3, activation="softmax")], 8, dtype="float64"
    )
    value, gradient = model.gradient(*data, cost="cross_entropy")
    assert value == pytest.approx(model.evaluate(*data, cost="cross_entropy")["cost"])
    vector, numeric = model.parameters.vector, np.empty_like(gradient)
    for i in range(len(vector)):
        costs = []
        for step in (1e-5, -1e-5):
            vector[i] += step
            costs.append(model.gradient(*data, cost="cross_entropy")[0])
            vector[i] -= step
        numeric[i] = (costs[0] - costs[1]) / 2e-5
    np.testing.assert_allclose(gradient, numeric, atol=1e-9)


def test_sample_weight_of_two_counts_an_example_twice(data):
    x, y = data[0][:3], data[1][:3]
    model = network(dtype="float64")
    weighted = model.gradient(x, y, cost="cross_entropy", sample_weight=[2.0, 1.0, 1.0])
    rows = [0, 0, 1, 2]
    repeated = model.gradient(x[rows], y[rows], cost="cross_entropy")
    assert weighted[0] * 3 == pytest.approx(repeated[0] * 4)
    np.testing.assert_allclose(weighted[1] * 3, repeated[1] * 4)


def test_canonical_pair_is_taken_only_for_the_activation_that_the_cost_names():
    softmax = nnfw.Sequential([Dense(3, activation="softmax")], 2)
    sigmoid = nnfw.Sequential([Dense(3, activation="sigmoid")], 2)
    pairs = (softmax, "cross_entropy"), (sigmoid, "cross_entropy"), (softmax, "mse")
    assert [[term.canonical for term in model.objective(cost).terms] for model, cost in pairs] == [
        [True],
        [False],
        [False],
    ]


def test_canonical_pair_stays_finite_where_the_activation_underflows():
    model = nnfw.Sequential([Dense(2, activation="softmax")], 1)
    model.parameters["layers.0.weight"] = [[1e4], [-1e4]]
    value, gradient = model.gradient([[1.0]], [1], cost="cross_entropy")
    assert value == pytest.approx(2e4)
    assert np.isfinite(gradient).all()


def test_an_activation_finds_at_delta_what_it_kept_in_forward_hidden_and_at_the_output(data):
    @dataclass(frozen=True)
    class Keeping(nnfw.Activation):
        def forward(self, z, workspace):
            workspace["slope"] = 1 - np.tanh(z) ** 2
            return np.tanh(z)

        def delta(self, grad_a, z, a, workspace):
            return grad_a * workspace["slope"]

    ours = nnfw.Sequential([Dense(4, activation=Keeping()), Dense(1, activation=Keeping())], 8)
    theirs = nnfw.Sequential([Dense(4, activation="tanh"), Dense(1, activation="tanh")], 8)
    found, expected = (model.gradient(data[0], data[1] * 1.0, cost="mse")[1] for model in (ours, theirs))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_layer_may_keep_things_under_any_name(data):
    @dataclass(frozen=True)
    class Scaled(nnfw.Layer):
        activation = nnfw.activation("identity")

        def output_shape(self, input_shape):
            return input_shape

        def parameters(self, input_shape):
            return {"gain": nnfw.Parameter(input_shape, nnfw.initializer("constant", value=2.0))}

        def forward(self, params, a_prev, workspace):
            workspace["a"], workspace["z"], workspace["delta"], workspace["grad_a"] = a_prev, 1, 2, 3
            return a_prev * params["gain"]

        def backward(self, params, delta, grads, workspace):
            grads["gain"][...] = (delta * workspace["a"]).sum(axis=0)
            return delta * params["gain"]

    model = nnfw.Sequential([Scaled(), Dense(1)], 8, dtype="float64")
    target = data[1] * 1.0
    gradient = model.network.views(model.gradient(data[0], target, cost="mse")[1])["layers.0.gain"]
    model.parameters["layers.0.gain"][0] += 1e-6
    above = model.evaluate(data[0], target, cost="mse")["cost"]
    model.parameters["layers.0.gain"][0] -= 2e-6
    assert gradient[0] == pytest.approx((above - model.evaluate(data[0], target, cost="mse")["cost"]) / 2e-6, rel=1e-6)


def test_a_layer_that_assigns_a_gradient_instead_of_filling_it_gets_an_error():
    def backward(_self, _params, delta, grads, _workspace):
        grads["weight"] = delta
        return delta

    model = nnfw.Sequential([Dense(2), _faulty(backward=backward)], 3)
    with pytest.raises(TypeError, match="does not support item assignment"):
        model.gradient(np.ones((4, 3)), np.ones((4, 2)), cost="mse")


def test_a_chain_in_a_chain_changes_nothing(data):
    flat = nnfw.Sequential(
        [Dense(5, activation="tanh"), Dense(4, activation="relu"), Dense(3, activation="softmax")], 8
    )
    inner = nnfw.Chain((Dense(5, activation="tanh"), Dense(4, activation="relu")))
    nested = nnfw.Sequential([inner, Dense(3, activation="softmax")], 8)
    assert list(nested.parameters)[:2] == ["layers.0.layers.0.weight", "layers.0.layers.0.bias"]
    for (_, ours), theirs in zip(nested.parameters.items(), flat.parameters.values(), strict=True):
        ours[...] = theirs
    expected, found = flat.gradient(*data, cost="cross_entropy"), nested.gradient(*data, cost="cross_entropy")
    assert found[0] == expected[0]
    assert np.array_equal(found[1], expected[1])


def test_a_model_in_a_model_brings_its_parameters_along(data):
    inner = nnfw.Sequential([Dense(5, activation="tanh")], 8, seed=9)
    outer = nnfw.Sequential([inner, Dense(3, activation="softmax")], 8)
    assert np.array_equal(outer.parameters["layers.0.layers.0.weight"], inner.parameters["layers.0.weight"])


def test_layers_by_name_by_table_and_as_objects_are_the_same():
    by_name = nnfw.Sequential(["flatten", {"type": "dense", "units": 3, "activation": "softmax"}], (2, 4))
    by_object = nnfw.Sequential([Flatten(), Dense(3, activation=Softmax())], (2, 4))
    assert by_name.layers == by_object.layers
    assert np.array_equal(by_name.parameters.vector, by_object.parameters.vector)


def test_trace_is_not_changed_by_a_later_pass(data):
    model = network()
    trace = model.trace(*data, cost="cross_entropy")
    kept = trace.layers[0].z.copy(), trace.layers[-1].delta.copy()
    model.trace(data[0] + 1, data[1], cost="cross_entropy")
    assert np.array_equal(trace.layers[0].z, kept[0])
    assert np.array_equal(trace.layers[-1].delta, kept[1])


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": [], "input_shape": 3}, "layers must be a list of at least one layer"),
        ({"layers": "dense", "input_shape": 3}, "layers must be a list of at least one layer"),
        ({"layers": [Dense(0)], "input_shape": 3}, r"layers\[0\].units must be greater than or equal to 1, got 0"),
        ({"layers": [Dense(2.5)], "input_shape": 3}, r"layers\[0\].units must be a whole number ≥ 1"),
        ({"layers": [Dense(True)], "input_shape": 3}, r"layers\[0\].units must be a whole number ≥ 1, got True"),
        ({"layers": [Dense(2, activation="sigmod")], "input_shape": 3}, "Did you mean 'sigmoid'"),
        ({"layers": ["dens"], "input_shape": 3}, "Did you mean 'dense'"),
        ({"layers": [Dense], "input_shape": 3}, r"not a class: write Dense\(...\)"),
        ({"layers": [3], "input_shape": 3}, r"layers\[0\] must be a layer"),
        ({"layers": [Dense(2)], "input_shape": 0}, r"input_shape\[0\] must be greater than or equal to 1, got 0"),
        ({"layers": [Dense(2)], "input_shape": "3"}, "input_shape must be"),
        ({"layers": [Dense(2)], "input_shape": 3, "seed": -1}, "seed must be greater than or equal to 0, got -1"),
        (
            {"layers": [Dense(2)], "input_shape": 3, "dtype": "float16"},
            "dtype must be 'float32' or 'float64', got 'float16'",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_wrong_networks_are_refused_with_the_reason(arguments, message):
    with pytest.raises(nnfw.ConfigError, match=message):
        nnfw.Sequential(**arguments)


def test_layers_that_do_not_fit_are_both_named():
    with pytest.raises(
        nnfw.ShapeError,
        match=r"Layer 1 'simple_rnn' \(built-in\): expected .*got \(4,\).*from Layer 0 'reshape'",
    ):
        nnfw.Sequential([{"type": "reshape", "shape": [4]}, {"type": "simple_rnn", "units": 2}], (2, 2))


def test_predictions_reuse_memory_but_do_not_share_it():
    model, x = network(), np.ones((3, 8))
    first = model.predict(x)
    kept = first.copy()
    second = model.predict(2 * x)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, kept)


def test_prediction_keeps_nothing_of_what_it_was_given():
    model, x = network(), np.ones((3, 8), np.float32)
    model.predict(x)
    alive = weakref.ref(x)
    del x
    assert alive() is None


@pytest.mark.parametrize("shape", [(9, 3), (5, 4), (4, 3)], ids=["more rows", "other rows", "fewer rows"])
def test_batches_of_all_sizes_share_memory_after_a_buffer_was_replaced(shape):
    workspace = Workspace()
    for size in (1, 5, 2):
        workspace.buffer("z", (size, 3))
    largest = workspace.buffer("z", shape)
    views = [workspace.buffer("z", (size, *shape[1:])) for size in (1, 2, shape[0])]
    assert all(np.shares_memory(view, largest) for view in views)
    assert all(
        base.nbytes == 4 * max(5 * (shape[1:] == (3,)), shape[0]) * shape[1] for base in workspace._bases.values()
    )


def test_batches_that_grow_take_no_more_memory_than_the_largest():
    workspace = Workspace()
    tracemalloc.start()
    try:
        for size in range(1, 200):
            workspace.buffer("z", (size, 1000))
        for size in range(1, 200):
            workspace.buffer("z", (size, 1000))[...] = 1
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 1_000_000  # bytes: the largest has 796,000, all of them together 80 million


def test_memory_of_predictions_is_neither_pickled_nor_copied():
    model = network()
    before = len(pickle.dumps(model))
    model.predict(np.ones((1000, 8)))
    assert len(pickle.dumps(model)) == before
    copied = copy.deepcopy(model)
    np.testing.assert_array_equal(copied.predict(np.ones((2, 8))), model.predict(np.ones((2, 8))))


def test_prediction_of_no_examples_asks_no_layer():
    @dataclass(frozen=True)
    class Fussy(Dense):
        def forward(self, params, a_prev, workspace):
            assert len(a_prev)
            return super().forward(params, a_prev, workspace)

    assert nnfw.Sequential([Fussy(2)], 3).predict(np.zeros((0, 3))).shape == (0, 2)


def test_prediction_that_fails_leaves_the_model_usable():
    model, x = network(), np.ones((3, 8))
    right = model.predict(x)
    with pytest.raises(nnfw.DataError):
        model.predict(np.full((3, 8), 1e300))  # beyond float32
    np.testing.assert_array_equal(model.predict(x), right)


@dataclass(frozen=True)
class Shaped(nnfw.Layer):
    """Says that its output has some shape, and gives zeros of it."""

    shape: Any
    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        return self.shape

    def parameters(self, input_shape):
        return {}

    def forward(self, params, a_prev, workspace):
        workspace["a_prev"] = a_prev
        return np.zeros((len(a_prev), *self.shape), a_prev.dtype)

    def backward(self, params, delta, grads, workspace):
        return np.zeros_like(workspace["a_prev"])


@pytest.mark.parametrize(
    "shape",
    [[3], None, 3, (-1,), (2, -1), (2.0,), ("2",), ((2,),), (None,)],
    ids=["list", "none", "number", "negative", "negative-second", "float", "text", "nested", "none-inside"],
)
def test_layer_whose_output_shape_is_no_shape_is_refused(shape):
    returned = re.escape(f"output_shape returned {shape!r}, expected a tuple of whole numbers.")
    with pytest.raises(nnfw.PluginError, match=f"Layer 1 'Shaped'.*: {returned}"):
        nnfw.Sequential([Dense(2), Shaped(shape)], 4)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (), (np.int64(2), 3)], ids=["empty", "empty-rows", "scalar", "int64"])
def test_output_of_any_whole_sizes_is_a_shape(shape):
    model = nnfw.Sequential([Dense(2), Shaped(shape)], 4)
    assert model.output_shape == shape
    assert model.predict(np.ones((5, 4))).shape == (5, *shape)


def test_layer_after_an_empty_output_trains_on_nothing_but_its_bias():
    model = nnfw.Sequential([Shaped((0,)), Dense(2)], 4, dtype="float64")
    y = np.array([[1.0, 3.0], [3.0, 5.0]])
    model.fit(np.ones((2, 4)), y, cost="mse", optimizer={"type": "sgd", "learning_rate": 1.0}, epochs=1, batch_size=2)
    assert model.parameters["layers.1.weight"].shape == (2, 0)
    assert model.predict(np.ones((1, 4))) == pytest.approx(y.mean(axis=0)[np.newaxis])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 7)), r"x must have shape \(N, 8\), or \(8,\) for one example, got \(2, 7\)"),
        ([["a"] * 8], "x must hold real numbers"),
        ([[1.0], [1.0, 2.0]], "x must be a regular array of numbers"),
        (np.zeros((2, 8), complex), "x must hold real numbers, got an array of dtype complex128"),
        (3.0, r"got \(\)"),
    ],
    ids=["width", "text", "ragged", "complex", "scalar"],
)
def test_predict_refuses_what_is_no_batch(x, message):
    with pytest.raises(nnfw.DataError, match=message):
        network().predict(x)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:0], y[:0]), "x is empty: it holds no example"),
        (lambda x, y: (x, y[:-1]), "x and y must have one entry per example, got 60 and 59"),
        (lambda x, y: (x, 3), "got 60 and a number"),
        (
            lambda x, y: (np.where(np.eye(60, 8) > 0, np.nan, x), y),
            r"x holds 8 values that are not finite, the first at \[0, 0\]",
        ),
        (lambda x, y: (x, np.append(y[:-1], 3)), "label 3"),
    ],
    ids=["empty", "lengths", "number", "nan", "label"],
)
def test_fit_refuses_data_that_it_cannot_learn_from(data, change, message):
    with pytest.raises(nnfw.DataError, match=message):
        fit(network(), change(*data))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0], r"shape \(60,\), got \(1,\)"),
        ([-1.0] * 60, "finite and 0 or more, got -1.0 for example 0"),
        ([float("inf")] * 60, "finite and 0 or more, got inf"),
    ],
    ids=["length", "negative", "infinite"],
)
def test_fit_refuses_weights_that_are_none(data, weight, message):
    with pytest.raises(nnfw.DataError, match=message):
        fit(network(), data, sample_weight=weight)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be greater than or equal to 1, got 0"),
        ({"batch_size": 0}, "batch_size must be greater than or equal to 1, got 0"),
        ({"batch_size": True}, "batch_size must be a whole number ≥ 1, got True"),
        ({"metrics": ["acuracy"]}, "Did you mean 'accuracy'"),
        (
            {"optimizer": {"type": "sgd", "learning_rate": float("nan")}},
            "learning_rate must be a finite number, got nan",
        ),
        ({"optimizer": {"type": "sgd", "learning_rate": -0.1}}, "learning_rate must be greater than"),
        ({"cost": "mes"}, "Did you mean 'mse'"),
        ({"seed": -1}, "seed must be greater than or equal to 0, got -1"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"metrics": "accuracy"}, "metrics must be a list of metrics or table of lists of metrics, got 'accuracy'"),
        ({"directory": None}, r"^directory must be text, got None\.$"),
        ({"checkpoints": 3}, r"^checkpoints must be text, got 3\.$"),
    ],
    ids=[
        *("epochs", "batch", "bool", "metric", "nan", "negative", "cost", "seed", "seed-type", "metrics-type"),
        *("directory", "checkpoints"),
    ],
)
def test_fit_refuses_wrong_options(data, options, message):
    model = network()
    before = model.parameters.vector.copy()
    with pytest.raises(nnfw.ConfigError, match=message):
        fit(model, data, **options)
    assert np.array_equal(model.parameters.vector, before)


def test_fit_refuses_labels_of_a_single_example_with_what_they_are_taken_for(data):
    x, y = data
    with pytest.raises(
        nnfw.DataError, match=r"got \(1, 60\)\..* x has the shape of one example, \(8,\), so y is taken for"
    ):
        fit(network(), (x[0], y))


@pytest.mark.parametrize("accelerator", [None, []], ids=["None", "list"])
def test_predict_refuses_an_accelerator_that_is_no_name(accelerator):
    with pytest.raises(nnfw.ConfigError, match=r"^accelerator must be text, got (None|\[\])\.$"):
        network().predict(np.zeros(8), accelerator=accelerator)


def test_values_that_are_no_arrays_by_name_are_refused():
    with pytest.raises(nnfw.ConfigError, match=r"^values must be arrays by name, got \[1\]\.$"):
        network(values=[1])


@pytest.mark.parametrize("validation", [(), (1,), (1, 2, 3, 4), 5], ids=["none", "one", "four", "number"])
def test_fit_refuses_validation_data_that_is_neither_x_and_y_nor_with_weights(data, validation):
    with pytest.raises(nnfw.DataError, match=r"validation_data must be \(x, y\) or \(x, y, sample_weight\), got"):
        fit(network(), data, validation_data=validation)


def test_fit_weighs_validation_data(data, rng):
    x, y = data
    model, weight = network(), rng.random(len(x))
    history = fit(model, data, epochs=1, validation_data=(x, y, weight))
    expected = model.evaluate(x, y, cost="cross_entropy", sample_weight=weight)["cost"]
    assert history[-1]["validation_cost"] == pytest.approx(expected, rel=1e-6)
    assert expected != pytest.approx(model.evaluate(x, y, cost="cross_entropy")["cost"], rel=1e-3)


@pytest.mark.parametrize(
    ("activation", "cost", "message"),
    [
        ("identity", "cross_entropy", r"takes outputs from 0 to 1, .* 'identity' .* from -inf to inf. Use 'softmax'"),
        ("log_softmax", "cross_entropy", "takes outputs from 0 to 1"),
        ("tanh", "binary_cross_entropy", "whose values go from -1 to 1. Use 'sigmoid'"),
        ("tanh", "poisson", "takes outputs from 0 to inf.*Use another activation"),
    ],
)
def test_a_cost_refuses_an_output_that_it_is_not_defined_on(activation, cost, message):
    model = nnfw.Sequential([Dense(3, activation=activation)], 2)
    with pytest.raises(nnfw.ConfigError, match=message):
        model.gradient(np.ones((4, 2)), np.ones((4, 3)), cost=cost)


def test_a_cost_takes_an_output_whose_range_is_not_declared():
    @dataclass(frozen=True)
    class Unknown(nnfw.Elementwise):
        def value(self, z):
            return 1 / (1 + np.exp(-z))

        def derivative(self, z, a):
            return a * (1 - a)

    model = nnfw.Sequential([Dense(1, activation=Unknown())], 2)
    assert np.isfinite(model.gradient(np.ones((4, 2)), np.ones(4), cost="binary_cross_entropy")[0])


def test_trace_of_a_layer_without_weights_says_so(data):
    trace = network().trace(*data, cost="cross_entropy")
    with pytest.raises(nnfw.StateError, match="layers.1 has no weight. Gradients: none"):
        trace.layers[1].grad_weight  # noqa: B018


def test_random_numbers_outside_of_training_are_refused():
    with pytest.raises(nnfw.StateError, match="This pass has no random numbers"):
        Workspace().rng  # noqa: B018


def test_backward_before_forward_is_refused():
    layer = nnfw.layer("dense", units=2)
    with pytest.raises(nnfw.StateError, match="call forward before backward"):
        layer.backward({"weight": np.ones((2, 2))}, np.ones((1, 2)), {"weight": np.ones((2, 2))}, Workspace())


def _faulty(**methods):
    """Return a layer like dense with 2 units, with some methods replaced."""
    namespace = {"output_shape": lambda _self, _shape: (2,), "activation": nnfw.activation("identity")}
    namespace["forward"] = lambda _self, _params, a, ws: a.copy()
    namespace["backward"] = lambda _self, _params, delta, _grads, _ws: delta.copy()
    return dataclass(frozen=True)(type("Faulty", (nnfw.Layer,), namespace | methods))()


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (
            {"forward": lambda *_: None},
            r"Faulty': forward returned NoneType, expected an array of shape \(4, 2\)",
        ),
        (
            {"forward": lambda _self, _p, a, _w: a[:, :1]},
            r"forward returned shape \(4, 1\), expected \(4, 2\), the shape that",
        ),
        ({"forward": lambda _self, _p, a, _w: a.astype(float)}, "forward returned float64, expected float32"),
        (
            {"backward": lambda _self, _p, d, _g, _w: d[:2]},
            r"Faulty': backward returned shape \(2, 2\), expected",
        ),
        ({"backward": lambda *_: None}, "Faulty': backward returned NoneType, expected an array"),
    ],
    ids=["none", "shape", "dtype", "backward", "no-gradient"],
)
def test_results_of_a_faulty_plugin_are_refused_with_its_name(methods, message):
    model = nnfw.Sequential([Dense(2), _faulty(**methods), Dense(2)], 3)
    with pytest.raises(nnfw.PluginError, match=message):
        model.gradient(np.ones((4, 3)), np.ones((4, 2)), cost="mse")


def _faulty_cost(**methods):
    """Return a cost like mse, with some methods replaced."""
    return dataclass(frozen=True)(type("FaultyCost", (type(nnfw.cost("mse")),), methods))()


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"gradient": lambda _self, a, *_: a[:1]}, r"FaultyCost': gradient returned shape \(1, 2\), expected \(4, 2\)"),
        (
            {"gradient": lambda _self, a, *_: a.astype(float)},
            "FaultyCost': gradient returned float64, expected float32",
        ),
        (
            {"targets": lambda *_: None},
            "FaultyCost': targets returned NoneType, expected an array with a number or more",
        ),
        ({"value": lambda *_: None}, r"FaultyCost': value returned NoneType, expected a number \(float\)\."),
    ],
    ids=["shape", "dtype", "targets", "value"],
)
def test_results_of_a_faulty_cost_are_refused_with_its_name(methods, message):
    model = nnfw.Sequential([Dense(2)], 3)
    with pytest.raises(nnfw.PluginError, match=message):
        model.gradient(np.ones((4, 3)), np.ones((4, 2)), cost=_faulty_cost(**methods))


def test_results_of_a_faulty_activation_are_refused_with_its_name_and_that_of_its_layer():
    @dataclass(frozen=True)
    class Wide(nnfw.Activation):
        def forward(self, z, workspace):
            return z.copy()

        def delta(self, grad_a, z, a, workspace):
            return grad_a.astype(float)

    model = nnfw.Sequential([Dense(2), Dense(2, activation=Wide())], 3)
    with pytest.raises(
        nnfw.PluginError, match=r"Layer 1 'dense' \(built-in\): delta of its activation '.*Wide' returned float64"
    ):
        model.gradient(np.ones((4, 3)), np.ones((4, 2)), cost="mse")


SINGLE = r"softmax over a single unit is always 1.*use sigmoid"


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        pytest.param([Dense(1, activation="softmax")], rf"^Layer 0 'dense' \(built-in\): {SINGLE}", id="output"),
        pytest.param(
            [Dense(1, activation="log_softmax"), Dense(2)],
            r"^Layer 0 'dense' .*: log_softmax over a single",
            id="hidden",
        ),
        pytest.param(
            [Dense(3), nnfw.Sequential([Dense(1, activation="softmax")], 3)],
            rf"^Layer 1\.0 'dense' \(built-in\): {SINGLE}",
            id="inner",
        ),
    ],
)
def test_fit_softmax_over_a_single_unit_is_refused_before_anything_changes(layers, text):
    model = nnfw.Sequential(layers, 2)
    before = model.parameters.vector.copy()
    with pytest.raises(nnfw.ShapeError, match=text):
        model.fit(np.ones((4, 2)), np.ones((4, *model.output_shape)), cost="mse", optimizer="sgd", epochs=1)
    np.testing.assert_array_equal(model.parameters.vector, before)


def test_fit_softmax_over_several_positions_of_one_channel_is_refused():
    layers = [Dense(4), {"type": "reshape", "shape": [4, 1]}, {"type": "activation", "activation": "softmax"}]
    with pytest.raises(nnfw.ShapeError, match=rf"^Layer 2 'activation' \(built-in\): {SINGLE}"):
        nnfw.Sequential(layers, 2).fit(np.ones((4, 2)), np.ones((4, 4, 1)), cost="mse", optimizer="sgd", epochs=1)


def test_model_of_a_single_softmax_unit_still_predicts(tmp_path):
    model = nnfw.Sequential([Dense(1, activation="softmax")], 2)
    model.save(tmp_path / "model.nnfw")
    assert nnfw.load(tmp_path / "model.nnfw").predict(np.ones((3, 2))).tolist() == [[1]] * 3


@pytest.mark.parametrize("call", ["fit", "evaluate", "gradient"])
def test_weights_that_are_all_zero_are_refused(call):
    model, options = nnfw.Sequential([Dense(1)], 2), {"optimizer": "sgd"} if call == "fit" else {}
    with pytest.raises(
        nnfw.DataError, match=r"^sample_weight is zero for every example, so none of them counts\. Give one"
    ):
        getattr(model, call)(np.ones((4, 2)), np.ones(4), cost="mse", sample_weight=np.zeros(4), **options)


def test_weights_that_become_zero_in_the_models_dtype_are_refused():
    with pytest.raises(
        nnfw.DataError, match=r"^sample_weight is zero for every example in float32, so none.* Multiply"
    ):
        nnfw.Sequential([Dense(1)], 2).evaluate(
            np.ones((4, 2)), np.ones(4), cost="mse", sample_weight=np.full(4, 1e-60)
        )


def test_options_of_fit_have_the_defaults_of_a_training():
    signature = inspect.signature(nnfw.Sequential.fit).parameters
    options = options_of(TrainingOptions)
    assert {name: signature[name].default for name in options} == {name: each.default for name, each in options.items()}


@pytest.mark.parametrize("inputs", [("previous", "x"), ("previous", ".first")], ids=["input", "name with a dot"])
def test_model_whose_names_mean_something_else_in_another_one_is_refused(inputs):
    inner = nnfw.Sequential([nnfw.Node(Dense(3), "first"), nnfw.Node(Add(), inputs=inputs)], 3)
    outer = [nnfw.Node(Dense(3), "first"), inner]
    with pytest.raises(
        nnfw.ConfigError,
        match=r"^layers\[1\] is a model whose node layers\.1 takes .*, which it cannot name here\. "
        r"Write its nodes as a block that hands its input on\.$",
    ):
        nnfw.Sequential(outer, 3)


def test_model_in_another_one_takes_what_comes_before(rng):
    inner = nnfw.Sequential([nnfw.Node(Dense(3), "first"), Dense(3), nnfw.Node(Add(), inputs=("first", "previous"))], 3)
    before = nnfw.Sequential([nnfw.Node(Dense(3), "first")], 3, seed=1)
    x = rng.normal(size=(5, 3))
    expected = inner.predict(before.predict(x))
    np.testing.assert_array_equal(nnfw.Sequential([before, inner], 3).predict(x), expected)


def test_a_model_shows_its_nodes_with_what_was_said_about_them_alone():
    pool = nnfw.Node(nnfw.layer("add"), inputs=("trunk", "x"))
    model = nnfw.Sequential([nnfw.Node(nnfw.Chain(("flatten", "dropout")), "trunk"), pool], 3)
    assert repr(model) == (
        "<Sequential (3,) → (3,), 0 parameters: Node(Chain(layers=(Flatten(), Dropout(rate=0.5))), name='trunk'), "
        "Node(Add(activation=Identity()), inputs=('trunk', 'x'))>"
    )


@pytest.mark.parametrize("factor", [10**6, 10**9], ids=["memory", "no array"])
def test_activation_beyond_the_memory_of_the_machine_is_refused(factor):
    layers = [{"type": "upsample", "factor": factor}, {"type": "global_avg_pool"}]
    message = rf"^Layer 0 'upsample' \(built-in\): its output of shape \(1, {factor}, {factor}\) takes .* GiB for one "
    with pytest.raises(nnfw.ShapeError, match=message + r"example as float32: more than this machine's .* layers\.$"):
        nnfw.Sequential(layers, (1, 1, 1))
