"""What the installed accelerators make of an activation, for ``nnfw show --accelerators``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nnfw.errors import in_words
from nnfw.ops import DEFINITIONS, Kernels, kernels_from, made_of_kernels, using
from nnfw.ops.active import NAMES
from nnfw.protocols import Elementwise
from nnfw.workspace import Workspace

if TYPE_CHECKING:
    from nnfw.plugins import AcceleratorSpec, Registry
    from nnfw.protocols import Activation

COMPILED, KERNELS, NUMPY, UNKNOWN = "compiled", "kernels", "NumPy", "unknown"
_SHAPE = (2, 3)


def accelerations(activation: Activation, registry: Registry) -> list[dict[str, str]]:
    """Return for each accelerator its name, how it computes the activation, and why so.

    It is imported and compiles for that, which can take seconds.
    """
    found = []
    for spec, _ in registry.accelerators:
        how, why = _acceleration(activation, spec, registry)
        found.append({"accelerator": spec.name, "computed_by": how, "because": why})
    return found


def _acceleration(activation: Activation, spec: AcceleratorSpec, registry: Registry) -> tuple[str, str]:
    try:
        chosen = kernels_from(spec, registry)
    except Exception as error:  # whatever its module raises
        return NUMPY, f"{in_words(error).rstrip('.')}. {spec.summary}"
    try:
        return _tried(activation, chosen)
    except Exception as error:  # whatever the activation raises
        return UNKNOWN, f"it cannot be tried: {in_words(error)}"


def _tried(activation: Activation, chosen: Kernels) -> tuple[str, str]:
    if not made_of_kernels(activation.forward) and chosen.elementwise(activation) is not None:
        return COMPILED, "as loops over the elements"
    called = _kernels_called(activation)
    lacking = [name for name in called if getattr(chosen, name) is getattr(DEFINITIONS, name)]
    if lacking:
        return NUMPY, f"the accelerator has no kernel {', '.join(lacking)}"
    if called:
        return KERNELS, f"it calls {', '.join(called)}"
    if type(activation).forward is Elementwise.forward:
        return NUMPY, "value and derivative cannot be compiled, or give something else then"
    return NUMPY, "it has a forward of its own, which calls no kernels"


def _kernels_called(activation: Activation) -> list[str]:
    """Return the names of the kernels that an activation calls on its way forward and back."""
    called: dict[str, None] = {}

    def noted(name: str) -> Callable[..., Any]:
        def kernel(*arguments: Any) -> Any:
            called[name] = None
            return getattr(DEFINITIONS, name)(*arguments)

        return kernel

    workspace, z = Workspace(), np.ones(_SHAPE, np.float32)
    with using(Kernels(**{name: noted(name) for name in NAMES})):
        activation.delta(z, z, activation.forward(z, workspace), workspace)
    return list(called)
