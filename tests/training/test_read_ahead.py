"""Rows of a memory-mapped file: read like the map, ahead in a thread where the disk must be waited for."""

import gc
import os
import signal
import threading
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.errors import DataError, DivergedError
from nnfw.training import batches as batches_module
from nnfw.training import read_ahead
from nnfw.training.batches import Labelled

pytestmark = pytest.mark.skipif(not hasattr(os, "preadv"), reason="files are read through the map here")

SHAPE = (500, 6)
SGD = {"type": "sgd", "learning_rate": 0.1}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Nothing is small enough to be held in memory, and the thread reads few batches together."""
    monkeypatch.setattr(batches_module, "_HELD_IN_MEMORY", 0)
    monkeypatch.setattr(read_ahead, "_PART", 1000)


@pytest.fixture(params=["at hand", "from disk"])
def cache(request, monkeypatch):
    """Let the file be in the system's cache, or let nothing of it be there."""
    if request.param == "from disk":
        monkeypatch.setattr(read_ahead.RowFile, "_read_at_hand", lambda self, *arguments: False)


@pytest.fixture
def from_disk(monkeypatch):
    monkeypatch.setattr(read_ahead.RowFile, "_read_at_hand", lambda self, *arguments: False)


@pytest.fixture
def path(tmp_path, rng):
    path = tmp_path / "x.npy"
    np.save(path, rng.normal(size=SHAPE).astype(np.float32))
    return path


def mapped(path):
    return np.load(path, mmap_mode="r")


def fit(x, **options):
    model = nnfw.Sequential([nnfw.layer("dense", units=3, activation="tanh"), nnfw.layer("dense", units=1)], SHAPE[1])
    settings = {"cost": "mse", "optimizer": SGD, "epochs": 2, "batch_size": 7}
    history = model.fit(x, np.ones(len(x)), **(settings | options))
    return model.parameters.vector, history.records


def threads():
    """Return the threads that read; those of numba's team stay once they were needed, in whichever test."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("nnfw-read-ahead")]


@dataclass(frozen=True)
class Act(nnfw.Callback):
    """Does something at a step."""

    step: int
    act: object

    def step_computed(self, fit, state):
        if fit.step == self.step:
            self.act()


VIEWS = {
    "whole": lambda x: x,
    "part": lambda x: x[20:300],
    "reversed": lambda x: x[::-1],
    "every third": lambda x: x[1::3],
    "one row": lambda x: x[:1],
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", ">f4"])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "in order"])
def test_training_from_a_file_is_bit_equal_to_one_in_memory(path, rng, cache, dtype, view, shuffle):
    values = rng.uniform(0, 9, SHAPE).astype(dtype)
    np.save(path, values)

    vector, records = fit(view(mapped(path)), shuffle=shuffle)
    expected, expected_records = fit(view(values), shuffle=shuffle)

    np.testing.assert_array_equal(vector, expected)
    assert records == expected_records


def test_validation_and_solver_read_the_same_from_a_file(path, cache):
    x = mapped(path)
    settings = {"optimizer": "lbfgs", "batch_size": 32, "metrics": ["r2"]}
    y = np.ones(len(x))
    vector, records = fit(x, validation_data=(x, y), **settings)
    expected, expected_records = fit(np.array(x), validation_data=(np.array(x), y), **settings)
    np.testing.assert_array_equal(vector, expected)
    assert records == expected_records


@pytest.mark.parametrize("most", [1, 5, 100])
def test_reads_that_bring_less_than_asked_for_go_on(path, monkeypatch, most):
    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, parts, place, flags=0: preadv(fd, (parts[0][:most],), place))
    np.testing.assert_array_equal(fit(mapped(path))[0], fit(np.load(path))[0])


@pytest.mark.parametrize("name", ["posix_fadvise", "preadv"])
def test_system_without_a_call_reads_the_same(path, from_disk, monkeypatch, name):
    monkeypatch.delattr(os, name, raising=False)
    np.testing.assert_array_equal(fit(mapped(path))[0], fit(np.load(path))[0])


def test_file_replaced_by_another_leaves_the_training_with_what_was_mapped(path, rng):
    before = np.load(path)
    for shape in (SHAPE, (3, 6)):
        x = mapped(path)
        np.save(path.with_name("new.npy"), rng.normal(size=shape).astype(np.float32))
        path.with_name("new.npy").rename(path)
        np.testing.assert_array_equal(fit(x)[0], fit(before)[0])
        np.save(path, before)


def test_file_removed_before_the_training_is_read_through_the_map(path):
    x, before = mapped(path), np.load(path)
    path.unlink()
    np.testing.assert_array_equal(fit(x)[0], fit(before)[0])


@pytest.mark.parametrize(
    ("array", "row"),
    [
        (np.ones((5, 3)), 24),
        (np.ones(5), 8),
        (np.ones((5, 2, 3), np.uint8), 6),
        (np.ones((5, 1), order="F"), 8),
        (np.ones((5, 0)), None),
        (np.ones((5, 2, 0)), None),
        (np.ones((5, 3), order="F"), None),
        (np.ones((5, 2, 3), order="F"), None),
    ],
    ids=["rows", "numbers", "blocks", "one-column", "nothing", "blocks-of-nothing", "columns", "blocks-of-columns"],
)
def test_file_is_read_where_each_row_is_one_piece(tmp_path, array, row):
    np.save(tmp_path / "x.npy", array)
    with read_ahead.opened(mapped(tmp_path / "x.npy")) as file:
        assert (None if file is None else file.step) == row
    with read_ahead.opened(array) as file:
        assert file is None


@pytest.mark.parametrize("size", [1, 7, 35, 36, 250, 500, 501])
@pytest.mark.parametrize("count", [0, 1, 42, 43, 500])
def test_batches_hold_each_row_once_and_the_last_one_what_is_left(path, cache, rng, size, count):
    values, rows = np.load(path), rng.permutation(SHAPE[0])[:count]
    with read_ahead.opened(mapped(path)) as file:
        batches = read_ahead.Batches(file, values.dtype, SHAPE[1:], rows, size, lambda shape: np.empty(shape, "f4"))
        found = list(batches)
    assert [len(batch) for batch in found] == [len(rows[start : start + size]) for start in range(0, count, size)]
    np.testing.assert_array_equal(np.concatenate([np.empty((0, 6)), *found]), values[rows])


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_changes_in_a_map_are_trained_on(path, mode):
    x = np.load(path, mmap_mode=mode)
    x[:100] = 1.0
    np.testing.assert_array_equal(fit(x)[0], fit(np.array(x))[0])


def test_file_cut_while_training_is_refused_by_name(path, cache):
    data, order = Labelled((mapped(path),), (np.arange(SHAPE[0]),)), np.arange(SHAPE[0])
    batches = data.batches(order, 7, nnfw.Workspace())
    next(batches)
    os.truncate(path, 5000)
    with pytest.raises(
        DataError, match=r"x\.npy became shorter while it was being read: it ends before byte [\d,]+\. "
    ):
        list(batches)
    assert threads() == []


def test_file_cut_in_the_middle_of_a_fit_ends_it_with_the_error(path, cache):
    with pytest.raises(DataError, match=r"x\.npy became shorter"):
        fit(mapped(path), callbacks=[Act(2, lambda: os.truncate(path, 5000))])
    assert threads() == []


def test_file_that_cannot_be_read_any_more_is_named(path, from_disk, monkeypatch):
    def fail(*arguments):
        raise OSError(5, "Input/output error")

    data = Labelled((mapped(path),), (np.arange(SHAPE[0]),))
    batches = data.batches(np.arange(SHAPE[0]), 7, nnfw.Workspace())
    next(batches)
    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(DataError, match=r"x\.npy cannot be read any more: Input/output error\.$"):
        list(batches)
    assert threads() == []


def interrupt():
    raise KeyboardInterrupt


def diverge():
    raise DivergedError("planted", epoch=1, step=20)


def test_thread_reads_from_disk_while_the_training_computes(path, from_disk):
    seen = []
    fit(mapped(path), callbacks=[Act(20, lambda: seen.extend(threads()))])
    assert len(seen) == 1
    assert threads() == []


@pytest.mark.parametrize(
    ("act", "error"), [(interrupt, KeyboardInterrupt), (diverge, DivergedError), (lambda: 1 / 0, ZeroDivisionError)]
)
def test_thread_and_file_end_with_a_training_that_ends_early(path, from_disk, act, error):
    gc.collect()  # maps of other tests, which errors have kept
    open_before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []  # noqa: PTH112, PTH208
    x = mapped(path)
    with pytest.raises(error):
        fit(x, callbacks=[Act(20, act)])
    assert threads() == []
    if open_before:
        assert len(os.listdir("/proc/self/fd")) == len(open_before) + 1  # noqa: PTH208  the map's own


def test_data_in_memory_or_in_the_cache_starts_no_thread(path):
    seen = []
    for x in (np.load(path), mapped(path)):
        fit(x, callbacks=[Act(20, lambda: seen.extend(threads()))])
    assert seen == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_child_of_a_fork_trains_on_from_the_disk_as_its_parent_does(path, from_disk):
    """Where the child hangs, an alarm ends it."""
    expected, _ = fit(np.load(path))
    children = []

    def fork():
        children.append(os.fork())
        if not children[-1]:
            signal.alarm(60)

    try:
        vector, _ = fit(mapped(path), callbacks=[Act(20, fork)])
        same = bool((vector == expected).all())
    finally:
        if children == [0]:
            os._exit(0 if same else 1)
    assert same
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
