"""Environments of their own, into which real wheels are installed; nothing comes from the network."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
_PIP = ("--disable-pip-version-check", "--quiet", "--no-deps", "--no-index", "--no-build-isolation")


class Environment(NamedTuple):
    """A virtual environment with nnfw's wheel; what nnfw requires is that of the tests' own environment."""

    directory: Path

    @property
    def programs(self):
        return self.directory / ("Scripts" if os.name == "nt" else "bin")

    def run(self, *command, cwd):
        """Run a program of this environment, and return the finished process."""
        environment = {
            name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "NNFW"))
        }
        return subprocess.run(
            [self.programs / command[0], *command[1:]],
            cwd=cwd,
            env=environment | {"PYTHONUTF8": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=300,
        )

    def pip(self, verb, *arguments):
        """Run pip, which the environment itself lacks, for this environment."""
        command = [sys.executable, "-m", "pip", "--python", self.programs / "python", verb, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert result.returncode == 0, result.stderr

    def install(self, *what):
        self.pip("install", *_PIP, *what)


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """Return a function that builds the wheel of a project, and returns its path."""

    def build_wheel(project):
        directory = tmp_path_factory.mktemp("dist")
        command = [sys.executable, "-m", "pip", "wheel", *_PIP, "--wheel-dir", directory, project]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        (wheel,) = directory.glob("*.whl")
        return wheel

    return build_wheel


@pytest.fixture(scope="session")
def wheel(build):
    """Return nnfw's wheel."""
    return build(ROOT)


@pytest.fixture
def examples(tmp_path):
    """Return a copy of the examples, so that nothing is written into the project."""
    return shutil.copytree(ROOT / "examples", tmp_path / "examples")


@pytest.fixture
def environment(wheel, tmp_path):
    """Return a fresh environment with nnfw's wheel in it."""
    directory = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True, timeout=300)
    fresh = Environment(directory)
    places = sysconfig.get_paths(vars={"base": str(directory), "platbase": str(directory)})
    own = Path(places["purelib"])
    own.mkdir(parents=True, exist_ok=True)
    (own / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its own .pth files are not read
    fresh.install(wheel)
    found = fresh.run("python", "-c", "import nnfw; print(nnfw.__file__)", cwd=tmp_path).stdout.strip()
    assert Path(found).is_relative_to(own), f"{found} is not the wheel's"
    return fresh
