"""A layer with state, for trainings."""

from dataclasses import dataclass

import nnfw
from nnfw.plugins import default_registry


@dataclass(frozen=True)
class RunningMean(nnfw.Layer):
    """z = a − m, with a running mean m that is not trained."""

    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        return input_shape

    def parameters(self, input_shape):
        return {
            "mean": nnfw.Parameter(input_shape, default_registry().resolve("initializer", "zeros"), trainable=False)
        }

    def forward(self, params, a_prev, workspace):
        if workspace.training:
            params["mean"][...] = 0.9 * params["mean"] + 0.1 * a_prev.mean(axis=0)
        return a_prev - params["mean"]

    def backward(self, params, delta, grads, workspace):
        return delta
