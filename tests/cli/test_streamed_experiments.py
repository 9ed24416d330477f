"""Experiments whose dataset opens a source: whole commands, what is fitted chunk by chunk, and what is refused."""

import json

import numpy as np
import pytest

import nnfw as library
from nnfw.plugins import default_registry
from nnfw.reporting.findings import evidence_of, examine
from nnfw.runs import Access, read_run

MODULE = '''
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import nnfw


class Opened(nnfw.Source):
    def __init__(self, folder, target, classes):
        self._folder, self.target = folder, target
        said = json.loads((folder / "index.json").read_text())
        self.schema = np.dtype([(name, dtype, tuple(shape)) for name, dtype, shape in said["schema"]])
        self.chunks = said["chunks"]
        self.classes = tuple(classes) if classes else None

    def read(self, chunk):
        with np.load(self._folder / f"{chunk}.npz") as file:
            return dict(file)

    def fingerprint(self):
        return str((self._folder / "index.json").stat().st_mtime_ns)


@dataclass(frozen=True)
class Shards(nnfw.Dataset):
    """A folder of .npz files, read one after the other.

    Parameters
    ----------
    path
        The folder.
    target
        The column of labels; none by default.
    classes
        Names of the classes; none by default.
    stream
        Whether the files are read when they are needed; True by default.
    """

    path: str
    target: str | None = None
    classes: tuple[str, ...] = ()
    stream: bool = True

    def open(self, directory):
        return Opened(directory / self.path, self.target, self.classes) if self.stream else None

    def load(self, directory):
        return nnfw.Examples.of(Opened(directory / self.path, self.target, self.classes))
'''

SPEC = 'ComponentSpec("dataset", "shards", "nnfw_shards_dataset:Shards", "A folder of .npz files.")'

TABLE = """
name = "stream"
[data]
source = { type = "shards", path = "shards", target = "kind" }
split = { validation = 0.2, test = 0.1 }
transforms = ["one_hot", "standardize"]
[[model.layers]]
type = "dense"
units = 4
activation = "tanh"
[[model.layers]]
type = "dense"
units = 2
activation = "softmax"
[cost]
type = "cross_entropy"
[optimizer]
type = "adam"
[training]
epochs = 3
batch_size = 8
metrics = ["accuracy"]
checkpoint_seconds = 0
"""

SIZES = [40, 25, 1, 34]


def columns(count, seed=3):
    rng = np.random.default_rng(seed)
    width, colour = rng.normal(5, 3, count), rng.choice(["red", "green", "blue"], count)
    kind = np.where(width + 4 * (colour == "red") > 6, "big", "small").astype("U5")
    return {"width": width, "colour": colour.astype("U5"), "kind": kind}


def write(folder, sizes, found):
    folder.mkdir(exist_ok=True)
    start = 0
    for k, size in enumerate(sizes):
        np.savez(folder / f"{k}.npz", **{name: column[start : start + size] for name, column in found.items()})
        start += size
    schema = [(name, column.dtype.str, column.shape[1:]) for name, column in found.items()]
    (folder / "index.json").write_text(json.dumps({"schema": schema, "chunks": sizes}))


@pytest.fixture
def shards(make, tmp_path, monkeypatch):
    """Install the dataset, write its files, and return the path of an experiment in the current folder."""
    make("nnfw-shards", components=SPEC, nnfw_shards_dataset=MODULE)
    write(tmp_path / "shards", SIZES, columns(100))
    path = tmp_path / "stream.toml"
    path.write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    return path


def data(**options):
    return "shards:path=shards" + "".join(f",{name}={value}" for name, value in options.items())


def change(folder, chunk, **values):
    """Write other values to one file: name = (row, value)."""
    with np.load(folder / f"{chunk}.npz") as file:
        found = dict(file)
    for name, (row, value) in values.items():
        found[name][row] = value
    np.savez(folder / f"{chunk}.npz", **found)


def test_stream_is_trained_evaluated_and_reproduced(nnfw, shards, tmp_path):
    trained = nnfw("train", str(shards), "--out", "run", "--json")
    assert trained.status == 0, trained.err
    assert read_run(tmp_path / "run").data_entry("examples") == {"training": 70, "validation": 20, "test": 10}
    results = json.loads(nnfw("evaluate", "run", "--json").out)
    assert results == json.loads(trained.out)["results"]
    assert nnfw("reproduce", "run").out == "Bit-equal\n"
    assert nnfw("train", str(shards), "--out", "other", "--verify-resume").status == 0


@pytest.mark.parametrize(
    ("in_order", "kind", "sizes"),
    [
        (False, "random", [(51, 15, 34), (52, 15, 33), (52, 15, 33)]),
        (True, "in order", [(19, 6, 25), (39, 11, 25), (58, 17, 25)]),
    ],
    ids=["random", "in-order"],
)
def test_stream_is_cross_validated(nnfw, shards, in_order, kind, sizes):
    if in_order:
        shards.write_text(TABLE.replace("test = 0.1 }", "test = 0.1, in_order = true }"))
    found, again = (nnfw("evaluate", str(shards), "--cross-validation", "3", "--json") for _ in range(2))
    assert found.status == 0, found.err
    table = json.loads(found.out)
    assert table["kind"] == kind
    examples = [tuple(fold["examples"].values()) for fold in table["folds"]]
    assert examples == sizes
    assert table["mean"].keys() == {"cost", "accuracy"}
    assert again.out == found.out
    assert nnfw("evaluate", str(shards), "--cross-validation", "3").status == 0


def test_parts_of_a_split_are_all_examples(nnfw, shards):
    assert nnfw("train", str(shards), "--out", "run").status == 0
    results = json.loads(nnfw("evaluate", "run", "--json").out)
    whole = json.loads(nnfw("evaluate", "run", "--data", data(target="kind"), "--json").out)["data"]
    parts = [("training", 70), ("validation", 20), ("test", 10)]
    for figure in ("cost", "accuracy"):
        assert sum(results[name][figure] * count for name, count in parts) / 100 == pytest.approx(whole[figure])


def test_stream_gives_the_results_of_arrays(nnfw, shards):
    assert nnfw("train", str(shards), "--out", "run").status == 0
    for command in (("evaluate", "run", "--data"), ("predict", "run")):
        streamed, loaded = (
            json.loads(nnfw(*command, data(target="kind", stream=stream), "--json").out) for stream in ("true", "false")
        )
        if command[0] == "predict":
            assert streamed == loaded
            assert len(streamed) == 100
        else:
            assert streamed["data"] == pytest.approx(loaded["data"])


def test_report_shows_the_examples_of_the_test_part(nnfw, shards, tmp_path):
    assert nnfw("train", str(shards), "--out", "run").status == 0
    evidence = evidence_of(tmp_path / "run", Access(default_registry()))
    findings = examine(evidence, read_run(tmp_path / "run").data_entry("sha256"))
    assert (findings.part, findings.total, len(findings), findings.same_data) == ("test", 10, 10, True)
    assert set(findings.truths.tolist()) <= {"big", "small"}
    whole = columns(100)
    for width, colour, kind in zip(findings.columns["width"], findings.columns["colour"], findings.truths, strict=True):
        (row,) = np.flatnonzero(whole["width"] == width)
        assert (whole["colour"][row], whole["kind"][row]) == (colour, kind)
    results = json.loads(nnfw("evaluate", "run", "--json").out)
    assert findings.losses.mean() == pytest.approx(results["test"]["cost"])
    assert nnfw("report", "run").status == 0


def test_summary_and_gradcheck_read_the_first_chunk(nnfw, shards):
    summary = nnfw("summary", str(shards), "--read-data")
    assert (summary.status, "4             20" in summary.out) == (0, True)
    assert nnfw("gradcheck", str(shards)).status == 0


def test_words_of_a_rare_class_are_found_in_any_chunk(nnfw, shards, tmp_path):
    change(tmp_path / "shards", 2, kind=(0, "tiny"))  # the only example of its class, and of its chunk
    trained = nnfw("train", str(shards), "--out", "run", "--set", "model.layers[1].units=3")
    assert trained.status == 0, trained.err
    assert library.load(tmp_path / "run" / "model.nnfw").preprocessing.classes == ("big", "small", "tiny")


def test_names_of_classes_are_those_of_the_source(nnfw, shards, tmp_path):
    found = columns(100)
    write(tmp_path / "shards", SIZES, found | {"kind": (found["kind"] == "big").astype(np.int64)})
    source = 'data.source={ type = "shards", path = "shards", target = "kind", classes = ["no", "yes"] }'
    assert nnfw("train", str(shards), "--out", "run", "--set", source).status == 0
    labels = {row["label"] for row in json.loads(nnfw("predict", "run", data(), "--json").out)}
    assert labels <= {"no", "yes"}


def test_named_outputs_are_trained_from_a_stream(nnfw, shards, tmp_path):
    found = columns(100)
    numbers = {"half": np.floor(found["width"]), "share": found["width"] / 10}
    write(tmp_path / "shards", SIZES, found | numbers)
    change(tmp_path / "shards", 1, half=(0, 0.5))  # all numbers of the first chunk are whole
    shards.write_text(OUTPUTS)
    trained = nnfw("train", str(shards), "--out", "run")
    assert trained.status == 0, trained.err
    targets = library.load(tmp_path / "run" / "model.nnfw").preprocessing.targets
    kinds = {name: each.column.kind for name, each in targets.items()}
    assert kinds == {"a": "categorical", "b": "numeric"}


OUTPUTS = """
name = "two"
[data]
source = { type = "shards", path = "shards" }
split = { validation = 0, test = 0 }
[data.inputs]
x = ["share"]
[data.targets]
a = "kind"
b = "half"
[model]
outputs = ["a", "b"]
[[model.layers]]
type = "dense"
name = "trunk"
units = 4
[[model.layers]]
type = "dense"
name = "a"
units = 2
activation = "softmax"
[[model.layers]]
type = "dense"
name = "b"
inputs = ["trunk"]
units = 1
[cost.a]
type = "cross_entropy"
[cost.b]
type = "mse"
[optimizer]
type = "adam"
[training]
epochs = 1
batch_size = 8
"""


@pytest.mark.parametrize(("option", "value"), [("stratify", "true"), ("group", '"colour"')])
def test_split_that_needs_all_examples_is_refused_by_the_line(nnfw, shards, tmp_path, option, value):
    shards.write_text(TABLE.replace("test = 0.1 }", f"test = 0.1, {option} = {value} }}"))
    refused = nnfw("train", str(shards), "--out", "run")
    text = f"data.split.{option} needs all examples in memory, but the data is read chunk by chunk. Leave it out."
    assert (refused.status, refused.out) == (2, "")
    assert refused.err == f"error: {shards}:5: {text}\n"
    assert not (tmp_path / "run").exists()


def test_target_encoding_of_a_stream_is_refused_by_the_line(nnfw, shards, tmp_path):
    refused = nnfw("train", str(shards), "--out", "run", "--set", 'data.transforms=["target_encoding"]')
    assert (refused.status, refused.out) == (2, "")
    assert "data.transforms has TargetEncoding(" in refused.err
    assert refused.err.endswith("read chunk by chunk. Use hash or index in its place.\n")
    assert not (tmp_path / "run").exists()


def test_stream_in_order_is_split_as_arrays_are(nnfw, shards):
    shards.write_text(TABLE.replace("test = 0.1 }", "test = 0.1, in_order = true }"))
    results = []
    for stream in ("true", "false"):
        source = f'data.source={{ type = "shards", path = "shards", target = "kind", stream = {stream} }}'
        options = ("--set", source, "--set", "training.shuffle=false")
        trained = nnfw("train", str(shards), "--out", stream, "--json", *options)
        assert trained.status == 0, trained.err
        results.append(json.loads(trained.out)["results"])
    for part in ("training", "validation", "test"):
        assert results[0][part] == pytest.approx(results[1][part], rel=1e-5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ', target = "nope"',
            "open returned str, expected a target that is a column, one of width, colour, kind, or None.",
        ),
        ("", "The data has no target, so nothing can be learned from it. Name the target of the dataset."),
    ],
)
def test_target_that_the_stream_lacks_is_refused(nnfw, shards, tmp_path, options, text):
    source = f'data.source={{ type = "shards", path = "shards"{options} }}'
    refused = nnfw("train", str(shards), "--out", "run", "--set", source)
    assert refused.status == 2
    assert text in refused.err
    assert not (tmp_path / "run").exists()


def test_word_that_was_not_fitted_names_chunk_and_row(nnfw, shards, tmp_path):
    strict = 'data.transforms=[{type="one_hot",unknown="error"},"standardize"]'
    assert nnfw("train", str(shards), "--out", "run", "--set", strict).status == 0
    change(tmp_path / "shards", 1, colour=(4, "teal"))
    text = "Column 'colour': unknown category 'teal' in row 4 (from 0); the training data had 'blue', 'green', 'red'. "
    advice = (
        "Correct it, or train without the column, or with unknown = 'own'. Rows are counted from the start of the chunk"
    )
    refused = nnfw("predict", "run", data())
    assert (refused.status, refused.err) == (2, f"error: {data()}, chunk 1: {text}{advice}.\n")
    refused = nnfw("evaluate", "run", "--data", data(target="kind"))
    assert (refused.status, refused.err) == (2, f"error: The data, chunk 1: {text}{advice}, example 40.\n")


def test_file_that_is_gone_is_refused_before_anything_is_written(nnfw, shards, tmp_path):
    (tmp_path / "shards" / "2.npz").unlink()
    refused = nnfw("train", str(shards), "--out", "run")
    assert refused.status == 2
    assert refused.err.startswith("error: The data, chunk 2: Opened cannot read it: FileNotFoundError: ")
    assert not (tmp_path / "run").exists()


TWO_EPOCHS = ("--set", "training.epochs=2")


def test_file_that_goes_during_training_fails_the_run_and_resuming_ends_as_without(nnfw, shards, tmp_path):
    """The sample and the metrics look at the first chunk alone, so the training itself finds the gap."""
    width = columns(3500)["width"]
    write(tmp_path / "shards", [3000, 300, 200], {"width": width, "kind": (width > 5).astype(np.int64)})
    shards.write_text(
        TABLE.replace('"one_hot", "standardize"', "").replace("metrics = ", "shuffle = false\nmetrics = ")
    )
    assert nnfw("train", str(shards), "--out", "whole", *TWO_EPOCHS).status == 0
    kept = (tmp_path / "shards" / "1.npz").rename(tmp_path / "kept.npz")
    failed = nnfw("train", str(shards), "--out", "run", *TWO_EPOCHS)
    assert failed.status == 2
    assert "The data, chunk 1: Opened cannot read it: FileNotFoundError: " in failed.err
    assert read_run(tmp_path / "run").status == "failed"
    kept.rename(tmp_path / "shards" / "1.npz")
    assert nnfw("resume", "run").status == 0
    assert (tmp_path / "run" / "model.nnfw").read_bytes() == (tmp_path / "whole" / "model.nnfw").read_bytes()


def test_run_whose_stream_has_changed_is_told(nnfw, shards, tmp_path):
    assert nnfw("train", str(shards), "--out", "run").status == 0
    write(tmp_path / "shards", SIZES, columns(100, seed=4))
    assert "the data has changed since the run" in nnfw("evaluate", "run").err


SEQUENCES = """
name = "sequences"
[data]
source = { type = "shards", path = "shards", target = "kind" }
[data.inputs]
x = { columns = ["tokens"], lengths = "count" }
[[model.layers]]
type = "embedding"
count = 9
width = 3
[[model.layers]]
type = "time_pool"
[[model.layers]]
type = "dense"
units = 2
activation = "softmax"
[cost]
type = "cross_entropy"
[optimizer]
type = "adam"
[training]
epochs = 2
batch_size = 8
checkpoint_seconds = 0
"""


def test_sequences_with_lengths_come_from_a_stream(nnfw, shards, tmp_path, rng):
    found = {"tokens": rng.integers(0, 9, (100, 6)), "count": rng.integers(1, 7, 100), "kind": rng.integers(0, 2, 100)}
    write(tmp_path / "shards", SIZES, found)
    shards.write_text(SEQUENCES)
    assert nnfw("train", str(shards), "--out", "other", "--verify-resume").status == 0
    assert nnfw("train", str(shards), "--out", "run").status == 0
    streamed, loaded = (nnfw("predict", "run", data(stream=stream)) for stream in ("true", "false"))
    assert (streamed.status, streamed.out) == (0, loaded.out)
    change(tmp_path / "shards", 1, tokens=((4, 1), 9))
    text = "The input 'x' holds the index 9 in row 4 (the first is row 0); expected 0 to 8. "
    assert f"chunk 1: {text}" in nnfw("predict", "run", data()).err


def test_predictions_of_streamed_sequences_end_with_them(nnfw, shards, tmp_path, rng):
    found = {
        "tokens": rng.integers(0, 9, (100, 6)),
        "count": rng.integers(0, 7, 100),
        "kind": rng.normal(size=(100, 3)),
    }
    write(tmp_path / "shards", SIZES, found)
    layers = (
        '[[model.layers]]\ntype = "max_pool1d"\n[[model.layers]]\ntype = "dense"\nunits = 1\n[cost]\ntype = "mse"\n'
    )
    text = SEQUENCES[: SEQUENCES.index('[[model.layers]]\ntype = "time_pool"')] + layers
    shards.write_text(text + SEQUENCES[SEQUENCES.index("[optimizer]") :])
    trained = nnfw("train", str(shards), "--out", "run")
    assert trained.status == 0, trained.err
    streamed, loaded = (nnfw("predict", "run", data(stream=stream)) for stream in ("true", "false"))
    tables = []
    for result in (streamed, loaded):
        _, *rows = (line.split(",") for line in result.out.splitlines())
        assert [sum(map(bool, row)) for row in rows] == (found["count"] // 2).tolist()
        tables.append([float(cell) for row in rows for cell in row if cell])
    np.testing.assert_allclose(*tables, rtol=1e-4, atol=1e-6)
