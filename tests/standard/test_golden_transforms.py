"""Transforms: columns as scikit-learn's."""

import numpy as np
import pytest

from nnfw_standard import Fill, OneHot, Ordinal, Power, QuantileTransform, Robust

CASES = {
    "fill mean": Fill(),
    "fill median": Fill("median"),
    "fill most_frequent": Fill("most_frequent"),
    "fill value": Fill(value=-7.5),
    "robust": Robust(),
    "quantile normal": QuantileTransform(),
    "quantile uniform": QuantileTransform("uniform", 11),
    "power": Power(),
    "power box_cox": Power("box_cox"),
    "ordinal": Ordinal(order=tuple("feabcd")),
    "one_hot": OneHot(),
    "one_hot min_count": OneHot(min_count=2),
}


def test_every_case_is_compared(stored):
    assert {key.partition("/")[0] for key in stored} == CASES.keys()


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/standard/golden/transforms.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", CASES)
def test_columns_are_those_of_scikit_learn(name, stored):
    transform, x = CASES[name], stored[f"{name}/x"]
    fitted = transform.fit(x)
    for key in ("x", "new"):
        found, expected = transform.apply(stored[f"{name}/{key}"], fitted), stored[f"{name}/{key} changed"]
        np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-7, atol=1e-9, err_msg=key)
