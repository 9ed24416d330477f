"""Padding in every standard layer: either it counts for nothing, or the layer refuses padded sequences."""

import re

import numpy as np
import pytest

import nnfw
from nnfw.conformance.layer_bench import TRIAL_SHAPES
from nnfw.conformance.subjects import subjects_of
from nnfw.plugins import default_registry

REGISTRY = default_registry()
LAYERS = {
    subject.name: subject
    for item in REGISTRY.components("layer")
    if item.plugin.built_in
    for subject in subjects_of(f"layer:{item.name}", REGISTRY)
}
COUNT = 4
REFUSED = re.compile("Layer .*: (takes no padded sequences|makes .* so the lengths of its input do not hold)")
KEEP = {
    "activation", "add", "avg_pool1d", "bidirectional", "causal_conv1d", "chain", "concatenate", "conv1d", "dense",
    "dropout", "embedding", "feature_dropout", "gaussian_noise", "glu", "gru", "layer_norm", "lstm", "max_pool1d",
    "maxout", "multi_head_attention", "multiply", "parallel", "positional_encoding", "repeat", "reshape",
    "residual", "rms_norm", "scale", "simple_rnn", "spatial_dropout", "stacked", "swiglu", "time_pool",
    "transformer_decoder", "transformer_encoder",
}  # fmt: skip
"""Layers that take padded sequences (T, n), or (T,) for an embedding, with some options; all others refuse them."""


def models_of(subject):
    """Yield a network of this layer alone for each shape that it takes and that has two time steps or more."""
    for given in subject.input_shapes or TRIAL_SHAPES:
        shapes = given if isinstance(given[0], tuple) else (given,)
        inputs = {f"x{k}": shape for k, shape in enumerate(shapes)}
        if shapes[0][0] > 1:
            try:
                yield nnfw.Sequential([nnfw.Node(subject.make(), "it", tuple(inputs))], inputs, seed=1, dtype="float64")
            except (nnfw.ShapeError, nnfw.ConfigError):
                continue


def drawn(model, rng):
    """Return a batch for each input of a model."""
    shapes = [(COUNT, *each.shape) for each in model.network.inputs]
    return [
        rng.standard_normal(shape) if each.limit is None else rng.integers(0, each.limit, shape)
        for each, shape in zip(model.network.inputs, shapes, strict=True)
    ]


def lengths_of(model):
    """Return lengths for each input with an axis of time: 0, 1, all but one, all; each input has them turned on."""
    found = []
    for k, each in enumerate(model.network.inputs):
        steps = each.shape[0]
        sequence = len(each.shape) > 1 or k == 0
        found.append(np.roll([0, 1, steps - 1, steps], k if own_lengths(model) else 0) if sequence else None)
    return found


def own_lengths(model):
    return any(getattr(place.layer, "own_lengths", False) for place in model.network.graph.nodes)


def beyond(lengths, steps):
    return np.arange(steps) >= lengths[:, np.newaxis]


def passed(model, inputs, lengths, training, delta):
    """Return what must not depend on padding: a within the lengths, and the gradients."""
    network = model.network
    rng = np.random.default_rng(3) if training else None
    workspace, gradient = network.workspace(rng, training=training), np.zeros_like(network.parameters.vector)
    ((_, a, ends),) = network.forward(inputs, workspace, lengths)
    inside = a.copy() if ends is None else a[~beyond(ends, a.shape[1])]
    delta = delta.copy()
    if ends is not None:
        delta[beyond(ends, a.shape[1])] = 0
    network.graph.backward(network.parameters, lambda k, own: delta, network.views(gradient), workspace)
    return inside, gradient


def refuses(model, inputs, lengths, training=False):
    """Return whether a model refuses padded sequences, with an error that names the layer and says why."""
    try:
        model.network.forward(inputs, model.network.workspace(np.random.default_rng(3), training=training), lengths)
    except nnfw.DataError as error:
        return bool(REFUSED.match(str(error))) or pytest.fail(str(error))
    return False


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("name", LAYERS)
def test_padding_counts_for_nothing_or_is_refused(name, training):
    subject, tried = LAYERS[name], 0
    for model in models_of(subject):
        rng, lengths, tried = np.random.default_rng(2), lengths_of(model), tried + 1
        first, other = drawn(model, rng), drawn(model, rng)
        for k, own in enumerate(lengths):
            inside = np.ones(first[k].shape[:2], bool) if own is None else ~beyond(own, first[k].shape[1])
            other[k][inside] = first[k][inside]
        delta = rng.standard_normal((COUNT, *model.output_shape))
        if refuses(model, first, lengths, training):
            continue
        found, again = (passed(model, inputs, lengths, training, delta) for inputs in (first, other))
        for value, same in zip(found, again, strict=True):
            np.testing.assert_allclose(value, same, rtol=1e-12, atol=1e-12)
    assert tried


def test_layers_that_take_padded_sequences_are_those_that_are_listed():
    taking = set()
    for subject in LAYERS.values():
        for model in models_of(subject):
            if not refuses(model, drawn(model, np.random.default_rng(2)), lengths_of(model)):
                taking.add(subject.declared.name)
    assert taking == KEEP
