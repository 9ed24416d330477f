"""The hooks of nnfw-swish."""

import nnfw


@nnfw.hookimpl
def nnfw_components():
    """Yield the components, which are imported on first use."""
    yield nnfw.ComponentSpec("activation", "swish", "nnfw_swish.swish:Swish", "z · sigmoid(beta z)")
    yield nnfw.ComponentSpec(
        "layer",
        "swish_gate",
        "nnfw_swish.gate:SwishGate",
        "(a w^T + b) ⊙ swish(a v^T + c)",
        examples=({"units": 3}, {"units": 4, "beta": 0.5, "activation": "tanh"}),
        input_shapes=((4,), (3,), (1,)),
    )
    yield nnfw.ComponentSpec(
        "cost",
        "pinball",
        "nnfw_swish.pinball:Pinball",
        "1/N Σ max(q r, (q − 1) r), r = y − a",
        examples=({}, {"quantile": 0.9}),
    )


@nnfw.hookimpl
def nnfw_operations():
    """Yield the operations of the gate, which let it train inside compiled programs."""
    module = "nnfw_swish.operations"
    yield nnfw.OperationSpec("swish_gate", f"{module}:swish_gate", "z ← u ⊙ g sigmoid(beta g)")
    yield nnfw.OperationSpec("swish_gate_delta", f"{module}:swish_gate_delta", "δ of u and g")


@nnfw.hookimpl
def nnfw_commands():
    """Yield the commands."""
    yield nnfw.CommandSpec("swish", "nnfw_swish.command:swish", "Print swish and its slope.")
