"""δ of the layers on a page: colours, verdicts, figures, and runs without it."""

import json
import shutil
from dataclasses import replace

import pytest

from nnfw.network import Health, verdict_of
from nnfw.plugins import default_registry
from nnfw.reporting import report
from nnfw.reporting.layers import MOST_ROWS, Course, courses_in, layers
from nnfw.reporting.markup import to_html
from nnfw.runs import Access, read_run


def look(epoch, *courses):
    """Return a look at layers, given ‖δ‖ and the share of dead units of each."""
    row = {"epoch": epoch}
    for layer, (delta, dead) in enumerate(courses):
        row |= {f"layers.{layer}.delta": delta, f"layers.{layer}.outputs": 1.0, f"layers.{layer}.dead": dead}
    return row


LOOKS = (
    look(0, (1e-7, 0.0), (1.0, 0.0)),
    look(1, (1e-4, 0.0), (1.0, 0.6)),
    look(2, (None, 0.0), (1.0, 0.6)),
)


@pytest.fixture
def copy(digits, tmp_path):
    """Return a run without verdicts, to be changed."""
    return shutil.copytree(digits, tmp_path / "copy")


@pytest.mark.parametrize(
    ("delta", "reference", "expected"),
    [
        (1.0, 1.0, 0),
        (0.11, 1.0, 0),
        (0.09, 1.0, -1),
        (50.0, 1.0, 1),
        (2e-3, 1.0, -2),
        (9e-4, 1.0, -3),
        (1.1e3, 1.0, 3),
        (1e-5, 1e-5, 0),
        (1e-7, 1.0, -4),
        (1e7, 1.0, 4),
        (0.0, 1.0, -4),
        (0.0, 0.0, 0),
        (float("inf"), 1.0, 4),
    ],
)
def test_level_is_the_distance_from_the_outputs_in_decades(delta, reference, expected):
    assert Course("0", (delta,), (reference,), (0.0,)).level(0) == expected


def test_courses_are_those_of_the_looks():
    first, second = courses_in(LOOKS)
    assert (first.name, first.deltas) == ("0", (1e-7, 1e-4, float("inf")))
    assert (second.name, second.dead) == ("1", (0.0, 0.6, 0.6))
    assert (first.verdict, second.verdict) == ("exploding", "dead")
    assert courses_in([]) == []
    assert [each.name for each in courses_in([*LOOKS, look(3, (1.0, 0.0))])] == ["0"]


def recurrent(name, *sizes):
    verdict = verdict_of(sizes[0], 0, sizes[-1])
    return Health(name, "gru", (3,), 0, 1, 0, 1, 1.0, 1.0, 0, "", through_time=sizes, time_verdict=verdict)


def test_page_shows_how_delta_goes_back_through_time(copy):
    now = [recurrent("0", 1e-7, 1e-2, 1.0), recurrent("1", 0.5, 1.0), recurrent("2", 0.9, 1.0, 2.0)]
    text = to_html(layers(read_run(copy), LOOKS, now))
    assert "δ through time" in text
    assert "Vanishing through time: layer 0: ‖∂C/∂h_t‖ of the first of 3 steps is 1e-07" in text
    assert "‖∂C/∂h_t‖ of 2 layers by time steps before the last. At the end: 0 vanishing." in text
    assert "‖∂C/∂h_t‖ of 1 layer by time steps before the last. At the end: all are well." in text
    assert "0, time steps before the last 2: ‖∂C/∂h_t‖ = 1e-07, last step 1" in text
    well = to_html(layers(read_run(copy), LOOKS, now[1:]))
    assert "δ neither vanishes nor explodes on its way through time." in well
    for other in ((), "there is no data", [replace(now[0], through_time=())]):
        assert "through time" not in to_html(layers(read_run(copy), LOOKS, other))


def test_page_of_a_recurrent_run_shows_it(trained):
    text = """
data.source = "digits"
model.layers = [
    { type = "reshape", shape = [8, 8] },
    { type = "lstm", units = 4 },
    { type = "dense", units = 10, activation = "softmax" },
]
cost.type = "cross_entropy"
optimizer.type = "adam"
training.epochs = 1
"""
    page = report(trained(text), Access(default_registry()))
    assert "‖∂C/∂h_t‖ of 1 layer by time steps before the last" in page


def test_page_has_a_rectangle_for_each_change(copy):
    text = to_html(layers(read_run(copy), LOOKS))
    assert [text.count(f'class="l{level}"') for level in (-4, -3, 0, 4)] == [1, 1, 1, 1]
    assert "0, epoch 0: ‖δ‖ = 1e-07, outputs 1" in text
    assert "1, epoch 0 to 2: ‖δ‖ = 1, outputs 1" in text
    assert "At the end: 0 exploding, 1 dead." in text
    assert "60% dead" in text


def test_page_shows_the_verdicts_of_the_record(copy):
    record = json.loads((copy / "record.json").read_text()) | {"verdicts": ["Dead: <b>layer 1</b>."]}
    (copy / "record.json").write_text(json.dumps(record))
    text = report(copy, Access(default_registry()))
    assert "Dead: &lt;b&gt;layer 1&lt;/b&gt;." in text
    assert "No layer is vanishing" not in text


def test_page_of_a_run_that_learned_says_so(digits):
    text = report(digits, Access(default_registry()))
    assert "No layer is vanishing, exploding or dead at the end." in text
    assert "from epoch 0 to 4; epoch 0 is before the training" in text


def test_page_of_an_older_run_says_that_there_is_nothing(copy):
    (copy / "layers.jsonl").unlink()
    assert "The run has not recorded them." in report(copy, Access(default_registry()))


def test_page_of_a_run_with_a_damaged_file_says_why(copy):
    (copy / "layers.jsonl").write_text("[]\n[]\n")
    assert "layers.jsonl:1: expected a table with the number of an epoch" in report(copy, Access(default_registry()))


def test_many_layers_are_thinned(copy):
    text = to_html(layers(read_run(copy), [look(0, *[(1.0, 0.0)] * (3 * MOST_ROWS))]))
    assert "One in 3 layers is drawn." in text
    assert text.count('class="up"') == MOST_ROWS
