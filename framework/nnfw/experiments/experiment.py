"""The experiment: one file that describes data, network, cost, optimizer and training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, TypeVar, cast

from annotated_types import Ge, Lt, MaxLen, MinLen

from nnfw.configuration import build, to_table
from nnfw.data import INPUT, InputColumns, listed, repeated
from nnfw.errors import ConfigError, Mistake, NnfwError, did_you_mean
from nnfw.model import WeightedCost
from nnfw.network import Graph, Term
from nnfw.plugins import TYPE, Registry
from nnfw.protocols import Cost, Dataset, Node, Optimizer, Solver, Transform
from nnfw.toml import STDIN, Document, Keys, apply_overrides, read
from nnfw.training import TrainingOptions, contradictions

AUTO = "auto"

Fraction = Annotated[float, Ge(0), Lt(1)]
Transforms = tuple[Transform, ...] | Literal["auto"] | None


@dataclass(frozen=True)
class SplitSection:
    """``[data] split``: which examples are held out.

    Parameters
    ----------
    validation, test
        Fractions of all examples, 0 or more and together less than 1; 0.15 each by default.
    stratify
        Whether every part keeps the proportions of the classes; False by default.
    in_order
        Whether the last examples are the test part and those before them the validation part, as for a time series;
        by default parts are drawn at random.
    group
        A column whose values stay together, such as a patient or a recording: all examples of a value are in one part.
        It is no feature, unless an input names it. Tables have an option ``group`` of their own.
    """

    validation: Fraction = 0.15
    test: Fraction = 0.15
    stratify: bool = False
    in_order: bool = False
    group: str | None = None


InputSection = Annotated[tuple[str, ...], MinLen(1)] | InputColumns


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
        Transforms of feature columns, in order; fitted on the training part only and stored with the model. ``"auto"``
        picks those that suit the columns of a table, which is the default where some of them hold words or lack values;
        otherwise there are none.
    target_transforms
        The same for the target; of several targets, for the columns that a transform names, or else those of its kind.
        ``"auto"``, the default where `transforms` are picked, standardizes numbers.
    metrics_in_unit
        Whether metrics see outputs and labels with the target transforms undone, in the unit of the target; True by
        default. The cost that is minimised is that of the transformed target either way.
    inputs
        The columns of each input of the network, by the name of the input: a list, or a table with ``columns`` and, for
        padded sequences, ``lengths``, the column of their lengths. By default all features make up the only input.
    targets
        The column that each output of the network is compared with, by the name of the output. By default the target of
        the dataset belongs to the only output.
    """

    source: Dataset
    split: SplitSection = SplitSection()
    transforms: Transforms = None
    target_transforms: Transforms = None
    metrics_in_unit: bool = True
    inputs: Mapping[str, InputSection] | None = None
    targets: Mapping[str, str] | None = None

    @property
    def steps(self) -> tuple[tuple[Transform, ...], tuple[Transform, ...]]:
        """The transforms of features and target, once they are picked."""
        steps = self.transforms or (), self.target_transforms or ()
        assert AUTO not in steps
        return cast("tuple[tuple[Transform, ...], tuple[Transform, ...]]", steps)

    @property
    def groups(self) -> Mapping[str, InputColumns] | None:
        """The columns of each input, or None."""
        if self.inputs is None:
            return None
        return {name: own if isinstance(own, InputColumns) else InputColumns(own) for name, own in self.inputs.items()}


_Shape = Annotated[tuple[Annotated[int, Ge(1)], ...], MaxLen(64)]  # NumPy's limit


@dataclass(frozen=True)
class ModelSection:
    """``[model]``: the network.

    Parameters
    ----------
    layers
        At least one ``[[model.layers]]``.
    input_shape
        Shape of one example. The data determines it; state it only to check the network before any data is read, if
        the dataset does not know it. Of several inputs, their shapes by name.
    outputs
        Names of the layers that give the outputs, where there are several; by default the last layer alone.
    """

    layers: Annotated[tuple[Node, ...], MinLen(1)]
    input_shape: _Shape | Mapping[str, _Shape] | None = None
    outputs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Experiment:
    """A whole experiment, checked and with every component resolved.

    Parameters
    ----------
    data, model, optimizer, training
        The sections of the file.
    cost
        The cost. Where outputs have names, that of each by its name, with a ``weight`` λ in C = Σ_k λ_k C_k.
    name
        First part of the name of the run's directory; ``"experiment"`` by default.
    seed
        Seed of split, parameters, order and noise, 0 or more; 0 by default.
    dtype
        ``"float32"`` (default) or ``"float64"``.
    """

    data: DataSection
    model: ModelSection
    cost: Cost | Mapping[str, WeightedCost]
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


@contextmanager
def placed_in(document: Document, data: DataSection | None = None) -> Iterator[None]:
    """Put its place in a document in front of an error about a node, an input or a target.

    With the section `data`, columns too are found: at the input or target that they belong to.
    """
    try:
        yield
    except NnfwError as error:
        if path := _path_in_file(error.path, data):
            error.of(document.place_of(path))
            error.path = ()  # once is enough
        raise


def _path_in_file(path: Keys, data: DataSection | None) -> Keys:
    """Return where in a file stands what an error is about; nothing if the file does not say it."""
    groups, targets = (None, None) if data is None else (data.groups, data.targets)
    match path:
        case ("layers", *_) | ("input_shape",):
            return ("model", *path)
        case ("input_shape", name) if name in (groups or {}):
            return ("data", "inputs", name)
        case ("targets", name) if name in (targets or {}):
            return ("data", "targets", name)
        case ("columns", column):
            inputs = [("data", "inputs", name) for name, group in (groups or {}).items() if column in group.names]
            labels = [("data", "targets", name) for name, own in (targets or {}).items() if own == column]
            return next(iter([*inputs, *labels]), ())
    return ()


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def placing(
    function: Callable[Concatenate[ExperimentFile, Arguments], Result],
) -> Callable[Concatenate[ExperimentFile, Arguments], Result]:
    """Return a function that puts the place in its first argument, a file, in front of its errors."""

    @wraps(function)
    def placed_function(file: ExperimentFile, /, *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        with placed_in(file.document, file.experiment.data):
            return function(file, *arguments, **named)

    return placed_function


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
        found = [(mistake.path, f"{mistake}{_hint_of_cost(mistake, document.table)}") for mistake in error.mistakes]
        raise ConfigError(placed(document, found)) from error
    with placed_in(document):
        mistakes = placed(document, _mistakes(experiment, registry))
    if mistakes:
        raise ConfigError(mistakes)
    return experiment


def _hint_of_cost(mistake: Mistake, table: Mapping[str, Any]) -> str:
    """Return what costs by output need, with a leading space, where such costs may be meant; else nothing."""
    cost, model = table.get("cost"), table.get("model")
    if len(mistake.path) != 2 or mistake.path[0] != "cost" or not isinstance(cost, Mapping):
        return ""
    key = mistake.path[1]
    if isinstance(cost.get(key), Mapping) or (key == TYPE and cost and TYPE not in cost):
        named = isinstance(model, Mapping) and model.get("outputs")
        needs = "" if named else ", and need model.outputs, a list of the names"
        return f" Costs by name are tables, [cost.NAME]{needs}."
    return ""


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
    yield from _mistakes_of_names(experiment)
    yield from _mistakes_of_network(experiment, registry)
    for mistake in contradictions(experiment.training, experiment.optimizer, registry):
        yield ("training", *mistake.path), f"training.{mistake}"


def _mistakes_of_names(experiment: Experiment) -> Iterator[tuple[Keys, str]]:
    """Yield what is wrong with names of outputs, and with columns that are named twice."""
    data, outputs = experiment.data, experiment.model.outputs or ()
    metrics = experiment.training.metrics
    yield from _mistakes_by_output(("data", "targets"), data.targets, outputs)
    yield from _mistakes_by_output(("cost",), experiment.cost, outputs)
    if metrics:
        yield from _mistakes_by_output(("training", "metrics"), metrics, outputs, all_needed=False)
    groups = data.groups or {}
    if data.inputs is not None and not groups:
        yield ("data", "inputs"), "data.inputs is empty. Name an input and its columns, or remove it."
    for name, group in groups.items():
        path = ("data", "inputs", name)
        if twice := repeated(group.names):
            yield path, f"data.inputs.{name} names the column {twice[0]!r} twice."
        for column in group.names:
            if column in (data.targets or {}).values():
                yield path, f"data.inputs.{name} names the column {column!r}, which is a target. Remove one of them."
    lengths = {group.lengths for group in groups.values()}
    for name, group in groups.items():
        for held in [column for column in group.columns if column in lengths]:
            text = f"data.inputs.{name} names the column {held!r}, which holds lengths. Remove one of them."
            yield ("data", "inputs", name), text


def _mistakes_by_output(
    path: Keys, given: object, outputs: Sequence[str], *, all_needed: bool = True
) -> Iterator[tuple[Keys, str]]:
    """Yield what is wrong with a value that must be a table by the names of the outputs, where these have names."""
    place = ".".join(map(str, path))
    if not outputs:
        if isinstance(given, Mapping):
            yield path, f"{place} is by the names of outputs, but model.outputs names none. List them there."
        return
    if not isinstance(given, Mapping):
        yield path, f"{place} must be a table by the names of the outputs: {listed(outputs)}."
        return
    missing = [name for name in outputs if name not in given] if all_needed else []
    further = [name for name in given if name not in outputs]
    if missing:
        yield path, f"{place} lacks the output {listed(missing)}.{did_you_mean(missing[0], further)}"
    for name in further:
        near = did_you_mean(name, outputs)
        yield (*path, name), f"{place}.{name}: there is no output {name!r}.{near} Outputs: {listed(outputs)}."


def _mistakes_of_network(experiment: Experiment, registry: Registry) -> Iterator[tuple[Keys, str]]:
    """Yield what is wrong with names and inputs of nodes, or else with the costs at the outputs."""
    try:
        graph = graph_of(experiment, registry)
        graph.limits()
    except ConfigError as error:
        for mistake in error.mistakes:
            if mistake.path[:1] == ("input_shape",):
                yield ("data", "inputs", *mistake.path[1:]), f"data.inputs: {mistake.text}"
            else:
                yield ("model", *mistake.path), f"model.{mistake}"
        return
    costs, outputs = costs_of(experiment), zip(graph.output_names or ("",), graph.outputs, strict=True)
    for name, index in outputs:
        try:
            if name in costs:
                Term(costs[name].cost, graph.nodes[index].activation, registry)
        except ConfigError as error:
            path = ("cost", name, TYPE) if name else ("cost", TYPE)
            yield from ((path, str(mistake)) for mistake in error.mistakes)


def costs_of(experiment: Experiment) -> Mapping[str, WeightedCost]:
    """Return the cost of each output by its name; that of the only one, without a name, under the empty name."""
    cost = experiment.cost
    return cost if isinstance(cost, Mapping) else {"": WeightedCost(cost)}


def graph_of(experiment: Experiment, registry: Registry) -> Graph:
    """Return the nodes of an experiment's network; ConfigError if their names and inputs do not fit."""
    names = experiment.data.inputs or (INPUT,)
    return Graph(experiment.model.layers, registry, tuple(names), experiment.model.outputs or ())


def distributions_of(experiment: Experiment, registry: Registry) -> dict[str, str]:
    """Return the versions of the distributions whose components an experiment names."""
    return registry.distributions_in(to_table(experiment, registry.describe))


def table_of(experiment: Experiment, registry: Registry) -> dict[str, Any]:
    """Return the experiment as the table of a file, with every default written out and names as short as possible."""
    table = to_table(experiment, partial(registry.describe, qualified=False))
    first = ("name", "seed", "dtype")
    return {key: table[key] for key in first} | {key: table[key] for key in table if key not in first}
