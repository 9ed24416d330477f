"""The cost of each member of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from nnfw.arrays import Array
from nnfw.errors import DataError
from nnfw.network import Workspace
from nnfw.ops import kernels_only
from nnfw.protocols import CanonicalCost, Cost, Shape
from nnfw.step import asks_step
from nnfw_standard.table_operations import to_members


class _OfCost:
    """An attribute that an instance has from its `cost`."""

    def __init__(self, name: str, default: object) -> None:
        self._name, self._default = name, default

    def __get__(self, component: EachMember | None, _: type | None = None) -> object:
        cost = None if component is None else component.cost
        return getattr(cost, self._name, self._default)


@dataclass(frozen=True)
class EachMember(CanonicalCost):
    """The mean of the costs of the members of an ensemble, all with the same labels.

    | C = 1/k Σ_m C(a_m, y) for k members with the activations a_m
    | ∂C/∂a_m = 1/k ∂C(a_m, y)/∂a_m

    Parameters
    ----------
    cost
        C of each member.

    Notes
    -----
    An example of `a` is ``(k, ...)``, as `batch_ensemble` gives it; its labels are those of `cost` for ``(...)``. Each
    member learns by itself, unlike with the cost of the mean of all members. Metrics of this output count each member
    as a place of its own. What is canonical for `cost` is canonical here.

    References
    ----------
    Y. Gorishniy, A. Kotelnikov, A. Babenko (2024), *TabM: advancing tabular deep learning with parameter-efficient
    ensembling*, section 3.3.

    Examples
    --------
    >>> from nnfw_standard import MSE
    >>> cost, a = EachMember(MSE()), np.array([[[1.0], [3.0]]])  # one example of two members
    >>> cost.value(a, cost.targets(np.array([1.0]), (2, 1)))  # (0 + (3 − 1)²/2) / 2
    1.0
    """

    cost: Cost | str

    whole_sequences: ClassVar[bool] = True  # so that padded ones can be told, and refused
    canonical: ClassVar[str | None] = cast("str | None", _OfCost("canonical", None))
    domain: ClassVar[tuple[float, float] | None] = cast("tuple[float, float] | None", _OfCost("domain", None))
    least_at_labels: ClassVar[bool] = cast("bool", _OfCost("least_at_labels", False))

    def targets(self, y: Array, output_shape: Shape) -> Array:
        """Return the labels that `cost` makes of `y`, once for each member: ``(N, k, ...)``.

        DataError for impossible labels, or outputs without an axis of members.
        """
        if len(output_shape) < 2:
            raise DataError(
                f"EachMember: the output must have shape (members, ...), got {output_shape}. Use {self._cost} without "
                "each_member, or a batch_ensemble layer at this output."
            )
        labels = self._cost.targets(y, output_shape[1:])
        return np.repeat(labels[:, np.newaxis], output_shape[0], axis=1)

    def value(self, a: Array, y: Array, weight: Array | None = None) -> float:
        """Return C for ``a`` ``(N, k, ...)``."""
        return self._cost.value(_rows(a), _rows(y), _repeated(weight, a.shape[1]))

    def constant(self, y: Array, output_shape: Shape, weight: Array | None = None) -> Array | None:
        """Return that of `cost`, for each member."""
        inner: Array | None = self._cost.constant(_rows(y), output_shape[1:], _repeated(weight, output_shape[0]))
        return None if inner is None else np.broadcast_to(inner, output_shape)

    @asks_step
    def gradient(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return ∇_a C, shaped like `a`."""
        return self._stepped(self._cost.gradient, a, y, workspace, weight)

    def value_from_z(self, z: Array, y: Array, weight: Array | None = None) -> float:
        """Return C from the weighted inputs."""
        return cast(CanonicalCost, self._cost).value_from_z(_rows(z), _rows(y), _repeated(weight, z.shape[1]))

    @asks_step
    def canonical_delta(self, a: Array, y: Array, workspace: Workspace, weight: Array | None = None) -> Array:
        """Return δ^L, shaped like `a`."""
        return self._stepped(cast(CanonicalCost, self._cost).canonical_delta, a, y, workspace, weight)

    def samples(self, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """Yield z of members and labels for checks: classes for softmax, else 0 and 1."""
        shape = (8,) if self.canonical == "softmax" else (8, 3)
        yield rng.standard_normal((8, 2, 3)), rng.integers(0, 2, shape)

    @property
    def _cost(self) -> Cost:
        assert not isinstance(self.cost, str)
        return self.cost

    def _stepped(
        self, method: Callable[..., Array], a: Array, y: Array, workspace: Workspace, weight: Array | None
    ) -> Array:
        """Return what a method of `cost` gives for all members of all examples, shaped like `a`."""
        inner, step = workspace.child("member"), workspace.step
        _require_members(weight)
        weights = None if weight is None else step(_of_members, weight, a.shape[1], workspace)
        return step(method, _rows(a), _rows(y), inner, weights).reshape(a.shape)


@kernels_only
def _of_members(weight: Array, members: int, workspace: Workspace) -> Array:
    """Return the weight of each member of each example."""
    found = workspace.buffer("weights", (len(weight), members, 1))
    to_members(weight[:, np.newaxis], found)
    return found.reshape(-1)


def _repeated(weight: Array | None, members: int) -> Array | None:
    _require_members(weight)
    return None if weight is None else np.repeat(weight, members)


def _require_members(weight: Array | None) -> None:
    """Raise DataError for the weights ``(N, T)`` of padded sequences."""
    if weight is not None and weight.ndim > 1:
        raise DataError(
            "EachMember: takes no padded sequences, whose time steps are no members. Put 'time_pool' before this "
            "output, or leave each_member out."
        )


def _rows(array: Array) -> Array:
    """Return an array ``(N, k, ...)`` with each member as an example: ``(N k, ...)``."""
    return array.reshape(-1, *array.shape[2:])
