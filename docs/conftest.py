"""What the pages include from an example may be named on them as its own modules name it."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "examples" / "nnfw-swish" / "src"


@pytest.fixture(autouse=True)
def names_of_the_example(doctest_namespace, monkeypatch):
    """Let doctests of included files find their classes."""
    monkeypatch.syspath_prepend(SOURCE)
    for module, name in (("swish", "Swish"), ("gate", "SwishGate"), ("pinball", "Pinball")):
        doctest_namespace[name] = getattr(import_module(f"nnfw_swish.{module}"), name)
    yield
    for module in [name for name in sys.modules if name.partition(".")[0] == "nnfw_swish"]:
        del sys.modules[module]
