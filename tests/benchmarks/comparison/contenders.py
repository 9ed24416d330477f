"""Who is measured, and with which kernels of BLAS."""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version

from nnfw.compute import describe_environment

VARIABLE = "OPENBLAS_CORETYPE"
AVX512 = "SkylakeX"
WITH_AVX512 = {AVX512, "Cooperlake", "SapphireRapids"}
NEEDED_FLAGS = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
PROBE = "import json, numpy, threadpoolctl; print(json.dumps(threadpoolctl.threadpool_info()))"


@dataclass(frozen=True, eq=False)
class Contender:
    """A library in one of the ways to use it, or the matrix products alone.

    `predicts` is False where another contender predicts in just the same way; `peer` where it is no other library.
    """

    label: str
    module: str
    variant: str = ""
    packages: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    predicts: bool = True
    peer: bool = True


PRODUCTS = "products alone"
CONTENDERS = {
    "products": Contender(PRODUCTS, "products", peer=False),
    "nnfw": Contender("nnfw", "own", "none", ("nnfw",), peer=False),
    "fast": Contender("nnfw[fast]", "own", "numba", ("nnfw", "numba"), predicts=False, peer=False),
    "jax-epoch": Contender("JAX, compiled epoch", "jax", "epoch", ("jax",), predicts=False),
    "jax": Contender("JAX, compiled step", "jax", "step", ("jax",)),
    "keras": Contender("Keras 3 on JAX", "keras", "", ("keras", "jax"), {"KERAS_BACKEND": "jax"}),
    "torch-compiled": Contender("PyTorch, compiled", "pytorch", "compiled", ("torch",)),
    "torch": Contender("PyTorch, eager", "pytorch", "eager", ("torch",)),
    "scikit-learn": Contender("scikit-learn", "scikit_learn", "", ("scikit-learn",)),
    "thinc": Contender("thinc", "thinc", "", ("thinc",)),
}
PACKAGES = sorted({name for contender in CONTENDERS.values() for name in contender.packages} | {"numpy", "scipy"})


def installed(package: str) -> str | None:
    """Return the version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str | None]:
    """Return the versions of all that is compared."""
    return {name: installed(name) for name in PACKAGES}


@dataclass(frozen=True)
class Kernels:
    """The kernels of OpenBLAS that all contenders have, and others with which the products alone are measured too."""

    reason: str
    environment: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def apply(self, contenders: Mapping[str, Contender]) -> dict[str, Contender]:
        """Return the contenders with that environment, and the products with the other kernels after their row."""
        chosen = {}
        for name, contender in contenders.items():
            chosen[name] = replace(contender, environment={**contender.environment, **self.environment})
            if name == "products":
                for kernels, environment in self.others.items():
                    label = f"{PRODUCTS}, {kernels} kernels"
                    chosen[f"{name}-{kernels}"] = replace(contender, label=label, environment=environment)
        return chosen


def choose_kernels(found: str | None, flags: Collection[str], variable: str | None) -> Kernels:
    """Take AVX-512 kernels where the processor has it, OpenBLAS does not see it, and nobody chose.

    Parameters
    ----------
    found
        The kernels that OpenBLAS takes now; None if NumPy has another BLAS.
    flags
        Those of the processor.
    variable
        The value of ``OPENBLAS_CORETYPE``, if it is set.
    """
    if found is None:
        return Kernels("NumPy's BLAS is not OpenBLAS, so no kernels are chosen.")
    who = f"{VARIABLE}={variable} chooses" if variable else "by itself OpenBLAS takes"
    if found in WITH_AVX512 or not set(flags) >= NEEDED_FLAGS:
        lack = "" if found in WITH_AVX512 else ", and the processor has no AVX-512"
        return Kernels(f"Kernels: {who} {found}{lack}.")
    better = {VARIABLE: AVX512}
    if variable:
        reason = f"Kernels: {who} {found} for all, though the processor has AVX-512; unset it to measure with that."
        return Kernels(reason, others={AVX512: better})
    return Kernels(f"Kernels: {who} {found}, so all contenders have {VARIABLE}={AVX512}.", better, {found: {}})


def kernels() -> Kernels:
    """Return the kernels for this machine."""
    probe = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    libraries = json.loads(probe.stdout)
    found = next((library.get("architecture") for library in libraries if library["internal_api"] == "openblas"), None)
    return choose_kernels(found, describe_environment()["cpu"]["flags"], os.environ.get(VARIABLE))
