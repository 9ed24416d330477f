"""Parameters inside components: layers__0__units, optimizer__learning_rate."""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.base import clone

import nnfw
from nnfw.sklearn import NNClassifier, NNRegressor
from nnfw_standard import Adam, Dense


def test_options_of_a_component_by_name_are_parameters():
    found = NNRegressor(optimizer="adam").get_params()
    assert (found["optimizer"], found["optimizer__learning_rate"], found["optimizer__beta1"]) == ("adam", 0.001, 0.9)
    assert not any("__" in name for name in NNRegressor().get_params(deep=False))


def test_sizes_names_tables_and_objects_are_layers_with_parameters():
    layers = (50, "layer_norm", {"type": "dropout", "rate": 0.25}, Dense(7, activation={"type": "elu", "alpha": 2.0}))
    found = NNClassifier(layers).get_params()
    assert found["layers__0"] == found["layers__0__units"] == 50
    assert found["layers__1"] == "layer_norm"
    assert found["layers__2__rate"] == 0.25
    assert (found["layers__3__units"], found["layers__3__activation__alpha"]) == (7, 2.0)


SET = {
    "a size": ((100,), "layers__0__units", 50, (50,)),
    "an entry": ([100, 20], "layers__1", "layer_norm", [100, "layer_norm"]),
    "an option of a name": ("adam", "optimizer__beta1", 0.8, {"type": "adam", "beta1": 0.8}),
    "an option of a table": (
        {"type": "sgd", "momentum": 0.9},
        "optimizer__momentum",
        0.5,
        {"type": "sgd", "momentum": 0.5},
    ),
    "an option that a table lacks": ({"type": "sgd"}, "optimizer__nesterov", True, {"type": "sgd", "nesterov": True}),
    "a required option": ([{"type": "dense"}], "layers__0__units", 5, [{"type": "dense", "units": 5}]),
    "an option of an object": (Adam(), "optimizer__learning_rate", 0.5, Adam(learning_rate=0.5)),
    "an option of an object in an object": (
        (Dense(3, activation=nnfw.activation("elu")),),
        "layers__0__activation__alpha",
        3.0,
        (Dense(3, activation=nnfw.activation("elu", alpha=3.0)),),
    ),
    "an option in a block": (
        ({"type": "repeat", "times": 2, "layers": [{"type": "dense", "units": 4}]},),
        "layers__0__layers__0__units",
        8,
        ({"type": "repeat", "times": 2, "layers": [{"type": "dense", "units": 8}]},),
    ),
    "a callback": (["early_stopping"], "callbacks__0__patience", 3, [{"type": "early_stopping", "patience": 3}]),
}


@pytest.mark.parametrize(("given", "name", "value", "expected"), SET.values(), ids=SET)
def test_set_params_changes_a_copy_of_a_component(given, name, value, expected):
    parameter, before = name.partition("__")[0], deepcopy(given)
    estimator = NNClassifier(**{parameter: given})
    copy = clone(estimator)
    assert copy.set_params(**{name: value}) is copy
    assert getattr(copy, parameter) == expected
    assert copy.get_params()[name] == value
    assert getattr(estimator, parameter) is given
    assert given == before
    assert getattr(clone(copy), parameter) == expected


def test_set_params_sets_a_component_before_its_options():
    estimator = NNRegressor().set_params(optimizer__momentum=0.9, optimizer="sgd", layers=[3, 4], layers__1__units=5)
    assert (estimator.optimizer, estimator.layers) == ({"type": "sgd", "momentum": 0.9}, [3, 5])


WRONG = {
    "a parameter": (
        {"epoch": 3},
        r"^NNClassifier has no parameter 'epoch'\. Did you mean 'epochs'\? Parameters: acc",
    ),
    "an option": (
        {"optimizer__learning_rat": 0.1},
        r"no parameter 'optimizer__learning_rat'\. Did you mean 'optimizer__learning_rate'\? Parameters of 'opti",
    ),
    "an option of a size": (
        {"layers__0__activation": "relu"},
        r"has no parameter 'layers__0__activation'\..* Parameters of 'layers__0': layers__0__units\.$",
    ),
    "an entry": ({"layers__3": 5}, r"has no parameter 'layers__3'\..* Parameters of 'layers': layers__0\.$"),
    "an option of a number": ({"epochs__x": 5}, r"has no parameter 'epochs__x'\..* Parameters of 'epochs': none\.$"),
    "an option of nothing": ({"schedule__x": 5}, r"Parameters of 'schedule': none\.$"),
}


@pytest.mark.parametrize(("params", "message"), WRONG.values(), ids=WRONG)
def test_set_params_with_a_wrong_name_changes_nothing(params, message):
    estimator = NNClassifier()
    with pytest.raises(nnfw.ConfigError, match=message):
        estimator.set_params(dtype="float64", **params)
    assert estimator.dtype == "float32"


@dataclass(frozen=True)
class Doubled(nnfw.Elementwise):
    factor: float = 2.0

    def value(self, z):
        return self.factor * z

    def derivative(self, z, a):
        return np.full_like(z, self.factor)


@pytest.mark.parametrize(
    "value",
    [None, 3, "no optimizer", {"momentum": 1}, {"type": 5, 7: 8}, Adam, object()],
    ids=lambda value: str(value)[:12],
)
def test_parameters_that_are_no_components_have_none_inside(value):
    estimator = NNClassifier(optimizer=value, activation=Doubled())
    found = estimator.get_params()
    assert {name for name in found if name.startswith("optimizer__")} <= {"optimizer__momentum"}
    assert found["activation__factor"] == 2.0
