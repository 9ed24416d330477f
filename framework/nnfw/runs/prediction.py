"""Using a trained model: evaluation on data, and predictions for raw columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nnfw.arrays import Array
from nnfw.data import (
    AUTO,
    Dialect,
    Examples,
    Preprocessing,
    Table,
    categorical,
    is_pipe,
    listed,
    load_examples,
    open_source,
    opened,
    read_npy,
    read_table,
    table_endings,
)
from nnfw.errors import ConfigError, DataError, NnfwError, did_you_mean, short, warn
from nnfw.experiments import chunks_of, features_and_labels, require_indices, streamed
from nnfw.experiments.component_text import ARRAY, TABLE, file_ending, parse_reference
from nnfw.experiments.experiment import costs_of
from nnfw.experiments.preparation import Figures, unit_in_words
from nnfw.model import Sequential
from nnfw.model.predictions import Outputs, at_thresholds, named_predictions
from nnfw.network import Objective, arrays_of
from nnfw.plain import Plain
from nnfw.plugins import Registry
from nnfw.protocols import Cost, Dataset, Source
from nnfw.runs.opening import Access, directory_of, open_model, open_run, prepare_run, warn_of_plugins
from nnfw.runs.reading import read_document, read_run
from nnfw.toml import STDIN, flattened
from nnfw.training import Labelled, Metrics, evaluate, evaluate_constant, require_finite_cost

Reference = str | dict[str, Plain]
"""A component by name or by table."""


def evaluate_run(path: Path, access: Access) -> tuple[dict[str, Figures], bool]:
    """Return cost and metrics of a run's model on each part of the run's data, and whether that data is unchanged.

    ConfigError if `path` is a model file, which does not know the data.
    """
    if path.is_file():
        raise ConfigError(f"{path} is a model file: name the data with --data, or the run's directory.")
    prepared = prepare_run(path, access)
    same = read_run(path).data_entry("sha256") == prepared.fingerprint
    results = {part: prepared.evaluate(part) for part in prepared.parts}
    label = prepared.objective.label(access.registry)
    for part, figures in results.items():
        require_finite_cost(figures["cost"], f"the {part} data", label)
    return results, same


def baseline_of_run(path: Path) -> dict[str, Figures]:
    """Return cost and metrics of a run's baseline on each part, as recorded; nothing if they were not."""
    return read_run(path).record.get("baseline", {})


def evaluate_on(
    path: Path,
    source: str,
    access: Access,
    *,
    cost: str | Sequence[str] = (),
    metrics: Sequence[str] = (),
    delimiter: str | None = None,
    table: str = "",
) -> Figures:
    """Return cost and metrics of a model on other data, as :func:`judge_on` does."""
    return judge_on(path, source, access, cost=cost, metrics=metrics, delimiter=delimiter, table=table).figures


class Judgement(NamedTuple):
    """Cost and metrics of a model and of the baseline, empty if the run records none, and their unit in words."""

    figures: Figures
    baseline: Figures
    unit: str


def judge_on(
    path: Path,
    source: str,
    access: Access,
    *,
    cost: str | Sequence[str] = (),
    metrics: Sequence[str] = (),
    delimiter: str | None = None,
    table: str = "",
) -> Judgement:
    """Return cost and metrics of a model on other data, and those of the baseline.

    ConfigError if there is no run to take the cost from; FileFormatError or DataError if model or data cannot be read.

    Parameters
    ----------
    path, access
        A run's directory or a model file, and how it is opened.
    source
        A table with the target's column, ``"-"``, or a dataset as :func:`parse_reference` takes it.
    cost, metrics
        As :func:`parse_reference` takes them; by default those of the run. Where outputs have names, each follows that
        of its output and a dot, ``"price.mae"``, and there is a cost for each output.
    delimiter
        The character between the cells of a CSV file; by default that of the run's own table.
    table
        Which table of a file that holds several; by default that of the training, else the only or first one.
    """
    model = open_model(path, access)
    preprocessing = model.preprocessing
    if preprocessing is None or not preprocessing.has_targets:
        raise ConfigError(f"{path} was not trained from an experiment: evaluate it in Python.")
    costs = [cost] if isinstance(cost, str) else cost
    objective, chosen, in_unit = _objective_and_metrics(path, model, costs, metrics)
    like, delimiter = dataset_of(path, access), delimiter or table_delimiter(path)
    table = table or _table_of(like, source, model.registry)
    examples = _read(source, model, delimiter, with_target=True, like=like, table=table)
    data = (
        streamed(examples, model, objective)
        if isinstance(examples, Source)
        else model.labelled(*features_and_labels(model, examples), objective, examples.weight)
    )
    units = model.units(objective) if in_unit else ()
    model.require_metrics(chosen, objective, units=units)
    measures, network = model.measures(chosen, units), model.network
    figures = evaluate(network, data, objective, measures, network.workspace())
    require_finite_cost(figures["cost"], "the given data", objective.label(model.registry))
    constant, baseline = _constant_of(path, model), Figures()
    if constant is not None and isinstance(data, Labelled):
        baseline = evaluate_constant(constant, network, data, objective, measures)
    return Judgement(figures, baseline, unit_in_words(model, objective, in_unit=in_unit))


def _constant_of(path: Path, model: Sequential) -> list[Array] | None:
    """Return the outputs of the baseline that a run records; None if they are not those of its network."""
    directory = directory_of(path)
    found = [] if directory is None else read_run(directory).record.get("constant", [])
    shapes = model.network.output_shapes
    try:
        constant = [np.asarray(each, np.float64) for each in found]
    except (TypeError, ValueError):  # a record may come from anywhere
        return None
    return constant if [each.shape for each in constant] == list(shapes) else None


def _objective_and_metrics(
    path: Path, model: Sequential, costs: Sequence[str], metrics: Sequence[str]
) -> tuple[Objective, Metrics, bool]:
    """Return the named cost and metrics, what is not named from the run, and whether metrics are in the unit."""
    directory, registry, names = directory_of(path), model.registry, model.network.output_names
    cost, named = _cost_of(costs, names), _by_output("--metric", metrics, names)
    in_unit = True
    if directory is not None:
        experiment = open_run(directory, Access(registry)).experiment
        warn_of_plugins(directory, experiment, model)
        objective = model.objective(cost or experiment.cost)
        in_unit = experiment.data.metrics_in_unit
        if not metrics:
            return objective, experiment.training.metrics, in_unit
    elif cost:
        objective = model.objective(cost)
    else:
        example = " ".join(f"--cost {name}.mse" for name in names) or "--cost mse"
        raise ConfigError(f"{path} does not belong to a run, so name the cost: {example}, for instance.")
    chosen = {name: tuple(registry.resolve("metric", metric) for metric in own) for name, own in named.items()}
    return objective, chosen if names else chosen[""], in_unit


def _by_output(option: str, texts: Sequence[str], names: Sequence[str]) -> dict[str, list[Reference]]:
    """Return the components of an option for each output; those of the only one, without a name, under ""."""
    found: dict[str, list[Reference]] = {name: [] for name in names or ("",)}
    for text in texts:
        output = next((name for name in names if text.startswith(f"{name}.")), "")
        if output not in found:
            raise ConfigError(
                f"{option} {short(text)} must begin with the name of an output and a dot: {names[0]}.{text}, for "
                f"instance. Outputs: {listed(names)}."
            )
        found[output].append(parse_reference(text.removeprefix(f"{output}.") if names else text))
    return found


def _cost_of(texts: Sequence[str], names: Sequence[str]) -> Reference | dict[str, Reference]:
    """Return the cost, or by name that of each output; nothing if none is given."""
    found = _by_output("--cost", texts, names) if texts else {}
    for name, costs in found.items():
        if len(costs) != 1:
            raise ConfigError(f"--cost must name one cost{name and f' of the output {name!r}'}, got {len(costs)}.")
    single = {name: costs[0] for name, costs in found.items()}
    return single if names else single.get("", "")


def _table_of(like: Dataset | None, source: str, registry: Registry) -> str:
    """Return which table of a file the training took, if `source` is read by the same reader; else nothing."""
    path: str = getattr(like, "path", "")
    reader = registry.table_reader(source)
    table: str = getattr(like, "table", "") if reader is not None and registry.table_reader(path) is reader else ""
    return table


def table_delimiter(path: Path) -> str:
    """Return the delimiter that a run names for its table; ``"auto"`` if it names none."""
    directory = directory_of(path)
    table = {} if directory is None else flattened(read_document(directory).table)
    return str(table.get("data.source.delimiter", AUTO))


def dataset_of(path: Path, access: Access) -> Dataset | None:
    """Return the dataset that a run was trained on; None if that is not known, or cannot be made any more."""
    directory = directory_of(path)
    if directory is None:
        return None
    with suppress(NnfwError):  # the model can be used all the same
        return open_run(directory, replace(access, trust=True)).experiment.data.source
    return None


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model's predictions for N examples: one array ``(N,)`` for each name in the header.

    The names are ``label`` and ``probability_<class>``, or the target, or ``output_<k>``. Where outputs have names,
    these are that of the output and ``<output>_probability_<class>``. What lies beyond the length of a sequence is
    masked: an empty text in a row, None in a table.
    """

    header: tuple[str, ...]
    columns: tuple[Array, ...]

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows as texts; a number has as many digits as its dtype holds."""
        for row in zip(*self.columns, strict=True):
            yield ["" if value is np.ma.masked else str(value) for value in row]

    def tables(self) -> list[dict[str, object]]:
        """Return the rows as tables of plain values."""
        plain = [column.tolist() for column in self.columns]
        return [dict(zip(self.header, row, strict=True)) for row in zip(*plain, strict=True)]


def predict(
    model: Sequential,
    source: str,
    delimiter: str = AUTO,
    like: Dataset | None = None,
    *,
    costs: Mapping[str, Cost] | None = None,
    threshold: float | Mapping[str, float] | None = None,
    keep: Sequence[str] | None = None,
    table: str = "",
) -> Predictions:
    """Return predictions for the examples of `source`.

    DataError if it cannot be read or does not fit the model, or a prediction is not finite; ConfigError for a threshold
    where there are not two classes.

    Parameters
    ----------
    model
        A model.
    source
        A table of raw columns; ``"-"`` for CSV on the standard input; a ``.npy`` file for a model with one column;
        or a dataset as :func:`parse_reference` takes it.
    delimiter
        The character between the cells of a CSV file, found out by default.
    like
        The dataset of the training: a table is read in the same way.
    costs
        The cost of each output by its name, as :func:`costs_of_run` gives them; they say what numbers that are no
        labels mean, such as quantiles.
    threshold
        Above which probability an example is of the second of two classes, or has a label; ½ by default. Labels that
        are columns of 0 and 1 may each have one by name.
    keep
        Columns of a table or dataset to repeat before the predictions, as they are there; by default those that
        identify the examples, the option `id` of the dataset of the training, as far as there are any.
    table
        Which table of a file that holds several; by default that of the training, else the only or first one.
    """
    table = table or _table_of(like, source, model.registry)
    ids = _columns_in(like, "id") if keep is None else ()
    if keep or ids:
        kept, examples = _with_kept(source, model, delimiter, keep or (), ids, like, table)
    else:
        kept, examples = {}, _read(source, model, delimiter, like=like, table=table)
    if isinstance(examples, Source):
        outputs = _outputs_of_chunks(model, chunks_of(examples), source)
    else:
        outputs = _outputs(model, examples, source)
    targets = model.preprocessing.outputs if model.preprocessing is not None else {}
    columns = named_predictions(outputs, targets, model.network.graph, costs or {})
    if threshold is not None:
        columns = at_thresholds(columns, threshold)
    if twice := [name for name in kept if name in columns]:
        raise ConfigError(f"The column {twice[0]!r} cannot be kept: a prediction has the same name. Rename it.")
    return Predictions((*kept, *columns), (*kept.values(), *columns.values()))


def costs_of_run(path: Path, registry: Registry) -> Mapping[str, Cost]:
    """Return the cost of each output of a run, or of a model file inside one, by its name; nothing if none is known."""
    directory = directory_of(path)
    if directory is not None:
        with suppress(NnfwError):  # the model can be used even if its experiment cannot be built
            experiment = open_run(directory, Access(registry)).experiment
            return {name: weighted.cost for name, weighted in costs_of(experiment).items()}
    return {}


def _with_kept(
    source: str,
    model: Sequential,
    delimiter: str,
    keep: Sequence[str],
    ids: Sequence[str],
    like: Dataset | None,
    table: str,
) -> tuple[dict[str, Array], Examples | Source]:
    """Return columns to repeat by name, the cells of a table as they are written, and the examples for a model.

    `ids` are repeated if they are there; a warning says if not.
    """
    examples: Examples | Source | None = None
    if file_ending(source) == TABLE:
        examples = _of_kind(source, model, delimiter, False, like)
    if file_ending(source) == TABLE and examples is None:
        content = _content(source)
        dialect = _dialect(delimiter, like)
        read = _table(source, dialect, (*keep, *ids), content=content, table=table)
        kept = read.columns((*keep, *_there(ids, read.names, read.name)))
        return kept, _of_table(source, model, dialect, content=content, table=table)
    examples = examples or _read(source, model, delimiter)
    if isinstance(examples, Source):
        raise ConfigError("Columns are kept only of data in memory, but this data is read chunk by chunk.")
    known = {name: column for name, column in examples.columns.items() if column.ndim == 1}
    for name in keep:
        if name not in known:
            near = did_you_mean(name, known)
            raise DataError(f"{source}: there is no column {name!r} to keep.{near} Columns: {listed(tuple(known))}.")
    return {name: known[name] for name in (*keep, *_there(ids, known, source))}, examples


def _there(ids: Sequence[str], known: Collection[str], owner: str) -> list[str]:
    """Return the columns that identify examples and are there; a warning names the first that is not."""
    if absent := [name for name in ids if name not in known]:
        warn(f"{owner}: there is no column {absent[0]!r}, so the predictions come without what identified the rows.")
    return [name for name in ids if name in known]


def _outputs(model: Sequential, examples: Examples, owner: str) -> Outputs:
    """Return the outputs for some examples by name; that of an only output without one under the empty name."""
    x = _features(model, examples)
    require_indices(model, x, examples)
    inputs, names = model.network.inputs, model.network.output_names or ("",)
    arrays, lengths, _ = arrays_of(x, inputs, owner)
    for each, array in zip(inputs, arrays, strict=True):
        each.require(array, owner + each.key)
    with np.errstate(over="ignore", invalid="ignore"):  # reported later, with the example
        a = model.predict(x)
    values = [a[name] for name in names] if isinstance(a, Mapping) else [a]
    ends = [None] * len(names) if lengths is None else model.network.output_lengths(lengths)
    return dict(zip(names, zip(values, ends, strict=True), strict=True))


def _outputs_of_chunks(model: Sequential, chunks: Iterable[Examples], owner: str) -> Outputs:
    """Return the outputs for examples that come in chunks; DataError names the chunk."""
    found = []
    for number, examples in enumerate(chunks):
        try:
            found.append(_outputs(model, examples, owner))
        except DataError as error:
            raise DataError(
                f"{owner}, chunk {number}: {error} Rows are counted from the start of the chunk."
            ) from error
    joined: dict[str, tuple[Array, Array | None]] = {}
    for name in found[0]:
        values, lengths = zip(*(outputs[name] for outputs in found), strict=True)
        joined[name] = np.concatenate(values), None if lengths[0] is None else np.concatenate(lengths)
    return joined


def _read(
    source: str,
    model: Sequential,
    delimiter: str = AUTO,
    *,
    with_target: bool = False,
    like: Dataset | None = None,
    table: str = "",
) -> Examples | Source:
    """Return the examples that `source` names, with the columns that a model takes; DataError if they do not fit it.

    It is a table, ``"-"`` for one on the standard input, a ``.npy`` file, or a dataset with its options.
    """
    ending = file_ending(source)
    if ending == TABLE:
        found = _of_kind(source, model, delimiter, with_target, like)
        roles = like if with_target else None
        return found or _of_table(source, model, _dialect(delimiter, like), with_target, table=table, roles=roles)
    if ending == ARRAY and with_target:
        raise DataError(f"{source} holds no labels. Name both arrays, in a dataset with its options.")
    if ending == ARRAY:
        return _of_array(source, model)
    dataset = parse_reference(source)
    if Path(source).is_file():
        raise DataError(
            f"{source}: only tables ({', '.join(table_endings(model.registry))}) and {ARRAY} files are read directly. "
            f"Name the dataset that reads this one, with its options: NAME:path={source}."
        )
    found = model.registry.resolve("dataset", dataset)
    return open_source(found, Path()) or load_examples(found, Path())


def _features(model: Sequential, examples: Examples) -> Any:
    """Return x for a model from raw columns; without preprocessing, they are joined as they are."""
    preprocessing = model.preprocessing or Preprocessing.fit(Examples(examples.features))
    preprocessing.require_filled(examples)
    return preprocessing.apply(examples.features, model.dtype)


def _of_kind(
    source: str, model: Sequential, delimiter: str, with_target: bool, like: Dataset | None
) -> Examples | None:
    """Return the examples of a table as the dataset of the training reads it; None if that reads columns by name."""
    if like is None or model.preprocessing is None or not hasattr(like, "of_file"):
        return None
    shapes = {column.name: column.shape for column in model.preprocessing.columns}
    found = like.of_file(source, delimiter, shapes, labelled=with_target)
    if found is None:
        return None
    if source == STDIN or is_pipe(source):
        raise DataError(
            f"{model.registry.title(like)} of the training reads no standard input and no pipe. Name a file like "
            "that of the training."
        )
    return load_examples(found, Path())


def _dialect(delimiter: str, like: Dataset | None) -> Dialect:
    """Return what is known of a table: what the dataset of the training was told, and a delimiter."""
    known: Dialect = getattr(like, "dialect", Dialect())
    return known if delimiter == AUTO else replace(known, delimiter=delimiter)


def _columns_in(dataset: Dataset | None, option: str) -> tuple[str, ...]:
    """Return the columns that an option of a dataset of tables names; of others it may hold anything."""
    value = getattr(dataset, option, None)
    names = value if isinstance(value, tuple) else (value,)
    return names if all(isinstance(name, str) for name in names) else ()


def _of_table(
    source: str,
    model: Sequential,
    dialect: Dialect,
    with_target: bool = False,
    content: bytes | None = None,
    table: str = "",
    roles: Dataset | None = None,
) -> Examples:
    """Return the examples of a table; `roles` may name weights, and columns without whose values a row is left out."""
    if model.preprocessing is not None:
        words = frozenset(model.preprocessing.categorical)
        filled = words.intersection(model.preprocessing.takes_missing)
        read = _table(source, dialect, words - filled, filled, content, table)
        weight = next(iter(_columns_in(roles, "weight")), None)
        complete = [name for name in _columns_in(roles, "drop_missing") if name in read.names]
        whole = read.without_missing(complete)
        for note in whole.notes[len(read.notes) :]:
            warn(f"{read.name}: {note}.")
        read = whole
        if weight is not None and weight not in read.names:
            warn(f"{read.name}: there is no column {weight!r} of weights, so all rows count the same.")
            weight = None
        return model.preprocessing.select(read, with_target=with_target, weight=weight)
    read = _table(source, dialect, content=content, table=table)
    columns = read.columns(read.names, numeric=read.names)
    if len(columns) != np.prod(model.input_shape):
        return Examples(columns)
    return Examples({"x": np.column_stack(list(columns.values())).reshape(-1, *model.input_shape)})


def _content(source: str) -> bytes | None:
    """Return what the standard input or a pipe holds, which can be read once; None for what can be read again."""
    with opened(source) as (stream, _):
        if isinstance(stream, str):
            return None
        content: str | bytes = getattr(stream, "buffer", stream).read()
        return content.encode() if isinstance(content, str) else content


def _table(
    source: str,
    dialect: Dialect,
    categorical: Collection[str] = (),
    words: Collection[str] = (),
    content: bytes | None = None,
    table: str = "",
) -> Table:
    """Return a table; `content` is what the standard input or a pipe held, if it has been read."""
    read = partial(read_table, table=table, categorical=categorical, words=words, dialect=dialect)
    if content is not None:
        return read(TextIOWrapper(BytesIO(content)), name="<stdin>" if source == STDIN else source)
    with opened(source) as (stream, name):
        return read(stream, name=name)


def _of_array(source: str, model: Sequential) -> Examples:
    array = read_npy(Path(source))
    columns = model.preprocessing.columns if model.preprocessing is not None else ()
    rows = np.atleast_2d(array)
    if model.preprocessing is not None and model.preprocessing.only_names and rows.shape[1:] == model.input_shape:
        return Examples({column.name: rows[:, index] for index, column in enumerate(columns)})
    if len(columns) > 1:
        raise DataError(
            f"{source} holds one array, but the model takes {len(columns)} columns: "
            f"{listed([column.name for column in columns])}. Give it a table with these names."
        )
    name, shape = (columns[0].name, columns[0].shape) if columns else ("x", model.input_shape)
    single = array.shape == shape and not categorical(array)
    return Examples({name: array[np.newaxis] if single else array})
