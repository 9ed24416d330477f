"""Networks as pictures: what is folded, and which lane each edge takes."""

import itertools

import numpy as np
import pytest

import nnfw
from nnfw import Chain, Node
from nnfw.experiments.picture import Picture, drawn, repeated_parts
from nnfw.plugins import default_registry
from nnfw_standard import Add, Dense, Flatten, Parallel, Repeat, Residual, TransformerDecoder, TransformerEncoder

registry = default_registry()


def picture_of(*layers, input_shape=8, **options):
    network = nnfw.Sequential(layers, input_shape, **options).network
    sources = [place.sources for place in network.graph.nodes]
    return Picture.of(len(network.inputs), sources, repeated_parts(network.graph, network.shapes, registry))


def text_of(picture):
    return [line for _, line in drawn(picture)]


def parts_of(picture):
    return [(str(part), part.names) for _, _, part in picture.repeated]


def test_chain_is_a_line():
    assert text_of(picture_of(Dense(8), Dense(2))) == ["○", "●", "●"]


def test_residual_branch_leaves_the_trunk_and_comes_back():
    picture = picture_of(Dense(8), Residual((Dense(8), Dense(8))), Dense(2))
    assert text_of(picture) == ["○", "●", "├─●", "│ ●", "●─╯", "●"]


def test_parallel_branches_have_lanes_of_their_own():
    picture = picture_of(Parallel((Dense(8), Chain((Dense(8), Dense(8))), Dense(3))), Dense(2))
    assert text_of(picture) == ["○", "├─●", "├─│─●", "│ │ ●", "● │ │", "●─┴─╯", "●"]


def test_inputs_wait_in_lanes_until_they_are_taken():
    nodes = [
        Node(Dense(3), name="left", inputs=("a",)),
        Node(Dense(3), name="right", inputs=("b",)),
        Node(Add(), inputs=("left", "right", "a")),
    ]
    picture = picture_of(*nodes, input_shape={"a": 3, "b": 3})
    assert text_of(picture) == ["○", "│ ○", "├─│─●", "│ ● │", "●─┴─╯"]


def test_line_above_shows_the_edges_that_go_down():
    picture = picture_of(Dense(8), Residual((Dense(8), Dense(8))), Dense(2))
    assert [above for above, _ in drawn(picture)] == ["", "│", "│", "│ │", "│ │", "│"]


def test_branch_stays_in_its_lane_though_another_one_has_ended():
    picture = Picture.of(1, [(0,), (0,), (1,), (2,), (0, 4)], [])  # node 3 is an output
    assert text_of(picture) == ["○", "├─●", "├─│─●", "│ ● │", "│   ●", "●───╯"]


@pytest.mark.parametrize("seed", range(40))
def test_no_two_edges_share_a_lane(seed):
    rng = np.random.default_rng(seed)
    sources = [
        tuple(set(rng.integers(max(0, index - 6), index, rng.integers(1, 4)).tolist())) for index in range(2, 30)
    ]
    picture = Picture.of(2, sources, [])
    for rows in (range(30), picture.depths):
        lanes, last = picture.lanes(rows), picture.last_takers(rows)
        for one, other in itertools.combinations(range(30), 2):
            if lanes[one] == lanes[other]:
                first, second = sorted((one, other), key=lambda value: rows[value])
                assert rows[first] < rows[second]
                assert last[first] <= rows[second]


def test_branches_of_equal_length_are_level():
    picture = picture_of(Parallel((Dense(8), Chain((Dense(8), Dense(8))))), Dense(2))
    assert picture.depths == (0, 1, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([Dense(8)] * 6, ("6 × dense", ("0", "5"))),
        ([Repeat((Dense(8, activation="tanh"),), times=20)], ("20 × dense", ("0.0.0", "0.19.0"))),
        ([Repeat((Residual((Dense(8),)),), times=4)], ("4 × residual", ("0.0.0", "0.3.0"))),
        ([Residual((Dense(8),))] * 5, ("5 × residual", ("0", "4"))),
        ([Repeat((Dense(8), Dense(8)), times=3)], ("3 × chain", ("0.0", "0.2"))),
    ],
    ids=["layers", "repeat", "repeated-block", "blocks", "chain"],
)
def test_part_that_comes_several_times_is_folded(layers, expected):
    picture = picture_of(*layers, Dense(2))
    assert parts_of(picture) == [expected]
    ((start, stop, part),) = picture.repeated
    assert len(picture.shown) == 2 + part.count
    assert (start, stop) == (1, part.count)


def test_two_hundred_nodes_of_transformers_are_eleven():
    picture = picture_of(
        Dense(8), Repeat((TransformerEncoder(8, heads=2),), times=28), Flatten(), Dense(2), input_shape=(5, 8)
    )
    assert parts_of(picture) == [("28 × transformer_encoder", ("1.0.0", "1.27.0"))]
    assert text_of(picture) == ["○", "●", "├─●", "│ ●", "●─╯", "├─●", "│ ●", "│ ●", "●─╯", "●", "●"]


def test_decoders_that_share_a_memory_are_folded():
    decoder = TransformerDecoder(8, heads=2)
    nodes = [Node(decoder, name=f"d{k}", inputs=(f"d{k - 1}" if k else "x", "memory")) for k in range(4)]
    picture = picture_of(*nodes, input_shape={"memory": (9, 3), "x": (5, 8)})
    assert parts_of(picture) == [("4 × transformer_decoder", ("d0", "d3"))]


def test_repeated_parts_inside_repeated_parts_are_folded_too():
    picture = picture_of(Repeat((Repeat((Dense(8),), times=4), Residual((Dense(8),))), times=3), Dense(2))
    assert [name for name, _ in parts_of(picture)] == ["3 × chain", "4 × dense"]
    assert text_of(picture) == ["○", "●", "├─●", "●─╯", "●"]


@pytest.mark.parametrize(
    "layers",
    [
        [Dense(8)] * 2,
        [Dense(8), Dense(8, activation="tanh"), Dense(8)],
        [Dense(8), Dense(6), Dense(4)],
        [Node(Dense(8), name="a"), Node(Dense(8), share="a"), Node(Dense(8), name="b")],
    ],
    ids=["twice", "activations", "shapes", "shared"],
)
def test_nodes_that_differ_are_not_folded(layers):
    picture = picture_of(*layers, Dense(2))
    assert picture.repeated == ()
    assert len(picture.shown) == 2 + len(layers)
