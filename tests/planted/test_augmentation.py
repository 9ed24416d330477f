"""The kit finds random layers with planted errors."""

from dataclasses import dataclass

import numpy as np
import pytest
from tests.standard.test_augmentation import assert_choices

from nnfw.testing import run_checks
from nnfw_standard import GaussianNoise, RandomCrop, RandomFlip, RandomShift

SHAPES = ((2, 4, 5),)


def unmoved(self, params, delta, grads, workspace):
    return delta


def moved_with_new_draws(self, params, delta, grads, workspace):
    grad = np.empty_like(delta)
    chosen = workspace.rng.random(len(delta)) < 0.5
    grad[...] = np.where(chosen[:, None, None, None], delta[..., ::-1], delta)
    return grad


def along_the_wrong_axis(self, params, delta, grads, workspace):
    u = workspace["u"]
    return delta if u is None else np.where((u < self.rate)[:, None, None, None], delta[:, :, ::-1], delta)


def moved_the_wrong_way(self, params, delta, grads, workspace):
    if workspace["places"] is None:
        return delta
    grad = np.zeros(workspace["shape"], delta.dtype)
    for n, (y, x) in enumerate(workspace["places"].astype(int)):
        grad[n] = np.roll(delta[n], (-y, -x), (1, 2))
    return grad


def in_the_corner(self, params, delta, grads, workspace):
    grad = np.zeros(workspace["shape"], delta.dtype)
    grad[:, :, : delta.shape[2], : delta.shape[3]] = delta
    return grad


def draws_of_its_own(self, params, a_prev, workspace):
    workspace["u"] = workspace["places"] = None
    workspace["shape"] = a_prev.shape
    return a_prev + np.random.default_rng().standard_normal(a_prev.shape).astype(a_prev.dtype)


def noise_in_predictions(self, params, a_prev, workspace):
    return a_prev + workspace.rng.standard_normal(a_prev.shape).astype(a_prev.dtype)


def in_place(self, params, a_prev, workspace):
    a_prev += 1
    return a_prev


def scaled(self, params, delta, grads, workspace):
    return delta * 2


def summed(self, params, delta, grads, workspace):
    return np.broadcast_to(delta.sum(0), delta.shape).copy()


def one_draw_for_all(self, params, a_prev, workspace):
    workspace["u"] = np.full(len(a_prev), workspace.rng.random(), np.float32)
    return a_prev[..., ::-1] if workspace["u"][0] < self.rate else a_prev


GRADIENT, SEED, FIXED = (
    "layer.gradient_of_input",
    "layer.same_seed_gives_same_bits",
    "layer.evaluation_is_deterministic",
)


@pytest.mark.parametrize(
    ("layer", "method", "function", "check"),
    [
        (RandomFlip(rate=1.0), "backward", unmoved, GRADIENT),
        (RandomFlip(), "backward", moved_with_new_draws, GRADIENT),
        (RandomFlip(rate=1.0), "backward", along_the_wrong_axis, GRADIENT),
        (RandomFlip(), "forward", draws_of_its_own, SEED),
        (RandomFlip(), "forward", noise_in_predictions, FIXED),
        (RandomShift(2), "backward", unmoved, GRADIENT),
        (RandomShift(), "backward", moved_the_wrong_way, GRADIENT),
        (RandomShift(), "forward", draws_of_its_own, SEED),
        (RandomShift(), "forward", noise_in_predictions, FIXED),
        (RandomCrop((2, 3)), "backward", in_the_corner, GRADIENT),
        (RandomCrop((4, 5)), "backward", summed, "layer.rows_are_independent"),
        (RandomCrop((4, 5)), "forward", draws_of_its_own, SEED),
        (RandomCrop((4, 5)), "forward", noise_in_predictions, FIXED),
        (GaussianNoise(), "backward", scaled, GRADIENT),
        (GaussianNoise(), "forward", draws_of_its_own, SEED),
        (GaussianNoise(), "forward", noise_in_predictions, FIXED),
        (GaussianNoise(), "forward", in_place, "layer.leaves_input_alone"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or (value if isinstance(value, str) else type(value).__name__),
)
def test_planted_error_is_found(layer, method, function, check):
    parent = type(layer)
    options = {name: getattr(layer, name) for name in parent.__dataclass_fields__ if name != "_"}
    faulty = dataclass(frozen=True)(type("Faulty", (parent,), {method: function}))(**options)
    assert run_checks(layer, only=[check], input_shapes=SHAPES).ok
    assert [item.check for item in run_checks(faulty, only=[check], input_shapes=SHAPES).failures] == [check]


def test_one_draw_for_all_images_is_found():
    faulty = dataclass(frozen=True)(type("Faulty", (RandomFlip,), {"forward": one_draw_for_all}))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_choices(faulty(), lambda a: [a, a[..., ::-1]])
