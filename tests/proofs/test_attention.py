"""δ of attention: symbols give the formulas of docs/mathematics.md, and the operations give their values."""

import numpy as np
import sympy as sp

from nnfw_standard.attention_operations import (
    attention_values,
    attention_values_delta,
    attention_weights,
    attention_weights_delta,
)

KEYS, WIDTH = 3, 2
Q = sp.Matrix(sp.symbols(f"q0:{WIDTH}", real=True))
K = sp.Matrix(KEYS, WIDTH, sp.symbols(f"k0:{KEYS * WIDTH}", real=True))
V = sp.Matrix(KEYS, WIDTH, sp.symbols(f"v0:{KEYS * WIDTH}", real=True))
G = sp.Matrix(sp.symbols(f"g0:{WIDTH}", real=True))  # ∂C/∂o
SCALE = 1 / sp.sqrt(WIDTH)
POINT = dict(zip([*Q, *K, *V, *G], sp.Rational(1, 7) * sp.randMatrix(16, 1, -9, 9, seed=3), strict=True))


def weights():
    powers = [sp.exp(SCALE * (K[s, :] * Q)[0]) for s in range(KEYS)]
    return [power / sum(powers) for power in powers]


def cost():
    """Return Σ g ⊙ o for one query, whose gradient is that of any C with ∂C/∂o = g."""
    return sum(p * (V[s, :] * G)[0] for s, p in enumerate(weights()))


def right():
    """Return δ of each key, ∂C/∂q, ∂C/∂k and ∂C/∂v by the formulas."""
    p, through = weights(), [(V[s, :] * G)[0] for s in range(KEYS)]
    mean = sum(a * b for a, b in zip(p, through, strict=True))
    delta = [SCALE * p[s] * (through[s] - mean) for s in range(KEYS)]
    of_q = [sum(delta[s] * K[s, i] for s in range(KEYS)) for i in range(WIDTH)]
    of_k = [delta[s] * Q[i] for s in range(KEYS) for i in range(WIDTH)]
    return delta, of_q, of_k, [p[s] * G[i] for s in range(KEYS) for i in range(WIDTH)]


def value(expression):
    return float(sp.N(expression.subs(POINT), 20))


def test_delta_of_attention_is_that_of_the_formulas():
    _, *formulas = right()
    for symbols, expressions in zip((Q, K, V), formulas, strict=True):
        for symbol, expression in zip(symbols, expressions, strict=True):
            assert abs(sp.N((sp.diff(cost(), symbol) - expression).subs(POINT), 30)) < 1e-20


def arrays(matrix):
    """Return a matrix as one example with one head."""
    rows = [[value(x) for x in matrix[i, :]] for i in range(matrix.shape[0])]
    return np.array(rows)[np.newaxis, :, np.newaxis]


def test_operations_of_attention_give_the_derivatives():
    q, k, v, g = arrays(Q.T), arrays(K), arrays(V), arrays(G.T)
    p, grad, delta = (np.empty((1, 1, KEYS, 1)) for _ in range(3))
    o, grad_q, grad_k, grad_v = np.empty_like(q), np.empty_like(q), np.empty_like(k), np.empty_like(v)
    attention_weights.definition(q, k, np.array([float(KEYS)]), 0.0, float(SCALE), p)
    attention_values.definition(p, v, o)
    np.testing.assert_allclose(p.ravel(), [value(each) for each in weights()], rtol=1e-14)
    np.testing.assert_allclose(np.sum(o * g), value(cost()), rtol=1e-13)
    attention_values_delta.definition(g, p, v, grad, grad_v)
    delta[...] = grad
    attention_weights_delta.definition(delta, p, q, k, float(SCALE), grad_q, grad_k)
    for found, expected in zip((delta, grad_q, grad_k, grad_v), right(), strict=True):
        np.testing.assert_allclose(found.ravel(), [value(each) for each in expected], rtol=1e-12, atol=1e-15)
