"""The experiment: one file that describes data, network, cost, optimizer and training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt, MaxLen, MinLen

from nnfw.configuration import build, to_table
from nnfw.errors import ConfigError, Mistake
from nnfw.network import Graph, Term
from nnfw.plugins import TYPE, Registry
from nnfw.protocols import Cost, Dataset, Node, Optimizer, Solver, Transform
from nnfw.toml import STDIN, Document, Keys, apply_overrides, read
from nnfw.training import TrainingOptions, contradictions

Fraction = Annotated[float, Ge(0), Lt(1)]


@dataclass(frozen=True)
class SplitSection:
    """``[data] split``: which examples are held out.

    Parameters
    ----------
    validation, test
        Fractions of all examples, 0 or more and together less than 1; 0.15 each by default.
    stratify
        Whether every part keeps the proportions of the classes; False by default.
    """

    validation: Fraction = 0.15
    test: Fraction = 0.15
    stratify: bool = False


@dataclass(frozen=True)
class DataSection:
    """``[data]``: where examples come from, and how their columns become x and y.

    Parameters
    ----------
    source
        The dataset.
    split
        Which examples are held out.
    transforms
        Transforms of feature columns, in order; fitted on the training part only and stored with the model.
    target_transforms
        The same for the target.
    """

    source: Dataset
    split: SplitSection = SplitSection()
    transforms: tuple[Transform, ...] = ()
    target_transforms: tuple[Transform, ...] = ()


@dataclass(frozen=True)
class ModelSection:
    """``[model]``: the network.

    Parameters
    ----------
    layers
        At least one ``[[model.layers]]``.
    input_shape
        Shape of one example. The data determines it; state it only to check the network before any data is read, if
        the dataset does not know it.
    """

    layers: Annotated[tuple[Node, ...], MinLen(1)]
    input_shape: Annotated[tuple[Annotated[int, Ge(1)], ...], MaxLen(64)] | None = None  # NumPy's limit


@dataclass(frozen=True)
class Experiment:
    """A whole experiment, checked and with every component resolved.

    Parameters
    ----------
    data, model, cost, optimizer, training
        The sections of the file.
    name
        First part of the name of the run's directory; ``"experiment"`` by default.
    seed
        Seed of split, parameters, order and noise, 0 or more; 0 by default.
    dtype
        ``"float32"`` (default) or ``"float64"``.
    """

    data: DataSection
    model: ModelSection
    cost: Cost
    optimizer: Optimizer | Solver
    training: TrainingOptions = field(default_factory=TrainingOptions)
    name: Annotated[str, MinLen(1)] = "experiment"
    seed: Annotated[int, Ge(0)] = 0
    dtype: Literal["float32", "float64"] = "float32"


@dataclass(frozen=True, eq=False)
class ExperimentFile:
    """An experiment with the values of its file, and the line of each; relative paths start in the directory."""

    experiment: Experiment
    document: Document
    directory: Path = field(default_factory=Path)


def read_experiment(path: str, registry: Registry, overrides: Iterable[str] = ()) -> ExperimentFile:
    """Read and check an experiment file; no data is read.

    The file is TOML, ``"-"`` for the standard input; an override is ``"training.epochs=5"`` or the like.
    FileFormatError if the file cannot be read or is not TOML; ConfigError with every mistake in it, each with its line.
    """
    document = apply_overrides(read(path), overrides)
    directory = Path() if path == STDIN else Path(path).parent
    return ExperimentFile(check_experiment(document, registry), document, directory)


def check_experiment(document: Document, registry: Registry) -> Experiment:
    """Return the experiment that a document holds; ConfigError with every mistake in it, each with its place."""
    try:
        experiment: Experiment = build(Experiment, document.table, registry.resolve)
    except ConfigError as error:
        found = [(mistake.path, str(mistake)) for mistake in error.mistakes]
        raise ConfigError(placed(document, found)) from error
    if mistakes := placed(document, _mistakes(experiment, registry)):
        raise ConfigError(mistakes)
    return experiment


def placed(document: Document, mistakes: Iterable[tuple[Keys, str]]) -> list[Mistake]:
    """Return mistakes with their places in a document, in the order of the lines."""
    found = sorted(mistakes, key=lambda mistake: document.line_of(mistake[0]))
    return [Mistake((), f"{document.place_of(path)}: {text}") for path, text in found]


def _mistakes(experiment: Experiment, registry: Registry) -> Iterator[tuple[Keys, str]]:
    """Yield what is wrong with values that are right by themselves."""
    shares = experiment.data.split
    if shares.validation + shares.test >= 1:
        sums = f"{shares.validation} + {shares.test}"
        text = f"data.split leaves nothing to train on: validation + test must be less than 1, got {sums}."
        yield ("data", "split"), text
    yield from _mistakes_of_network(experiment, registry)
    for mistake in contradictions(experiment.training, experiment.optimizer, registry):
        yield ("training", *mistake.path), f"training.{mistake}"


def _mistakes_of_network(experiment: Experiment, registry: Registry) -> Iterator[tuple[Keys, str]]:
    """Yield what is wrong with names and inputs of nodes, or else with the cost at the output."""
    try:
        graph = graph_of(experiment, registry)
    except ConfigError as error:
        yield from ((("model", *mistake.path), f"model.{mistake}") for mistake in error.mistakes)
        return
    try:
        Term(experiment.cost, graph.nodes[graph.outputs[0]].activation, registry)
    except ConfigError as error:
        yield from ((("cost", TYPE), str(mistake)) for mistake in error.mistakes)


def graph_of(experiment: Experiment, registry: Registry) -> Graph:
    """Return the nodes of an experiment's network; ConfigError if their names and inputs do not fit."""
    return Graph(experiment.model.layers, registry)


def distributions_of(experiment: Experiment, registry: Registry) -> dict[str, str]:
    """Return the versions of the distributions whose components an experiment names."""
    return registry.distributions_in(to_table(experiment, registry.describe))


def table_of(experiment: Experiment, registry: Registry) -> dict[str, Any]:
    """Return the experiment as the table of a file, with every default written out and names as short as possible."""
    table = to_table(experiment, partial(registry.describe, qualified=False))
    first = ("name", "seed", "dtype")
    return {key: table[key] for key in first} | {key: table[key] for key in table if key not in first}
