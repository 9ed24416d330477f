"""What the installed accelerators make of an activation, for ``nnfw show --accelerators``."""

from __future__ import annotations

import numpy as np

from nnfw.errors import in_words
from nnfw.ops import Engine, Operation, engine_from, made_of_kernels
from nnfw.ops.operation import Function, dispatched
from nnfw.plugins import AcceleratorSpec, Registry
from nnfw.plugins.specs import Declared
from nnfw.protocols import Activation, Elementwise
from nnfw.workspace import Workspace

COMPILED, KERNELS, NUMPY, UNKNOWN = "compiled", "kernels", "NumPy", "unknown"
_SHAPE = (2, 3)


def accelerations(activation: Activation, registry: Registry) -> list[dict[str, str]]:
    """Return for each accelerator its name, how it computes the activation, and why so.

    It is imported and compiles for that, which can take seconds.
    """
    found = []
    for item in registry.accelerators:
        how, why = _acceleration(activation, item, registry)
        found.append({"accelerator": item.name, "computed_by": how, "because": why})
    return found


def _acceleration(activation: Activation, item: Declared[AcceleratorSpec], registry: Registry) -> tuple[str, str]:
    try:
        engine = engine_from(item, registry)
    except Exception as error:  # whatever its module raises
        return NUMPY, f"{in_words(error).rstrip('.')}. {item.spec.summary}"
    try:
        return _tried(activation, engine)
    except Exception as error:  # whatever the activation raises
        return UNKNOWN, f"it cannot be tried: {in_words(error)}"


def _tried(activation: Activation, engine: Engine) -> tuple[str, str]:
    if not made_of_kernels(activation.forward) and engine.elementwise(activation) is not None:
        return COMPILED, "as loops over the elements"
    called = _operations_called(activation)
    lacking = [operation.name for operation in called if engine.function(operation) is operation.definition]
    if lacking:
        return NUMPY, f"the accelerator has no kernel {', '.join(lacking)}"
    if called:
        return KERNELS, f"it calls {', '.join(operation.name for operation in called)}"
    if type(activation).forward is Elementwise.forward:
        return NUMPY, "value and derivative cannot be compiled, or give something else then"
    return NUMPY, "its own forward calls no kernels"


def _operations_called(activation: Activation) -> list[Operation]:
    """Return the operations that an activation calls on its way forward and back."""
    called = _Noting()
    workspace, z = Workspace(), np.ones(_SHAPE, np.float32)
    with dispatched(called):
        activation.delta(z, z, activation.forward(z, workspace), workspace)
    return list(called)


class _Noting(dict[Operation, Function]):
    """Carries operations out by their definitions; its keys are those that were called."""

    def __missing__(self, operation: Operation) -> Function:
        self[operation] = operation.definition
        return operation.definition
