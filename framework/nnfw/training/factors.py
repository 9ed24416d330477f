"""Learning rates of their own for some parameters, and frozen parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np

from nnfw.arrays import Array
from nnfw.data import listed
from nnfw.errors import Mistake, did_you_mean, short
from nnfw.network import Layout
from nnfw.ops import kernels_only
from nnfw.ops.definitions import blend, copy
from nnfw.protocols import Optimizer, Solver
from nnfw.training.options import TrainingOptions


def unmatched(options: TrainingOptions, layout: Layout) -> Iterator[Mistake]:
    """Yield a mistake for each pattern that is that of no trainable parameter, and one if every parameter is frozen."""
    for name in ("rates", "frozen"):
        yield from _unmatched((name,), getattr(options, name) or (), layout)
    frozen = options.frozen or ()
    if layout.parts and all(any(fnmatchcase(parameter, pattern) for pattern in frozen) for parameter in layout.parts):
        yield Mistake(("frozen",), "holds back every parameter, so nothing would be trained. Leave some of them out.")


def unmatched_by(optimizer: Optimizer | Solver, layout: Layout) -> Iterator[Mistake]:
    """Yield a mistake for each pattern in the options of an optimizer that is that of no trainable parameter."""
    for name in getattr(optimizer, "parameter_patterns", ()):
        yield from _unmatched(("optimizer", name), getattr(optimizer, name) or (), layout)


def _unmatched(path: tuple[str, ...], patterns: Iterable[str], layout: Layout) -> Iterator[Mistake]:
    for pattern in patterns:
        if not any(fnmatchcase(parameter, pattern) for parameter in layout.parts):
            near = did_you_mean(pattern, layout.parts)
            yield Mistake(
                path,
                f"has the pattern {short(pattern)}, which is that of no parameter.{near} Parameters: "
                f"{listed(tuple(layout.parts))}.",
            )


def factors_of(options: TrainingOptions, layout: Layout) -> dict[str, float]:
    """Return the factor of the learning rate of each parameter that has one: 0 if it is frozen.

    The last pattern of `rates` that matches a parameter counts, unless it is frozen.
    """
    patterns = [*(options.rates or {}).items(), *((pattern, 0.0) for pattern in options.frozen or ())]
    found = {name: factor for pattern, factor in patterns for name in layout.parts if fnmatchcase(name, pattern)}
    return {name: factor for name, factor in found.items() if factor != 1}


def scales_parts(optimizer: Optimizer) -> bool:
    """Return whether an optimizer takes the factors itself; one that is older than the attribute does not."""
    return bool(getattr(optimizer, "scales_parts", False))


class Factors:
    """Scales the steps of some parameters: θ ← θ_before + factor (θ − θ_before).

    A step is proportional to the learning rate, so this is a rate of their own. Parameters with the factor 0 keep their
    bits, and their gradient counts for nothing.

    Parameters
    ----------
    factors
        By the name of the parameter.
    parts
        Where each parameter is in the vector.
    vector, gradient
        All parameters, and their gradient.
    """

    def __init__(
        self, factors: Mapping[str, float], parts: Mapping[str, slice], vector: Array, gradient: Array
    ) -> None:
        frozen = [gradient[place] for place, factor in _joined(factors, parts) if not factor]
        self._gradients = [(part, np.zeros_like(part)) for part in frozen]
        self._parts = [
            (vector[place], np.empty_like(vector[place]), factor) for place, factor in _joined(factors, parts)
        ]

    @kernels_only
    def before(self) -> None:
        """Keep the parameters, and drop the gradient of those that are frozen."""
        for gradient, zeros in self._gradients:
            copy(zeros, gradient)
        for part, kept, _ in self._parts:
            copy(part, kept)

    @kernels_only
    def after(self) -> None:
        """Scale the step that was taken."""
        for part, kept, factor in self._parts:
            if factor:
                blend(part, kept, factor)
            else:
                copy(kept, part)


def _joined(factors: Mapping[str, float], parts: Mapping[str, slice]) -> Sequence[tuple[slice, float]]:
    """Return the places of equal factors, neighbours as one."""
    found: list[tuple[slice, float]] = []
    for place, factor in sorted(
        ((parts[name], factor) for name, factor in factors.items()), key=lambda it: it[0].start
    ):
        if found and found[-1][0].stop == place.start and found[-1][1] == factor:
            found[-1] = slice(found[-1][0].start, place.stop), factor
        else:
            found.append((place, factor))
    return found
