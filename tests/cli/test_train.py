"""``nnfw train`` and what follows it, with a stranger's transform that takes missing numbers."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

import nnfw as library

IMPUTE = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import nnfw


@dataclass(frozen=True)
class Impute(nnfw.Transform):
    columns: tuple[str, ...] | None = None
    accepts: ClassVar[str] = "numeric"
    takes_missing: ClassVar[bool] = True

    def fit(self, column):
        return {"median": np.nanmedian(column, axis=0).tolist()}

    def apply(self, column, fitted):
        missing = np.isnan(column)
        return np.stack([np.where(missing, np.asarray(fitted["median"]), column), missing], axis=-1)

    def invert(self, column, fitted):
        return column[..., 0]
"""
EXPERIMENT = """
data = { source = { type = "csv", path = "t.csv", target = "kind" }, transforms = ["impute", "one_hot"] }
model = { layers = [{ type = "dense", units = 2, activation = "softmax" }] }
cost = { type = "cross_entropy" }
optimizer = { type = "adam", learning_rate = 0.05 }
training = { epochs = 5, batch_size = 8 }
"""
NEW = "width,colour,height\n,red,1\n0.5,blue,NA\n"


@pytest.fixture
def here(make, tmp_path, monkeypatch, rng):
    """The current directory, with an experiment whose table lacks numbers, and the plugin that fills them."""
    make("fake-impute", components='ComponentSpec("transform", "impute", "fake_fill:Impute", "s")', fake_fill=IMPUTE)
    monkeypatch.chdir(tmp_path)
    rows = ["width,colour,kind,height"]
    for k in range(60):
        width, height = (f"{rng.normal():.4f}" if rng.random() > 0.2 else "NA" for _ in range(2))
        rows.append(f"{width},{'red' if k % 3 else 'blue'},{'big' if k % 2 else 'small'},{height}")
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "t.toml").write_text(EXPERIMENT)
    return tmp_path


def test_train_and_predict_with_missing_numbers(here, nnfw):
    assert nnfw("train", "t.toml", "--out", "run", "--quiet").status == 0
    (here / "new.csv").write_text(NEW)
    result = nnfw("predict", "run", "new.csv", "--json")
    assert (result.status, result.err) == (0, "")
    model = library.load(here / "run" / "model.nnfw")
    medians = [column.steps[0].fitted["median"] for column in model.preprocessing.columns if column.kind == "numeric"]
    x = np.array([[medians[0], 1, 0, 1, 1, 0], [0.5, 0, 1, 0, medians[1], 1]])
    found = [row["probability_big"] for row in json.loads(result.out)]
    np.testing.assert_allclose(found, model.predict(x)[:, 0], rtol=1e-5)
    assert nnfw("evaluate", "run").status == 0
    assert nnfw("evaluate", "run", "--data", "t.csv").status == 0


def test_train_names_the_line_of_missing_numbers_that_no_transform_takes(here, nnfw):
    result = nnfw("train", "t.toml", "--out", "run", "--set", 'data.transforms=["one_hot","standardize","impute"]')
    assert result.status == 2
    for name in ("width", "height"):
        assert f"column '{name}': cells without a finite number: " in result.err
    assert not (here / "run").exists()


def test_evaluate_names_the_line_of_missing_numbers_that_the_model_cannot_take(here, nnfw):
    changes = ["--set", 'data.transforms=["one_hot"]', "--set", 'data.source.path="full.csv"']
    rows = "1,red,big,2\n2,blue,small,3\n3,red,big,4\n" * 5
    (here / "full.csv").write_text(f"width,colour,kind,height\n{rows}")
    assert nnfw("train", "t.toml", "--out", "full", "--quiet", *changes).status == 0
    result = nnfw("evaluate", "full", "--data", "csv:path=t.csv,target=kind")
    assert result.status == 2
    assert "t.csv:" in result.err
    assert "column 'width': cells without a finite number: " in result.err


TABLE = """
data = {{ source = {{ type = "csv", path = "t.csv", target = "kind" }}, transforms = {transforms}{split} }}
model = {{ layers = [{{ type = "dense", units = 2, activation = "softmax" }}] }}
cost = {{ type = "cross_entropy" }}
optimizer = {{ type = "adam", learning_rate = 0.05 }}
training = {{ {training} }}
"""


@pytest.fixture
def table(tmp_path, monkeypatch, rng):
    """Write a table and an experiment for it, with other columns and another section [training]."""
    monkeypatch.chdir(tmp_path)

    def written(training="epochs = 1", split="", rows=60, **columns):
        columns = {"width": [f"{value:.3f}" for value in rng.normal(size=rows)], **columns}
        columns.setdefault("kind", [("big", "small")[k % 2] for k in range(rows)])
        lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
        (tmp_path / "t.toml").write_text(
            TABLE.format(training=training, split=split, transforms='["standardize", "one_hot"]')
        )
        return "t.toml"

    return written


def test_train_shows_the_columns_of_a_table_first(table, nnfw):
    result = nnfw(
        "train", table(colour=["red", "blue", ""] * 20, day=["2020-01-01", "2020-02-03"] * 30), "--out", "run"
    )
    lines = [line.split("  ") for line in result.err.splitlines()]
    assert lines[0] == ["t.csv: 60 rows and 4 columns; cells between commas."]
    assert lines[1][0] == "column"
    assert lines[3][0] == "colour"
    assert [cell.strip() for cell in lines[3] if cell.strip()] == ["colour", "words", "20", "2", "'red', 'blue'"]
    assert lines[4][-1] == "dates: the transform date makes numbers of them"
    assert lines[5][-1] == "the target: 2 classes"
    for quiet in ("--quiet", "--json"):
        assert "rows and" not in nnfw("train", "t.toml", "--out", quiet.strip("-"), quiet).err


def test_train_shows_of_a_wide_table_what_is_odd_and_some_more(table, nnfw):
    wide = {f"c{k}": [k * row % 7 for row in range(60)] for k in range(50)}
    odd = {"code": ["01", "02"] * 30}
    lines = nnfw("train", table(**wide, **odd), "--out", "run").err.splitlines()
    names = [line.split(" ")[0] for line in lines[2:32]]
    assert names == ["width", *(f"c{k}" for k in range(27)), "code", "kind"]
    assert lines[32] == "and 23 more columns, which nnfw inspect shows"


def test_train_tells_what_makes_its_results_doubtful(table, nnfw):
    copies = {"width": [f"{k % 30 / 7:.4f}" for k in range(60)], "copy": ["uv"[k % 2] for k in range(60)]}
    told = nnfw("train", table(**copies), "--out", "run", "--quiet").err
    assert "t.csv: column 'copy' determines the target exactly." in told
    assert "are also in the training part, so the results there are too good." in told
    assert nnfw("evaluate", "run").err == ""


def test_train_of_a_target_that_is_the_same_in_all_training_rows_is_refused(table, nnfw):
    kinds = ["big"] * 42 + ["small"] * 18
    result = nnfw("train", table(kind=kinds, split=", split = { in_order = true }"), "--out", "run", "--quiet")
    text = "error: t.csv: the target 'kind' is always the same in the training part, so there is nothing to learn.\n"
    assert (result.status, result.err) == (2, text)


def test_train_without_epochs_says_how_many_and_records_them(table, nnfw):
    result = nnfw("train", table(training="batch_size = 8"), "--out", "run", "--quiet")
    assert "training.epochs is not given: 200 epochs, and fewer if the validation cost stops falling.\n" in result.err
    record = tomllib.loads(Path("run", "experiment.toml").read_text())["training"]
    assert record["epochs"] == 200
    assert [(each["type"], each["patience"]) for each in record["callbacks"]] == [("early_stopping", 40)]
    assert nnfw("reproduce", "run", "--quiet").out.startswith("Bit-equal")
    assert nnfw("train", "t.toml", "--verify-resume").status == 0
    split = ", split = { validation = 0.0 }"
    told = nnfw("train", table(training="batch_size = 8", split=split), "--out", "other", "--quiet").err
    assert told == "training.epochs is not given: 200 epochs.\n"
