"""Named inputs, indices and lengths: what users give, and what is wrong with it."""

import gc
import re
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw import Node, Padded
from nnfw_standard import ActivationLayer, Add, Concatenate, Dense, Embedding, Flatten, TimePool

TWO = {"numbers": 2, "city": (1,)}


def two_inputs():
    """Return a network of numbers and indices below 5."""
    layers = [
        Node(Embedding(5, 3), "emb", ("city",)),
        Node(Flatten(), "flat"),
        Node(Dense(3), inputs=("numbers",)),
        Node(Add(), inputs=("flat", "previous")),
    ]
    return nnfw.Sequential(layers, TWO)


GOOD = {"numbers": np.ones((4, 2)), "city": np.zeros((4, 1), int)}


def changed(**values):
    """Return inputs of which some are other ones; None leaves one out."""
    return {name: value for name, value in (GOOD | values).items() if value is not None}


MISTAKES = {
    "array": (
        np.ones((4, 3)),
        r"x must give one for each input by name: numbers, city, got array.*Write \{'numbers': \.\.\.",
    ),
    "missing": (changed(city=None), r"x lacks the input city\. It has: numbers\."),
    "misspelt": (changed(city=None, citi=1), r"x lacks the input city\. Did you mean 'citi'\?"),
    "further": (
        changed(ciy=1),
        r"x has ciy, which is no input of the network\. Did you mean 'city'\? It takes: numbers",
    ),
    "floats": (
        changed(city=np.zeros((4, 1))),
        r"x\['city'\] must hold indices, whole numbers from 0 to 4, got float64",
    ),
    "range": (
        changed(city=np.array([[0], [5], [9], [1]])),
        r"x\['city'\] holds the index 5 in row 1 \(the first is row 0\)",
    ),
    "negative": (changed(city=np.array([[0], [0], [0], [-1]])), r"x\['city'\] holds the index -1 in row 3"),
    "shape": (
        changed(numbers=np.ones((4, 3))),
        r"x\['numbers'\] must have shape \(N, 2\), or \(2,\) for one example, got",
    ),
    "length": (changed(numbers=np.ones((3, 2))), r"one entry per example, got 'numbers': 3, 'city': 4"),
    "nan": (changed(numbers=np.full((4, 2), np.nan)), r"x\['numbers'\] holds 8 values that are not finite"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_in_an_input_is_named_by_predict_and_fit(name):
    x, message = MISTAKES[name]
    model = two_inputs()
    before = model.parameters.vector.copy()
    with pytest.raises(nnfw.DataError, match=message):
        model.predict(x)
    with pytest.raises(nnfw.DataError, match=message):
        model.fit(x, np.ones((4, 3)), cost="mse", optimizer="sgd", epochs=1)
    with pytest.raises(nnfw.DataError, match=re.sub(r"^x\b", "x_val", message)):
        model.fit(GOOD, np.ones((4, 3)), cost="mse", optimizer="sgd", validation_data=(x, np.ones((4, 3))), epochs=1)
    assert np.array_equal(model.parameters.vector, before)


def test_index_out_of_range_in_a_large_prediction_is_named_by_its_row():
    x = {"numbers": np.ones((3000, 2)), "city": np.zeros((3000, 1), int)}
    x["city"][2500] = 7
    with pytest.raises(nnfw.DataError, match=r"x\['city'\] holds the index 7 in row 2500"):
        two_inputs().predict(x)


def test_single_example_of_several_inputs():
    model = two_inputs()
    one = model.predict({"numbers": [1, 1], "city": [0]})
    np.testing.assert_array_equal(one, model.predict(GOOD)[0])


def test_index_beyond_what_float32_can_count_finds_its_own_row():
    count = 2**24 + 2
    model = nnfw.Sequential([Embedding(count, 1, weight_initializer="zeros"), Flatten()], (1,))
    model.parameters["layers.0.weight"][-1] = 1
    x = np.array([[2**24 + 1], [2**24]])
    assert model.predict(x).tolist() == [[1], [0]]
    model.fit(x[:1], [[3.0]], cost="mse", optimizer={"type": "sgd", "learning_rate": 1.0}, accelerator="none", epochs=1)
    assert model.parameters["layers.0.weight"][-2:].tolist() == [[0], [3]]


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "uint64"])
def test_indices_of_any_integer_dtype_are_taken(dtype):
    model = two_inputs()
    expected = model.predict(changed(city=np.array([[0], [1], [2], [4]])))
    found = model.predict(changed(city=np.array([[0], [1], [2], [4]], dtype)))
    np.testing.assert_array_equal(found, expected)


LENGTHS = [3, 5, 0, 1]
WORDS = np.random.default_rng(0).integers(0, 7, (4, 5))


def other_padding():
    """Return the words with something else beyond the lengths."""
    words = WORDS.copy()
    for row, length in enumerate(LENGTHS):
        words[row, length:] = 6 - words[row, length:]
    return words


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_padding_changes_neither_predictions_nor_training(accelerator):
    if accelerator == "numba":
        pytest.importorskip("numba")
    y, vectors = np.random.default_rng(1).normal(size=(4, 2)), []
    for words in (WORDS, other_padding()):
        model = nnfw.Sequential([Embedding(7, 3), ActivationLayer("tanh"), TimePool(), Dense(2)], (5,))
        settings = {"cost": "mse", "optimizer": "adam", "batch_size": 3, "epochs": 3, "accelerator": accelerator}
        model.fit(Padded(words, LENGTHS), y, **settings)
        vectors.append((model.parameters.vector.copy(), model.predict(Padded(words, LENGTHS))))
    np.testing.assert_array_equal(vectors[0][0], vectors[1][0])
    np.testing.assert_array_equal(vectors[0][1], vectors[1][1])


def test_labels_beyond_a_length_count_for_nothing():
    model = nnfw.Sequential([Embedding(7, 3), ActivationLayer("softmax")], (5,))
    y = WORDS % 3
    other = y.copy()
    for row, length in enumerate(LENGTHS):
        other[row, length:] = (other[row, length:] + 1) % 3
    found = [
        model.evaluate(Padded(WORDS, LENGTHS), labels, cost="cross_entropy", metrics=["accuracy"])
        for labels in (y, other)
    ]
    assert found[0] == found[1]
    a = model.predict(WORDS)
    steps = [(row, t) for row, length in enumerate(LENGTHS) for t in range(length)]
    cost = -sum(np.log(a[row, t, y[row, t]]) for row, t in steps) / len(y)
    assert found[0]["cost"] == pytest.approx(cost, rel=1e-6)
    right = np.mean([a[row, t].argmax() == y[row, t] for row, t in steps])
    assert found[0]["accuracy"] == pytest.approx(right)


def test_output_lengths_of_several_inputs_and_outputs_have_names():
    layers = [
        Node(Embedding(7, 3), "a", ("left",)),
        Node(TimePool(), "pooled"),
        Node(Embedding(7, 3), "b", ("right",)),
    ]
    model = nnfw.Sequential(layers, {"left": (5,), "right": (5,)}, outputs=["pooled", "b"])
    found = model.output_lengths({"right": LENGTHS})
    assert found["pooled"] is None
    assert found["b"].tolist() == LENGTHS
    with pytest.raises(nnfw.DataError, match=r"^lengths names 'other'\. Inputs: left, right\.$"):
        model.output_lengths({"other": LENGTHS})
    with pytest.raises(
        nnfw.DataError, match=r"^The lengths of x\['left'\] must lie between 0 and 5, .* got 6 in row 0"
    ):
        model.output_lengths({"left": [6]})


def test_lengths_end_where_a_layer_ends_the_time():
    model = nnfw.Sequential([Embedding(7, 3), TimePool(), Dense(2)], (5,))
    graph, workspace = model.network.graph, model.network.workspace()
    model.network.forward([WORDS], workspace, [np.array(LENGTHS)])
    seen = [graph.workspace_of(place, workspace).lengths is not None for place in graph.nodes]
    assert seen == [True, False, False]
    model.network.forward([WORDS], workspace)
    assert all(graph.workspace_of(place, workspace).lengths is None for place in graph.nodes)


WRONG_LENGTHS = {
    "long": ([6, 1, 1, 1], r"The lengths of x must lie between 0 and 5, the number of time steps, got 6 in row 0"),
    "negative": ([1, -1, 1, 1], r"The lengths of x must lie between 0 and 5, .*, got -1 in row 1"),
    "few": ([1, 1], r"The lengths of x must be whole numbers, one for each of 4 examples, got int64 of shape \(2,\)"),
    "floats": ([0.5, 1, 1, 1], r"The lengths of x must be whole numbers, .* got float64 of shape \(4,\)"),
}


@pytest.mark.parametrize("name", WRONG_LENGTHS)
def test_lengths_that_do_not_fit_are_named(name):
    lengths, message = WRONG_LENGTHS[name]
    model = nnfw.Sequential([Embedding(7, 3), TimePool()], (5,))
    with pytest.raises(nnfw.DataError, match=message):
        model.predict(Padded(WORDS, lengths))


def test_lengths_without_an_axis_of_time_are_refused():
    model = nnfw.Sequential([Dense(2)], ()) if False else nnfw.Sequential([Flatten(), Dense(2)], ())
    with pytest.raises(
        nnfw.DataError, match=r"x has lengths, but no axis of time: expected shape \(N, T, \.\.\.\), got \(4,\)"
    ):
        model.predict(Padded(np.ones(4), [1, 1, 1, 1]))


def test_single_sequence_has_a_number_for_its_length():
    model = nnfw.Sequential([Embedding(7, 3), TimePool()], (5,))
    np.testing.assert_array_equal(model.predict(Padded(WORDS[0], 3)), model.predict(Padded(WORDS, LENGTHS))[0])


def test_idle_model_holds_little_after_a_large_prediction():
    model = nnfw.Sequential([Dense(1024, activation="relu"), Dense(256, activation="relu"), Dense(10)], 64)
    x = np.ones((5000, 64), np.float32)
    model.predict(x[:2])
    gc.collect()
    tracemalloc.start()
    try:
        model.predict(x)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 1 << 20


def test_merge_of_sequences_with_lengths_of_their_own_is_refused():
    layers = [
        Node(Embedding(7, 3), "a", ("left",)),
        Node(Embedding(7, 3), inputs=("right",)),
        Node(Add(), inputs=("a", "previous")),
        TimePool(),
    ]
    model = nnfw.Sequential(layers, {"left": (5,), "right": (5,)})
    one = model.predict({"left": Padded(WORDS, LENGTHS), "right": WORDS})
    assert one.shape == (4, 3)
    with pytest.raises(nnfw.DataError, match=r"Layer 2 'add' .*: its inputs are sequences with lengths of their own\."):
        model.predict({"left": Padded(WORDS, LENGTHS), "right": Padded(WORDS, LENGTHS)})


@dataclass(frozen=True)
class Noted(Add):
    """Notes the lengths that it is given."""

    own_lengths = True

    def output_shape(self, input_shapes):
        return input_shapes[0]

    def forward(self, params, inputs, workspace):
        NOTED[:] = [workspace.lengths, *workspace.input_lengths]
        return inputs[0].copy()


NOTED = []


def test_merge_may_take_sequences_with_lengths_of_their_own():
    layers = [
        Node(Embedding(7, 3), "a", ("left",)),
        Node(Embedding(7, 3), inputs=("right",)),
        Node(Noted(), inputs=("a", "previous")),
        TimePool(),
    ]
    model = nnfw.Sequential(layers, {"left": (5,), "right": (5,)})
    other = LENGTHS[::-1]
    model.predict({"left": Padded(WORDS, LENGTHS), "right": Padded(WORDS, other)})
    assert [each.tolist() for each in NOTED] == [list(LENGTHS), list(LENGTHS), list(other)]
    model.predict({"left": WORDS, "right": Padded(WORDS, other)})
    assert NOTED[:2] == [None, None]
    assert NOTED[2].tolist() == list(other)
    model.predict({"left": WORDS, "right": WORDS})
    assert all(each is None for each in NOTED)


def test_sequences_one_after_the_other_have_no_lengths():
    layers = [Node(Concatenate(), "both", ("left", "right")), Node(Dense(2), "end")]
    model = nnfw.Sequential(layers, {"left": (5,), "right": (4,)})
    left, right = np.ones((4, 5)), np.ones((4, 4))
    assert model.predict({"left": left, "right": right}).shape == (4, 2)
    message = (
        r"^Layer both 'concatenate' \(built-in\): makes 9 time steps of 5, so the lengths of its input do not hold for "
        r"them\. End them in a layer before it, or give arrays without lengths\.$"
    )
    with pytest.raises(nnfw.DataError, match=message):
        model.predict({"left": Padded(left, LENGTHS), "right": right})
    with pytest.raises(nnfw.DataError, match=r"makes 9 time steps of 4, so the lengths"):
        model.fit(
            {"left": left, "right": Padded(right, [4, 1, 1, 1])}, np.ones((4, 2)), cost="mse", optimizer="sgd", epochs=1
        )


def test_sequences_side_by_side_keep_their_lengths():
    layers = [Node(Concatenate(), inputs=("left", "right")), TimePool()]
    model = nnfw.Sequential(layers, {"left": (2, 1), "right": (2, 2)})
    left, right = np.arange(2.0).reshape(1, 2, 1), np.arange(4.0).reshape(1, 2, 2)
    assert model.predict({"left": Padded(left, [1]), "right": right}).tolist() == [[0, 0, 1]]


def test_only_input_called_x_is_one_without_a_name():
    model = nnfw.Sequential([Dense(2)], {"x": 3})
    assert model.input_shape == (3,)
    assert model.predict(np.ones((4, 3))).shape == (4, 2)


@pytest.mark.parametrize("units", [4, 6])
def test_padding_on_an_axis_of_features_is_refused(units, rng):
    """The only axis of what a dense layer gives is that of its units, even if there are as many as time steps."""
    x, y = rng.standard_normal((20, 6)), np.arange(20) % units
    model = nnfw.Sequential([Dense(5), Dense(units, activation="softmax")], 6, seed=2)
    message = (
        r"^Layer 0 'dense' \(built-in\): takes no padded sequences: what lies beyond their lengths would count\. A "
        r"single axis holds features for it: give sequences as \(N, T, n\)\. Put a layer before it that makes one "
        r"vector of a sequence, such as a pool over time or a recurrent layer with its last state, or give arrays "
        r"without lengths\.$"
    )
    with pytest.raises(nnfw.DataError, match=message):
        model.fit(Padded(x, np.full(20, 3)), y, cost="cross_entropy", optimizer="adam", epochs=2)


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_layer_that_would_count_padding_is_refused(accelerator):
    if accelerator == "numba":
        pytest.importorskip("numba")
    model = nnfw.Sequential([Embedding(7, 3), Flatten(), Dense(2)], (5,))
    message = (
        r"^Layer 1 'flatten' \(built-in\): takes no padded sequences: what lies beyond their lengths would count\. P"
    )
    with pytest.raises(nnfw.DataError, match=message):
        model.predict(Padded(WORDS, LENGTHS))
    with pytest.raises(nnfw.DataError, match=message):
        model.fit(
            Padded(WORDS, LENGTHS), np.ones((4, 2)), cost="mse", optimizer="adam", accelerator=accelerator, epochs=1
        )
    assert model.predict(WORDS).shape == (4, 2)


def test_merge_that_would_count_the_padding_of_its_second_input_is_refused():
    @dataclass(frozen=True)
    class Ignorant(Noted):
        def forward(self, params, inputs, workspace):
            return inputs[0] + inputs[1]

    layers = [
        Node(Embedding(7, 3), "a", ("left",)),
        Node(Embedding(7, 3), inputs=("right",)),
        Node(Ignorant(), inputs=("a", "previous")),
    ]
    model = nnfw.Sequential(layers, {"left": (5,), "right": (5,)})
    assert model.predict({"left": Padded(WORDS, LENGTHS), "right": WORDS}).shape == (4, 5, 3)
    with pytest.raises(nnfw.DataError, match=r"^Layer 2 '.*Ignorant': takes no padded sequences: what lies beyond"):
        model.predict({"left": WORDS, "right": Padded(WORDS, LENGTHS)})


@dataclass(frozen=True)
class EverySecond(nnfw.Layer):
    """z_t = a_2t, with the lengths of z as an option, as a function of those of the input."""

    lengths: object = None

    keeps_time = True

    def output_shape(self, input_shape):
        return ((input_shape[0] + 1) // 2, *input_shape[1:])

    def output_lengths(self, lengths):
        return self.lengths(lengths)

    def forward(self, params, a_prev, workspace):
        workspace["shape"] = a_prev.shape
        return np.ascontiguousarray(a_prev[:, ::2])

    def backward(self, params, delta, grads, workspace):
        gradient = np.zeros(workspace["shape"], delta.dtype)
        gradient[:, ::2] = delta
        return gradient


def test_layer_gives_new_lengths_from_those_of_its_input():
    layers = [Embedding(7, 3), EverySecond(lambda n: (n + 1) // 2), EverySecond(lambda n: (n + 1) // 2)]
    model = nnfw.Sequential(layers, (5,))
    ((_, a, found),) = model.network.forward([WORDS], model.network.workspace(), [np.array(LENGTHS)])
    assert (a.shape, found.tolist(), found.dtype) == ((4, 2, 3), [1, 2, 0, 1], np.int64)
    assert model.output_lengths(LENGTHS).tolist() == [1, 2, 0, 1]


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        (lambda n: n, nnfw.DataError, "makes 3 time steps of 5, so the lengths of its input do not hold for them."),
        (lambda n: n / 2, nnfw.PluginError, "output_lengths returned .* expected an array of 6 whole numbers."),
        (lambda n: 3, nnfw.PluginError, "output_lengths returned int, expected an array of 6 whole numbers."),
        (lambda n: n[1:], nnfw.PluginError, "output_lengths returned .* expected an array of 6 whole numbers."),
        (lambda n: (n - 1) // 2 + 1 - 2 * (n < 2), nnfw.PluginError, "output_lengths returned .* from 0 to the last"),
        (lambda n: 3 + (n == 2), nnfw.PluginError, "output_lengths returned .*, expected numbers from 0 to the last."),
    ],
    ids=["identity", "float", "number", "few", "negative", "beyond"],
)
def test_wrong_output_lengths_are_refused(lengths, error, message):
    model = nnfw.Sequential([Embedding(7, 3), EverySecond(lengths)], (5,))
    with pytest.raises(error, match=f"^Layer 1 'EverySecond'.*: {message}"):
        model.predict(Padded(WORDS, LENGTHS))
