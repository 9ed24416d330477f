"""What a plugin implements: one protocol for each kind of component.

Components are frozen dataclasses of hyper-parameters. They hold no arrays and no state, so one object serves many
models and threads, and its fields are its configuration. Arrays live in the model's parameter vector and in a
:class:`~nnfw.Workspace`, the memory of one layer during one pass.

Conventions, the same everywhere:

- Examples are rows. A batch is ``(N, n)``; a weight keeps the note's orientation ``(n_out, n_in)``.
- δ is always ∂C/∂z of the cost that is minimised.
- The factor 1/N and the sample weights live in the cost and nowhere else.
- A `Shape` is that of one example, without the batch axis.

Subclass the protocol of your kind: methods with a default may then be left out.

References
----------
A. Mehrotra (2020), *Neural Networks*: the definitions and Equations 1 to 4.
"""

from nnfw.arrays import Shape
from nnfw.protocols.activation import Activation, Elementwise
from nnfw.protocols.callback import Callback, Fit
from nnfw.protocols.cost import (
    CanonicalCost,
    Cost,
    Metric,
    Regularizer,
    WritesStatistics,
    WritesValue,
    WritesValueFromZ,
)
from nnfw.protocols.data import Dataset, Transform
from nnfw.protocols.kinds import KINDS, Kind, is_solver
from nnfw.protocols.layer import Initializer, Layer, Parameter, activation_of
from nnfw.protocols.optimizer import Optimizer, Schedule, Solver, SplitOptimizer

__all__ = [
    "KINDS",
    "Activation",
    "Callback",
    "CanonicalCost",
    "Cost",
    "Dataset",
    "Elementwise",
    "Fit",
    "Initializer",
    "Kind",
    "Layer",
    "Metric",
    "Optimizer",
    "Parameter",
    "Regularizer",
    "Schedule",
    "Shape",
    "Solver",
    "SplitOptimizer",
    "Transform",
    "WritesStatistics",
    "WritesValue",
    "WritesValueFromZ",
    "activation_of",
    "is_solver",
]
