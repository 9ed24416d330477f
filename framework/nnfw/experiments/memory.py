"""The memory that a training takes, found out with one example and two."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.errors import NnfwError
from nnfw.network import EVALUATION_ROWS, Batch, Network, Objective, RepeatedPass
from nnfw.ops import DEFINITIONS, using
from nnfw.protocols import Cost, Optimizer, Solver
from nnfw.training import TrainingOptions, state_of
from nnfw.training.stored_copy import LARGE

_SEED = 0


def training_bytes(
    network: Network, objective: Objective, optimizer: Optimizer | Solver, options: TrainingOptions, *, validates: bool
) -> int:
    """Return the bytes of a training's arrays: parameters, gradient, optimizer, a batch and all buffers, data aside.

    An average, and a gradient that accumulates, are as long as the parameters.

    The buffers of a step are measured for batches of one and of two examples; they grow in proportion. With validation
    data, so are those of an evaluation.
    """
    vector, state = network.parameters.vector.nbytes, network.parameters.state.nbytes
    averages, accumulates = options.average is not None, (options.accumulate or 1) > 1
    vectors = 1 + len(state_of(optimizer, np.zeros(0))) + averages + accumulates
    changing = vector * vectors + state * (1 + averages)
    copy = changing if changing < LARGE else 0  # for the message about a divergence; a large one is in a file
    step = _growing(lambda count: _of_step(network, objective, count), options.batch_size)
    evaluation = _growing(lambda count: _of_evaluation(network, count), EVALUATION_ROWS) if validates else 0
    return changing + copy + vector + step + evaluation


def _growing(measure: Callable[[int], int], count: int) -> int:
    one, two = measure(1), measure(2)
    return one + (two - one) * (count - 1)


def _of_step(network: Network, objective: Objective, count: int) -> int:
    workspace = network.workspace(np.random.default_rng(_SEED), training=True)
    batch = batch_of_zeros(network, objective, count)
    grads = network.views(np.zeros_like(network.parameters.vector))
    state = network.parameters.state.copy()
    repeated = RepeatedPass(network, objective, workspace, grads)
    with np.errstate(all="ignore"), using(DEFINITIONS):
        repeated(batch)
    network.parameters.state[...] = state
    arrays = (*batch.inputs, *batch.targets)
    return workspace.nbytes + repeated.nbytes + sum(array.nbytes for array in arrays) + count * np.intp(0).nbytes


def _of_evaluation(network: Network, count: int) -> int:
    workspace = network.workspace()
    with np.errstate(all="ignore"):
        network.forward(_inputs(network, count), workspace)
    return workspace.nbytes


def _inputs(network: Network, count: int) -> tuple[Array, ...]:
    return tuple(np.zeros((count, *each.shape), each.dtype_in(network.dtype)) for each in network.inputs)


def batch_of_zeros(network: Network, objective: Objective, count: int) -> Batch:
    """Return examples of zeros, with labels that the costs take."""
    pairs = zip(objective.terms, network.output_shapes, strict=True)
    targets = (_labels(term.cost, (count, *shape)) for term, shape in pairs)
    in_dtype = (y.astype(network.dtype) if y.dtype.kind == "f" else y for y in targets)
    return Batch(_inputs(network, count), tuple(in_dtype))


def _labels(cost: Cost, shape: Shape) -> Array:
    """Return labels that a cost takes: zeros as classes or as numbers; as numbers if it takes neither."""
    for labels in (np.zeros(shape[:-1], np.int64), np.zeros(shape)):
        try:
            return cost.targets(labels, shape[1:])
        except NnfwError:
            continue
    return np.zeros(shape)
