"""``nnfw new-plugin``: which names it takes, what it writes, and that it writes all or nothing.

That the projects work is shown in tests/examples/test_distributions.py.
"""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from nnfw.cli.new_plugin import EQUATIONS, SORTS

FILES = {
    ".github/workflows/tests.yml",
    ".gitignore",
    "README.md",
    "example.toml",
    "pyproject.toml",
    "src/nnfw_two_words/__init__.py",
    "src/nnfw_two_words/plugin.py",
    "src/nnfw_two_words/two_words.py",
    "tests/test_two_words.py",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", SORTS)
def test_new_plugin_writes_a_project_without_gaps(nnfw, here, kind):
    result = nnfw("new-plugin", "nnfw-Two.Words", "--kind", kind)
    assert result.status == 0, result
    project = here / "nnfw-Two.Words"
    more = {"src/nnfw_two_words/operations.py", "src/nnfw_two_words/loops.py"} if kind == "operation" else set()
    assert files_below(project) == FILES | more
    for name in FILES | more:
        text = (project / name).read_text(encoding="utf-8")
        assert "$" not in text.replace("${{", ""), name
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
    table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert table["name"] == "nnfw-Two.Words"
    assert table["entry-points"] == {"nnfw": {"two_words": "nnfw_two_words.plugin"}}
    assert f"nnfw>={version('nnfw')}" in table["dependencies"]
    assert "class TwoWords(" in (project / "src/nnfw_two_words/two_words.py").read_text(encoding="utf-8")
    assert f"cd {Path('nnfw-Two.Words')}" in result.out


@pytest.mark.parametrize("kind", SORTS)
def test_linter_finds_nothing_in_a_new_project(nnfw, here, kind):
    assert nnfw("new-plugin", "nnfw-two-words", "--kind", kind).status == 0
    for arguments in (("check", "--isolated"), ("format", "--isolated", "--check", "--line-length", "120")):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "."], cwd=here, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nnfw swish", "'nnfw swish' is not a valid name of a distribution; use letters, digits and hyphens"),
        ("-swish", "No such option"),
        ("nnfw-swish-", "is not a valid name of a distribution"),
        ("../swish", "is not a valid name of a distribution"),
        ("nnfw-swïsh", "is not a valid name of a distribution"),
        ("", "'' is not a valid name of a distribution"),
        ("nnfw-3d", "'3d', from 'nnfw-3d', cannot name a component; begin with a letter, as in nnfw-swish."),
        ("nnfw-class", "'class', from 'nnfw-class', cannot name a component"),
        ("nnfw-plugin", "'plugin', from 'nnfw-plugin', cannot name a component"),
        ("nnfw-operations", "'operations', from 'nnfw-operations', cannot name a component"),
        ("nnfw", "a package 'nnfw' is already installed here; choose another name."),
        ("nnfw-standard", "a package 'nnfw_standard' is already installed here"),
        ("json", "a package 'json' is already installed here"),
        ("nnfw-tanh", "there is already an activation 'tanh' (built-in); choose another name."),
    ],
)
def test_name_that_cannot_be_is_refused(nnfw, here, name, message):
    result = nnfw("new-plugin", name)
    assert result.status == 2, result
    assert message in " ".join(result.err.split())
    assert list(here.iterdir()) == []


def test_unknown_kind_is_refused(nnfw, here):
    result = nnfw("new-plugin", "nnfw-swish", "--kind", "optimiser")
    assert result.status == 2
    assert "Unknown kind 'optimiser'. Did you mean 'optimizer'? Kinds: layer, merge, block, activation, " in result.err
    assert list(here.iterdir()) == []


def test_every_kind_has_an_equation():
    assert list(EQUATIONS) == list(SORTS)


def test_name_of_a_component_of_another_kind_is_free(nnfw, here):
    assert nnfw("new-plugin", "nnfw-tanh", "--kind", "cost").status == 0


def test_name_of_an_operation_that_is_there_is_refused_where_one_is_written(nnfw, here):
    assert nnfw("new-plugin", "nnfw-blend", "--kind", "activation").status == 0
    result = nnfw("new-plugin", "nnfw-blend", "--kind", "operation", "--out", "other")
    assert result.status == 2
    assert "there is already an operation 'blend' (built-in); choose another name." in " ".join(result.err.split())


def test_empty_directory_is_filled_and_parents_are_made(nnfw, here):
    (here / "empty").mkdir()
    assert nnfw("new-plugin", "nnfw-swish", "--out", "empty").status == 0
    assert nnfw("new-plugin", "nnfw-swish", "--out", "a/b/c").status == 0
    assert files_below(here / "empty") == files_below(here / "a/b/c") != set()


@pytest.mark.parametrize("content", ["file", "directory"])
def test_what_is_there_already_is_left_alone(nnfw, here, content):
    if content == "file":
        (here / "nnfw-swish").write_text("precious")
    else:
        (here / "nnfw-swish").mkdir()
        (here / "nnfw-swish" / "thesis.txt").write_text("precious")
    before = files_below(here)
    result = nnfw("new-plugin", "nnfw-swish")
    assert result.status == 2
    assert "nnfw-swish already exists and is not an empty directory. Choose another one with --out." in result.err
    assert files_below(here) == before


def test_nothing_half_written_stays(nnfw, here, monkeypatch):
    write_text = Path.write_text

    def fail_at_the_readme(self, *arguments, **options):
        if self.name == "README.md":
            raise OSError(28, "No space left on device", str(self))
        return write_text(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", fail_at_the_readme)
    result = nnfw("new-plugin", "nnfw-swish")
    assert result.status == 1
    assert "No space left on device" in result.err
    assert list(here.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_directory_that_may_not_be_written_is_named(nnfw, here):
    here.chmod(0o500)
    try:
        result = nnfw("new-plugin", "nnfw-swish")
    finally:
        here.chmod(0o700)
    assert result.status in (1, 2)
    assert "Permission denied" in result.err
