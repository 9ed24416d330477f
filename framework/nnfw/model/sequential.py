"""The model: layers with their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, Literal, cast, overload

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike

from nnfw import training
from nnfw.arrays import Array, Shape
from nnfw.configuration import build, options_of, to_table
from nnfw.data import (
    Padded,
    Preprocessing,
    Rows,
    Stored,
    Values,
    as_frame,
    column_names,
    columns_of,
    frame_like,
    listed,
    release,
    require_frame,
)
from nnfw.errors import ConfigError, DataError, Mistake, NnfwError, ShapeError, did_you_mean, short, warn
from nnfw.model.labels import classes_of, numbered, with_targets
from nnfw.model.predictions import named_predictions
from nnfw.network import (
    EVALUATION_ROWS,
    INPUT,
    Chain,
    Graph,
    Health,
    LayerTrace,
    Network,
    Objective,
    RepeatedForward,
    Term,
    Trace,
    arrays_of,
    by_name,
    health_of,
)
from nnfw.ops import DEFINITIONS, Engine, choose
from nnfw.plugins import Registry, default_registry
from nnfw.protocols import Collective, Cost, Inline, Metric, Node, Source
from nnfw.randomness import stream
from nnfw.storage import Directory, container

_MOST_NAMES = 1 << 14  # columns: a file with more of them takes seconds to write and to read

_Shape = tuple[Annotated[int, Ge(1)], ...]

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # with a default, so that Sequential alone is any model

    Predicted = TypeVar("Predicted", bound=Array | dict[str, Array], default=Any)
else:
    from typing import TypeVar

    Predicted = TypeVar("Predicted")

Reference = Any
"""A component by name, by table with ``type``, or as an object."""


@dataclass(frozen=True)
class _Settings:
    """What the constructor of a model takes, with ranges."""

    layers: tuple[Node, ...]
    input_shape: _Shape | Mapping[str, _Shape]
    outputs: tuple[str, ...]
    seed: Annotated[int, Ge(0)]
    dtype: Literal["float32", "float64"]


@dataclass(frozen=True)
class WeightedCost:
    """The cost of one output of several, and its weight λ in C = Σ_k λ_k C_k, 1 by default; 0 only reports it."""

    cost: Annotated[Cost, Inline()]
    weight: Annotated[float, Ge(0)] = 1.0


@dataclass(frozen=True)
class _Costs:
    cost: Mapping[str, WeightedCost]


@dataclass(frozen=True)
class _FitSettings:
    """What `fit` takes besides the options of a training, with ranges."""

    seed: Annotated[int, Ge(0)]
    planned_epochs: Annotated[int, Ge(1)] | None
    resume: bool
    directory: str
    checkpoints: str | None


class Sequential(Generic[Predicted]):
    """A network of layers in order, with parameters that can be trained.

    Forward: a^0 = x, z^l = layer l of a^(l−1), a^l = σ^l(z^l). Backward: :class:`~nnfw.network.Graph`.

    Parameters
    ----------
    layers
        The layers, by name, by table or as objects. Each takes what the one before gives, unless a :class:`Node` says
        otherwise. A :class:`Sequential` among them serves as one layer and brings its parameters' values along.
    input_shape
        Shape of one example: ``(784,)``, or 784 for short. For several inputs, their shapes by name.
    seed
        Seed of the first parameters and, unless `fit` is told otherwise, of the training; 0 by default.
    dtype
        ``"float32"`` (default) or ``"float64"``, of parameters and computation.
    outputs
        Names of the nodes whose activations are the outputs; by default the last layer's, without a name.
    values
        First values of parameters by name; those that are not given are drawn by the layers' initializers.
    registry
        Where names are looked up; the installed plugins by default.

    Attributes
    ----------
    layers, nodes
        The layers, with every name among their options resolved; and with the names and inputs of their nodes.
    parameters
        Arrays by name, views of the flat ``parameters.vector``.
    input_shape, output_shape
        Shape of one example and of one prediction; by name where inputs or outputs have names.
    preprocessing
        How raw columns become x and predictions labels, once the model was trained from an experiment, on named columns
        or on labels that had to be numbered; else None.
    classes
        The labels of the classes in the order of the outputs, where they are words or do not count from 0; else None.

    Raises
    ------
    ConfigError
        With every mistake in the layers and settings, names of nodes and inputs that do not fit among them.
    ShapeError
        If two layers do not fit, names both; if values do not fit the parameters; if the machine's memory is too small.

    Examples
    --------
    >>> from nnfw_standard import Dense
    >>> model = Sequential([Dense(30, activation="sigmoid"), Dense(10, activation="sigmoid")], input_shape=784)
    >>> model.parameters.vector.size
    23860
    >>> model.predict(np.zeros((5, 784))).shape
    (5, 10)
    """

    @overload
    def __init__(
        self: Sequential[Array],
        layers: Sequence[Reference],
        input_shape: int | Shape | Mapping[str, int | Shape],
        *,
        seed: int = 0,
        dtype: str = "float32",
        values: Mapping[str, ArrayLike] | None = None,
        registry: Registry | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: Sequential[dict[str, Array]],
        layers: Sequence[Reference],
        input_shape: int | Shape | Mapping[str, int | Shape],
        *,
        outputs: Sequence[str],
        seed: int = 0,
        dtype: str = "float32",
        values: Mapping[str, ArrayLike] | None = None,
        registry: Registry | None = None,
    ) -> None: ...

    def __init__(
        self,
        layers: Sequence[Reference],
        input_shape: int | Shape | Mapping[str, int | Shape],
        *,
        outputs: Sequence[str] = (),
        seed: int = 0,
        dtype: str = "float32",
        values: Mapping[str, ArrayLike] | None = None,
        registry: Registry | None = None,
    ) -> None:
        registry = registry or default_registry()
        if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
            raise ConfigError([Mistake(("layers",), f"must be a list of at least one layer, got {short(layers)}.")])
        if not isinstance(values, Mapping | None):
            raise ConfigError([Mistake(("values",), f"must be arrays by name, got {short(values)}.")])
        models = {index: layer for index, layer in enumerate(layers) if isinstance(layer, Sequential)}
        inner = [Chain(models[index].nodes) if index in models else layer for index, layer in enumerate(layers)]
        table = {
            "layers": inner,
            "input_shape": _as_shapes(input_shape),
            "outputs": outputs,
            "seed": seed,
            "dtype": dtype,
        }
        settings = build(_Settings, table, registry.resolve)
        shapes = settings.input_shape
        shapes = shapes if isinstance(shapes, Mapping) else {INPUT: shapes}
        graph = Graph(settings.layers, registry, tuple(shapes), settings.outputs)
        for index, model in models.items():
            _require_own_names(graph, index, model.network.graph)
        self.network: Final[Network] = Network(graph, tuple(shapes.values()), settings.dtype)
        self.registry: Final = registry
        self.nodes: Final[tuple[Node, ...]] = settings.layers
        self.layers: Final = tuple(node.layer for node in self.nodes)
        self.parameters: Final = self.network.parameters
        self.input_shape: Final[Any] = shapes if tuple(shapes) != (INPUT,) else shapes[INPUT]
        self.output_shape: Final[Any] = self._by_output(self.network.output_shapes)
        self.dtype: Final = self.network.dtype
        self.seed: int = settings.seed
        self.preprocessing: Preprocessing | None = None
        self._readable: Preprocessing | None = None  # what a file of it can be read as
        given = {f"layers.{index}.{name}": a for index, model in models.items() for name, a in model.parameters.items()}
        self.network.initialise(stream(self.seed, "parameters"), given | dict(values or {}))
        self._idle: list[RepeatedForward] = []  # making one takes longer than a small network does
        self._kernels: dict[str, Engine] = {"none": DEFINITIONS}

    def copied(self, dtype: str) -> Sequential[Predicted]:
        """Return a model of the same nodes with the values of the parameters in another dtype."""
        copy: Sequential[Any] = Sequential(
            self.nodes,
            self.input_shape,
            outputs=self.network.output_names,
            seed=self.seed,
            dtype=dtype,
            values=self.parameters,
            registry=self.registry,
        )
        return copy

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle or a copy holds: all but the memory of predictions."""
        return self.__dict__ | {"_idle": [], "_kernels": {"none": DEFINITIONS}}

    def fit(
        self,
        x: Values | Source,
        y: Values,
        *,
        cost: Reference,
        optimizer: Reference,
        epochs: int | None = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: ArrayLike | Stored | None = None,
        validation_data: tuple[Values | Source, Values]
        | tuple[Values | Source, Values, ArrayLike | Stored | None]
        | None = None,
        metrics: Sequence[Reference] | Mapping[str, Sequence[Reference]] = (),
        schedule: Reference | None = None,
        regularizer: Reference | None = None,
        callbacks: Sequence[Reference] = (),
        accelerator: str = "auto",
        rates: Mapping[str, float] | None = None,
        frozen: Sequence[str] | None = None,
        accumulate: int | None = None,
        average: Mapping[str, object] | training.Average | None = None,
        mix: Mapping[str, object] | training.Mixing | None = None,
        class_weight: str | Mapping[str, float] | None = None,
        seed: int | None = None,
        directory: str | PathLike[str] = ".",
        checkpoints: str | PathLike[str] | None = None,
        checkpoint_seconds: float = 30.0,
        resume: bool = False,
        continue_from: training.History | None = None,
        planned_epochs: int | None = None,
        collective: Collective | None = None,
    ) -> training.History:
        """Train the parameters on examples `x` ``(N, *input_shape)`` with labels `y`; return a record of each epoch.

        Each step takes a batch, computes ∂C/∂θ by the chain of δ, and lets the optimizer change θ in place.

        Parameters
        ----------
        x, y
            Examples and labels; neither is modified. Memory-mapped arrays are read batch by batch, stored ones (h5py,
            zarr) of more than 64 MiB in slices. x may be a sparse matrix of SciPy, of which one batch at a time becomes
            dense, or an :class:`nnfw.Source`, which is read chunk by chunk: y and `sample_weight` then name columns of
            it, by output where there are several. Labels are what the cost takes: classes ``(N,)`` or one-hot rows for
            ``cross_entropy``, numbers ``(N, *output_shape)`` for ``mse``; ``(N,)`` is accepted for one output. Classes
            in memory may be words, or whole numbers that do not count from 0: they are numbered in order, `classes`
            says how, and from then on labels are these. The model remembers the names of a frame's columns, up to
            16,384, and from then on refuses frames with other columns or another order. Arrays without names are taken
            by position.
        cost, optimizer
            By name, by table or as objects. Two functions, (value, gradient), are a cost too.
        epochs, batch_size
            1 or more. By default, batches of 32, and as many epochs as make 10,000 steps, but at least 10 and at most
            200; with `validation_data` the training then ends early if the cost on them has not improved for 40 epochs,
            and keeps the best epoch. The last batch of an epoch may be smaller.
        shuffle
            Whether each epoch takes the examples in a new order; True by default.
        sample_weight
            Weights ``(N,)`` of the examples in C, 0 or more.
        validation_data
            ``(x, y)``, or ``(x, y, sample_weight)``, on which cost and metrics are also computed after each epoch.
        metrics, schedule, regularizer, callbacks, accelerator
            By name, by table or as objects. A function ``f(a, y)`` that returns a mean over examples is a metric, and
            ``f(fit, record)`` a callback that runs after each epoch. Callbacks that are on by default run too;
            ``nnfw.ProgressBar()`` among them shows the progress.
        rates, frozen
            Factors of the learning rate by patterns of names of parameters, ``{"embed.*": 0.1}``, and patterns of those
            that do not change, ``["trunk.*"]``.
        accumulate
            Batches whose mean gradient makes one step of the optimizer, as if they were one batch; by default each
            batch does.
        average
            The average of the parameters that the model is evaluated with and has at the end: ``{"type": "ema"}`` with
            `decay` and `start`, or ``{"type": "swa", "start": 5}``; see :class:`nnfw.training.Average`. By default
            there is none.
        mix
            How the examples of each batch are mixed in pairs, with their labels: ``{"type": "mixup", "alpha": 0.2}`` or
            ``{"type": "cutmix"}``; see :class:`nnfw.training.Mixing`. By default they are not.
        class_weight
            Weights of the classes in training by their numbers as text, ``{"1": 5.0}``, the others have 1; or
            ``"balanced"``, so that the weights of each class have the same sum. They multiply `sample_weight`. By
            default there are none.
        seed
            Seed of order and noise, 0 or more; that of the model by default. Two calls with one seed take the examples
            in the same order.
        directory
            Where callbacks put files with relative paths.
        checkpoints
            A folder for checkpoints, of this training alone; by default there are none.
        checkpoint_seconds
            Time between two of them within an epoch, 0 or more; 30 by default. With 0 there is one after each step.
        resume
            Whether to go on from the newest checkpoint in the folder, bit for bit as if the training had never
            stopped; it begins where there is none, as ``history.resumed`` tells. False by default.
        continue_from
            The history of an earlier call, to go on where that one ended: with the optimizer's arrays, the count of
            epochs and steps, the schedule's time, the random numbers and what callbacks remember. `epochs` are then
            further ones. Ten calls of one epoch give the bits of one call of ten (``docs/resume.md`` says when). None,
            the default, starts a training.
        planned_epochs
            The number of epochs that schedules plan for, counted from the first training; by default that of the last
            epoch of this call. A schedule such as ``cosine`` needs it where a training is made of several calls.
        collective
            The ranks that train together: processes or threads that each call this with the same model, data, seed and
            options, and with a `directory` of their own. Each takes its part of every batch; gradient, cost and metrics
            are those of the whole batch, and all models end with the same bits. By default there is one process.

        Returns
        -------
        History
            One record per epoch, those of `continue_from` first: ``history["cost"]`` is a list. Cost and metrics of an
            epoch are means over its batches, taken while the parameters changed. Training goes on from the parameters
            as they are.

        Raises
        ------
        ConfigError
            With every wrong option, if the cost cannot take what the last layer gives, and if `continue_from` is of
            another model or another optimizer, or has no end to go on from.
        DataError
            If x, y or the weights are empty, not finite, of the wrong shape or impossible for the cost or a metric.
        ShapeError
            If an activation refuses the number of units: softmax of a single one is always 1.
        DivergedError
            At the step whose cost is not finite.
        TrainingInterrupted
            A KeyboardInterrupt, after the step during which Ctrl-C was pressed; the model has the parameters of it. A
            second Ctrl-C ends at once. With checkpoints, SIGTERM does the same.
        StateError
            If another process keeps its checkpoints in the folder.
        """
        given = {**locals()}
        if unfit := [text for _, text in self.network.graph.unfit(self.network.shapes)]:
            raise ShapeError("\n".join(unfit))
        objective = self.objective(cost)
        end = continue_from.end if isinstance(continue_from, training.History) else None
        given |= {"seed": (self.seed if end is None else end.seed) if seed is None else seed}
        given |= {"directory": _as_text(directory), "checkpoints": _as_text(checkpoints)}
        resolved = build(training.TrainingOptions, _options_in(given, training.TrainingOptions), self.registry.resolve)
        settings = build(_FitSettings, _options_in(given, _FitSettings), self.registry.resolve)
        optimizer = self.registry.resolve("optimizer", optimizer)
        mistakes = list(training.contradictions(resolved, optimizer, self.registry))
        mistakes += training.unmatched(resolved, self.parameters.layout)
        mistakes += training.unmatched_by(optimizer, self.parameters.layout)
        mistakes += training.unmixable(resolved.mix, self.network, objective)
        kept = settings.checkpoints is not None
        if continue_from is not None:
            mistakes += training.unfit(continue_from, self.network, optimizer, settings.seed, checkpoints=kept)
        last = (resolved.epochs or 0) + (0 if end is None else end.epoch)
        if settings.planned_epochs is not None and resolved.epochs is None:
            mistakes.append(Mistake(("planned_epochs",), "needs epochs, those of this call."))
        elif settings.planned_epochs is not None and settings.planned_epochs < last:
            text = f"must be at least {last}, the last epoch of this call, got {settings.planned_epochs}."
            mistakes.append(Mistake(("planned_epochs",), text))
        if collective is not None:
            chosen = training.chosen_at(resolved.metrics, self.measures(resolved.metrics)).values()
            if training.is_streamed(x, y, sample_weight) or training.is_streamed(*(validation_data or ())[:1]):
                text = "takes arrays in memory or memory-mapped ones: ranks cannot share a source."
                mistakes.append(Mistake(("collective",), text))
            mistakes += training.unfit_ranks(collective, optimizer, resolved.batch_size, chosen, checkpoints=kept)
        if mistakes:
            raise ConfigError(mistakes)
        x = as_frame(x, "x")
        preprocessing = self._remembering(training.feature_names(x, y, sample_weight))
        if not training.is_streamed(x, y, sample_weight):
            preprocessing = with_targets(preprocessing, y, self.network, objective)
        labels = self._numbered(x, y, sample_weight, preprocessing)
        given_data = self.data(x, labels, objective, sample_weight, preprocessing=preprocessing)
        classes = classes_of(preprocessing)[0]
        named = None if classes is None else [*map(str, classes)]
        data = training.with_class_weights(given_data, resolved.class_weight, named, self.dtype)
        validation = self._validation(validation_data, objective, preprocessing)
        if mistakes := list(training.unmixable_examples(resolved.mix, data)):
            raise ConfigError(mistakes)
        units = training.units_of({}, objective, self.network)
        self.require_metrics(resolved.metrics, objective, data, validation, units=units)
        if settings.resume and settings.checkpoints is None:
            raise ConfigError([Mistake(("resume",), "needs the folder of the checkpoints: checkpoints=FOLDER.")])
        told, self.preprocessing = self.preprocessing, preprocessing
        if told is not preprocessing and preprocessing is not None:
            for text in preprocessing.remarks():
                warn(text)
        steps = training.steps_of(data, optimizer, resolved)
        resolved = training.with_length(resolved, steps, self.registry, validated=validation is not None)
        task = training.Task(
            self.network,
            data,
            validation,
            objective,
            optimizer,
            resolved,
            settings.seed,
            continued=continue_from,
            planned=settings.planned_epochs,
            collective=training.ONE_PROCESS if collective is None else collective,
            units=units,
        )
        where = Path(settings.directory)
        if settings.checkpoints is None:
            history = training.loop_of(task, self.save, where).run()
        else:
            history = training.train_in(Path(settings.checkpoints), task, self.save, where, resume=settings.resume)
        if history.warning:
            warn(history.warning)
        return history

    def _by_output(self, values: Sequence[Any]) -> Any:
        """Return values for each output by its name; the value alone for a single output without a name."""
        names = self.network.output_names
        return dict(zip(names, values, strict=True)) if names else values[0]

    def _remembering(self, names: tuple[str, ...]) -> Preprocessing | None:
        """Return the preprocessing that there is, or else the one that remembers the names of columns."""
        if self.preprocessing is None and 0 < len(names) <= _MOST_NAMES:
            return Preprocessing.of_names(names, "x")
        return self.preprocessing

    def require_metrics(
        self,
        metrics: training.Metrics,
        objective: Objective,
        *parts: training.Data | None,
        units: Sequence[training.Unit | None] = (),
    ) -> None:
        """Refuse metrics that mean nothing for the outputs, or cannot take the labels of some part; DataError why."""
        for name, error in self.unfit_metrics(metrics, objective, *filter(None, parts), units=units):
            label = self.registry.label("metric", training.chosen_at(metrics, self.measures(metrics))[name][1])
            raise DataError(f"Metric {label} does not fit network and labels: {error}") from error

    def unfit_metrics(
        self,
        metrics: training.Metrics,
        objective: Objective,
        *parts: training.Data,
        units: Sequence[training.Unit | None] = (),
    ) -> Iterator[tuple[str, NnfwError]]:
        """Yield the name of each metric that does not fit outputs or labels, with an error that says why."""
        chosen = self.measures(metrics)
        measures = {name: each for name, each in self.measures(metrics, units).items() if name in chosen}
        yield from training.outside_domains(objective, measures, self.registry)
        for part in parts:
            yield from training.refused(self.network, part, objective, measures)

    def _validation(self, data: Any, objective: Objective, preprocessing: Preprocessing | None) -> training.Data | None:
        if data is None:
            return None
        if not isinstance(data, tuple | list) or len(data) not in (2, 3):
            raise DataError(f"validation_data must be (x, y) or (x, y, sample_weight), got {short(data)}.")
        x, y, weight = (*data, None)[:3]
        y = self._numbered(x, y, weight, preprocessing)
        return self.data(x, y, objective, weight, suffix="_val", preprocessing=preprocessing)

    def _takes_raw(self, x: object) -> bool:
        """Return whether x is a frame of raw columns, before transforms that the preprocessing knows."""
        known = self.preprocessing is not None and self.preprocessing.has_targets
        return known and not training.is_streamed(x) and bool(column_names(as_frame(x, "x")))

    def _numbered(
        self, x: object, y: Any, weight: object, preprocessing: Preprocessing | None, *, raw: bool = False
    ) -> Any:
        """Return labels as the costs take them; of a source the names of their columns, as they are."""
        if training.is_streamed(x, y, weight):
            return y
        return numbered(y, preprocessing, self.network.output_names, self.dtype, raw=raw)

    @property
    def classes(self) -> Any:
        """The labels of the classes in the order of the outputs, once the model knows them; else None.

        Words, or whole numbers that are not 0 to K − 1. Of several outputs, by their names.
        """
        found = classes_of(self.preprocessing)
        return self._by_output(found) if len(found) == len(self.network.output_shapes) else None

    def predict(self, x: Values | Source, *, accelerator: str = "none") -> Predicted:
        """Return a^L for examples `x`.

        Parameters
        ----------
        x
            ``(N, *input_shape)``, or ``input_shape`` for one example; never modified. Memory-mapped arrays, stored ones
            and an :class:`nnfw.Source` are read in parts. Of a frame, the columns of
            :meth:`fit` are taken by name, in any order; of a model of a run the raw ones, before the transforms.
        accelerator
            Whose compiled kernels are used, ``"numba"`` for instance; by default ``"none"``, plain NumPy. It pays where
            many single examples are predicted, and is slow the first time. Results differ in last places.

        Returns
        -------
        array
            ``(N, *output_shape)``, or ``output_shape`` for one example. For one output that is ``(N, 1)``.

        Raises
        ------
        DataError
            If x is not numeric, has another shape or lacks columns, or holds a value that is not finite: names row and
            column.
        ConfigError
            If there is no such accelerator.

        Notes
        -----
        Safe from several threads at once: each call has a workspace for itself.

        A model of a run gives numbers after the transforms, and takes them where x is an array. From raw columns to raw
        labels: ``model.preprocessing.labels(model.predict(frame))``.
        """
        if type(x) is not np.ndarray and training.is_streamed(x):
            return cast(Predicted, self._predicted_in_chunks(x, accelerator))
        x = self._of_frame(x, "x", self.preprocessing)
        names = column_names(x)
        arrays, lengths, single = arrays_of(x, self.network.inputs, "x")
        chosen = (isinstance(accelerator, str) and self._kernels.get(accelerator)) or self._chosen(accelerator)
        try:
            forward = self._idle.pop()  # no other thread uses it meanwhile
        except IndexError:
            forward = RepeatedForward(self.network.workspace())
        outputs = self._predicted(arrays, lengths, names, forward, chosen)
        if forward.light or not self._idle:
            self._idle.append(forward if forward.light else forward.trimmed())  # not after an error in it
        return cast(Predicted, self._by_output([a[0] for a in outputs] if single else outputs))

    def predict_frame(
        self, x: Any, *, keep: Sequence[str] = (), cost: Reference | None = None, accelerator: str = "none"
    ) -> Any:
        """Return predictions for the examples of a frame, as a frame of the same library with names of columns.

        They are what ``nnfw predict`` writes: ``label`` and ``probability_<class>``, or the target in its own unit, or
        ``output_<k>`` where the model knows neither; with names of outputs before them where these have such.

        Parameters
        ----------
        x
            A frame of pandas, polars or pyarrow, as for :meth:`predict`. Of pandas the index stays.
        keep
            Columns of it to repeat before the predictions, such as an id.
        cost
            That of the training, as for :meth:`fit`: it says what outputs mean that are no labels, such as quantiles.
            None, the default, where they are labels.
        accelerator
            As for :meth:`predict`.

        Returns
        -------
        frame
            With a row for each of x.

        Raises
        ------
        DataError
            As :meth:`predict`; if x is no frame, a column to keep is not there or has the name of a prediction, or a
            prediction is not finite.

        Examples
        --------
        >>> import pandas
        >>> model = Sequential([{"type": "dense", "units": 2, "activation": "softmax"}], input_shape=1)
        >>> frame = pandas.DataFrame({"size": [1.0, -1.0], "id": [7, 8]})
        >>> history = model.fit(frame[["size"]], ["big", "small"], cost="cross_entropy", optimizer="adam", epochs=1)
        >>> model.predict_frame(frame, keep=["id"]).columns.tolist()
        ['id', 'label', 'probability_big', 'probability_small']
        """
        frame = as_frame(x, "x")
        require_frame(frame, "x")
        there = columns_of(frame)
        if missing := [name for name in keep if name not in there]:
            near = did_you_mean(missing[0], there)
            raise DataError(f"x: there is no column {missing[0]!r} to keep.{near} It has: {listed([*there])}.")
        a, names = self.predict(frame, accelerator=accelerator), self.network.output_names
        outputs = {"": (a, None)} if isinstance(a, np.ndarray) else {name: (each, None) for name, each in a.items()}
        targets = {} if self.preprocessing is None else self.preprocessing.outputs
        terms = () if cost is None else self.objective(cost).terms
        costs = {name: term.cost for name, term in zip(names or ("",), terms, strict=False)}
        columns = named_predictions(outputs, targets, self.network.graph, costs)
        if twice := [name for name in keep if name in columns]:
            raise DataError(f"The column {twice[0]!r} cannot be kept: a prediction has the same name. Rename it.")
        return frame_like(frame, {name: there[name] for name in keep} | columns)

    def output_lengths(self, lengths: ArrayLike | Mapping[str, ArrayLike]) -> Array | dict[str, Array | None] | None:
        """Return how long what :meth:`predict` gives for padded sequences is: what lies beyond means nothing.

        Parameters
        ----------
        lengths
            Those of the sequences ``(N,)``; of a model with several inputs, by the names of those that are padded.

        Returns
        -------
        array or None
            ``(N,)``, int64; None for an output without an axis of time. Of several outputs, by their names.

        Raises
        ------
        DataError
            If the lengths do not fit the model, or a layer refuses padded sequences of this shape.

        Examples
        --------
        >>> model = Sequential([{"type": "conv1d", "filters": 2, "kernel": 3, "stride": 2}], input_shape=(9, 1))
        >>> model.output_lengths([9, 4, 2]).tolist()
        [4, 1, 0]
        """
        inputs = self.network.inputs
        given = lengths if isinstance(lengths, Mapping) else {inputs[0].name: lengths}
        if unknown := given.keys() - {each.name for each in inputs}:
            raise DataError(f"lengths names {short(min(unknown))}. Inputs: {listed([each.name for each in inputs])}.")
        found = [
            Padded((), given[each.name]).checked_lengths((np.size(given[each.name]), *each.shape), f"x{each.key}")
            if each.name in given
            else None
            for each in inputs
        ]
        ends = self.network.output_lengths(found)
        names = self.network.output_names
        return dict(zip(names, ends, strict=True)) if names else ends[0]

    def _predicted_in_chunks(self, x: object, accelerator: str) -> Any:
        named = self.preprocessing is not None and not self.preprocessing.without_names
        known = tuple(column.name for column in self.preprocessing.columns) if named and self.preprocessing else ()
        chunks = training.inputs_in_chunks(x, self.network, known)
        found: list[Any] = [self.predict(chunk, accelerator=accelerator) for chunk in chunks]
        if not self.network.output_names:
            return np.concatenate(found)
        return {name: np.concatenate([each[name] for each in found]) for name in self.network.output_names}

    def _of_frame(self, x: Any, owner: str, preprocessing: Preprocessing | None) -> Any:
        """Return what the network takes of a frame whose columns have names; anything else as it is."""
        if type(x) is np.ndarray and x.dtype.names is None:
            return x
        frame = as_frame(x, owner)
        return frame if preprocessing is None else preprocessing.of_frame(frame, owner, self.dtype)

    def _predicted(
        self,
        arrays: list[Rows],
        lengths: list[Array | None] | None,
        names: tuple[str, ...],
        forward: RepeatedForward,
        chosen: Engine,
    ) -> list[Array]:
        count, network = len(arrays[0]), self.network
        if 0 < count <= EVALUATION_ROWS:
            found = forward(network, self._checked(arrays, arrays, names), chosen, lengths)
            return list(map(np.ndarray.copy, found))
        outputs = [np.empty((count, *shape), self.dtype) for shape in network.output_shapes]
        for start in range(0, count, EVALUATION_ROWS):
            rows = slice(start, start + EVALUATION_ROWS)
            some = lengths and [None if each is None else each[rows] for each in lengths]
            parts = self._checked([array[rows] for array in arrays], arrays, names)
            for whole, a in zip(outputs, forward(network, parts, chosen, some), strict=True):
                whole[rows] = a
            for array in arrays:
                release(array)
        return outputs

    def _checked(self, parts: Sequence[Rows], arrays: list[Rows], names: tuple[str, ...]) -> list[Array]:
        """Return parts of the inputs, checked and as the network takes them."""
        inputs, dtype = self.network.inputs, self.dtype
        if len(inputs) == 1:
            return [inputs[0].cast(parts[0], dtype, "x", arrays[0], names)]
        triples = zip(inputs, parts, arrays, strict=True)
        return [each.cast(part, dtype, "x", array, names) for each, part, array in triples]

    def _chosen(self, accelerator: str) -> Engine:
        if not isinstance(accelerator, str):
            raise ConfigError([Mistake(("accelerator",), f"must be text, got {short(accelerator)}.")])
        self._kernels[accelerator], _ = choose(accelerator, self.registry)
        return self._kernels[accelerator]

    def evaluate(
        self,
        x: Values | Source,
        y: Values,
        *,
        cost: Reference,
        metrics: Sequence[Reference] | Mapping[str, Sequence[Reference]] = (),
        sample_weight: ArrayLike | Stored | None = None,
    ) -> dict[str, Any]:
        """Return C and the metrics on examples `x` with labels `y`, without dropout.

        Parameters
        ----------
        x, y, cost, metrics, sample_weight
            As for :meth:`fit`. Of a model of a run, a frame holds raw columns; then y are raw labels too, and metrics
            are in their unit, as those of ``nnfw evaluate``. Arrays are what the network takes and compares.

        Returns
        -------
        dict
            ``{"cost": ..., "accuracy": ...}``.

        Raises
        ------
        ConfigError, DataError
            As :meth:`fit`, and if C is not finite.
        """
        objective = self.objective(cost)
        options = build(training.TrainingOptions, {"metrics": metrics}, self.registry.resolve)
        raw = self._takes_raw(x)
        units = self.units(objective) if raw else training.units_of({}, objective, self.network)
        self.require_metrics(options.metrics, objective, units=units)
        named = self.measures(options.metrics, units)
        labels = self._numbered(x, y, sample_weight, self.preprocessing, raw=raw)
        data = self.data(x, labels, objective, sample_weight)
        record = training.evaluate(self.network, data, objective, named, self.network.workspace())
        training.require_finite_cost(record["cost"], "these examples", objective.label(self.registry))
        return record

    def gradient(
        self, x: Values, y: Values, *, cost: Reference, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Array]:
        """Return C and the flat ∂C/∂θ, laid out like ``parameters.vector``.

        Parameters
        ----------
        x, y, cost, sample_weight
            As for :meth:`fit`.

        Returns
        -------
        tuple
            C, and an array of the size of ``parameters.vector``.

        Raises
        ------
        ConfigError, DataError
            As :meth:`fit`.

        Notes
        -----
        The pass is that of a prediction: without the noise of `dropout`, and with the running statistics of
        `batch_norm`. :meth:`trace` gives the gradients of each layer by name.
        """
        objective = self.objective(cost)
        y = self._numbered(x, y, sample_weight, self.preprocessing)
        data = self.labelled(x, y, objective, sample_weight)
        gradient = np.zeros_like(self.parameters.vector)
        batch = data.part(0, len(data), self.dtype)
        value, _ = self.network.backward(batch, objective, self.network.workspace(), self.network.views(gradient))
        return value, gradient

    def trace(self, x: Values, y: Values, *, cost: Reference) -> Trace:
        """Return every quantity of one forward and backward pass: per layer z, a, δ, ∇_w C and ∇_b C.

        Parameters
        ----------
        x, y, cost
            As for :meth:`fit`.

        Raises
        ------
        ConfigError, DataError
            As :meth:`fit`.
        """
        objective = self.objective(cost)
        data = self.labelled(x, self._numbered(x, y, None, self.preprocessing), objective, None)
        workspace = self.network.workspace()
        grads = self.network.views(np.zeros_like(self.parameters.vector))
        batch = data.part(0, len(data), self.dtype)
        value, _ = self.network.backward(batch, objective, workspace, grads)
        graph, layers = self.network.graph, []
        for place in graph.nodes:
            own = graph.workspace_of(place, workspace)
            z, a, delta = (own[key].copy() for key in ("z", "a", "delta"))
            layers.append(LayerTrace(place.name, z, a, delta, dict(grads.of(place.parameters))))
        inputs = dict(zip(graph.inputs, [array.copy() for array in batch.inputs], strict=True))
        return Trace(inputs if self.network.inputs[0].key else inputs[INPUT], value, tuple(layers))

    def health(self, x: Values, y: Values, *, cost: Reference) -> tuple[Health, ...]:
        """Return the size of z, a and δ at each node in a training step, and whether learning stops there.

        Layers act as in training. A node whose ``verdict`` is not empty is vanishing, exploding or dead. Recurrent
        layers tell ‖∂C/∂h_t‖ of each time step, as ``through_time``, with a ``time_verdict``.

        Parameters
        ----------
        x, y, cost
            As for :meth:`fit`; a hundred examples are enough.

        Raises
        ------
        ConfigError, DataError
            As :meth:`fit`.
        """
        objective = self.objective(cost)
        data = self.labelled(x, self._numbered(x, y, None, self.preprocessing), objective, None)
        return health_of(self.network, data.part(0, len(data), self.dtype), objective, through_time=True)

    def save(self, path: str | PathLike[str], *, inside: Directory | None = None) -> None:
        """Write architecture, parameters and preprocessing to one file, in place of an older one.

        Parameters
        ----------
        path
            The file; ``nnfw.load(path)`` reads it. A link is followed.
        inside
            An open directory that `path` lies in: no link below it is followed.

        Raises
        ------
        PluginError
            If a component belongs to no installed plugin.
        DataError
            If a parameter is not finite.
        NnfwError
            If the file cannot be written.
        """
        container.write(path, self.description(), dict(self.parameters), inside=inside)

    def description(self) -> dict[str, Any]:
        """Return what a file says of this model beside its arrays: plain tables, lists, texts and numbers.

        Every component is named as ``distribution:name``; ``distributions`` holds the versions of those that are
        needed.

        Raises
        ------
        PluginError
            If a component belongs to no installed plugin.
        ShapeError
            If the preprocessing makes other examples than the network takes, or cannot take what it gives.
        ConfigError, DataError
            If the preprocessing could not be read again: repeated classes, for instance.
        """
        shape = self.input_shape
        table: dict[str, Any] = {
            "input_shape": {name: list(own) for name, own in shape.items()}
            if isinstance(shape, Mapping)
            else list(shape),
            "dtype": self.dtype.name,
            "seed": self.seed,
            "layers": [to_table(node, self.registry.describe) for node in self.nodes],
        }
        if self.network.output_names:
            table["outputs"] = list(self.network.output_names)
        if self.preprocessing is not None:
            self.preprocessing.require_fit(self.input_shape, self.output_shape)
            table["preprocessing"] = self.preprocessing.to_table(self.registry)
            if self._readable is not self.preprocessing:  # it never changes, and may have thousands of columns
                Preprocessing.from_table(table["preprocessing"], self.registry)  # what would not be read is not written
                self._readable = self.preprocessing
        return table | {"distributions": self.registry.distributions_in(table)}

    def __repr__(self) -> str:
        """Return the layers, shapes and number of parameters."""
        layers = ", ".join(map(repr, self.nodes))
        count = f"{self.parameters.vector.size:,} parameters"
        return f"<Sequential {self.input_shape} → {self.output_shape}, {count}: {layers}>"

    def objective(self, cost: Reference) -> Objective:
        """Return `cost`, resolved, at the output of this network."""
        graph, names = self.network.graph, self.network.output_names
        activations = [graph.nodes[index].activation for index in graph.outputs]
        if not names:
            return Objective([Term(self.registry.resolve("cost", cost), activations[0], self.registry)], [1.0])
        given = dict(zip(names, by_name(cost, names, "cost", "output", ConfigError), strict=True))
        found = build(_Costs, {"cost": given}, self.registry.resolve).cost.values()
        terms = [
            Term(item.cost, activation, self.registry) for item, activation in zip(found, activations, strict=True)
        ]
        return Objective(terms, [item.weight for item in found])

    def units(self, objective: Objective) -> tuple[training.Unit | None, ...]:
        """Return the unit of each output's target, whose transforms the preprocessing knows; see :class:`Unit`."""
        known = self.preprocessing is not None and self.preprocessing.has_targets
        targets = self.preprocessing.outputs if self.preprocessing is not None and known else {}
        return training.units_of(targets, objective, self.network)

    def measures(self, metrics: training.Metrics, units: Sequence[training.Unit | None] = ()) -> dict[str, Metric]:
        """Return resolved metrics by the name under which they are recorded, in the units of the outputs.

        ConfigError unless they are a list or, where outputs have names, lists by these names.
        """
        names = self.network.output_names
        if not isinstance(metrics, Mapping):
            if names and metrics:
                text = f"must be lists by the names of the outputs, {listed(names)}, got a list."
                raise ConfigError([Mistake(("metrics",), text)])
            metrics = dict.fromkeys(names, ()) if names else metrics
        elif unknown := [name for name in metrics if name not in names]:
            expected = f"Outputs: {listed(names)}." if names else "The only output has none; give a list."
            raise ConfigError([Mistake(("metrics",), f"has {listed(unknown)}, which is no output. {expected}")])
        return training.in_units(training.measures_of(metrics, names, self.registry), units, names)

    def labelled(
        self, x: Values, y: Values, objective: Objective, weight: ArrayLike | None = None, suffix: str = ""
    ) -> training.Labelled:
        """Return examples checked against this network and a cost; DataError if they do not fit."""
        if training.is_streamed(x, y, weight):
            raise DataError(
                f"x{suffix} is not in memory, but this takes all examples at once. Give some of them as arrays: "
                "those of one chunk, or a slice."
            )
        x = self._of_frame(x, f"x{suffix}", self.preprocessing)
        return training.labelled(x, y, weight, self.network, objective, suffix)

    def data(
        self,
        x: object,
        y: object,
        objective: Objective,
        weight: object = None,
        suffix: str = "",
        preprocessing: Preprocessing | None = None,
    ) -> training.Data:
        """Return examples as :meth:`labelled` does, or those of a source, to be read chunk by chunk.

        The preprocessing, by default that of the model, takes the columns of a frame by name.
        """
        preprocessing, owner = preprocessing or self.preprocessing, f"x{suffix}"
        if isinstance(x, Source):
            if preprocessing is not None:
                preprocessing.require_names(training.feature_names(x, y, weight, owner), owner)
        else:
            x = self._of_frame(x, owner, preprocessing)
        return training.data_of(x, y, weight, self.network, objective, suffix)


def _require_own_names(graph: Graph, index: int, model: Graph) -> None:
    """Refuse a model as a layer if its nodes name what is not theirs any more: an input, or a name with a dot."""
    outer, inner = graph.values, model.values
    prefix = f"layers.{index}."
    places = {place.name: place for place in graph.nodes}
    entry = outer[places[prefix + model.nodes[0].name].sources[0]]
    for own in model.nodes:
        place = places[prefix + own.name]
        for source, expected in zip(place.sources, own.sources, strict=True):
            name = inner[expected]
            if outer[source] != (entry if name in model.inputs else prefix + name):
                text = f"is a model whose node {own.name} takes {name}, which it cannot name here. Write its nodes as "
                raise ConfigError([Mistake(("layers", index), f"{text}a block that hands its input on.")])


def _as_shapes(given: object) -> object:
    """Return a shape, or shapes by name, with each whole number as the shape of one axis."""
    if isinstance(given, Mapping):
        return {name: _as_shapes(shape) for name, shape in given.items()}
    return (given,) if isinstance(given, int | np.integer) else given


def _options_in(given: Mapping[str, object], cls: type) -> dict[str, object]:
    return {name: given[name] for name in options_of(cls)}


def _as_text(path: str | PathLike[str] | None) -> str | None:
    """Return a path as text; anything else as it is, to be refused with the other options."""
    return fspath(path) if isinstance(path, PathLike) else path
