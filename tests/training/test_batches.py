import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import nnfw
from nnfw.training import batches
from nnfw.training.batches import Labelled

ROWS = np.array([4, 0, 4, 2])


def mapped(path, array):
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def unaligned(path, array):
    path.write_bytes(b"\0" + array.tobytes())
    return np.memmap(path, array.dtype, "r", 1, array.shape)


SOURCES = {
    "in memory": lambda path, x: x,
    "negative stride": lambda path, x: x[::-1],
    "mapped": mapped,
    "mapped Fortran": lambda path, x: mapped(path, np.asfortranarray(x)),
    "mapped unaligned": unaligned,
    "mapped of another dtype": lambda path, x: mapped(path, x.astype(np.float64)),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_batches_take_rows_in_order_without_copying_the_data(tmp_path, rng, source):
    x = source(tmp_path / "x.npy", rng.normal(size=(50_000, 8)).astype(np.float32))
    data, workspace = Labelled((x,), (np.arange(len(x)),)), nnfw.Workspace()
    list(data.batches(ROWS, 2, workspace))

    tracemalloc.start()
    try:
        batches_of_three = data.batches(ROWS, 3, workspace)
        taken = [(batch.inputs[0].copy(), batch.targets[0].copy(), batch.weight) for batch in batches_of_three]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    found, y, weights = zip(*taken, strict=True)
    assert [len(batch) for batch in found] == [3, 1]
    np.testing.assert_array_equal(np.concatenate(found), x[ROWS].astype(np.float32))
    np.testing.assert_array_equal(np.concatenate(y), ROWS)
    assert weights == (None, None)
    assert peak < 20_000  # bytes: the data has 1,600,000


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_batches_of_a_size_always_lie_in_the_same_buffers(tmp_path, rng, source):
    x = source(tmp_path / "x.npy", rng.normal(size=(50, 8)).astype(np.float32))
    data, workspace = Labelled((x,), (np.arange(50),), np.ones(50, np.float32)), nnfw.Workspace()
    places = {
        tuple(array.ctypes.data for array in (*batch.inputs, *batch.targets, batch.weight))
        for _ in range(2)
        for batch in data.batches(np.arange(50), 10, workspace)
    }
    assert len(places) == 1


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_parts_are_all_examples_that_count_in_order(tmp_path, rng, source):
    x = source(tmp_path / "x.npy", rng.normal(size=(50, 8)).astype(np.float32))
    rows = rng.permutation(50)[:30]
    data = Labelled((x,), (np.arange(50),), rows=rows)
    parts = [part.inputs[0].copy() for part in data.parts(16, nnfw.Workspace())]
    np.testing.assert_array_equal(np.concatenate(parts), x[rows].astype(np.float32))


def test_labels_in_a_file_are_read_too(tmp_path, rng):
    y = rng.normal(size=(50, 3)).astype(np.float32)
    data = Labelled((np.arange(50),), (mapped(tmp_path / "y.npy", y),))
    for found in (data.parts(16, nnfw.Workspace()), data.batches(np.arange(50), 16, nnfw.Workspace())):
        np.testing.assert_array_equal(np.concatenate([batch.targets[0].copy() for batch in found]), y)


@pytest.mark.parametrize(("rows", "held"), [(2, True), (3, False)], ids=["small", "large"])
def test_labelled_reads_a_small_mapped_array_once_and_leaves_a_large_one(tmp_path, monkeypatch, rows, held):
    monkeypatch.setattr(batches, "_HELD_IN_MEMORY", 2 * 4 * 4)  # bytes: 2 rows of 4 numbers in float32
    x = mapped(tmp_path / "x.npy", np.ones((rows, 4)))
    model = nnfw.Sequential([nnfw.layer("dense", units=1)], 4)
    data = model.labelled(x, np.ones(rows), model.objective("mse"))
    (found,) = data.inputs
    assert isinstance(found, np.memmap) is not held
    assert (found.dtype == np.float32) is held


def test_labelled_does_not_copy_an_array_in_the_dtype_of_the_network(rng):
    x, y = rng.normal(size=(9, 4)).astype(np.float32), rng.normal(size=(9, 1)).astype(np.float32)
    model = nnfw.Sequential([nnfw.layer("dense", units=1)], 4)
    data = model.labelled(x, y, model.objective("mse"))
    assert data.inputs[0] is x
    assert np.shares_memory(data.targets[0], y)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_labels_are_those_of_the_examples_at_the_positions(tmp_path, rng, source):
    y = source(tmp_path / "y.npy", rng.normal(size=(50, 8)).astype(np.float32))
    rows, weight = rng.permutation(50)[:30], rng.random(50).astype(np.float32)
    (found,), weights = Labelled((np.arange(50),), (y,), weight, rows).labels(ROWS, nnfw.Workspace())
    np.testing.assert_array_equal(found, y[rows[ROWS]].astype(np.float32))
    np.testing.assert_array_equal(weights, weight[rows[ROWS]])


def test_batch_in_memory_is_gathered_when_it_is_asked(rng):
    data = Labelled((np.arange(8.0, dtype=np.float32),), (np.arange(8),))
    feed = data.feed(np.array([5, 2, 7]), 2, nnfw.Workspace())
    batch = next(feed)
    batch.inputs[0][...] = batch.targets[0][...] = 0
    batch.gather()
    assert (batch.inputs[0].tolist(), batch.targets[0].tolist(), batch.weight) == ([5, 2], [5, 2], None)
    last = next(feed)
    last.gather()
    assert (last.inputs[0].tolist(), last.targets[0].tolist()) == ([7], [7])


def resident(name):
    """Return how many bytes of the maps of a file are in memory."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    sizes = (next(line for line in lines if line.startswith("Rss:")) for head in lines if name in head)
    return sum(1024 * int(size.split()[1]) for size in sizes)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_map_of_a_removed_file_is_let_go_as_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "_RELEASE_AFTER", 1 << 21)
    x = mapped(tmp_path / "removed.npy", np.ones((1 << 14, 256), np.float32))  # 16 MiB
    (tmp_path / "removed.npy").unlink()
    most = 0
    for number, _ in enumerate(Labelled((x,), (np.arange(len(x)),)).batches(np.arange(len(x)), 64, nnfw.Workspace())):
        most = max(most, resident("removed.npy") if number % 32 == 31 else 0)
    assert 0 < most < x.nbytes / 2
