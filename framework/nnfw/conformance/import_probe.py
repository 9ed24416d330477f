"""Imports one module and prints, as JSON, how long that took and what it left behind: ``python -m ... MODULE``."""

from __future__ import annotations

import json
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO

import numpy  # noqa: F401 - what nnfw itself requires does not count against a component
import scipy.sparse
import scipy.special  # noqa: F401 - both set warning filters

import nnfw.model
from nnfw.conformance.isolation import changes, global_state, in_short

nnfw.model.Sequential  # noqa: B018 - imported lazily


def main(module: str) -> None:
    """Import `module`."""
    out, before = StringIO(), global_state()
    with redirect_stdout(out), redirect_stderr(out):
        start = time.perf_counter()
        import_module(module)
        seconds = time.perf_counter() - start
    changed = in_short(changes(before, global_state()))
    print(json.dumps({"seconds": seconds, "printed": out.getvalue(), "changed": changed}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
