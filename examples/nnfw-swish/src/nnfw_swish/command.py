"""The command ``nnfw swish``."""

import json as json_module
from typing import Annotated

import typer

Beta = Annotated[float, typer.Option("--beta", min=0, help="Sharpness of the bend at 0.")]
Points = Annotated[int, typer.Option("--points", min=2, help="Number of z, from -6 to 6.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_WIDTH, _LEFT = 36, 6


def swish(beta: Beta = 1.0, points: Points = 13, json: Json = False) -> None:
    """Print swish and its slope from -6 to 6, with a plot.

    Examples
    --------
    $ nnfw swish --beta 2
    """
    import numpy as np  # here, so that nnfw --help stays fast

    from nnfw_swish.swish import Swish

    activation, z = Swish(beta), np.linspace(-6, 6, points)
    a = activation.value(z)
    slope = activation.derivative(z, a)
    if json:
        typer.echo(json_module.dumps({"beta": beta, "z": z.tolist(), "a": a.tolist(), "slope": slope.tolist()}))
        return
    typer.echo(f"{'z':>6}  {'a':>8}  {'slope':>8}")
    for row in zip(z, a, slope, strict=True):
        column = _LEFT + round((_WIDTH - _LEFT) * row[1] / 6)
        typer.echo("{:6.2f}  {:8.4f}  {:8.4f}  ".format(*row) + " " * max(column, 0) + "*")
