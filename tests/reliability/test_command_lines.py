"""Random command lines end with a known status and without a traceback; and whoever judges that notices others."""

import importlib.util
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SCRIPT = Path(__file__).parent / "command_lines.py"
spec = importlib.util.spec_from_file_location("reliability_command_lines", SCRIPT)
lines = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lines)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    lines.make_files(folder)
    return folder


@settings(deadline=None, max_examples=75)
@given(rng=st.randoms(use_true_random=False))
def test_random_line_ends_with_a_known_status_and_without_a_traceback(rng, files):
    words = lines.line(rng)
    with lines.copied(files) as folder:
        outcome = lines.run_here(words, folder)
    assert not outcome.problem, outcome


@pytest.mark.parametrize("seed", range(5))
def test_random_line_in_a_process_of_its_own_ends_likewise(seed, files):
    with lines.copied(files) as folder:
        outcome = lines.run_process(lines.line(random.Random(seed)), folder)
    assert not outcome.problem, outcome


@pytest.mark.parametrize("line", lines.GOOD)
def test_line_that_others_are_made_from_works(line, files):
    with lines.copied(files) as folder:
        outcome = lines.run_here(line.split(), folder)
    assert outcome.status == 0, outcome


def test_random_lines_are_of_every_command():
    drawn = [lines.line(random.Random(seed)) for seed in range(3000)]
    for name, options in lines.options().items():
        mine = {word.partition("=")[0] for words in drawn if words[0] == name for word in words}
        assert mine
        assert not options or mine & {form for forms in options for form in forms}


@pytest.mark.parametrize(
    ("status", "messages", "problem"),
    [
        (0, "", ""),
        (130, "interrupted\n", ""),
        (2, "error: there is no such file", ""),
        (3, "", "ended with 3"),
        ("SystemExit(1)", "", "ended with SystemExit(1)"),
        (1, "nnfw: internal error: ZeroDivisionError", "internal error"),
        (1, "Traceback (most recent call last):\n", "traceback"),
    ],
)
def test_what_comes_of_a_line_is_judged(status, messages, problem):
    assert lines.Outcome(["train"], status, messages).problem == problem


def test_error_that_no_command_expects_is_found(files, monkeypatch):
    monkeypatch.setattr("nnfw.experiments.read_experiment", lambda *given: 1 / 0)
    outcome = lines.run_here(["summary", "small.toml"], files)
    assert (outcome.status, outcome.problem) == (1, "internal error")


def test_lines_beside_a_hostile_run_write_nothing_outside(files):
    assert lines.hostile_lines(files, 40, seed=1) == 0


def test_line_that_writes_outside_of_a_hostile_run_is_noticed(files, monkeypatch):
    def follow(words, folder):
        for path in (folder / "run").iterdir():
            if path.is_symlink() and not path.is_dir():
                path.write_text("poison")
        return lines.Outcome(words, 0, "")

    monkeypatch.setattr(lines, "run_here", follow)
    assert lines.hostile_lines(files, 10, seed=1) > 5
