"""The layers without parameters: activation, flatten, reshape, dropout."""

import tracemalloc

import numpy as np
import pytest

import nnfw
from nnfw.configuration import options_of
from nnfw_standard import ActivationLayer, Dropout, Flatten, Identity, ReLU, Reshape

RESHAPING = [
    pytest.param(Flatten(), (2, 3, 4), (24,), id="flatten"),
    pytest.param(Flatten(), (5,), (5,), id="flatten-flat"),
    pytest.param(Reshape((6, 4)), (2, 3, 4), (6, 4), id="reshape"),
    pytest.param(Reshape((-1, 8)), (2, 3, 4), (3, 8), id="reshape-inferred"),
    pytest.param(Reshape((-1,)), (2, 3, 4), (24,), id="reshape-to-one-axis"),
    pytest.param(Reshape((2, 1, 3)), (6,), (2, 1, 3), id="reshape-with-one"),
]


def training(seed=0, dtype=np.float64):
    return nnfw.Workspace(dtype, np.random.default_rng(seed), training=True)


def peak_of(function):
    """Return the largest memory in bytes that was allocated in a call."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(Flatten(), id="flatten"),
        pytest.param(Reshape((2,)), id="reshape"),
        pytest.param(Dropout(0.5), id="dropout"),
    ],
)
def test_layer_without_activation_has_the_identity_and_no_option_for_it(layer):
    assert layer.activation == Identity()
    assert "activation" not in options_of(type(layer))
    assert layer.parameters((2,)) == {}


# activation


def test_activation_layer_passes_input_and_delta_through(rng):
    layer, a_prev = ActivationLayer(ReLU()), rng.normal(size=(3, 4))
    workspace = nnfw.Workspace(np.float64)

    assert layer.output_shape((4,)) == (4,)
    assert layer.forward({}, a_prev, workspace) is a_prev
    assert layer.backward({}, a_prev, {}, workspace) is a_prev


def test_activation_layer_by_name_resolves_its_activation():
    assert nnfw.layer("activation", activation="relu") == ActivationLayer(ReLU())


def test_activation_layer_without_activation_is_refused():
    with pytest.raises(nnfw.ConfigError, match="activation is missing: activation"):
        nnfw.layer("activation")


# flatten and reshape


@pytest.mark.parametrize(("layer", "input_shape", "output_shape"), RESHAPING)
def test_reshaping_keeps_the_values_in_order(rng, layer, input_shape, output_shape):
    a_prev = rng.normal(size=(7, *input_shape))

    z = layer.forward({}, a_prev, nnfw.Workspace(np.float64))

    assert layer.output_shape(input_shape) == output_shape
    assert z.shape == (7, *output_shape)
    np.testing.assert_array_equal(z.ravel(), a_prev.ravel())


@pytest.mark.parametrize(("layer", "input_shape", "output_shape"), RESHAPING)
def test_reshaping_backward_has_the_shape_of_the_input(rng, layer, input_shape, output_shape):
    workspace = nnfw.Workspace(np.float64)
    layer.forward({}, np.zeros((7, *input_shape)), workspace)
    delta = rng.normal(size=(7, *output_shape))

    grad_a_prev = layer.backward({}, delta, {}, workspace)

    assert grad_a_prev.shape == (7, *input_shape)
    np.testing.assert_array_equal(grad_a_prev.ravel(), delta.ravel())


@pytest.mark.parametrize(("layer", "input_shape", "output_shape"), RESHAPING)
def test_reshaping_of_contiguous_memory_gives_views(layer, input_shape, output_shape):
    workspace = nnfw.Workspace(np.float64)
    a_prev, delta = np.zeros((7, *input_shape)), np.zeros((7, *output_shape))

    assert np.shares_memory(layer.forward({}, a_prev, workspace), a_prev)
    assert np.shares_memory(layer.backward({}, delta, {}, workspace), delta)


def test_reshaping_of_transposed_memory_gives_the_values_in_order(rng):
    workspace = nnfw.Workspace(np.float64)
    a_prev, delta = rng.normal(size=(4, 3, 7)).T, rng.normal(size=(12, 7)).T

    z = Flatten().forward({}, a_prev, workspace)
    grad_a_prev = Flatten().backward({}, delta, {}, workspace)

    np.testing.assert_array_equal(z, np.ascontiguousarray(a_prev).reshape(7, 12))
    np.testing.assert_array_equal(grad_a_prev, np.ascontiguousarray(delta).reshape(7, 3, 4))


def test_reshaping_of_transposed_memory_again_allocates_nothing(rng):
    workspace = nnfw.Workspace(np.float64)
    a_prev = rng.normal(size=(10, 10, 500)).T
    Flatten().forward({}, a_prev, workspace)

    assert peak_of(lambda: Flatten().forward({}, a_prev, workspace)) < a_prev.nbytes / 20


def test_reshaping_of_a_shorter_last_batch_has_its_length():
    workspace = nnfw.Workspace(np.float64)
    layer = Reshape((2, -1))
    layer.forward({}, np.zeros((7, 6)), workspace)

    assert layer.forward({}, np.zeros((3, 6)), workspace).shape == (3, 2, 3)
    assert layer.backward({}, np.zeros((3, 2, 3)), {}, workspace).shape == (3, 6)


@pytest.mark.parametrize(
    ("shape", "input_shape", "message"),
    [
        pytest.param(
            (2, 3),
            (4, 2),
            r"^expected input with 6 values, to fill the shape \(2, 3\), got \(4, 2\) with 8\. "
            r"Change its option shape or the layer before\.$",
            id="too-many-values",
        ),
        pytest.param((2, 3), (3,), r"^expected input with 6 values, .* got \(3,\) with 3\.", id="too-few-values"),
        pytest.param(
            (-1, 3),
            (4, 2),
            r"^expected input with a multiple of 3 values, to fill the shape \(-1, 3\), got \(4, 2\) with 8\.",
            id="no-multiple",
        ),
        pytest.param(
            (-1, -1),
            (4,),
            r"^expected the option shape to have sizes of 1 or more, of which one may be -1, got \(-1, -1\)\.",
            id="two-unknown",
        ),
        pytest.param((0, 4), (4,), r"sizes of 1 or more, .* got \(0, 4\)", id="zero"),
    ],
)
def test_reshape_that_does_not_fit_is_refused(shape, input_shape, message):
    with pytest.raises(nnfw.ShapeError, match=message):
        Reshape(shape).output_shape(input_shape)


def test_reshape_with_size_below_minus_one_is_refused():
    with pytest.raises(nnfw.ConfigError, match=r"shape\[1\] must be greater than or equal to -1, got -2"):
        nnfw.layer("reshape", shape=[4, -2])


# dropout


def test_dropout_outside_of_training_returns_the_input_and_draws_nothing(rng):
    workspace = nnfw.Workspace(np.float64, np.random.default_rng(0))
    a_prev = rng.normal(size=(3, 4))
    before = workspace.rng.bit_generator.state

    assert Dropout(0.5).forward({}, a_prev, workspace) is a_prev
    assert Dropout(0.5).backward({}, a_prev, {}, workspace) is a_prev
    assert workspace.rng.bit_generator.state == before


def test_dropout_with_rate_zero_returns_the_input_in_training(rng):
    a_prev = rng.normal(size=(3, 4))

    assert Dropout(0.0).forward({}, a_prev, training()) is a_prev


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9], ids=str)
def test_dropout_in_training_drops_its_rate_and_scales_the_rest(rate):
    a_prev = np.full((200, 100), 3.0)

    z = Dropout(rate).forward({}, a_prev, training())

    kept = z != 0
    assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / z.size)
    np.testing.assert_allclose(z[kept], 3.0 / (1 - rate), rtol=1e-15)


def test_dropout_backward_multiplies_by_the_mask_of_forward(rng):
    a_prev, delta = rng.uniform(1, 2, (5, 6)), rng.normal(size=(5, 6))
    workspace = training()
    z = Dropout(0.4).forward({}, a_prev, workspace)

    grad_a_prev = Dropout(0.4).backward({}, delta, {}, workspace)

    np.testing.assert_allclose(grad_a_prev, delta * (z / a_prev), rtol=1e-14)


def test_dropout_in_training_draws_another_mask_for_each_pass():
    workspace, a_prev = training(), np.ones((5, 20))

    first = Dropout(0.5).forward({}, a_prev, workspace).copy()

    assert (Dropout(0.5).forward({}, a_prev, workspace) != first).any()


def test_dropout_with_the_same_seed_drops_the_same_in_both_dtypes():
    single = Dropout(0.5).forward({}, np.ones((5, 20), np.float32), training(4, np.float32))
    double = Dropout(0.5).forward({}, np.ones((5, 20)), training(4))

    assert single.dtype == np.float32
    assert double.dtype == np.float64
    np.testing.assert_array_equal(single, double)


def test_dropout_leaves_input_and_delta_alone(rng):
    a_prev, delta = rng.normal(size=(2, 3, 4))
    before = a_prev.copy(), delta.copy()
    workspace = training()

    Dropout(0.5).forward({}, a_prev, workspace)
    Dropout(0.5).backward({}, delta, {}, workspace)

    np.testing.assert_array_equal((a_prev, delta), before)


def test_dropout_takes_memory_that_is_not_contiguous(rng):
    a_prev = rng.normal(size=(6, 5, 4))

    z = Dropout(0.5).forward({}, a_prev.T, training())

    np.testing.assert_array_equal(z, Dropout(0.5).forward({}, np.ascontiguousarray(a_prev.T), training()))


def test_dropout_on_a_second_batch_allocates_nothing():
    workspace, a_prev = training(), np.ones((100, 1000))

    def step():
        Dropout(0.5).forward({}, a_prev, workspace)
        Dropout(0.5).backward({}, a_prev, {}, workspace)

    step()
    assert peak_of(step) < a_prev.nbytes / 5  # NumPy casts through a buffer of fixed size


def test_dropout_at_extreme_input_stays_finite():
    z = Dropout(0.5).forward({}, np.array([[1e4, -1e4]] * 50, np.float32), training(dtype=np.float32))

    assert np.isfinite(z).all()


@pytest.mark.parametrize("layer", [pytest.param(Dropout(), id="dropout"), pytest.param(Flatten(), id="flatten")])
def test_backward_before_forward_is_refused(layer):
    with pytest.raises(nnfw.StateError, match="call forward before backward"):
        layer.backward({}, np.zeros((2, 3)), {}, training())


@pytest.mark.parametrize("rate", [1.0, -0.1], ids=str)
def test_dropout_rate_out_of_range_is_refused(rate):
    with pytest.raises(nnfw.ConfigError, match=f"rate must be .*, got {rate}"):
        nnfw.layer("dropout", rate=rate)
