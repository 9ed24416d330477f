"""Applying a trained model to tables, arrays and datasets."""

import shutil
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.data import Examples, Preprocessing
from nnfw.errors import warn
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.protocols import Dataset
from nnfw.runs import Access, costs_of_run, evaluate_on, evaluate_run, open_model, predict, table_delimiter, train
from nnfw.training import load_parameters, newest
from nnfw_standard import Dense

registry = default_registry()

BLOCKS = """
data = { source = { type = "npy", x = "x.npy", y = "y.npy", classes = ["low", "high"] }, transforms = ["standardize"] }
model = { layers = [{ type = "dense", units = 2, activation = "softmax" }] }
cost = { type = "cross_entropy" }
optimizer = { type = "adam", learning_rate = 0.1 }
training = { epochs = 20, batch_size = 16, metrics = ["accuracy"] }
"""


@pytest.fixture
def blocks(tmp_path, monkeypatch, rng):
    """Return a run on one block of numbers that standardizing moves by a thousand, in the current directory."""
    monkeypatch.chdir(tmp_path)
    x = rng.normal(1000.0, 100.0, (200, 3))
    np.save("x.npy", x)
    np.save("y.npy", (x.sum(axis=1) > 3000).astype(int))
    (tmp_path / "blocks.toml").write_text(BLOCKS)
    return train(read_experiment("blocks.toml", registry), registry, tmp_path / "blocks").directory


@pytest.fixture
def python_model():
    """Return a model that was not trained from an experiment: the sum of two numbers."""
    return nnfw.Sequential(
        [Dense(1)], 2, values={"layers.0.weight": [[1.0, 1.0]], "layers.0.bias": [0.0]}, registry=registry
    )


def labels(predictions):
    return predictions.columns[0].tolist()


# arrays


@pytest.fixture
def stopped(run):
    """Return the directory of a run that was interrupted after its training: without model, with its checkpoints."""
    (run.directory / "model.nnfw").unlink()
    record = run.directory / "record.json"
    record.write_text(record.read_text().replace('"finished"', '"interrupted"'))
    return run.directory


def test_run_without_model_has_that_of_its_newest_checkpoint_and_says_so(run, stopped, tmp_path):
    expected = train(read_experiment(str(tmp_path / "small.toml"), registry), registry, tmp_path / "whole").directory
    told = []
    model = open_model(stopped, Access(registry, told.append))
    assert np.array_equal(model.parameters.vector, open_model(expected, Access(registry)).parameters.vector)
    assert told == [f"{stopped} is interrupted and holds no model: its newest checkpoint is used, after epoch 12."]
    with pytest.warns(RuntimeWarning, match="its newest checkpoint is used, after epoch 12"):
        results, same = evaluate_run(stopped, Access(registry))
    assert (results, same) == (run.results, True)
    table = str(tmp_path / "table.csv")
    with pytest.warns(RuntimeWarning, match="its newest checkpoint is used"):
        assert evaluate_on(stopped, table, Access(registry)) == evaluate_on(expected, table, Access(registry))


def test_model_of_a_run_that_has_gone_on_since_is_taken_and_said_to_be_old(run):
    record = run.directory / "record.json"
    record.write_text(record.read_text().replace('"finished"', '"interrupted"'))
    told = []
    assert evaluate_run(run.directory, Access(registry, told.append))[0] == run.results
    open_model(run.directory, Access(registry, told.append))
    assert told == [f"{run.directory} is interrupted: its model is from the last time that its training finished."] * 2
    record.write_text("{")
    assert open_model(run.directory, Access(registry, told.append)).parameters.vector.any()


def test_run_killed_within_an_epoch_has_the_model_of_its_last_step(experiment, tmp_path):
    @dataclass(frozen=True)
    class Kill(nnfw.Callback):
        def step_computed(self, fit, state):
            if fit.step == 8:
                vectors.append(fit.vector.copy())
                raise KeyboardInterrupt

    vectors, told = [], []
    file = read_experiment(str(experiment), registry, ["training.checkpoint_seconds=0"])
    with pytest.raises(KeyboardInterrupt):
        train(file, registry, tmp_path / "run", [Kill()])
    model = open_model(tmp_path / "run", Access(registry, told.append))
    assert np.array_equal(model.parameters.vector, vectors[0])
    assert told[0].endswith(
        " is interrupted and holds no model: its newest checkpoint is used, in epoch 2, after step 7."
    )


@pytest.mark.parametrize(
    "chosen", ['training.average={ type = "ema", decay = 0.8 }', "optimizer.type=schedule_free"], ids=["ema", "own"]
)
def test_run_with_an_average_has_it_in_model_and_checkpoint(experiment, tmp_path, chosen):
    file = read_experiment(str(experiment), registry, [chosen])
    run = train(file, registry, tmp_path / "run")
    model = open_model(run.directory, Access(registry))
    assert evaluate_run(run.directory, Access(registry)) == (run.results, True)
    (run.directory / "model.nnfw").unlink()
    with pytest.warns(RuntimeWarning, match="its newest checkpoint is used, after epoch 12"):
        assert np.array_equal(
            open_model(run.directory, Access(registry, warn)).parameters.vector, model.parameters.vector
        )


def test_run_without_a_trained_step_has_no_model(stopped):
    shutil.rmtree(stopped / "checkpoints")
    match = r"run holds neither a model nor .*: its status is 'interrupted'\. Resume it: nnfw resume .*run --trust$"
    with pytest.raises(nnfw.FileFormatError, match=match):
        open_model(stopped, Access(registry))


def test_checkpoint_is_not_used_with_data_that_has_changed(stopped, tmp_path):
    with (tmp_path / "table.csv").open("a") as file:
        file.write("0.1,red,big,10\n")
    with pytest.raises(nnfw.DataError, match=r"is of another training: data.sha256 is .* holds no model\.$"):
        open_model(stopped, Access(registry))


def test_checkpoint_of_another_network_is_refused(stopped):
    model = open_model(stopped, Access(registry, lambda text: None))
    other = nnfw.Sequential([Dense(1)], 3)
    start = newest(stopped / "checkpoints", registry, warn)
    with pytest.raises(nnfw.FileFormatError, match="does not fit this model: its parameters are float32"):
        load_parameters(other.parameters, start)
    assert model.parameters.vector.any()


def test_array_goes_through_the_preprocessing(blocks):
    found = predict(open_model(blocks, Access(registry)), "x.npy")
    expected = np.where(np.load("y.npy"), "high", "low")
    assert np.mean(np.array(labels(found)) == expected) > 0.95
    assert found.header == ("label", "probability_low", "probability_high")


def test_array_gives_what_the_dataset_of_it_gives(blocks):
    model = open_model(blocks, Access(registry))
    array, dataset = predict(model, "x.npy"), predict(model, "npy:x=x.npy")
    for ours, theirs in zip(array.columns, dataset.columns, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_array_of_one_example_is_one(blocks):
    np.save("one.npy", np.load("x.npy")[0])
    model = open_model(blocks, Access(registry))
    assert labels(predict(model, "one.npy")) == labels(predict(model, "x.npy"))[:1]


def test_array_for_several_columns_is_refused(run, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    with pytest.raises(nnfw.DataError, match=r"takes 3 columns: width, colour, height\. Give it a table"):
        predict(open_model(run.directory, Access(registry)), str(tmp_path / "x.npy"))


def test_array_of_another_shape_is_refused(blocks):
    np.save("wide.npy", np.zeros((2, 4)))
    with pytest.raises(nnfw.DataError, match=r"Column 'x' must have shape \(N, 3\), got \(2, 4\)"):
        predict(open_model(blocks, Access(registry)), "wide.npy")


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x93NUMPY\1\0"], ids=["empty", "archive", "torn"])
def test_array_that_is_none_is_refused(blocks, tmp_path, content):
    (tmp_path / "bad.npy").write_bytes(content)
    with pytest.raises(nnfw.DataError, match=r"^bad\.npy "):
        predict(open_model(blocks, Access(registry)), "bad.npy")


def test_array_without_labels_cannot_be_evaluated(blocks):
    with pytest.raises(nnfw.DataError, match=r"^x\.npy holds no labels\. Name both arrays"):
        evaluate_on(blocks, "x.npy", Access(registry))


# datasets


def test_dataset_with_its_options_is_found_whatever_they_end_in(blocks):
    figures = evaluate_on(blocks, "npy:x=x.npy,y=y.npy", Access(registry))
    assert figures["accuracy"] > 0.95
    whole = evaluate_run(blocks, Access(registry))[0]
    assert min(part["accuracy"] for part in whole.values()) <= figures["accuracy"]


def test_dataset_of_a_table_with_its_options_is_found(run, experiment, monkeypatch):
    monkeypatch.chdir(experiment.parent)
    model = open_model(run.directory, Access(registry))
    named = predict(model, "csv:target=kind,path=table.csv")
    assert labels(named) == labels(predict(model, "table.csv"))


def test_file_of_another_ending_needs_its_dataset(blocks):
    np.savez("x.npz", x=np.zeros((2, 3)))
    with pytest.raises(
        nnfw.DataError,
        match=r"^x\.npz: only tables \(\.csv, .*\.hdf5\) and \.npy files are read directly\. Name .*path=x\.npz",
    ):
        predict(open_model(blocks, Access(registry)), "x.npz")
    with pytest.raises(nnfw.ConfigError, match="^Unknown dataset 'nowhere'"):
        predict(open_model(blocks, Access(registry)), "nowhere")


# models without preprocessing


def test_model_from_python_takes_an_array_as_it_is(python_model, tmp_path):
    np.save(tmp_path / "x.npy", np.array([[1.0, 2.0], [10.0, 20.0]]))
    found = predict(python_model, str(tmp_path / "x.npy"))
    assert found.header == ("output",)
    assert found.columns[0].tolist() == [3.0, 30.0]


def test_model_from_python_takes_all_columns_of_a_table(python_model, tmp_path):
    (tmp_path / "t.csv").write_text("b,a\n1,2\n10,20\n")
    assert predict(python_model, str(tmp_path / "t.csv")).columns[0].tolist() == [3.0, 30.0]
    (tmp_path / "wide.csv").write_text("a,b,c\n1,2,3\n")
    with pytest.raises(nnfw.DataError, match=r"must have shape \(N, 2\)"):
        predict(python_model, str(tmp_path / "wide.csv"))


def test_model_from_python_takes_the_columns_of_a_dataset(python_model):
    assert predict(python_model, "xor").columns[0].tolist() == [0.0, 1.0, 1.0, 2.0]


def test_model_from_python_shapes_a_table_as_it_needs_it(tmp_path):
    model = nnfw.Sequential(["flatten"], (1, 2), registry=registry)
    (tmp_path / "t.csv").write_text("b,a\n1,2\n")
    assert predict(model, str(tmp_path / "t.csv")).tables() == [{"output_0": 1.0, "output_1": 2.0}]


def test_model_from_python_is_evaluated_in_python(python_model, tmp_path):
    python_model.save(tmp_path / "model.nnfw")
    with pytest.raises(nnfw.ConfigError, match=r"model\.nnfw was not trained from an experiment: evaluate it in Pyth"):
        evaluate_on(tmp_path / "model.nnfw", "xor", Access(registry), cost="mse")


@pytest.fixture
def named_model(python_model):
    """Return the model as it is after a training on a frame with the columns b and a: b - a."""
    python_model.preprocessing = Preprocessing.of_names(["b", "a"], "x")
    python_model.parameters["layers.0.weight"] = [[1.0, -1.0]]
    return python_model


def test_model_trained_on_a_frame_takes_the_columns_of_a_table_by_name(named_model, tmp_path):
    (tmp_path / "t.csv").write_text("a,id,b\n1,x,2\n10,y,20\n")
    assert predict(named_model, str(tmp_path / "t.csv")).columns[0].tolist() == [1.0, 10.0]
    (tmp_path / "other.csv").write_text("A,b\n1,2\n")
    with pytest.raises(nnfw.DataError, match=r"^other\.csv: lacks the column 'a'\. Did you mean 'A'\?"):
        predict(named_model, str(tmp_path / "other.csv"))


def test_model_trained_on_a_frame_takes_an_array_by_position(named_model, tmp_path):
    np.save(tmp_path / "x.npy", np.array([[1.0, 2.0], [10.0, 20.0]]))
    assert predict(named_model, str(tmp_path / "x.npy")).columns[0].tolist() == [-1.0, -10.0]
    np.save(tmp_path / "x.npy", np.array([1.0, 2.0]))
    assert predict(named_model, str(tmp_path / "x.npy")).columns[0].tolist() == [-1.0]


def test_model_trained_on_a_frame_is_evaluated_in_python(named_model, tmp_path):
    named_model.save(tmp_path / "model.nnfw")
    with pytest.raises(nnfw.ConfigError, match=r"model\.nnfw was not trained from an experiment: evaluate it in Pyth"):
        evaluate_on(tmp_path / "model.nnfw", "xor", Access(registry), cost="mse")


# classes


SIGMOID = ["model.layers[1].units=1", "model.layers[1].activation=sigmoid", "cost.type=binary_cross_entropy"]


def test_words_as_classes_of_one_sigmoid_output_work_from_training_to_prediction(experiment, tmp_path):
    table = str(experiment.parent / "table.csv")
    run = train(read_experiment(str(experiment), registry, SIGMOID), registry, tmp_path / "run")
    figures = evaluate_on(run.directory, table, Access(registry))
    assert figures["accuracy"] > 0.85
    found = predict(open_model(run.directory, Access(registry)), table)
    assert found.header == ("label", "probability_big", "probability_small")
    label, big, small = found.columns
    np.testing.assert_allclose(big + small, 1, rtol=1e-6)
    assert label.tolist() == np.where(small > 0.5, "small", "big").tolist()
    actual = [line.split(",")[2] for line in (experiment.parent / "table.csv").read_text().splitlines()[1:]]
    assert np.mean(label == actual) == figures["accuracy"]


def test_probabilities_of_one_hot_numbers_are_named_after_the_numbers(experiment, tmp_path):
    table = experiment.parent / "table.csv"
    text = table.read_text().replace(",small,", ",3,").replace(",big,", ",7,")
    table.write_text(text)
    changes = ['data.transforms=["one_hot",{type="standardize",columns=["width","height"]}]']
    changes += ['data.target_transforms=[{type="one_hot",columns=["kind"]}]', "data.split.stratify=false"]
    run = train(read_experiment(str(experiment), registry, changes), registry, tmp_path / "run")
    found = predict(open_model(run.directory, Access(registry)), str(table))
    assert found.header == ("label", "probability_3", "probability_7")
    assert set(labels(found)) <= {3, 7}


# delimiters


TIMES = """
data = { source = { type = "csv", path = "times.csv", target = "time" }, target_transforms = ["standardize"] }
model = { layers = [{ type = "dense", units = 1 }] }
cost = { type = "mse" }
optimizer = { type = "lbfgs" }
training = { epochs = 20 }
"""


@pytest.fixture
def times(tmp_path, monkeypatch):
    """Return a run whose target needs more digits than float32 has, in the current directory."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i / 100},{1_700_000_000 + i}\n" for i in range(200))
    (tmp_path / "times.csv").write_text(f"x,time\n{rows}")
    (tmp_path / "times.toml").write_text(TIMES)
    told: list[str] = []
    return train(read_experiment("times.toml", registry), registry, tmp_path / "times", tell=told.append).directory


def test_predictions_have_the_digits_of_the_target(times):
    found = predict(open_model(times, Access(registry)), "times.csv")
    np.testing.assert_allclose(found.columns[0], 1.7e9 + np.arange(200), rtol=0, atol=1e-3)
    assert [round(float(row[0])) for row in found.rows()] == list(range(1_700_000_000, 1_700_000_200))
    assert found.tables()[3]["time"] == pytest.approx(1_700_000_003, abs=1e-3)


@pytest.mark.parametrize("value", ["1e38", "-1e38"])
def test_prediction_that_is_not_finite_is_refused(tmp_path, value, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = {"layers.0.weight": [[100.0]], "layers.0.bias": [0.0]}
    nnfw.Sequential([Dense(1)], 1, values=values, registry=registry).save("model.nnfw")
    (tmp_path / "x.csv").write_text(f"x\n1\n{value}\n")
    with pytest.raises(nnfw.DataError, match=r"prediction for example 1 \(from 0\) is -?inf\. Check its features"):
        predict(open_model(tmp_path / "model.nnfw", Access(registry)), "x.csv")


def test_cost_that_is_not_finite_is_refused_in_evaluation(times, tmp_path):
    (tmp_path / "far.csv").write_text("x,time\n1e30,1\n")
    with pytest.raises(
        nnfw.DataError, match=r"^The cost of the given data is inf: outputs or labels of an example are"
    ):
        evaluate_on(times, "far.csv", Access(registry))


def test_cost_that_is_not_finite_is_refused_in_evaluation_of_a_run(times, tmp_path):
    table = (tmp_path / "times.csv").read_text()
    for row in range(200):
        table = table.replace(f"\n{row / 100},", "\n1e30,")
    (tmp_path / "times.csv").write_text(table)
    with pytest.raises(nnfw.DataError, match=r"^The cost of the training data is inf: outputs or labels of an example"):
        evaluate_run(times, Access(registry))


def test_cost_that_is_not_finite_is_refused_in_python(python_model):
    with pytest.raises(
        nnfw.DataError, match=r"^The cost of these examples is inf: outputs or labels of an example are"
    ):
        python_model.evaluate(np.full((1, 2), 1e30), np.zeros((1, 1)), cost="mse")


def test_delimiter_is_that_of_the_table_of_the_run(experiment, tmp_path):
    table = experiment.parent / "table.csv"
    table.write_text(table.read_text().replace(",", ";"))
    run = train(read_experiment(str(experiment), registry, ["data.source.delimiter=;"]), registry, tmp_path / "run")
    assert table_delimiter(run.directory) == ";"
    assert table_delimiter(run.directory / "model.nnfw") == ";"
    assert evaluate_on(run.directory, str(table), Access(registry))["accuracy"] > 0.8


def test_delimiter_is_a_comma_where_no_table_is_known(blocks, tmp_path):
    assert table_delimiter(blocks) == "auto"
    assert table_delimiter(tmp_path / "nowhere" / "model.nnfw") == "auto"


# what a cost says of its outputs


@pytest.mark.parametrize("transforms", ["[]", '["standardize"]'], ids=["plain", "standardized"])
@pytest.mark.parametrize(
    ("cost", "units", "names"),
    [("quantile", 3, ["quantile_0.1", "quantile_0.5", "quantile_0.9"]), ("gaussian_nll", 2, ["", "low_95", "high_95"])],
)
def test_interval_of_a_regression_is_in_the_unit_of_the_target(cost, units, names, transforms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 400)
    y = 100 + 50 * x + rng.normal(0, 10, 400)
    lines = "".join(f"{a},{b}\n" for a, b in zip(x, y, strict=True))
    (tmp_path / "table.csv").write_text("x,y\n" + lines)
    (tmp_path / "table.toml").write_text(
        f'''
        data.source = {{ type = "csv", path = "table.csv", target = "y" }}
        data.target_transforms = {transforms}
        model.layers = [{{ type = "dense", units = {units} }}]
        cost = {{ type = "{cost}" }}
        optimizer = {{ type = "adam", learning_rate = {0.05 if "s" in transforms else 1.0} }}
        training.epochs = 60
        '''
    )
    run = train(read_experiment("table.toml", registry), registry, tmp_path / "run").directory
    costs = costs_of_run(run, registry)
    found = predict(open_model(run, Access(registry)), "table.csv", costs=costs)
    assert found.header == tuple("y" + f"_{name}" * bool(name) for name in names)
    columns = dict(zip(names, found.columns, strict=True))
    low, high = (
        (columns[name] for name in (names[-2], names[-1]) if name)
        if cost == "gaussian_nll"
        else (columns["quantile_0.1"], columns["quantile_0.9"])
    )
    inside = ((low <= y) & (y <= high)).mean()
    assert inside == pytest.approx(0.95 if cost == "gaussian_nll" else 0.8, abs=0.06)


def test_model_with_several_numbers_for_a_transformed_target_says_what_to_use(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("x,y\n" + "".join(f"{k},{k * 2}.5\n" for k in range(19)))
    (tmp_path / "table.toml").write_text(
        """
        data.source = { type = "csv", path = "table.csv", target = "y" }
        data.target_transforms = ["standardize"]
        model.layers = [{ type = "dense", units = 3 }]
        cost = { type = "quantile" }
        optimizer = { type = "adam" }
        training.epochs = 1
        """
    )
    run = train(read_experiment("table.toml", registry), registry, tmp_path / "run").directory
    (lone := tmp_path / "alone").mkdir()
    shutil.copy(run / "model.nnfw", lone)
    assert costs_of_run(lone / "model.nnfw", registry) == {}
    message = (
        r"^the network gives 3 numbers for each 'y', and only the cost knows what they are\. Use nnfw predict with"
    )
    with pytest.raises(nnfw.DataError, match=message):
        predict(open_model(lone / "model.nnfw", Access(registry)), "table.csv")


def test_whole_numbers_of_one_sigmoid_are_labels_with_probabilities(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("x,y\n" + "".join(f"{k},{k % 2}\n" for k in range(40)))
    (tmp_path / "table.toml").write_text(
        """
        data.source = { type = "csv", path = "table.csv", target = "y" }
        model.layers = [{ type = "dense", units = 1, activation = "sigmoid" }]
        cost = { type = "binary_cross_entropy" }
        optimizer = { type = "adam" }
        training.epochs = 1
        """
    )
    run = train(read_experiment("table.toml", registry), registry, tmp_path / "run").directory
    found = predict(open_model(run, Access(registry)), "table.csv")
    assert found.header == ("label", "probability_0", "probability_1")
    label, no, yes = found.columns
    assert label.dtype.kind == "i"
    np.testing.assert_array_equal(label, yes > 0.5)
    np.testing.assert_allclose(no + yes, 1)


@dataclass(frozen=True)
class Numbered(Dataset):
    """A dataset whose option `id` names no column."""

    id: int = 61

    def load(self, directory):
        """Return two examples."""
        return Examples({"a": [1.0, 2.0], "b": [3.0, 4.0]}, [4.0, 6.0], "y")


def test_option_of_another_dataset_named_like_one_of_tables_names_no_column(python_model, tmp_path):
    (tmp_path / "new.csv").write_text("a,b\n1,2\n3,4\n")
    found = predict(python_model, str(tmp_path / "new.csv"), like=Numbered())
    assert labels(found) == [3.0, 7.0]
