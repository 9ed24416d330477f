"""Layers for tables: indices and shapes that do not fit, what is drawn, and how they reach a network."""

import re

import numpy as np
import pytest

import nnfw
from nnfw.experiments import read_experiment
from nnfw_standard import (
    GLU,
    BatchEnsemble,
    CategoryEmbedding,
    Concatenate,
    Dense,
    FeatureDropout,
    Maxout,
    Periodic,
    PiecewiseLinear,
    Scale,
    Signs,
    SwiGLU,
)

FIT = {"cost": "mse", "optimizer": "adam", "epochs": 3, "batch_size": 16}


def of_a_table(dtype="float32"):
    """Return a network of two columns of categories and two of numbers."""
    return nnfw.Sequential(
        [
            nnfw.Node(CategoryEmbedding((3, 5), (2, 3)), name="categories", inputs=("words",)),
            nnfw.Node(Concatenate(), inputs=("categories", "numbers")),
            Dense(4, activation="tanh"),
            Dense(1),
        ],
        input_shape={"words": 2, "numbers": 2},
        dtype=dtype,
    )


def a_table(rng, count=40):
    """Return inputs and labels."""
    words = np.stack([rng.integers(0, 3, count), rng.integers(0, 5, count)], axis=1)
    return {"words": words, "numbers": rng.normal(size=(count, 2))}, rng.normal(size=count)


def test_network_of_categories_and_numbers_learns_and_resumes_to_the_bit(rng, tmp_path):
    x, y = a_table(rng)
    whole, part = of_a_table(), of_a_table()
    history = whole.fit(x, y, **FIT)
    assert history[-1]["cost"] < history[0]["cost"]
    part.fit(x, y, **FIT | {"epochs": 1}, checkpoints=tmp_path)
    part = of_a_table()
    part.fit(x, y, **FIT, checkpoints=tmp_path, resume=True)
    np.testing.assert_array_equal(part.parameters.vector, whole.parameters.vector)


def test_embeddings_of_columns_are_those_of_single_columns(rng):
    x, _ = a_table(rng)
    model = of_a_table("float64")
    params = {f"weight_{c}": model.parameters[f"categories.weight_{c}"] for c in range(2)}
    z = CategoryEmbedding((3, 5), (2, 3)).forward(params, x["words"], nnfw.Workspace(np.float64))
    np.testing.assert_array_equal(z[:, :2], params["weight_0"][x["words"][:, 0]])
    np.testing.assert_array_equal(z[:, 2:], params["weight_1"][x["words"][:, 1]])


@pytest.mark.parametrize(
    ("column", "index", "expected"), [(0, 3, "0 to 2"), (1, 5, "0 to 4"), (0, -1, "0 to 2")], ids=str
)
@pytest.mark.parametrize("method", ["fit", "predict"])
def test_index_that_is_out_of_the_range_of_its_column_is_named(rng, column, index, expected, method):
    x, y = a_table(rng)
    x["words"][7, column] = index
    text = f"x['words'] holds the index {index} in row 7, column {column} (the first is 0), expected {expected}."
    model = of_a_table()
    with pytest.raises(nnfw.DataError, match=f"^{re.escape(text)}"):
        model.fit(x, y, **FIT) if method == "fit" else model.predict(x)


def test_indices_that_are_floats_are_refused(rng):
    x, _ = a_table(rng)
    text = "x['words'] must hold indices, whole numbers from 0 to 4, got float64. Give an array of integers; floats are"
    with pytest.raises(nnfw.DataError, match=f"^{re.escape(text)}"):
        of_a_table().predict(x | {"words": x["words"] * 1.0})


def test_layers_that_share_columns_take_what_both_can():
    model = nnfw.Sequential(
        [
            nnfw.Node(CategoryEmbedding((3, 5), 1), name="one", inputs=("x",)),
            nnfw.Node(CategoryEmbedding((4, 2), 1), name="two", inputs=("x",)),
            nnfw.Node(Concatenate(), inputs=("one", "two")),
        ],
        input_shape=2,
    )
    assert model.network.inputs[0].limit == (3, 2)


COLUMNS = """
[data]
source = "xor"
inputs = { x = ["x0", "x1"] }
[[model.layers]]
name = "one"
type = "category_embedding"
counts = [2, 2]
widths = 1
inputs = ["x"]
[[model.layers]]
name = "two"
type = "category_embedding"
counts = [2]
widths = 1
inputs = ["x"]
[[model.layers]]
type = "concatenate"
inputs = ["one", "two"]
[cost]
type = "mse"
[optimizer]
type = "sgd"
"""


def test_layers_that_take_other_numbers_of_columns_need_inputs_of_their_own(tmp_path):
    file = tmp_path / "columns.toml"
    file.write_text(COLUMNS)
    text = "The input 'x' is taken as 1 and as 2 columns of indices. Give each layer an input of its own."
    with pytest.raises(nnfw.ConfigError, match=re.escape(text)):
        read_experiment(file, nnfw.Registry.discover())


def test_features_are_dropped_whole_and_the_others_scaled_up():
    workspace = nnfw.Workspace(np.float64, np.random.default_rng(1), training=True)
    z = FeatureDropout(0.25, width=3).forward({}, np.ones((400, 12)), workspace).reshape(-1, 3)
    np.testing.assert_array_equal(z, np.repeat(z[:, :1], 3, axis=1))
    assert set(np.unique(z)) == {0, 4 / 3}
    assert abs(np.mean(z == 0) - 0.25) < 0.05


def test_member_is_a_dense_layer_with_weights_of_rank_one_times_the_shared_ones(rng):
    model = nnfw.Sequential([BatchEnsemble(3, members=4)], 5, dtype="float64")
    p = {name.removeprefix("layers.0."): array for name, array in model.parameters.items()}
    x = rng.normal(size=(6, 5))
    for k, z in enumerate(model.predict(x).swapaxes(0, 1)):
        weight = np.outer(p["output_scale"][k], p["input_scale"][k]) * p["weight"]
        np.testing.assert_allclose(z, x @ weight.T + p["bias"][k], rtol=1e-12)
    assert set(np.unique(p["input_scale"])) == {-1, 1}


def test_signs_are_as_often_plus_as_minus(rng):
    signs = Signs().sample((100, 100), 100, 100, rng)
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs.mean()) < 0.05


def test_first_frequencies_have_the_standard_deviation_that_is_asked_for():
    model = nnfw.Sequential([Periodic(50, standard_deviation=3.0)], 40)
    assert abs(model.parameters["layers.0.frequency"].std() - 3) < 0.1


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (CategoryEmbedding((3, 2), 4), (3,), "expected input of shape (2,), an index for each count, got (3,)."),
        (CategoryEmbedding((3, 2), (4,)), (2,), "expected a width for each of 2 columns, got 1."),
        (Periodic(2), (3, 4), "expected input of shape (features,), got (3, 4)."),
        (Scale(), (), "expected input of shape (..., n), got ()."),
        (FeatureDropout(width=2), (5,), "expected a last axis of features that are 2 wide, got (5,)."),
        (BatchEnsemble(2, members=3), (2, 4), "expected input of shape (n,) or (3, n), got (2, 4)."),
        (Maxout(2), (4, 5), "expected a last axis that 2 pieces divide, got (4, 5)."),
        (GLU(), (5,), "expected an even size of the last axis, to be halved, got (5,)."),
        (SwiGLU(), (), "expected an even size of the last axis, to be halved, got ()."),
    ],
    ids=repr,
)
def test_shape_that_does_not_fit_is_refused(layer, shape, text):
    with pytest.raises(nnfw.ShapeError, match=f"^{re.escape(text)}$"):
        layer.output_shape(shape)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("batch_ensemble", {"units": 2, "members": 0}),
        ("category_embedding", {"counts": [], "widths": 1}),
        ("category_embedding", {"counts": [3, 0], "widths": 1}),
        ("maxout", {"pieces": 0}),
        ("periodic", {"frequencies": 0}),
    ],
    ids=str,
)
def test_option_of_nothing_is_refused(name, options):
    wrong = next(key for key, value in options.items() if value in (0, [], [3, 0]))
    with pytest.raises(nnfw.ConfigError, match=wrong):
        nnfw.layer(name, **options)


def share(x, t, edges):
    """Return how far x fills bin t, counted from 1, by the three cases of the definition."""
    if x < edges[t - 1] and t > 1:
        return 0.0
    if x >= edges[t] and t < len(edges) - 1:
        return 1.0
    return (x - edges[t - 1]) / (edges[t] - edges[t - 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_piecewise_linear_encoding_is_that_of_its_definition(rng, dtype):
    transform, column = PiecewiseLinear(5), rng.normal(size=200).astype(dtype)
    fitted = transform.fit(column)
    edges = np.quantile(column.astype(np.float64), np.linspace(0, 1, 6))
    np.testing.assert_allclose(fitted["edges"], edges, rtol=1e-12)
    x = np.append(column[:20], [-9, 9]).astype(dtype)
    right = [[share(value, t, edges) for t in range(1, 6)] for value in x.astype(np.float64)]
    found = transform.apply(x, fitted)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, right, rtol=1e-12 if dtype == np.float64 else 1e-6, atol=1e-12)
    np.testing.assert_allclose(transform.invert(found, fitted), x, rtol=1e-5)


def test_piecewise_linear_encoding_of_few_values_has_few_bins():
    transform = PiecewiseLinear(2)
    assert transform.fit(np.array([1, 1, 3, 1, 1]))["edges"] == [1.0, 3.0]
    constant = transform.fit(np.full(9, 4.0))
    assert transform.apply(np.array([4.0, 7.0]), constant).tolist() == [[0.0], [0.0]]
    assert transform.invert(np.zeros((1, 1)), constant).tolist() == [4.0]


def test_edges_that_do_not_increase_are_refused(rng):
    with pytest.raises(nnfw.ConfigError, match=re.escape("must increase, got (0.0, 2.0, 1.0).")):
        PiecewiseLinear(edges=(0.0, 2.0, 1.0)).fit(rng.normal(size=9))


@pytest.mark.parametrize("fitted", [{}, {"edges": []}, {"edges": [2, 1]}, {"edges": "x"}, {"edges": [[1, 2]]}], ids=str)
def test_fitted_edges_that_are_none_are_refused(fitted):
    with pytest.raises(nnfw.DataError, match=r"^the fitted values must be edges, numbers that increase, got \{.*\}\.$"):
        PiecewiseLinear().apply(np.ones(3), fitted)
