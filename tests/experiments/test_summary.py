"""The summary of a network that nobody has built."""

from dataclasses import replace

import pytest

import nnfw
from nnfw.experiments import read_experiment, summarise
from nnfw.plugins import default_registry

registry = default_registry()


def test_summary_without_a_known_input_says_how_to_make_it_known(experiment):
    found = read_experiment(str(experiment), registry).experiment
    with pytest.raises(nnfw.ConfigError, match=r"^Dataset 'csv' .* before they are read\. Set model\.input_shape"):
        summarise(found, registry)


def test_summary_counts_parameters_and_the_bytes_of_a_training(experiment):
    found = read_experiment(str(experiment), registry, ["model.input_shape=[5]"]).experiment
    summary = summarise(found, registry)
    assert [layer.parameters for layer in summary.layers] == [5 * 6 + 6, 6 * 2 + 2]
    assert (summary.parameters, summary.state) == (50, 0)
    # parameters, gradient and two moments of adam; 8 examples with x, and z, a and δ of 6 and of 2 units
    assert summary.training_bytes == 4 * (50 * 4 + 8 * (5 + 3 * (6 + 2)))
    assert summarise(replace(found, dtype="float64"), registry).training_bytes == 2 * summary.training_bytes
