"""Nodes: names, inputs, blocks; what is wrong with them is named."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw import Node
from nnfw.network import expansion
from nnfw.plugins import default_registry
from nnfw_standard import Add, Concatenate, Dense, Embedding, Parallel, Repeat, Residual


def names_of(layers, input_shape=3, **settings):
    """Return the names of the nodes of a network, each with the names of its inputs."""
    graph = nnfw.Sequential(layers, input_shape, **settings).network.graph
    names = [*graph.inputs, *(place.name for place in graph.nodes)]
    return {place.name: tuple(names[source] for source in place.sources) for place in graph.nodes}


def test_chain_takes_what_comes_before():
    assert names_of([Dense(3), Dense(3)]) == {"layers.0": ("x",), "layers.1": ("layers.0",)}


def test_node_takes_the_inputs_that_it_names():
    found = names_of([Node(Dense(3), "a"), Dense(3), Node(Add(), inputs=("a", "previous", "layers.1", "x"))])
    assert found["layers.2"] == ("a", "layers.1", "layers.1", "x")


def test_block_has_the_names_of_its_nodes_below_its_own():
    block = Residual((Dense(3), Node(Dense(3), "end")), shortcut=Dense(3))
    assert names_of([Node(block, "block"), Dense(2)]) == {
        "block.layers.0": ("x",),
        "block.end": ("block.layers.0",),
        "block.shortcut": ("x",),
        "block.layers.3": ("block.end", "block.shortcut"),
        "layers.1": ("block.layers.3",),
    }


def test_name_of_a_block_is_that_of_its_output():
    found = names_of([Node(Repeat((Dense(3),), 2), "twice"), Dense(3), Node(Add(), inputs=("twice", "previous"))])
    assert found["layers.2"] == ("twice.layers.1.layers.0", "layers.1")


def test_names_in_a_block_are_looked_up_there_first_and_with_a_dot_in_the_network():
    inner = (Node(Dense(3), "a"), Node(Add(), inputs=("a", ".a", "x")))
    found = names_of([Node(Dense(3), "a"), nnfw.Chain(inner)])
    assert found["layers.1.layers.1"] == ("layers.1.a", "a", "x")


def test_branches_of_parallel_take_the_same_inputs():
    found = names_of([Dense(3), Parallel((Dense(2), nnfw.Chain((Dense(4), Dense(2)))))])
    assert found["layers.1.layers.0"] == found["layers.1.layers.1.layers.0"] == ("layers.0",)
    assert found["layers.1.layers.2"] == ("layers.1.layers.0", "layers.1.layers.1.layers.1")


def test_sharing_with_a_block_shares_node_by_node():
    tower = nnfw.Chain((Dense(4, activation="tanh"), Dense(2)))
    layers = [
        Node(tower, "left", ("a",)),
        Node(tower, "right", ("b",), share="left"),
        Node(Add(), inputs=("left", "right")),
    ]
    model = nnfw.Sequential(layers, {"a": 3, "b": 3})
    assert list(model.parameters) == [f"left.layers.{k}.{name}" for k in (0, 1) for name in ("weight", "bias")]
    x = np.ones((1, 3))
    assert model.predict({"a": x, "b": x}) == pytest.approx(2 * model.predict({"a": x, "b": x}) / 2)


@dataclass(frozen=True)
class Itself(nnfw.Block):
    """A block that contains itself."""

    def nodes(self, inputs):
        return [Node(self)]


@dataclass(frozen=True)
class Deeper(nnfw.Block):
    """A block that contains another one, without end."""

    depth: int = 0

    def nodes(self, inputs):
        return [Node(Deeper(self.depth + 1))]


@dataclass(frozen=True)
class Returns(nnfw.Block):
    """A block that returns no nodes."""

    what: tuple | None

    def nodes(self, inputs):
        return self.what


D = Dense(3)
MISTAKES = {
    "unknown input": ([Node(D, inputs=("trnk",))], r"^layers\[0\]\.inputs\[0\] is 'trnk', but no node before it"),
    "near input": ([Node(D, "trunk"), Node(D, inputs=("trnk",))], r"\['trnk'|'trnk', but .* Did you mean 'trunk'\?"),
    "later node": ([Node(D, inputs=("b",)), Node(D, "b")], r"is 'b', but .* It comes later: a node takes nodes before"),
    "itself": ([D, Node(D, "a", ("a",))], r"layers\[1\]\.inputs\[0\] is 'a', but .* It comes later"),
    "name twice": (
        [Node(D, "a"), Node(D, "a")],
        r"layers\[1\]\.name must differ from that of every node before it, got",
    ),
    "number": (
        [Node(D, "3")],
        r"layers\[0\]\.name must begin with a letter and consist of .*, got '3'\. Choose another",
    ),
    "dots": ([Node(D, "a.b")], r"layers\[0\]\.name must begin with a letter and consist of letters"),
    "reserved": ([Node(D, "layers")], r"layers\[0\]\.name must not be a reserved word, got 'layers'"),
    "input's name": ([Node(D, "x")], r"layers\[0\]\.name must not be that of an input, got 'x'"),
    "two inputs": (
        [Node(D, "a"), Node(D, inputs=("a", "x"))],
        r"layers\[1\]\.inputs must be one input for 'dense' \(built-in\), got 2: a, x\. Put a layer before it that",
    ),
    "dead end": ([Node(D, "a"), Node(D, inputs=("x",))], r"layers\[0\]: Layer a 'dense' .*: no node takes its output"),
    "share unknown": ([Node(D, share="q")], r"layers\[0\]\.share is 'q', but no node before it has that name"),
    "share of an input": ([Node(D, share="x")], r"layers\[0\]\.share is 'x', which is not a single layer"),
    "inside a block": (
        [nnfw.Chain((D, Node(D, inputs=("q",))))],
        r"layers\[0\]: Inside layers\.0: layers\[1\]\.inputs\[0\] is 'q', but no node before it has that name",
    ),
    "outermost name": (
        [Node(D, "trunk"), nnfw.Chain((D, Node(D, inputs=(".trnk",))))],
        r"\.inputs\[0\] is '\.trnk', but .* Did you mean '\.trunk'\? Names: \.x, \.trunk, \.layers\.1\.layers\.0\.$",
    ),
    "block in itself": ([Itself()], r"layers\[0\].*Itself' expands into itself"),
    "no end": ([Deeper()], r"layers\[0\].*blocks are nested more than 32 deep in 'Deeper'\. Nest fewer"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_in_a_node_is_named_with_its_place(name):
    layers, message = MISTAKES[name]
    with pytest.raises(nnfw.ConfigError, match=message):
        nnfw.Sequential(layers, 3)


@pytest.mark.parametrize("what", [None, (), ("dense", 3)], ids=str)
def test_block_that_returns_no_nodes_is_named(what):
    error = nnfw.ConfigError if what else nnfw.PluginError
    with pytest.raises(
        error, match=r"^Layer 0 'Returns': nodes returned|^layers\[0\]: A node of Layer 0 'Returns': nodes\["
    ):
        nnfw.Sequential([Returns(what)], 3)


@dataclass(frozen=True)
class TwoInputs(nnfw.Block):
    """A block that needs two inputs."""

    def nodes(self, inputs):
        return [Node(Add(), inputs=(inputs[0], inputs[1]))]


def test_block_that_fails_is_named_with_its_inputs():
    message = r"^Layer 0 'TwoInputs': nodes\(\('\.x',\)\) failed: .*tuple index out of range"
    with pytest.raises(nnfw.PluginError, match=message):
        nnfw.Sequential([TwoInputs()], 3)


@dataclass(frozen=True)
class Picky(nnfw.Block):
    """A block that refuses its inputs on purpose."""

    def nodes(self, inputs):
        raise nnfw.ShapeError("takes two inputs or more.")


def test_refusal_of_a_block_is_handed_on_with_its_name():
    with pytest.raises(nnfw.ShapeError, match=r"^Layer 1\.0 'Picky': takes two inputs or more\.$") as caught:
        nnfw.Sequential([D, nnfw.Chain((Picky(),))], 3)
    assert caught.value.path == ("layers", 1)


def test_input_that_nothing_takes_is_refused():
    with pytest.raises(nnfw.ConfigError, match=r"No layer takes the input b\. Name it among the inputs of one, or"):
        nnfw.Sequential([Node(D, inputs=("a",))], {"a": 3, "b": 3})


def test_first_node_of_a_network_with_several_inputs_must_name_its_own():
    with pytest.raises(nnfw.ConfigError, match=r"layers\[0\]\.inputs must name inputs of the network: a, b\."):
        nnfw.Sequential([D, Node(Add(), inputs=("a", "b"))], {"a": 3, "b": 3})


def test_output_that_is_no_node_is_refused():
    with pytest.raises(nnfw.ConfigError, match=r"outputs names 'b', which is no node\. Nodes: a\."):
        nnfw.Sequential([Node(D, "a")], 3, outputs=("b",))


def test_merge_of_shapes_that_do_not_fit_names_all_of_them():
    layers = [Node(Dense(4), "a"), Node(Dense(5), "b"), Node(Add(), inputs=("a", "b", "x"))]
    message = (
        r"^Layer 2 'add' \(built-in\): expected inputs of one shape, got \(4,\) and \(5,\) and \(3,\)\. The shape "
        r"\(4,\) comes from Layer a 'dense' \(built-in\), \(5,\) comes from Layer b 'dense' \(built-in\), \(3,\) comes "
        r"from the input\.$"
    )
    with pytest.raises(nnfw.ShapeError, match=message):
        nnfw.Sequential(layers, 3)


def test_concatenation_of_shapes_that_differ_elsewhere_is_refused():
    with pytest.raises(nnfw.ShapeError, match=r"expected inputs that differ in the last axis alone, got \(2, 3\) and"):
        nnfw.Sequential([Node(Concatenate(), inputs=("a", "b"))], {"a": (2, 3), "b": (3, 3)})


def test_sharing_between_shapes_that_differ_is_refused():
    layers = [Node(Dense(4), "a"), Node(Dense(4), "b", share="a")]
    message = r"^Layer b 'dense' \(built-in\): cannot share the parameters of a: it needs \{'weight': \(4, 4\), .*those"
    with pytest.raises(nnfw.ShapeError, match=message):
        nnfw.Sequential(layers, 3)


def test_layer_of_indices_after_another_layer_is_refused():
    with pytest.raises(
        nnfw.ConfigError, match=r"Layer 1 'embedding' .*: takes indices, which only an input .*, not Layer"
    ):
        nnfw.Sequential([Dense(3), Embedding(5, 2)], 3)


def test_input_taken_as_indices_and_as_numbers_is_refused():
    layers = [Embedding(5, 3), "flatten", Node(Dense(6), inputs=("x",)), Node(Add(), inputs=("layers.1", "previous"))]
    with pytest.raises(
        nnfw.ConfigError,
        match=r"^input_shape\.x: The input 'x' is taken as indices by one layer and as real numbers by",
    ):
        nnfw.Sequential(layers, 2)


def test_network_of_a_thousand_nodes_trains_and_is_checked():
    layers = [Node(Dense(2), "first"), *[Node(Add(), inputs=("previous", "previous")) for _ in range(20)]]
    layers += [nnfw.Chain((Dense(2, activation="tanh"),)) for _ in range(980)]
    model = nnfw.Sequential(layers, 2)
    assert len(model.network.graph.nodes) == 1001
    x = np.ones((4, 2))
    history = model.fit(x, x, cost="mse", optimizer="sgd", accelerator="none", epochs=1)
    assert np.isfinite(history["cost"][0])


def test_all_mistakes_in_names_and_inputs_are_reported_at_once():
    layers = [Node(D, "3"), Node(D, "a", ("q",)), Node(D, "a", share="r"), nnfw.Chain((Node(D, inputs=("s",)),))]
    with pytest.raises(nnfw.ConfigError) as caught:
        nnfw.Sequential(layers, 3)
    lines = str(caught.value).splitlines()
    assert [line.partition(" ")[0] for line in lines] == [
        "layers[0].name",
        "layers[1].inputs[0]",
        "layers[2].name",
        "layers[2].share",
        "layers[3]:",
    ]


@pytest.mark.parametrize(
    ("layers", "outputs"),
    [([Node(D, "a")], ("a", "a")), ([Node(nnfw.Chain((Node(D, "a"),)), "b")], ("b", "b.a"))],
    ids=["name", "block and its last node"],
)
def test_output_that_is_named_twice_is_refused(layers, outputs):
    with pytest.raises(nnfw.ConfigError, match=r"outputs names one node twice: .*\. Name each output once\."):
        nnfw.Sequential(layers, 3, outputs=outputs)


@pytest.mark.parametrize("name", ["", "1", "a.b", "layers", "layers.0", "previous", "_a"])
def test_name_of_an_input_that_could_be_another_one_is_refused(name):
    with pytest.raises(nnfw.ConfigError, match=r"input_shape\..*: The name of an input must begin with a letter and"):
        nnfw.Sequential([Node(D, inputs=("a",)), Node(Add(), inputs=("previous", name))], {name: 3, "a": 3})


def test_network_without_inputs_is_refused():
    with pytest.raises(nnfw.ConfigError, match=r"input_shape names no input\. Give one or more\."):
        nnfw.Sequential([D], {})


def test_network_of_too_many_nodes_is_refused(monkeypatch):
    monkeypatch.setattr(expansion, "_MOST_NODES", 1000)
    block = Repeat((Repeat((Repeat((D,), times=100),), times=100),), times=100)
    with pytest.raises(nnfw.ConfigError, match=r"layers\[0\] expands into more than 1,000 nodes\. Repeat fewer of"):
        nnfw.Sequential([block], 3)


def test_repetition_without_end_is_refused():
    with pytest.raises(
        nnfw.ConfigError, match=r"layers\[0\]\.times must be less than or equal to 10000, got 1000000000"
    ):
        nnfw.Sequential([{"type": "repeat", "layers": ["flatten"], "times": 10**9}], 3)


def test_block_of_too_many_nodes_is_refused():
    with pytest.raises(nnfw.ConfigError, match=r"layers\[0\] expands into more than 16,384 nodes\. Repeat fewer of"):
        nnfw.Sequential([Returns((Node(D),) * 10**5)], 3)


def test_repeated_layers_are_checked_once(monkeypatch):
    seen = []
    registry = default_registry()
    original = type(registry).resolve
    monkeypatch.setattr(type(registry), "resolve", lambda *given: [seen.append(given), original(*given)][1])
    model = nnfw.Sequential([Repeat((Dense(2), Dense(2)), times=50)], 2)
    assert len(model.network.graph.nodes) == 100
    assert len(seen) < 20


def test_mistakes_in_names_beyond_a_hundred_are_not_reported():
    with pytest.raises(nnfw.ConfigError) as caught:
        nnfw.Sequential([D, Node(D, inputs=("q",) * 1000)], 3)
    assert len(caught.value.mistakes) == 100


def test_inputs_beyond_all_measure_are_refused():
    with pytest.raises(nnfw.ConfigError, match=r"input_shape must have at most 16,384 entries, got 16,385\."):
        nnfw.Sequential([D], {f"i{k}": 3 for k in range(16_385)})
