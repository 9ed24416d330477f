"""Batches whose examples are mixed in pairs."""

import numpy as np
import pytest

import nnfw
from nnfw.errors import ConfigError
from nnfw.network import Batch
from nnfw.training import Mixing
from nnfw.training.mixing import Mixer, rectangle
from nnfw_standard import GRU, Conv2D, Dense, Embedding, Flatten

SHAPE = (2, 4, 5)
LAST = Dense(3, activation="softmax")


def batch_of(rng, count=6, targets=None):
    x = rng.standard_normal((count, *SHAPE)).astype(np.float32)
    return Batch((x,), (rng.integers(0, 3, count) if targets is None else targets,))


def network():
    return nnfw.Sequential([Flatten(), Dense(3, activation="softmax")], SHAPE).network


def mixed(mixing, batch, seed=0):
    found = Mixer(mixing, network(), np.random.default_rng(seed))(batch)
    found.gather()
    return found


def test_mixup_mixes_examples_and_labels_alike(rng):
    batch = batch_of(rng)
    (x,), (y,) = batch.inputs, batch.targets
    found = mixed(Mixing("mixup", alpha=0.7), batch)
    again = np.random.default_rng(0)
    partners, kept = again.permutation(6), again.beta(0.7, 0.7)
    np.testing.assert_allclose(found.inputs[0], kept * x + (1 - kept) * x[partners], rtol=1e-5, atol=1e-6)
    one_hot = np.eye(3)[y]
    np.testing.assert_allclose(found.targets[0], kept * one_hot + (1 - kept) * one_hot[partners], rtol=1e-5, atol=1e-6)


def test_mixup_of_numbers_mixes_them(rng):
    y = rng.standard_normal((6, 3)).astype(np.float32)
    found = mixed(Mixing("mixup"), batch_of(rng, targets=y))
    again = np.random.default_rng(0)
    partners, kept = again.permutation(6), again.beta(1, 1)
    np.testing.assert_allclose(found.targets[0], kept * y + (1 - kept) * y[partners], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_cutmix_takes_a_rectangle_of_another_image_and_its_share_of_the_label(rng, seed):
    batch = batch_of(rng)
    (x,), (y,) = batch.inputs, batch.targets
    found = mixed(Mixing("cutmix"), batch, seed)
    partners = np.random.default_rng(seed).permutation(6)
    own, other = found.inputs[0] == x, found.inputs[0] == x[partners]
    assert (own | other).all()
    moved = [n for n in range(6) if partners[n] != n]
    cut = ~own[moved[0], 0]
    assert all((~own[n] == cut).all() for n in moved)  # one rectangle for the batch, in all channels
    rows, columns = np.flatnonzero(cut.any(1)), np.flatnonzero(cut.any(0))
    assert cut.sum() == len(rows) * len(columns)
    kept, one_hot = 1 - cut.mean(), np.eye(3)[y]
    np.testing.assert_allclose(found.targets[0], kept * one_hot + (1 - kept) * one_hot[partners], rtol=1e-5, atol=1e-6)


def test_labels_stay_probabilities_and_the_batch_stays(rng):
    batch = batch_of(rng)
    before = batch.inputs[0].copy()
    found = mixed(Mixing("mixup"), batch)
    np.testing.assert_allclose(found.targets[0].sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(batch.inputs[0], before)


def test_each_batch_is_mixed_anew_in_the_same_arrays(rng):
    mixer = Mixer(Mixing("mixup"), network(), np.random.default_rng(0))
    batch = batch_of(rng)
    found = mixer(batch)
    found.gather()
    first = found.inputs[0].copy()
    assert mixer(batch) is found
    found.gather()
    assert (found.inputs[0] != first).any()


def test_labels_of_the_batch_before_are_forgotten(rng):
    batch = batch_of(rng)
    (y,) = batch.targets
    found = Mixer(Mixing("mixup"), network(), np.random.default_rng(0))(batch)
    for label in (0, 1):
        y[...] = label
        found.gather()
    np.testing.assert_allclose(found.targets[0], np.eye(3)[y], atol=1e-6)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_inputs_of_an_example_are_mixed_with_those_of_one_other(rng, kind):
    x = rng.standard_normal((6, *SHAPE)).astype(np.float32)
    found = mixed(Mixing(kind), Batch((x, 2 * x), (rng.integers(0, 3, 6),), lengths=(None, None)), seed=3)
    np.testing.assert_allclose(found.inputs[1], 2 * found.inputs[0], rtol=1e-6)
    assert (found.inputs[0] != x).any()


def test_weights_stay_those_of_the_examples(rng):
    batch = batch_of(rng)
    weighted = Batch(batch.inputs, batch.targets, rng.random(6))
    assert mixed(Mixing("mixup"), weighted).weight is weighted.weight


def test_rectangle_is_anywhere_all_alike_likely():
    rng, counts = np.random.default_rng(0), np.zeros((4, 5))
    for _ in range(2000):
        rows, columns, outside = rectangle((4, 5), 0.95, rng)
        assert outside == pytest.approx(0.95)
        counts[rows, columns] += 1
    np.testing.assert_allclose(counts / 2000, 0.05, atol=0.025)


@pytest.mark.parametrize("kept", [0.0, 0.3, 1.0])
def test_rectangle_has_the_share_that_it_says(kept):
    for seed in range(20):
        rows, columns, outside = rectangle((6, 7), kept, np.random.default_rng(seed))
        image = np.zeros((6, 7))
        image[rows, columns] = 1
        assert outside == pytest.approx(1 - image.mean())
    assert kept < 1 or outside == 1


def test_rectangle_in_the_middle_has_the_area_asked_for():
    areas = [1 - rectangle((20, 20), 0.75, np.random.default_rng(seed))[2] for seed in range(200)]
    assert max(areas) == pytest.approx(0.25)


def trained(**options):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, *SHAPE)).astype(np.float32), rng.integers(0, 3, 40)
    model = nnfw.Sequential([Conv2D(2, 2), Flatten(), LAST], SHAPE, seed=2)
    given = {"cost": "cross_entropy", "optimizer": "adam", "epochs": 3, "batch_size": 16, "metrics": ["accuracy"]}
    return model, model.fit(x, y, **given, **options)


def vector(model):
    return np.concatenate([array.ravel() for array in model.parameters.values()])


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_training_mixes_and_depends_on_the_seed_alone(kind):
    (first, history), (again, _), (plain, _) = (trained(mix=mix) for mix in ({"type": kind}, {"type": kind}, None))
    np.testing.assert_array_equal(vector(first), vector(again))
    assert (vector(first) != vector(plain)).any()
    assert all(0 <= record["accuracy"] <= 1 for record in history)


@pytest.mark.parametrize(
    ("layers", "shape", "cost", "mix", "message"),
    [
        (
            [Embedding(5, 3), Flatten(), Dense(3, activation="softmax")],
            (4,),
            "cross_entropy",
            "mixup",
            "cannot mix indices, which an input holds",
        ),
        (
            [Dense(3, activation="softmax")],
            (4,),
            "cross_entropy",
            "cutmix",
            r"of type 'cutmix' needs images \(C, H, W\), got",
        ),
        (
            [Dense(3, activation="softmax")],
            (4, 2),
            "token_cross_entropy",
            "mixup",
            "needs a cost of probabilities or numbers, but 'token_cross_entropy'",
        ),
    ],
    ids=["indices", "no images", "classes alone"],
)
def test_data_that_cannot_be_mixed_is_refused(layers, shape, cost, mix, message):
    model = nnfw.Sequential(layers, shape)
    with pytest.raises(ConfigError, match=f"mix {message}"):
        model.fit(np.zeros((2, *shape)), np.zeros(2, int), cost=cost, optimizer="adam", mix={"type": mix}, epochs=1)


def test_padded_sequences_are_refused(rng):
    model = nnfw.Sequential([GRU(2), LAST], (4, 2))
    x = nnfw.Padded(rng.standard_normal((2, 4, 2)), lengths=[4, 1])
    with pytest.raises(ConfigError, match=r"^mix cannot mix padded sequences, whose lengths differ\. Leave it out, or"):
        model.fit(x, [0, 1], cost="cross_entropy", optimizer="adam", mix={"type": "mixup"}, epochs=1)


def test_images_of_several_sizes_are_refused_for_cutmix():
    layers = [
        nnfw.Node(Flatten(), "a", ("one",)),
        nnfw.Node(Flatten(), "b", ("two",)),
        nnfw.Node({"type": "concatenate"}, "c", ("a", "b")),
        Dense(2, activation="softmax"),
    ]
    model = nnfw.Sequential(layers, {"one": (1, 2, 2), "two": (1, 3, 3)})
    x = {"one": np.zeros((2, 1, 2, 2)), "two": np.zeros((2, 1, 3, 3))}
    with pytest.raises(ConfigError, match=r"mix of type 'cutmix' needs images of one size\. Use 'mixup'\."):
        model.fit(x, [0, 1], cost="cross_entropy", optimizer="adam", mix={"type": "cutmix"}, epochs=1)


def test_solver_refuses_mixing():
    model = nnfw.Sequential([Dense(3, activation="softmax")], 4)
    with pytest.raises(ConfigError, match=r"mix has no batches to mix: 'lbfgs' \(built-in\) sees all examples at once"):
        model.fit(np.zeros((2, 4)), [0, 1], cost="cross_entropy", optimizer="lbfgs", mix={"type": "mixup"}, epochs=1)


def test_mixing_alpha_must_be_above_0():
    with pytest.raises(ConfigError, match=r"mix\.alpha must be"):
        trained(mix={"type": "mixup", "alpha": 0})


class Stop:
    def __init__(self, step):
        self.step = step

    def step_computed(self, fit, memory):
        if fit.step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_training_that_is_resumed_ends_with_the_same_bits(kind, tmp_path):
    whole, _ = trained(mix={"type": kind})
    with pytest.raises(KeyboardInterrupt):
        trained(mix={"type": kind}, checkpoints=tmp_path / "c", checkpoint_seconds=0, callbacks=[Stop(5)])
    resumed, _ = trained(mix={"type": kind}, checkpoints=tmp_path / "c", checkpoint_seconds=0, resume=True)
    np.testing.assert_array_equal(vector(resumed), vector(whole))
