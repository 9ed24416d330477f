"""The table of kinds: one row for each kind of component."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nnfw.protocols.activation import Activation
from nnfw.protocols.callback import Callback
from nnfw.protocols.cost import Cost, Metric, Regularizer
from nnfw.protocols.data import Dataset, Transform
from nnfw.protocols.layer import Initializer, Layer
from nnfw.protocols.optimizer import Optimizer, Schedule


@dataclass(frozen=True)
class Kind:
    """One kind of component, as a row of :data:`KINDS`.

    Parameters
    ----------
    name
        Singular, as in ``nnfw plugins --kind layer`` and ``nnfw.layer(...)``.
    protocol
        What its components implement.
    """

    name: str
    protocol: type

    @property
    def members(self) -> Iterable[str]:
        """Names that every component of the kind has: the methods and attributes of its protocol."""
        bases = [base for base in self.protocol.__mro__ if base.__module__.startswith("nnfw.protocols.")]
        return sorted(
            {name for base in bases for name in (*vars(base), *base.__annotations__) if not name.startswith("_")}
        )


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("layer", Layer),
        Kind("activation", Activation),
        Kind("cost", Cost),
        Kind("optimizer", Optimizer),
        Kind("schedule", Schedule),
        Kind("initializer", Initializer),
        Kind("regularizer", Regularizer),
        Kind("metric", Metric),
        Kind("dataset", Dataset),
        Kind("transform", Transform),
        Kind("callback", Callback),
    )
}
