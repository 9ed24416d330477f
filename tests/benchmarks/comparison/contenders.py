"""Who is measured, and with which kernels of BLAS."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version

from nnfw.machine import describe_environment
from nnfw.machine.blas import CORE_VARIABLE, KERNELS, NEEDED

Changes = Mapping[str, str | None]
"""Variables of the environment that are set, or removed where the value is None."""

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
    environment: Changes = field(default_factory=dict)
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


def changed(changes: Changes) -> dict[str, str]:
    """Return the environment of this process with changes."""
    return {name: value for name, value in {**os.environ, **changes}.items() if value is not None}


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
    """The kernels of OpenBLAS that all contenders have, and how to get the others that this processor can run."""

    reason: str
    others: Mapping[str, Changes] = field(default_factory=dict)

    def apply(self, contenders: Mapping[str, Contender]) -> Iterator[Contender]:
        """Yield the contenders, and the products also with each of the other kernels."""
        for contender in contenders.values():
            yield contender
            if contender.label == PRODUCTS:
                for kernels, changes in self.others.items():
                    label = f"{PRODUCTS}, {kernels} kernels"
                    yield replace(contender, label=label, environment={**contender.environment, **changes})


def probe(changes: Changes) -> str | None:
    """Return the kernels that OpenBLAS takes in an environment with these changes; None if it is not NumPy's BLAS."""
    program = [sys.executable, "-c", PROBE]
    result = subprocess.run(program, capture_output=True, text=True, check=True, env=changed(changes))
    libraries = json.loads(result.stdout)
    return next((library.get("architecture") for library in libraries if library["internal_api"] == "openblas"), None)


def find_kernels(probe: Callable[[Changes], str | None], flags: Collection[str], choice: str) -> Kernels:
    """Return the kernels as they are, and those by OpenBLAS's own choice and with AVX-512, where they are others.

    Parameters
    ----------
    probe
        :func:`probe`.
    flags
        Those of the processor.
    choice
        Who chose the kernels, and why.
    """
    current = probe({})
    if current is None:
        return Kernels("NumPy's BLAS is not OpenBLAS")
    ways: list[Changes] = [{CORE_VARIABLE: None}]
    ways += [{CORE_VARIABLE: KERNELS}] if set(flags) >= NEEDED else []
    others = {str(found): changes for changes in ways if (found := probe(changes)) != current}
    return Kernels(f"OpenBLAS has {current} kernels for all contenders ({choice})", others)


def kernels() -> Kernels:
    """Return the kernels of this machine, as nnfw or the environment chose them."""
    environment = describe_environment()
    choice = environment["threads"]["kernels"]
    return find_kernels(probe, environment["cpu"]["flags"], f"chosen by {choice['chosen_by']}: {choice['reason']}")
