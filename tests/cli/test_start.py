"""The program from its first line: a Ctrl-C while it is imported, and a SIGINT that is to be ignored."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.usefixtures("interruptible"),
    pytest.mark.skipif(os.name == "nt", reason="signals of POSIX"),
]

INTERRUPTED_IN_AN_IMPORT = """
import os, signal, sys

module = sys.argv.pop(1)

class Interrupt:
    def find_spec(name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(Interrupt)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt)
from nnfw_start import main
sys.exit(main())
"""


def started(*arguments, ignoring=False):
    """Run Python in a process of its own, which ignores SIGINT as a shell lets a job in the background do."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN if ignoring else signal.default_int_handler)
    try:
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    finally:
        signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize(
    "module",
    [
        *("nnfw", "lazy_loader", "nnfw.machine.blas", "dataclasses", "nnfw.cli", "nnfw.cli.main", "nnfw.cli.commands"),
        *(
            "typer",
            "typer.core",
            "typer.main",
            "nnfw.plugins",
            "nnfw.cli.summary",
            "nnfw.experiments",
            "numpy",
            "nnfw_standard.plugin",
        ),
    ],
)
def test_interrupt_while_a_module_is_imported_ends_with_status_130_and_one_line_at_most(module):
    result = started("-c", INTERRUPTED_IN_AN_IMPORT, module, "summary", "none.toml")
    assert (result.returncode, result.stdout) == (130, "")
    assert result.stderr in ("", "interrupted\n")


def test_start_hands_on_the_exit_status():
    result = started("-m", "nnfw_start", "--version")
    assert (result.returncode, result.stdout[:5], result.stderr) == (0, "nnfw ", "")
    assert started("-m", "nnfw_start", "summary", "none.toml").returncode == 2


def test_interrupt_that_is_to_be_ignored_is_ignored():
    result = started("-c", INTERRUPTED_IN_AN_IMPORT, "nnfw.cli.main", "summary", "none.toml", ignoring=True)
    assert result.returncode == 2
    assert "none.toml" in result.stderr


def test_program_is_installed_with_its_start():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"nnfw": "nnfw_start:main"}
    assert "framework/nnfw_start.py" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
