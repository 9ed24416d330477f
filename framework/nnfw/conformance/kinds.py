"""The modules of checks by sort of component, each with an ``exercise`` that uses a component as nnfw does."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from nnfw.conformance import (
    activations,
    callbacks,
    costs,
    datasets,
    initializers,
    layers,
    metrics,
    optimizers,
    regularizers,
    schedules,
    solvers,
    transforms,
)
from nnfw.conformance.subjects import Subject

MODULES: Mapping[str, ModuleType] = {
    "layer": layers,
    "activation": activations,
    "cost": costs,
    "optimizer": optimizers,
    "solver": solvers,
    "schedule": schedules,
    "initializer": initializers,
    "regularizer": regularizers,
    "metric": metrics,
    "dataset": datasets,
    "transform": transforms,
    "callback": callbacks,
}


def exercise(subject: Subject, component: Any) -> list[Any]:
    """Use `component`, made like the subject's, as nnfw does, and return everything that it computes."""
    results: list[Any] = MODULES[subject.sort].exercise(subject, component)
    return results
