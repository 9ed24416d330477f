"""``nnfw generate``."""

import csv
from io import StringIO

import pytest

FILE = """
[data]
source = { type = "characters", path = "a.txt", length = 5 }
split = { validation = 0.2, test = 0.2, in_order = true }
transforms = ["index"]
[[model.layers]]
type = "embedding"
count = 4
width = 3
[[model.layers]]
type = "gru"
units = 3
states = "all"
[[model.layers]]
type = "dense"
units = 4
activation = "softmax"
[cost]
type = "token_cross_entropy"
[optimizer]
type = "adam"
[training]
metrics = ["accuracy"]
"""


@pytest.fixture
def run(nnfw, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("ab\ncab\nc" * 20)
    (tmp_path / "a.toml").write_text(FILE)
    result = nnfw("train", "a.toml", "--out", "run")
    assert result.status == 0, result.err
    return tmp_path / "run"


def test_generate_prints_the_prompt_and_so_many_characters(nnfw, run):
    first, again, other = (nnfw("generate", "run", "--prompt", "ab", "--length", "30", "--seed", s) for s in "112")
    assert (first.status, len(first.out), first.out[:2], first.out[-1]) == (0, 33, "ab", "\n")
    assert first.out == again.out != other.out


def test_generate_takes_a_model_file(nnfw, run):
    result = nnfw("generate", "run/model.nnfw", "--prompt", "a", "--length", "5", "--temperature", "0")
    assert (result.status, len(result.out)) == (0, 7)


def test_generate_unknown_character_is_wrong_use(nnfw, run):
    result = nnfw("generate", "run", "--prompt", "abx")
    assert (result.status, result.out) == (2, "")
    assert "The prompt holds 'x', which the model has never seen." in result.err


def test_generate_negative_temperature_is_wrong_use(nnfw, run):
    result = nnfw("generate", "run", "--prompt", "a", "--temperature", "-1")
    assert result.status == 2
    assert "--temperature" in result.err


def test_predict_prints_the_next_character_at_each_place(nnfw, run):
    result = nnfw("predict", "run", "characters:path=a.txt,length=5")
    header, *rows = csv.reader(StringIO(result.out))
    assert [name for name in header if "probability" not in name] == [f"label_{k}" for k in range(5)]
    assert len(rows) >= 31
    assert {len(row[0]) for row in rows} == {1}


def test_evaluate_of_another_text_uses_the_characters_of_the_training(nnfw, run):
    (run.parent / "b.txt").write_text("bcbcbcbc")
    result = nnfw("evaluate", "run", "--data", "characters:path=b.txt,length=5", "--json")
    assert result.status == 0, result.err
