"""Runs as their directories tell of them: older records, torn lines, and what makes no sense."""

import copy
import json
import os
import platform
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

import nnfw
from nnfw.plugins import default_registry
from nnfw.runs import Access, compare_runs, list_runs, open_run, read_run
from nnfw.runs import reading as recorded

LEAST = {"format": 1, "status": "finished"}
EPOCHS = [
    {"epoch": 1, "learning_rate": 0.1, "cost": 3.0, "accuracy": 0.5, "validation_cost": 2.0},
    {"epoch": 2, "learning_rate": 0.1, "cost": 2.0, "accuracy": 0.75, "validation_cost": 1.0},
    {"epoch": 3, "learning_rate": 0.1, "cost": 1.0, "accuracy": 1.0, "validation_cost": 1.5},
]


@pytest.fixture
def make(tmp_path):
    """Return a function that writes a directory with the given record and lines of metrics."""

    def write(record, metrics=None):
        text = record if isinstance(record, str) else json.dumps({**LEAST, **record})
        (tmp_path / "record.json").write_text(text)
        if metrics is not None:
            (tmp_path / "metrics.jsonl").write_text(metrics)
        return tmp_path

    return write


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


def test_record_of_a_run_is_read(run):
    found = read_run(run.directory)
    assert (found.name, found.status, found.epochs, found.reason) == ("small", "finished", 12, "")
    assert abs((datetime.now(UTC) - found.started).total_seconds()) < 3600
    assert 0 <= found.seconds < 3600
    assert found.figures["test accuracy"] == run.results["test"]["accuracy"]
    assert next(iter(found.figures)) == "training cost"


def test_record_of_a_run_holds_what_a_colleague_needs(run):
    record = read_run(run.directory).record
    assert record["distributions"]["numpy"] == record["environment"]["packages"]["numpy"]
    assert record["process"] == {"id": os.getpid(), "host": platform.node()}
    assert "git" in record
    assert record["environment"]["threads"]["libraries"]


def test_older_record_lacks_what_was_not_recorded_yet(make):
    found = read_run(make({}))
    assert (found.started, found.seconds, found.epochs, found.reason, found.figures) == (None, None, 0, "", {})
    assert found.name == found.path.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "record.json is not JSON: Expecting value"),
        ('{"format": 1, "sta', "record.json is not JSON: Unterminated string"),
        ("[" * 100_000, "record.json is not JSON: maximum recursion"),
        ("[1]", r"record.json: expected a table, got \[1\]"),
        ('{"status": "great"}', "record.json: status must be one of running, finished, .*, got 'great'"),
        ('{"format": 1}', "status must be one of .*, got None"),
    ],
    ids=["empty", "half", "deep", "list", "status", "no-status"],
)
def test_record_that_makes_no_sense_is_refused(make, text, message):
    directory = make(text)
    with pytest.raises(nnfw.FileFormatError, match=message) as refusal:
        read_run(directory)
    assert str(directory) in str(refusal.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"format": 2}, r"has format 2, this nnfw reads formats up to 1\. Install a newer nnfw"),
        ({"status": 3}, "status must be text, got 3"),
        ({"seed": "x"}, "seed must be a whole number, got 'x'"),
        ({"seed": True}, "seed must be a whole number, got True"),
        ({"epochs": -1}, "epochs must be 0 or more, got -1"),
        ({"started": "yesterday"}, "started must be a time with its zone, got 'yesterday'"),
        ({"started": "0001-01-01T00:00:00+14:00"}, "started must be a time with its zone, got '0001-01-01T00"),
        ({"ended": "9999-12-31T23:59:59-14:00"}, "ended must be a time with its zone, got '9999-12-31T23"),
        ({"ended": "2026-01-01T00:00:00"}, "ended must be a time with its zone"),
        ({"plugins": [1]}, r"plugins\[\] must be a table, got 1"),
        ({"plugins": [{"version": 1}]}, r"plugins\[\]\.version must be text, got 1"),
        ({"plugins": [None]}, r"plugins\[\] must be a table, got None"),
        ({"results": {"test": None}}, r"results\[\] must be a table, got None"),
        ({"results": {"test": [1]}}, r"results\[\] must be a table, got \[1\]"),
        ({"environment": {"threads": {"libraries": 5}}}, r"environment\.threads\.libraries must be a list, got 5"),
        ({"data": []}, "data must be a table, got"),
    ],
    ids=lambda entry: next(iter(entry)) if isinstance(entry, dict) else "",
)
def test_record_with_a_wrong_entry_is_refused(make, entry, message):
    with pytest.raises(nnfw.FileFormatError, match=message):
        read_run(make(entry))


def test_record_that_is_not_there_or_too_large_is_refused(tmp_path, make):
    with pytest.raises(
        nnfw.FileFormatError, match="holds no run that can be read: record.json: No such file"
    ) as refusal:
        read_run(tmp_path)
    assert "is not JSON" not in str(refusal.value)
    with (make({}) / "record.json").open("r+b") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(nnfw.FileFormatError, match="has more than 16,777,216 bytes, the most that is read"):
        read_run(tmp_path)


@pytest.mark.parametrize("name", ["record.json", "metrics.jsonl"])
def test_file_of_the_largest_size_is_read_and_one_byte_more_refused(make, monkeypatch, name):
    directory = make({}, lines(EPOCHS))
    size = (directory / name).stat().st_size
    monkeypatch.setitem(recorded._LARGEST, name, size)
    assert len(read_run(directory).history) == 3
    monkeypatch.setitem(recorded._LARGEST, name, size - 1)
    with pytest.raises(nnfw.FileFormatError, match=f"{name} has more than {size - 1:,} bytes, the most that is read"):
        assert read_run(directory).history


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.0, "0 s"),
        (0.123, "0.12 s"),
        (9.94, "9.9 s"),
        (10.0, "10 s"),
        (59.4, "59 s"),
        (60.0, "1 min 00 s"),
        (119.6, "2 min 00 s"),
        (3599.4, "59 min 59 s"),
        (3600.0, "1 h 00 min"),
        (7265.0, "2 h 01 min"),
        (3600.0 * 12345, "12,345 h 00 min"),
    ],
)
def test_time_is_told_in_the_units_that_matter(seconds, text):
    assert recorded.time_span(seconds) == text


def test_file_in_place_of_a_directory_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(nnfw.FileFormatError, match="file is not the directory of a run. Name one"):
        read_run(tmp_path / "file")


@pytest.mark.parametrize("torn", ["", '{"epoch": 4, "co', '{"epoch": 4, "cost": 1.0}', "\x00" * 20 + "\n"], ids=repr)
def test_metrics_are_read_without_a_torn_last_line(make, torn):
    found = read_run(make({"status": "interrupted"}, lines(EPOCHS) + torn))
    assert list(found.history) == EPOCHS
    assert found.epochs == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"epoch": 1, "co\n', r"metrics\.jsonl:2: is not JSON: .* Restore the file, or remove it"),
        ("[1]\n", r"metrics\.jsonl:2: expected a table with the number of an epoch, got \[1\]"),
        ('{"cost": 1.0}\n', r"metrics\.jsonl:2: expected a table with the number of an epoch"),
        ('{"epoch": 2, "cost": "low"}\n', r"metrics\.jsonl:2: 'cost' must be numbers, got 'low'"),
        (f'{{"epoch": 2, "cost": {10**309}}}\n', r"metrics\.jsonl:2: 'cost' must be numbers, got 1000"),
        (f'{{"epoch": 2, "counts": [[1, -{10**309}]]}}\n', r"metrics\.jsonl:2: 'counts' must be numbers, got"),
        (f'{{"epoch": {10**309}}}\n', r"metrics\.jsonl:2: 'epoch' must be numbers, got 1000"),
    ],
    ids=["torn", "list", "no-epoch", "word", "large", "large-in-a-matrix", "large-epoch"],
)
def test_metrics_with_a_damaged_line_in_the_middle_are_refused(make, line, message):
    found = read_run(make({}, lines(EPOCHS[:1]) + line + lines(EPOCHS[1:])))
    with pytest.raises(nnfw.FileFormatError, match=message):
        _ = found.history


def test_metrics_that_were_not_finite_are_none(make):
    found = read_run(make({}, '{"epoch": 1, "cost": NaN, "x": 1e999, "y": null}\n'))
    assert found.history == ({"epoch": 1, "cost": None, "x": None, "y": None},)
    assert found.figures == {}
    assert found.best_epoch == {}


def test_figures_of_a_run_without_results_are_those_of_its_last_epoch(make):
    found = read_run(make({"status": "interrupted"}, lines(EPOCHS)))
    assert found.figures == {"training cost": 1.0, "training accuracy": 1.0, "validation cost": 1.5}


@pytest.mark.parametrize(("entry", "epoch"), [("validation_cost", 2), ("cost", 3)])
def test_best_epoch_is_that_of_the_lowest_cost(make, entry, epoch):
    kept = {"epoch", "cost", entry}
    records = [{name: value for name, value in record.items() if name in kept} for record in EPOCHS]
    assert read_run(make({}, lines(records))).best_epoch["epoch"] == epoch


def gone():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.skipif(sys.platform == "win32", reason="there, nobody can ask whether a process lives")
@pytest.mark.parametrize(
    ("process", "status"),
    [
        ({"id": os.getpid(), "host": platform.node()}, "running"),
        ({"id": gone(), "host": platform.node()}, "killed"),
        ({"id": 10**30, "host": platform.node()}, "killed"),
        ({"id": gone(), "host": "another machine"}, "running"),
        (None, "running"),
    ],
    ids=["lives", "gone", "impossible", "elsewhere", "not-recorded"],
)
def test_run_whose_process_is_no_more_was_killed(make, process, status):
    started = "2026-01-01T12:00:00+00:00"
    directory = make({"status": "running", "started": started, "process": process}, lines(EPOCHS))
    last = datetime.fromisoformat("2026-01-01T12:00:42+00:00").timestamp()
    os.utime(directory / "metrics.jsonl", (last, last))
    found = read_run(directory)
    assert found.status == status
    assert (found.seconds == 42) is (status == "killed")


def test_time_of_a_run_is_not_known_where_the_clock_went_back(make):
    found = read_run(make({"started": "2026-01-01T12:00:30+00:00", "ended": "2026-01-01T12:00:00+00:00"}))
    assert found.seconds is None
    future = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert read_run(make({"status": "running", "started": future})).seconds is None


@pytest.mark.parametrize(
    "advice",
    [
        " Its state is in runs/old/checkpoints. Continue with: nnfw resume runs/old",
        " Continue with: nnfw resume runs/old",
    ],
    ids=["training", "after"],
)
def test_reason_of_an_older_record_does_not_advise_the_path_of_then(make, advice):
    assert read_run(make({"status": "interrupted", "reason": f"It was stopped.{advice}"})).reason == "It was stopped."


STRANGE = (None, True, -1, 1e308, 10**40, "", "x\x1b[2J<b>", [], {}, [1], [[]], {"": [{}]}, float("nan"))


def changed_somewhere(value, choice):
    """Return a JSON value in which one entry, anywhere, is another one or gone."""
    table = copy.deepcopy(value)
    places = [(table, key) for key in table]
    for inner, key in places:
        entry = inner[key]
        keys = entry if isinstance(entry, dict) else range(len(entry)) if isinstance(entry, list) else ()
        places += [(entry, each) for each in keys]
    inner, key = choice.choice(places)
    if choice.random() < 0.2:
        del inner[key]
    else:
        inner[key] = choice.choice(STRANGE)
    return table


@pytest.mark.parametrize("name", ["record.json", "metrics.jsonl"])
def test_record_that_was_changed_anywhere_is_read_or_refused(run, name):
    path = run.directory / name
    *kept, last = path.read_text().splitlines() if name == "metrics.jsonl" else [path.read_text()]
    original, choice, results = json.loads(last), random.Random(5), set()
    for _ in range(200):
        path.write_text("".join(f"{line}\n" for line in [*kept, json.dumps(changed_somewhere(original, choice))]))
        try:
            found = read_run(run.directory)
            compare_runs([found, found])
            results.add("read")
        except nnfw.FileFormatError:
            results.add("refused")
        (listed,) = list_runs(run.directory)
        assert listed.values["status"]
    assert results == {"read", "refused"}


def fingerprint(path, access):
    return read_run(path).data_entry("sha256")


@pytest.mark.parametrize(
    ("read", "key"), [(open_run, "data.directory"), (fingerprint, "data.sha256")], ids=["run", "data"]
)
def test_record_without_what_is_asked_for_is_refused(run, read, key):
    path = run.directory / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": {}}))
    with pytest.raises(nnfw.FileFormatError, match=f"run holds no run that can be read: record.json lacks {key}"):
        read(run.directory, Access(default_registry()))
