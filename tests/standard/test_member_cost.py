"""The cost of each member of an ensemble."""

import re

import numpy as np
import pytest

import nnfw
from nnfw_standard import GRU, MAE, MSE, ActivationLayer, BatchEnsemble, CrossEntropy, EachMember, TimePool

LABELS = {"cross_entropy": ("softmax", CrossEntropy()), "mse": ("identity", MSE()), "mae": ("identity", MAE())}


def ensemble(activation, dtype="float64"):
    """Return a network of three members, whose mean is an output too."""
    return nnfw.Sequential(
        [
            BatchEnsemble(4, members=3, activation="tanh"),
            nnfw.Node(BatchEnsemble(2, members=3, input_initializer="ones"), name="z"),
            nnfw.Node(ActivationLayer(activation), name="members"),
            nnfw.Node(TimePool(), inputs=("z",)),
            nnfw.Node(ActivationLayer(activation), name="mean"),
        ],
        3,
        outputs=("members", "mean"),
        dtype=dtype,
    )


def labels_for(name, rng, count):
    return rng.integers(0, 2, count) if name == "cross_entropy" else rng.normal(size=(count, 2))


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", LABELS)
def test_cost_is_the_mean_of_those_of_the_members(rng, name, weighted):
    cost, y = LABELS[name][1], labels_for(name, rng, 6)
    a, weight = rng.random((6, 3, 2)), rng.random(6) if weighted else None
    each = EachMember(cost)
    targets, own = each.targets(y, (3, 2)), cost.targets(y, (2,))
    workspace = nnfw.Workspace(np.float64)
    right = np.mean([cost.value(a[:, m], own, weight) for m in range(3)])
    assert each.value(a, targets, weight) == pytest.approx(right, rel=1e-14)
    gradient = each.gradient(a, targets, workspace, weight)
    for m in range(3):
        alone = cost.gradient(a[:, m].copy(), own, nnfw.Workspace(np.float64), weight)
        np.testing.assert_allclose(gradient[:, m], alone / 3, rtol=1e-14)


def test_canonical_form_of_a_member_is_that_of_the_ensemble(rng):
    each, y = EachMember(CrossEntropy()), rng.integers(0, 2, 6)
    z, targets = rng.normal(size=(6, 3, 2)), each.targets(y, (3, 2))
    a = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    assert (each.canonical, each.domain) == ("softmax", (0, 1))
    assert each.value_from_z(z, targets) == pytest.approx(each.value(a, targets), rel=1e-12)
    delta = each.canonical_delta(a, targets, nnfw.Workspace(np.float64))
    np.testing.assert_allclose(delta, (a - np.eye(2)[targets]) / 18, rtol=1e-12)


@pytest.mark.parametrize("accelerator", ["none", "numba"])
@pytest.mark.parametrize("name", LABELS)
def test_members_learn_and_the_mean_is_only_reported(rng, name, accelerator):
    if accelerator == "numba":
        pytest.importorskip("numba")
    x, y = rng.normal(size=(40, 3)), labels_for(name, rng, 40)
    cost = {"members": {"type": "each_member", "cost": name}, "mean": {"type": name, "weight": 0.0}}
    model = ensemble(LABELS[name][0])
    history = model.fit(
        x,
        {"members": y, "mean": y},
        cost=cost,
        optimizer="adam",
        epochs=5,
        batch_size=16,
        sample_weight=np.ones(40),
        accelerator=accelerator,
    )
    assert history[-1]["cost"] < history[0]["cost"]
    assert history[-1]["cost"] == history[-1]["members_cost"]
    assert "mean_cost" in history[-1]


def test_output_without_members_is_refused(rng):
    text = "EachMember: the output must have shape (members, ...), got (2,). Use MSE() without each_member, or a batch_"
    with pytest.raises(nnfw.DataError, match=f"^{re.escape(text)}ensemble layer at this output.$"):
        EachMember(MSE()).targets(rng.normal(size=(4, 2)), (2,))


@pytest.mark.parametrize("call", ["gradient", "evaluate"])
@pytest.mark.parametrize("name", ["mse", "mae"])
def test_padded_sequences_are_refused(rng, name, call):
    model = nnfw.Sequential([GRU(2, states="all")], (4, 3))
    x = nnfw.Padded(rng.normal(size=(5, 4, 3)), lengths=[4, 1, 3, 0, 2])
    message = r"EachMember: takes no padded sequences, whose time steps are no members\. Put 'time_pool' before this "
    with pytest.raises(nnfw.DataError, match=message + r"output, or leave each_member out\.$"):
        getattr(model, call)(x, rng.normal(size=(5, 2)), cost=EachMember(LABELS[name][1]))
