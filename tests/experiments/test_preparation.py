"""From an experiment to data and a network: what is found before anything is trained."""

import re

import numpy as np
import pytest

import nnfw
from nnfw.experiments import preparation, prepare, read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import train
from nnfw_standard import CrossEntropy, Tanh

registry = default_registry()


ARRAYS = """
data = { source = { type = "npy", x = "x.npy", y = "y.npy" } }
model = { layers = [{ type = "dense", units = 3, activation = "softmax" }] }
cost = { type = "cross_entropy" }
optimizer = { type = "sgd", learning_rate = 0.1 }
training = { metrics = ["accuracy"] }
"""


def prepared(experiment, *overrides):
    return prepare(read_experiment(str(experiment), registry, overrides), registry)


def rows(found):
    return {part: tuple(data.rows.tolist()) for part, data in found.parts.items()}


def test_patterns_of_no_parameter_are_named_with_their_places(experiment):
    overrides = ('training.frozen=["trnk.*"]', "optimizer.type=muon", 'optimizer.adam=["head.*", "layers.1.*"]')
    with pytest.raises(nnfw.ConfigError) as caught:
        prepared(experiment, *overrides)
    adam, frozen = str(caught.value).splitlines()
    right = "optimizer.adam has the pattern 'head.*', which is that of no parameter. Parameters: layers.0.weight, "
    assert adam.startswith(f'--set optimizer.adam=["head.*", "layers.1.*"]: {right}')
    assert frozen.startswith("--set training.frozen=[\"trnk.*\"]: training.frozen has the pattern 'trnk.*', which is")


def test_split_follows_the_seed(experiment):
    first, again, other = (rows(prepared(experiment, f"seed={seed}")) for seed in (5, 5, 6))
    assert first == again
    assert all(first[part] != other[part] for part in first)


@pytest.mark.parametrize("units", [1, 3, 6])
def test_outputs_that_are_not_those_of_the_classes_are_refused_with_both_numbers_and_the_layer(experiment, units):
    table = experiment.parent / "table.csv"
    table.write_text(table.read_text() + "".join(f"0.5,red,{kind},3.0\n" for kind in ("huge", "tiny") * 5))
    with pytest.raises(nnfw.ShapeError) as caught:
        prepared(experiment, f"model.layers[1].units={units}")
    assert (
        str(caught.value)
        .partition(": ")[2]
        .startswith(f"Layer 1 'dense' (built-in) gives {units} output{'s' * (units > 1)}, but the target 'kind' has 4")
    )
    assert str(caught.value).endswith("4 classes: big, huge, small, tiny. Give the last layer 4 units.")


def test_outputs_for_two_classes_are_two_or_one(experiment):
    with pytest.raises(
        nnfw.ShapeError, match=r"gives 3 outputs.*2 classes: big, small\. Give the last layer 2 units, or 1\.$"
    ):
        prepared(experiment, "model.layers[1].units=3")
    one = ["model.layers[1].units=1", "model.layers[1].activation=sigmoid", "cost.type=binary_cross_entropy"]
    assert prepared(experiment, *one).model.output_shape == (1,)


def test_softmax_over_a_single_unit_is_refused_with_its_line(experiment):
    text = experiment.read_text()
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "softmax" in row)
    with pytest.raises(nnfw.ConfigError) as caught:
        prepared(experiment, "model.layers[1].units=1")
    message = str(caught.value)
    assert message.startswith(
        f"{experiment}:{line}: Layer 1 'dense' (built-in): softmax over a single unit is always 1"
    )
    assert "For two classes use sigmoid (with the cost binary_cross_entropy)" in message


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_labels_in_an_array_may_be_whole_floats(tmp_path, rng, dtype):
    np.save(tmp_path / "x.npy", rng.random((30, 2)))
    np.save(tmp_path / "y.npy", np.arange(30).astype(dtype) % 3)
    (tmp_path / "arrays.toml").write_text(ARRAYS)
    found = prepared(tmp_path / "arrays.toml")
    assert found.parts["training"].targets[0].dtype == np.intp
    assert found.model.preprocessing.labels(np.eye(3)).tolist() == [0, 1, 2]
    named = prepared(tmp_path / "arrays.toml", 'data.source.classes=["a","b","c"]')
    assert named.model.preprocessing.labels(np.eye(3)).tolist() == ["a", "b", "c"]


def test_labels_in_an_array_that_are_no_whole_numbers_are_refused_as_such(tmp_path, rng):
    np.save(tmp_path / "x.npy", rng.random((30, 2)))
    np.save(tmp_path / "y.npy", np.arange(30) % 3 + 0.5)
    (tmp_path / "arrays.toml").write_text(ARRAYS)
    with pytest.raises(
        nnfw.DataError, match=r"label 0\.5 of example 0 is not a whole number from 0 to 2\. Number the cl"
    ):
        prepared(tmp_path / "arrays.toml")


@pytest.mark.parametrize("metric", ["accuracy", "f1", "confusion_matrix"])
def test_metric_that_cannot_take_a_late_label_is_refused_with_its_line(tmp_path, rng, metric):
    y = np.eye(3)[rng.integers(0, 3, 3000)]
    y[2999] = 1
    np.save(tmp_path / "x.npy", rng.random((3000, 2)))
    np.save(tmp_path / "y.npy", y)
    text = ARRAYS.replace("cross_entropy", "binary_cross_entropy").replace("softmax", "sigmoid")
    (tmp_path / "arrays.toml").write_text(text.replace("accuracy", metric))
    message = (
        rf"^{tmp_path}/arrays\.toml:6: Metric '{metric}' .* does not fit network and labels: .*largest entry, 1, occ"
    )
    with pytest.raises(nnfw.ConfigError, match=message):
        prepared(tmp_path / "arrays.toml")
    several = 'training.metrics=[{type="f1",multilabel=true}]'
    assert prepared(tmp_path / "arrays.toml", several).evaluate("training")["f1"] > 0


def test_outputs_of_a_one_hot_target_are_those_of_its_classes(experiment):
    one_hot = ['data.target_transforms=["one_hot"]', "cost.type=mse", "model.layers[1].activation=sigmoid"]
    assert prepared(experiment, *one_hot).model.output_shape == (2,)
    with pytest.raises(
        nnfw.ShapeError, match=r"gives 1 output, but the target 'kind' has 2 classes.* last layer 2 units\.$"
    ):
        prepared(experiment, *one_hot, "model.layers[1].units=1")


def test_outputs_of_a_regression_are_not_counted_against_classes(experiment):
    numbers = ["data.source.target=height", "data.split.stratify=false", "cost.type=mse", "training.metrics=[]"]
    found = prepared(experiment, *numbers, "model.layers[1].units=1", "model.layers[1].activation=identity")
    assert found.model.output_shape == (1,)


def test_target_with_a_single_class_is_refused(experiment):
    table = experiment.parent / "table.csv"
    table.write_text(table.read_text().replace(",small,", ",big,"))
    with pytest.raises(nnfw.DataError, match=r"'kind' holds a single class, 'big': there is nothing to tell apart"):
        prepared(experiment)


def test_metrics_that_do_not_fit_are_all_told_with_their_place(experiment):
    with pytest.raises(nnfw.ConfigError) as caught:
        prepared(experiment, 'training.metrics=["mse", "accuracy", "r2"]')
    first, second = str(caught.value).splitlines()
    assert "Metric 'mse' (built-in) does not fit network and labels: mse compares each entry of a and y" in first
    assert "Metric 'r2' (built-in) does not fit" in second
    experiment.write_text(experiment.read_text().replace('metrics = ["accuracy"]', 'metrics = ["mae"]'))
    with pytest.raises(nnfw.ConfigError, match=r"small\.toml:29: Metric 'mae'"):
        prepared(experiment)


@pytest.mark.parametrize("row", [10, 59], ids=["early", "last"])
def test_labels_that_a_metric_cannot_take_are_refused_in_every_row_before_anything_is_written(
    experiment, tmp_path, row
):
    table = experiment.parent / "table.csv"
    rows = [f"{number},{0.5 if number == row else number % 2}" for number in range(60)]
    table.write_text("width,kind\n" + "\n".join(rows) + "\n")
    changes = ["data.transforms=[]", "data.split.stratify=false", "cost.type=mse", "model.layers[1].units=1"]
    changes += ["model.layers[1].activation=sigmoid"]
    with pytest.raises(nnfw.ConfigError, match=r"Metric 'accuracy' .* does not fit network and labels: .*0\.5"):
        train(read_experiment(str(experiment), registry, changes), registry, tmp_path / "out")
    assert not (tmp_path / "out").exists()


REGRESSION = ["data.transforms=[]", "data.split.stratify=false", "cost.type=mse", "model.layers[1].units=1"]


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc", "log_loss", "balanced_accuracy"])
def test_metric_of_classes_is_refused_for_a_regression_with_its_line(experiment, metric):
    (experiment.parent / "table.csv").write_text("width,kind\n" + "".join(f"{i},{i / 8}\n" for i in range(60)))
    experiment.write_text(experiment.read_text().replace('"accuracy"', f'"{metric}"'))
    activation = "model.layers[1].activation=sigmoid"
    message = (
        rf"small\.toml:29: Metric '{metric}' .* does not fit .*got the label 0\.\d+\. For labels that are no classes"
    )
    with pytest.raises(nnfw.ConfigError, match=message):
        prepared(experiment, *REGRESSION, activation)


def test_metric_of_probabilities_is_refused_for_other_outputs_with_its_line(experiment):
    experiment.write_text(experiment.read_text().replace('"accuracy"', '"brier"'))
    message = r"small\.toml:29: Metric 'brier' .* it takes outputs from 0 to 1, but the last layer ends in 'identity'"
    with pytest.raises(nnfw.ConfigError, match=message):
        prepared(experiment, "cost.type=mse", "model.layers[1].units=1", "model.layers[1].activation=identity")


def test_output_outside_the_domain_of_the_cost_is_refused_with_its_line_before_data_is_read(experiment, monkeypatch):
    monkeypatch.setattr(CrossEntropy, "domain", (0, 1), raising=False)
    monkeypatch.setattr(Tanh, "range", (-1, 1), raising=False)
    changes = ["data.source.path=none.csv", "model.layers[1].activation=tanh"]
    with pytest.raises(nnfw.ConfigError, match=r"small\.toml:20: Cost 'cross_entropy' .*'tanh'"):
        read_experiment(str(experiment), registry, changes)


def test_shape_in_the_file_that_the_data_does_not_have_is_refused(experiment):
    with pytest.raises(nnfw.ShapeError, match=r"input_shape is \(7,\), but one example of the data has shape \(5,\)"):
        prepared(experiment, "model.input_shape=[7]")


def test_layers_that_do_not_fit_are_named_with_their_plugin(experiment):
    message = r"^--set model\.layers\[0\]=.*: Layer 0 'time_pool' \(built-in\): .* comes from the input"
    with pytest.raises(nnfw.ShapeError, match=message):
        prepared(experiment, "model.layers[0]={ type = 'time_pool' }", "model.input_shape=[5]")


def test_metrics_are_asked_without_a_warning_where_outputs_overflow(experiment, tmp_path):
    table = experiment.parent / "table.csv"
    table.write_text("a,b,kind\n" + "".join(f"{i % 7 - 3}e30,{i % 5}e30,{i}\n" for i in range(20)))
    changes = ["data.transforms=[]", "data.split.stratify=false", "cost.type=mse", "model.layers[1].units=1"]
    changes += ["model.layers[0].activation=relu", "model.layers[1].activation=identity", 'training.metrics=["mse"]']
    with pytest.raises(nnfw.DivergedError):
        train(read_experiment(str(experiment), registry, changes), registry, tmp_path / "out")


def test_classes_of_a_target_without_transforms_are_numbers(experiment):
    (y,) = prepared(experiment).parts["training"].targets
    assert y.dtype == np.intp
    assert set(y.tolist()) == {0, 1}


def test_model_that_no_file_could_hold_is_refused_before_it_is_trained(experiment):
    table = experiment.parent / "table.csv"
    table.write_text(table.read_text().replace(",small,", f",{'s' * 1000},"))
    assert prepared(experiment).model.preprocessing.classes == ("big", "s" * 1000)
    names = ("big", "s" * 1001)
    np.savez(experiment.parent / "table.npz", x=np.eye(60), y=np.array(names * 30))
    source = ['data.source={ type = "npz", path = "table.npz" }', "data.transforms=[]"]
    with pytest.raises(
        nnfw.DataError, match=r"^A model of this data could not be saved: preprocessing\.classes\[1\] .* length ≤ 1000"
    ):
        prepared(experiment, *source)


def test_model_whose_header_would_be_too_large_is_refused_before_it_is_trained(experiment, monkeypatch):
    monkeypatch.setattr(nnfw.storage.container, "_MOST_VALUES", 50)
    with pytest.raises(
        nnfw.DataError, match=r"^A model of this data could not be saved: .* more than 50 values[\w ,]*\.$"
    ):
        prepared(experiment)
    monkeypatch.setattr(preparation, "_MANY", 1)
    with pytest.raises(
        nnfw.DataError,
        match=r"\d columns have transforms of their own: store such numbers as one array, numpy\.s",
    ):
        prepared(experiment)


def test_input_shape_of_more_axes_than_an_array_has_is_refused(experiment):
    with pytest.raises(nnfw.ConfigError, match=r"model\.input_shape must be a list of whole .* of length ≤ 64"):
        prepared(experiment, f"model.input_shape={[1] * 65}")


GROUPED = """
name = "grouped"
[data]
source = { type = "csv", path = "table.csv", target = "y" }
split = { validation = 0.2, test = 0.2, group = "patient" }
[[model.layers]]
type = "dense"
units = 1
[cost]
type = "mse"
[optimizer]
type = "adam"
"""


@pytest.fixture
def grouped(tmp_path, rng):
    """Return an experiment whose table has a column of groups."""
    rows = [f"{k % 12},{rng.normal():.3f},{rng.normal():.3f}" for k in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["patient,x,y", *rows]) + "\n")
    path = tmp_path / "grouped.toml"
    path.write_text(GROUPED)
    return path


def test_group_is_in_one_part_and_no_feature(grouped):
    made = prepared(grouped)
    found = [set((part.rows % 12).tolist()) for part in made.parts.values()]
    assert len(set().union(*found)) == sum(map(len, found)) == 12
    assert [column.name for column in made.model.preprocessing.columns] == ["x"]
    assert made.model.input_shape == (1,)


def test_group_of_the_dataset_splits_as_that_of_the_split(grouped):
    made = prepared(grouped)
    other = prepared(grouped, "data.split={ validation = 0.2, test = 0.2 }", 'data.source.group="patient"')
    for name, part in made.parts.items():
        assert other.parts[name].rows.tolist() == part.rows.tolist()
    assert [column.name for column in other.model.preprocessing.columns] == ["x"]
    assert other.fingerprint != made.fingerprint


def test_group_that_an_input_names_is_a_feature(grouped):
    overrides = ('data.inputs={ x = ["patient", "x"] }',)
    made = prepared(grouped, *overrides)
    assert made.model.input_shape == (2,)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            ('data.split.group="patien"',),
            "data.split.group: there is no column 'patien'. Did you mean 'patient'? Columns: ",
        ),
        (
            ("data.split.stratify=true",),
            "data.split.stratify draws examples class by class, which group leaves no room for. Remove one of them.",
        ),
        (
            ("data.split={ stratify = true, in_order = true }",),
            "data.split.stratify draws examples class by class, which in_order leaves no room for. Remove one of them.",
        ),
        (
            ('data.source.group="patient"',),
            "data.split.group says what the group of the dataset says already. Remove one of them.",
        ),
        (
            ('data.source.time="patient"', "data.split={ in_order = true }"),
            "data.split.in_order says what the time of the dataset says already. Remove one of them.",
        ),
        (
            ('data.source.time="patient"', "data.split={ stratify = true }"),
            "data.split.stratify draws examples class by class, which time leaves no room for. Remove one of them.",
        ),
        (
            ('data.source={ type = "digits" }', 'data.split.group="pixels"'),
            "data.split.group names the column 'pixels', whose entries have the shape (64,). Name one with a ",
        ),
    ],
)
def test_split_that_the_data_cannot_follow_is_refused(grouped, overrides, text):
    with pytest.raises(nnfw.ConfigError, match=re.escape(text)):
        prepared(grouped, *overrides)
