"""The network on a page: a box for each layer, an edge for each input, frames around what comes several times."""

import re

import pytest

from nnfw.experiments import check_experiment, summarise
from nnfw.plugins import default_registry
from nnfw.reporting.drawing import MOST_BOXES, picture_of
from nnfw.reporting.markup import to_html
from nnfw.toml import Document

registry = default_registry()


def summary_of(layers, shape=(8,), *, measured=False, **model):
    table = {
        "data": {"source": {"type": "npy", "x": "x.npy", "y": "y.npy"}},
        "model": {"layers": layers, "input_shape": list(shape), **model},
        "cost": {"type": "mse"},
        "optimizer": {"type": "adam"},
    }
    return summarise(check_experiment(Document(table, "test"), registry), registry, measured=measured)


def dense(**options):
    return {"type": "dense", "units": 8, **options}


RESIDUAL = {"type": "residual", "layers": [dense(activation="relu"), dense()]}


def places_in(text):
    return [tuple(map(int, found)) for found in re.findall(r"translate\((\d+),(\d+)\)", text)]


def test_chain_is_a_column_of_boxes():
    text = to_html(picture_of(summary_of([dense(activation="relu"), dense(name="last")])))
    places = places_in(text)
    assert len(places) == 3
    assert len({x for x, _ in places}) == 1
    assert [y for _, y in places] == sorted(y for _, y in places)
    assert text.count('class="edge"') == 2
    assert all(word in text for word in (">input<", ">0<", ">last<", ">dense · relu<", ">8 · 72 parameters<"))
    assert 'class="frame"' not in text


def test_residual_branch_is_beside_the_edge_of_its_input():
    text = to_html(picture_of(summary_of([dense(), RESIDUAL, dense()])))
    lanes = [x for x, _ in places_in(text)]
    assert lanes[0] == lanes[1] == lanes[4] == lanes[5]
    assert lanes[2] == lanes[3] > lanes[1]
    assert text.count('class="edge"') == 6


def test_branches_are_level():
    parallel = {"type": "parallel", "layers": [dense(), dense(), dense()], "merge": {"type": "concatenate"}}
    places = places_in(to_html(picture_of(summary_of([dense(), parallel]))))
    assert len({y for _, y in places[2:5]}) == 1
    assert len({x for x, _ in places[2:5]}) == 3


def test_no_two_boxes_are_at_one_place():
    parallel = {"type": "parallel", "layers": [RESIDUAL, dense(), RESIDUAL], "merge": {"type": "concatenate"}}
    places = places_in(to_html(picture_of(summary_of([parallel, dense(), RESIDUAL]))))
    assert len(set(places)) == len(places)


def test_repeated_part_has_a_frame_with_its_name():
    text = to_html(picture_of(summary_of([dense(), {"type": "repeat", "times": 50, "layers": [RESIDUAL]}])))
    assert "50 × residual, 1.0.0 to 1.49.0" in text
    assert text.count('class="frame"') == 1
    assert text.count('class="box"') == 5


def test_shares_are_bars_with_percentages():
    found = summary_of([dense(), {"type": "repeat", "times": 3, "layers": [RESIDUAL]}], measured=True)
    text = to_html(picture_of(found))
    assert text.count('class="time"') == text.count('class="memory"') == 4
    assert re.search(r"3 × residual, 1.0.0 to 1.2.0 · \d+% of the time · \d+% of the memory", text)
    assert sum(row.share.time for row in found.layers) == pytest.approx(1)
    assert "share of the time" in text
    assert "share of the time" not in to_html(picture_of(summary_of([dense()])))


def test_network_with_too_many_boxes_has_no_picture():
    layers = [dense(units=2 + index % 2) for index in range(MOST_BOXES)]
    assert picture_of(summary_of(layers)) is None


def test_network_with_too_many_branches_has_no_picture():
    parallel = {"type": "parallel", "layers": [dense(units=n) for n in range(1, 20)], "merge": {"type": "concatenate"}}
    assert picture_of(summary_of([parallel])) is None


def test_long_name_is_cut():
    long = "a" * 60
    text = to_html(picture_of(summary_of([dense(name=long), dense()])))
    assert f"…{long[:29]}<" in text
