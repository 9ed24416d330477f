"""Layers on images: values as PyTorch's, by NumPy and by numba; sizes, and input that they refuse."""

from dataclasses import dataclass

import numpy as np
import pytest
from tests.network.golden.images import CASES, delta, given

import nnfw
from nnfw.ops import DEFINITIONS, Call, parts, using
from nnfw.ops.accelerators import choose
from nnfw.ops.checked import difference
from nnfw.plugins import default_registry
from nnfw_standard import AvgPool2D, Conv2D, ConvTranspose2D, GlobalAvgPool, GlobalMaxPool, MaxPool2D, image_operations
from nnfw_standard.layers import pooling

KINDS = {
    Conv2D: "conv2d",
    ConvTranspose2D: "conv_transpose2d",
    MaxPool2D: "max_pool2d",
    GlobalAvgPool: "global_avg_pool",
    GlobalMaxPool: "global_max_pool",
}


@pytest.fixture(scope="module")
def stored():
    with np.load("tests/network/golden/images.npz") as file:
        return dict(file)


@dataclass(frozen=True)
class Way:
    """An engine, the dtype that it computes in, and how far its values may be from those of PyTorch in float64."""

    engine: object
    dtype: type
    tolerance: float

    def workspace(self):
        return nnfw.Workspace(self.dtype)


@pytest.fixture(
    params=["numpy-float64", "numba-float32", pytest.param("numba-float64", marks=pytest.mark.long)]  # slow to compile
)
def way(request):
    name, _, dtype = request.param.partition("-")
    if name == "numba":
        pytest.importorskip("numba")
    engine = choose("numba", default_registry())[0] if name == "numba" else DEFINITIONS
    return Way(engine, np.float32, 1e-5) if dtype == "float32" else Way(engine, np.float64, 1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_values_and_gradients_equal_those_of_pytorch(case, way, stored):
    right = {key.partition("/")[2]: a for key, a in stored.items() if key.startswith(f"{case.name}/")}
    layer = nnfw.Sequential([{"type": case.layer, **case.options}], case.shape).nodes[0].layer
    params, workspace = {name: array.astype(way.dtype) for name, array in given(case).items()}, way.workspace()
    x = params.pop("x")
    grads = {name: np.full_like(array, np.nan) for name, array in params.items()}

    with using(way.engine):
        z = layer.forward(params, x, workspace)
        grad_a_prev = layer.backward(params, delta(case, z.shape).astype(way.dtype), grads, workspace)

    found = {"z": z, "gradient of x": grad_a_prev} | {f"gradient of {name}": array for name, array in grads.items()}
    assert found.keys() == right.keys()
    for name, array in found.items():
        assert array.dtype == way.dtype
        np.testing.assert_allclose(array, right[name], rtol=way.tolerance, atol=way.tolerance, err_msg=name)


@pytest.mark.parametrize(
    ("layer", "shape", "output_shape"),
    [
        (Conv2D(6, 5, padding=2), (1, 28, 28), (6, 28, 28)),
        (Conv2D(16, 5), (6, 14, 14), (16, 10, 10)),
        (Conv2D(4, 3, stride=2, padding="same"), (3, 7, 8), (4, 4, 4)),
        (Conv2D(4, 3, dilation=(3, 1)), (3, 7, 8), (4, 1, 6)),
        (Conv2D(4, (2, 8)), (3, 7, 8), (4, 6, 1)),
        (MaxPool2D(), (3, 7, 8), (3, 3, 4)),
        (MaxPool2D(3, stride=2, padding=1), (3, 7, 8), (3, 4, 4)),
        (AvgPool2D((2, 3), padding="same"), (3, 7, 8), (3, 4, 3)),
        (GlobalAvgPool(), (3, 7, 8), (3,)),
        (GlobalMaxPool(), (3, 7, 8), (3,)),
        (ConvTranspose2D(2, 3, stride=2), (3, 7, 8), (2, 15, 17)),
        (ConvTranspose2D(2, 3, stride=2, padding=1, output_padding=(1, 0)), (3, 7, 8), (2, 14, 15)),
        (ConvTranspose2D(2, (3, 2), stride=(2, 3), padding="same"), (3, 7, 8), (2, 14, 24)),
    ],
    ids=repr,
)
def test_output_shape_counts_the_windows(layer, shape, output_shape):
    assert layer.output_shape(shape) == output_shape


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Conv2D(2, 3), (9,), r"expected input of shape \(C, H, W\), .* rows and columns, got \(9,\)\. Put a 'reshape'"),
        (
            Conv2D(2, 5),
            (1, 9, 4),
            "5 columns or more, for a kernel that spans 5, got 4. Make the kernel smaller",
        ),
        (Conv2D(2, 3, dilation=4, padding=1), (1, 6, 9), "7 rows or more, for a kernel that spans 9, got 6"),
        (
            Conv2D(4, 3, groups=2),
            (3, 9, 9),
            "a multiple of 2 channels of the input, for 2 groups, got 3. Change the option groups.",
        ),
        (Conv2D(3, 3, groups=2), (4, 9, 9), "a multiple of 2 filters, for 2 groups, got 3"),
        (MaxPool2D(4), (1, 3, 9), "4 rows or more, for a kernel that spans 4, got 3"),
        (MaxPool2D(2, padding=2), (1, 9, 9), r"padding smaller than the kernel \(2, 2\), .* got \(2, 2\)"),
        (ConvTranspose2D(4, 3, groups=2), (3, 9, 9), "a multiple of 2 channels of the input, for 2 groups, got 3"),
        (
            ConvTranspose2D(4, 3, stride=(2, 3), output_padding=2),
            (3, 9, 9),
            r"output_padding less than the stride \(2, 3\), got \(2, 2\)",
        ),
        (
            ConvTranspose2D(4, 3, padding=2),
            (3, 2, 5),
            r"padding that leaves rows and columns, got \(2, 2\), which leaves \(0, 3\)",
        ),
        (GlobalMaxPool(), (3, 4), r"expected input of shape \(C, H, W\)"),
        (GlobalAvgPool(), (3, 4), r"expected input of shape \(C, H, W\)"),
    ],
    ids=repr,
)
def test_input_that_does_not_fit_is_refused_with_owner_and_values(layer, shape, message):
    kind = KINDS[type(layer)]
    with pytest.raises(nnfw.ShapeError, match=f"Layer 0 '{kind}' .*{message}"):
        nnfw.Sequential([layer], shape)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": 0}, r"kernel must be greater than or equal to 1, got 0"),
        ({"kernel": 3, "stride": 0}, r"stride must be greater than or equal to 1, got 0"),
        ({"kernel": 3, "dilation": 0}, r"dilation must be greater than or equal to 1, got 0"),
        ({"kernel": 3, "padding": -1}, r"padding must be 'valid' or 'same' or greater than or equal to 0, got -1"),
        ({"kernel": 3, "padding": "full"}, r"padding must be 'valid' or 'same' or whole number .*, got 'full'"),
        ({"kernel": 3, "groups": 0}, r"groups must be greater than or equal to 1, got 0"),
        ({"kernel": [3, 3, 3]}, r"kernel must be a list of exactly 2: .*, got \[3, 3, 3\]"),
        ({"kernel": 2.5}, r"kernel must be .*got 2\.5"),
    ],
    ids=repr,
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(nnfw.ConfigError, match=message):
        nnfw.layer("conv2d", filters=2, **options)


def test_largest_pixel_of_equal_ones_is_the_first_and_nan_is_the_largest(way):
    workspace = way.workspace()
    images = np.array([[[[3.0, 3.0, 1.0, np.nan], [3.0, 0.0, np.inf, np.nan]]]], way.dtype)
    with using(way.engine):
        z = MaxPool2D().forward({}, images, workspace)
        gradient = MaxPool2D().backward({}, np.array([[[[5.0, 7.0]]]], way.dtype), {}, workspace)
    np.testing.assert_array_equal(z, [[[[3.0, np.nan]]]])
    np.testing.assert_array_equal(gradient, [[[[5.0, 0, 0, 7.0], [0, 0, 0, 0]]]])


def test_network_of_images_runs_as_one_program_and_learns(rng):
    pytest.importorskip("numba")
    x, y = rng.standard_normal((64, 1, 8, 8)), rng.integers(0, 2, 64)
    x[:, :, :4] += y[:, None, None, None]
    layers = [
        {"type": "conv2d", "filters": 4, "kernel": 3, "padding": "same", "activation": "relu"},
        "max_pool2d",
        {"type": "conv2d", "filters": 5, "kernel": 3, "activation": "tanh"},
        {"type": "avg_pool2d", "kernel": 2, "stride": 1},
        "flatten",
        {"type": "dense", "units": 2, "activation": "softmax"},
    ]
    costs = []
    for accelerator in ("none", "numba"):
        model = nnfw.Sequential(layers, (1, 8, 8), seed=1)
        given = {"cost": "cross_entropy", "optimizer": "adam", "batch_size": 20, "epochs": 30}
        costs.append(model.fit(x, y, **given, accelerator=accelerator)["cost"])
    assert costs[0][-1] < 0.5 * costs[0][0]
    np.testing.assert_allclose(*costs, rtol=1e-3)


@pytest.mark.parametrize("padding", ["valid", "same", 1])
def test_transposed_convolution_is_the_transpose_of_a_convolution(padding, way, rng):
    options = {"stride": (2, 3), "padding": padding, "dilation": (1, 2), "groups": 2, "bias": False}
    forth, back = Conv2D(6, 3, **options), ConvTranspose2D(4, 3, **options)
    small = rng.standard_normal((2, 6, 3, 4)).astype(way.dtype)
    params = {"weight": rng.standard_normal((6, 2, 3, 3)).astype(way.dtype)}
    with using(way.engine):
        image = back.forward(params, small, way.workspace())
        other = rng.standard_normal(image.shape).astype(way.dtype)
        again = forth.forward(params, other, way.workspace())
    assert again.shape == small.shape
    assert (image * other).sum() == pytest.approx((small * again).sum(), rel=10 * way.tolerance)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_parts_of_an_operation_give_the_bits_of_the_whole(count, rng):
    pytest.importorskip("numba")
    engine = choose("numba", default_registry())[0]

    def normal(*shape):
        return rng.standard_normal(shape, np.float32)

    shape, numbers = (300, 2, 3, 9, 11), (1, 2, 1, 2, 2, 1)
    x, delta, weight = normal(*shape), normal(300, 2, 7, 7, 6), normal(2, 7, 3, 3, 5)
    flat, place = delta.reshape(300, 14, 7, 6), rng.integers(0, 6, (300, 14, 7, 6)).astype(np.float32)
    calls = {
        "conv2d": (x, weight, normal(2, 7), *numbers, np.empty_like(delta)),
        "conv2d_input_gradient": (delta, weight, *numbers, np.empty_like(x)),
        "conv2d_weight_gradient": (x, delta, *numbers, np.empty_like(weight)),
        "sum_positions": (flat, np.empty(14, np.float32)),
        "max_pool2d": (
            flat,
            2,
            3,
            1,
            2,
            1,
            1,
            np.empty((300, 14, 8, 3), np.float32),
            np.empty((300, 14, 8, 3), np.float32),
        ),
        "max_pool2d_gradient": (flat, place, 2, 3, 1, 2, 0, 0, np.empty((300, 14, 8, 13), np.float32)),
        "avg_pool2d": (flat, 2, 3, 1, 2, 1, 1, np.empty((300, 14, 8, 3), np.float32)),
        "avg_pool2d_gradient": (flat, 2, 3, 1, 2, 0, 0, np.empty((300, 14, 8, 13), np.float32)),
    }
    for name, arguments in calls.items():
        call = Call(getattr(image_operations, name), arguments)
        bits = []
        for cut in ([call], parts(call, call.operation.cut, count)):
            for step in engine.sequence(cut):
                step()
            bits.append([arguments[k].tobytes() for k in call.operation.results])
            for k in call.operation.results:
                arguments[k].fill(np.nan)
        assert bits[0] == bits[1], name


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("size", "windows", "numbers"),
    [
        pytest.param((6, 32), (6, 32), (1, 1, 1, 1, 1, 1), id="two-registers"),
        pytest.param((9, 48), (9, 48), (1, 1, 2, 2, 2, 2), id="dilated"),
        pytest.param((40, 18), (38, 16), (1, 1, 0, 0, 1, 1), id="several-runs"),
        pytest.param((7, 32), (4, 16), (2, 2, 1, 1, 1, 1), id="strides"),
        pytest.param((2, 16), (2, 48), (1, 1, 1, 40, 1, 1), id="mostly-padding"),
    ],
)
def test_convolution_whose_rows_fill_registers_gives_what_its_definition_gives(size, windows, numbers, dtype, rng):
    pytest.importorskip("numba")
    engine = choose("numba", default_registry())[0]
    x, delta = (rng.standard_normal((3, 2, *shape)).astype(dtype) for shape in ((3, *size), (7, *windows)))
    weight, bias = rng.standard_normal((2, 7, 3, 3, 3)).astype(dtype), rng.standard_normal((2, 7)).astype(dtype)
    for operation, arguments in (
        (image_operations.conv2d, (x, weight, bias, *numbers, np.empty_like(delta))),
        (image_operations.conv2d_input_gradient, (delta, weight, *numbers, np.empty_like(x))),
        (image_operations.conv2d_weight_gradient, (x, delta, *numbers, np.empty_like(weight))),
    ):
        assert not difference(operation, engine.function(operation), arguments), operation.name


@pytest.mark.parametrize("base", [pooling._Largest, pooling._Average])
def test_pool_that_does_not_say_its_windows_cannot_be_made(base):
    @dataclass(frozen=True)
    class Pool(base):
        def output_shape(self, input_shape):
            return input_shape

    with pytest.raises(TypeError, match="_numbers"):
        Pool()
