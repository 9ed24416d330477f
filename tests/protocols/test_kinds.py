"""The kinds of component: a table, each row with a protocol."""

import re
from typing import Protocol

import pytest

import nnfw
from nnfw import protocols
from nnfw.errors import PluginError
from nnfw.protocols import KINDS, Kind
from nnfw.protocols.kinds import by_name

MEMBERS = {
    "layer": ["activation", "backward", "forward", "output_shape", "parameters"],
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


def test_kinds_are_eleven_in_the_order_of_their_weight():
    assert list(KINDS) == [*MEMBERS, "callback"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_kind_has_a_row_under_its_name_and_a_public_protocol(kind):
    assert KINDS[kind.name] is kind
    assert kind.protocol is getattr(nnfw, kind.protocol.__name__)
    assert kind.protocol.__doc__


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_kind_has_a_helper_of_its_name(kind):
    assert callable(getattr(nnfw, kind.name))


@pytest.mark.parametrize(("name", "members"), MEMBERS.items(), ids=list(MEMBERS))
def test_kind_members_include_the_methods_and_attributes_of_the_protocol(name, members):
    assert [member for member in KINDS[name].members if member in members] == members


def test_kind_members_include_what_a_protocol_inherits():
    inherited, own = KINDS["cost"].members, {"canonical_delta", "value_from_z"}
    assert {*inherited, *own} == set(Kind("canonical_cost", "canonical_costs", protocols.CanonicalCost, "cost").members)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_kind_members_hold_every_abstract_method(kind):
    assert kind.protocol.__abstractmethods__ <= set(kind.members)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_kind_members_are_public_and_documented(kind):
    for member in kind.members:
        assert not member.startswith("_")
        method = getattr(kind.protocol, member, None)
        assert method.__doc__ if callable(method) else member in kind.protocol.__doc__


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
