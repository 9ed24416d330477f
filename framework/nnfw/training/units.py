"""Numbers in the unit of a target: outputs and labels with its transforms undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf, prod
from typing import TYPE_CHECKING

import numpy as np

from nnfw.data import Column, Target
from nnfw.network import Objective, Term

if TYPE_CHECKING:
    from nnfw.arrays import Array, Shape
    from nnfw.network import Network


_NEARLY_0 = 1e-4  # of the largest label: rounding in float32 is far below


@dataclass(frozen=True, eq=False)
class Unit:
    """Turns what a network gives for one output, and its labels, into numbers in the unit of the target.

    Parameters
    ----------
    column
        The target with its transforms; None if there are none to undo.
    term
        The cost, which says what outputs are that are no labels: quantiles, or a mean with its variance.
    shape
        ``(*output_shape)`` of the network.
    """

    column: Column | None
    term: Term
    shape: Shape

    @property
    def undoes(self) -> bool:
        """Whether there are transforms to undo."""
        return self.column is not None

    @cached_property
    def keeps_outputs(self) -> bool:
        """Whether there is a number in the unit for each output, so that the cost can take them."""
        return self.outputs(np.zeros((1, *self.shape))).shape == (1, *self.shape)

    def outputs(self, a: Array) -> Array:
        """Return a^L ``(N, *output_shape)`` in the unit, in float64; of a mean with its variance only the mean."""
        found = _predictions(self.term, a)
        if "" in found:
            return self._undone(found[""])
        if len(found) > 1:
            return np.stack([self._undone(each) for each in found.values()], axis=-1)
        return self._undone(a)

    def labels(self, y: Array) -> Array:
        """Return labels in the unit, in float64; those that rounding cannot tell from 0 are 0, as they were."""
        raw = self._undone(y)
        size = np.abs(raw)
        if self.column is None or size.min() > _NEARLY_0 * size.max():
            return raw
        rounding = np.abs(self._undone(np.nextafter(y, inf)) - raw)
        return np.where(size <= rounding, 0.0, raw)

    def compared(self, a: Array, y: Array, *, centred: bool = False) -> tuple[Array, Array]:
        """Return outputs and labels in the unit; `centred` at what the network means by 0, so that sums keep digits."""
        a, y = self.outputs(a), self.labels(y)
        if centred and a.size == y.size:
            centre = self._undone(np.zeros((1, *y.shape[1:])))
            a, y = (a.reshape(y.shape) - centre).reshape(a.shape), y - centre
        return a, y

    def interval(self, low: float, high: float) -> tuple[float, float]:
        """Return between which numbers in the unit outputs from `low` to `high` lie; no ends if that is unknown."""
        with np.errstate(all="ignore"):
            ends = self.outputs(np.stack([np.full(self.shape, low), np.full(self.shape, high)]))
        return (-inf, inf) if np.isnan(ends).any() else (float(ends.min()), float(ends.max()))

    def _undone(self, values: Array) -> Array:
        if self.column is None:
            return values.astype(np.float64)
        raw = self.column.invert(values.reshape(-1, *self.column.output_shape).astype(np.float64))
        return raw.reshape(values.shape if raw.size == values.size else (len(values), -1))


def units_of(targets: Mapping[str, Target], objective: Objective, network: Network) -> tuple[Unit | None, ...]:
    """Return the unit of each output of a network; None where outputs are compared with labels as they are.

    `targets` are those whose transforms are undone, by the names of the outputs; none if labels are taken as given.
    """
    columns = [_of_numbers(targets.get(name, Target(None))) for name in network.output_names or ("",)]
    units = [Unit(*each) for each in zip(columns, objective.terms, network.output_shapes, strict=True)]
    return tuple(unit if _is_needed(unit) else None for unit in units)


def _of_numbers(target: Target) -> Column | None:
    """Return the column of a target if transforms make other numbers of its numbers; None for classes."""
    column = target.column
    if column is None or not column.steps or target.classes is not None or target.numbers is not None:
        return None
    if column.kind == "categorical" or column.output_kind is not None:
        return None
    return column if all(step.transform.accepts == "numeric" for step in column.steps) else None


def _is_needed(unit: Unit) -> bool:
    """Return whether a unit changes anything, and it is known what each output means."""
    found = _predictions(unit.term, np.zeros((1, *unit.shape)))
    if unit.column is None:
        return "" in found
    entry = unit.column.output_shape
    if found:
        return all(each.size == unit.column.width for each in found.values())
    return prod(unit.shape) == unit.column.width or unit.shape[-max(1, len(entry)) :] == (entry or (1,))


def _predictions(term: Term, a: Array) -> Mapping[str, Array]:
    explain = getattr(term.cost, "predictions", None)  # costs that are older than this method have none
    return {} if explain is None else explain(a)
