"""Sparse matrices in the place of arrays: the same bits, and only the rows of a batch dense at a time."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

import nnfw
from nnfw_standard import Dense

FORMATS = [sparse.csr_array, sparse.csc_matrix, sparse.coo_array, sparse.lil_matrix]


@pytest.fixture
def data(rng):
    x = rng.normal(size=(90, 12)) * (rng.random((90, 12)) < 0.3)
    return x, rng.integers(0, 3, 90)


def network(inputs=12, **options):
    return nnfw.Sequential([Dense(6, activation="tanh"), Dense(3, activation="softmax")], inputs, seed=3, **options)


def results(x, y, accelerator, **options):
    model = network()
    history = model.fit(
        x, y, cost="cross_entropy", optimizer="adam", epochs=3, accelerator=accelerator, metrics=["accuracy"], **options
    )
    value, gradient = model.gradient(x, y, cost="cross_entropy")
    evaluated = model.evaluate(x, y, cost="cross_entropy", metrics=["accuracy"])
    return [model.parameters.vector, gradient, model.predict(x), history["cost"], history["accuracy"], value, evaluated]


@pytest.mark.parametrize("accelerator", ["none", "numba"])
@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.__name__)
def test_sparse_matrix_gives_the_bits_of_the_array(data, kind, accelerator):
    x, y = data
    found = results(kind(x), y, accelerator, validation_data=(kind(x), y))
    for one, other in zip(found, results(x, y, accelerator, validation_data=(x, y)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_sparse_matrix_with_a_solver_gives_the_bits_of_the_array(data):
    x, y = data
    models = network(), network()
    for model, given in zip(models, (x, sparse.csr_array(x)), strict=True):
        model.fit(given, y, cost="cross_entropy", optimizer="lbfgs", epochs=4)
    np.testing.assert_array_equal(*(model.parameters.vector for model in models))


def test_sparse_matrix_among_several_inputs(data):
    x, y = data
    layers = [nnfw.Node(nnfw.layer("concatenate"), inputs=("a", "b")), Dense(3, activation="softmax")]
    models = [nnfw.Sequential(layers, {"a": 12, "b": 12}) for _ in range(2)]
    for model, b in zip(models, (x, sparse.csr_array(x)), strict=True):
        model.fit({"a": x, "b": b}, y, cost="cross_entropy", optimizer="sgd", epochs=1)
    np.testing.assert_array_equal(*(model.parameters.vector for model in models))


def test_sparse_matrix_resumes_from_its_checkpoints(data, tmp_path):
    x, y = sparse.csr_array(data[0]), data[1]
    whole, parts = network(), network()
    options = {"cost": "cross_entropy", "optimizer": "adam"}
    whole.fit(x, y, epochs=2, **options)
    parts.fit(x, y, epochs=1, checkpoints=tmp_path, **options)
    history = parts.fit(x, y, epochs=2, checkpoints=tmp_path, resume=True, **options)
    assert history.resumed == "after epoch 1"
    np.testing.assert_array_equal(whole.parameters.vector, parts.parameters.vector)


def test_sparse_matrix_is_never_dense_as_a_whole(rng):
    x = sparse.random_array((20_000, 4_000), density=1e-3, rng=rng, dtype=np.float32, format="csr")
    y, model = rng.integers(0, 3, 20_000), network(4_000)
    tracemalloc.start()
    try:
        model.fit(x, y, cost="cross_entropy", optimizer="sgd", batch_size=200, accelerator="none", epochs=1)
        model.predict(x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < x.shape[0] * x.shape[1] * 4 / 5


def planted(x, value):
    x = x.copy()
    x[7, 3] = value
    return sparse.csr_array(x)


WRONG = {
    "NaN": (lambda x: planted(x, np.nan), r"^x holds 1 value that is not finite, the first at \[7, 3\]"),
    "too large": (
        lambda x: planted(x, 1e300),
        r"^x holds 1 value too large for float32, the first, 1e\+300, at \[7, 3",
    ),
    "columns": (
        lambda x: sparse.csr_array(x[:, :4]),
        r"^x is a sparse matrix of shape \(90, 4\), but the network takes examples of shape \(12,\)\. Give an array of",
    ),
    "complex": (
        lambda x: sparse.csr_array(x.astype(complex)),
        r"^x must be a sparse matrix of real numbers with shape \(N, n\), got complex128 of shape \(90, 12\)\.",
    ),
}


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_sparse_matrix_that_does_not_fit_is_refused(data, make, message):
    x, y = data
    for use in (
        lambda model: model.predict(make(x)),
        lambda model: model.fit(make(x), y, cost="cross_entropy", optimizer="sgd", epochs=1),
    ):
        with pytest.raises(nnfw.DataError, match=message):
            use(network())


def test_sparse_matrix_of_indices_is_refused():
    model = nnfw.Sequential([nnfw.layer("embedding", count=3, width=2)], 4)
    with pytest.raises(nnfw.DataError, match=r"^x is a sparse matrix .* but the network takes indices\. Give an array"):
        model.predict(sparse.csr_array(np.eye(4, dtype=int)))
