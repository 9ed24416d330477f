"""``nnfw train`` and what follows it, with a stranger's transform that takes missing numbers."""

import json

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
