"""``nnfw trace``: where learning stops in a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnfw.cli.arguments import DataDirectory, Overrides, Trust
from nnfw.cli.completion import complete_runs
from nnfw.cli.console import Json, message, print_json, print_table, print_text
from nnfw.plugins import Registry, default_registry

if TYPE_CHECKING:
    from nnfw.experiments import Prepared
    from nnfw.network import Health

FileOrRun = Annotated[
    str,
    typer.Argument(
        metavar="FILE_OR_RUN",
        help="An experiment, whose network is not trained yet; - is stdin. Or a run's directory.",
        autocompletion=complete_runs,
    ),
]
Examples = Annotated[
    int, typer.Option("--batch", metavar="N", min=1, help="How many training examples, spread over all, to take.")
]


def trace(
    path: FileOrRun,
    overrides: Overrides = None,
    batch: Examples = 128,
    data_dir: DataDirectory = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Show where learning stops: the size of z, a and δ at each layer of a network, for one batch.

    z and a are given as mean ± standard deviation, ‖δ‖ over the whole batch, and the share of dead units: those that
    give the same for every example, with δ = 0. A layer is vanishing if ‖δ‖ is less than 1/1000 of that of the outputs,
    exploding if it is more than 1000 times that, and dead if half of its units are. Layers act as in training. Of
    recurrent layers a second table shows ‖∂C/∂h_t‖ at time steps before the last that is read.

    Examples
    --------
    $ nnfw trace examples/digits.toml
    $ nnfw trace examples/digits.toml --set "model.layers[0].activation=sigmoid"
    $ nnfw trace runs/digits-20260101-120000
    """
    from nnfw.network import explanations, time_explanations

    registry = default_registry()
    if Path(path).is_dir():
        if overrides:
            raise typer.BadParameter("--set changes an experiment; a run is looked at as it was trained.")
        prepared = _of_run(Path(path), registry, data_dir, trust=trust)
    else:
        prepared = _of_file(path, registry, overrides or ())
    found = prepared.health(batch, through_time=True)
    if json:
        print_json([asdict(each) for each in found])
        return
    print_health(found)
    _print_time(found)
    texts = [*explanations(found), *time_explanations(found)] or ["No layer is vanishing, exploding or dead."]
    print_text("\n" + "\n".join(texts))


def print_health(found: Sequence[Health]) -> None:
    """Print a row for each node."""
    from nnfw.experiments import shape_in_words

    rows = [
        [
            f"{each.name} {each.layer}",
            shape_in_words(each.shape),
            f"{each.z_mean:.2g} ± {each.z_spread:.2g}",
            f"{each.a_mean:.2g} ± {each.a_spread:.2g}",
            f"{each.delta:.2g}",
            f"{each.dead:.0%}",
            each.verdict,
        ]
        for each in found
    ]
    print_table(["layer", "shape", "z", "a", "‖δ‖", "dead", "verdict"], rows)


def _print_time(found: Sequence[Health]) -> None:
    """Print ‖∂C/∂h_t‖ of each recurrent layer at some time steps, the last one first."""
    recurrent = [each for each in found if each.through_time]
    if not recurrent:
        return
    longest = max(len(each.through_time) for each in recurrent)
    back = [0, *(2**k for k in range(longest.bit_length()) if 2**k < longest - 1)]
    rows = []
    for each in recurrent:
        sizes = each.through_time[::-1]
        shown = [f"{sizes[k]:.2g}" if k < len(sizes) else "" for k in back]
        rows.append([f"{each.name} {each.layer}", *shown, f"{sizes[-1]:.2g}", each.time_verdict])
    print_text("\n‖∂C/∂h_t‖, so many time steps before the last")
    print_table(["layer", *map(str, back), "first", "verdict"], rows)


def _of_file(path: str, registry: Registry, overrides: Sequence[str]) -> Prepared:
    from nnfw.experiments import prepare, read_experiment

    return prepare(read_experiment(path, registry, overrides), registry)


def _of_run(path: Path, registry: Registry, data_dir: Path | None, *, trust: bool) -> Prepared:
    from nnfw.runs import Access, prepare_run

    return prepare_run(path, Access(registry, message, data_dir, trust))
