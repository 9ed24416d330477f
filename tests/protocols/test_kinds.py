"""The kinds of component: a table, each row with a protocol."""

import re
from typing import Protocol

import pytest

import nnfw
from nnfw import protocols
from nnfw.errors import PluginError
from nnfw.protocols import KINDS, Kind
from nnfw.protocols.kinds import by_name, members_of

MEMBERS = {
    "layer": ["backward", "forward", "output_shape", "parameters"],
    "activation": ["delta", "forward"],
    "cost": ["canonical", "gradient", "targets", "value"],
    "optimizer": ["learning_rate", "state", "update"],
    "schedule": ["factor"],
    "initializer": ["sample"],
    "regularizer": ["add_gradient", "value"],
    "metric": ["higher_is_better", "result", "statistics"],
    "dataset": ["load"],
    "transform": ["accepts", "apply", "columns", "fit", "invert"],
}

PROTOCOLS = [protocol for kind in KINDS.values() for protocol in kind.protocols.values()]
EVERY_PROTOCOL = pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.__name__)


def test_kinds_are_eleven_in_the_order_of_their_weight():
    assert list(KINDS) == [*MEMBERS, "callback"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_kind_has_a_row_under_its_name_and_a_public_protocol(kind):
    assert KINDS[kind.name] is kind
    for protocol in kind.protocols.values():
        assert protocol is getattr(nnfw, protocol.__name__)
        assert protocol.__doc__


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_kind_has_a_helper_of_its_name(kind):
    assert callable(getattr(nnfw, kind.name))


@pytest.mark.parametrize(("name", "members"), MEMBERS.items(), ids=list(MEMBERS))
def test_kind_members_include_the_methods_and_attributes_of_the_protocol(name, members):
    assert set(members) <= members_of(KINDS[name].protocol)


def test_kind_members_include_what_a_protocol_inherits():
    own = {"canonical_delta", "value_from_z"}
    assert members_of(protocols.CanonicalCost) == members_of(protocols.Cost) | own


@EVERY_PROTOCOL
def test_members_hold_every_abstract_method(protocol):
    assert protocol.__abstractmethods__ <= members_of(protocol)


@EVERY_PROTOCOL
def test_members_are_public_and_documented(protocol):
    for member in members_of(protocol):
        assert not member.startswith("_")
        method = getattr(protocol, member, None)
        assert method.__doc__ if callable(method) else member in protocol.__doc__


class Minimises:
    def minimise(self, function, vector, iterations, ended):
        return ""


class Steps:
    learning_rate, rests = 0.1, True

    def state(self, vector):
        return {}

    def update(self, vector, gradient, state, step, learning_rate, decays):
        vector -= gradient


class StepsToo(Minimises, protocols.Solver, Steps):
    """A solver with the methods of an optimizer."""


class MinimisesToo(Steps, protocols.Optimizer, Minimises):
    """An optimizer with the method of a solver."""


class Both(Minimises, Steps):
    """Derives from no protocol, and has the methods of both."""


class Neither:
    """Has the methods of none."""


@pytest.mark.parametrize(
    ("cls", "sort"),
    [
        (Steps, "optimizer"),
        (Minimises, "solver"),
        (StepsToo, "solver"),
        (MinimisesToo, "optimizer"),
        (Both, "optimizer"),
        (Neither, "optimizer"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_sort_is_that_of_the_base_class_or_else_of_the_first_protocol_that_is_complete(cls, sort):
    assert KINDS["optimizer"].sort_of(cls) == sort
    assert protocols.is_solver(cls()) is (sort == "solver")


class Other(Protocol):
    """A protocol of no kind."""


@pytest.mark.parametrize(
    "row",
    [Kind("layer", "layers", Other, "model.layers[]"), Kind("tier", "tiers", protocols.Layer, "model.tiers[]")],
    ids=["name", "protocol"],
)
def test_kind_registered_twice_is_refused_with_its_owner(row):
    message = (
        f"The kind {row.name!r} ({row.owner}) is already registered as 'layer' (nnfw.protocols.layer.Layer). "
        "Choose another name, and a protocol of its own."
    )
    with pytest.raises(PluginError, match=f"^{re.escape(message)}$"):
        by_name([*KINDS.values(), row])
