"""Whole programs, from the start of Python to its end."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from .turns import HERE
from .workloads import NotMeasuredError

PYTHON = sys.executable
OWN = shutil.which("nnfw", path=str(Path(PYTHON).parent)) or "nnfw"
SCRIPTS = HERE / "programs"
DIGITS = HERE.parents[1] / "examples" / "digits.toml"
TRAIN = (OWN, "train", str(DIGITS), "--set", "training.epochs={epochs}", "--out", "{scratch}/run")


@dataclass(frozen=True)
class Program:
    """A command line; `{scratch}`, a folder that is new and empty in each turn, and `{epochs}` are filled in."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    peer: bool = False

    def start(self, epochs: int) -> tuple[float, str]:
        """Return the seconds that it takes and the last line that it prints; NotMeasuredError if it fails."""
        with TemporaryDirectory() as scratch:
            command = [part.format(scratch=scratch, epochs=epochs) for part in self.command]
            changes = {name: text.format(scratch=scratch) for name, text in self.environment.items()}
            start = time.perf_counter()
            result = subprocess.run(
                command,
                cwd=scratch,
                env={**os.environ, **changes},
                capture_output=True,
                text=True,
                check=False,
            )
            seconds = time.perf_counter() - start
        if result.returncode:
            raise NotMeasuredError(f"it failed: {(result.stderr.strip() or 'it said nothing').splitlines()[-1]}")
        return seconds, (result.stdout.strip() or "nothing").splitlines()[-1]


PROGRAMS: dict[str, dict[str, Program]] = {
    "help": {
        "a bare Typer program": Program((PYTHON, str(SCRIPTS / "bare_typer.py"), "--help")),
        "nnfw --help": Program((OWN, "--help")),
        "nnfw plugins": Program((OWN, "plugins")),
    },
    "import": {
        "import numpy": Program((PYTHON, "-c", "import numpy")),
        "import nnfw": Program((PYTHON, "-c", "import nnfw")),
        "import nnfw, and a model": Program(
            (PYTHON, "-c", "import nnfw; nnfw.Sequential([nnfw.layer('dense', units=3)], 4)")
        ),
    },
    "digits": {
        "scikit-learn": Program(
            (PYTHON, str(SCRIPTS / "scikit_learn_digits.py"), "{epochs}"), packages=("scikit-learn",), peer=True
        ),
        "nnfw train": Program(TRAIN),
        "nnfw train, nothing compiled before": Program(TRAIN, {"NUMBA_CACHE_DIR": "{scratch}/numba"}, ("numba",)),
        "nnfw train, accelerator none": Program((*TRAIN, "--set", "training.accelerator=none")),
    },
}
"""Programs by measurement; the first of each is what the others are compared with."""
