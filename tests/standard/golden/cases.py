"""Layers of nnfw_standard with inputs, whose results are compared with those of PyTorch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnfw_standard import GRU, LSTM, SimpleRNN


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
    """

    layer: Any
    shape: tuple[int, ...]
    lengths: tuple[int, ...] | None = None


RECURRENT = {"simple_rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}


def cases() -> dict[str, Case]:
    """Return all cases by name; what comes before the first space says which function of PyTorch is the other side."""
    found = {}
    for name, layer in RECURRENT.items():
        found[f"{name} last"] = Case(layer(3), (4, 5, 2))
        found[f"{name} all"] = Case(layer(3, states="all", initial_state="learned"), (4, 5, 2))
        found[f"{name} one step"] = Case(layer(2, states="all", bias=False), (3, 1, 4))
        for states in ("last", "all"):
            for reverse in (False, True):
                options = {"states": states, "reverse": reverse, "initial_state": "learned"}
                key = f"{name} {states}, lengths" + ", reverse" * reverse
                found[key] = Case(layer(3, **options), (4, 6, 2), lengths=(6, 1, 4, 2))
    return found


def drawn(case: Case, seed: int) -> dict[str, np.ndarray]:
    """Return x, the parameters and ∂C/∂z, in float64."""
    rng = np.random.default_rng(seed)
    arrays = {"x": rng.standard_normal(case.shape)}
    for name, parameter in case.layer.parameters(case.shape[1:]).items():
        arrays[name] = 0.5 * rng.standard_normal(parameter.shape)
    arrays["delta"] = rng.standard_normal((case.shape[0], *case.layer.output_shape(case.shape[1:])))
    if case.lengths is not None and getattr(case.layer, "keeps_time", False):  # costs ignore what lies beyond a length
        arrays["delta"][np.arange(case.shape[1]) >= np.array(case.lengths)[:, np.newaxis]] = 0
    return arrays
