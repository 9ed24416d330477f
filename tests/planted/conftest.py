"""What the tests of the kit share."""

import json
import subprocess
import sys
from functools import cache

import pytest

from nnfw.conformance import common
from nnfw.plugins import default_registry

PROBE = "import sys; from nnfw.conformance.import_probe import main; [main(module) for module in sys.argv[1:]]"


@cache
def standard_imports():
    """Return what importing each module of standard components takes and changes, one after another in one process."""
    registry = default_registry()
    classes = (registry.load(item.kind, item.qualified_name) for item in registry.components() if item.plugin.built_in)
    modules = sorted({cls.__module__ for cls in classes})
    found = subprocess.run([sys.executable, "-c", PROBE, *modules], capture_output=True, text=True, check=True)
    lines = map(json.loads, found.stdout.splitlines())
    return {module: common._Import(**line) for module, line in zip(modules, lines, strict=True)}


@pytest.fixture(autouse=True)
def standard_modules_share_a_process(monkeypatch):
    """Spare the checks of imports fifty processes; components of other modules have one each."""
    alone = common._first_import
    monkeypatch.setattr(common, "_first_import", lambda module: standard_imports().get(module) or alone(module))
