from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt

from nnfw import Activation, Layer


@dataclass(frozen=True)
class Amplify(Layer):
    """z = factor · a_prev."""

    factor: Annotated[float, Gt(0)] = 2.0
    activation: Activation | str = "swish"

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, params, a_prev, workspace):
        return self.factor * a_prev

    def backward(self, params, delta, grads, workspace):
        return self.factor * delta
