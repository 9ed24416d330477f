"""Tables from pipes, which can be read once."""

import os
from pathlib import Path

import pytest

TABLE = "x,city,y\n" + "".join(f"{k},{'Oslo' if k % 3 else 'Zürich'},{'no' if k < 12 else 'yes'}\n" for k in range(24))


@pytest.fixture
def pipe():
    """Return a function that makes a pipe which holds a text, and returns its path, as a shell makes of <(...)."""
    opened = []

    def make(text, encoding="utf-8"):
        read, write = os.pipe()
        opened.append(read)
        with os.fdopen(write, "wb") as stream:
            stream.write(text.encode(encoding))
        return f"/dev/fd/{read}"

    yield make
    for descriptor in opened:
        os.close(descriptor)


@pytest.fixture
def run(nnfw, tmp_path, monkeypatch):
    """Train on the table, and return the run's directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TABLE, "utf-8")
    result = nnfw("train", "t.csv", "--target", "y", "--set", "training.epochs=1", "-q", "--out", "run")
    assert result.status == 0, result.err
    return "run"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_inspect_of_a_pipe_shows_its_table(nnfw, pipe, encoding):
    status, out, err = nnfw("inspect", pipe(TABLE, encoding))
    assert (status, out.splitlines()[0].split()[0]) == (0, "column")
    assert "24 rows and 3 columns" in err
    assert "Zürich" in out


@pytest.mark.parametrize("kept", [(), ("--keep", "city")])
def test_predict_and_evaluate_of_a_pipe_equal_those_of_the_file(nnfw, pipe, run, kept):
    assert nnfw("predict", run, pipe(TABLE, "utf-16"), *kept).out == nnfw("predict", run, "t.csv", *kept).out != ""
    assert nnfw("evaluate", run, "--data", pipe(TABLE)).out == nnfw("evaluate", run, "--data", "t.csv").out != ""


@pytest.mark.parametrize("command", ["train", "init"])
@pytest.mark.parametrize("piped", ["-", ""], ids=["stdin", "pipe"])
def test_training_on_a_table_that_can_be_read_once_is_refused(nnfw, pipe, command, piped):
    path = piped or pipe(TABLE)
    status, out, err = nnfw(command, path, "--target", "y")
    assert (status, out) == (2, "")
    what = "the standard input" if piped else path
    expected = (
        f"{what} can be read once, but a training reads its table again to resume, evaluate or reproduce it. Save"
    )
    assert expected in err


def test_train_reads_an_experiment_from_a_pipe(nnfw, pipe, run):
    text = nnfw("init", str(Path("t.csv").resolve()), "--target", "y").out
    result = nnfw("train", pipe(text), "-q", "--set", "training.epochs=1", "--out", "again")
    assert result.status == 0, result.err


def test_pipe_of_a_dataset_is_refused(nnfw, pipe, run):
    result = nnfw("predict", run, f"csv:path={pipe(TABLE)},target=y")
    assert result.status == 2
    assert "a CSV table cannot be read: it is a device or a pipe, not a file." in result.err
