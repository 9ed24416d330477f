"""CTC: values as PyTorch's and as those of all paths written down, labels that it refuses, and padded sequences."""

from itertools import groupby, product

import numpy as np
import pytest

import nnfw
from nnfw.network import Workspace
from nnfw.ops import DEFINITIONS, using
from nnfw.ops.accelerators import choose
from nnfw.plugins import default_registry
from nnfw_standard import CTC

LABELS = {  # K, blank, labels of each sequence, lengths: those of golden/make_ctc.py
    "plain": (4, 0, [[1, 2, 3], [3, 1], [2]], [6, 6, 6]),
    "repeated": (3, 0, [[1, 1, 2], [2, 2, 2], [1, 2, 1]], [7, 7, 7]),
    "exact": (4, 0, [[1, 2, 3], [1, 1], [3]], [3, 3, 3]),
    "lengths": (5, 0, [[1, 4], [2, 2, 3], [4], [1, 2, 3]], [2, 8, 1, 5]),
    "none": (3, 0, [[], [1], [2, 1]], [4, 3, 4]),
    "blank last": (4, 3, [[0, 1, 2], [0, 0], [2]], [6, 5, 6]),
}


def rows(labels, padding=-1):
    longest = max(map(len, labels))
    return np.array([[*row, *[padding] * (longest - len(row))] for row in labels])


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/standard/golden/ctc.npz") as file:
        return dict(file)


@pytest.fixture(params=["numpy", "numba"])
def engine(request):
    if request.param == "numpy":
        return DEFINITIONS
    pytest.importorskip("numba")
    return choose("numba", default_registry())[0]


@pytest.mark.parametrize("name", LABELS)
def test_values_and_gradients_equal_those_of_pytorch(name, stored, engine):
    _, blank, labels, lengths = LABELS[name]
    z, costs, delta = (stored[f"{name}/{key}"] for key in ("z", "costs", "delta"))
    cost, a = CTC(blank=blank), softmax(z)
    y = cost.targets(rows(labels), z.shape[1:])
    marks = (np.arange(z.shape[1]) < np.array(lengths)[:, np.newaxis]).astype(float)
    with using(engine):
        np.testing.assert_allclose(cost.value_from_z(z, y, marks), costs.mean(), rtol=1e-12)
        np.testing.assert_allclose(cost.value(a, y, marks), costs.mean(), rtol=1e-12)
        found = cost.canonical_delta(a, y, Workspace(np.float64), marks)
        np.testing.assert_allclose(found, delta, rtol=1e-12, atol=1e-14)
        grad_a = cost.gradient(a, y, Workspace(np.float64), marks)
    through_softmax = a * (grad_a - (grad_a * a).sum(axis=2, keepdims=True))
    np.testing.assert_allclose(through_softmax, delta, rtol=1e-11, atol=1e-13)


def test_value_is_the_sum_over_all_paths():
    a = softmax(np.random.default_rng(0).standard_normal((1, 5, 3)))
    sums = {}
    for path in product(range(3), repeat=5):
        read = tuple(k for k, _ in groupby(path) if k != 0)
        sums[read] = sums.get(read, 0) + np.prod([a[0, t, k] for t, k in enumerate(path)])
    assert abs(sum(sums.values()) - 1) < 1e-12
    cost = CTC()
    for read, p in sums.items():
        y = cost.targets(rows([list(read), [1, 2, 1]])[:1], (5, 3))
        np.testing.assert_allclose(np.exp(-cost.value(a, y)), p, rtol=1e-12)


@pytest.mark.parametrize(
    ("y", "shape", "words"),
    [
        (
            [[1, 2, 3]],
            (2, 4),
            r"the labels \[1, 2, 3\] of example 0 need 3 time steps, one for each and one between equal ones, but its",
        ),
        ([[1], [1]], (0, 4), r"the labels \[1\] of example 0 need 1 time steps"),
        (
            [[1, -1, -1], [2, 2, 2]],
            (4, 4),
            r"the labels \[2, 2, 2\] of example 1 need 5 time steps, .* but its sequence has 4",
        ),
        (
            [[1, 0, 2]],
            (9, 4),
            "CTC: the label 1 of example 0 is the blank 0, which no label is. Set blank to another class",
        ),
        ([[1, -1, 2]], (9, 4), "CTC: the label 2 of example 0 comes after the padding -1. Put labels first in a row"),
        ([[1, 4, 2]], (9, 4), r"label 4 of example 0 at \(1,\) is outside the 4 classes 0 to 3"),
        ([[1.5]], (9, 4), "is not a whole number"),
        ([1, 2], (9, 4), r"y must have shape \(N, L\), rows of labels, got \(2,\)."),
        ([["a"]], (9, 4), "CTC: y must"),
        (
            [[1]],
            (9,),
            r"expected an output of shape \(T, K\) with more than 0 classes, one of them the blank 0, got \(9,\).",
        ),
    ],
)
def test_labels_that_cannot_be_are_refused(y, shape, words):
    with pytest.raises(nnfw.DataError, match=words):
        CTC().targets(np.array(y), shape)


def test_blank_beyond_the_classes_is_refused():
    with pytest.raises(nnfw.DataError, match="with more than 4 classes, one of them the blank 4"):
        CTC(blank=4).targets(np.array([[1]]), (9, 4))


def model(features=3, dtype="float64"):
    layers = [nnfw.layer("gru", units=6, states="all"), nnfw.layer("dense", units=4, activation="softmax")]
    return nnfw.Sequential(layers, (7, features), dtype=dtype)


def test_padded_sequences_cost_what_they_cost_alone():
    rng = np.random.default_rng(2)
    x, lengths, y = rng.standard_normal((3, 7, 3)), [7, 3, 5], rows([[1, 2, 3], [2], [3, 3]])
    whole = model()
    together = whole.evaluate(nnfw.Padded(x, lengths=lengths), y, cost="ctc")["cost"]
    empty = whole.evaluate(nnfw.Padded(x, lengths=[7, 3, 0]), y, cost="ctc")["cost"]
    alone = []
    for row, length, labels in zip(x, lengths, y, strict=True):
        single = nnfw.Sequential(whole.layers, (length, 3), dtype="float64", values=whole.parameters)
        alone.append(single.evaluate(row[np.newaxis, :length], labels[np.newaxis], cost="ctc")["cost"])
    np.testing.assert_allclose(together, np.mean(alone), rtol=1e-12)
    np.testing.assert_allclose(empty, (alone[0] + alone[1]) / 3, rtol=1e-12)


@pytest.mark.parametrize("weight", [None, [1.0, 0.0, 2.5]])
def test_gradients_of_padded_sequences(weight):
    rng = np.random.default_rng(3)
    x, y = nnfw.Padded(rng.standard_normal((3, 7, 3)), lengths=[7, 3, 5]), rows([[1, 2, 3], [2], [3, 3]])
    assert nnfw.gradcheck(model(), x, y, cost="ctc", sample_weight=weight).ok


def test_labels_longer_than_a_padded_sequence_are_refused():
    x = nnfw.Padded(np.ones((2, 7, 3)), lengths=[7, 2])
    words = r"CTC: the labels \[2, 2\] of example 1 of a batch need 3 time steps, .* but its sequence has 2"
    with pytest.raises(nnfw.DataError, match=words):
        model().fit(x, rows([[1], [2, 2]]), cost="ctc", optimizer="adam", epochs=1)


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_it_learns_to_spell(accelerator):
    if accelerator == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    y = rng.integers(1, 4, (60, 2))
    x = np.zeros((60, 7, 3))
    for row, (first, second) in enumerate(y):
        at = rng.integers(0, 3), rng.integers(4, 7)
        x[row, at[0], first - 1], x[row, at[1], second - 1] = 1, 1
    fitted = model(dtype="float32")
    fitted.fit(x, y, cost="ctc", optimizer={"type": "adam", "learning_rate": 0.02}, epochs=60, accelerator=accelerator)
    right = [found == labels for found, labels in zip(CTC().decode(fitted.predict(x)), y.tolist(), strict=True)]
    assert np.mean(right) > 0.9


def test_decoding_stops_at_lengths():
    a = np.eye(3)[[[1, 1, 0, 1, 2], [2, 0, 0, 1, 1]]]
    assert CTC().decode(a) == [[1, 1, 2], [2, 1]]
    assert CTC().decode(a, [3, 1]) == [[1], [2]]


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_it_learns_to_spell_after_a_strided_convolution(accelerator):
    """Each label is a run of four time steps of its own feature; a stride of 2 halves the lengths."""
    if accelerator == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    labels = [rng.integers(1, 4, rng.integers(1, 4)).tolist() for _ in range(60)]
    x, lengths = rng.standard_normal((60, 18, 3)), np.array([6 * len(row) for row in labels])
    for example, row in zip(x, labels, strict=True):
        example[: 6 * len(row)] *= 0.1
        for k, label in enumerate(row):
            example[6 * k + 1 : 6 * k + 5, label - 1] += 2
    layers = [
        {"type": "conv1d", "filters": 16, "kernel": 4, "stride": 2, "padding": 1, "activation": "tanh"},
        {"type": "dense", "units": 4, "activation": "softmax"},
    ]
    found = nnfw.Sequential(layers, (18, 3), seed=0)
    settings = {"optimizer": {"type": "adam", "learning_rate": 0.03}, "epochs": 60, "batch_size": 15}
    found.fit(nnfw.Padded(x, lengths), rows(labels), cost="ctc", accelerator=accelerator, **settings)
    ends = found.output_lengths(lengths)
    assert set(ends.tolist()) == {3, 6, 9}
    assert CTC().decode(found.predict(nnfw.Padded(x, lengths)), ends) == labels
    with pytest.raises(nnfw.DataError, match="its sequence has 3. Leave such examples out"):
        found.fit(nnfw.Padded(x, np.full(60, 6)), rows([[1, 1, 2]] * 60), cost="ctc", optimizer="adam", epochs=1)
