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
    larger = replace(found, training=replace(found.training, batch_size=found.training.batch_size + 100))
    growth = summarise(larger, registry).training_bytes - summary.training_bytes
    # for each example x, z and a of both layers, two places for the larger δ, the label, its row and the cost's arrays
    assert 4 * (5 + 2 * (6 + 2) + 2 * 6) + 8 <= growth / 100 <= 4 * (5 + 2 * (6 + 2) + 2 * 6 + 2 * 2) + 24
    assert summarise(replace(found, dtype="float64"), registry).training_bytes > 1.9 * summary.training_bytes
