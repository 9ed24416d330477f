"""Sources: chunks in random order, trained as arrays are, resumed to the bit, and refused by chunk and row."""

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.training.streams import ChunkOrder
from nnfw_standard import Dense, Embedding

SCHEMA = np.dtype([("x", "f8", (3,)), ("label", "i8"), ("weight", "f8")])


@dataclass
class Rows(nnfw.Source):
    """Arrays in chunks; notes which ones are read."""

    columns: dict
    chunks: list
    schema: np.dtype = SCHEMA
    said: str = ""
    read_so_far: list = field(default_factory=list)

    def read(self, chunk):
        self.read_so_far.append(chunk)
        start = sum(self.chunks[:chunk])
        return {name: column[start : start + self.chunks[chunk]] for name, column in self.columns.items()}

    def fingerprint(self):
        return self.said


@pytest.fixture
def columns(rng):
    x = rng.standard_normal((50, 3))
    return {"x": x, "label": (x.sum(axis=1) > 0).astype(np.int64), "weight": rng.uniform(0.5, 2, 50)}


@pytest.fixture
def source(columns):
    return Rows(columns, [7, 20, 1, 12, 10])


def network(dtype="float64"):
    return nnfw.Sequential([Dense(4, activation="tanh"), Dense(2, activation="softmax")], 3, seed=1, dtype=dtype)


OPTIONS = {"cost": "cross_entropy", "optimizer": "adam", "metrics": ["accuracy", "f1"], "batch_size": 8}


def fit(source, **options):
    model = network()
    history = model.fit(source, "label", sample_weight="weight", **(OPTIONS | options))
    return model, history


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_source_without_shuffling_trains_to_the_bits_of_arrays(source, columns, accelerator):
    if accelerator == "numba":
        pytest.importorskip("numba")
    options = OPTIONS | {"epochs": 2, "shuffle": False, "accelerator": accelerator}
    model, history = fit(source, **options, validation_data=(source_without_weights(columns), "label"))
    other = network()
    expected = other.fit(
        columns["x"],
        columns["label"],
        sample_weight=columns["weight"],
        validation_data=(columns["x"], columns["label"]),
        **options,
    )
    np.testing.assert_array_equal(model.parameters.vector, other.parameters.vector)
    assert history["cost"] == expected["cost"]
    assert history["validation_cost"] == expected["validation_cost"]
    np.testing.assert_allclose(history["f1"], expected["f1"], rtol=1e-12)


def source_without_weights(columns):
    schema = np.dtype([("x", "f8", (3,)), ("label", "i8")])
    return Rows({"x": columns["x"], "label": columns["label"]}, [25, 25], schema)


def test_shuffled_epochs_see_each_example_once_in_chunks_of_a_new_order(source):
    model = network()
    data = model.data(source, "label", model.objective("cross_entropy"), "weight")
    rng = np.random.default_rng(0)
    first, second = data.order(rng), data.order(rng)
    assert sorted(first[:].tolist()) == list(range(50))
    assert first[:].tolist() != second[:].tolist()
    starts = np.cumsum([0, *source.chunks])
    chunks = np.searchsorted(starts, first[:], side="right") - 1
    assert len(np.flatnonzero(np.diff(chunks))) == 4  # a chunk is left only when it is done
    batches = [batch.inputs[0].copy() for batch in data.feed(first, 8, model.network.workspace())]
    assert [len(batch) for batch in batches] == [8] * 6 + [2]
    np.testing.assert_array_equal(np.concatenate(batches), source.columns["x"][first[:]])


def test_order_goes_on_within_an_epoch_without_reading_what_was_passed(source):
    model = network()
    data = model.data(source, "label", model.objective("cross_entropy"), "weight")
    order = data.order(np.random.default_rng(0))
    whole = [batch.inputs[0].copy() for batch in data.feed(order, 8, model.network.workspace())]
    source.read_so_far.clear()
    rest = [batch.inputs[0].copy() for batch in data.feed(order, 8, model.network.workspace(), 5)]
    np.testing.assert_array_equal(np.concatenate(rest), np.concatenate(whole[5:]))
    lengths = np.array(source.chunks)[order.chunks]
    passed = int((np.cumsum(lengths) <= 40).sum())
    assert passed
    assert source.read_so_far == order.chunks[passed:].tolist()


def test_order_of_a_chunk_does_not_depend_on_the_chunks_before():
    orders = [ChunkOrder(np.array([4, 6]), np.array(chunks), 3) for chunks in ([0, 1], [1, 0])]
    assert sorted(orders[0][:4].tolist()) == [0, 1, 2, 3]
    assert orders[0][4:].tolist() == orders[1][:6].tolist()


class Stops(nnfw.Callback):
    """Stops a training in the middle of an epoch, as Ctrl-C does."""

    def __init__(self, at):
        self.at = at

    def step_ended(self, fit, memory):
        if fit.step == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", [3, 7, 10], ids=["in the first epoch", "at its end", "in the second"])
def test_stopped_training_resumes_to_the_bit(source, columns, tmp_path, at):
    whole, expected = fit(source, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        fit(source, epochs=3, checkpoints=tmp_path, checkpoint_seconds=0, callbacks=[Stops(at)])
    source.read_so_far.clear()
    model, history = fit(source, epochs=3, checkpoints=tmp_path, checkpoint_seconds=0, resume=True)
    assert history.resumed
    np.testing.assert_array_equal(model.parameters.vector, whole.parameters.vector)
    assert history.records == expected.records


@pytest.mark.parametrize(
    "other",
    [
        lambda columns: Rows(columns, [7, 20, 1, 12, 10], said="another checksum"),
        lambda columns: Rows(columns, [20, 7, 1, 12, 10]),
        lambda columns: Rows(columns | {"x": columns["x"] + 1}, [7, 20, 1, 12, 10]),
    ],
    ids=["fingerprint", "chunks", "examples"],
)
def test_training_does_not_resume_with_another_source(source, columns, tmp_path, other):
    fit(source, epochs=1, checkpoints=tmp_path)
    with pytest.raises(nnfw.DataError, match="is of another training: data is"):
        fit(other(columns), epochs=2, checkpoints=tmp_path, resume=True)


def test_fingerprint_reads_the_first_and_the_last_chunk_alone(source):
    model = network()
    data = model.data(source, "label", model.objective("cross_entropy"), "weight")
    source.read_so_far.clear()
    data.fingerprint()
    assert source.read_so_far == [0, 4]


def test_epoch_reads_each_chunk_once(columns):
    source = Rows(columns, [10] * 5)
    model = network()
    data = model.data(source, "label", model.objective("cross_entropy"), "weight")
    before = len(source.read_so_far)
    for _ in data.feed(data.order(np.random.default_rng(0)), 8, model.network.workspace()):
        pass
    assert sorted(source.read_so_far[before:]) == [0, 1, 2, 3, 4]


def test_evaluation_and_predictions_of_a_source_are_those_of_arrays(source, columns):
    model = network()
    found = model.evaluate(source, "label", sample_weight="weight", cost="cross_entropy", metrics=["accuracy"])
    expected = model.evaluate(
        columns["x"], columns["label"], sample_weight=columns["weight"], cost="cross_entropy", metrics=["accuracy"]
    )
    assert found == expected
    features = Rows({"x": columns["x"]}, source.chunks, np.dtype([("x", "f8", (3,))]))
    np.testing.assert_allclose(model.predict(features), model.predict(columns["x"]), rtol=1e-14)


def test_several_columns_stand_side_by_side_and_are_remembered(columns, rng):
    schema = np.dtype([("height", "f8"), ("place", "f8", (2,)), ("y", "f8")])
    x = columns["x"]
    source = Rows({"height": x[:, 0], "place": x[:, 1:], "y": x.sum(axis=1)}, [30, 20], schema)
    options = {"cost": "mse", "optimizer": "sgd", "shuffle": False}
    models = [nnfw.Sequential([Dense(1)], 3, dtype="float64") for _ in range(2)]
    models[0].fit(source, "y", **options)
    models[1].fit(x, x.sum(axis=1), **options)
    np.testing.assert_array_equal(models[0].parameters.vector, models[1].parameters.vector)
    np.testing.assert_allclose(models[0].predict(source), models[1].predict(x), rtol=1e-14)
    with pytest.raises(nnfw.DataError, match="x lacks the columns height. It has: place, y."):
        models[0].predict(Rows({}, [30, 20], schema[["place", "y"]]))


def test_inputs_with_names_are_columns(columns, rng):
    nodes = [
        nnfw.Node(Embedding(5, 2), name="town", inputs=("city",)),
        nnfw.Node("concatenate", inputs=("town", "size")),
        nnfw.Node(Dense(1)),
    ]
    shapes = {"city": (), "size": 3}
    arrays = {"city": rng.integers(0, 5, 50), "size": columns["x"]}
    schema = np.dtype([("y", "f8"), ("city", "i8"), ("size", "f8", (3,))])
    y = rng.standard_normal(50)
    options = {"cost": "mse", "optimizer": "adam", "shuffle": False, "epochs": 2}
    models = [nnfw.Sequential(nodes, shapes, dtype="float64") for _ in range(2)]
    models[0].fit(Rows(arrays | {"y": y}, [30, 20], schema), "y", **options)
    models[1].fit(arrays, y, **options)
    np.testing.assert_array_equal(models[0].parameters.vector, models[1].parameters.vector)
    source = Rows(arrays | {"y": y}, [30, 20], schema)
    np.testing.assert_allclose(models[0].predict(source), models[1].predict(arrays), rtol=1e-14)


def test_solver_reads_a_source_at_each_step(source, columns):
    options = {"cost": "cross_entropy", "optimizer": "lbfgs", "epochs": 3}
    model, other = network(), network()
    model.fit(source, "label", sample_weight="weight", **options)
    other.fit(columns["x"], columns["label"], sample_weight=columns["weight"], **options)
    np.testing.assert_allclose(model.parameters.vector, other.parameters.vector, rtol=1e-9)


# --- what is refused --------------------------------------------------------------------------------------------------


def changed(columns, chunk, change, reads=1):
    """Return a source whose chunk of this number is changed when it is read so many times."""

    class Changed(Rows):
        def read(self, number):
            found = super().read(number)
            return change(found) if number == chunk and self.read_so_far.count(chunk) >= reads else found

    return Changed(columns, [7, 20, 1, 12, 10])


def fails(found):
    raise OSError(5, "the disk is gone")


BROKEN = {
    "other columns": (
        lambda found: {"x": found["x"], "label": found["label"]},
        "x, chunk 3: read returned the columns x, label, expected those of the schema: x, label, weight.",
    ),
    "no columns": (lambda found: None, "x, chunk 3: read returned NoneType, expected columns by name."),
    "shape": (
        lambda found: found | {"x": found["x"][:, :2]},
        r"x, chunk 3: 'x' is float64 of shape \(12, 2\), expected float64 of shape \(12, 3\), as schema",
    ),
    "length": (
        lambda found: found | {"label": found["label"][1:]},
        r"x, chunk 3: 'label' is int64 of shape \(11,\), expected int64 of shape \(12,\)",
    ),
    "dtype": (
        lambda found: found | {"x": found["x"].astype(np.float32)},
        "expected float64 of shape .*, as schema and chunks say.",
    ),
    "raises": (fails, "x, chunk 3: Changed cannot read it: OSError: .*the disk is gone"),
    "nan": (
        lambda found: found | {"x": np.where(np.arange(12)[:, np.newaxis] == 5, np.nan, found["x"])},
        r"x, chunk 3: x holds 3 values that are not finite, the first at \[5, 0\]. .* start of the chunk, example 28.",
    ),
    "label": (
        lambda found: found | {"label": found["label"] + 7},
        "x, chunk 3: .* Rows are counted from the start of the chunk, example 28.",
    ),
    "weight": (
        lambda found: found | {"weight": -found["weight"]},
        "x, chunk 3: sample_weight must be finite and 0 or more, got -.* for example 0.",
    ),
}


@pytest.mark.parametrize(("change", "text"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("reads", [1, 2], ids=["before the training", "in the first epoch"])
def test_chunk_that_is_not_as_it_says_is_named(columns, change, text, reads):
    with pytest.raises(nnfw.DataError, match=text):
        fit(changed(columns, 3, change, reads))


def test_chunk_whose_weights_are_all_0_is_taken(columns):
    zero = changed(columns, 3, lambda found: found | {"weight": 0 * found["weight"]})
    assert np.isfinite(fit(zero)[0].parameters.vector).all()


def test_labels_of_another_form_in_one_chunk_are_refused(columns):
    class Odd(nnfw.Cost):
        """Makes int32 of the label of a single example."""

        def targets(self, y, output_shape):
            return y.astype(np.int32) if len(y) == 1 else y

        def value(self, a, y, weight=None):
            return 0.0

        def gradient(self, a, y, workspace, weight=None):
            return np.zeros_like(a)

    source = Rows(columns, [7, 20, 1, 12, 10])
    with pytest.raises(nnfw.DataError, match="x, chunk 2: the cost makes int32 .* of a label, and int64"):
        network().fit(source, "label", sample_weight="weight", cost=Odd(), optimizer="sgd", epochs=1)


UNSOUND = {
    "schema": (
        {"schema": {"x": float}},
        "x: the schema of Rows must be a structured dtype with a name for each column",
    ),
    "no names": ({"schema": np.dtype("f8")}, "x: the schema of Rows must be a structured dtype"),
    "no chunk": (
        {"chunks": []},
        r"x: the chunks of Rows must be the numbers of examples in them, one or more, got \[\].",
    ),
    "unknown": ({"chunks": None}, "x: the chunks of Rows must be the numbers of examples .* got None. Count"),
    "empty chunk": ({"chunks": [5, 0]}, "x: chunk 1 of Rows must have a number of examples of 1 or more, got 0."),
    "fraction": ({"chunks": [5.5]}, "x: chunk 0 of Rows must have a number of examples of 1 or more, got 5.5."),
}


@pytest.mark.parametrize(("options", "text"), UNSOUND.values(), ids=UNSOUND)
def test_source_that_does_not_say_what_it_holds_is_refused(columns, options, text):
    source = Rows(**({"columns": columns, "chunks": [50]} | options))
    with pytest.raises(nnfw.DataError, match=text):
        fit(source)
    with pytest.raises(nnfw.DataError, match=text):
        network().predict(source)
    assert not source.read_so_far


def test_labels_and_weights_must_name_columns(source, columns):
    model, options = network(), {"cost": "mse", "optimizer": "sgd"}
    with pytest.raises(
        nnfw.DataError, match=r"y must name a column of the source x, got array.* It has: x, label, weigh"
    ):
        model.fit(source, columns["label"], **options)
    with pytest.raises(
        nnfw.DataError, match=r"y must name a column of the source x, got 'lable'. Did you mean 'label'\?"
    ):
        model.fit(source, "lable", **options)
    with pytest.raises(nnfw.DataError, match="sample_weight must name a column of the source x, got 'w'"):
        model.fit(source, "label", sample_weight="w", **options)
    alone = Rows({"y": columns["label"]}, [50], np.dtype([("y", "i8")]))
    with pytest.raises(
        nnfw.DataError, match="x has no column but those of labels and weights: there is nothing to lear"
    ):
        model.fit(alone, "y", **options)


def test_what_takes_all_examples_at_once_refuses_a_source(source):
    for method in (network().gradient, network().trace):
        with pytest.raises(
            nnfw.DataError, match="x is not in memory, but this takes all examples at once. Give some of"
        ):
            method(source, "label", cost="cross_entropy")


@dataclass(frozen=True)
class Two(nnfw.Collective):
    """Says that there are two ranks."""

    rank: int = 0
    size: int = 2

    def sum(self, array):
        return


def test_ranks_refuse_a_source(source):
    text = "collective takes arrays in memory or memory-mapped ones: ranks cannot share a source."
    with pytest.raises(nnfw.ConfigError, match=text):
        fit(source, collective=Two())
    x, y = np.zeros((20, 3)), np.zeros(20, int)
    with pytest.raises(nnfw.ConfigError, match=text):
        network().fit(x, y, validation_data=(source, "label"), collective=Two(), **OPTIONS)


# --- arrays that are stored elsewhere ---------------------------------------------------------------------------------


class Stored:
    """An array that is read in slices, as one of h5py or zarr, and counts its rows."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.slices = array, array.shape, array.dtype, []
        self.chunks = (4, *array.shape[1:])

    def __getitem__(self, rows):
        self.slices.append(rows)
        return self.array[rows]

    def __array__(self, dtype=None, copy=None):
        self.slices.append("all")
        return np.asarray(self.array, dtype)


@pytest.fixture
def small_chunks(monkeypatch):
    """Take 100 bytes for large."""
    monkeypatch.setattr("nnfw.training.streams._READ_WHOLE", 100)
    monkeypatch.setattr("nnfw.data.sources._CHUNK", 10 * SCHEMA.itemsize)


def test_stored_arrays_are_read_in_slices_of_their_blocks(columns, small_chunks):
    model, other = network(), network()
    x, y = Stored(columns["x"]), Stored(columns["label"])
    options = OPTIONS | {"shuffle": False}
    model.fit(x, y, sample_weight=columns["weight"], **options)
    other.fit(columns["x"], columns["label"], sample_weight=columns["weight"], **options)
    np.testing.assert_array_equal(model.parameters.vector, other.parameters.vector)
    assert sorted({each.start for each in x.slices}) == list(range(0, 50, 8))
    assert {each.stop - each.start for each in x.slices} == {8}
    assert "all" not in y.slices


def test_stored_arrays_are_predicted_and_evaluated_in_slices(columns, small_chunks):
    model, x = network(), Stored(columns["x"])
    np.testing.assert_allclose(model.predict(x), model.predict(columns["x"]), rtol=1e-14)
    found = model.evaluate(x, columns["label"], cost="cross_entropy")
    assert found == model.evaluate(columns["x"], columns["label"], cost="cross_entropy")
    assert "all" not in x.slices


def test_small_stored_arrays_are_read_whole_and_shuffled_as_arrays(columns):
    model, other = network(), network()
    model.fit(Stored(columns["x"]), Stored(columns["label"]), **OPTIONS)
    other.fit(columns["x"], columns["label"], **OPTIONS)
    np.testing.assert_array_equal(model.parameters.vector, other.parameters.vector)


def test_stored_arrays_in_mappings_and_of_padded_sequences_are_read_in_slices(rng, small_chunks):
    nodes = [nnfw.Node({"type": "time_pool"}, inputs=("words",)), nnfw.Node(Dense(1))]
    values, lengths = rng.standard_normal((30, 4, 2)), rng.integers(1, 5, 30)
    y = rng.standard_normal(30)
    models = [nnfw.Sequential(nodes, {"words": (4, 2)}, dtype="float64") for _ in range(2)]
    stored = Stored(values)
    options = {"cost": "mse", "optimizer": "sgd", "shuffle": False}
    models[0].fit({"words": nnfw.Padded(stored, Stored(lengths))}, y, **options)
    models[1].fit({"words": nnfw.Padded(values, lengths)}, y, **options)
    np.testing.assert_array_equal(models[0].parameters.vector, models[1].parameters.vector)
    assert "all" not in stored.slices


def test_stored_arrays_that_do_not_fit_together_are_refused(columns, small_chunks):
    options = {"cost": "cross_entropy", "optimizer": "sgd"}
    with pytest.raises(
        nnfw.DataError, match="Arrays must have one entry per example, all of the same length, got x: 50, y: 49"
    ):
        network().fit(Stored(columns["x"]), columns["label"][1:], **options)
    with pytest.raises(nnfw.DataError, match="y must have an entry for each example, got a single number."):
        network().fit(Stored(columns["x"]), np.int64(3), **options)


def test_empty_stored_arrays_are_refused(monkeypatch):
    monkeypatch.setattr("nnfw.training.streams._READ_WHOLE", -1)
    with pytest.raises(nnfw.DataError, match="x, y must hold at least one example, got none."):
        network().fit(Stored(np.zeros((0, 3))), np.zeros(0, int), cost="cross_entropy", optimizer="sgd", epochs=1)


@pytest.mark.parametrize("library", ["h5py", "zarr"])
def test_arrays_of_libraries_are_read_in_slices(columns, small_chunks, tmp_path, library):
    module = pytest.importorskip(library)
    if library == "h5py":
        file = module.File(tmp_path / "data.h5", "w")
        x, y = file.create_dataset("x", data=columns["x"]), file.create_dataset("y", data=columns["label"])
    else:
        x, y = module.array(columns["x"]), module.array(columns["label"])
    model, other = network(), network()
    options = OPTIONS | {"shuffle": False}
    model.fit(x, y, **options)
    other.fit(columns["x"], columns["label"], **options)
    np.testing.assert_array_equal(model.parameters.vector, other.parameters.vector)
    np.testing.assert_allclose(model.predict(x), model.predict(columns["x"]), rtol=1e-14)


# --- memory -----------------------------------------------------------------------------------------------------------


def peak(count):
    """Return the peak of the memory of a process that trains on a generated stream, in MiB."""
    script = Path(__file__).parent.parent / "benchmarks" / "stream.py"
    done = subprocess.run([sys.executable, script, str(count)], capture_output=True, text=True, check=True)
    return int(re.search(r"(\d+) MiB", done.stdout)[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say what a process takes")
def test_stream_of_200_mib_takes_no_more_memory_than_one_of_20():
    assert peak(200_000) < peak(20_000) + 25
