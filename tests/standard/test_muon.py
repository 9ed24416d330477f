"""Muon: PyTorch's steps of matrices, and those of Adam for everything else."""

import numpy as np
import pytest

import nnfw
from nnfw.protocols import Parts
from nnfw_standard import AdamW, Conv2D, Dense, Flatten, Muon
from nnfw_standard.muon import orthogonal

GOLDEN = {
    "muon": Muon(weight_decay=0.0),
    "muon decay": Muon(weight_decay=0.2, momentum=0.8),
    "muon plain": Muon(nesterov=False, iterations=3),
}
SHAPES = ("wide", "tall", "square")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", GOLDEN)
def test_muon_takes_the_steps_of_pytorch(name, shape):
    with np.load("tests/standard/golden/steps.npz") as stored:
        start, gradients, expected = (stored[f"{shape} {each}"] for each in ("start", "gradients", name))

    found = moved(GOLDEN[name], start, gradients)

    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def moved(optimizer, start, gradients, rate=0.05, name="weight"):
    """Return a weight after the steps of an optimizer that knows its shape."""
    theta, decays = start.reshape(-1).copy(), slice(0, start.size)
    parts, state = Parts({name: decays}, {name: start.shape}), optimizer.state(theta)
    for step, gradient in enumerate(gradients, start=1):
        optimizer.update_parts(theta, gradient.reshape(-1).copy(), state, step, rate, decays, parts)
    return theta.reshape(start.shape)


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5)])
def test_orthogonal_keeps_singular_vectors_and_brings_singular_values_near_1(rng, shape):
    matrix = rng.normal(size=shape)

    u, _, vt = np.linalg.svd(matrix, full_matrices=False)
    inside = u.T @ orthogonal(matrix) @ vt.T

    np.testing.assert_allclose(inside, np.diag(np.diag(inside)), atol=1e-10)
    assert 0.6 < np.diag(inside).min() <= np.diag(inside).max() < 1.25


def test_orthogonal_of_zeros_is_zero():
    np.testing.assert_array_equal(orthogonal(np.zeros((2, 3))), np.zeros((2, 3)))


def test_kernel_is_a_matrix_of_a_row_for_each_filter(rng):
    start, gradients = rng.normal(size=(4, 3, 2, 2)), rng.normal(size=(3, 4, 3, 2, 2))

    found = moved(Muon(), start, gradients)

    expected = moved(Muon(), start.reshape(4, 12), gradients.reshape(3, 4, 12))
    np.testing.assert_array_equal(found.reshape(4, 12), expected)


def test_parameters_named_in_adam_take_the_steps_of_adamw(rng):
    start, gradients = rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4))
    adamw, theta = AdamW(weight_decay=0.3), start.reshape(-1).copy()
    state = adamw.state(theta)
    for step, gradient in enumerate(gradients, start=1):
        adamw.update(theta, gradient.reshape(-1).copy(), state, step, 0.05, slice(0, 12))

    optimizer = Muon(adam=("embed.*",), weight_decay=0.3)

    np.testing.assert_allclose(moved(optimizer, start, gradients, name="embed.weight").reshape(-1), theta, rtol=1e-12)
    assert not np.allclose(moved(optimizer, start, gradients, name="head.weight").reshape(-1), theta)


@pytest.mark.parametrize("options", [{"clip_value": 0.5}, {"clip_norm": 0.7}], ids=str)
def test_muon_clips_the_gradient_of_all_parameters(rng, options):
    start, gradients = rng.normal(size=(3, 4)), 10 * rng.normal(size=(2, 3, 4))
    gradients[1] *= 100  # a direction counts less once it is clipped

    found = moved(Muon(**options), start, gradients)

    if "clip_value" in options:
        clipped = np.clip(gradients, -0.5, 0.5)
    else:
        clipped = np.stack([0.7 * gradient / np.linalg.norm(gradient) for gradient in gradients])
    np.testing.assert_allclose(found, moved(Muon(), start, clipped), rtol=1e-10)
    assert not np.allclose(found, moved(Muon(), start, gradients))


def test_training_gives_muon_the_shapes_of_a_network(rng):
    layers = [Conv2D(4, 3, activation="relu"), Flatten(), Dense(2, activation="softmax")]
    x, y = rng.normal(size=(60, 1, 5, 5)), np.arange(60) % 2
    x[y == 1] += 0.7
    trained = {}
    for name, optimizer in (("muon", Muon(0.01)), ("adam", Muon(0.01, adam=("*",)))):
        trained[name] = nnfw.Sequential(layers, input_shape=(1, 5, 5), seed=1)
        history = trained[name].fit(x, y, cost="cross_entropy", optimizer=optimizer, epochs=15, accelerator="none")
        assert history["cost"][-1] < 0.8 * history["cost"][0]
    for name in ("layers.0.weight", "layers.2.weight"):
        assert not np.allclose(trained["muon"].parameters[name], trained["adam"].parameters[name], atol=1e-3)


def test_muon_refuses_wrong_options():
    with pytest.raises(nnfw.ConfigError, match="iterations must be greater than or equal to 1, got 0"):
        nnfw.optimizer("muon", iterations=0)
