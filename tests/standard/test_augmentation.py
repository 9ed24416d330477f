"""Layers that change images at random in training."""

import numpy as np
import pytest

import nnfw
from nnfw.errors import ShapeError
from nnfw.ops import DEFINITIONS, using
from nnfw.ops.accelerators import choose
from nnfw.plugins import default_registry
from nnfw_standard import Dense, Flatten, GaussianNoise, RandomCrop, RandomFlip, RandomShift

SHAPE = (3, 4, 5)
LAYERS = [RandomFlip(), RandomFlip("vertical"), RandomShift((1, 2)), RandomCrop((2, 3)), GaussianNoise(0.3)]
BY_NAME = [pytest.param(layer, id=type(layer).__name__) for layer in LAYERS]


@pytest.fixture(params=["numpy", "numba"])
def engine(request):
    if request.param == "numpy":
        return DEFINITIONS
    pytest.importorskip("numba")
    return choose("numba", default_registry())[0]


def training(seed=0, dtype=np.float64):
    return nnfw.Workspace(dtype, rng=np.random.default_rng(seed), training=True)


def images(count, shape=SHAPE):
    return np.arange(1.0, count * np.prod(shape) + 1).reshape(count, *shape)


def shifted(a, y, x):
    """Return images moved up by y and left by x pixels, by a padded copy."""
    padded = np.pad(a, ((0, 0), (0, 0), (5, 5), (5, 5)))
    return padded[..., 5 + y : 5 + y + a.shape[2], 5 + x : 5 + x + a.shape[3]]


@pytest.mark.parametrize(
    ("layer", "choices"),
    [
        (RandomFlip(), lambda a: [a, a[..., ::-1]]),
        (RandomFlip("vertical"), lambda a: [a, a[..., ::-1, :]]),
        (RandomShift((1, 2)), lambda a: [shifted(a, y, x) for y in (-1, 0, 1) for x in (-2, -1, 0, 1, 2)]),
        (RandomCrop((2, 3)), lambda a: [a[..., y : y + 2, x : x + 3] for y in range(3) for x in range(3)]),
    ],
    ids=["flip", "vertical flip", "shift", "crop"],
)
def test_each_image_has_one_of_the_choices_all_alike_likely(layer, choices, engine):
    with using(engine):
        assert_choices(layer, choices)


def assert_choices(layer, choices):
    a = images(3000)
    z = layer.forward({}, a, training())
    equal = np.array([np.all(z == choice, axis=(1, 2, 3)) for choice in choices(a)])
    assert (equal.sum(axis=0) == 1).all()
    counts, share = equal.sum(axis=1), 1 / len(equal)
    np.testing.assert_allclose(counts / len(a), share, atol=5 * np.sqrt(share / len(a)))


@pytest.mark.parametrize("layer", LAYERS[:4], ids=["flip", "vertical flip", "shift", "crop"])
def test_delta_goes_back_to_the_pixels_that_it_came_from(layer, engine):
    a, workspace = images(40), training()
    with using(engine):
        z = layer.forward({}, a, workspace).copy()
        delta = np.random.default_rng(1).standard_normal(z.shape)
        found = layer.backward({}, delta, {}, workspace)
    expected = np.zeros(a.size + 1)  # pixels have different values, so each is known by its own
    expected[z.astype(int)] = np.where(z > 0, delta, 0)
    np.testing.assert_array_equal(found.ravel(), expected[1:])


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_flip_with_rate_0_or_1_mirrors_none_or_all(rate, engine):
    a = images(20)
    with using(engine):
        z = RandomFlip(rate=rate).forward({}, a, training())
    np.testing.assert_array_equal(z, a[..., ::-1] if rate else a)


def test_noise_is_normal_and_independent(engine):
    a = np.full((200, 3, 4, 5), 7.0)
    with using(engine):
        noise = (GaussianNoise(0.3).forward({}, a, training()) - 7) / 0.3
    assert abs(noise.mean()) < 0.03
    assert noise.std() == pytest.approx(1, abs=0.03)
    assert np.mean(np.abs(noise) > 1.96) == pytest.approx(0.05, abs=0.01)
    assert abs(np.corrcoef(noise[:100].ravel(), noise[100:].ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("layer", BY_NAME)
def test_prediction_draws_nothing_and_changes_nothing_but_the_crop(layer):
    a = images(3)
    workspace = nnfw.Workspace(np.float64, rng=np.random.default_rng(0))
    z = layer.forward({}, a, workspace)
    np.testing.assert_array_equal(z, a[..., 1:3, 1:4] if isinstance(layer, RandomCrop) else a)
    assert workspace.rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize("layer", BY_NAME)
def test_draws_are_those_of_the_workspace_and_differ_from_step_to_step(layer):
    a, workspace = images(30), training(4)
    first, second = (layer.forward({}, a, workspace).copy() for _ in range(2))
    np.testing.assert_array_equal(first, layer.forward({}, a, training(4)))
    assert (first != second).any()
    assert a[0, 0, 0, 0] == 1  # the images stay


def test_delta_of_a_prediction_of_a_crop_is_that_of_the_middle(engine):
    workspace = nnfw.Workspace(np.float64)
    with using(engine):
        RandomCrop(2).forward({}, images(1, (1, 4, 3)), workspace)
        found = RandomCrop(2).backward({}, np.array([[[[1.0, 2], [3, 4]]]]), {}, workspace)
    np.testing.assert_array_equal(found, [[[[0, 0, 0], [1, 2, 0], [3, 4, 0], [0, 0, 0]]]])


def test_crop_larger_than_the_image_is_refused():
    message = r"expected an image of at least 5 x 6 pixels, got 4 x 5\. Choose a smaller size\."
    with pytest.raises(ShapeError, match=message):
        nnfw.Sequential([RandomCrop((5, 6))], SHAPE)


@pytest.mark.parametrize("layer", LAYERS[:4], ids=["flip", "vertical flip", "shift", "crop"])
def test_input_that_is_no_image_is_refused(layer):
    with pytest.raises(ShapeError, match=r"expected an image \(C, H, W\)|expected input of shape \(C, H, W\)"):
        nnfw.Sequential([layer], 7)


class EachStep:
    """A callback that looks at each step, so that steps are taken one by one."""

    def step_computed(self, fit, memory):
        pass


def test_training_with_all_of_them_has_the_same_bits_with_and_without_many_steps_in_a_call():
    pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((96, *SHAPE)).astype(np.float32), rng.integers(0, 2, 96)
    layers = [
        RandomFlip(),
        RandomShift(1),
        RandomCrop((3, 4)),
        GaussianNoise(),
        Flatten(),
        Dense(2, activation="softmax"),
    ]
    found = []
    for callbacks in ([], [EachStep()]):
        model = nnfw.Sequential(layers, SHAPE, seed=3)
        model.fit(
            x,
            y,
            cost="cross_entropy",
            optimizer="adam",
            epochs=3,
            batch_size=16,
            accelerator="numba",
            callbacks=callbacks,
        )
        found.append(model.parameters["layers.5.weight"].copy())
    np.testing.assert_array_equal(*found)


class Stop:
    def step_computed(self, fit, memory):
        if fit.step == 7:
            raise KeyboardInterrupt


def test_training_that_is_resumed_has_the_bits_of_one_without_a_stop(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((48, *SHAPE)), rng.integers(0, 2, 48)
    layers = [*LAYERS, Flatten(), Dense(2, activation="softmax")]

    def trained(**options):
        model = nnfw.Sequential(layers, SHAPE, seed=3)
        model.fit(x, y, cost="cross_entropy", optimizer="adam", epochs=3, batch_size=16, **options)
        return model.parameters["layers.6.weight"].copy()

    kept = {"checkpoints": tmp_path / "checkpoints", "checkpoint_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        trained(**kept, callbacks=[Stop()])
    np.testing.assert_array_equal(trained(**kept, resume=True), trained())
