"""The δ of one step of a recurrent layer: symbols give the formulas, and the operations give their values."""

import numpy as np
import pytest
import sympy as sp

from nnfw_standard.sequence_operations import gru_step, gru_step_back, lstm_step, lstm_step_back

X = sp.symbols("x0:4", real=True)  # weighted inputs
Q = sp.symbols("q0:4", real=True)  # weighted states
H, C, B, GH, GC = sp.symbols("h c b grad_h grad_c", real=True)


def sigmoid(z):
    return 1 / (1 + sp.exp(-z))


def lstm_symbols():
    i, f, g, o = (squash(x + q) for squash, x, q in zip((sigmoid, sigmoid, sp.tanh, sigmoid), X, Q, strict=True))
    c = f * C + i * g
    return (i, f, g, o), c, o * sp.tanh(c)


def gru_symbols():
    r, u = sigmoid(X[0] + Q[0]), sigmoid(X[1] + Q[1])
    q = Q[2] + B
    n = sp.tanh(X[2] + r * q)
    return (r, u, n), q, (1 - u) * n + u * H


def same(one, other):
    """Return whether two expressions are equal, at points that are no special ones."""
    symbols = sorted((one - other).free_symbols, key=str)
    points = [
        dict(zip(symbols, sp.Rational(1, 7) * sp.Matrix(row), strict=True))
        for row in sp.randMatrix(5, len(symbols), -9, 9, seed=3).tolist()
    ]
    return all(abs(sp.N((one - other).subs(point), 30)) < 1e-20 for point in points)


def test_delta_of_an_lstm_is_that_of_its_docstring():
    (i, f, g, o), c, h = lstm_symbols()
    cost = GH * h + GC * c
    through = GH * o * (1 - sp.tanh(c) ** 2) + GC
    right = (
        through * g * i * (1 - i),
        through * C * f * (1 - f),
        through * i * (1 - g**2),
        GH * sp.tanh(c) * o * (1 - o),
    )
    assert all(same(sp.diff(cost, x), formula) for x, formula in zip(X, right, strict=True))
    assert same(sp.diff(cost, C), through * f)


def test_delta_of_a_gru_is_that_of_its_docstring():
    (r, u, n), q, h = gru_symbols()
    d_n = GH * (1 - u) * (1 - n**2)
    right = (d_n * q * r * (1 - r), GH * (H - n) * u * (1 - u), d_n)
    assert all(same(sp.diff(GH * h, x), formula) for x, formula in zip(X, right, strict=False))
    at_states = (right[0], right[1], d_n * r)
    assert all(same(sp.diff(GH * h, x), formula) for x, formula in zip(Q, at_states, strict=False))
    assert same(sp.diff(GH * h, H), GH * u)
    assert same(sp.diff(GH * h, B), d_n * r)


@pytest.fixture
def arrays(rng):
    draw = rng.standard_normal
    return {
        "x": draw((5, 4, 3)),
        "q": draw((5, 4, 3)),
        "h": draw((5, 3)),
        "c": draw((5, 3)),
        "b": draw(3),
        "gh": draw((5, 3)),
        "gc": draw((5, 3)),
    }


def value(expression, arrays, gates):
    """Return the value of an expression for each example and unit."""
    names = (*X[:gates], *Q[:gates], H, C, B, GH, GC)
    given = [arrays[k][:, j] for k in "xq" for j in range(gates)]
    given += [arrays["h"], arrays["c"], np.broadcast_to(arrays["b"], arrays["h"].shape), arrays["gh"], arrays["gc"]]
    return np.broadcast_to(sp.lambdify(names, expression, "numpy")(*given), arrays["h"].shape)


def test_operations_of_an_lstm_give_the_derivatives(arrays):
    _, c, h = lstm_symbols()
    gates, (c_now, tanh_c, h_now) = arrays["x"].copy(), np.empty((3, 5, 3))
    before, after = (arrays["h"], arrays["c"]), (h_now, c_now)
    lstm_step(gates, arrays["q"], before, after, tanh_c)
    np.testing.assert_allclose(h_now, value(h, arrays, 4), rtol=1e-12)
    np.testing.assert_allclose(c_now, value(c, arrays, 4), rtol=1e-12, atol=1e-14)
    grad_h, grad_c, delta = arrays["gh"].copy(), arrays["gc"].copy(), np.empty((5, 4, 3))
    lstm_step_back(gates, before, after, tanh_c, (grad_h, grad_c), delta, delta)
    cost = GH * h + GC * c
    for k in range(4):
        np.testing.assert_allclose(delta[:, k], value(sp.diff(cost, X[k]), arrays, 4), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(grad_c, value(sp.diff(cost, C), arrays, 4), rtol=1e-10, atol=1e-13)


def test_operations_of_a_gru_give_the_derivatives(arrays):
    *_, h = gru_symbols()
    gates, q = np.ascontiguousarray(arrays["x"][:, :3]), np.ascontiguousarray(arrays["q"][:, :3])
    candidate, h_now = np.empty((2, 5, 3))
    gru_step(arrays["b"], gates, q, (arrays["h"],), (h_now,), candidate)
    np.testing.assert_allclose(h_now, value(h, arrays, 3), rtol=1e-12, atol=1e-14)
    grad_h, (delta, at_states) = arrays["gh"].copy(), np.empty((2, 5, 3, 3))
    gru_step_back(gates, (arrays["h"],), (h_now,), candidate, (grad_h,), delta, at_states)
    for k in range(3):
        np.testing.assert_allclose(delta[:, k], value(sp.diff(GH * h, X[k]), arrays, 3), rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(at_states[:, k], value(sp.diff(GH * h, Q[k]), arrays, 3), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(grad_h, value(sp.diff(GH * h, H), arrays, 3), rtol=1e-10, atol=1e-13)
