import tracemalloc

import numpy as np
import pytest

import nnfw
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
def test_gather_takes_rows_in_order_without_copying_the_data(tmp_path, rng, source):
    x = source(tmp_path / "x.npy", rng.normal(size=(50_000, 8)).astype(np.float32))
    data, workspace = Labelled(x, np.arange(len(x))), nnfw.Workspace()

    tracemalloc.start()
    try:
        found, y, weight = data.gather(ROWS, workspace)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    np.testing.assert_array_equal(found, x[ROWS].astype(np.float32))
    np.testing.assert_array_equal(y, ROWS)
    assert weight is None
    assert peak < 20_000  # bytes: the data has 1,600,000
