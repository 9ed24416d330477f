"""The modules of checks. Each has a function ``exercise`` that uses a component as nnfw does."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from nnfw.conformance.subjects import Subject
from nnfw.protocols import KINDS

SOLVER = "solver"
"""Those optimizers that have checks of their own."""


def sorts() -> list[str]:
    """Return what there are checks for: each kind, and solvers after the other optimizers."""
    return [sort for kind in KINDS for sort in ((kind, SOLVER) if kind == "optimizer" else (kind,))]


def module_of(sort: str) -> ModuleType:
    """Return the module of checks for a sort of component."""
    return import_module("nnfw.conformance.solvers" if sort == SOLVER else KINDS[sort].module_of_checks)


def exercise(subject: Subject[object], component: object) -> list[object]:
    """Use `component`, made like the subject's, as nnfw does, and return everything that it computes."""
    results: list[object] = module_of(subject.sort).exercise(subject, component)
    return results
