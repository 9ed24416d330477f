"""Convolutions and pools along the time of a sequence: sizes, causality, lengths, and input that they refuse."""

import numpy as np
import pytest

import nnfw
from nnfw.workspace import Workspace
from nnfw_standard import AvgPool1D, CausalConv1D, Conv1D, MaxPool1D, SpatialDropout


@pytest.mark.parametrize(
    ("layer", "shape", "output_shape"),
    [
        (Conv1D(5, 3), (10, 2), (8, 5)),
        (Conv1D(5, 3, stride=2, padding="same"), (9, 2), (5, 5)),
        (Conv1D(4, 3, stride=2, padding=1, dilation=2, groups=2), (10, 2), (4, 4)),
        (CausalConv1D(3, 4, dilation=8), (5, 2), (5, 3)),
        (MaxPool1D(), (9, 2), (4, 2)),
        (AvgPool1D(3, stride=1, padding="same"), (9, 2), (9, 2)),
    ],
    ids=repr,
)
def test_sizes(layer, shape, output_shape):
    assert layer.output_shape(shape) == output_shape
    params = {name: np.ones(parameter.shape) for name, parameter in layer.parameters(shape).items()}
    assert layer.forward(params, np.ones((2, *shape)), Workspace(np.float64)).shape == (2, *output_shape)


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (Conv1D(2, 5), (4, 3), "expected 5 time steps or more, for a kernel that spans 5, got 4."),
        (
            Conv1D(2, 3, dilation=3, padding=1),
            (4, 3),
            "expected 5 time steps or more, for a kernel that spans 7, got 4.",
        ),
        (Conv1D(2, 3), (4,), r"expected input of shape (T, n), time steps and features, got (4,)."),
        (CausalConv1D(2, 3), (4, 3, 3), r"expected input of shape (T, n), time steps and features, got (4, 3, 3)."),
        (MaxPool1D(), (4,), r"expected input of shape (T, n), time steps and features, got (4,)."),
        (Conv1D(4, 3, groups=2), (4, 3), "expected a multiple of 2 channels of the input, for 2 groups, got 3."),
        (CausalConv1D(3, 3, groups=2), (4, 4), "expected a multiple of 2 filters, for 2 groups, got 3."),
        (AvgPool1D(2, padding=2), (4, 3), "so that every window sees a time step, got 2."),
        (MaxPool1D(5), (4, 3), "expected 5 time steps or more, for a kernel that spans 5, got 4."),
        (SpatialDropout(0.5, axis=2), (4, 3), "expected input with the axis 2, got (4, 3)."),
    ],
    ids=repr,
)
def test_input_that_does_not_fit_is_refused(layer, shape, words):
    with pytest.raises(nnfw.ShapeError) as caught:
        layer.output_shape(shape)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type": "conv1d", "filters": 2, "kernel": 0}, "kernel must be greater than or equal to 1, got 0"),
        (
            {"type": "conv1d", "filters": 2, "kernel": 2, "stride": 0},
            "stride must be greater than or equal to 1, got 0",
        ),
        ({"type": "conv1d", "filters": 2, "kernel": 2, "padding": "causal"}, "padding must be"),
        ({"type": "spatial_dropout", "rate": 1.0}, "rate must be less than 1, got 1.0"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(nnfw.ConfigError, match=words):
        nnfw.Sequential([options], (8, 2))


@pytest.mark.parametrize("kind", ["max_pool1d", "avg_pool1d"])
@pytest.mark.parametrize("padding", ["same", 1])
def test_pools_that_pad_refuse_padded_sequences(kind, padding):
    model = nnfw.Sequential([{"type": kind, "padding": padding}, "time_pool"], (4, 2))
    message = (
        rf"Layer 0 '{kind}' .*: takes no padded sequences with padding {padding!r}: its windows would mix what lies "
        r"within a length and what lies beyond\. Set padding to 'valid', or give arrays without lengths\.$"
    )
    with pytest.raises(nnfw.DataError, match=message):
        model.predict(nnfw.Padded(np.ones((2, 4, 2)), lengths=[4, 3]))


SHORTER = [
    Conv1D(3, 3),
    Conv1D(3, 4, stride=3),
    Conv1D(3, 2, stride=2, padding=1, dilation=3),
    Conv1D(3, 3, padding=2),
    MaxPool1D(),
    MaxPool1D(3, stride=1),
    AvgPool1D(3),
    AvgPool1D(2, stride=3, padding=0),
]


@pytest.mark.parametrize("layer", SHORTER, ids=repr)
def test_lengths_after_windows_are_those_of_pytorch_and_z_that_of_each_sequence_alone(layer):
    steps, rng = 9, np.random.default_rng(0)
    lengths = np.arange(steps + 1)
    model = nnfw.Sequential([layer], (steps, 2), dtype="float64")
    x = rng.standard_normal((steps + 1, steps, 2))
    found, ends = model.predict(nnfw.Padded(x, lengths)), model.output_lengths(lengths)
    stride, padding = layer.stride or layer.kernel, 0 if layer.padding == "valid" else layer.padding
    dilation = getattr(layer, "dilation", 1)
    for length, row, z, end in zip(lengths, x, found, ends, strict=True):
        windows = np.floor((length + 2 * padding - dilation * (layer.kernel - 1) - 1) / stride + 1)
        assert end == (max(windows, 0) if length else 0)
        if end:
            alone = nnfw.Sequential([layer], (int(length), 2), dtype="float64")
            for name, values in model.parameters.items():
                alone.parameters[name] = values
            (right,) = alone.predict(row[np.newaxis, :length])
            np.testing.assert_allclose(z[:end], right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_lengths_after_a_convolution_of_the_same_size_are_rounded_up(stride):
    model = nnfw.Sequential([Conv1D(1, 3, stride=stride, padding="same")], (7, 1))
    assert model.output_lengths(range(8)).tolist() == [-(-length // stride) for length in range(8)]


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_costs_ignore_what_lies_beyond_the_lengths_after_a_stride(accelerator):
    """Batches of other lengths follow one another, so a recording must not keep those of its first batch."""
    if accelerator == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    x, lengths = rng.standard_normal((12, 9, 2)), rng.integers(0, 10, 12)
    other = np.where(np.arange(9)[:, np.newaxis] < lengths[:, np.newaxis, np.newaxis], x, 5.0)
    y = rng.standard_normal((12, 2, 1))
    vectors, figures = [], []
    for given in (x, other):
        model = nnfw.Sequential([Conv1D(4, 3, activation="tanh"), MaxPool1D(3), {"type": "dense", "units": 1}], (9, 2))
        data = nnfw.Padded(given, lengths)
        model.fit(data, y, cost="mse", optimizer="adam", batch_size=3, epochs=3, seed=1, accelerator=accelerator)
        vectors.append(model.parameters.vector.copy())
        figures.append(model.evaluate(data, y, cost="mse"))
    np.testing.assert_array_equal(*vectors)
    assert figures[0] == figures[1]
    a, ends = model.predict(nnfw.Padded(x, lengths)), model.output_lengths(lengths)
    assert set(ends.tolist()) == {0, 1, 2}
    inside = np.arange(2) < ends[:, np.newaxis]
    assert figures[0]["cost"] == pytest.approx(((a - y)[inside] ** 2).sum() / 24, rel=1e-5)


def test_recorded_steps_of_all_batches_equal_those_of_plain_ones_after_a_stride():
    pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    x, lengths, y = rng.standard_normal((12, 9, 2)), rng.integers(3, 10, 12), rng.integers(0, 2, (12, 4))
    vectors = []
    for accelerator in ("none", "numba"):
        model = nnfw.Sequential(
            [Conv1D(4, 3, stride=2, activation="tanh"), {"type": "dense", "units": 2, "activation": "softmax"}],
            (9, 2),
            dtype="float64",
        )
        settings = {"cost": "cross_entropy", "optimizer": "sgd", "batch_size": 3, "epochs": 4, "seed": 1}
        model.fit(nnfw.Padded(x, lengths), y, accelerator=accelerator, **settings)
        vectors.append(model.parameters.vector.copy())
    np.testing.assert_allclose(*vectors, rtol=1e-9, atol=1e-12)


def test_causal_convolution_sees_nothing_that_comes_later():
    layer, rng = CausalConv1D(3, 3, dilation=2), np.random.default_rng(1)
    params = {"weight": rng.standard_normal((3, 2, 3)), "bias": rng.standard_normal(3)}
    x = rng.standard_normal((2, 9, 2))
    z = layer.forward(params, x, Workspace(np.float64)).copy()
    for t in range(9):
        later = x.copy()
        later[:, t] += 1
        moved = (layer.forward(params, later, Workspace(np.float64)) != z).any(axis=(0, 2))
        assert np.flatnonzero(moved).tolist() == [s for s in (t, t + 2, t + 4) if s < 9]


def test_lengths_hold_after_a_convolution_that_keeps_the_time_steps():
    rng = np.random.default_rng(0)
    x, lengths = rng.standard_normal((3, 6, 2)), [6, 1, 4]
    model = nnfw.Sequential(
        [Conv1D(4, 3, padding="same"), CausalConv1D(3, 2), nnfw.layer("time_pool", kind="mean")],
        (6, 2),
        dtype="float64",
    )
    found = model.predict(nnfw.Padded(x, lengths=lengths))
    for row, length, own in zip(x, lengths, found, strict=True):
        alone = nnfw.Sequential(model.layers, (length, 2), dtype="float64")
        for name in model.parameters:
            alone.parameters[name] = model.parameters[name]
        np.testing.assert_allclose(alone.predict(row[np.newaxis, :length])[0], own, rtol=1e-12, atol=1e-12)


def test_spatial_dropout_drops_whole_channels_and_keeps_the_mean():
    workspace = Workspace(np.float64, rng=np.random.default_rng(0), training=True)
    sequences = SpatialDropout(0.25).forward({}, np.ones((400, 5, 6)), workspace)
    assert (sequences == sequences[:, :1]).all()
    images = SpatialDropout(0.25).forward({}, np.ones((400, 6, 2, 3)), workspace)
    assert (images == images[:, :, :1, :1]).all()
    for each in (sequences, images):
        assert sorted(set(each.ravel().tolist())) == [0, 4 / 3]
        assert abs(each.mean() - 1) < 5 * np.sqrt(1 / 3 / 2400)  # 2,400 draws of variance 1/3
