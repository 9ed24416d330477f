"""Labels of which an example has any number: thresholds on the command line."""

import pytest

TABLE = "x,red,blue\n" + "\n".join(f"{k % 7},{int(k % 7 > 3)},{int(k % 5 > 2)}" for k in range(60)) + "\n"
EXPERIMENT = """
data = { source = { type = "csv", path = "t.csv", target = ["red", "blue"] }, transforms = ["standardize"] }
model = { layers = [{ type = "dense", units = 2, activation = "sigmoid" }] }
cost = { type = "binary_cross_entropy" }
optimizer = { type = "adam", learning_rate = 0.1 }
training = { epochs = 3 }
"""


@pytest.fixture
def run(tmp_path, monkeypatch, nnfw):
    """Train on a table with two labels."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "t.toml").write_text(EXPERIMENT)
    assert nnfw("train", "t.toml", "--out", "run").status == 0
    return "run"


def test_each_label_is_predicted_with_its_probability(nnfw, run):
    assert nnfw("predict", run, "t.csv").out.startswith("red,blue,probability_red,probability_blue\n")
    rows = nnfw("predict", run, "t.csv", "--threshold", "red=0,blue=1").out.splitlines()[1:]
    assert {row[:3] for row in rows} == {"1,0"}
    assert {row[:3] for row in nnfw("predict", run, "t.csv", "--threshold", "0").out.splitlines()[1:]} == {"1,1"}


def test_thresholds_are_chosen_for_each_label(nnfw, run):
    told = nnfw("evaluate", run, "--threshold", "f1").out
    assert "Threshold of 'red': " in told
    assert "Threshold of 'blue': " in told
    assert nnfw("predict", run, "t.csv", "--threshold", "chosen").status == 0
    assert '"threshold": {' in nnfw("evaluate", run, "--threshold", "f1", "--json").out


@pytest.mark.parametrize("given", ["red=2", "red=", "red=0.5,blue", "2"])
def test_what_is_no_number_from_0_to_1_is_refused(nnfw, run, given):
    refused = nnfw("predict", run, "t.csv", "--threshold", given)
    assert refused.status == 2
    assert "a threshold is a number from 0 to 1, or 'chosen', got '" in " ".join(refused.err.replace("│", "").split())


def test_unknown_label_is_refused(nnfw, run):
    refused = nnfw("predict", run, "t.csv", "--threshold", "rd=0.5")
    assert refused.err.startswith("error: There is no label 'rd' for a threshold. Did you mean 'red'?")
