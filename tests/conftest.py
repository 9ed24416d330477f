"""Fixtures that all tests share."""

import signal

import numpy as np
import pytest


@pytest.fixture
def rng():
    """Return a generator with a fixed seed, fresh for each test."""
    return np.random.default_rng(20201101)


@pytest.fixture
def interruptible():
    """Let SIGINT interrupt this process and those that it starts, though a shell may have started it to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
