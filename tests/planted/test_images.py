"""Wrong layers on images, each in one place, and the check that must find it."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.testing import run_checks
from nnfw_standard import (
    AvgPool2D,
    Conv2D,
    ConvTranspose2D,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool2D,
    Upsample,
    ZeroPad,
    image_operations,
)
from nnfw_standard.image_operations import Sliding

INPUT, PARAMETERS = "layer.gradient_of_input", "layer.gradients_of_parameters"

SLIDING = {"stride": (1, 2), "padding": (1, 0), "dilation": (2, 1)}


def wrong(layer, change, *given, **options):
    """Return a layer whose ∂C/∂a_prev or gradients are changed."""

    @dataclass(frozen=True)
    class Wrong(layer):
        def backward(self, params, delta, grads, workspace):
            gradient = super().backward(params, delta, grads, workspace)
            found = change(self, params, delta, grads, workspace)
            return gradient if found is None else found

    return Wrong(*given, **options)


def conv(change, **options):
    return wrong(Conv2D, change, 3, (2, 3), activation="tanh", **SLIDING, **options)


def input_gradient(delta, weight, numbers, shape, add=True):
    """Return ∂C/∂a_prev of a convolution without groups, written down once more."""
    sliding, kernel = Sliding(*numbers), weight.shape[2:]
    out = np.zeros(shape)
    padded = sliding.padded(out, sliding.span(kernel, delta.shape[2:]))
    for seen, w in zip(
        sliding.taps(padded, kernel, delta.shape[2:]), weight.reshape(*weight.shape[:2], -1).T, strict=True
    ):
        term = np.einsum("cf,nfyx->ncyx", w, delta)
        seen[...] = seen + term if add else term
    return sliding.inner(padded, shape)


def conv_input(flip=1, swap=False, add=True):
    def change(self, params, delta, grads, workspace):
        a_prev = workspace["a_prev"]
        numbers = self._windows(a_prev.shape[1:]).numbers
        weight = params["weight"][..., ::flip, ::flip]
        if swap:
            weight = np.ascontiguousarray(weight[:, ::-1])
        return input_gradient(delta, weight, numbers, a_prev.shape, add)

    return conv(change)


def conv_weight(compute, name="weight"):
    def change(self, params, delta, grads, workspace):
        a_prev = workspace["a_prev"]
        grads[name][...] = compute(self, a_prev, delta, grads[name].copy())

    return conv(change)


def without_padding(self, a_prev, delta, gradient):
    numbers = self._windows(a_prev.shape[1:]).numbers
    image_operations.conv2d_weight_gradient(
        a_prev[:, None], delta[:, None], *numbers[:2], 0, 0, *numbers[4:], gradient[None]
    )
    return gradient


@dataclass(frozen=True)
class FlippedForward(Conv2D):
    def forward(self, params, a_prev, workspace):
        flipped = {**params, "weight": np.ascontiguousarray(params["weight"][..., ::-1, ::-1])}
        return super().forward(flipped, a_prev, workspace)


@dataclass(frozen=True)
class SecondGroupForFirst(Conv2D):
    def backward(self, params, delta, grads, workspace):
        swapped = {**params, "weight": np.roll(params["weight"], len(params["weight"]) // self.groups, axis=0)}
        return super().backward(swapped, delta, grads, workspace)


def pool(layer, spread, **options):
    """Return a pool whose ∂C/∂a_prev is summed from what `spread` gives for each place in the kernel."""

    def change(self, params, delta, grads, workspace):
        numbers, shape = self._numbers(workspace["shape"][1:]), workspace["shape"]
        sliding, kernel, out = Sliding(*numbers[2:], 1, 1), numbers[:2], np.zeros(workspace["shape"])
        padded = sliding.padded(out, sliding.span(kernel, delta.shape[2:]))
        for k, seen in enumerate(sliding.taps(padded, kernel, delta.shape[2:])):
            seen[...] = spread(seen, k, delta, workspace, kernel)
        return sliding.inner(padded, shape)

    return wrong(layer, change, **options)


def transposed_input(change_weight):
    def change(self, params, delta, grads, workspace):
        others = {name: np.empty_like(array) for name, array in grads.items()}
        other = {**params, "weight": np.ascontiguousarray(change_weight(params["weight"]))}
        return ConvTranspose2D.backward(self, other, delta, others, workspace)

    return wrong(ConvTranspose2D, change, 3, (2, 3), activation="tanh", **SLIDING)


def transposed_gradient(name, compute):
    def change(self, params, delta, grads, workspace):
        grads[name][...] = compute(delta, grads[name].copy())

    return wrong(ConvTranspose2D, change, 3, (2, 3), activation="tanh", **SLIDING)


OVERLAPPING = {"kernel": (2, 3), "stride": 1, "padding": (0, 1)}


def taken(k, delta, workspace):
    return np.where(workspace["place"] == k, delta, 0)


def transposed(k, kernel):
    return k % kernel[0] * kernel[1] + k // kernel[0]


PLANTED = {
    "conv: kernel flipped in ∂C/∂a": (conv_input(flip=-1), INPUT),
    "conv: columns assigned, not added": (conv_input(add=False), INPUT),
    "conv: channels in another order in ∂C/∂a": (conv_input(swap=True), INPUT),
    "conv: kernel flipped in ∂C/∂w": (conv_weight(lambda self, a, d, g: g[..., ::-1, ::-1]), PARAMETERS),
    "conv: padding forgotten in ∂C/∂w": (conv_weight(without_padding), PARAMETERS),
    "conv: ∂C/∂b of the first column of places": (
        conv_weight(lambda self, a, d, g: d[..., 0].sum(axis=(0, 2)), "bias"),
        PARAMETERS,
    ),
    "conv: another group's weights in ∂C/∂a": (SecondGroupForFirst(4, 2, groups=2, activation="tanh"), INPUT),
    "transpose: kernel flipped in ∂C/∂a": (transposed_input(lambda w: w[..., ::-1, ::-1]), INPUT),
    "transpose: channels in another order": (transposed_input(lambda w: w[::-1]), INPUT),
    "transpose: kernel flipped in ∂C/∂w": (transposed_gradient("weight", lambda d, g: g[..., ::-1, ::-1]), PARAMETERS),
    "transpose: ∂C/∂b of the mean": (transposed_gradient("bias", lambda d, g: d.mean(axis=(0, 2, 3))), PARAMETERS),
    "global max: δ to all pixels": (
        wrong(GlobalMaxPool, lambda self, p, d, g, w: np.ones(w["shape"]) * d[:, :, None, None]),
        INPUT,
    ),
    "global max: channels in another order": (
        wrong(GlobalMaxPool, lambda self, p, d, g, w: super(type(self), self).backward(p, d[:, ::-1].copy(), g, w)),
        INPUT,
    ),
    "global max: half of δ": (
        wrong(GlobalMaxPool, lambda self, p, d, g, w: super(type(self), self).backward(p, d / 2, g, w)),
        INPUT,
    ),
    "upsample: of one copy alone": (wrong(Upsample, lambda self, p, d, g, w: d[..., ::2, ::2].copy()), INPUT),
    "upsample: the mean of the copies": (
        wrong(Upsample, lambda self, p, d, g, w: super(type(self), self).backward(p, d / 4, g, w)),
        INPUT,
    ),
    "upsample: rows in another order": (
        wrong(Upsample, lambda self, p, d, g, w: super(type(self), self).backward(p, d[..., ::-1, :].copy(), g, w)),
        INPUT,
    ),
    "zero pad: without the columns on the left": (
        wrong(ZeroPad, lambda self, p, d, g, w: d[..., 1:-1, :-2].copy(), 1),
        INPUT,
    ),
    "zero pad: top and bottom exchanged": (
        wrong(ZeroPad, lambda self, p, d, g, w: d[..., 2:, 1:-1].copy(), (0, 2, 1, 1)),
        INPUT,
    ),
    "zero pad: channels in another order": (
        wrong(ZeroPad, lambda self, p, d, g, w: d[:, ::-1, 1:-1, 1:-1].copy(), 1),
        INPUT,
    ),
    "max: δ to all pixels": (pool(MaxPool2D, lambda seen, k, d, w, _: seen + d, **OVERLAPPING), INPUT),
    "max: assigned, not added": (
        pool(MaxPool2D, lambda seen, k, d, w, _: np.where(w["place"] == k, d, seen), **OVERLAPPING),
        INPUT,
    ),
    "max: rows and columns of the place swapped": (
        pool(MaxPool2D, lambda seen, k, d, w, kernel: seen + taken(transposed(k, kernel), d, w), **OVERLAPPING),
        INPUT,
    ),
    "avg: padding counts in ∂C/∂a": (
        pool(AvgPool2D, lambda seen, k, d, w, kernel: seen + d / np.prod(kernel), **OVERLAPPING),
        INPUT,
    ),
    "avg: assigned, not added": (
        pool(AvgPool2D, lambda seen, k, d, w, kernel: d / np.prod(kernel), kernel=(2, 3), stride=1),
        INPUT,
    ),
    "avg: not divided": (pool(AvgPool2D, lambda seen, k, d, w, kernel: seen + d, **OVERLAPPING), INPUT),
    "global: not divided": (
        wrong(GlobalAvgPool, lambda self, p, d, g, w: np.broadcast_to(d[:, :, None, None], w["shape"]).copy()),
        INPUT,
    ),
    "global: divided by the rows alone": (
        wrong(GlobalAvgPool, lambda self, p, d, g, w: np.ones(w["shape"]) * d[:, :, None, None] / w["shape"][2]),
        INPUT,
    ),
    "global: channels in another order": (
        wrong(
            GlobalAvgPool,
            lambda self, p, d, g, w: np.ones(w["shape"]) * d[:, ::-1, None, None] / np.prod(w["shape"][2:]),
        ),
        INPUT,
    ),
}


@pytest.mark.parametrize(("layer", "check"), PLANTED.values(), ids=PLANTED)
def test_wrong_gradient_of_a_layer_on_images_is_found(layer, check):
    report = run_checks(layer, only=[check])
    assert [item.check for item in report.failures] == [check], report


def test_kernel_flipped_in_both_passes_is_another_layer_with_right_gradients_but_not_that_of_pytorch(rng):
    report = run_checks(conv_input(), only=[INPUT])  # the right gradient, written down once more
    assert report.ok, report
    params = {"weight": rng.standard_normal((2, 1, 2, 2)), "bias": np.zeros(2)}
    x = rng.standard_normal((1, 1, 3, 3))
    z, flipped = (layer(2, 2).forward(params, x, nnfw.Workspace(np.float64)) for layer in (Conv2D, FlippedForward))
    assert not np.allclose(z, flipped)  # tests/standard/test_images.py compares z with PyTorch
