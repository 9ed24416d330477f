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
        ("mypy",),
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


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_executes_nothing_from_files(path):
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert not called & {"eval", "exec", "compile"}
    assert not imported & {"pickle", "marshal", "shelve"}


@pytest.mark.parametrize(
    "package",
    [
        "nnfw",
        "nnfw.data",
        "nnfw.network",
        "nnfw.plugins",
        "nnfw.training",
        "nnfw.experiments",
        "nnfw.storage",
        "nnfw.compute",
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
