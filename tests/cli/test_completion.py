"""Completion: what the shell asks, and what it gets."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from nnfw.cli.completion import complete_components, complete_kinds
from nnfw.protocols import KINDS

DISTRIBUTIONS = Path(__file__).parents[1] / "data" / "distributions"


@pytest.fixture
def complete(nnfw, monkeypatch):
    """Return a function that asks as bash does, with the line's words as bash cuts them, the last at the cursor."""

    def ask(*words):
        monkeypatch.setenv("_NNFW_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(("nnfw", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        status, out, err = nnfw()
        assert err == ""
        return status, out.split()

    return ask


# Names


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pl"], ["plugins"]),
        (["show", "de"], ["dense"]),
        (["show", "ms"], ["mse"]),
        (["show", "--kind", "metric", "mae"], ["mae"]),
        (["show", "cost", ":", "m"], ["mae", "mse"]),
        (["show", "nnfw", ":", "den"], ["dense"]),
        (["show", "zzz"], []),
        (["plugins", "--kind", "me"], ["metric"]),
        (["plugins", "--kind", "=", "me"], ["metric"]),
        (["assemble", "--layer", "de"], ["dense"]),
        (["assemble", "--layer", "=", "de"], ["dense"]),
        (["assemble", "--layer", "dense", ":", "units", "=", "3", "--cost", "hu"], ["huber"]),
        (["plugins", "--js"], ["--json"]),
    ],
    ids=" ".join,
)
def test_completion_of_names(complete, words, expected):
    assert complete(*words) == (0, expected)


def test_completion_of_nothing_lists_the_commands(complete):
    status, found = complete("")
    assert status == 0
    assert found[:3] == ["train", "resume", "evaluate"]
    assert {"plugins", "show", "doctor"} < set(found)


def test_completion_of_kinds_lists_all():
    assert [kind for kind, _ in complete_kinds("")] == list(KINDS)


def test_completion_knows_plugins_and_their_commands(install, complete):
    install(DISTRIBUTIONS / "healthy", DISTRIBUTIONS / "commands")
    assert complete("show", "swis") == (0, ["swish"])
    assert complete("show", "fake-swish", ":", "") == (0, [])  # a space ends the word
    assert complete("show", "fake-swish", ":") == (0, ["amplify", "swish"])
    assert complete("plo") == (0, ["plot-cost"])
    assert "fake_swish.swish" not in sys.modules


# Options of a component


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["dense", ":"], ["units=", "activation=", "bias=", "weight_initializer=", "bias_initializer="]),
        (["dense", ":", "un"], ["units="]),
        (["dense", ":", "units", "=", "8,act"], ["8,activation="]),
        (["dense", ":", "units", "=", "8,un"], []),
        (["dense", ":", "units", "=", "8,activation", "=", "softm"], ["softmax"]),
        (["dense", ":", "bias", "=", "f"], ["false"]),
        (["nnfw", ":", "dense", ":", "un"], ["units="]),
        (["--layer", "=", "dense", ":", "un"], ["units="]),
        (["dense:un"], ["dense:units="]),
        (["dense", ":", "nothing", "=", "x"], []),
    ],
    ids=" ".join,
)
def test_completion_of_options_returns_what_bash_replaces(complete, words, expected):
    before = [] if words[0] == "--layer" else ["--layer"]
    assert complete("assemble", *before, *words) == (0, expected)


def test_completion_of_options_tells_their_type():
    assert complete_components("layer")("dense:un") == [("dense:units=", "whole number ≥ 1")]


def test_meaning_of_a_candidate_is_escaped_for_typer():
    assert complete_components("transform")("min") == [("min_max", r"linear onto \[low, high]")]


# When something is wrong


def test_completion_of_a_component_that_cannot_be_imported_says_nothing(make, complete):
    make("nnfw-a", components='ComponentSpec("layer", "ripple", "nnfw_a_ripple:Ripple", "s")', nnfw_a_ripple="1 / 0")
    assert complete("assemble", "--layer", "rip") == (0, ["ripple"])
    assert complete("assemble", "--layer", "ripple", ":") == (1, [])


def test_completion_for_an_unknown_kind_says_nothing(complete):
    assert complete("show", "--kind", "layr", "d") == (1, [])


def test_completion_keeps_what_imports_print_to_itself(make, complete):
    source = "print('noise')\nfrom nnfw_standard import Flatten as Noisy\n"
    make("nnfw-a", components='ComponentSpec("layer", "noisy", "nnfw_a_noisy:Noisy", "s")', nnfw_a_noisy=source)
    assert complete("assemble", "--layer", "noisy", ":") == (0, [])


def test_completion_in_strict_mode_with_a_broken_plugin_says_nothing(install, complete, monkeypatch):
    install(DISTRIBUTIONS / "import_error")
    monkeypatch.setenv("NNFW_STRICT_PLUGINS", "1")
    assert complete("show", "de") == (1, [])


# Real shells


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_of_each_shell_is_there(program, shell):
    status, out, err = program("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert (status, err) == (0, "")
    assert f"_NNFW_COMPLETE=complete_{shell}" in out


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["show", "leak"], ["leaky_relu"]),
        (["assemble", "--layer", "dense", ":", "un"], ["units="]),
    ],
    ids=["name", "option"],
)
def test_completion_in_bash(tmp_path, words, expected):
    nnfw = tmp_path / "nnfw"
    nnfw.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nnfw.cli.main "$@"\n')
    nnfw.chmod(0o755)
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
        eval "$(nnfw --show-completion bash)"
        COMP_WORDS=(nnfw {quoted})
        COMP_CWORD={len(words)}
        _nnfw_completion nnfw
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    variables = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    result = subprocess.run(
        ["bash", "--norc", "-c", textwrap.dedent(script)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == expected
    assert result.stderr == ""


def test_completion_in_zsh_shows_names_and_meanings(program):
    status, out, _ = program(_NNFW_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="nnfw assemble --transform min")
    assert status == 0
    assert out == """_arguments '*: :(("min_max":"linear onto [low, high]"))'\n"""


def test_completion_in_fish_shows_names_and_meanings(program):
    variables = {"_TYPER_COMPLETE_ARGS": "nnfw assemble --layer den", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    status, out, _ = program(_NNFW_COMPLETE="complete_fish", **variables)
    assert (status, out) == (0, "dense\tz = a w^T + b\n")
