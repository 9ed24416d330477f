"""Networks that do not fit together, and data that does not fit them, are refused with the place and the reason."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw import Node
from nnfw.data import Padded
from nnfw_standard import ActivationLayer, Add, Concatenate, Dense, Embedding, Flatten, Reshape


@dataclass(frozen=True)
class Endless(nnfw.Block):
    def nodes(self, inputs):
        return [Node(self)]


@dataclass(frozen=True)
class Deeper(nnfw.Block):
    depth: int = 0

    def nodes(self, inputs):
        return [Node(Deeper(self.depth + 1))]


@dataclass(frozen=True)
class Of(nnfw.Block):
    """A block whose nodes are `found`."""

    found: object

    def nodes(self, inputs):
        return self.found


CHAIN = nnfw.Chain((Dense(2), Dense(2)))
NO_NAME = "must begin with a letter and consist of letters, digits, '_' and '-', got '1'. Choose another name."
WRONG = {
    "unknown input": (
        [Node(Dense(2), "trunk"), Node(Add(), inputs=("tronk", "previous"))],
        (
            "layers[1].inputs[0] is 'tronk', but no node before it has that name. Did you mean 'trunk'? Names: x, "
            "trunk, previous."
        ),
    ),
    "later node": (
        [Node(Add(), inputs=("b", "previous")), Node(Dense(2), "b")],
        "layers[0].inputs[0] is 'b', but no node before it has that name. It comes later: a node takes nodes be",
    ),
    "itself": (
        [Node(Add(), "c", inputs=("c", "previous"))],
        "layers[0].inputs[0] is 'c', but no node before it has that name. It comes later",
    ),
    "name like a number": ([Node(Dense(2), "1")], f"layers[0].name {NO_NAME}"),
    "reserved name": ([Node(Dense(2), "layers")], "layers[0].name must not be a reserved word, got 'layers'."),
    "name of an input": ([Node(Dense(2), "x")], "layers[0].name must not be that of an input, got 'x'."),
    "name used twice": (
        [Node(Dense(2), "a"), Node(Dense(2), "a")],
        "layers[1].name must differ from that of every node before it, got 'a'. Choose another name.",
    ),
    "several inputs": (
        [Node(Dense(2), "a"), Node(Dense(2), inputs=("a", "previous"))],
        "layers[1].inputs must be one input for 'dense' (built-in), got 2: a, a. Put a layer before it that ",
    ),
    "unknown share": (
        [Node(Dense(2), "trunk"), Node(Dense(2), share="trunc")],
        "layers[1].share is 'trunc', but no node before it has that name. Did you mean 'trunk'?",
    ),
    "share of a block": (
        [Node(CHAIN, "pair"), Node(Dense(2), share="pair")],
        "layers[1].share is 'pair', which is not a single layer. ",
    ),
    "share of a shorter block": (
        [Node(nnfw.Chain((Dense(2),)), "one"), Node(CHAIN, share="one")],
        "layers[1]: Inside layers.1: layers[1].share is 'one.layers.1', which is not a single layer. ",
    ),
    "share of other shapes": (
        [Node(Dense(3), "a"), Node(Dense(2), share="a")],
        (
            "Layer 1 'dense' (built-in): cannot share the parameters of a: it needs {'weight': (2, 3), 'bias': (2,)}, "
            "those are {'weight': (3, 2), 'bias': (3,)}. Give both layers the same options and "
            "inputs of the same shape."
        ),
    ),
    "sum of two shapes": (
        [Node(Dense(3), "a"), Dense(2), Node(Add(), inputs=("a", "previous"))],
        (
            "Layer 2 'add' (built-in): expected inputs of one shape, got (3,) and (2,). The shape (3,) comes from "
            "Layer a 'dense' (built-in), (2,) comes from Layer 1 'dense' (built-in)."
        ),
    ),
    "concatenation of other axes": (
        [Node(Dense(3), "a"), Node(Reshape((2, 1)), inputs=("x",)), Node(Concatenate(), inputs=("a", "previous"))],
        "Layer 2 'concatenate' (built-in): expected inputs that differ in the last axis alone, got (3,) and (2, 1).",
    ),
    "unused node": (
        [Node(Dense(3), "a"), Node(Dense(2), inputs=("x",))],
        (
            "layers[0]: Layer a 'dense' (built-in): no node takes its output, and it is not an output of the network. "
            "Name it among inputs, or remove it."
        ),
    ),
    "block that expands into itself": (
        [Endless()],
        ": 'Endless' expands into itself: one of its nodes is the same block.",
    ),
    "blocks too deep": ([Deeper()], ": blocks are nested more than 32 deep in 'Deeper'. Nest fewer."),
    "block of nothing": ([Of(())], "Layer 0 'Of': nodes returned an empty tuple, expected a list of one Node or more"),
    "block of no nodes": (
        [Of((3,))],
        "A node of Layer 0 'Of': nodes[0] must be a layer: a name, a table with 'type', or",
    ),
    "wrong name in a block": ([Of((Node(Dense(2), "1"),))], f"layers[0]: Inside layers.0: layers[0].name {NO_NAME}"),
    "indices from a layer": (
        [Dense(2), Embedding(3, 2)],
        (
            "layers[1]: Layer 1 'embedding' (built-in): takes indices, which only an input of the network can be, not "
            "Layer 0 'dense' (built-in)."
        ),
    ),
    "indices and numbers": (
        [Embedding(3, 2), Node(Flatten(), "f"), Node(Dense(4), "d", ("x",)), Node(Add(), inputs=("f", "d"))],
        "The input 'x' is taken as indices by one layer and as real numbers by another. Give them two inputs.",
    ),
}


def text_of(error, call, *arguments, **options):
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize(("layers", "expected"), WRONG.values(), ids=WRONG)
def test_network_that_does_not_fit_together_is_refused(layers, expected):
    assert expected in text_of(nnfw.NnfwError, nnfw.Sequential, layers, 2)


@pytest.mark.parametrize(
    ("layers", "input_shape", "outputs", "expected"),
    [
        ([Dense(2)], {"n": 2, "c": 1}, (), "layers[0].inputs must name inputs of the network: n, c."),
        (
            [Node(Dense(2), inputs=("n",))],
            {"n": 2, "c": 1},
            (),
            "input_shape.c: No layer takes the input c. Name it among the inputs of one, or remove it.",
        ),
        ([Node(Dense(2), "a")], 2, ("a", "q"), "outputs names 'q', which is no node. Nodes: a."),
        ([Dense(2)], {3: 2}, (), "input_shape.3 is a key that is not text."),
    ],
    ids=["first node", "unused input", "output", "key"],
)
def test_inputs_and_outputs_that_do_not_fit_are_refused(layers, input_shape, outputs, expected):
    assert text_of(nnfw.ConfigError, nnfw.Sequential, layers, input_shape, outputs=outputs) == expected


def test_a_thousand_nodes_are_built_and_used():
    model = nnfw.Sequential([ActivationLayer("identity")] * 1000, 2)
    np.testing.assert_array_equal(model.predict(np.ones((1, 2))), np.ones((1, 2)))


# --- data -------------------------------------------------------------------------------------------------------------

N, C = np.ones((4, 2)), np.zeros((4, 1), int)


@pytest.fixture
def two_inputs():
    """A network of numbers n and indices c below 3."""
    numbers, indices = Node(Dense(2), "a", ("n",)), Node(Embedding(3, 2), "e", ("c",))
    return nnfw.Sequential([numbers, indices, Flatten(), Node(Add(), inputs=("a", "previous"))], {"n": 2, "c": 1})


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (N, "x must give one for each input by name: n, c, got array("),
        ({"n": N}, "x lacks the input c. It has: n."),
        ({"n": N, "c": C, "d": C}, "x has d, which is no input of the network. It takes: n, c."),
        ({"n": N, "c": C[:2]}, "The inputs in x must have one entry per example, got 'n': 4, 'c': 2."),
        (
            {"n": N, "c": C + 0.0},
            (
                "x['c'] must hold indices, whole numbers from 0 to 2, got float64. Give an array of integers; floats "
                "are not rounded."
            ),
        ),
        ({"n": N, "c": C + 3}, "x['c'] holds the index 3 in row 0 (the first is row 0), expected 0 to 2."),
        (
            {"n": N, "c": C - np.eye(4, 1, -2, int)},
            "x['c'] holds the index -1 in row 2 (the first is row 0), expected ",
        ),
    ],
    ids=["array", "missing", "further", "length", "floats", "above", "below"],
)
def test_inputs_of_predict_and_fit_that_do_not_fit_are_refused(two_inputs, x, expected):
    before = two_inputs.parameters.vector.copy()
    assert expected in text_of(nnfw.DataError, two_inputs.predict, x)
    assert expected in text_of(nnfw.DataError, two_inputs.fit, x, N, cost="mse", optimizer="sgd")
    np.testing.assert_array_equal(two_inputs.parameters.vector, before)


Y = {"a": N, "b": N[:, :1]}
COSTS = {"a": "mse", "b": "mse"}


@pytest.mark.parametrize(
    ("y", "options", "expected"),
    [
        (Y, {"cost": "mse"}, "cost must give one for each output by name: a, b, got 'mse'. Write {'a': ...}."),
        (Y, {"cost": {"a": "mse"}}, "cost lacks the output b. It has: a."),
        (Y, {"cost": COSTS | {"c": "mse"}}, "cost has c, which is no output of the network. It takes: a, b."),
        (
            Y,
            {"cost": COSTS | {"a": {"type": "mse", "weight": -1}}},
            "cost.a.weight must be greater than or equal to 0, got -1.",
        ),
        ({"a": N}, {"cost": COSTS}, "y lacks the output b. It has: a."),
        (
            Y | {"b": N},
            {"cost": COSTS},
            (
                f"y['b']: MSE: y must have shape (N, 1), one value for each output of an example, got {N.shape}. Give "
                "it that shape, or change the output layer."
            ),
        ),
        (
            Y,
            {"cost": COSTS, "metrics": ["mse"]},
            "metrics must be lists by the names of the outputs, a, b, got a list.",
        ),
        (
            Y,
            {"cost": COSTS, "metrics": {"q": ["mse"]}},
            "metrics has q, which is no output. Outputs: a, b.",
        ),
    ],
    ids=["one cost", "missing cost", "further cost", "weight", "labels", "shape", "metrics", "metrics of no output"],
)
def test_what_does_not_fit_the_outputs_is_refused(y, options, expected):
    model = nnfw.Sequential([Node(Dense(2), "a"), Node(Dense(1), "b")], 2, outputs=("a", "b"))
    assert text_of(nnfw.NnfwError, model.fit, N, y, optimizer="sgd", **options) == expected


@pytest.mark.parametrize(
    ("values", "lengths", "expected"),
    [
        (
            np.ones((2, 3, 2)),
            [1, 4],
            "must lie between 0 and 3, the number of time steps, got 4 in row 1 (the first is",
        ),
        (np.ones((2, 3, 2)), [-1, 3], "must lie between 0 and 3, the number of time steps, got -1 in row 0"),
        (
            np.ones((2, 3, 2)),
            [1.0, 3.0],
            "must be whole numbers, one for each of 2 examples, got float64 of shape (2,)",
        ),
        (np.ones((2, 3, 2)), [3], "must be whole numbers, one for each of 2 examples, got int64 of shape (1,)"),
    ],
    ids=["above", "below", "floats", "count"],
)
def test_lengths_that_do_not_fit_are_refused(values, lengths, expected):
    model = nnfw.Sequential([ActivationLayer("tanh")], (3, 2))
    assert f"The lengths of x {expected}" in text_of(nnfw.DataError, model.predict, Padded(values, lengths))


def test_lengths_without_an_axis_of_time_are_refused():
    model = nnfw.Sequential([ActivationLayer("tanh")], ())
    expected = "x has lengths, but no axis of time: expected shape (N, T, ...), got (2,)."
    assert text_of(nnfw.DataError, model.predict, Padded(np.ones(2), [1, 1])) == expected
