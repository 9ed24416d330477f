"""The baseline: what the same outputs for every example would cost, chosen on the training part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from nnfw.network import EVALUATION_ROWS, Batch, Output
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Metric
from nnfw.training.batches import Data, Labelled
from nnfw.training.evaluation import Tally
from nnfw.training.history import Record

if TYPE_CHECKING:
    from nnfw.arrays import Array
    from nnfw.network import Network, Objective

MOST_LABELS = 1 << 24
"""Numbers in the labels that are gathered for a baseline: the labels of an autoencoder may be larger than memory."""


def constant_outputs(network: Network, data: Data, objective: Objective) -> tuple[Array, ...] | None:
    """Return the outputs ``(*output_shape)`` of a network that does not look at its inputs, as the costs choose them.

    None if a cost knows none, sequences are padded, the data is read chunk by chunk, or there are more than 16 million
    numbers in the labels.
    """
    if not isinstance(data, Labelled) or any(lengths is not None for lengths in data.lengths):
        return None
    if sum(len(data) * prod(y.shape[1:]) for y in data.targets) > MOST_LABELS:
        return None
    targets, weight = data.labels(np.arange(len(data)), network.workspace())
    found = []
    for term, y, shape in zip(objective.terms, targets, network.output_shapes, strict=True):
        choose = getattr(term.cost, "constant", None)  # costs that are older than this method have none
        constant = None if choose is None else choose(y, shape, weight)
        if constant is None:
            return None
        if np.shape(constant) != shape:
            raise wrong_result(term.cost, "constant", constant, f"outputs of shape {shape}, or None")
        found.append(np.asarray(constant))
    return tuple(found)


def evaluate_constant(
    constant: Sequence[Array], network: Network, data: Labelled, objective: Objective, metrics: Mapping[str, Metric]
) -> Record:
    """Return cost and metrics of the same outputs for every example of some data."""
    tally, costs, workspace = Tally(metrics), objective.of_outputs(), network.workspace()
    for start in range(0, len(data), EVALUATION_ROWS):
        rows = np.arange(start, min(start + EVALUATION_ROWS, len(data)))
        targets, weight = data.labels(rows, workspace)
        repeated = [np.repeat(each[np.newaxis], len(rows), axis=0) for each in constant]
        batch, outputs = Batch((rows,), targets, weight), [Output(a, a) for a in repeated]
        tally.add_batch(costs.value(outputs, batch), outputs, batch, costs)
    return tally.record()
