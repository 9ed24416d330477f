"""The gradients of layers on images, proved with SymPy: the definitions themselves calculate with symbols.

For z from the definition and L = Σ δ z with symbols δ, the definition of a gradient gives ∂L/∂a, ∂L/∂w and ∂L/∂b.
"""

import itertools

import numpy as np
import pytest
import sympy as sp

from nnfw_standard import image_operations


def symbols(name, *shape):
    found = np.empty(shape, object)
    for place in np.ndindex(*shape):
        found[place] = sp.Symbol(f"{name}_{'_'.join(map(str, place))}")
    return found


def prove(claims, function, variables):
    """Fail unless each claim is the derivative of the function with respect to its variable."""
    assert claims.shape == variables.shape
    for claim, variable in zip(claims.flat, variables.flat, strict=True):
        assert sp.expand(claim - sp.diff(function, variable)) == 0, variable


# shapes of a and w by groups, windows, and strides, padding and dilations
CONVOLUTIONS = {
    "plain": ((1, 1, 2, 3, 3), (1, 2, 2, 2, 2), (2, 2), (1, 1, 0, 0, 1, 1)),
    "stride": ((2, 1, 1, 4, 5), (1, 1, 1, 2, 2), (2, 2), (2, 3, 0, 0, 1, 1)),
    "padding": ((1, 1, 1, 2, 3), (1, 1, 1, 2, 3), (3, 3), (1, 1, 1, 1, 1, 1)),
    "dilation": ((1, 1, 1, 4, 4), (1, 2, 1, 2, 2), (2, 1), (1, 1, 0, 0, 2, 3)),
    "groups": ((1, 2, 1, 3, 2), (2, 2, 1, 2, 2), (2, 1), (1, 1, 0, 0, 1, 1)),
    "stride, padding and dilation": ((1, 1, 1, 4, 4), (1, 1, 1, 2, 2), (2, 2), (2, 2, 1, 1, 3, 2)),
}


def written_out(a, w, b, grid, numbers):
    """Return z as the docstring of the layer defines it."""
    s, t, p, q, d, e = numbers
    height, width = a.shape[3:]
    z = np.empty((*a.shape[:2], w.shape[1], *grid), object)
    for i, k, f, y, x in np.ndindex(*z.shape):
        z[i, k, f, y, x] = b[k, f]
        for m, r, o in itertools.product(*map(range, w.shape[2:])):
            row, column = y * s + r * d - p, x * t + o * e - q
            if 0 <= row < height and 0 <= column < width:
                z[i, k, f, y, x] += w[k, f, m, r, o] * a[i, k, m, row, column]
    return z


@pytest.mark.parametrize(("images", "weight", "grid", "numbers"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_gradients_of_a_convolution_are_derivatives_of_its_definition(images, weight, grid, numbers):
    a, w, b = symbols("a", *images), symbols("w", *weight), symbols("b", *weight[:2])
    delta = symbols("δ", images[0], *weight[:2], *grid)
    z = np.empty(delta.shape, object)
    image_operations.conv2d.definition(a, w, b, *numbers, z)
    assert all(sp.expand(each) == 0 for each in (z - written_out(a, w, b, grid, numbers)).flat)
    L = (delta * z).sum()
    gradients = [np.empty(array.shape, object) for array in (a, w, b)]
    image_operations.conv2d_input_gradient.definition(delta, w, *numbers, gradients[0])
    image_operations.conv2d_weight_gradient.definition(a, delta, *numbers, gradients[1])
    flat = delta.reshape(len(delta), -1, *grid)
    image_operations.sum_positions.definition(flat, gradients[2].reshape(-1))
    for claims, variables in zip(gradients, (a, w, b), strict=True):
        prove(claims, L, variables)


@pytest.mark.parametrize(
    ("shape", "grid", "numbers"),
    [
        ((1, 2, 4, 2), (2, 1), (2, 2, 2, 2, 0, 0)),
        ((1, 1, 3, 4), (2, 2), (2, 3, 1, 1, 0, 0)),
        ((1, 1, 3, 3), (2, 3), (3, 2, 2, 1, 1, 1)),
        ((2, 1, 2, 3), (1, 1), (2, 3, 1, 1, 0, 0)),
    ],
    ids=["tiles", "overlapping", "padding", "whole image"],
)
def test_gradient_of_a_mean_over_windows_is_the_derivative_of_its_definition(shape, grid, numbers):
    a, z, delta = symbols("a", *shape), np.empty((*shape[:2], *grid), object), symbols("δ", *shape[:2], *grid)
    image_operations.avg_pool2d.definition(a, *numbers, z)
    found = np.empty(shape, object)
    image_operations.avg_pool2d_gradient.definition(delta, *numbers, found)
    prove(found, sp.nsimplify((delta * z).sum()), a)


def test_gradient_of_a_maximum_is_its_derivative_where_no_two_pixels_are_equal(rng):
    a = rng.permutation(2 * 5 * 6).reshape(2, 1, 5, 6).astype(float)
    delta, numbers = rng.standard_normal((2, 1, 4, 3)), (2, 3, 1, 2, 0, 1)

    def value(images):
        z, place = np.empty(delta.shape), np.empty(delta.shape)
        image_operations.max_pool2d.definition(images, *numbers, z, place)
        return z, place

    gradient = np.empty_like(a)
    image_operations.max_pool2d_gradient.definition(delta, value(a)[1], *numbers, gradient)
    for place in np.ndindex(*a.shape):
        moved = a.copy()
        moved[place] += 0.25  # less than half of the distance between two pixels: z is linear there
        slope = (delta * (value(moved)[0] - value(a)[0])).sum() / 0.25
        assert gradient[place] == pytest.approx(slope, abs=1e-12)


@pytest.mark.parametrize(
    ("forth", "back", "numbers", "size"),
    [
        ("pad2d", "crop2d", (1, 2), (5, 6)),
        ("upsample2d", "upsample2d_gradient", (2, 3), (4, 9)),
    ],
    ids=["pad", "upsample"],
)
def test_gradient_of_copied_pixels_is_the_derivative_of_its_definition(forth, back, numbers, size):
    a, delta, z = symbols("a", 2, 1, 2, 3), symbols("δ", 2, 1, *size), np.empty((2, 1, *size), object)
    getattr(image_operations, forth).definition(a, *numbers, z)
    found = np.empty(a.shape, object)
    getattr(image_operations, back).definition(delta, *numbers, found)
    prove(found, (delta * z).sum(), a)
