"""train, evaluate, predict, summary and assemble: what they print, where, and with which exit status."""

import gzip
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from nnfw.cli.main import main

XOR = """
name = "xor"
data = { source = "xor", split = { validation = 0.0, test = 0.0 } }
model = { layers = [{ type = "dense", units = 2, activation = "tanh" }, { type = "dense", units = 1 }] }
cost = { type = "mse" }
optimizer = { type = "sgd", learning_rate = 0.1 }
training = { epochs = 3, batch_size = 4 }
"""


@pytest.fixture
def xor(tmp_path, monkeypatch):
    """Return the path of a tiny experiment, in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "xor.toml"
    path.write_text(XOR.strip() + "\n")
    return path


@pytest.fixture
def run(xor, capsys):
    """Return the directory of a run of that experiment."""
    assert main(["train", "xor.toml", "--out", "run", "--quiet"]) == 0
    capsys.readouterr()
    return xor.parent / "run"


def refused(capsys, *arguments, status=2):
    """Run a command that must be refused; return what it says, after checking that it wrote nothing."""
    before = sorted(Path().rglob("*"))
    assert main(list(arguments)) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert sorted(Path().rglob("*")) == before
    return err


# --- what they print -----------------------------------------------------------------------------------------------


def test_train_prints_results_and_the_path_of_the_run(xor, capsys):
    assert main(["train", "xor.toml", "--out", "run"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split() == ["cost"]
    assert out.splitlines()[-1] == "Run: run"
    assert err == ""  # no terminal, no progress bar


def test_train_without_out_makes_a_directory_with_name_and_time(xor, capsys):
    assert main(["train", "xor.toml"]) == 0
    (directory,) = Path("runs").iterdir()
    assert directory.name.startswith("xor-2")
    assert f"Run: {directory}" in capsys.readouterr().out


def test_train_in_json_holds_run_and_results(xor, capsys):
    assert main(["train", "xor.toml", "--out", "run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"] == "run"
    assert found["epochs"] == 3
    assert set(found["results"]["training"]) == {"cost"}


def test_train_takes_overrides_and_writes_them_to_the_resolved_experiment(xor, capsys):
    assert (
        main(["train", "xor.toml", "--out", "run", "--set", "training.epochs=5", "--set", "model.layers[0].units=4"])
        == 0
    )
    resolved = tomllib.loads(Path("run/experiment.toml").read_text())
    assert resolved["training"]["epochs"] == 5
    assert resolved["model"]["layers"][0]["units"] == 4
    assert len(Path("run/metrics.jsonl").read_text().splitlines()) == 5


def test_train_reads_an_experiment_from_stdin(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "nnfw.cli.main", "train", "-", "--out", "run"],
        input=XOR,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run" / "model.nnfw").is_file()


def test_evaluate_prints_what_the_training_printed(xor, capsys):
    assert main(["train", "xor.toml", "--out", "run"]) == 0
    trained = capsys.readouterr().out.splitlines()
    assert main(["evaluate", "run"]) == 0
    assert capsys.readouterr().out.splitlines() == trained[:-1]


def test_evaluate_on_other_data(run, capsys):
    assert main(["evaluate", "run", "--data", "xor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["baseline"]["data"] == {"cost": 0.125}  # the mean of the labels, ½, for each of them
    assert set(found) == {"data", "baseline"}


def test_predict_of_a_table_from_stdin(run):
    result = subprocess.run(
        [sys.executable, "-m", "nnfw.cli.main", "predict", "run", "-"],
        input="x1,x2\n0,1\n1,1\n",
        cwd=run.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 3


def test_predict_of_an_array(xor, capsys):
    np.save("x.npy", np.array([[0.0, 1.0], [1.0, 1.0]]))
    np.save("y.npy", np.array([1.0, 0.0]))
    xor.write_text(XOR.replace('source = "xor"', 'source = { type = "npy", x = "x.npy", y = "y.npy" }'))
    assert main(["train", "xor.toml", "--out", "run"]) == 0
    capsys.readouterr()
    assert main(["predict", "run", "x.npy"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_predict_of_an_array_for_several_columns_is_refused(run, capsys):
    np.save("x.npy", np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert "the model takes 2 columns: x1, x2. Give it a table" in refused(capsys, "predict", "run", "x.npy")


def test_predict_of_a_table_takes_the_delimiter_of_the_run(xor, capsys):
    with_table(xor, "a;b;y\n1;2;3\n4;5;6\n")
    assert main(["train", "xor.toml", "--out", "run", "--set", "data.source.delimiter=;"]) == 0
    capsys.readouterr()
    assert main(["predict", "run", "t.csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert main(["evaluate", "run", "--data", "t.csv"]) == 0
    capsys.readouterr()
    assert "lacks the column 'a'" in refused(capsys, "predict", "run", "t.csv", "--delimiter", ",")


@pytest.mark.parametrize("delimiter", ["ab", "", '"', "\n"], ids=["two", "none", "quote", "newline"])
def test_delimiter_that_is_no_character_between_cells_is_refused(run, capsys, delimiter):
    assert r"a delimiter is one character, such as ';', or \t for a tab, got" in refused(
        capsys, "predict", "run", "xor", "--delimiter", delimiter
    )


def test_predict_of_a_dataset(run, capsys):
    assert main(["predict", "run", "xor", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 4


def test_predict_with_the_model_file_equals_predict_with_the_run(run, capsys):
    assert main(["predict", "run", "xor"]) == 0
    first = capsys.readouterr().out
    assert main(["predict", "run/model.nnfw", "xor"]) == 0
    assert capsys.readouterr().out == first


def test_summary_shows_layers_shapes_and_parameters(xor, capsys):
    assert main(["summary", "xor.toml"]) == 0
    out = capsys.readouterr().out
    assert "9 parameters" in out
    assert [line.split()[0] for line in out.splitlines()[1:4]] == ["input", "0", "1"]


def test_summary_in_json(xor, capsys):
    assert main(["summary", "xor.toml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == 9
    first = {"layer": "dense", "activation": "tanh", "output_shape": [2], "parameters": 6}
    assert found["layers"][0] == {"name": "0", "inputs": ["x"], **first, "share": None}


def test_summary_reads_no_data_unless_told_to(xor, capsys):
    xor.write_text(XOR.replace('source = "xor"', 'source = { type = "csv", path = "t.csv", target = "y" }'))
    assert "Set model.input_shape = [n], or read the data with" in refused(capsys, "summary", "xor.toml")
    assert main(["summary", "xor.toml", "--set", "model.input_shape=[2]"]) == 0
    Path("t.csv").write_text("a,b,y\n1,2,3\n4,5,6\n")
    capsys.readouterr()
    assert main(["summary", "xor.toml", "--read-data"]) == 0
    assert "9 parameters" in capsys.readouterr().out


ASSEMBLE = [
    "assemble",
    "--data",
    "xor",
    "--layer",
    "dense:units=2,activation=tanh",
    "--layer",
    "dense:units=1",
    "--cost",
    "mse",
    "--optimizer",
    "sgd:learning_rate=0.1",
    "--set",
    "data.split={validation=0.0,test=0.0}",
    "--epochs",
    "2",
]


def test_assemble_prints_an_experiment_that_trains(xor, capsys):
    assert main(ASSEMBLE) == 0
    out, err = capsys.readouterr()
    assert "9 parameters" in err
    Path("assembled.toml").write_text(out)
    assert main(["train", "assembled.toml", "--out", "run"]) == 0
    assert len(Path("run/metrics.jsonl").read_text().splitlines()) == 2


def test_assemble_writes_a_file_and_says_what_to_do_with_it(xor, capsys):
    assert main([*ASSEMBLE, "-o", "exp.toml"]) == 0
    out, err = capsys.readouterr()
    assert "9 parameters" in out
    assert "nnfw train exp.toml" in err
    assert tomllib.loads(Path("exp.toml").read_text())["model"]["layers"][0]["activation"] == "tanh"


def test_assemble_trains_at_once(xor, capsys):
    assert main([*ASSEMBLE, "--train", "--out", "run"]) == 0
    assert Path("run/model.nnfw").is_file()
    assert "Run: run" in capsys.readouterr().out


def test_assemble_from_a_table(xor, capsys):
    Path("t.csv").write_text("a,b,y\n" + "".join(f"{i},{i * i},{2 * i}\n" for i in range(20)))
    arguments = [
        "assemble",
        "--data",
        "t.csv",
        "--target",
        "y",
        "--layer",
        "dense:units=1",
        "--cost",
        "mse",
        "--optimizer",
        "sgd",
        "--transform",
        "standardize",
        "--metric",
        "r2",
        "--train",
        "--out",
        "run",
    ]
    assert main(arguments) == 0
    assert "r2" in capsys.readouterr().out


def test_assemble_writes_the_path_of_a_table_as_seen_from_the_file(xor, capsys):
    for folder in ("data", "experiments"):
        Path(folder).mkdir()
    Path("data/t.csv").write_text("a,b,y\n" + "".join(f"{i},{i * i},{2 * i}\n" for i in range(20)))
    arguments = ["assemble", "--target", "y", "--layer", "dense:units=1", "--cost", "mse", "--optimizer", "sgd"]
    arguments += ["--epochs", "1"]
    for data, path in (("data/t.csv", "../data/t.csv"), (str(Path("data/t.csv").absolute()),) * 2):
        assert main([*arguments, "--data", data, "-o", "experiments/exp.toml"]) == 0
        assert tomllib.loads(Path("experiments/exp.toml").read_text())["data"]["source"]["path"] == path
        assert main(["summary", "experiments/exp.toml", "--read-data"]) == 0
    assert main([*arguments, "--data", "data/t.csv", "--train", "--out", "run", "-o", "experiments/new.toml"]) == 0
    assert main([*arguments, "--data", "data/t.csv", "--train", "--out", "again"]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--layer", "dens:units=3"], "Unknown layer 'dens'. Did you mean 'dense'?"),
        (["--layer", "dense:unit=3"], "Did you mean 'units'"),
        (["--layer", "dense:units"], "units"),
        (["--layer", "dense:units=3,units=4"], "gives 'units' twice"),
        (["--data", "t.csv"], "name its target column with --target"),
    ],
    ids=["name", "option", "no-value", "twice", "target"],
)
def test_assemble_refuses_components_that_cannot_be(xor, capsys, change, message):
    assert message in refused(capsys, *ASSEMBLE, *change)


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("cost.type=msee", "Did you mean 'mse'"),
        ("cost.size=3", "cost.size is not an option"),
        ("optimizer.learning_rate=fast", "optimizer.learning_rate must be a number"),
        ("optimizer.learning_rate=true", "optimizer.learning_rate must be a number"),
        ("optimizer.learning_rate=-1", "optimizer.learning_rate must be greater than 0, got -1"),
        ("optimizer.learning_rate=nan", "optimizer.learning_rate must be"),
        ("optimizer.learning_rate=inf", "optimizer.learning_rate must be"),
        ("training.batch_size=0", "training.batch_size must be greater than or equal to 1, got 0"),
        ("training.epochs=1.5", "training.epochs must be a whole number"),
        ("model.layers[0].units=true", "model.layers[0].units must be a whole number"),
        ("model.layers[0].units=1000000000000000", "more than this machine"),
        ("model.layers[7].units=3", "model.layers[7]"),
        ("training", "Write"),
        ('training.metrics=["top_k_accuracy"]', "Metric 'top_k_accuracy' (built-in) does not fit network and labels"),
        (
            'training.callbacks=["early_stopping"]',
            "monitor must be a number that each epoch records, got 'validation_c",
        ),
        ('training.callbacks=[{type="csv_log",path="none/a.csv"}]', "none/a.csv cannot be written: No such file"),
        (
            'training.callbacks=["csv_log",{type="csv_log",path="/etc/a"}]',
            "path must lie in the directory of the train",
        ),
        ("data.source=xxor", "Did you mean 'xor'"),
    ],
)
def test_train_refuses_wrong_values(xor, capsys, override, message):
    assert message in refused(capsys, "train", "xor.toml", "--set", override)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "xor.toml: is empty"),
        (b"[training\n", "xor.toml:1: "),
        (b"seed = 1\nseed = 2\n", "xor.toml:2: "),
        (b'seed = 1\nname = "\xff"\n', "xor.toml:2: is not UTF-8"),
        (b"x = " + b"[" * 10_000 + b"]" * 10_000, "nested"),
        (b"# " + b"x" * 100_000_000, "1 MiB"),
        (b"seed = 1\n", "cost is missing"),
    ],
    ids=["empty", "syntax", "duplicate", "encoding", "nesting", "size", "incomplete"],
)
def test_train_refuses_files_that_are_no_experiment(xor, capsys, content, message):
    xor.write_bytes(content)
    assert message in refused(capsys, "train", "xor.toml")


def test_train_refuses_a_directory_and_a_missing_file(xor, capsys):
    assert "is a folder" in refused(capsys, "train", ".")
    assert "Did you mean 'xor.toml'" in refused(capsys, "train", "xr.toml")


def with_table(path, text, target="y", **changes):
    source = f'{{ type = "csv", path = "t.csv", target = "{target}" }}'
    path.write_text(XOR.replace('source = "xor"', f"source = {source}, transforms = []"))
    if text is not None:
        Path("t.csv").write_text(text)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "t.csv: there is no such file"),
        ("", "t.csv is empty"),
        ("a,b,y\n", "holds a header but no row"),
        ("a,b,y\n1,2,3\n1,2\n", "t.csv:3: expected 3 cells, as in the header, got 2"),
        ("a,b,y\n1,2,3\n1,old,3\n", "t.csv:3: column 'b': expected a number, got 'old'"),
        ("a,b,y\n1,,3\n1,2,4\n1,nan,5\n", "t.csv:2: column 'b': cells without a finite number: 2"),
        ("a,b,z\n1,2,3\n", "there is no column 'y'"),
        ("a,b,y\nred,2,3\nblue,3,4\n", "Add the transform 'one_hot'"),
    ],
    ids=["missing", "empty", "header-only", "ragged", "word", "nan", "target", "words"],
)
def test_train_refuses_tables_that_cannot_be_learned(xor, capsys, table, message):
    with_table(xor, table)
    assert message in refused(capsys, "train", "xor.toml", "--set", "data.transforms=[]")


def test_train_of_one_example_with_a_split_is_refused_and_without_one_is_done(xor, capsys):
    with_table(xor, "a,b,y\n1,2,3\n")
    assert "example" in refused(capsys, "train", "xor.toml", "--set", "data.split.test=0.5")
    assert main(["train", "xor.toml", "--out", "run"]) == 0


def test_train_refuses_labels_outside_the_classes(xor, capsys):
    with_table(xor, "a,b,y\n1,2,0\n1,2,1\n1,3,2\n")
    changes = [
        "--set",
        "cost.type=cross_entropy",
        "--set",
        'model.layers[1]={type="dense",units=2,activation="softmax"}',
    ]
    assert "outside the 2 classes" in refused(capsys, "train", "xor.toml", *changes)


def test_train_refuses_more_units_than_classes(xor, capsys):
    with_table(xor, "a,b,y\n1,2,red\n1,3,blue\n2,3,green\n")
    changes = ["--set", "cost.type=cross_entropy", "--set", "model.layers[1].units=6"]
    message = "Layer 1 'dense' (built-in) gives 6 outputs, but the target 'y' has 3 classes: blue, green, red."
    assert message in refused(capsys, "train", "xor.toml", *changes, "--set", "model.layers[1].activation=softmax")


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_train_refuses_pickled_objects_and_executes_nothing(xor, capsys):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([Harmful(), Harmful()]), allow_pickle=True)
    Path("x.npy").write_bytes(buffer.getvalue())
    Path("raw.npy").write_bytes(pickle.dumps(Harmful()))
    np.save("y.npy", np.zeros(2))
    for name in ("x.npy", "raw.npy"):
        xor.write_text(XOR.replace('source = "xor"', f'source = {{ type = "npy", x = "{name}", y = "y.npy" }}'))
        assert name in refused(capsys, "train", "xor.toml")
    assert not Path("executed").exists()


def test_train_refuses_arrays_of_different_lengths(xor, capsys):
    np.save("x.npy", np.zeros((3, 2)))
    np.save("y.npy", np.zeros(2))
    xor.write_text(XOR.replace('source = "xor"', 'source = { type = "npy", x = "x.npy", y = "y.npy" }'))
    assert "same length" in refused(capsys, "train", "xor.toml")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_train_refuses_an_idx_header_that_lies(xor, capsys, pack):
    Path("images").write_bytes(pack(struct.pack(">BBBBIII", 0, 0, 8, 3, 2**31, 2**10, 2**10) + b"\0" * 100))
    Path("labels").write_bytes(pack(struct.pack(">BBBBI", 0, 0, 8, 1, 100) + b"\0" * 100))
    xor.write_text(XOR.replace('source = "xor"', 'source = { type = "idx", images = "images", labels = "labels" }'))
    assert "images" in refused(capsys, "train", "xor.toml")


def test_train_refuses_layers_that_do_not_fit_and_names_both(xor, capsys):
    text = XOR.replace(
        '{ type = "dense", units = 1 }', '{ type = "reshape", shape = [2] }, { type = "simple_rnn", units = 1 }'
    )
    xor.write_text(text)
    err = refused(capsys, "train", "xor.toml")
    assert "Layer 2 'simple_rnn' (built-in)" in err
    assert "Layer 1 'reshape' (built-in)" in err


def test_train_refuses_a_directory_that_is_not_empty(run, capsys):
    assert "run already holds a run. Resume it: nnfw resume run, or" in refused(
        capsys, "train", "xor.toml", "--out", "run"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_train_refuses_a_directory_that_cannot_be_written(xor, capsys):
    locked = Path("locked")
    locked.mkdir(mode=0o500)
    assert "locked/run cannot be written" in refused(capsys, "train", "xor.toml", "--out", "locked/run")


def test_diverged_training_exits_1_and_writes_no_model(xor, capsys):
    arguments = [
        "train",
        "xor.toml",
        "--out",
        "run",
        "--set",
        "optimizer.learning_rate=1e30",
        "--set",
        "training.epochs=50",
    ]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Training diverged in epoch" in err
    assert "Layer" in err
    assert not Path("run/model.nnfw").exists()
    assert json.loads(Path("run/record.json").read_text())["status"] == "diverged"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "model.nnfw"),
        (lambda data: b"\x80\x04 no model", "model.nnfw"),
        (lambda data: b"", "model.nnfw"),
        (
            lambda data: data.replace(b'\\"format\\":1', b'\\"format\\":9').replace(
                b'\\"format\\": 1', b'\\"format\\": 9'
            ),
            "newer",
        ),
    ],
    ids=["truncated", "other", "empty", "future"],
)
def test_predict_refuses_damaged_model_files(run, capsys, damage, message):
    path = run / "model.nnfw"
    path.write_bytes(damage(path.read_bytes()))
    assert message in refused(capsys, "predict", "run", "xor")


def test_predict_refuses_what_is_no_run_and_no_model(xor, capsys):
    assert "nowhere" in refused(capsys, "predict", "nowhere", "xor")
    Path("empty").mkdir()
    assert "model.nnfw" in refused(capsys, "predict", "empty", "xor")


def test_evaluate_refuses_a_cost_without_data(run, capsys):
    assert "--cost and --metric go with --data" in refused(capsys, "evaluate", "run", "--cost", "mse")


@pytest.mark.parametrize("options", [[], ["--debug"]], ids=["message", "traceback"])
def test_path_that_commands_a_terminal_is_printed_as_an_escape(tmp_path, monkeypatch, capsys, options):
    monkeypatch.chdir(tmp_path)
    assert main([*options, "train", "a\x1b[2J.toml"]) == 2
    err = capsys.readouterr().err
    assert r"a\u001b[2J.toml" in err
    assert "\x1b" not in err


@pytest.mark.parametrize("delimiter", ["\t", r"\t"], ids=["tab", "escape"])
def test_delimiter_may_be_a_tab_or_its_escape(run, capsys, delimiter):
    Path("t.csv").write_text("x1\tx2\n0\t1\n")
    assert main(["predict", "run", "t.csv", "--delimiter", delimiter]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_table_with_another_delimiter_is_read(run, capsys):
    Path("t.csv").write_text("x1;x2;y\n0;1;1\n")
    assert main(["predict", "run", "t.csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("command", [["predict", "run", "t.csv"], ["evaluate", "run", "--data", "t.csv"]], ids=" ".join)
def test_table_with_another_delimiter_than_is_said_is_refused_with_a_hint(run, capsys, command):
    Path("t.csv").write_text("x1;x2;y\n0;1;1\n")
    error = refused(capsys, *command, "--delimiter", ",")
    assert "Its cells seem to be separated by ';': say so as the delimiter." in error
    assert error.count("lacks the column") == 1  # not once for each


def test_summary_of_very_many_layers_shows_the_first_and_the_last(xor, capsys):
    layers = ", ".join('{ type = "dense", units = 1 }' for _ in range(1000))
    xor.write_text(
        XOR.replace(
            '[{ type = "dense", units = 2, activation = "tanh" }, { type = "dense", units = 1 }]', f"[{layers}]"
        )
    )
    assert main(["summary", "xor.toml"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 403
    assert [rows[200].split()[0], rows[201].strip(), rows[202].split()[0]] == ["198", "(601 more)", "800"]
    assert rows[-2].split()[:2] == ["999", "dense"]


def test_train_tells_of_a_network_that_became_worse_and_the_page_shows_it(xor, capsys):
    changes = ["optimizer.type=sgd", "optimizer.learning_rate=1e6", "training.epochs=2", "training.callbacks=[]"]
    assert main(["train", "xor.toml", "--out", "run", *(part for text in changes for part in ("--set", text))]) == 0
    assert "before the training to" in (told := capsys.readouterr().err)
    assert "the model is worse than an untrained one" in " ".join(told.split())
    assert main(["report", "run"]) == 0
    assert "the model is worse than an untrained one" in Path("run", "report.html").read_text()


# cross-validation


def test_cross_validation_of_a_run_prints_folds_mean_and_spread(nnfw, run):
    result = nnfw("evaluate", str(run), "--cross-validation", "2")
    assert result.status == 0
    assert [line.split()[0] for line in result.out.splitlines()[1:]] == [
        "fold",
        "fold",
        "mean",
        "baseline",
        "spread",
        "random",
    ]
    assert result.err.startswith("Fold 1 of 2: cost ")
    table = json.loads((run / "cross-validation.json").read_text())
    assert json.loads(nnfw("evaluate", str(run), "--cross-validation", "2", "--json").out) == table


def test_evaluation_of_an_experiment_file_names_what_it_takes(run, capsys):
    text = " ".join(refused(capsys, "evaluate", "xor.toml").split())
    assert "xor.toml is an experiment file: train it first, or add --cross-validation K." in text


def test_cross_validation_of_other_data_is_refused(nnfw, run):
    result = nnfw("evaluate", str(run), "--cross-validation", "2", "--data", "x.csv")
    assert result.status == 2
    assert "--cross-validation trains on the experiment's own data; leave the others out." in " ".join(
        result.err.split()
    )


# thresholds, kept columns and files of predictions

CLASSES = """
data = { source = { type = "csv", path = "t.csv", target = "y", features = ["x"] }, split = { stratify = true } }
model = { layers = [{ type = "dense", units = 1, activation = "sigmoid" }] }
cost = { type = "binary_cross_entropy" }
optimizer = { type = "adam", learning_rate = 0.1 }
training = { epochs = 5, batch_size = 8 }
"""


@pytest.fixture
def classes(tmp_path, monkeypatch, capsys):
    """Return a run on a table with two classes, in the current directory."""
    monkeypatch.chdir(tmp_path)
    lines = [f"p{k:02},{k},{'high' if k % 40 > 24 else 'low'}" for k in range(80)]
    (tmp_path / "t.csv").write_text("id,x,y\n" + "\n".join(lines) + "\n")
    (tmp_path / "t.toml").write_text(CLASSES)
    assert main(["train", "t.toml", "--out", "run", "--quiet"]) == 0
    capsys.readouterr()
    return tmp_path / "run"


def test_threshold_is_chosen_stored_and_used(nnfw, classes):
    result = nnfw("evaluate", "run", "--threshold", "recall >= 0.5")
    assert result.status == 0
    assert [line.split()[0] for line in result.out.splitlines()[1:4]] == ["training", "validation", "test"]
    stored = json.loads((classes / "threshold.json").read_text())["threshold"]
    assert f"Threshold: {stored:.5g}, chosen for recall >= 0.5 on the validation data" in result.out
    found = json.loads(nnfw("evaluate", "run", "--threshold", "recall >= 0.5", "--json").out)
    assert (found["aim"], found["threshold"]) == ("recall >= 0.5", stored)
    for given in ("chosen", repr(stored)):
        rows = json.loads(nnfw("predict", "run", "t.csv", "--threshold", given, "--json").out)
        assert [row["label"] for row in rows] == [("high", "low")[row["probability_low"] > stored] for row in rows]


@pytest.mark.parametrize("given", ["2", "-0.1", "nan", "half"])
def test_threshold_that_is_no_share_is_refused(classes, capsys, given):
    message = f"a threshold is a number from 0 to 1, or 'chosen', got '{given}'."
    assert message in " ".join(refused(capsys, "predict", "run", "t.csv", "--threshold", given).split())


def test_threshold_that_was_not_chosen_is_refused(classes, capsys):
    text = refused(capsys, "predict", "run", "t.csv", "--threshold", "chosen")
    assert "run holds no threshold. Choose one: nnfw evaluate run --threshold f1" in text


def test_threshold_of_other_data_is_refused(classes, capsys):
    text = refused(capsys, "evaluate", "run", "--threshold", "f1", "--data", "t.csv")
    assert "--threshold is chosen on the run's own data; leave the others out." in " ".join(text.split())


def test_predictions_keep_columns_and_go_to_a_file(nnfw, classes):
    printed = nnfw("predict", "run", "t.csv", "--keep", "id, y").out
    assert printed.splitlines()[0] == "id,y,label,probability_high,probability_low"
    assert printed.splitlines()[1].startswith("p00,low,")
    result = nnfw("predict", "run", "t.csv", "--keep", "id,y", "-o", "found.csv")
    assert (result.out, result.err) == ("", "80 predictions: found.csv\n")
    assert Path("found.csv").read_text() == printed


def test_predictions_in_another_format_are_refused_before_any_work(classes, capsys):
    text = refused(capsys, "predict", "run", "nowhere.csv", "-o", "found.xlsx")
    assert "found.xlsx: predictions are written as .csv or .parquet." in text
