"""Callbacks of nnfw, and those of scikit-learn, which see each epoch as a task."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from sklearn.callback import ScoringMonitor
from sklearn.model_selection import GridSearchCV


@dataclass
class Log:
    """A callback of scikit-learn that writes down what it is told, and stops after some epochs."""

    last: int = 100
    events: list = field(default_factory=list)
    seen: dict = field(default_factory=dict)
    fitted: list = field(default_factory=list)

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.events.append(f"begin {context.task_name} {context.task_id}")
        self.seen = {"X": X, "y": y, "metadata": metadata}

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.events.append(f"end {context.task_name} {context.task_id}")
        self.fitted.append(fitted_estimator)
        return context.task_name == "epoch" and context.task_id == self.last


def test_callbacks_of_nnfw_run_along(classifier, x, y):
    costs = []
    classifier.set_params(callbacks=[lambda fit, record: costs.append(record["cost"])]).fit(x, y)
    assert costs == classifier.history_["cost"]


def test_callback_of_scikit_learn_sees_epochs_as_tasks(classifier, x, y):
    log, weight = Log(), np.ones(60)
    classifier.set_params(epochs=2).set_callbacks(log).fit(x, y, sample_weight=weight)
    assert log.events == [
        "setup",
        "begin fit 0",
        "begin epoch 0",
        "end epoch 0",
        "begin epoch 1",
        "end epoch 1",
        "end fit 0",
        "teardown",
    ]
    assert log.seen["X"] is x
    assert log.seen["y"] is y
    assert log.seen["metadata"] == {"sample_weight": weight}


def test_callback_of_scikit_learn_gets_estimators_that_stopped_before(classifier, x, y):
    log = Log()
    classifier.set_callbacks(log).fit(x, y)
    found = [fitted.predict_proba(x) for fitted in log.fitted]
    for epochs, p in enumerate(found[:5], 1):
        expected = type(classifier)(**classifier.get_params(deep=False)).set_params(epochs=epochs).fit(x, y)
        np.testing.assert_array_equal(p, expected.predict_proba(x))
    np.testing.assert_array_equal(found[5], classifier.predict_proba(x))


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_callback_of_scikit_learn_stops_the_training(regressor, x, optimizer):
    log = Log(last=2)
    regressor.set_params(optimizer=optimizer, epochs=8).set_callbacks(log).fit(x, np.sin(x[:, 0]))
    assert regressor.n_iter_ == 3
    assert regressor.history_.stopped == "a callback of scikit-learn asked for it"
    assert log.events[-3:] == ["end epoch 2", "end fit 0", "teardown"]


def test_early_stopping_ends_with_an_ended_task(classifier, x, rng):
    log = Log()
    classifier.set_params(early_stopping=True, patience=1, epochs=500, optimizer__learning_rate=0.1)
    classifier.set_callbacks(log).fit(x, rng.integers(0, 2, 60))
    assert classifier.n_iter_ < 500
    assert log.events[-3:] == [f"end epoch {classifier.n_iter_ - 1}", "end fit 0", "teardown"]


def test_training_that_fails_tears_callbacks_down(classifier, x, y):
    log = Log()
    with pytest.raises(ValueError, match="Unknown optimizer"):
        classifier.set_params(optimizer="adm").set_callbacks(log).fit(x, y)
    assert log.events == ["setup", "begin fit 0", "teardown"]


def test_warm_start_goes_on_with_tasks_of_its_own(classifier, x, y):
    log = Log()
    classifier.set_params(warm_start=True, epochs=2).fit(x, y).set_callbacks(log).fit(x, y)
    assert [event for event in log.events if event.startswith("end")] == ["end epoch 0", "end epoch 1", "end fit 0"]


def test_scores_of_each_epoch_are_monitored(classifier, x, y):
    monitor = ScoringMonitor(scoring="accuracy")
    classifier.set_callbacks(monitor).fit(x, y)
    scores = {row["task_id_path"]: row["accuracy"] for row in monitor.get_logs().data}
    assert list(scores) == [(0,), *((0, epoch) for epoch in range(5))]
    assert scores[0, 4] == scores[0,] == classifier.score(x, y)


@dataclass
class PassedOn(Log):
    """A callback that a search hands on to its estimators."""

    max_propagation_depth: int | None = None


def test_search_hands_its_callbacks_on(classifier, x, y):
    log = PassedOn()
    search = GridSearchCV(classifier, {"epochs": [1, 2]}, cv=2).set_callbacks(log).fit(x, y)
    epochs = sum(event.startswith("end epoch") for event in log.events)
    assert epochs == 2 * (1 + 2) + search.best_params_["epochs"]
