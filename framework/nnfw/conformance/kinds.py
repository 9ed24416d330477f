"""The modules of checks. Each has a function ``exercise`` that uses a component as nnfw does."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from nnfw.conformance.subjects import Subject
from nnfw.protocols import KINDS, Kind


def sorts() -> dict[str, Kind]:
    """Return what there are checks for, each with its kind: a sort for each protocol, so optimizers and solvers."""
    return {sort: kind for kind in KINDS.values() for sort in kind.protocols}


def module_of(sort: str) -> ModuleType:
    """Return the module of checks for a sort of component."""
    return import_module(sorts()[sort].module_of_checks(sort))


def exercise(subject: Subject[object], component: object) -> list[object]:
    """Use `component`, made like the subject's, as nnfw does, and return everything that it computes."""
    results: list[object] = module_of(subject.sort).exercise(subject, component)
    return results
