"""What nnfw-swish adds to nnfw."""

import nnfw


@nnfw.hookimpl
def nnfw_components():
    """Yield the components; they are imported only when they are used."""
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
def nnfw_commands():
    """Yield the commands."""
    yield nnfw.CommandSpec("swish", "nnfw_swish.command:swish", "Print swish and its slope.")
