"""How far the result of an engine may be from that of the definition."""

import numpy as np
import pytest

from nnfw.ops import kernels
from nnfw.ops.checked import difference


def cancelling(rng, dtype):
    """Return arguments of log-softmax's δ = g − e^a Σ g where both terms are close: a is 0, and one g is far larger."""
    g = rng.standard_normal((2000, 3)).astype(dtype)
    g[:, 1:] *= 1e-3
    a = np.zeros_like(g)
    return [g, a, np.empty((len(g), 1), dtype), np.empty_like(g)]


def in_another_order(grad_a, a, row, out):
    """Write δ as exactly as the definition does, with another rounding: the sum first, and from the other end."""
    total = np.zeros(len(grad_a), grad_a.dtype)
    for k in reversed(range(grad_a.shape[1])):
        total += grad_a[:, k]
    row[...] = total[:, np.newaxis]
    out[...] = grad_a - np.exp(a) * row


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_difference_of_rounding_alone_is_none_where_terms_cancel(rng, dtype):
    arguments = cancelling(rng, dtype)
    definition = [np.copy(item) for item in arguments]
    kernels().log_softmax_delta.definition(*definition)
    assert difference(kernels().log_softmax_delta, in_another_order, arguments) == ""
    assert not np.array_equal(arguments[3], definition[3])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_difference_far_above_rounding_is_found_where_terms_cancel(rng, dtype):
    def off(grad_a, a, row, out):
        in_another_order(grad_a, a, row, out)
        out += 1000 * np.finfo(dtype).eps * np.abs(grad_a).max(axis=1, keepdims=True)

    assert difference(kernels().log_softmax_delta, off, cancelling(rng, dtype)).startswith("gives ")
