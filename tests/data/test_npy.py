"""Reading one array; what can be wrong with a header is tested with the dataset `npy`."""

import os

import numpy as np
import pytest

from nnfw.data import npy, read_npy
from nnfw.errors import DataError


def test_read_npy_maps_the_file(tmp_path, rng):
    x = rng.normal(size=(5, 2, 3))
    np.save(tmp_path / "x.npy", x)

    array = read_npy(tmp_path / "x.npy")

    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    np.testing.assert_array_equal(array, x)


def test_read_npy_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"x\.npy: there is no such file; expected an \.npy array"):
        read_npy(tmp_path / "x.npy")


def test_read_npy_empty_file_is_refused(tmp_path):
    (tmp_path / "x.npy").write_bytes(b"")

    with pytest.raises(DataError, match=r"^x\.npy is not a readable \.npy array: .*Write it with numpy\.save\.$"):
        read_npy(tmp_path / "x.npy")


def test_read_npy_archive_under_another_name_is_refused(tmp_path):
    with (tmp_path / "x.npy").open("wb") as stream:
        np.savez(stream, x=np.eye(2))

    with pytest.raises(DataError, match=r"^x\.npy is an archive of arrays; use the dataset 'npz'.*or save one array"):
        read_npy(tmp_path / "x.npy")


def test_read_npy_objects_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}]), allow_pickle=True)

    with pytest.raises(DataError, match=r"^x\.npy holds pickled Python objects, .*nothing of it was read"):
        read_npy(tmp_path / "x.npy")


def test_read_npy_truncated_file_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 5), ">f4"))
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content[:-8])

    with pytest.raises(
        DataError,
        match=r"^x\.npy: the header declares float32 of shape \(2, 5\), 40 bytes, but the file has 32\. It is "
        r"truncated or damaged: fetch or write it again\.$",
    ):
        read_npy(tmp_path / "x.npy")


def test_read_npy_file_replaced_meanwhile_is_the_one_that_was_opened(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.arange(4))
    np.save(tmp_path / "other.npy", np.arange(4) + 7)
    monkeypatch.setattr(npy, "require_size", lambda *given: (tmp_path / "other.npy").replace(tmp_path / "x.npy"))
    assert read_npy(tmp_path / "x.npy").tolist() == [0, 1, 2, 3]


def test_read_npy_file_cut_meanwhile_is_refused(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.arange(4000))
    monkeypatch.setattr(npy, "require_size", lambda *given: os.truncate(tmp_path / "x.npy", 200))
    with pytest.raises(DataError, match=r"x\.npy: became shorter while it was being read\. Read it again\.$"):
        read_npy(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("version", "message"), [(b"\x03\0", r"version \(3, 0\) is not supported"), (b"\x01\1", r"version \(1, 1\) is not")]
)
def test_read_npy_of_another_version_is_refused(tmp_path, version, message):
    np.save(tmp_path / "x.npy", np.arange(4))
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content[:6] + version + content[8:])
    with pytest.raises(DataError, match=rf"^x\.npy is not a readable \.npy array: {message}"):
        read_npy(tmp_path / "x.npy")
