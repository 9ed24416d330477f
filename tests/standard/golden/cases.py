"""Layers of nnfw_standard with inputs, whose results are compared with those of PyTorch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfw.protocols import Merge
from nnfw_standard import (
    GRU,
    LSTM,
    AvgPool1D,
    BatchNorm,
    CausalConv1D,
    Conv1D,
    Dense,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    MaxPool1D,
    RMSNorm,
    SimpleRNN,
)


class Case(NamedTuple):
    """A layer with what it is tried with.

    Parameters
    ----------
    layer
        With options.
    shape
        Of the input ``(N, ...)``.
    lengths
        Of the sequences in it, if they are padded.
    training
        Whether the pass is one of a training.
    state
        Size of a first state, which is a second input ``(N, state)``; 0 for none.
    """

    layer: Any
    shape: tuple[int, ...]
    lengths: tuple[int, ...] | None = None
    training: bool = False
    state: int = 0

    @property
    def takes(self) -> Any:
        """What `output_shape` and `parameters` take: the shape of the input, or the shapes of several."""
        state = ((self.state,),) if self.state else ()
        return (self.shape[1:], *state) if Merge in type(self.layer).__mro__ else self.shape[1:]


RECURRENT = {"simple_rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}


def cases() -> dict[str, Case]:
    """Return all cases by name; what comes before the first space says which function of PyTorch is the other side."""
    found = {}
    for name, layer in RECURRENT.items():
        found[f"{name} last"] = Case(layer(3), (4, 5, 2))
        found[f"{name} all"] = Case(layer(3, states="all", initial_state="learned"), (4, 5, 2))
        found[f"{name} one step"] = Case(layer(2, states="all", bias=False), (3, 1, 4))
        for states, reverse in (("last", False), ("all", True), ("complete", False)):
            options = {"states": states, "reverse": reverse}
            state = 6 if name == "lstm" else 3
            found[f"{name} {states}, first state" + ", reverse" * reverse] = Case(
                layer(3, **options), (4, 6, 2), lengths=(6, 1, 4, 2), state=state
            )
        for states in ("last", "all"):
            for reverse in (False, True):
                options = {"states": states, "reverse": reverse, "initial_state": "learned"}
                key = f"{name} {states}, lengths" + ", reverse" * reverse
                found[key] = Case(layer(3, **options), (4, 6, 2), lengths=(6, 1, 4, 2))
    images, rows, sequences = (4, 6, 3, 5), (5, 4), (3, 4, 6)
    for shape in (rows, sequences, images):
        for training in (True, False):
            key = f"batch_norm {len(shape)} axes, {'training' if training else 'evaluation'}"
            found[key] = Case(BatchNorm(epsilon=1e-3, momentum=0.8), shape, training=training)
        found[f"layer_norm {len(shape)} axes"] = Case(LayerNorm(), shape)
        found[f"rms_norm {len(shape)} axes"] = Case(RMSNorm(epsilon=1e-3), shape)
    found["batch_norm time first"] = Case(BatchNorm(axis=0), sequences, training=True)
    found["batch_norm without scale and shift"] = Case(BatchNorm(scale=False, shift=False), rows, training=True)
    found["layer_norm of images"] = Case(LayerNorm(3, epsilon=1e-2), images)
    found["layer_norm without shift"] = Case(LayerNorm(2, shift=False), sequences)
    found["rms_norm of images"] = Case(RMSNorm(2), images)
    found["group_norm 1"] = Case(GroupNorm(1), images)
    found["group_norm 3"] = Case(GroupNorm(3), images)
    found["group_norm of rows"] = Case(GroupNorm(2), rows)
    found["instance_norm of images"] = Case(InstanceNorm(), images)
    found["instance_norm of sequences"] = Case(InstanceNorm(scale=False, shift=False), sequences)
    found["dense of a sequence"] = Case(Dense(3), sequences)
    found["dense of images"] = Case(Dense(2, bias=False), images)
    for name, options in {
        "plain": {},
        "stride": {"stride": 2, "padding": 2, "bias": False},
        "same": {"padding": "same", "dilation": 2},
        "groups": {"groups": 2, "stride": 3},
        "depthwise": {"groups": 4, "padding": 1},
    }.items():
        found[f"conv1d {name}"] = Case(Conv1D(8, 3, **options), (3, 9, 4))
    found["conv1d lengths"] = Case(Conv1D(2, 3, padding="same"), (4, 6, 2), lengths=(6, 1, 4, 2))
    found["causal_conv1d"] = Case(CausalConv1D(2, 3, dilation=2), (3, 7, 4))
    found["causal_conv1d groups, lengths"] = Case(CausalConv1D(4, 2, groups=2), (4, 6, 2), lengths=(6, 1, 4, 2))
    for name, options in {"plain": {}, "overlapping": {"kernel": 3, "stride": 2, "padding": 1}}.items():
        found[f"max_pool1d {name}"] = Case(MaxPool1D(**options), (3, 7, 4))
        found[f"avg_pool1d {name}"] = Case(AvgPool1D(**options), (3, 7, 4))
    return found


def drawn(case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return x, the parameters and ∂C/∂z, in float64."""
    rng = np.random.default_rng(seed)
    arrays = {"x": rng.standard_normal(case.shape)}
    if case.state:
        arrays["state"] = rng.standard_normal((case.shape[0], case.state))
    for name, parameter in case.layer.parameters(case.takes).items():
        arrays[name] = 0.5 * rng.standard_normal(parameter.shape)
        if name == "running_variance":
            arrays[name] = np.abs(arrays[name]) + 0.1
    arrays["delta"] = rng.standard_normal((case.shape[0], *case.layer.output_shape(case.takes)))
    if case.lengths is not None and getattr(case.layer, "keeps_time", False):  # costs ignore what lies beyond a length
        arrays["delta"][np.arange(case.shape[1]) >= np.array(case.lengths)[:, np.newaxis]] = 0
    return arrays
