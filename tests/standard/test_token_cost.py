"""The cost of tokens: what it ignores, with lengths and without, and the labels that it refuses."""

import numpy as np
import pytest
from scipy import special

import nnfw
from nnfw_standard import GRU, CrossEntropy, Dense, TokenCrossEntropy

OPTIONS = pytest.mark.parametrize("mean", ["token", "example"])
LENGTHS = np.array([4, 1, 3, 2])


def labels(rng):
    """Labels of four sequences; the last has none that counts."""
    y = rng.integers(0, 3, (4, 4))
    y[0, 1], y[2, 0], y[3] = -100, -100, -100
    return y


def literal(z, y, mean):
    """C by loops over examples and tokens."""
    total = 0.0
    for logits, row in zip(z, y, strict=True):
        terms = [-special.log_softmax(logits[t])[row[t]] for t in range(len(row)) if row[t] != -100]
        total += sum(terms) / (max(1, len(terms)) if mean == "token" else 1)
    return total / len(z)


@OPTIONS
def test_value_is_that_of_the_tokens_that_count(rng, mean):
    z, y, cost = rng.normal(size=(4, 4, 3)), labels(rng), TokenCrossEntropy(mean=mean)
    made = cost.targets(y, (4, 3))

    assert cost.value_from_z(z, made) == pytest.approx(literal(z, y, mean), rel=1e-13)
    assert cost.value(special.softmax(z, axis=-1), made) == pytest.approx(literal(z, y, mean), rel=1e-13)


def test_without_ignored_tokens_and_by_example_it_is_the_cross_entropy(rng):
    a, y = special.softmax(rng.normal(size=(5, 4, 3)), axis=-1), rng.integers(0, 3, (5, 4))
    cost = TokenCrossEntropy(mean="example")

    assert cost.value(a, cost.targets(y, (4, 3))) == pytest.approx(CrossEntropy().value(a, y), rel=1e-14)


@OPTIONS
def test_ignored_tokens_have_no_slope(rng, mean):
    a, y, cost = special.softmax(rng.normal(size=(4, 4, 3)), axis=-1), labels(rng), TokenCrossEntropy(mean=mean)
    made = cost.targets(y, (4, 3))

    for method in (cost.gradient, cost.canonical_delta):
        slope = method(a, made, nnfw.Workspace("float64"))
        assert not slope[y == -100].any()
        assert slope[y != -100].any(axis=-1).all()


RECURRENT = GRU(5, states="all")


def network(steps, first=RECURRENT):
    return nnfw.Sequential([first, Dense(3, activation="softmax")], input_shape=(steps, 2), dtype="float64")


@OPTIONS
def test_padded_sequences_cost_what_each_costs_alone(rng, mean):
    cost, y, x = TokenCrossEntropy(mean=mean), labels(rng), rng.normal(size=(4, 4, 2))
    y[1, 1:], weight, model = 2, np.array([1.0, 0.5, 2.0, 3.0]), network(4)

    value, gradient = model.gradient(nnfw.Padded(x, LENGTHS), y, cost=cost, sample_weight=weight)

    total, slopes = 0.0, np.zeros_like(gradient)
    for k, length in enumerate(LENGTHS[:3]):  # nothing of the last counts
        short, rows = network(int(length)), (slice(k, k + 1), slice(0, length))
        short.parameters.vector[...] = model.parameters.vector
        own = short.gradient(x[rows], y[rows], cost=cost)
        total, slopes = total + weight[k] * own[0] / 4, slopes + weight[k] * own[1] / 4
    assert value == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-12, atol=1e-15)


@OPTIONS
@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_padded_sequences_train_by_their_gradient(rng, mean, accelerator):
    cost, y, x = TokenCrossEntropy(mean=mean), labels(rng), nnfw.Padded(rng.normal(size=(4, 4, 2)), LENGTHS)
    first = (
        GRU(5, states="all") if accelerator == "none" else Dense(5, activation="tanh")
    )  # a GRU takes long to compile
    trained, stepped = network(4, first), network(4, first)
    stepped.parameters.vector[...] = trained.parameters.vector

    trained.fit(x, y, cost=cost, optimizer=nnfw.optimizer("sgd", learning_rate=0.5), epochs=3, accelerator=accelerator)

    for _ in range(3):
        stepped.parameters.vector[...] -= 0.5 * stepped.gradient(x, y, cost=cost)[1]
    np.testing.assert_allclose(trained.parameters.vector, stepped.parameters.vector, rtol=1e-10)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        pytest.param(np.full((2, 4), -100), r"all 8 labels are -100, which is ignored, .*Give classes for", id="all"),
        pytest.param(np.zeros((2, 3), int), r"y must have shape \(N, 4\), a class for each .*got \(2, 3\)", id="shape"),
        pytest.param(np.full((2, 4), 3), r"label 3 of example 0 at \(0,\) is outside the 3 classes 0 to 2", id="class"),
        pytest.param(np.full((2, 4), -1), r"label -1 of example 0 at \(0,\) is outside the 3 classes", id="negative"),
        pytest.param(np.full((2, 4), 0.5), r"label 0\.5 of example 0 at \(0,\) is not a whole number", id="half"),
        pytest.param(np.full((2, 4), "a"), r"y must hold real numbers, got 'a'", id="text"),
    ],
)
def test_labels_that_do_not_fit_are_refused(y, message):
    with pytest.raises(nnfw.DataError, match=f"TokenCrossEntropy: {message}"):
        TokenCrossEntropy().targets(y, (4, 3))


def test_class_may_be_the_ignored_label():
    made = TokenCrossEntropy(ignored=0).targets(np.array([[0.0, 1.0], [2.0, 0.0]]), (2, 3))

    assert made.dtype == np.intp
    np.testing.assert_array_equal(made, [[-1, 1], [2, -1]])


def test_mean_that_is_none_is_refused():
    with pytest.raises(nnfw.ConfigError, match="mean must be 'token' or 'example'"):
        nnfw.cost("token_cross_entropy", mean="batch")
