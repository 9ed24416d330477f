"""Solvers against closed forms, and in trainings."""

import json
import re
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw import toml
from nnfw.cli.main import main
from nnfw.experiments import check_experiment, table_of
from nnfw_standard import LBFGS, MSE, ConjugateGradient, Dense, Dropout, NewtonCG, TrustKrylov
from nnfw_standard.solvers import hessian_product

SOLVERS = [LBFGS(1e-9), ConjugateGradient(1e-9), NewtonCG(1e-9), TrustKrylov(1e-9)]
REGISTRY = nnfw.Registry.discover()
EVERY_SOLVER = pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: type(solver).__name__)


def linear(dtype="float64"):
    return nnfw.Sequential([Dense(2)], 3, dtype=dtype)


@pytest.fixture
def data(rng):
    return rng.normal(size=(50, 3)), rng.normal(size=(50, 2))


def least_squares(x, y, weight=None, rate=0.0):
    """Return w and b of the least 1/2N Σ weight ‖w x + b − y‖² + rate/2 ‖w‖², from the normal equations."""
    weight = np.ones(len(x)) if weight is None else weight
    wide = np.column_stack([x, np.ones(len(x))])
    ridge = np.diag([rate] * x.shape[1] + [0.0])
    matrix = wide.T @ (weight[:, np.newaxis] * wide) / len(x) + ridge
    solution = np.linalg.solve(matrix, wide.T @ (weight[:, np.newaxis] * y) / len(x))
    return solution[:-1].T, solution[-1]


def assert_solved(model, expected, **tolerance):
    np.testing.assert_allclose(model.parameters["layers.0.weight"], expected[0], **tolerance)
    np.testing.assert_allclose(model.parameters["layers.0.bias"], expected[1], **tolerance)


@EVERY_SOLVER
def test_solver_finds_the_least_squares(solver, data):
    model = linear()
    history = model.fit(*data, cost="mse", optimizer=solver, epochs=100)
    assert_solved(model, least_squares(*data), atol=1e-6)
    assert all(after <= before + 1e-12 for before, after in zip(history["cost"], history["cost"][1:], strict=False))


@EVERY_SOLVER
def test_solver_in_float32_comes_as_near_as_float32_can(solver, data):
    model = linear("float32")
    model.fit(*data, cost="mse", optimizer=solver, epochs=100)
    assert model.parameters.vector.dtype == np.float32
    assert_solved(model, least_squares(*data), atol=2e-3)


def test_solver_with_a_regularizer_finds_the_ridge_regression(data):
    model = linear()
    history = model.fit(*data, cost="mse", optimizer=LBFGS(1e-9), epochs=100, regularizer={"type": "l2", "rate": 0.3})
    assert_solved(model, least_squares(*data, rate=0.3), atol=1e-6)
    weight = model.parameters["layers.0.weight"]
    assert history["penalty"][-1] == pytest.approx(0.15 * np.sum(weight**2), rel=1e-9)
    assert history["cost"][-1] == pytest.approx(model.evaluate(*data, cost="mse")["cost"], rel=1e-9)


def test_solver_weights_examples(data, rng):
    model, weight = linear(), rng.uniform(0, 2, 50)
    model.fit(*data, cost="mse", optimizer=LBFGS(1e-9), epochs=100, sample_weight=weight)
    assert_solved(model, least_squares(*data, weight), atol=1e-6)


def test_solver_sees_all_of_many_examples(rng):
    x, y = rng.normal(size=(2500, 3)), rng.normal(size=(2500, 2))  # more than go through the network together
    model = linear()
    model.fit(x, y, cost="mse", optimizer=LBFGS(1e-9), epochs=100)
    assert_solved(model, least_squares(x, y), atol=1e-6)


def test_model_ends_where_the_last_record_says(data):
    layers = [Dense(8, activation="tanh"), Dense(2)]
    for solver in SOLVERS:
        model = nnfw.Sequential(layers, 3, dtype="float64")
        history = model.fit(*data, cost="mse", optimizer=solver, epochs=7, metrics=["mae"], validation_data=data)
        found = model.evaluate(*data, cost="mse", metrics=["mae"])
        assert (found["cost"], found["mae"]) == pytest.approx((history["cost"][-1], history["mae"][-1]), rel=1e-12)
        assert history["validation_cost"][-1] == pytest.approx(found["cost"], rel=1e-12)
        assert history["epoch"] == list(range(1, len(history) + 1))


def test_dropout_is_drawn_once_so_that_the_cost_is_a_function(data):
    model = nnfw.Sequential([Dense(8, activation="tanh"), Dropout(0.5), Dense(2)], 3, dtype="float64")
    history = model.fit(*data, cost="mse", optimizer="lbfgs", epochs=30)
    assert all(after <= before for before, after in zip(history["cost"], history["cost"][1:], strict=False))


def test_end_of_a_solver_is_the_reason_in_the_history(data):
    history = linear().fit(*data, cost="mse", optimizer={"type": "lbfgs", "tolerance": 1e-3}, epochs=1000)
    assert len(history) < 100
    assert history.stopped.startswith("CONVERGENCE")


def test_callbacks_stop_a_solver(data):
    stop = {"type": "early_stopping", "monitor": "cost", "patience": 2, "min_delta": 10.0}
    history = linear().fit(*data, cost="mse", optimizer="lbfgs", epochs=50, callbacks=[stop])
    assert len(history) == 3
    assert history.stopped != ""


def test_solver_that_begins_at_its_end_records_one_epoch(data):
    model = linear()
    model.fit(*data, cost="mse", optimizer=LBFGS(1e-9), epochs=100)
    before = model.parameters.vector.copy()
    history = model.fit(*data, cost="mse", optimizer=LBFGS(1e-3), epochs=100)
    assert len(history) == 1
    np.testing.assert_array_equal(model.parameters.vector, before)


def test_cost_that_is_not_finite_ends_a_solver(data):
    model = linear()
    model.parameters["layers.0.weight"] = np.full((2, 3), 1e200)
    with pytest.raises(nnfw.DivergedError):
        model.fit(*data, cost="mse", optimizer="lbfgs", epochs=5)


USELESS = {
    "batch_size": (16, "has nothing to divide: 'lbfgs' (built-in) sees all examples at once. Leave it out."),
    "shuffle": (False, "has no order to keep: 'lbfgs' (built-in) sees all examples at once. Leave it out."),
    "schedule": ("cosine", "has nothing to multiply: 'lbfgs' (built-in) chooses its steps itself. Leave it out."),
}


@pytest.mark.parametrize("name", USELESS)
def test_setting_that_a_solver_has_no_use_for_is_refused(data, name):
    value, text = USELESS[name]
    with pytest.raises(nnfw.ConfigError, match=f"^{re.escape(f'{name} {text}')}$"):
        linear().fit(*data, cost="mse", optimizer="lbfgs", **{name: value})


def test_settings_that_a_solver_has_no_use_for_are_told_together_before_anything_happens(data):
    model = linear()
    before = model.parameters.vector.copy()
    settings = {name: value for name, (value, _) in USELESS.items()}
    with pytest.raises(nnfw.ConfigError) as raised:
        model.fit(*data, cost="mse", optimizer="lbfgs", accelerator="gpu", **settings)
    assert [mistake.path for mistake in raised.value.mistakes] == [("accelerator",), *((name,) for name in USELESS)]
    np.testing.assert_array_equal(model.parameters.vector, before)


def test_settings_that_a_solver_has_no_use_for_are_told_with_their_lines(tmp_path, capsys):
    (tmp_path / "xor.toml").write_text(
        '[data]\nsource = "xor"\nsplit = { validation = 0.5, test = 0.5 }\n'
        '[[model.layers]]\ntype = "dense"\nunits = 1\n'
        '[cost]\ntype = "mse"\n[optimizer]\ntype = "lbfgs"\n'
        '[training]\nschedule = "cosine"\naccelerator = "gpu"\nbatch_size = 2\nshuffle = false\n'
    )
    assert main(["train", str(tmp_path / "xor.toml"), "--out", str(tmp_path / "run")]) == 2
    places = [line.partition("xor.toml:")[2] for line in capsys.readouterr().err.splitlines()]
    assert [place.partition(":")[0] for place in places] == ["3", "12", "13", "14", "15"]
    assert places[1] == f"12: training.schedule {USELESS['schedule'][1]}"
    assert places[3] == f"14: training.batch_size {USELESS['batch_size'][1]}"
    assert not (tmp_path / "run").exists()


def test_experiment_with_a_solver_that_is_written_out_can_be_read_again(tmp_path):
    text = (
        'data = { source = "xor" }\nmodel = { layers = [{ type = "dense", units = 1 }] }\n'
        'cost = { type = "mse" }\noptimizer = { type = "lbfgs" }\n'
    )
    experiment = check_experiment(toml.parse(text, "xor.toml"), REGISTRY)
    written = toml.write(table_of(experiment, REGISTRY))
    assert "batch_size = 32" in written
    assert check_experiment(toml.parse(written, "resolved.toml"), REGISTRY) == experiment


def test_solver_has_one_step_in_an_epoch(data):
    seen = []

    @dataclass(frozen=True)
    class Watch(nnfw.Callback):
        def epoch_ended(self, fit, record, state):
            seen.append((fit.epoch, fit.step, fit.steps))

    linear().fit(*data, cost="mse", optimizer="cg", epochs=3, callbacks=[Watch()])
    assert seen == [(1, 1, 1), (2, 2, 1), (3, 3, 1)]


def test_product_with_the_hessian_of_a_cost(rng):
    a = rng.normal(size=(4, 4))
    matrix = a @ a.T
    product = hessian_product(lambda x: (float(x @ matrix @ x) / 2 + float(np.sum(x**4)) / 4, matrix @ x + x**3))
    x, p = rng.normal(size=4), rng.normal(size=4)
    np.testing.assert_allclose(product(x, p), (matrix + np.diag(3 * x**2)) @ p, rtol=1e-3)
    np.testing.assert_array_equal(product(x, np.zeros(4)), np.zeros(4))


def test_experiment_with_a_solver_trains_from_the_command_line(tmp_path, capsys):
    (tmp_path / "spirals.toml").write_text(
        'data = { source = "spirals" }\ncost = { type = "cross_entropy" }\n'
        'optimizer = { type = "lbfgs", memory = 20 }\n'
        'training = { epochs = 150, metrics = ["accuracy"] }\n'
        '[[model.layers]]\ntype = "dense"\nunits = 16\nactivation = "tanh"\n'
        '[[model.layers]]\ntype = "dense"\nunits = 2\nactivation = "softmax"\n'
    )
    assert main(["train", str(tmp_path / "spirals.toml"), "--out", str(tmp_path / "run"), "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert results["training"]["accuracy"] > 0.95
    assert main(["evaluate", str(tmp_path / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test"] == results["test"]


def test_mse_of_the_note_is_what_is_lowered(data):
    model = linear()
    history = model.fit(*data, cost=MSE(), optimizer="cg", epochs=3)
    assert history["cost"][-1] == pytest.approx(np.sum((model.predict(data[0]) - data[1]) ** 2) / 100)
