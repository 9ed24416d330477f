"""The choice of OpenBLAS's kernels. It goes by the CPU's model, and mistakes a few with AVX-512 for old ones.

Nothing here imports NumPy: OpenBLAS chooses while NumPy is imported, and never again.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from nnfw.machine.cpu import cpu_flags, cpu_info

CORE_VARIABLE = "OPENBLAS_CORETYPE"
VARIABLE = "NNFW_BLAS_KERNELS"
AUTO, DEFAULT = "auto", "default"

KERNELS = "SkylakeX"
"""OpenBLAS's kernels with AVX-512: the only ones of that kind that NumPy 2.1 and later ship."""
KERNELS_WITH_AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")
NEEDED = frozenset({"avx512f", "avx512cd", "avx512dq", "avx512bw", "avx512vl"})
"""Flags without which a CPU cannot run them: what compilers call skylake-avx512."""

_CANNON_LAKE = (6, 102)
_NETBURST = 15  # the Pentium 4: every higher family, such as Diamond Rapids (19), is mistaken for it
_VERSIONS = ((0, 3, 27), (0, 3, 34))
"""The versions of OpenBLAS, first and last, that are known to do so: those of NumPy 2.0 to 2.5."""

_FIRST_CORE = 8192  # characters
_BUNDLED = re.compile(r'"blas": \{\s*"name": "scipy-openblas".*?"version": "(\d+)\.(\d+)\.(\d+)', re.DOTALL)


@dataclass(frozen=True)
class KernelChoice:
    """Who chooses the kernels of BLAS in this process, and why.

    Attributes
    ----------
    chosen_by
        ``"nnfw"``, which set OPENBLAS_CORETYPE; ``"environment"``, where it was set already; or ``"library"``.
    reason
        In words, for ``nnfw doctor`` and the record of a run.
    """

    chosen_by: str
    reason: str


@cache
def choose_blas_kernels() -> KernelChoice:
    """Set OPENBLAS_CORETYPE if needed, at the first call, which ``import nnfw`` makes; return what was decided.

    It is set only where the user has not set it, nor NNFW_BLAS_KERNELS=default, where the CPU has AVX-512, the
    OpenBLAS inside NumPy would not use it, and NumPy is not imported yet. Processes that are started from here inherit
    it; it suits them too, as they run on the same CPU.
    """
    choice = _decide()
    if choice.chosen_by == "nnfw":
        os.environ[CORE_VARIABLE] = KERNELS
    return choice


def lost_kernels(libraries: Iterable[Mapping[str, str | int | None]], flags: Iterable[str]) -> str | None:
    """Return what is lost if OpenBLAS runs without AVX-512 on a CPU that has it, and how to get it; else None.

    The `libraries` are as threadpoolctl describes them, the `flags` those of the CPU.
    """
    found = {
        str(each["architecture"]) for each in libraries if each["internal_api"] == "openblas" and each["architecture"]
    }
    lesser = sorted(found.difference(KERNELS_WITH_AVX512))
    if not lesser or not set(flags) >= NEEDED:
        return None
    return (
        f"OpenBLAS runs {' and '.join(lesser)} kernels on a CPU with AVX-512: matrix products can take twice as long. "
        f"Set {CORE_VARIABLE}={KERNELS} before Python starts."
    )


def _decide() -> KernelChoice:
    wish = os.environ.get(VARIABLE) or AUTO
    if CORE_VARIABLE in os.environ:
        return KernelChoice("environment", f"{CORE_VARIABLE}={os.environ[CORE_VARIABLE]} was set before")
    if wish != AUTO:
        known = "" if wish == DEFAULT else f", which is neither {AUTO!r} nor {DEFAULT!r}: nothing is set"
        return KernelChoice("library", f"{VARIABLE} is {wish!r}{known}")
    info = cpu_info(_FIRST_CORE)
    if not cpu_flags(info) >= NEEDED:
        return KernelChoice("library", "the system reports no CPU with all of AVX-512 that is needed")
    if not _taken_for_old(info):
        return KernelChoice("library", "OpenBLAS is not known to mistake this CPU for an old one")
    version = _bundled_openblas()
    if version is None or not _VERSIONS[0] <= version <= _VERSIONS[1]:
        return KernelChoice("library", "how the BLAS of this NumPy chooses is not known")
    if "numpy" in sys.modules:
        return KernelChoice("library", "NumPy was imported before nnfw: import nnfw first")
    name = info.get("model name", "this CPU")
    return KernelChoice("nnfw", f"OpenBLAS {'.'.join(map(str, version))} takes {name} for one without AVX-512")


def _taken_for_old(info: Mapping[str, str]) -> bool:
    """Return whether OpenBLAS mistakes a CPU with AVX-512 for an old one without it."""
    numbers = info.get("cpu family", ""), info.get("model", "")
    if info.get("vendor_id") != "GenuineIntel" or not all(map(str.isdecimal, numbers)):
        return False
    family, model = map(int, numbers)
    return family >= _NETBURST or (family, model) == _CANNON_LAKE


def _bundled_openblas() -> tuple[int, ...] | None:
    """Return the version of the OpenBLAS that came inside NumPy; None if NumPy has another BLAS, or is not found."""
    spec = PathFinder.find_spec("numpy")
    if spec is None or spec.origin is None:
        return None
    try:
        text = Path(spec.origin).with_name("__config__.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = _BUNDLED.search(text)
    return tuple(map(int, found.groups())) if found else None
