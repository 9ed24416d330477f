"""The machine and the libraries that a result was computed with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

from nnfw.machine.blas import CORE_VARIABLE, VARIABLE, choose_blas_kernels, lost_kernels
from nnfw.machine.cpu import MODEL_KEYS, cpu_flags, cpu_info
from nnfw.plain import Plain
from nnfw.plugins.loading import identity, own_distribution
from nnfw.plugins.specs import PROJECT

# What kernels of BLAS and NumPy are chosen by, on x86-64 and ARM.
_RELEVANT = re.compile(r"sse4_2|avx|avx2|fma|f16c|avx512\w+|avx_vnni|amx_\w+|asimd\w*|sve\w*|bf16|i8mm")
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    CORE_VARIABLE,
    VARIABLE,
    "MKL_ENABLE_INSTRUCTIONS",
)
_LIBRARY_FIELDS = ("user_api", "internal_api", "version", "architecture", "threading_layer", "num_threads")


class Cpu(TypedDict):
    """The CPU: its model, the flags that kernels are chosen by, its cores, and those available to this process."""

    model: str
    flags: list[str]
    cores: int | None
    available: int | None


class Threads(TypedDict):
    """The variables that are set, the libraries that are loaded, who chose the kernels of BLAS, why, and what is lost.

    NumPy's BLAS is always loaded. SciPy brings one of its own, which is loaded once a SciPy module needs it.
    """

    variables: dict[str, str]
    libraries: list[dict[str, str | int | None]]
    kernels: dict[str, str | None]


class Environment(TypedDict):
    """What a result depends on besides the experiment.

    The packages are nnfw and what it requires, with None for one that is not installed.
    """

    python: str
    packages: dict[str, str | None]
    platform: dict[str, str]
    cpu: Cpu
    threads: Threads


def describe_environment() -> Environment:
    """Return what a result depends on besides the experiment, fit for JSON. Starts nothing and uses no network.

    Examples
    --------
    >>> sorted(describe_environment())
    ['cpu', 'packages', 'platform', 'python', 'threads']
    """
    cpu, libraries = _cpu(), _libraries()
    lost = lost_kernels(libraries, cpu["flags"])
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": required_packages(),
        "platform": {"system": platform.system(), "release": platform.release(), "machine": platform.machine()},
        "cpu": cpu,
        "threads": {
            "variables": {name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ},
            "libraries": libraries,
            "kernels": {**asdict(choose_blas_kernels()), "lost": lost},
        },
    }


def describe_exactness(accelerator: str) -> dict[str, Plain]:
    """Return the part of the environment that can affect the last bits of a result, fit for JSON.

    `accelerator` is the package whose kernels are used, ``"none"`` for plain NumPy.

    Examples
    --------
    >>> describe_exactness("none")["accelerator"]
    'none'
    """
    found = describe_environment()
    blas = {
        str(item["file"]): f"{item['version']}, {item['architecture']} kernels, {item['num_threads']} threads"
        for item in found["threads"]["libraries"]
    }
    return {
        "python": found["python"],
        "packages": found["packages"],
        "accelerator": " ".join(filter(None, (accelerator, _version(accelerator)))),
        "cpu": {"model": found["cpu"]["model"], "flags": found["cpu"]["flags"]},
        "blas": blas,
    }


def restore_variables(recorded: object) -> list[str]:
    """Set the variables that BLAS's kernels and threads depend on to their values in a recorded environment.

    Nothing is changed on a CPU of another model, or once NumPy is imported, since BLAS reads them then. What is
    `recorded` may be damaged. ``"OPENBLAS_CORETYPE=Haswell"`` and the like is returned for each that was changed.
    """
    match recorded:
        case {"cpu": {"model": model}, "threads": {"variables": dict(variables)}} if model == _cpu()["model"]:
            known = "numpy" not in sys.modules
        case _:
            known = False
    changes = []
    for name in _THREAD_VARIABLES if known else ():
        value = variables.get(name)
        if value != os.environ.get(name) and (value is None or (isinstance(value, str) and value.isprintable())):
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
            changes.append(f"{name} is not set" if value is None else f"{name}={value}")
    return changes


def installed_distributions() -> dict[str, str]:
    """Return the version of every distribution that is installed, by its normalised name.

    If two have one name, the one that Python imports counts; of two named nnfw, this one.

    Examples
    --------
    >>> installed_distributions()["numpy"] == importlib.metadata.version("numpy")
    True
    """
    own = own_distribution()
    found: dict[str, str] = {} if own is None else {PROJECT: identity(own)[1]}
    for distribution in importlib.metadata.distributions():
        name, version = identity(distribution)
        if name:  # the remains of a distribution have none
            found.setdefault(name, version or "")
    return dict(sorted(found.items()))


def required_packages() -> dict[str, str | None]:
    """Return the versions of nnfw and of the distributions that it requires without extras."""
    own = own_distribution()
    required = (own and own.requires) or []
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in required if "extra ==" not in line]
    return {PROJECT: identity(own)[1] if own else None, **{name: _version(name) for name in sorted(names)}}


def _version(name: str) -> str | None:
    try:
        return identity(importlib.metadata.distribution(name))[1] or None
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> Cpu:
    info = cpu_info()
    return {
        "model": next((info[key] for key in MODEL_KEYS if key in info), platform.machine()),
        "flags": sorted(filter(_RELEVANT.fullmatch, cpu_flags(info))),
        "cores": os.cpu_count(),
        "available": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def _libraries() -> list[dict[str, str | int | None]]:
    import numpy as np  # noqa: F401 - its BLAS must be loaded to be found
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    return [
        {name: library.get(name) for name in _LIBRARY_FIELDS} | {"file": Path(library["filepath"]).name}
        for library in threadpool_info()
    ]
