"""Sequences from the rows of a table."""

import numpy as np
import pytest

from nnfw.errors import DataError
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import train
from nnfw.testing import run_checks
from nnfw_standard import MSE, SequencesCSV

TABLE = """walk,time,x,y,ground,kind,speed
b,2,3,30,sand,slow,0.5
a,1,1,10,grass,fast,2.5
b,1,4,40,grass,slow,0.25
a,2,2,20,sand,fast,3.5
b,3,5,50,sand,slow,0.75
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.csv").write_text(TABLE)
    return tmp_path


def test_load_rows_of_a_group_are_a_sequence_in_the_order_of_the_file(folder):
    examples = SequencesCSV("a.csv", "walk", "kind", features=("x", "y")).load(folder)
    assert examples.features["steps"].tolist() == [[[3, 30], [4, 40], [5, 50]], [[1, 10], [2, 20], [0, 0]]]
    assert examples.features["length"].tolist() == [3, 2]
    assert (examples.target.tolist(), examples.target_name, examples.classes) == (
        ["slow", "fast"],
        "kind",
        ("fast", "slow"),
    )


def test_load_order_sorts_the_rows_of_each_sequence(folder):
    examples = SequencesCSV("a.csv", "walk", "kind", order="time", features=("x",)).load(folder)
    assert examples.features["steps"][:, :, 0].tolist() == [[4, 3, 5], [1, 2, 0]]


def test_load_order_of_numbers_is_not_that_of_words(folder):
    (folder / "a.csv").write_text("walk,time,x\na,10,3\na,-1,1\na,9,2\n")
    examples = SequencesCSV("a.csv", "walk", None, order="time").load(folder)
    assert examples.features["steps"].tolist() == [[[1], [2], [3]]]


def test_load_words_are_columns_of_their_own(folder):
    examples = SequencesCSV("a.csv", "walk", "kind", order="time").load(folder)
    assert list(examples.features) == ["steps", "ground", "length"]
    assert examples.features["ground"].tolist() == [["grass", "sand", "sand"], ["grass", "sand", ""]]
    assert examples.features["steps"].shape == (2, 3, 3)  # x, y and speed


@pytest.mark.parametrize("target", [None, ""])
def test_load_without_target_takes_all_other_columns(folder, target):
    examples = SequencesCSV("a.csv", "walk", target, order="time").load(folder)
    assert (examples.target, list(examples.features)) == (None, ["steps", "ground", "kind", "length"])


def test_load_target_of_each_step_is_padded(folder):
    numbers = SequencesCSV("a.csv", "walk", "speed", per="step", features=("x",)).load(folder)
    assert numbers.target.tolist() == [[0.5, 0.25, 0.75], [2.5, 3.5, 0.5]]
    words = SequencesCSV("a.csv", "walk", "ground", per="step", features=("x",)).load(folder)
    assert words.target.tolist() == [["sand", "grass", "sand"], ["grass", "sand", "sand"]]
    assert words.classes == ("grass", "sand")


def test_load_numbers_may_be_kept_as_words(folder):
    examples = SequencesCSV("a.csv", "walk", "kind", features=("x",), categorical=("x",)).load(folder)
    assert examples.features["x"].tolist() == [["3", "4", "5"], ["1", "2", ""]]


def test_load_length_pads_all_or_refuses_a_longer_one(folder):
    assert SequencesCSV("a.csv", "walk", "kind", length=4).load(folder).features["steps"].shape == (2, 4, 4)
    message = r"^a\.csv: the sequence 'b' has 3 rows, more than the length of 2\. Set length to 3 or more, or cut it\.$"
    with pytest.raises(DataError, match=message):
        SequencesCSV("a.csv", "walk", "kind", length=2).load(folder)


def test_load_sequence_with_several_targets_is_named(folder):
    message = r"^a\.csv: the sequence 'b' has several values of 'speed': 0\.5 and 0\.25\. Correct them, or set per to"
    with pytest.raises(DataError, match=message):
        SequencesCSV("a.csv", "walk", "speed").load(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "wolk"}, r"^a\.csv: there is no column 'wolk'\. Did you mean 'walk'\?"),
        ({"order": "tim"}, r"^a\.csv: there is no column 'tim'\. Did you mean 'time'\?"),
        ({"features": ("x", "kind")}, r"^a\.csv: 'kind' is the group or the target and cannot be a feature too\.$"),
    ],
    ids=["group", "order", "target as feature"],
)
def test_load_columns_that_do_not_fit_are_refused(folder, options, message):
    with pytest.raises(DataError, match=message):
        SequencesCSV(**{"path": "a.csv", "group": "walk", "target": "kind", **options}).load(folder)


def test_load_row_without_a_group_is_refused(folder):
    (folder / "a.csv").write_text(TABLE.replace("b,1,4", ",1,4").replace("b,3,5", " ,3,5"))
    message = r"^a\.csv: 2 rows have no 'walk', the first is row 3 below the header\. Say to which sequence they belong"
    with pytest.raises(DataError, match=message):
        SequencesCSV("a.csv", "walk", "kind").load(folder)


@pytest.mark.parametrize("name", ["steps", "length"])
def test_load_column_of_words_that_a_feature_would_replace_is_refused(folder, name):
    (folder / "a.csv").write_text(TABLE.replace("ground", name))
    message = (
        rf"^a\.csv: '{name}' is what a feature of all sequences is called, so no column of words can be\. Rename it"
    )
    with pytest.raises(DataError, match=message):
        SequencesCSV("a.csv", "walk", "kind").load(folder)


def test_load_missing_number_names_its_line(folder):
    (folder / "a.csv").write_text(TABLE.replace("a,2,2,", "a,2,,"))
    with pytest.raises(DataError, match=r"^a\.csv:5: column 'x': "):
        SequencesCSV("a.csv", "walk", "kind").load(folder)


def test_sequences_csv_passes_the_kit(folder, monkeypatch):
    monkeypatch.chdir(folder)
    report = run_checks(SequencesCSV("a.csv", "walk", "kind", order="time"))
    assert [(item.check, item.message) for item in report.failures] == []
    assert "dataset.loads_examples" in {item.check for item in report.outcomes if item.status == "passed"}


def test_labels_of_a_step_fit_an_output_of_one_number_each():
    y = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(MSE().targets(y, (3, 1)), y[..., np.newaxis])
    np.testing.assert_array_equal(MSE().targets(y[..., np.newaxis], (3,)), y)


@pytest.mark.parametrize("target", ["sum", "kind"], ids=["numbers", "classes"])
def test_padded_sequences_with_a_target_per_step_train(tmp_path, target):
    rng = np.random.default_rng(0)
    rows = []
    for walk in range(60):
        x = rng.integers(-1, 2, rng.integers(2, 6))
        rows += [f"{walk},{a},{s / 2},{'up' if s > 0 else 'down'}" for a, s in zip(x, np.cumsum(x), strict=True)]
    (tmp_path / "a.csv").write_text("walk,x,sum,kind\n" + "\n".join(rows) + "\n")
    units, activation, cost, metric = {
        "sum": (1, "identity", "mse", "r2"),
        "kind": (2, "softmax", "cross_entropy", "accuracy"),
    }[target]
    (tmp_path / "a.toml").write_text(
        f"""
        [data]
        [data.source]
        type = "sequences_csv"
        path = "a.csv"
        group = "walk"
        target = "{target}"
        per = "step"
        features = ["x"]
        [data.inputs]
        series = {{ columns = ["steps"], lengths = "length" }}
        [[model.layers]]
        type = "gru"
        inputs = ["series"]
        units = 8
        states = "all"
        [[model.layers]]
        type = "dense"
        units = {units}
        activation = "{activation}"
        [cost]
        type = "{cost}"
        [optimizer]
        type = "adam"
        learning_rate = 0.03
        [training]
        epochs = 60
        batch_size = 8
        metrics = ["{metric}"]
        """
    )
    run = train(read_experiment(tmp_path / "a.toml", default_registry()), default_registry(), tmp_path / "run")
    assert run.results["test"][metric] > 0.85
