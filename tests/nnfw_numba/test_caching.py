"""Compiled functions on disk: what is damaged or cannot be written costs time, and nothing else."""

import ctypes
from types import FunctionType

import numpy as np
import pytest

numba_caching = pytest.importorskip("nnfw_numba.caching", reason="numba is not installed", exc_type=ImportError)


def twice(x):
    return 2 * x


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Let compiled functions be kept in a new folder."""
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "kept"))
    return tmp_path / "kept"


def found_on_disk():
    """Call the function as a new process would; return whether it was there, compiled."""
    again = numba_caching.compiled(twice)
    assert again(3) == 6
    return bool(again.stats.cache_hits)


def test_compiled_function_is_found_on_disk_the_next_time(folder):
    assert [found_on_disk(), found_on_disk()] == [False, True]


def test_code_that_was_compiled_from_other_files_of_the_package_is_not_used(folder, monkeypatch):
    assert [found_on_disk(), found_on_disk()] == [False, True]
    monkeypatch.setattr(numba_caching, "sources", lambda _: b"after one of them was changed")
    assert [found_on_disk(), found_on_disk()] == [False, True]


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95", b"not what numba wrote"], ids=["empty", "cut", "other"])
@pytest.mark.parametrize("ending", ["nbi", "nbc"], ids=["index", "code"])
def test_damaged_file_is_replaced(folder, ending, content):
    found_on_disk()
    for file in folder.rglob(f"*.{ending}"):
        file.write_bytes(content)
    assert [found_on_disk(), found_on_disk()] == [False, True]


@pytest.mark.parametrize("ending", ["nbi", "nbc"], ids=["index", "code"])
def test_file_that_can_be_neither_read_nor_written_is_done_without(folder, ending):
    found_on_disk()
    for file in folder.rglob(f"*.{ending}"):
        file.unlink()
        file.mkdir()
    assert [found_on_disk(), found_on_disk()] == [False, False]


def test_folder_that_is_gone_when_something_is_compiled_is_done_without(folder):
    compiled = numba_caching.compiled(twice)
    for inner in folder.iterdir():
        inner.rmdir()
        inner.write_text("")
    assert compiled(3) == 6


def test_function_for_which_there_is_no_folder_is_compiled_all_the_same():
    nowhere = FunctionType(twice.__code__.replace(co_filename="<nowhere>"), {})
    compiled = numba_caching.compiled(nowhere)
    assert compiled(3) == 6
    assert compiled.stats.cache_path is None


def closure_over(step):
    def add(p):
        p[0] += step

    return add


def test_each_closure_has_a_file_of_its_own(folder):
    """Two processes that add to one file at the same time would find the code of the other under their own key."""
    machine = pytest.importorskip("nnfw_numba.machine")
    number = np.zeros(1, np.int64)
    for _ in range(2):
        for step in (1, 20):
            found = numba_caching.native(closure_over(step), (machine.INDICES,), str(step).encode())
            ctypes.CFUNCTYPE(None, ctypes.c_void_p)(found.address)(number.ctypes.data)
    assert number[0] == 42
    assert len(list(folder.rglob("*.nbi"))) == len(list(folder.rglob("*.nbc"))) == 2


def test_closure_without_known_content_is_kept_nowhere(folder):
    machine = pytest.importorskip("nnfw_numba.machine")
    numba_caching.native(closure_over(3), (machine.INDICES,), b"")
    assert not list(folder.rglob("*.nbc"))


def test_two_processes_that_extend_an_index_at_once_never_share_a_data_file(tmp_path, monkeypatch):
    files = [numba_caching._Files(str(tmp_path), "function", 0) for _ in "ab"]
    with monkeypatch.context() as both:  # each read the index before the other wrote it
        both.setattr(numba_caching._Files, "_load_index", lambda self: {})
        files[0].save("float32", "code for float32")
        files[1].save("float64", "code for float64")
    assert len([*tmp_path.glob("*.nbc")]) == 2
    assert (files[0].load("float32"), files[0].load("float64")) == (None, "code for float64")
