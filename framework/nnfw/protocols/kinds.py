"""The table of kinds: one row for each kind of component.

``nnfw.KIND(...)``, ``nnfw plugins --kind``, ``nnfw show``, completion, the checks of the conformance kit and the docs
are made from it: a new kind is a protocol and a row. For type checkers, ``nnfw/__init__.pyi`` and
``nnfw.plugins.creation`` also list the names; a test compares them with the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from nnfw.errors import PluginError
from nnfw.protocols.activation import Activation
from nnfw.protocols.callback import Callback
from nnfw.protocols.cost import Cost, Metric, Regularizer
from nnfw.protocols.data import Dataset, Transform
from nnfw.protocols.layer import Initializer, Layer, Merge
from nnfw.protocols.node import Block
from nnfw.protocols.optimizer import Optimizer, Schedule, Solver

if TYPE_CHECKING:
    from typing_extensions import TypeIs


@dataclass(frozen=True)
class Kind:
    """One kind of component, as a row of :data:`KINDS`.

    Parameters
    ----------
    name, plural
        As in ``nnfw plugins --kind layer`` and ``nnfw.layer(...)``, and as in "list of layers".
    protocol
        What its components implement.
    others
        Protocols that they may implement instead, by the word for such components.
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
    others: Mapping[str, type] = field(default_factory=dict)

    @property
    def protocols(self) -> Mapping[str, type]:
        """The protocols of which a component implements one, by the word for such components."""
        return {self.name: self.protocol, **self.others}

    def sort_of(self, cls: type) -> str:
        """Return the word for components of a class: it derives from one of the protocols, or has all its members."""
        bases = {protocol: sort for sort, protocol in self.protocols.items()}
        derived = (bases[base] for base in cls.__mro__ if base in bases)
        given = names_in(cls) | MAY_LACK
        complete = (sort for sort, protocol in self.protocols.items() if members_of(protocol) <= given)
        return next(chain(derived, complete), self.name)

    def module_of_checks(self, sort: str) -> str:
        """Return the name of the module of checks for components of a sort."""
        if sort in self.others:
            return f"nnfw.conformance.{sort}s"
        return self.checks or f"nnfw.conformance.{self.plural}"

    @property
    def command(self) -> str:
        """A command that names a component, with ``{}`` in place of it."""
        if self.option:
            return f"nnfw assemble ... {self.option}"
        value = "[{}]" if self.place.endswith("[]") else "{}"
        return f"nnfw train FILE --set {self.place.removesuffix('[]')}={value}"

    @property
    def owner(self) -> str:
        """Where its protocol is: ``nnfw.protocols.layer.Layer``."""
        return f"{self.protocol.__module__}.{self.protocol.__qualname__}"


MAY_LACK = frozenset(
    {
        "activation",
        "as_layer",
        "constant",
        "domain",
        "ignores_shift",
        "index_limit",
        "keeps_time",
        "merge",
        "of_file",
        "open",
        "output_lengths",
        "own_lengths",
        "parameter_patterns",
        "pictures",
        "predictions",
        "recipe",
        "scales_parts",
        "step_ended",
        "suitable_transforms",
        "through_time",
        "update_parts",
        "weigh_steps",
        "whole_sequences",
    }
)
"""Members that a component may lack even if it does not derive from its protocol: it may be older than they are."""


@cache
def members_of(protocol: type) -> frozenset[str]:
    """Return the names that every component of a protocol has: its methods and attributes, inherited ones too."""
    bases = [base for base in protocol.__mro__ if getattr(base, "_is_protocol", False)]
    names = (name for base in bases for name in (*vars(base), *base.__annotations__))
    return frozenset(name for name in names if not name.startswith("_"))


@cache
def names_in(cls: type) -> frozenset[str]:
    """Return what a class gives its instances: fields, attributes and methods, but for abstract ones."""
    abstract: frozenset[str] = getattr(cls, "__abstractmethods__", frozenset())
    options = fields(cls) if is_dataclass(cls) else ()
    return frozenset({*(item.name for item in options), *(set(dir(cls)) - abstract)})


def is_own(component: object, method: str, protocol: type) -> bool:
    """Return whether a component has a method of its own, not the default of its protocol."""
    found = getattr(component, method, None)
    return found is not None and getattr(found, "__func__", None) is not getattr(protocol, method)


def by_name(kinds: Iterable[Kind]) -> dict[str, Kind]:
    """Return the rows by name.

    PluginError if two rows have one name or one protocol.
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
        Kind(
            "layer",
            "layers",
            Layer,
            "model.layers[]",
            "--layer {}",
            is_section=True,
            others={"merge": Merge, "block": Block},
        ),
        Kind("activation", "activations", Activation, "model.layers[].activation", "--layer LAYER:activation={}"),
        Kind("cost", "costs", Cost, "cost", "--cost {}", is_section=True),
        Kind(
            "optimizer",
            "optimizers",
            Optimizer,
            "optimizer",
            "--optimizer {}",
            is_section=True,
            others={"solver": Solver},
        ),
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


def is_solver(optimizer: Optimizer | Solver) -> TypeIs[Solver]:
    """Return whether a component of kind "optimizer" is a solver."""
    return KINDS["optimizer"].sort_of(type(optimizer)) == "solver"
