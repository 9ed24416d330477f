"""Fixtures that all tests share."""

import numpy as np
import pytest


@pytest.fixture
def rng():
    """Return a generator with a fixed seed, fresh for each test."""
    return np.random.default_rng(20201101)
