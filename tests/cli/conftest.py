"""Running ``nnfw``, in this process or in one of its own, with plugins that are installed for one test."""

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from nnfw.cli.main import main
from nnfw.plugins import Registry


class Result(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def nnfw(capsys):
    """Return a function that runs the command line in this process."""

    def run(*arguments):
        capsys.readouterr()
        status = main(arguments)
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture
def program():
    """Return a function that runs the command line in a process of its own."""

    def run(*arguments, **variables):
        command = [sys.executable, "-m", "nnfw.cli.main", *arguments]
        environment = {**os.environ, **variables}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
        return Result(result.returncode, result.stdout, result.stderr)

    return run


@pytest.fixture
def install(monkeypatch):
    """Return a function that puts folders with distributions on the path, for one test."""
    for variable in ("NNFW_PLUGINS", "NNFW_STRICT_PLUGINS", "NNFW_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    before = set(sys.modules)
    folders = []

    def put_on_path(*paths):
        for path in reversed(paths):
            monkeypatch.syspath_prepend(path)
        folders.extend(map(Path, paths))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))
        monkeypatch.setattr("nnfw.plugins.registry._discovered", functools.cache(Registry.discover))

    yield put_on_path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and any(folder in Path(file).parents for folder in folders):
            del sys.modules[name]


@pytest.fixture
def make(install, tmp_path):
    """Return a function that installs a distribution with the given declarations; other modules may go along."""

    def make_distribution(name, *, components="", commands="", operations="", readers="", **modules):
        module = name.replace("-", "_")
        info = tmp_path / name / f"{module}-0.1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[nnfw]\n{module} = {module}\n")
        hooks = "from nnfw.plugins import CommandSpec, ComponentSpec, OperationSpec, TableReaderSpec, hookimpl\n"
        declared = (
            ("nnfw_components", components),
            ("nnfw_commands", commands),
            ("nnfw_operations", operations),
            ("nnfw_table_readers", readers),
        )
        for hook, specs in declared:
            hooks += f"@hookimpl\ndef {hook}():\n    return [{specs}]\n"
        for each, text in {module: hooks, **modules}.items():
            (tmp_path / name / f"{each}.py").write_text(text)
        install(tmp_path / name)

    return make_distribution
