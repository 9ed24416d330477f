"""What layers show of one example on a page: filters, feature maps, attention with words at its edges."""

import json
import re

import numpy as np
import pytest

from nnfw.plugins import default_registry
from nnfw.reporting import report
from nnfw.reporting.findings import evidence_of, said_of
from nnfw.reporting.inside import MOST_PICTURES, View, _as_grey, inside, views_of
from nnfw.reporting.markup import to_html
from nnfw.runs import Access

registry = default_registry()


def views(path):
    return views_of(evidence_of(path, Access(registry)))


def test_convolutions_are_shown_with_the_feature_maps_of_the_first_example(convolution):
    evidence = evidence_of(convolution, Access(registry))
    views = views_of(evidence)
    assert [(each.title, each.layer, each.values.shape, each.layers) for each in views] == [
        ("filters", "1", (5, 3, 3), 2),
        ("filters", "2", (20, 3, 3), 2),
        ("feature maps", "1", (5, 6, 6), 2),
        ("feature maps", "2", (4, 4, 4), 2),
    ]
    filters, _, maps, _ = views
    model = evidence.prepared.model
    assert np.array_equal(filters.values[:, :, :], model.parameters["layers.1.weight"][:, 0])
    x, window = evidence.examples.features["pixels"][0].reshape(8, 8), model.parameters["layers.1.weight"][2, 0]
    expected = max(0.0, float((x[1:4, 2:5] * window).sum() + model.parameters["layers.1.bias"][2]))
    assert maps.values[2, 1, 2] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_page_has_a_picture_for_each_filter_and_map(convolution):
    page = report(convolution, Access(registry))
    assert 'href="#inside"' in page
    assert "Filters of layer 1" in page
    assert "Feature maps of layer 1" in page
    assert "layers with filters are shown" not in page
    assert len(re.findall(r'alt="filters \d+: 3 × 3, ', page)) == 5 + 20
    assert len(re.findall(r'alt="feature maps \d: 6 × 6, ', page)) == 5
    assert 'alt="The example"' in page
    assert re.search(r"For the first example of the test data: \d[ ,]", page)


def test_page_of_a_network_that_shows_nothing_has_no_such_section(digits):
    assert "Inside the network" not in report(digits, Access(registry))


def test_attention_is_labelled_with_the_characters(text):
    (view,) = views(text)
    assert view.title.startswith("attention")
    assert (view.layer, view.values.shape) == ("1.attention.heads", (2, 6, 6))
    evidence = evidence_of(text, Access(registry))
    assert "".join(view.labels) == "".join(evidence.examples.features["text"][0])
    page = report(text, Access(registry))
    assert page.count('class="row"') == page.count('class="column"') == 2 * 6
    assert "Brightest in each row: " in page
    assert "&lt;" in page


def test_small_values_are_easier_to_see_and_negative_ones_are_dark():
    assert _as_grey(np.array([[[0.0, 0.25, 1.0]]])).ravel().tolist() == [0, 128, 255]
    assert _as_grey(np.array([[[-1.0, 0.0, 1.0]]])).ravel().tolist() == [1, 128, 255]
    assert _as_grey(np.zeros((1, 2, 2))).ravel().tolist() == [0, 0, 0, 0]
    assert _as_grey(np.ones((1, 1200, 3))).shape == (1, 400, 3, 1)


def test_of_many_pictures_the_first_are_shown():
    text = to_html(inside([View("filters", "0", np.ones((100, 3, 3)))], "no data"))
    assert text.count("<img") == MOST_PICTURES
    assert f"Filters of layer 0, {MOST_PICTURES} of 100" in text


def test_of_many_layers_a_few_are_shown_and_the_page_says_how_many(trained):
    layers = [{"type": "reshape", "shape": [1, 8, 8]}]
    layers += [{"type": "conv2d", "filters": 2, "kernel": 3, "padding": "same"}] * 6
    layers += [{"type": "flatten"}, {"type": "dense", "units": 10, "activation": "softmax"}]
    text = f"""
        data.source = "digits"
        model.layers = [{", ".join(map(as_toml, layers))}]
        cost.type = "cross_entropy"
        optimizer.type = "adam"
        training.epochs = 1
    """
    path = trained(text.replace("        ", ""))
    shown = [(view.title, view.layer) for view in views(path)]
    assert shown == [(title, layer) for title in ("filters", "feature maps") for layer in ("1", "3", "6")]
    page = report(path, Access(registry))
    for layer in "136":
        assert f"Filters of layer {layer}; 3 of 6 layers with filters are shown" in page
        assert f"Feature maps of layer {layer}; 3 of 6 layers with feature maps are shown" in page


def as_toml(layer):
    return f"{{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in layer.items())} }}"


def test_section_that_cannot_be_made_says_why():
    assert "Not shown: it broke." in to_html(inside("it broke.", "no data"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array(list("the cat")), "the cat"),
        (np.array(list("abcde" * 20)), "abcde" * 8 + "…"),
        (np.array(["the", "cat", "sat", "down"]), "the, cat, sat, … (4 words)"),
        (np.arange(4), "0, 1, 2, … (4 numbers)"),
        (np.str_("a"), "a"),
    ],
    ids=["characters", "long", "words", "numbers", "one"],
)
def test_sequences_are_named_in_few_words(value, expected):
    assert said_of(value) == expected
