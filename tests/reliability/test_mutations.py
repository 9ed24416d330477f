"""Mutated files give a result or an error of nnfw; and whoever judges that notices everything else."""

import importlib.util
import os
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import nnfw

SCRIPT = Path(__file__).parent / "mutations.py"


@pytest.fixture(scope="module")
def mutations():
    spec = importlib.util.spec_from_file_location("reliability_mutations", SCRIPT)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("count", [3_000, pytest.param(40_000, marks=pytest.mark.long)])
def test_mutated_files_give_results_and_errors_of_nnfw_alone(mutations, count):
    result = subprocess.run(
        [sys.executable, str(SCRIPT), "--count", str(count), "--workers", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    rows = {
        row[0]: list(map(int, row[1:5]))
        for row in re.findall(r"^([\w-]+) +(\d+) +(\d+) +(\d+) +(\d+) ", result.stdout, re.M)
    }
    assert set(rows) == set(mutations.KINDS)
    assert sum(files for files, *_ in rows.values()) == count
    for kind, (_, used, refused, failures) in rows.items():
        assert used > 0 or kind == "model"  # nearly every change of a model is noticed: see forged models
        assert refused > 0
        assert failures == 0
    assert "single bits flipped in arrays: 1000 of 1000 noticed" in result.stdout


def use(path):
    """Use a file rightly."""
    path.read_bytes()


def refuse(path):
    raise nnfw.DataError("no")


def fail(path):
    {}["key"]


def end(path):
    sys.exit(1)


def warn(path):
    warnings.warn("careful", stacklevel=1)


def open_another(path):
    Path(__file__).parents[1].joinpath("storage", "golden", "model-1.nnfw").read_bytes()


def write(path):
    path.write_bytes(b"")


def make(path):
    path.with_name("folder").mkdir()


def open_to_write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))


def unpickle(path):
    pickle.loads(pickle.dumps(Path))


def refuse_without_a_word(path):
    raise nnfw.DataError("")


def refuse_at_length(path):
    raise nnfw.DataError("no\n" * 20_000)  # a single line would be cut


def start(path):
    subprocess.run([sys.executable, "-V"], capture_output=True, check=True)


@pytest.mark.parametrize(
    ("use", "result"),
    [
        (use, "^used$"),
        (refuse, "^refused$"),
        (fail, r"^KeyError: 'key' \(test_mutations\.py:\d+\)$"),
        (end, "^SystemExit: 1 "),
        (warn, "^UserWarning: careful "),
        (open_another, r"^it opened .*model-1\.nnfw$"),
        (write, r"^it opened .*file$"),
        (make, r"^it os\.mkdir "),
        (open_to_write, r"^it opened .*file$"),
        (unpickle, r"^it pickle\.find_class "),
        (refuse_without_a_word, "^a message of 0 characters$"),
        (refuse_at_length, "^a message of 60000 characters$"),
        (start, r"^it (opened /dev/null|subprocess\.Popen )"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_comes_of_a_file_is_judged(mutations, tmp_path, use, result):
    (tmp_path / "file").write_bytes(b"content")
    assert re.search(result, mutations.read_one(use, tmp_path / "file"))


def test_failure_is_reported(mutations, capsys):
    outcomes = [mutations.Outcome(0, "csv", "used", 0.1, 3), mutations.Outcome(1, "csv", "KeyError: 7", 0.2, 3)]
    assert mutations.report(outcomes) == outcomes[1:]
    assert "FAILURE 1 (csv, 3 bytes): KeyError: 7" in capsys.readouterr().out


def test_mutated_file_is_the_same_for_the_same_seed(mutations):
    names = list(mutations.KINDS)
    assert [mutations.mutated(index, 7, names) for index in range(40)] == [
        mutations.mutated(index, 7, names) for index in range(40)
    ]
    assert mutations.mutated(3, 7, names) != mutations.mutated(3, 8, names)


def test_forged_files_reach_what_is_behind_the_checksums(mutations, tmp_path):
    messages = []
    for index in range(300):
        _, content = mutations.mutated(index, 1, ["forged-model"])
        (tmp_path / "file").write_bytes(content)
        try:
            nnfw.load(tmp_path / "file")
        except nnfw.NnfwError as error:
            messages.append(str(error))
    assert sum("is no model that can be built here" in message for message in messages) > 100
    for part in ("layers[", "preprocessing.", "the fitted ", "is not finite|are not finite"):
        assert any(re.search(part.replace("[", r"\["), message) for message in messages)
