"""The directory of a run."""

import pytest

import nnfw
from nnfw.runs.layout import made


def interrupted(file):
    file.touch()
    raise KeyboardInterrupt


def test_made_directory_that_stays_empty_is_removed_after_an_error_with_the_folders_made_for_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"), made(tmp_path / "runs" / "one"):
        interrupted(tmp_path / "runs" / "one" / "none" / "log.csv")
    assert list(tmp_path.iterdir()) == []


def test_made_directory_that_holds_something_stays_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), made(tmp_path / "runs" / "one"):
        interrupted(tmp_path / "runs" / "one" / "log.csv")
    assert (tmp_path / "runs" / "one" / "log.csv").exists()


def test_made_directory_below_a_file_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    refusal = pytest.raises(
        nnfw.DataError, match=r"file/run cannot be made: Not a directory\. Choose another with --out"
    )
    with refusal, made(tmp_path / "file" / "run"):
        pass


def test_made_new_directory_has_a_name_that_nothing_has_not_even_a_link_to_nothing(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run-2").symlink_to(tmp_path / "nowhere")
    with made(tmp_path / "run", new=True) as directory:
        assert directory == tmp_path / "run-3"


def test_made_directory_that_is_there_is_taken_as_it_is(tmp_path):
    (tmp_path / "run").mkdir()
    with made(tmp_path / "run") as directory:
        assert directory == tmp_path / "run"
