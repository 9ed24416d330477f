"""The table of kinds: one row for each kind of component.

``nnfw.KIND(...)``, ``nnfw plugins --kind``, ``nnfw show``, completion, the checks of the conformance kit and the docs
are made from it: a new kind is a protocol and a row. For type checkers, ``nnfw/__init__.pyi`` and
``nnfw.plugins.creation`` also list the names; a test compares them with the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nnfw.errors import PluginError
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
    name, plural
        As in ``nnfw plugins --kind layer`` and ``nnfw.layer(...)``, and as in "list of layers".
    protocol
        What its components implement.
    place
        Where an experiment file names one; ``[]`` is a list.
    option
        How ``nnfw assemble`` names one: ``{}`` is ``name:option=value`` as a word of its own, else a TOML value. Empty
        where only ``--set`` can.
    is_section
        Whether the place is a table of its own, with `type` even where there is no other option.
    checks
        The module of its checks, imported when they are run; by default that of the conformance kit with its plural's
        name.
    """

    name: str
    plural: str
    protocol: type
    place: str
    option: str = ""
    is_section: bool = False
    checks: str = ""

    @property
    def module_of_checks(self) -> str:
        """Name of the module of its checks."""
        return self.checks or f"nnfw.conformance.{self.plural}"

    @property
    def command(self) -> str:
        """A command that names a component, with ``{}`` in place of it."""
        if self.option:
            return f"nnfw assemble ... {self.option}"
        value = "[{}]" if self.place.endswith("[]") else "{}"
        return f"nnfw train FILE --set {self.place.removesuffix('[]')}={value}"

    @property
    def members(self) -> Iterable[str]:
        """Names that every component of the kind has: the methods and attributes of its protocol."""
        bases = [base for base in self.protocol.__mro__ if getattr(base, "_is_protocol", False)]
        return sorted(
            {name for base in bases for name in (*vars(base), *base.__annotations__) if not name.startswith("_")}
        )

    @property
    def owner(self) -> str:
        """Where its protocol is: ``nnfw.protocols.layer.Layer``."""
        return f"{self.protocol.__module__}.{self.protocol.__qualname__}"


def by_name(kinds: Iterable[Kind]) -> dict[str, Kind]:
    """Return the rows by name.

    Raises
    ------
    PluginError
        If two rows have one name or one protocol.
    """
    table: dict[str, Kind] = {}
    for kind in kinds:
        other = next((row for row in table.values() if row.name == kind.name or row.protocol is kind.protocol), None)
        if other is not None:
            raise PluginError(
                f"The kind {kind.name!r} ({kind.owner}) is already registered as {other.name!r} ({other.owner}). "
                "Choose another name, and a protocol of its own."
            )
        table[kind.name] = kind
    return table


KINDS: Mapping[str, Kind] = by_name(
    (
        Kind("layer", "layers", Layer, "model.layers[]", "--layer {}", is_section=True),
        Kind("activation", "activations", Activation, "model.layers[].activation", "--layer LAYER:activation={}"),
        Kind("cost", "costs", Cost, "cost", "--cost {}", is_section=True),
        Kind("optimizer", "optimizers", Optimizer, "optimizer", "--optimizer {}", is_section=True),
        Kind("schedule", "schedules", Schedule, "training.schedule"),
        Kind(
            "initializer",
            "initializers",
            Initializer,
            "model.layers[].weight_initializer",
            "--layer LAYER:weight_initializer={}",
        ),
        Kind("regularizer", "regularizers", Regularizer, "training.regularizer"),
        Kind("metric", "metrics", Metric, "training.metrics[]", "--metric {}"),
        Kind("dataset", "datasets", Dataset, "data.source", "--data {}"),
        Kind("transform", "transforms", Transform, "data.transforms[]", "--transform {}"),
        Kind("callback", "callbacks", Callback, "training.callbacks[]"),
    )
)
