"""``nnfw gradcheck``: the four equations of a network, against numerical differentiation."""

from __future__ import annotations

from typing import Annotated

import typer

from nnfw.cli.arguments import ExperimentPath, Overrides
from nnfw.cli.console import Json, print_heading, print_json, print_table, print_text
from nnfw.plugins import default_registry

Examples = Annotated[int, typer.Option("--batch", metavar="N", min=1, help="How many training examples to take.")]
Precise = Annotated[
    bool, typer.Option("--precise", help="Ask SciPy's adaptive method too; takes several times as long.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of noise, and of what is drawn to be checked.")]


def gradcheck(
    file: ExperimentPath,
    overrides: Overrides = None,
    batch: Examples = 8,
    seed: Seed = 0,
    precise: Precise = False,
    json: Json = False,
) -> None:
    """Check the gradients of an experiment's network against numerical differentiation.

    The first training examples go through the untrained network. From the output to the input, every layer's δ, biases
    and weights as the backward pass gives them (Equations 1 to 4) are compared with differences of the cost. The exit
    status is 0 if all agree, and 1 if one is wrong.

    Examples
    --------
    $ nnfw gradcheck examples/xor.toml
    $ nnfw gradcheck examples/digits.toml --batch 4 --set "model.layers[0].activation=gelu"
    """
    import numpy as np

    from nnfw.checking import Report, check_pass
    from nnfw.experiments import prepare, read_experiment

    registry = default_registry()
    prepared = prepare(read_experiment(file, registry, overrides or ()), registry)
    x, y, weight = prepared.parts["training"].part(0, batch, np.dtype(np.float64))
    report = check_pass(prepared.model, x, y, weight, prepared.objective.cost, precise=precise, seed=seed)
    if json:
        print_json(report.to_table())
    else:
        if report.rows:
            print_table(Report.COLUMNS, [row.cells for row in report.rows])
        print_heading(f"\nAll gradients are right, for {report.examples} examples." if report.ok else "\nWrong")
        if not report.ok:
            print_text("\n".join(report.explanations()))
    if not report.ok:
        raise typer.Exit(1)
