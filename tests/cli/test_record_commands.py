"""runs, compare, reproduce and report: what they print, where, and with which exit status."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

XOR = """
name = "xor"
data = { source = "xor", split = { validation = 0.0, test = 0.0 } }
model = { layers = [{ type = "dense", units = 2, activation = "tanh" }, { type = "dense", units = 1 }] }
cost = { type = "mse" }
optimizer = { type = "sgd", learning_rate = 0.1 }
training = { epochs = 3, batch_size = 4 }
"""


@pytest.fixture
def runs(tmp_path, monkeypatch, nnfw):
    """Return the folder of two runs, `one` and `two`, in the current directory: the second has half the rate."""
    monkeypatch.chdir(tmp_path)
    Path("xor.toml").write_text(XOR.strip() + "\n")
    assert nnfw("train", "xor.toml", "--out", "runs/one").status == 0
    assert nnfw("train", "xor.toml", "--out", "runs/two", "--set", "optimizer.learning_rate=0.05").status == 0
    return tmp_path / "runs"


def change(path, **entries):
    record = json.loads((path / "record.json").read_text()) | entries
    (path / "record.json").write_text(json.dumps(record))


# --- runs ----------------------------------------------------------------------------------------------------------


def test_runs_prints_one_line_for_each(runs, nnfw):
    status, out, err = nnfw("runs")
    header, *rows = out.splitlines()
    assert (status, err) == (0, "")
    assert header.split()[:5] == ["run", "status", "started", "time", "epochs"]
    assert header.endswith("training cost")
    assert [row.split()[:2] for row in rows] == [["one", "finished"], ["two", "finished"]]


def test_runs_in_json_holds_everything(runs, nnfw):
    (first, _) = json.loads(nnfw("runs", "--json").out)
    assert first["path"] == "runs/one"
    assert (first["status"], first["epochs"], first["name"], first["reason"]) == ("finished", 3, "xor", "")
    assert first["started"].endswith("+00:00")
    assert set(first["figures"]) == {"training cost"}


def test_runs_that_are_kept_are_shown_with_what_was_asked_for(runs, nnfw):
    out = nnfw("runs", "--where", "optimizer.learning_rate<0.07", "--sort", "training.batch_size").out
    header, *rows = out.splitlines()
    assert header.split()[-2:] == ["optimizer.learning_rate", "training.batch_size"]
    assert [row.split()[0] for row in rows] == ["two"]
    assert rows[0].split()[-2:] == ["0.05", "4"]


def test_runs_tells_why_one_is_broken_or_failed(runs, nnfw):
    (runs / "two" / "record.json").write_text("{")
    change(runs / "one", status="failed", reason="OSError: No space left on device")
    out = nnfw("runs").out
    assert "broken" in out
    assert "record.json is not JSON" in out
    assert "No space left on device" in out


def test_runs_without_any_says_so(tmp_path, monkeypatch, nnfw):
    monkeypatch.chdir(tmp_path)
    assert nnfw("runs") == (0, "", "There are no runs yet: `nnfw train FILE` makes one.\n")
    assert nnfw("runs", "--json").out == "[]\n"
    status, out, err = nnfw("runs", "elsewhere")
    assert (status, out) == (2, "")
    assert "elsewhere is not a folder" in err


def test_runs_shows_what_a_terminal_would_obey_as_escapes(runs, nnfw):
    shutil.move(runs / "one", runs / "\x1b[31mred\u202e")
    out = nnfw("runs").out
    assert r"\u001b[31mred\u202e" in out
    assert "\x1b" not in out


def imported(line, *names):
    """Run a command in a process of its own and return which modules it has imported."""
    code = f"import sys; from nnfw.cli.main import main; main({line}); print(sorted({set(names)} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "one" in result.stdout
    return result.stdout.splitlines(keepends=True)[-1]


@pytest.mark.parametrize("line", [["runs"], ["runs", "runs", "--sort", "training.epochs"]], ids=["runs", "sorted"])
def test_runs_imports_nothing_heavy(runs, line):
    assert imported(line, "numpy", "scipy", "pydantic", "nnfw_standard.layers", "nnfw.network") == "[]\n"


def test_compare_imports_neither_numpy_nor_a_component(runs):
    assert imported(["compare", "runs/one", "runs/two"], "numpy", "scipy", "nnfw_standard.layers") == "[]\n"


# --- compare -------------------------------------------------------------------------------------------------------


def test_compare_prints_what_differs_and_nothing_else(runs, nnfw):
    status, out, err = nnfw("compare", "runs/one", "runs/two")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[:3] == [["experiment"], ["runs/one", "runs/two"], ["optimizer.learning_rate", "0.1", "0.05"]]
    assert ["training", "cost"] in [line[:2] for line in lines]
    assert "seed" not in out


def test_compare_of_a_run_with_itself_finds_nothing(runs, nnfw):
    assert nnfw("compare", "runs/one", "runs/one").out == "There are no differences.\n"


def test_compare_in_json_holds_the_values_of_every_run(runs, nnfw):
    found = json.loads(nnfw("compare", "runs/one", "runs/two", "runs/one", "--json").out)
    assert found["runs"] == ["runs/one", "runs/two", "runs/one"]
    assert found["differences"]["experiment"] == {"optimizer.learning_rate": [0.1, 0.05, 0.1]}


def test_compare_writes_as_many_digits_as_tell_values_apart(runs, nnfw):
    for name, cost in (("one", 0.123456789), ("two", 0.123456788)):
        change(runs / name, results={"training": {"cost": cost}})
    assert "0.123456789" in nnfw("compare", "runs/one", "runs/two").out


def test_compare_of_one_run_is_refused(runs, nnfw):
    status, out, err = nnfw("compare", "runs/one")
    assert (status, out) == (2, "")
    assert "at least two runs" in err


# --- reproduce -----------------------------------------------------------------------------------------------------


def test_reproduce_says_bit_equal(runs, nnfw):
    status, out, err = nnfw("reproduce", "runs/one")
    assert (status, out, err) == (0, "Bit-equal\n", "")


def test_reproduce_within_rounding_names_the_input_that_changed(runs, nnfw):
    change(
        runs / "one",
        distributions={**json.loads((runs / "one" / "record.json").read_text())["distributions"], "numpy": "1.0"},
    )
    metrics = runs / "one" / "metrics.jsonl"
    records = [json.loads(line) for line in metrics.read_text().splitlines()]
    metrics.write_text(
        "".join(json.dumps({**record, "cost": record["cost"] * (1 + 1e-6)}) + "\n" for record in records)
    )
    status, out, _ = nnfw("reproduce", "runs/one")
    assert status == 0
    assert out.startswith("Within rounding\n")
    assert ["cost", "1e-06"] in [line.split() for line in out.splitlines()]
    assert "changed: versions" in out
    assert f"Run: {runs / 'one-reproduced'}" in out


def test_reproduce_of_something_else_is_different(runs, nnfw):
    text = (runs / "one" / "experiment.toml").read_text()
    (runs / "one" / "experiment.toml").write_text(text.replace("seed = 0", "seed = 1"))
    status, out, _ = nnfw("reproduce", "runs/one", "--out", "again")
    assert status == 1
    assert out.startswith("Different\n")
    assert "No recorded input has changed." in out
    assert Path("again/model.nnfw").exists()


def test_reproduce_in_json_holds_verdict_and_differences(runs, nnfw):
    found = json.loads(nnfw("reproduce", "runs/one", "--json").out)
    assert (found["verdict"], found["changed"], found["run"]) == ("bit-equal", {}, None)
    assert found["largest"]["cost"] == 0


def test_reproduce_that_cannot_run_has_status_2(runs, nnfw):
    change(runs / "one", status="failed")
    status, out, err = nnfw("reproduce", "runs/one")
    assert (status, out) == (2, "")
    assert "one is failed" in err


# --- report --------------------------------------------------------------------------------------------------------


def without_times(page):
    """Return a page without the shares of the time, which are measured when it is written."""
    bars = re.compile(r'<rect class="time".*?</text>')
    assert bars.search(page)
    return bars.sub("", page)


def test_report_writes_a_page_into_the_run_or_where_it_is_told(runs, nnfw):
    status, out, err = nnfw("report", "runs/one")
    assert (status, out) == (0, f"{Path('runs/one/report.html')}\n")
    assert err.endswith("KiB\n")
    page = (runs / "one" / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert nnfw("report", "runs/one", "-o", "page.html").out == "page.html\n"
    assert without_times(Path("page.html").read_text()) == without_times(page)
    assert without_times(nnfw("report", "runs/one", "-o", "-").out) == without_times(f"{page}\n")


def test_report_of_no_run_is_refused(runs, nnfw):
    status, out, err = nnfw("report", "runs")
    assert (status, out) == (2, "")
    assert "runs holds no run that can be read" in err


# --- completion ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("compare", ""), ["runs", "runs/one", "runs/two"]),
        (("report", "runs/o"), ["runs/one"]),
        (("compare", "runs/one", "runs/"), ["runs/one", "runs/two"]),
        (("reproduce", "xo"), []),
    ],
    ids=" ".join,
)
def test_completion_of_runs(runs, nnfw, monkeypatch, words, expected):
    monkeypatch.setenv("_NNFW_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(("nnfw", *words)))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    assert nnfw().out.split() == expected
    assert os.environ["COMP_CWORD"] == str(len(words))


# --- runs from others ----------------------------------------------------------------------------------------------


@pytest.fixture
def theirs(tmp_path, monkeypatch, nnfw):
    """Return a run whose table lies neither in it nor in the current directory, which is an empty one."""
    monkeypatch.chdir(tmp_path)
    Path("xor.csv").write_text("a,b,y\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n")
    Path("xor.toml").write_text(
        XOR.strip().replace('"xor", split', '{ type = "csv", path = "xor.csv", target = "y" }, split')
    )
    assert nnfw("train", "xor.toml", "--out", "runs/one").status == 0
    Path("here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "runs" / "one"


@pytest.mark.parametrize("line", ["report {}", "reproduce {}", "evaluate {}", "resume {} -q", "predict {} -"])
def test_data_of_a_run_from_elsewhere_is_read_only_on_trust(theirs, nnfw, tmp_path, monkeypatch, line):
    if line.startswith("predict"):  # else it needs no data of the run
        (theirs / "model.nnfw").unlink()
    before = sorted(tmp_path.rglob("*"))
    words = line.format(theirs).split()
    result = nnfw(*words)
    assert (result.status, result.out) == (2, "")
    assert f"names data outside the run's folder and the current one: {tmp_path}/xor.csv. A run" in result.err
    assert "add --trust; or name the folder of its data: --data-dir DIR." in result.err
    assert sorted(tmp_path.rglob("*")) == before
    for answer in (["--trust"], ["--data-dir", str(tmp_path)]):
        monkeypatch.setattr("sys.stdin", io.StringIO("a,b\n1,1\n"))
        assert "names data outside" not in nnfw(*words, *answer).err


def test_evaluate_predict_and_report_take_the_newest_checkpoint_where_there_is_no_model(runs, nnfw, monkeypatch):
    (runs / "two" / "model.nnfw").unlink()
    change(runs / "two", status="interrupted")
    said = "runs/two is interrupted and holds no model: its newest checkpoint is used, after epoch 3."
    status, out, err = nnfw("evaluate", "runs/two")
    assert (status, err) == (0, f"{said}\n")
    assert out.splitlines()[0].split() == ["cost"]
    monkeypatch.setattr("sys.stdin", io.StringIO("x1,x2\n1,1\n"))
    status, out, err = nnfw("predict", "runs/two", "xor")
    assert (status, err) == (0, f"{said}\n")
    assert len(out.splitlines()) == 5
    assert nnfw("report", "runs/two").status == 0
    assert said in Path("runs/two/report.html").read_text()
