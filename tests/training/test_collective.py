"""Ranks that train together: gradient, cost and metrics of the whole batch, and the same bits on each rank."""

import copy
import json
import multiprocessing
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tests.training.layers import RunningMean

import nnfw
from nnfw.plugins import default_registry
from nnfw.randomness import stream
from nnfw.training.collective import combine
from nnfw_standard import SGD, Dense, Dropout, Embedding

SECONDS = 60  # after which a rank gives up waiting for another
registry = default_registry()


class Threads:
    """What a number of threads share: a place for the array of each, and a barrier."""

    def __init__(self, size):
        self.arrays, self.calls = [None] * size, 0
        self.barrier = threading.Barrier(size, timeout=SECONDS)

    def run(self, train):
        """Return what `train` returns for each rank; an error in one ends all."""
        size = len(self.arrays)

        def one(rank):
            try:
                return train(ThreadRank(rank, size, self))
            except BaseException:
                self.barrier.abort()
                raise

        with ThreadPoolExecutor(size) as pool:
            found = [pool.submit(one, rank) for rank in range(size)]
        errors = [future.exception() for future in found if future.exception() is not None]
        first = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
        if errors:
            raise (first or errors)[0]
        return [future.result() for future in found]


@dataclass(frozen=True)
class ThreadRank(nnfw.Collective):
    """One thread of them."""

    rank: int
    size: int
    threads: Threads

    def sum(self, array):
        assert array.dtype == np.float64
        assert array.ndim == 1
        assert array.flags.c_contiguous
        threads = self.threads
        threads.arrays[self.rank] = array.copy()
        if threads.barrier.wait() == 0:
            threads.calls += 1
        total = np.sum(threads.arrays, axis=0)
        threads.barrier.wait()
        array[...] = total


@dataclass(frozen=True)
class PipeRank(nnfw.Collective):
    """One of two processes: rank 1 sends its array to rank 0, which adds and sends the sum back."""

    rank: int
    size: int
    pipe: object

    def sum(self, array):
        if self.rank:
            self.pipe.send(array)
            array[...] = self.received()
        else:
            array += self.received()
            self.pipe.send(array)

    def received(self):
        assert self.pipe.poll(SECONDS)
        return self.pipe.recv()


def examples(count=50):
    rng = np.random.default_rng(7)
    x = rng.normal(size=(count, 4))
    return x, (x[:, 0] + x[:, 1] > 0).astype(int)


def network(*between, dtype="float64"):
    layers = [Dense(8, activation="tanh"), *between, Dense(2, activation="softmax")]
    return nnfw.Sequential(layers, 4, seed=3, dtype=dtype)


def train(collective, count=50, between=(), dtype="float64", **others):
    """Return parameters, state of layers and records of a training that is one rank's, or the whole one without."""
    x, y = data = examples(count)
    model = network(*between, dtype=dtype)
    options = {
        "cost": "cross_entropy",
        "optimizer": "adam",
        "epochs": 3,
        "batch_size": 13,
        "metrics": ["accuracy", "confusion_matrix"],
        "schedule": {"type": "plateau", "rate": 0.5, "patience": 1},
        "regularizer": {"type": "l2", "rate": 1e-3},
        "validation_data": (x[:21], y[:21]),
        "sample_weight": np.linspace(0.5, 1.5, count),
        "accelerator": "none",
    }
    history = model.fit(*data, **(options | others), collective=collective)
    return model.parameters.vector.copy(), model.parameters.state.copy(), history.records


def of_ranks(size, *arguments, **options):
    return Threads(size).run(lambda rank: train(rank, *arguments, **options))


def bits(found):
    return found[0].tobytes(), found[1].tobytes(), json.dumps(found[2])


def assert_all_equal_serial(ranks, serial, rtol=1e-9):
    """The ranks have the same bits, and those of one process but for rounding."""
    assert len({bits(found) for found in ranks}) == 1
    for together, alone in zip(ranks[0][:2], serial[:2], strict=True):
        np.testing.assert_allclose(together, alone, rtol=rtol, atol=rtol)
    assert len(ranks[0][2]) == len(serial[2])
    for record, expected in zip(ranks[0][2], serial[2], strict=True):
        assert list(record) == list(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(record[name], value, rtol=rtol)


# --- the serial training ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accelerator", ["none", "numba"])
@pytest.mark.parametrize("size", [2, 3])
def test_ranks_train_as_one_process_and_end_with_the_same_bits(size, accelerator):
    options = {"accelerator": accelerator}
    assert_all_equal_serial(of_ranks(size, **options), train(None, **options))


@pytest.mark.parametrize(
    "options", [{"accumulate": 3}, {"accumulate": 2, "average": {"type": "ema", "decay": 0.7}}], ids=["", "average"]
)
def test_ranks_accumulate_gradients_of_whole_batches(options):
    assert_all_equal_serial(of_ranks(2, 27, **options), train(None, 27, **options))


@pytest.mark.parametrize("count", [27, 28, 14, 13])
def test_last_batch_of_fewer_examples_than_ranks_counts_each_once(count):
    options = {"validation_data": tuple(part[:2] for part in examples(count))}
    assert_all_equal_serial(of_ranks(3, count, **options), train(None, count, **options))


def test_float32_equals_the_serial_training_to_its_rounding():
    serial = train(None, dtype="float32", optimizer="sgd")
    assert_all_equal_serial(of_ranks(2, dtype="float32", optimizer="sgd"), serial, rtol=2e-5)


def test_first_gradient_is_that_of_the_whole_batch():
    data = examples(7)
    model = network()
    before, (cost, gradient) = model.parameters.vector.copy(), model.gradient(*data, cost="cross_entropy")
    plain = {"schedule": None, "regularizer": None, "sample_weight": None, "validation_data": None, "epochs": 1}
    for vector, _, records in of_ranks(2, 7, optimizer=SGD(0.5), **plain):
        np.testing.assert_allclose((before - vector) / 0.5, gradient, rtol=1e-12, atol=1e-14)
        assert records[0]["cost"] == pytest.approx(cost, rel=1e-14)


def test_each_step_is_one_sum_and_so_is_each_validation():
    threads = Threads(2)
    threads.run(lambda rank: train(rank))
    assert threads.calls == 1 + 3 * (4 + 1)  # ranks are compared first


def test_ranks_take_one_step_at_a_time(monkeypatch):
    monkeypatch.delattr("nnfw.training.chunk.Chunk.take")
    of_ranks(2, accelerator="numba", metrics=["accuracy"])
    with pytest.raises(AttributeError):
        train(None, accelerator="numba", metrics=["accuracy"])


def test_layers_with_state_have_the_same_on_each_rank():
    options = {"between": [RunningMean()], "batch_size": 10, "optimizer": SGD(1e-300)}
    ranks, serial = of_ranks(2, **options), train(None, **options)
    assert bits(ranks[0]) == bits(ranks[1])
    assert ranks[0][1].any()
    np.testing.assert_allclose(ranks[0][1], serial[1], rtol=1e-12)  # linear in the examples, unlike the cost


def test_ranks_train_several_outputs_of_several_inputs_as_one_process():
    layers = [
        nnfw.Node(Embedding(5, 3), "words", ("city",)),
        nnfw.Node("flatten"),
        nnfw.Node(Dense(3, activation="tanh"), "numbers", ("size",)),
        nnfw.Node("add", inputs=("layers.1", "numbers")),
        nnfw.Node(Dense(1), "price"),
        nnfw.Node(Dense(3, activation="softmax"), "sort", ("layers.3",)),
    ]
    rng = np.random.default_rng(5)
    x = {"size": rng.normal(size=(50, 2)), "city": rng.integers(5, size=(50, 1))}
    y = {"price": rng.normal(size=(50, 1)), "sort": rng.integers(3, size=50)}

    def trained(rank):
        shapes = {"size": 2, "city": (1,)}
        model = nnfw.Sequential(layers, shapes, outputs=("price", "sort"), seed=3, dtype="float64")
        history = model.fit(
            x,
            y,
            cost={"price": "mse", "sort": {"cost": "cross_entropy", "weight": 0.5}},
            optimizer=SGD(0.1, momentum=0.9),
            epochs=3,
            batch_size=13,
            metrics={"price": ["r2"], "sort": ["accuracy"]},
            validation_data=(x, y),
            accelerator="none",
            collective=rank,
        )
        return model.parameters.vector.copy(), model.parameters.state.copy(), history.records

    serial = trained(None)
    assert "sort_accuracy" in serial[2][0]
    assert_all_equal_serial(Threads(3).run(trained), serial)


def test_noise_differs_between_ranks_and_parameters_do_not():
    ranks = of_ranks(2, between=[Dropout(0.5)])
    assert bits(ranks[0]) == bits(ranks[1])
    first, second = (stream(3, "noise", rank).random(8) for rank in (0, 1))
    assert not np.isin(first, second).any()
    np.testing.assert_array_equal(first, stream(3, "noise").random(8))


def test_mapped_examples_are_shared_like_arrays(tmp_path):
    x, y = examples()
    np.save(tmp_path / "x.npy", x)

    def mapped(rank):
        model = network()
        options = {"cost": "cross_entropy", "optimizer": "sgd", "batch_size": 13, "collective": rank}
        history = model.fit(np.load(tmp_path / "x.npy", mmap_mode="r"), y, **options)
        return model.parameters.vector.copy(), model.parameters.state.copy(), history.records

    ranks = Threads(2).run(mapped)
    assert_all_equal_serial(ranks, mapped(None))


def test_callback_that_stops_does_so_on_every_rank():
    stop = {"type": "early_stopping", "patience": 1, "monitor": "validation_cost"}
    x, y = examples(21)
    options = {"validation_data": (x, 1 - y), "callbacks": [stop], "epochs": 9}
    ranks = of_ranks(2, **options)
    assert 1 < len(ranks[0][2]) < 9
    assert_all_equal_serial(ranks, train(None, **options))


def test_ranks_go_on_from_their_histories():
    def twice(rank):
        model, data = network(Dropout(0.5)), examples()
        options = {"cost": "cross_entropy", "optimizer": "adam", "collective": rank}
        history = model.fit(*data, **options, epochs=2)
        history = model.fit(*data, **options, epochs=3, continue_from=history)
        return model.parameters.vector.copy(), model.parameters.state.copy(), history.records

    def once(rank):
        model = network(Dropout(0.5))
        history = model.fit(*examples(), cost="cross_entropy", optimizer="adam", epochs=5, collective=rank)
        return model.parameters.vector.copy(), model.parameters.state.copy(), history.records

    assert list(map(bits, Threads(2).run(twice))) == list(map(bits, Threads(2).run(once)))


@pytest.mark.parametrize("count", [50, 3])
def test_solver_sees_the_cost_of_all_ranks(count):
    def solved(rank):
        model, data = network(), examples(count)
        options = {"cost": "cross_entropy", "optimizer": "lbfgs", "epochs": 5, "metrics": ["accuracy"]}
        regularizer = {"type": "l2", "rate": 1e-2}
        history = model.fit(*data, **options, regularizer=regularizer, validation_data=data, collective=rank)
        return model.parameters.vector.copy(), model.parameters.state.copy(), history.records

    assert_all_equal_serial(Threads(3).run(solved), solved(None), rtol=1e-6)


def rank_process(rank, pipe, options):
    """Train as one of two processes, and send what came of it to the one that started them."""
    sums, results = pipe
    results.send(bits(train(PipeRank(rank, 2, sums), **options)))


def run_two(target, monkeypatch, options):
    """Return what two processes send."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # where the new processes find this module
    context = multiprocessing.get_context("spawn")
    sums, results = context.Pipe(), [context.Pipe() for _ in range(2)]
    pipes = [(sums[rank], results[rank][1]) for rank in range(2)]
    processes = [context.Process(target=target, args=(rank, pipes[rank], options)) for rank in range(2)]
    for process in processes:
        process.start()
    for _, pipe in results:
        pipe.close()  # a process that fails is then the end of its pipe
    found = [pipe.recv() if pipe.poll(SECONDS) else None for pipe, _ in results]
    for process in processes:
        process.join(SECONDS)
    assert [process.exitcode for process in processes] == [0, 0]
    return found


def test_two_processes_train_as_one(monkeypatch):
    options = {"optimizer": SGD(0.1, momentum=0.9)}
    found = run_two(rank_process, monkeypatch, options)
    vector, state, records = found[0]
    ranks = [(np.frombuffer(vector), np.frombuffer(state), json.loads(records))]
    assert found[0] == found[1]
    assert_all_equal_serial(ranks, train(None, **options))


@dataclass(frozen=True)
class Signals(nnfw.Callback):
    """Sends SIGINT to its own process at some step, or when some epoch ends, in one rank."""

    sends: bool
    step: int = 0
    epoch: int = 0

    def step_computed(self, fit, state):
        if self.sends and fit.step == self.step:
            signal.raise_signal(signal.SIGINT)

    def epoch_ended(self, fit, record, state):
        if self.sends and record["epoch"] == self.epoch:
            signal.raise_signal(signal.SIGINT)


INTERRUPTED = {
    "a step": ({"step": 6}, {}),
    "the end of an epoch": ({"epoch": 1}, {}),
    "a solver": ({"epoch": 2}, {"optimizer": "lbfgs", "schedule": None, "batch_size": 32, "epochs": 9}),
}


def interrupted_process(rank, pipe, name):
    """Train as one of two processes until a signal to rank 1 ends it; send where, and the parameters."""
    sums, results = pipe
    where, options = INTERRUPTED[name]
    seen = []
    callbacks = [Signals(rank == 1, **where), lambda fit, record: seen.append(json.dumps(record))]
    try:
        train(PipeRank(rank, 2, sums), callbacks=callbacks, **options)
    except nnfw.TrainingInterrupted as error:
        results.send((error.place, error.signal, seen))
    else:
        results.send("not interrupted")


@pytest.mark.parametrize("name", INTERRUPTED)
def test_signal_to_one_of_two_processes_ends_both_after_the_same_step(name, monkeypatch, interruptible):
    (first, second) = run_two(interrupted_process, monkeypatch, name)
    assert first == second
    place, number, _ = first
    assert number == signal.SIGINT
    assert place.startswith("in epoch ")


# --- errors -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FailingRank(nnfw.Callback):
    """Fails in one rank."""

    fails: bool

    def step_computed(self, fit, state):
        if self.fails and fit.step == 6:
            raise RuntimeError("the second epoch fails here")


def test_error_in_one_rank_ends_all():
    threads = Threads(2)
    with pytest.raises(RuntimeError, match="the second epoch fails here"):
        threads.run(lambda rank: train(rank, callbacks=[FailingRank(rank.rank == 1)]))
    assert threads.barrier.broken


@pytest.mark.parametrize("step", [1, 3])
def test_diverged_training_ends_every_rank_at_the_same_step(step):
    """Only rank 1 gets the example that is too large."""
    texts = []

    def diverging(rank):
        x, _ = examples(8)
        y = x[:, :1].astype(np.float64)
        y[2 * step - 1] = 1e200
        model = nnfw.Sequential([Dense(1)], 4, dtype="float64")
        options = {"cost": "mse", "optimizer": "sgd", "batch_size": 2, "shuffle": False, "collective": rank}
        with pytest.raises(nnfw.DivergedError) as caught:
            model.fit(x, y, **options)
        texts.append((rank.rank, caught.value.step, str(caught.value)))

    Threads(2).run(diverging)
    (_, first_step, here), (_, second_step, there) = sorted(texts)
    assert first_step == second_step == step
    assert "the cost became inf. It came from the part of the batch on another rank, which names the layer" in here
    assert "The labels reach 1e+200, too large for the cost in float64" in there


def test_parameters_that_overflow_are_found_on_every_rank():
    steps = []

    def overflowing(rank):
        model = nnfw.Sequential([Dense(1)], 4, dtype="float32")
        x = np.full((6, 4), 1e3, np.float32)
        options = {"cost": "mse", "optimizer": SGD(1e36), "batch_size": 2, "collective": rank, "epochs": 3}
        with pytest.raises(nnfw.DivergedError, match="made layers.0|the cost became") as caught:
            model.fit(x, x[:, :1], **options)
        steps.append(caught.value.step)

    Threads(2).run(overflowing)
    assert steps[0] == steps[1]


@pytest.mark.parametrize(
    "others",
    [
        lambda rank: {"seed": rank},
        lambda rank: {"batch_size": 13 + rank},
        lambda rank: {"accumulate": 2 + rank},
        lambda rank: {"epochs": 3 + rank},
        lambda rank: {"shuffle": bool(rank)},
        lambda rank: {"count": 50 - rank},
        lambda rank: {"dtype": "float64" if rank else "float32"},
    ],
    ids=["seed", "batches", "groups", "epochs", "order", "data", "model"],
)
def test_ranks_that_do_not_train_the_same_are_refused(others):
    refused = []

    def one(rank):
        with pytest.raises(
            nnfw.ConfigError, match="collective has ranks that do not train the same, as rank"
        ) as caught:
            train(rank, **{"validation_data": None} | others(rank.rank))
        refused.append(str(caught.value))

    Threads(2).run(one)
    assert "Give each the same model, data, seed, options and history" in refused[0]


def test_ranks_with_other_parameters_are_refused():
    def one(rank):
        model = network()
        model.parameters["layers.1.bias"] = [0.0, float(rank.rank)]
        with pytest.raises(nnfw.ConfigError, match="has ranks that do not train the same"):
            model.fit(*examples(), cost="cross_entropy", optimizer="sgd", collective=rank, epochs=1)

    Threads(2).run(one)


@pytest.mark.parametrize("change", [{"order": stream(9, "order").bit_generator.state}, {"step": 7}, {"epoch": 1}])
def test_ranks_with_other_histories_are_refused(change):
    alone = network()
    options = {"cost": "cross_entropy", "optimizer": "adam"}
    history = alone.fit(*examples(), **options, epochs=2)
    other = replace(history, end=replace(history.end, **change))

    def one(rank):
        model = copy.deepcopy(alone)
        with pytest.raises(nnfw.ConfigError, match="has ranks that do not train the same"):
            model.fit(*examples(), **options, continue_from=other if rank.rank else history, collective=rank)

    Threads(2).run(one)


def test_metric_whose_statistics_change_their_shape_is_refused_on_every_rank():
    @dataclass(frozen=True)
    class Rows(nnfw.Metric):
        higher_is_better = True

        def statistics(self, a, y, weight=None):
            return np.ones(len(a))

        def result(self, statistics):
            return float(statistics.sum())

    def one(rank):
        with pytest.raises(nnfw.PluginError, match="expected the shape of the first ones"):
            train(rank, 300, metrics=[Rows()], validation_data=None, batch_size=8)  # found after the first look

    Threads(2).run(one)


def test_examples_of_its_own_on_each_rank_are_refused():
    x, y = examples()

    def one(rank):
        options = {"cost": "cross_entropy", "optimizer": "sgd", "collective": rank}
        with pytest.raises(nnfw.ConfigError, match="a rank takes its own part of every batch"):
            network().fit(x[rank.rank :: 2], y[rank.rank :: 2], **options)

    Threads(2).run(one)


def test_more_ranks_than_examples_are_refused():
    def one(rank):
        with pytest.raises(nnfw.DataError, match="x has 2 examples for 3 ranks. Use no more ranks than examples."):
            train(rank, 2)

    Threads(3).run(one)


@dataclass(frozen=True)
class Alone(nnfw.Collective):
    """Says that there are two ranks, and adds nothing."""

    rank: object = 0
    size: object = 2

    def sum(self, array):
        return


def test_sum_that_is_not_put_into_the_array_is_refused():
    with pytest.raises(
        nnfw.PluginError, match="Alone: sum of 1 over 2 ranks gave 1. It must put the sum into the array"
    ):
        train(Alone())


@pytest.mark.parametrize("collective", [Alone(2, 2), Alone(-1, 2), Alone("0", 2), Alone(0, None), object()])
def test_what_is_no_collective_is_refused(collective):
    text = "collective must have sum.array., a size and a rank from 0 to size - 1, got "
    with pytest.raises(nnfw.ConfigError, match=text + type(collective).__name__):
        train(collective)


def test_batches_of_fewer_examples_than_ranks_are_refused():
    text = "batch_size must be at least 2, an example for each rank of the collective, got 1."
    with pytest.raises(nnfw.ConfigError, match=text):
        train(Alone(), batch_size=1)


def test_checkpoints_of_several_ranks_are_refused(tmp_path):
    text = "checkpoints cannot be kept by a collective of 2 ranks. Leave them out, and save the model after each fit."
    with pytest.raises(nnfw.ConfigError, match=text):
        train(Alone(), checkpoints=tmp_path / "kept")
    assert not list(tmp_path.iterdir())


class Largest(nnfw.Metric):
    """The largest output: statistics that do not add up."""

    higher_is_better = True

    def statistics(self, a, y, weight=None):
        return np.array([a.max()])

    def merge(self, first, second):
        return np.maximum(first, second)

    def result(self, statistics):
        return float(statistics[0])


def test_metrics_with_a_merge_of_their_own_are_refused():
    text = r"metrics\[1\] must be a metric whose statistics add up: ranks only sum, and Largest has a merge of its own."
    with pytest.raises(nnfw.ConfigError, match=text):
        train(Alone(), metrics=["r2", Largest()])


# --- what is combined -------------------------------------------------------------------------------------------------


def test_means_are_weighted_by_examples_and_sums_are_not():
    def one(rank):
        count, mean = ((3, 1.0), (1, 5.0))[rank.rank]
        return combine(rank, count, [np.full((2, 2), mean, np.float32)], [np.array([1.0, mean]), 2.0])

    for total, (mean, sums, number) in Threads(2).run(one):
        assert total == 4
        np.testing.assert_array_equal(mean, np.full((2, 2), 2.0))
        np.testing.assert_array_equal(sums, [2.0, 6.0])
        assert number == 4.0


def test_one_process_may_be_given_and_changes_nothing():
    assert bits(train(Alone(0, 1))) == bits(train(None))
