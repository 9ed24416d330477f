"""Many steps in one call give the bits of single ones: parameters, records, checkpoints, and the step that diverged."""

import gc
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.compute import kernels, kernels_only
from nnfw.ops import Call, PerStep
from nnfw.ops.definitions import copy, take
from nnfw.ops.engines import Engine
from nnfw.ops.many_steps import steps
from nnfw.ops.noise import uniform, uniform_numbers
from nnfw.training import chunk
from nnfw.training.chunk import RecordedStep, chunk_of
from nnfw_standard import SGD, Accuracy, BatchNorm, CrossEntropy, Dense, Dropout

pytest.importorskip("numba")


@dataclass(frozen=True)
class Each(nnfw.Callback):
    """One that looks at each step, so that steps are taken one at a time."""

    def step_computed(self, fit, state):
        return


@pytest.fixture
def together(monkeypatch):
    """Return the sizes of the calls that took many steps."""
    sizes, take = [], chunk.Chunk.take
    monkeypatch.setattr("nnfw.training.steps._MOMENT", 60.0)  # a busy machine takes as many steps as any other

    def taken(self, rows, step, rates, kept):
        sizes.append(len(rates))
        return take(self, rows, step, rates, kept)

    monkeypatch.setattr(chunk.Chunk, "take", taken)
    return sizes


def model_of(*layers, dtype="float32"):
    return nnfw.Sequential([*layers, Dense(3, activation="softmax")], 8, dtype=dtype, seed=1)


def examples(rng, count=203):
    return rng.normal(size=(count, 8)), rng.integers(0, 3, count)


def both(layers, data, dtype="float32", **options):
    """Return parameters and records of trainings that take many steps at once, and one by one."""
    found = []
    for callbacks in ([], [Each()]):
        model = model_of(*layers, dtype=dtype)
        defaults = {"cost": "cross_entropy", "optimizer": "sgd", "epochs": 3, "batch_size": 10, "accelerator": "numba"}
        callbacks = [*callbacks, *options.get("callbacks", ())]
        history = model.fit(*data, **defaults | options | {"callbacks": callbacks})
        found.append((model.parameters.vector.tobytes(), repr(history.records)))
    return found


LAYERS = {
    "plain": (Dense(6, activation="tanh"),),
    "dropout": (Dropout(0.25), Dense(6, activation="relu"), Dropout(0.5)),
    "inner": (nnfw.Chain([Dense(5, activation="gelu"), Dense(4, activation="softplus")]),),
}
OPTIMIZERS = {
    "sgd": "sgd",
    "momentum": {"type": "sgd", "momentum": 0.9, "nesterov": True, "clip_norm": 0.1},
    "adam": {"type": "adam", "weight_decay": 0.01},
    "adamw": {"type": "adamw", "clip_norm": 0.2},
    "rmsprop": "rmsprop",
    "adagrad": "adagrad",
}


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_many_steps_in_one_call_give_the_bits_of_single_ones(layers, optimizer, together, rng):
    many, single = both(LAYERS[layers], examples(rng), optimizer=OPTIMIZERS[optimizer], metrics=["accuracy", "f1"])
    assert many == single
    assert sum(together) == 3 * 20 - 1  # all whole batches, but for the one that is recorded


AVERAGES = [{"type": "ema", "decay": 0.8}, {"type": "ema", "start": 2}, {"type": "swa"}, {"type": "swa", "start": 2}]


@pytest.mark.parametrize("average", AVERAGES, ids=str)
def test_many_steps_with_an_average_give_the_bits_of_single_ones(average, together, rng):
    data = examples(rng, 200)  # the last step of an epoch is one of many too
    layers = (Dense(6, activation="tanh"), BatchNorm())
    many, single = both(layers, data, optimizer="adam", average=average, validation_data=data, epochs=4)
    assert many == single
    assert sum(together) == 4 * 20 - 1


def test_average_is_not_moved_by_a_step_that_diverges(rng, together):
    x, y = examples(rng, 200)
    x[170] = 1e200  # float64, so that it is finite, and C is not
    found = []
    for callbacks in ([], [Each()]):
        model = nnfw.Sequential([Dense(1)], 8, dtype="float64", seed=1)
        options = {"cost": "mse", "optimizer": "sgd", "batch_size": 10, "shuffle": False, "accelerator": "numba"}
        with pytest.raises(nnfw.DivergedError):
            model.fit(x, y, epochs=2, average=AVERAGES[0], callbacks=callbacks, **options)
        found.append(model.parameters.vector.tobytes())
    assert found[0] == found[1]
    assert sum(together) >= 10


SMOOTHED = {"type": "cross_entropy", "label_smoothing": 0.1}
LABELS = {
    "numbers": lambda rng: rng.normal(size=(60, 3)),
    "counts": lambda rng: rng.poisson(2.0, (60, 3)),
    "classes": lambda rng: rng.integers(0, 3, 60),
    "rows": lambda rng: rng.dirichlet(np.ones(3), 60),
}


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.long)])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    ("cost", "activation", "labels"),
    [
        ("mse", "identity", "numbers"),
        ("mse", "log_softmax", "numbers"),
        ("mae", "softmax", "numbers"),
        ("huber", "tanh", "numbers"),
        ({"type": "huber", "threshold": 0.1}, "identity", "numbers"),
        ("poisson", "softplus", "counts"),
        ("binary_cross_entropy", "sigmoid", "rows"),
        ("binary_cross_entropy", "hard_sigmoid", "rows"),
        *((cost, "softmax", labels) for cost in ("cross_entropy", SMOOTHED) for labels in ("classes", "rows")),
        *((cost, "sigmoid", labels) for cost in ("cross_entropy", SMOOTHED) for labels in ("classes", "rows")),
    ],
    ids=str,
)
def test_many_steps_in_one_call_give_the_bits_of_single_ones_for_every_cost(
    cost, activation, labels, weighted, dtype, together, rng
):
    x, y, weights = rng.normal(size=(60, 8)), LABELS[labels](rng), rng.random(60)
    found = []
    for callbacks in ([], [Each()]):
        model = nnfw.Sequential([Dense(3, activation=activation)], 8, dtype=dtype, seed=1)
        history = model.fit(
            *(x, y),
            sample_weight=weights if weighted else None,
            cost=cost,
            optimizer="sgd",
            metrics=["accuracy"] if cost in ("cross_entropy", SMOOTHED) else [],
            epochs=2,
            batch_size=10,
            accelerator="numba",
            callbacks=callbacks,
        )
        found.append((model.parameters.vector.tobytes(), repr(history.records)))
    assert found[0] == found[1]
    assert sum(together) == 2 * 6 - 1


ACTIVATIONS = [each.name for each in nnfw.Registry.discover().components("activation")]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_many_steps_in_one_call_give_the_bits_of_single_ones_for_every_activation(activation, together, rng):
    many, single = both((Dense(3, activation=activation),), examples(rng, 60))
    assert many == single
    assert sum(together) == (0 if activation == "prelu" else 3 * 6 - 1)  # which is called by itself


@pytest.mark.parametrize(
    "options",
    [
        {"regularizer": "l1"},
        {"regularizer": {"type": "l2", "rate": 0.1}, "schedule": {"type": "exponential", "rate": 0.9}},
        {"shuffle": False, "batch_size": 29},
        {"batch_size": 101},
        {"dtype": "float64", "metrics": ["f1"]},
        {"dtype": "float64", "metrics": ["accuracy"]},
        {"metrics": ["accuracy", "f1"]},
        {"callbacks": [nnfw.ProgressBar()]},
    ],
    ids=lambda options: "-".join(options),
)
def test_many_steps_in_one_call_give_the_bits_of_single_ones_whatever_the_options(options, together, rng):
    many, single = both(LAYERS["dropout"], examples(rng), **options)
    assert many == single
    assert together


@dataclass(frozen=True)
class Reversed(Accuracy):
    """One with values of its own, from which the class above makes its statistics."""

    def values(self, a, y):
        return ~super().values(a, y)


@dataclass(frozen=True)
class Whole(Accuracy):
    """One whose statistics are whole numbers by type too."""

    def statistics(self, a, y, weight=None):
        return super().statistics(a, y, weight).astype(np.int64)

    @kernels_only
    def write_statistics(self, a, y, weight, out):
        return super().write_statistics(a, y, weight, out)


@dataclass(frozen=True)
class Lenient(Accuracy):
    """One with statistics of its own: the operations of the class above do not write them."""

    def statistics(self, a, y, weight=None):
        return super().statistics(a, y, weight) + np.array([1.0, 0.0])


@pytest.mark.parametrize(
    ("metrics", "cost", "kept"),
    [
        ([], "cross_entropy", False),
        (["accuracy"], "cross_entropy", False),
        (["accuracy"], "mse", False),
        (["accuracy", "f1"], "cross_entropy", True),
        ([Lenient()], "cross_entropy", True),
        ([Reversed()], "cross_entropy", True),
        ([Whole()], "cross_entropy", True),
    ],
    ids=str,
)
def test_outputs_are_kept_where_a_metric_does_not_write_its_statistics(metrics, cost, kept, rng, monkeypatch):
    found, take = [], chunk.Chunk.take

    def taken(self, *arguments):
        found.append(self.outputs is not None)
        return take(self, *arguments)

    monkeypatch.setattr(chunk.Chunk, "take", taken)
    x, y = examples(rng)
    y = np.eye(3)[y] if cost == "mse" else y
    model_of().fit(x, y, cost=cost, optimizer="sgd", metrics=metrics, batch_size=10, accelerator="numba", epochs=1)
    assert set(found) == {kept}


@dataclass(frozen=True)
class Written(SGD):
    """One that updates in its own way: the operations of the class above are not its step."""

    def update(self, vector, gradient, state, step, learning_rate, decays):
        vector -= 0.5 * learning_rate * gradient


@dataclass(frozen=True)
class Slow(Dense):
    """One whose forward is not made of operations."""

    def forward(self, params, a_prev, workspace):
        return super().forward(params, a_prev, workspace)


@dataclass(frozen=True)
class Own(CrossEntropy):
    """One with a value of its own: the operations of the class above do not write it."""

    def value_from_z(self, z, y, weight=None):
        return 2 * super().value_from_z(z, y, weight)


@dataclass(frozen=True)
class Signs(SGD):
    """One whose helper is not made of operations."""

    def descend(self, vector, gradient, state, coefficients):
        vector -= coefficients[0] * np.sign(gradient)


@pytest.mark.parametrize(
    ("layers", "options"),
    [
        ((Dense(4),), {"optimizer": Written(0.1)}),
        ((Dense(4),), {"optimizer": Signs(0.1)}),
        ((Slow(4),), {}),
        ((Dense(4),), {"cost": Own()}),
        ((Dense(4),), {"accelerator": "none"}),
    ],
    ids=["optimizer", "helper", "layer", "cost", "numpy"],
)
def test_steps_that_need_python_in_between_are_taken_one_by_one(layers, options, together, rng):
    many, single = both(layers, examples(rng), **options)
    assert many == single
    assert not together


def test_step_that_diverged_is_named_as_with_single_steps(together, rng):
    x, y = examples(rng)
    x[150] = 1e200
    messages = []
    for callbacks in ([], [Each()]):
        model = model_of(Dense(6, activation="relu"), dtype="float64")
        with pytest.raises(nnfw.DivergedError) as caught:
            model.fit(
                *(x, y),
                cost="cross_entropy",
                optimizer={"type": "sgd", "learning_rate": 1e150},
                epochs=9,
                batch_size=10,
                accelerator="numba",
                callbacks=callbacks,
            )
        messages.append((str(caught.value), caught.value.epoch, caught.value.step, model.parameters.vector.tobytes()))
    assert messages[0] == messages[1]


def test_training_goes_on_after_a_cost_that_is_not_finite_where_nothing_ends_it(together, rng):
    x, y = examples(rng)
    x[60:65] = 1e300
    options = {"optimizer": {"type": "sgd", "learning_rate": 1e-3}, "shuffle": False, "metrics": ["accuracy"]}
    with pytest.warns(RuntimeWarning, match="The cost of the first 64 examples rose"):
        many, single = both(
            LAYERS["dropout"], (x, y), "float64", **options, callbacks=[{"type": "terminate_on_nan", "enabled": False}]
        )
    assert many == single
    assert "nan" in many[1] or "inf" in many[1]


def test_calls_are_as_long_as_a_moment_and_end_where_a_look_is_due(together, rng, monkeypatch):
    monkeypatch.setattr("nnfw.training.watch.WINDOW", 7)
    both(LAYERS["plain"], examples(rng))
    assert together[0] == 1  # until it is known how long a step takes
    assert max(together) <= 7


@pytest.mark.parametrize("stop", [1, 5, 17, 20, 33])
def test_resumed_training_that_takes_many_steps_at_once_ends_with_the_same_bits(stop, tmp_path, rng):
    class StoppedError(Exception):
        pass

    @dataclass(frozen=True)
    class Stop(nnfw.Callback):
        def steps_computed(self, fit, costs, state):
            if fit.step > stop:
                raise StoppedError

    data = examples(rng)
    options = {"cost": "cross_entropy", "optimizer": "adam", "epochs": 3, "batch_size": 10, "accelerator": "numba"}
    whole = model_of(*LAYERS["dropout"])
    records = whole.fit(*data, **options).records
    model = model_of(*LAYERS["dropout"])
    with pytest.raises(StoppedError):
        model.fit(*data, **options, callbacks=[Stop()], checkpoints=tmp_path / "folder", checkpoint_seconds=0)
    resumed = model_of(*LAYERS["dropout"])
    history = resumed.fit(*data, **options, checkpoints=tmp_path / "folder", resume=True)
    assert resumed.parameters.vector.tobytes() == whole.parameters.vector.tobytes()
    assert history.records == records


OFF = {"type": "terminate_on_nan", "enabled": False}


def test_examples_in_a_file_are_read_for_each_step_though_labels_are_in_memory(tmp_path, monkeypatch, together, rng):
    monkeypatch.setattr("nnfw.training.batches._HELD_IN_MEMORY", 0)
    x, y = examples(rng)
    np.save(tmp_path / "x.npy", x)
    found = []
    for given in (x, np.load(tmp_path / "x.npy", mmap_mode="r")):
        together.clear()
        model = model_of(*LAYERS["plain"])
        model.fit(given, y, cost="cross_entropy", optimizer="sgd", epochs=3, batch_size=10, accelerator="numba")
        found.append((model.parameters.vector.tobytes(), bool(together)))
    (in_memory, many), (in_file, mapped_many) = found
    assert in_memory == in_file
    assert (many, mapped_many) == (True, False)


def test_layer_with_non_finite_values_is_that_of_the_last_step_of_a_call(together, rng):
    found = []

    @dataclass(frozen=True)
    class Looks(nnfw.Callback):
        def epoch_ended(self, fit, record, state):
            fit.vector *= 1e153

        def steps_computed(self, fit, costs, state):
            if not np.isfinite(fit.cost):
                found.append((fit.step, fit.first_non_finite()))

    x, y = rng.normal(size=(45, 8)), rng.normal(size=(45, 3))
    x[7] = 1e3  # in a row that a short last batch does not have
    for callbacks in ([], [Each()]):
        model = nnfw.Sequential([Dense(4), Dense(3)], 8, dtype="float64", seed=1)
        options = {"cost": "mse", "optimizer": {"type": "sgd", "learning_rate": 1e-9}, "epochs": 2, "batch_size": 10}
        with pytest.warns(RuntimeWarning, match="The cost of the first 45 examples rose"):
            model.fit(x, y, **options, shuffle=False, accelerator="numba", callbacks=[Looks(), OFF, *callbacks])
    half = len(found) // 2
    assert together
    assert found[:half] == found[half:]
    assert found[0] == (6, "Layer 1 'dense' (built-in): z is not finite")


def test_step_that_ends_a_call_early_is_updated_with_its_own_learning_rate(together, monkeypatch, rng):
    monkeypatch.setattr("nnfw.training.steps._MOMENT", 1e9)  # all steps in one call, however slow the machine is
    x, y = rng.normal(size=(200, 8)), rng.normal(size=(200, 3))
    y[62] = 1e155  # its square is infinite, its gradient is not
    found = []
    for callbacks in ([], [Each()]):
        model = nnfw.Sequential([Dense(3)], 8, dtype="float64", seed=1)
        options = {"cost": "mse", "optimizer": {"type": "sgd", "learning_rate": 1e-3}, "epochs": 1, "batch_size": 10}
        schedule = {"type": "exponential", "rate": 0.01}
        model.fit(
            *(x, y), **options, schedule=schedule, shuffle=False, accelerator="numba", callbacks=[OFF, *callbacks]
        )
        assert np.isfinite(model.parameters.vector).all()
        found.append(model.parameters.vector.tobytes())
    assert max(together) > 6
    assert found[0] == found[1]


@dataclass(frozen=True)
class Jitter(nnfw.Layer):
    """Adds noise in float64, whatever the dtype of the network."""

    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        return input_shape

    @kernels_only
    def forward(self, params, a_prev, workspace):
        if not workspace.training:
            return a_prev
        u, z = workspace.buffer("u", a_prev.shape, np.float64), workspace.buffer("z", a_prev.shape)
        uniform(workspace.rng, u)
        kernels().copy(a_prev, z)
        kernels().add_scaled(z, u, 0.1)
        return z

    @kernels_only
    def backward(self, params, delta, grads, workspace):
        return delta


def test_noise_of_two_dtypes_is_that_of_single_steps(together, monkeypatch, rng):
    engine = Engine("Definitions", {}, {"steps": steps})  # unlike numba, it takes arrays of any dtype
    monkeypatch.setattr("nnfw.training.loop.choose", lambda *arguments: (engine, "Definitions"))
    for layers in ((Jitter(), Dropout(0.25)), (Dropout(0.25), Jitter())):
        many, single = both((*layers, Dense(6, activation="tanh")), examples(rng))
        assert many == single
    assert not together
    many, single = both((Jitter(), Dense(6, activation="tanh")), examples(rng))
    assert many == single
    assert together


# Chunk by itself, with the definitions as the engine


class Plain:
    """An engine that takes many steps by the definitions."""

    owner = "Plain"

    def __init__(self, result=lambda complete: complete):
        self.result = result

    def steps(self, before, after, costs):
        run = steps(before, after, costs)
        return lambda first, count: self.result(run(first, count))


class Rated:
    """An optimizer, as far as its coefficients go."""

    def __init__(self, coefficients=lambda step, rate: (rate,)):
        self.coefficients = coefficients


def recorded(rng, *, part=False):
    """Return a step that gathers a row, adds noise to nothing and takes it for the cost."""
    rows, cost, a, noise = np.zeros(1, np.int64), np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1))
    source = np.array([[1.0], [2.0], [np.nan], [4.0]])
    before = [
        Call(uniform_numbers, (rng, noise)),
        Call(take, (source, rows, a)),
        Call(copy, (a[0], cost)),
        Call(copy, (noise[:1] if part else noise, np.zeros((1, 1)))),
    ]
    return RecordedStep(rows, before, lambda coefficients, kept: [], cost, a, {}, Rated())


def test_chunk_ends_at_a_cost_that_is_not_finite_and_draws_no_more_noise_than_its_steps(rng):
    found = chunk_of(recorded(rng), Plain(), rng, outputs=True)
    copied = np.random.default_rng()
    copied.bit_generator.state = rng.bit_generator.state
    costs, complete, outputs, _ = found.take(np.array([1, 0, 2, 3]), 1, [0.1] * 4)
    assert costs[:2] == [2.0, 1.0]
    assert np.isnan(costs[2])
    assert (len(costs), complete) == (3, 2)
    np.testing.assert_array_equal(outputs[:, 0, 0], [2.0, 1.0])
    copied.random(3)
    assert copied.bit_generator.state == rng.bit_generator.state


def test_chunk_is_refused_where_a_part_of_a_table_is_used(rng):
    assert chunk_of(recorded(rng, part=True), Plain(), rng, outputs=False) is None


def test_chunk_is_refused_where_the_noise_is_of_another_generator(rng):
    assert chunk_of(recorded(np.random.default_rng(1)), Plain(), rng, outputs=False) is None


def test_coefficients_of_each_step_are_a_column_for_each(rng):
    seen = []
    optimizer = Rated(lambda step, rate: (step, rate))
    step = recorded(rng)._replace(optimizer=optimizer, after=lambda coefficients, kept: seen.extend(coefficients) or [])
    found = chunk_of(step, Plain(), rng, outputs=False)
    found.take(np.array([0, 1]), 7, [0.2, 0.4])
    assert all(isinstance(item, PerStep) for item in seen)
    assert [item.values[:2].tolist() for item in seen] == [[7, 8], [0.2, 0.4]]


@pytest.mark.parametrize("found", [None, -1, 5, 64.0, "3", True, 1, 3], ids=repr)
def test_number_of_complete_steps_that_is_not_true_is_refused(found, rng):
    taken = chunk_of(recorded(rng), Plain(lambda complete: found), rng, outputs=False)
    message = rf"Plain: steps returned {found!r} for 4 steps, expected the number of steps before the first cost"
    with pytest.raises(nnfw.PluginError, match=message):
        taken.take(np.array([1, 0, 2, 3]), 1, [0.1] * 4)


@pytest.mark.parametrize(
    ("coefficients", "message"),
    [
        (lambda step, rate: None, "coefficients returned NoneType, expected a tuple of numbers"),
        (lambda step, rate: rate, "coefficients returned float, expected a tuple of numbers"),
        (lambda step, rate: ("a",), "coefficients returned tuple, expected a tuple of numbers"),
        (lambda step, rate: (rate,) * step, "coefficients returned tuple, expected a tuple of 1 numbers at every step"),
    ],
    ids=["none", "number", "text", "more and more"],
)
def test_coefficients_that_are_not_as_many_numbers_each_time_are_refused(coefficients, message, rng):
    step = recorded(rng)._replace(optimizer=Rated(coefficients))
    with pytest.raises(nnfw.PluginError, match=message):
        chunk_of(step, Plain(), rng, outputs=False).take(np.array([0, 1]), 1, [0.2, 0.4])


class Owned(np.ndarray):
    """An array that weak references may point to."""

    __hash__ = object.__hash__


class Forgetful(Plain):
    """An engine whose program has addresses only."""

    def steps(self, before, after, costs):
        return lambda first, count: count


@dataclass(frozen=True)
class Scratched(SGD):
    """One whose step goes through an array that it makes itself."""

    @kernels_only
    def apply(self, vector, gradient, state, coefficients, decays):
        own = np.empty_like(vector)
        kernels().copy(gradient, own)
        kernels().sgd(vector, own, *coefficients)


def test_arrays_that_an_optimizer_makes_itself_live_as_long_as_the_program(rng):
    many, single = both(LAYERS["plain"], examples(rng), optimizer=Scratched(0.1))
    assert many == single
    made = weakref.WeakSet()

    def after(coefficients, kept):
        own = Owned(3)
        made.add(own)
        return [Call(copy, (np.zeros(3), own))]

    found = chunk_of(recorded(rng)._replace(after=after), Forgetful(), rng, outputs=False)
    gc.collect()
    assert len(made) == 1
    assert found is not None


@dataclass(frozen=True)
class Calculates(SGD):
    """One that computes with its coefficients."""

    @kernels_only
    def apply(self, vector, gradient, state, coefficients, decays):
        kernels().add_scaled(vector, gradient, -coefficients[0])


def test_optimizer_that_computes_with_its_coefficients_is_refused_by_name(rng):
    message = "Optimizer 'Calculates': apply must pass its coefficients to operations and not compute with them: bad"
    with pytest.raises(nnfw.PluginError, match=message):
        model_of().fit(*examples(rng), cost="cross_entropy", optimizer=Calculates(0.1), accelerator="numba", epochs=1)


def test_steps_count_up_to_the_last_whole_batch(rng, together):
    both(LAYERS["plain"], examples(rng, 45), batch_size=10, epochs=2)
    assert sum(together) == 2 * 4 - 1


def test_tables_of_a_chunk_stay_within_their_bytes_however_wide_the_output(rng):
    step = recorded(rng)
    a = np.zeros((1, 5000))
    gather = Call(take, (np.ones((4, 5000)), step.rows, a))
    before = [step.before[0], gather, Call(copy, (a[0, :1], step.cost))]
    found = chunk_of(step._replace(a=a, before=before), Plain(), rng, outputs=True)
    tables = (found.rows, found.coefficients, found.costs, found.outputs, found.noise)
    assert sum(table.nbytes for table in tables) <= chunk._TABLES
    assert found.most > 1
