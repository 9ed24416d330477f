"""Small data for estimators."""

import numpy as np
import pytest

from nnfw.sklearn import NNClassifier, NNRegressor


@pytest.fixture
def x(rng):
    return rng.normal(size=(60, 4))


@pytest.fixture
def y(x):
    return np.array(["high" if value > 0 else "low" for value in x[:, 0] + x[:, 1] ** 2 - 1])


@pytest.fixture
def classifier():
    return NNClassifier((6,), activation="tanh", epochs=5, random_state=3)


@pytest.fixture
def regressor():
    return NNRegressor((6,), activation="tanh", epochs=5, random_state=3)
