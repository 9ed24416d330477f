"""Plugins as their authors publish them: real wheels, installed beside nnfw's into environments of their own."""

import json
import zipfile

import pytest

from nnfw.cli.main import main
from nnfw.cli.new_plugin import SORTS

pytestmark = pytest.mark.slow


def succeeded(result):
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_example_distribution_from_wheel_to_removal(environment, build, examples, tmp_path):
    project = examples / "nnfw-swish"
    environment.install(build(project))

    components = "activation or not keeps_the_rules"  # docs/update.py checks them all
    assert "passed" in succeeded(environment.run("python", "-m", "pytest", "-q", "-k", components, cwd=project))
    shown = json.loads(succeeded(environment.run("nnfw", "plugins", "--json", cwd=tmp_path)))
    assert "swish_gate" in json.dumps(shown)
    assert "*" in succeeded(environment.run("nnfw", "swish", cwd=tmp_path))

    trained = succeeded(environment.run("nnfw", "train", "swish.toml", "--out", str(tmp_path / "run"), cwd=project))
    assert "test" in trained
    succeeded(environment.run("nnfw", "gradcheck", "swish.toml", cwd=project))
    succeeded(environment.run("nnfw", "evaluate", str(tmp_path / "run"), cwd=tmp_path))

    environment.pip("uninstall", "--quiet", "--yes", "nnfw-swish")
    load = "import nnfw; nnfw.load('run/model.nnfw')"
    for command in (
        ("nnfw", "predict", "run", str(examples / "penguins.csv")),
        ("nnfw", "evaluate", "run"),
        ("python", "-c", load),
    ):
        result = environment.run(*command, cwd=tmp_path)
        assert result.returncode == (1 if command[0] == "python" else 2), result
        assert "nnfw-swish 0.1.0" in result.stderr
        assert "pip install nnfw-swish" in result.stderr
        assert ("Traceback" in result.stderr) == (command[0] == "python")
    assert environment.run("nnfw", "swish", cwd=tmp_path).returncode == 2


ONE = ("layer",)
"""Each takes seconds; the texts of all kinds are checked in tests/cli/test_new_plugin.py."""


@pytest.mark.parametrize("kinds", [ONE, pytest.param(SORTS, marks=pytest.mark.long)], ids=["one", "all"])
def test_new_project_passes_its_tests_at_once_and_trains(environment, tmp_path, kinds):
    projects = {kind: tmp_path / f"nnfw-first-{kind.replace('_', '-')}" for kind in kinds}
    for kind, project in projects.items():
        succeeded(environment.run("nnfw", "new-plugin", project.name, "--kind", kind, cwd=tmp_path))
    environment.install(*(word for project in projects.values() for word in ("--editable", project)))
    for kind, project in projects.items():
        assert "passed" in succeeded(environment.run("python", "-m", "pytest", "-q", cwd=project)), kind
        succeeded(environment.run("nnfw", "train", "example.toml", "--out", "run", cwd=project))
    if "activation" in projects:  # the same for all kinds, and what pytest has run already
        project = projects["activation"]
        shown = succeeded(environment.run("nnfw", "plugins", "--kind", "activation", cwd=project))
        assert "first_activation" in shown
        assert "first_activation" in succeeded(environment.run("nnfw", "show", "first_activation", cwd=project))
        assert "All checks passed." in succeeded(environment.run("nnfw", "check", project.name, cwd=project))
        imports = "import sys, nnfw_first_activation.plugin; print('numpy' in sys.modules)"
        assert succeeded(environment.run("python", "-c", imports, cwd=tmp_path)) == "False\n"


def test_wheel_of_a_new_project_holds_its_package_alone(build, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["new-plugin", "nnfw-first-try"]) == 0
    names = zipfile.ZipFile(build(tmp_path / "nnfw-first-try")).namelist()
    assert {name.partition("/")[0] for name in names} == {"nnfw_first_try", "nnfw_first_try-0.1.0.dist-info"}
