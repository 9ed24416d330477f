"""Regressions whose target is transformed: metrics in the unit of the target, and in words which figure has which."""

import json
import shutil
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.errors import ConfigError
from nnfw.experiments import prepare, read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import (
    Access,
    cross_validate,
    evaluate_on,
    evaluate_run,
    judge_on,
    open_model,
    reproduce,
    resume,
    train,
)
from nnfw.runs.explanation import importances
from nnfw.runs.reading import read_run
from nnfw.training.measures import MetricOfOutput, outside_domains
from nnfw_standard import R2

registry = default_registry()

EXPERIMENT = """
[data]
source = { type = "npz", path = "table.npz", x = ["size", "age"], y = "price" }
transforms = ["standardize"]
target_transforms = ["standardize"]

[[model.layers]]
type = "dense"
units = 5
activation = "tanh"

[[model.layers]]
type = "dense"
units = 1

[cost]
type = "mse"

[optimizer]
type = "adam"
learning_rate = 0.01

[training]
epochs = 4
batch_size = 16
metrics = ["mse", "mae", "rmse", "mape", "r2", "explained_variance"]
"""

FORMULAS = {
    "mse": lambda a, y: np.mean((a - y) ** 2),
    "mae": lambda a, y: np.mean(np.abs(a - y)),
    "rmse": lambda a, y: np.sqrt(np.mean((a - y) ** 2)),
    "mape": lambda a, y: np.mean(np.abs(a - y) / np.abs(y)),
    "r2": lambda a, y: 1 - np.sum((a - y) ** 2) / np.sum((y - y.mean()) ** 2),
    "explained_variance": lambda a, y: 1 - np.var(y - a) / np.var(y),
}


@pytest.fixture
def table(rng):
    size, age = rng.uniform(20, 200, 160), rng.uniform(1, 90, 160)
    return {"size": size, "age": age, "price": 2e5 + 3e3 * size - 900.0 * age + rng.normal(0, 5e3, 160)}


@pytest.fixture
def file(table, tmp_path, monkeypatch):
    """Return a function that reads the experiment, in the current directory, with changes and another target."""
    monkeypatch.chdir(tmp_path)

    def read(*overrides, price=None, text=EXPERIMENT):
        np.savez("table.npz", **{**table, "price": table["price"] if price is None else price})
        (tmp_path / "price.toml").write_text(text)
        return read_experiment("price.toml", registry, overrides)

    return read


def in_unit(prepared, part):
    """Return predictions and labels of a part as raw numbers, by the documented functions alone."""
    model, data = prepared.model, prepared.parts[part]
    a = model.predict(data.inputs[0][data.rows])
    raw = np.load("table.npz")["price"][data.rows]
    return model.preprocessing.labels(a).reshape(raw.shape), raw


@pytest.mark.parametrize("transform", ["standardize", "min_max", "robust", "log", "power"])
def test_metrics_are_those_of_raw_predictions_and_labels(file, tmp_path, transform):
    read = file(f'data.target_transforms=["{transform}"]')
    run = train(read, registry, tmp_path / "run")
    prepared = prepare(read, registry, open_model(run.directory, Access(registry)))
    for part in ("training", "validation", "test"):
        a, y = in_unit(prepared, part)
        for name, formula in FORMULAS.items():
            assert run.results[part][name] == pytest.approx(formula(a, y), rel=1e-5), (part, name)
    last = read_run(run.directory).history[-1]
    assert last["validation_mae"] == run.results["validation"]["mae"]
    assert last["mae"] > 1000


def test_history_of_training_is_in_the_unit_with_every_accelerator(file, tmp_path):
    pytest.importorskip("numba")
    plain, fast = (
        read_run(train(file(f"training.accelerator={name}"), registry, tmp_path / name).directory).history
        for name in ("none", "numba")
    )
    for one, two in zip(plain, fast, strict=True):
        for name in FORMULAS:
            assert one[name] == pytest.approx(two[name], rel=1e-3)
    assert plain[0]["mae"] > 1000


def test_cost_stays_that_of_the_transformed_target(file, tmp_path):
    run = train(file(), registry, tmp_path / "run")
    old = train(file("data.metrics_in_unit=false"), registry, tmp_path / "old")
    for part, figures in run.results.items():
        assert figures["cost"] == old.results[part]["cost"] < 2
    assert old.results["test"]["mae"] < 2 < run.results["test"]["mae"]
    np.testing.assert_array_equal(*(nnfw.load(each.directory).parameters.vector for each in (run, old)))


def test_shifted_target_keeps_the_digits_of_r2(file, table, tmp_path):
    near = train(file(), registry, tmp_path / "near").results["test"]
    shifted = 1e12 + table["price"] - table["price"].mean()
    far = train(file(price=shifted), registry, tmp_path / "far").results["test"]
    assert far["r2"] == pytest.approx(near["r2"], abs=1e-3)
    assert far["explained_variance"] == pytest.approx(near["explained_variance"], abs=1e-3)
    assert far["mae"] == pytest.approx(near["mae"], rel=1e-2)


def test_baseline_and_importance_are_in_the_unit(file, table, tmp_path):
    read = file()
    run = train(read, registry, tmp_path / "run")
    prepared = prepare(read, registry, open_model(run.directory, Access(registry)))
    raw = table["price"][prepared.parts["test"].rows]
    mean = table["price"][prepared.parts["training"].rows].mean()
    assert run.baseline["test"]["mae"] == pytest.approx(np.abs(raw - mean).mean(), rel=1e-5)
    examples = nnfw.Examples({name: table[name] for name in ("size", "age")}, table["price"], "price")
    assert max(each.change["mae"] for each in importances(prepared, examples)) > 1000


def test_label_of_zero_is_refused_by_mape_after_the_transform(file, table):
    price = table["price"] - table["price"][3]
    with pytest.raises(ConfigError, match=r"price\.toml:\d+: Metric 'mape' .* got the label 0"):
        prepare(file(price=price), registry)


def test_positive_labels_are_not_refused_by_mape(file):
    assert set(prepare(file(), registry).measures) == set(FORMULAS)


@dataclass(frozen=True)
class Positive(R2):
    """A metric of numbers above 0."""

    domain = (0, np.inf)


def test_domain_of_a_metric_is_compared_in_the_unit(file):
    def refused(signed):
        transform = f'data.target_transforms=[{{ type = "log", signed = {signed} }}]'
        found = prepare(file(transform, "model.layers[1].activation=tanh"), registry)
        measures = {"above": MetricOfOutput(Positive(), 0, found.units[0])}
        return [str(error) for _, error in outside_domains(found.objective, measures, registry)]

    (text,) = refused("true")
    assert "takes outputs from 0 to inf" in text
    assert "'tanh' (built-in), whose values go from -1.71828 to 1.71828 in the unit of the target. Use" in text
    assert refused("false") == []


def test_cost_is_recorded_in_the_unit_where_no_metric_is_chosen(file, tmp_path):
    read = file("training.metrics=[]")
    run = train(read, registry, tmp_path / "run")
    prepared = prepare(read, registry, open_model(run.directory, Access(registry)))
    a, y = in_unit(prepared, "test")
    assert set(run.results["test"]) == {"cost", "cost_in_unit"}
    assert run.results["test"]["cost_in_unit"] == pytest.approx(np.mean((a - y) ** 2) / 2, rel=1e-5)
    assert run.baseline["test"]["cost_in_unit"] > run.results["test"]["cost_in_unit"]
    assert "validation_cost_in_unit" in read_run(run.directory).history[-1]


def test_nothing_is_added_without_target_transforms(file, tmp_path):
    run = train(file("training.metrics=[]", "data.target_transforms=[]"), registry, tmp_path / "run")
    assert set(run.results["test"]) == {"cost"}
    assert read_run(run.directory).unit == ""


def test_quantiles_are_judged_in_the_unit(file, tmp_path):
    q = [0.1, 0.5, 0.9]
    text = EXPERIMENT.replace("units = 1\n", "units = 3\n").replace(
        'type = "mse"', f'type = "quantile"\nquantiles = {q}'
    )
    metric = f'training.metrics=[{{ type = "pinball", quantiles = {q} }}]'
    read = file(metric, text=text)
    run = train(read, registry, tmp_path / "run")
    prepared = prepare(read, registry, open_model(run.directory, Access(registry)))
    model, data = prepared.model, prepared.parts["test"]
    raw = np.load("table.npz")["price"][data.rows, np.newaxis]
    column = model.preprocessing.target_column
    error = raw - column.invert(model.predict(data.inputs[0][data.rows]).reshape(-1)).reshape(-1, 3)
    expected = np.mean(np.maximum(q * error, (np.array(q) - 1) * error))
    assert run.results["test"]["pinball"] == pytest.approx(expected, rel=1e-5)
    plain = train(file("training.metrics=[]", text=text), registry, tmp_path / "plain")
    assert plain.results["test"]["cost_in_unit"] == pytest.approx(3 * expected, rel=1e-5)


def test_metrics_of_a_mean_with_its_variance_see_the_mean(file, tmp_path):
    text = EXPERIMENT.replace("units = 1\n", "units = 2\n").replace('type = "mse"', 'type = "gaussian_nll"')
    read = file(text=text)
    run = train(read, registry, tmp_path / "run")
    prepared = prepare(read, registry, open_model(run.directory, Access(registry)))
    model, data = prepared.model, prepared.parts["test"]
    a = model.preprocessing.labels(model.predict(data.inputs[0][data.rows])[:, :1]).ravel()
    raw = np.load("table.npz")["price"][data.rows]
    for name, formula in FORMULAS.items():
        assert run.results["test"][name] == pytest.approx(formula(a, raw), rel=1e-5)
    assert set(train(file("training.metrics=[]", text=text), registry, tmp_path / "b").results["test"]) == {"cost"}


def test_metrics_of_a_mean_with_its_variance_see_the_mean_in_python(rng):
    x, y = rng.normal(size=(40, 3)), rng.normal(5, 2, 40)
    model = nnfw.Sequential([{"type": "dense", "units": 2}], 3, seed=1)
    history = model.fit(x, y, cost="gaussian_nll", optimizer="adam", epochs=2, metrics=["rmse"])
    found = model.evaluate(x, y, cost="gaussian_nll", metrics=["rmse"])
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((model.predict(x)[:, 0] - y) ** 2)), rel=1e-6)
    assert len(history["rmse"]) == 2


def test_outputs_of_different_kinds_have_their_own_units(file, table, tmp_path):
    text = EXPERIMENT.replace(
        'source = { type = "npz", path = "table.npz", x = ["size", "age"], y = "price" }',
        'source = { type = "npz", path = "table.npz", x = ["size", "age", "old", "price"], y = "" }\n'
        'inputs = { x = ["size", "age"] }\ntargets = { old = "old", price = "price" }',
    )
    text = text.replace(
        'target_transforms = ["standardize"]', 'target_transforms = [{ type = "standardize", columns = ["price"] }]'
    )
    text = text.replace(
        "units = 1\n",
        'name = "price"\nunits = 1\n\n[[model.layers]]\nname = "old"\ntype = "dense"\n'
        'units = 2\nactivation = "softmax"\ninputs = ["layers.0"]\n\n[model]\noutputs = ["old", "price"]\n',
    )
    text = text.replace('[cost]\ntype = "mse"', '[cost.price]\ntype = "mse"\n\n[cost.old]\ntype = "cross_entropy"')
    text = text.replace(
        'metrics = ["mse", "mae", "rmse", "mape", "r2", "explained_variance"]', 'metrics = { old = ["accuracy"] }'
    )
    table["old"] = (table["age"] > 45).astype(int)
    run = train(file(text=text), registry, tmp_path / "run")
    found = run.results["test"]
    assert set(found) == {"cost", "old_cost", "price_cost", "old_accuracy", "price_cost_in_unit"}
    assert found["price_cost"] < 2
    assert found["price_cost_in_unit"] > 1e6
    assert read_run(run.directory).unit == "Metrics of 'price' are in its unit; the cost is that after standardize."


def test_classes_that_a_transform_makes_keep_their_metrics(file, table, tmp_path):
    text = EXPERIMENT.replace('target_transforms = ["standardize"]', 'target_transforms = ["one_hot"]')
    text = text.replace("units = 1\n", 'units = 2\nactivation = "softmax"\n').replace('"mse"\n', '"cross_entropy"\n')
    words = np.array(["cheap", "dear"])[(table["price"] > 4e5).astype(int)]
    metrics = 'training.metrics=["accuracy"]'
    run = train(file(metrics, price=words, text=text), registry, tmp_path / "run")
    assert set(run.results["test"]) == {"cost", "accuracy"}
    assert read_run(run.directory).unit == ""


# old runs, whose metrics are those of the transformed target


def as_before(run, tmp_path):
    """Return a copy of a run as an earlier nnfw would have written it."""
    old = tmp_path / "before"
    shutil.copytree(run.directory, old)
    experiment = old / "experiment.toml"
    lines = [line for line in experiment.read_text().splitlines() if not line.startswith("metrics_in_unit")]
    experiment.write_text("\n".join(lines))
    record = json.loads((old / "record.json").read_text())
    del record["unit"]
    (old / "record.json").write_text(json.dumps(record))
    return old


def test_old_run_is_evaluated_and_reproduced_as_it_was(file, tmp_path):
    run = train(file("data.metrics_in_unit=false"), registry, tmp_path / "run")
    old = as_before(run, tmp_path)
    assert evaluate_run(old, Access(registry)) == (run.results, True)
    assert reproduce(old, Access(registry)).verdict == "bit-equal"
    judged = judge_on(old, 'npz:path=table.npz,x=["size","age"],y=price', Access(registry))
    assert judged.unit == "Cost and metrics of 'price' are those after standardize, not in its unit."
    assert judged.figures["mae"] < 2
    assert read_run(old).unit == "Cost and metrics are those of the target after its transforms."


def test_old_run_goes_on_as_it_would_have(file, tmp_path):
    short = train(file("data.metrics_in_unit=false"), registry, tmp_path / "short")
    old = as_before(short, tmp_path)
    whole = train(file("data.metrics_in_unit=false", "training.epochs=6"), registry, tmp_path / "whole")
    resume(old, Access(registry), ["training.epochs=6"])
    assert (old / "metrics.jsonl").read_bytes() == (whole.directory / "metrics.jsonl").read_bytes()
    assert (old / "model.nnfw").read_bytes() == (whole.directory / "model.nnfw").read_bytes()


def test_unit_cannot_change_while_a_run_goes_on(file, tmp_path):
    run = train(file(), registry, tmp_path / "run")
    with pytest.raises(nnfw.NnfwError, match=r"data\.metrics_in_unit is not there, was True"):
        resume(run.directory, Access(registry), ["training.epochs=6", "data.metrics_in_unit=false"])


# in words


def test_record_and_cross_validation_say_the_unit(file, tmp_path):
    expected = "Metrics of 'price' are in its unit; the cost is that after standardize."
    run = train(file(), registry, tmp_path / "run")
    assert run.unit == read_run(run.directory).unit == expected
    found = cross_validate(file("training.epochs=1"), registry, 2, tell=lambda _: None)
    assert found.table()["unit"] == found.unit == expected
    assert found.mean["mae"] > 1000


def test_model_file_alone_is_judged_in_the_unit(file, tmp_path):
    run = train(file(), registry, tmp_path / "run")
    shutil.copy(run.directory / "model.nnfw", "alone.nnfw")
    data = 'npz:path=table.npz,x=["size","age"],y=price'
    alone = evaluate_on(tmp_path / "alone.nnfw", data, Access(registry), cost="mse", metrics=["mae"])
    assert alone["mae"] == evaluate_on(run.directory, data, Access(registry))["mae"] > 1000


def test_model_of_a_run_judges_raw_frames_in_python_as_the_command_does(file, table, tmp_path):
    pandas = pytest.importorskip("pandas")
    run = train(file(), registry, tmp_path / "run")
    model, names = nnfw.load(run.directory), [*FORMULAS]
    frame = pandas.DataFrame({"age": table["age"], "other": 1.0, "size": table["size"]})
    data = 'npz:path=table.npz,x=["size","age"],y=price'
    expected = evaluate_on(run.directory, data, Access(registry))
    for y in (table["price"], table["price"].reshape(-1, 1), pandas.Series(table["price"])):
        assert model.evaluate(frame, y, cost="mse", metrics=names) == expected
    one = model.evaluate(frame.iloc[3], table["price"][3], cost="mse", metrics=["mae"])
    raw = model.preprocessing.labels(model.predict(frame))[3]
    assert one["mae"] == pytest.approx(abs(raw - table["price"][3]), rel=1e-5)
    x = model.preprocessing.apply({"size": table["size"], "age": table["age"]})
    y = model.preprocessing.target(nnfw.Examples({"size": table["size"]}, table["price"], "price"))
    assert model.evaluate(x, y, cost="mse", metrics=["mae"])["mae"] < 2
