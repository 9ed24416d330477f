"""The rules of the house that tools can check: format, lint, types, direction of imports, and what the project says."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("framework", "plugins") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        pytest.param(("mypy",), marks=pytest.mark.slow),
        ("importlinter.cli", "lint-imports"),
    ],
    ids=["ruff-check", "ruff-format", "mypy", "import-linter"],
)
def test_house_tool_finds_nothing(command):
    name, *arguments = command
    program = [sys.executable, "-m", name, *arguments]
    if name == "importlinter.cli":
        program = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    result = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


EXECUTING_MODULES = {
    *("pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "runpy", "code", "codeop"),
    *("builtins", "ctypes", "cffi", "zipimport", "imp"),
}
EXECUTING_CALLS = {"eval", "exec", "compile", "__import__", "__builtins__"}
IMPORTING_CALLS = ("import_module", "entry_points", "exec_module", "load_module", "spec_from_file_location")
LOADERS = (
    "framework/nnfw/plugins/",
    "framework/nnfw/cli/commands.py",
    "framework/nnfw/cli/doctor.py",
    "framework/nnfw/conformance/import_probe.py",
    "framework/nnfw/conformance/subjects.py",
    "plugins/nnfw_numba/library.py",
)
"""Where modules are imported by name: those that a distribution declares as its plugin or as the body of an operation,
and our own lists."""
ALLOWED = {
    "framework/nnfw/conformance/common.py": {"pickle", "pickle.loads", "pickle.dumps"},
    "framework/nnfw/machine/threads.py": {"ctypes"},
}
"""Where a pickle is read that was written one call before, and where functions of a BLAS are called that is loaded."""


def executions(source, loads=False):
    """Yield what a source could execute that stands in a file; a loader of plugins may import modules by name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (name for name in names if name.partition(".")[0] in EXECUTING_MODULES)
            if names == ["numpy"] and any(alias.name == "load" for alias in node.names):
                yield "numpy.load under another name"
        if isinstance(node, ast.Name) and node.id in EXECUTING_CALLS:
            yield node.id
        if not isinstance(node, ast.Call):
            continue
        *owner, name = ast.unparse(node.func).split(".")
        if (name in EXECUTING_CALLS and owner in ([], ["builtins"])) or set(owner) & EXECUTING_MODULES:
            yield ast.unparse(node.func)
        if name in IMPORTING_CALLS and not loads:
            yield ast.unparse(node.func)
        for keyword in node.keywords:
            if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False":
                yield ast.unparse(node)
        if name == "load" and owner in (["np"], ["numpy"]) and "allow_pickle=False" not in ast.unparse(node):
            yield ast.unparse(node)


def test_sources_are_those_of_both_roots():
    roots = {path.relative_to(ROOT).parts[:2] for path in SOURCES}
    framework = {("framework", "nnfw"), ("framework", "nnfw_start.py")}
    assert roots == {*framework, *(("plugins", path.name) for path in (ROOT / "plugins").glob("nnfw_*"))}


def test_sources_execute_nothing_from_files():
    texts = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in SOURCES}
    found = {name: {*executions(text, name.startswith(LOADERS))} for name, text in texts.items()}
    wrong = [f"{name}: {what}" for name, calls in found.items() for what in calls - ALLOWED.get(name, set())]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, marshal as m",
        "from pickle import loads",
        "from shelve import open",
        "eval(text)",
        "map(eval, texts)",
        "run = exec",
        "from numpy import load",
        "import ctypes",
        "spec_from_file_location(name, path)",
        "builtins.eval(text)",
        "__builtins__['eval'](text)",
        "marshal.loads(content)",
        "exec(content)",
        "__import__(name)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, mmap_mode='r', allow_pickle=trusted)",
        "write_array(file, array, allow_pickle=True)",
        "importlib.import_module(name)",
        "import_module(name)",
    ],
)
def test_source_that_executes_is_recognised(source):
    assert list(executions(source)) != []


@pytest.mark.parametrize(
    "source",
    ["import re\nre.compile(pattern)", "np.load(path, allow_pickle=False)", "from nnfw import load\nload(path)"],
    ids=["re", "numpy", "model"],
)
def test_source_that_executes_nothing_is_none(source):
    assert list(executions(source)) == []


GATHERING = {"History", "Traces", "TrainingState", "_Bar", "_Scope", "NNClassifier", "NNRegressor", "Network"}
"""Dataclasses that change: records of what happens, and estimators, whose parameters are set."""


def test_dataclasses_are_frozen_but_for_those_that_gather():
    changing = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            decorators = [ast.unparse(each) for each in getattr(node, "decorator_list", ())]
            if any(each.startswith("dataclass") and "frozen=True" not in each for each in decorators):
                changing.add(node.name)
    assert changing == GATHERING


def test_loader_of_plugins_may_import_by_name_but_not_unpickle():
    assert list(executions("import_module(name)", loads=True)) == []
    assert list(executions("pickle.loads(content)", loads=True)) == ["pickle.loads"]


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts[1:]).removesuffix(".__init__")


def imports_of(module, path, homes):
    """Yield the modules that a source imports, for types too; a name that a face hands on counts as its home's."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = f"{module}.{node.module}" if node.level else node.module
            for name in (f"{base}.{alias.name}" for alias in node.names):
                while name in homes:
                    name = homes[name]
                yield from (name, name.rpartition(".")[0])


def circles(paths):
    """Return the sets of modules that import each other, directly or by way of others."""
    modules = {module_of(path): path for path in paths if path.suffix == ".py"}
    homes = {
        f"{module_of(path)}.{alias.asname or alias.name}": f"{module_of(path)}.{node.module}.{alias.name}"
        for path in paths
        if path.suffix == ".pyi"
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    graph = {name: set(imports_of(name, path, homes)) & modules.keys() - {name} for name, path in modules.items()}
    reached = {name: set(graph[name]) for name in graph}
    for middle in graph:
        for name in graph:
            if middle in reached[name]:
                reached[name] |= reached[middle]
    return {frozenset(other for other in reached[name] if name in reached[other]) for name in graph} - {frozenset()}


def test_circle_for_types_and_through_a_face_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    sources = {
        "one.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.room import Two\n",
        "room/__init__.pyi": "from .two import Two as Two\n",
        "room/__init__.py": "",
        "room/two.py": "from pkg.three import Three\n",
        "three.py": "import pkg.one\n",
        "four.py": "from pkg import one\nfrom pkg.room import Two\n",
    }
    paths = [tmp_path / "framework" / "pkg" / name for name in sources]
    for path, text in zip(paths, sources.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert circles(paths) == {frozenset({"pkg.one", "pkg.room.two", "pkg.three"})}


def test_modules_do_not_import_each_other_in_a_circle():
    faces = [path for folder in ("framework", "plugins") for path in (ROOT / folder).rglob("*.pyi")]
    assert [sorted(circle) for circle in circles([*SOURCES, *faces])] == []


@pytest.mark.parametrize(
    "package",
    [
        "nnfw",
        "nnfw.data",
        "nnfw.network",
        "nnfw.plugins",
        "nnfw.training",
        "nnfw.experiments",
        "nnfw.reporting",
        "nnfw.storage",
        "nnfw.compute",
        "nnfw.machine",
        "nnfw.model",
        "nnfw.ops",
        "nnfw.runs",
        "nnfw.sklearn",
        "nnfw.testing",
        "nnfw.toml",
        "nnfw_standard",
    ],
)
def test_every_public_name_exists(package):
    module = __import__(package, fromlist=["__all__"])
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert missing == []


def test_readme_commands_are_those_that_ci_runs():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    assert 'pip install -e ".[test]" && pytest' in readme
    assert "pip install . && nnfw train examples/digits.toml" in readme
    assert re.search(r"test_command='pip install -e \"\.\[test\]\" && pytest'", ci)
