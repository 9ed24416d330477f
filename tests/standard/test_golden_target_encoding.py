"""Target encoding: words as scikit-learn's, in the same folds."""

import numpy as np
import pytest

from nnfw.data.cross_fitting import TrainingRows
from nnfw_standard import TargetEncoding

SMOOTH = {
    "numbers": "auto",
    "numbers smooth": 3.0,
    "numbers as they are": 0.0,
    "two classes": "auto",
    "three classes": "auto",
    "three classes smooth": 1.5,
}


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/standard/golden/target_encoding.npz") as file:
        return dict(file)


def test_every_case_is_compared(stored):
    assert {key.partition("/")[0] for key in stored if "/" in key} == SMOOTH.keys()


@pytest.mark.parametrize("name", SMOOTH)
def test_columns_are_those_of_scikit_learn(name, stored):
    transform, x = TargetEncoding(SMOOTH[name]), stored["x"]
    target = TrainingRows.of([(stored[f"{name}/y"], False)], slice(None), 0).target
    fitted = transform.fit_to(x, target)
    found = {key: transform.apply(stored[key], fitted) for key in ("x", "new")}
    found["folds"] = transform.cross_fit(x, target, np.random.default_rng(7))
    for key, values in found.items():
        np.testing.assert_allclose(
            values.reshape(len(values), -1), stored[f"{name}/{key}"], rtol=1e-12, atol=1e-12, err_msg=key
        )
