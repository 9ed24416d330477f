"""Gradients of layers for tables: symbols give the formulas of the docstrings, and the layers give their values.

z and the claims are written out with loops and shared with nothing. L = Σ δ z with symbols δ has the gradients of any C
with ∂C/∂z = δ.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import sympy as sp

from nnfw.workspace import Workspace
from nnfw_standard import (
    GLU,
    MSE,
    BatchEnsemble,
    CategoryEmbedding,
    CrossEntropy,
    EachMember,
    FeatureDropout,
    Maxout,
    Periodic,
    PiecewiseLinear,
    Scale,
    SwiGLU,
)

INDICES = np.array([[2, 0], [0, 1], [2, 1]])


def symbols(name, *shape):
    found = np.empty(shape, object)
    for place in np.ndindex(*shape):
        found[place] = sp.Symbol(f"{name}_{'_'.join(map(str, place))}", real=True)
    return found


def sigmoid(x):
    return 1 / (1 + sp.exp(-x))


def array(shape, entry):
    """Return an array of what `entry` gives for each place."""
    found = np.empty(shape, object)
    for place in np.ndindex(*shape):
        found[place] = entry(*place)
    return found


# --- z and the gradients, as the docstrings have them, from arrays of symbols by name ---------------------------------


def scale_z(p):
    return array(p["a"].shape, lambda i, t, j: p["scale"][j] * p["a"][i, t, j])


def scale_gradients(p):
    delta, a, s = p["delta"], p["a"], p["scale"]
    return {
        "scale": array(s.shape, lambda j: sum(delta[i, t, j] * a[i, t, j] for i in range(2) for t in range(2))),
        "a": array(a.shape, lambda i, t, j: s[j] * delta[i, t, j]),
    }


def dropped_z(p):
    return array(p["a"].shape, lambda i, j: p["mask"][i, j // 2] * p["a"][i, j])


def dropped_gradients(p):
    return {"a": array(p["a"].shape, lambda i, j: p["mask"][i, j // 2] * p["delta"][i, j])}


def embedded_z(p):
    rows = [[*p["weight_0"][k], *p["weight_1"][m]] for k, m in INDICES]
    return np.array(rows, object)


def embedded_gradients(p):
    def of(column, first, shape):
        at = INDICES[:, column]
        return array(shape, lambda k, j: sum(p["delta"][i, first + j] for i in range(3) if at[i] == k))

    return {"weight_0": of(0, 0, (3, 2)), "weight_1": of(1, 2, (2, 1))}


def member_inputs(p):
    """Return a_i of each example and member."""
    a = p["a"]
    return a if a.ndim == 3 else array((len(a), 2, a.shape[1]), lambda n, i, j: a[n, j])


def member_products(p):
    """Return y_i = w (r_i ⊙ a_i)."""
    w, r, a = p["weight"], p["input_scale"], member_inputs(p)
    return array((2, 2, 2), lambda n, i, h: sum(w[h, j] * r[i, j] * a[n, i, j] for j in range(3)))


def member_z(p):
    y, s, b = member_products(p), p["output_scale"], p["bias"]
    return array(y.shape, lambda n, i, h: s[i, h] * y[n, i, h] + b[i, h])


def member_gradients(p):
    delta, w, r, s = p["delta"], p["weight"], p["input_scale"], p["output_scale"]
    a, y = member_inputs(p), member_products(p)
    g = array((2, 2, 3), lambda n, i, j: sum(w[h, j] * s[i, h] * delta[n, i, h] for h in range(2)))
    own = array(a.shape, lambda n, i, j: r[i, j] * g[n, i, j])
    pairs = [(n, i) for n in range(2) for i in range(2)]
    return {
        "bias": array(s.shape, lambda i, h: sum(delta[n, i, h] for n in range(2))),
        "output_scale": array(s.shape, lambda i, h: sum(delta[n, i, h] * y[n, i, h] for n in range(2))),
        "weight": array(w.shape, lambda h, j: sum(s[i, h] * delta[n, i, h] * r[i, j] * a[n, i, j] for n, i in pairs)),
        "input_scale": array(r.shape, lambda i, j: sum(g[n, i, j] * a[n, i, j] for n in range(2))),
        "a": own if p["a"].ndim == 3 else own.sum(axis=1),
    }


def angle(p, i, f, k):
    return 2 * sp.pi * p["frequency"][f, k] * p["a"][i, f]


def waves(p):
    """Return p_f of each example and feature: sines, then cosines."""
    return array((2, 2, 4), lambda i, f, k: (sp.sin, sp.cos)[k // 2](angle(p, i, f, k % 2)))


def waves_z(p):
    wave = waves(p)
    if "weight" not in p:
        return wave.reshape(2, 8)
    w, b = p["weight"], p["bias"]
    return array((2, 6), lambda i, j: sum(w[j, k] * wave[i, j // 3, k] for k in range(4)) + b[j])


def waves_gradients(p):
    delta, x, c = p["delta"], p["a"], p["frequency"]
    found, wave, g = {}, waves(p), delta.reshape(2, 2, -1)
    if "weight" in p:
        w, of_z = p["weight"], g
        found["weight"] = array(w.shape, lambda j, k: sum(delta[i, j] * wave[i, j // 3, k] for i in range(2)))
        found["bias"] = delta.sum(axis=0)
        g = array(wave.shape, lambda i, f, k: sum(w[3 * f + m, k] * of_z[i, f, m] for m in range(3)))

    def v(i, f, k):
        return g[i, f, k] * sp.cos(angle(p, i, f, k)) - g[i, f, 2 + k] * sp.sin(angle(p, i, f, k))

    found["frequency"] = array(c.shape, lambda f, k: 2 * sp.pi * sum(v(i, f, k) * x[i, f] for i in range(2)))
    found["a"] = array(x.shape, lambda i, f: 2 * sp.pi * sum(v(i, f, k) * c[f, k] for k in range(2)))
    return found


def largest_z(p):
    x = p["a"].reshape(2, 2, 2)
    return array((2, 2), lambda i, j: sp.Piecewise((x[i, j, 0], x[i, j, 0] >= x[i, j, 1]), (x[i, j, 1], True)))


def largest_gradients(p):
    x, delta = p["a"].reshape(2, 2, 2), p["delta"]

    def at(i, place):
        j, piece = divmod(place, 2)
        first = x[i, j, 0] >= x[i, j, 1]
        return sp.Piecewise((delta[i, j] if piece == 0 else 0, first), (delta[i, j] if piece else 0, True))

    return {"a": array((2, 4), at)}


def halves(p):
    return p["a"][:, :2], p["a"][:, 2:]


def glu_z(p):
    one, two = halves(p)
    return array((2, 2), lambda i, j: one[i, j] * sigmoid(two[i, j]))


def glu_gradients(p):
    (one, two), delta = halves(p), p["delta"]

    def second(i, j):
        return delta[i, j] * one[i, j] * sigmoid(two[i, j]) * (1 - sigmoid(two[i, j]))

    first = array((2, 2), lambda i, j: delta[i, j] * sigmoid(two[i, j]))
    return {"a": np.concatenate([first, array((2, 2), second)], axis=1)}


def swiglu_z(p):
    one, two = halves(p)
    return array((2, 2), lambda i, j: one[i, j] * sigmoid(one[i, j]) * two[i, j])


def swiglu_gradients(p):
    (one, two), delta = halves(p), p["delta"]

    def first(i, j):
        gate = sigmoid(one[i, j])
        return delta[i, j] * two[i, j] * gate * (1 + one[i, j] * (1 - gate))

    second = array((2, 2), lambda i, j: delta[i, j] * one[i, j] * sigmoid(one[i, j]))
    return {"a": np.concatenate([array((2, 2), first), second], axis=1)}


class Case(NamedTuple):
    """A layer, the shape of its input, and z and the gradients written out; `mask` is the shape of what it draws."""

    layer: Any
    shape: tuple[int, ...]
    z: Callable[[Any], Any]
    gradients: Callable[[Any], Any]
    mask: tuple[int, ...] = ()


CASES = {
    "category_embedding": Case(CategoryEmbedding((3, 2), (2, 1)), INDICES.shape, embedded_z, embedded_gradients),
    "periodic": Case(Periodic(2), (2, 2), waves_z, waves_gradients),
    "periodic, width": Case(Periodic(2, width=3), (2, 2), waves_z, waves_gradients),
    "scale": Case(Scale(), (2, 2, 3), scale_z, scale_gradients),
    "feature_dropout": Case(FeatureDropout(0.4, width=2), (2, 4), dropped_z, dropped_gradients, (2, 2)),
    "batch_ensemble, one input": Case(BatchEnsemble(2, members=2), (2, 3), member_z, member_gradients),
    "batch_ensemble, an input each": Case(BatchEnsemble(2, members=2), (2, 2, 3), member_z, member_gradients),
    "maxout": Case(Maxout(2), (2, 4), largest_z, largest_gradients),
    "glu": Case(GLU(), (2, 4), glu_z, glu_gradients),
    "swiglu": Case(SwiGLU(), (2, 4), swiglu_z, swiglu_gradients),
}


def variables(case):
    """Return arrays of symbols by name: the input, the parameters, what is drawn, and δ."""
    takes_indices = case.layer.index_limit() is not None
    found = {} if takes_indices else {"a": symbols("a", *case.shape)}
    for name, parameter in case.layer.parameters(case.shape[1:]).items():
        found[name] = symbols(name, *parameter.shape)
    if case.mask:
        found["mask"] = symbols("m", *case.mask)
    return found | {"delta": symbols("δ", case.shape[0], *case.layer.output_shape(case.shape[1:]))}


def prove(claims, function, names):
    """Fail unless each claim is the derivative of the function with respect to its variable."""
    assert claims.shape == names.shape
    for claim, variable in zip(claims.flat, names.flat, strict=True):
        assert sp.simplify(claim - sp.diff(function, variable)) == 0, f"not proved: {variable}"


def values(expressions, names, numbers):
    """Return the values of expressions with numbers in the place of the symbols."""
    flat = [symbol for each in names.values() for symbol in each.flat]
    given = [number for name in names for number in numbers[name].flat]
    return np.array([float(sp.lambdify(flat, each)(*given)) for each in expressions.flat]).reshape(expressions.shape)


@pytest.mark.parametrize("name", CASES)
def test_gradients_of_a_layer_for_tables_are_the_derivatives_of_its_z(name):
    case = CASES[name]
    p = variables(case)
    claims, total = case.gradients(p), (p["delta"] * case.z(p)).sum()
    assert claims.keys() == p.keys() - {"delta", "mask"}
    for key, claim in claims.items():
        prove(claim, total, p[key])


@pytest.mark.parametrize("name", CASES)
def test_layer_for_tables_gives_the_values_of_its_equations(name, rng):
    case = CASES[name]
    p = variables(case)
    numbers = {key: rng.standard_normal(each.shape) for key, each in p.items()}
    params = {key: numbers[key] for key in case.layer.parameters(case.shape[1:])}
    workspace = Workspace(np.float64, rng, training=True)
    z = case.layer.forward(params, numbers.get("a", INDICES), workspace)
    if case.mask:
        numbers["mask"] = workspace["mask"].copy()
    np.testing.assert_allclose(z, values(case.z(p), p, numbers), rtol=1e-12, atol=1e-14)
    grads = {key: np.full_like(each, np.nan) for key, each in params.items()}
    gradient = case.layer.backward(params, numbers["delta"], grads, workspace)
    found = grads if gradient is None else grads | {"a": gradient}
    for key, claim in case.gradients(p).items():
        np.testing.assert_allclose(found[key], values(claim, p, numbers), rtol=1e-12, atol=1e-14, err_msg=key)


def test_prover_refuses_a_wrong_gradient():
    p = variables(CASES["glu"])
    claims = glu_gradients(p)["a"] * (1 + sp.Rational(1, 10_000))
    with pytest.raises(AssertionError, match="not proved: a_0_0"):
        prove(claims, (p["delta"] * glu_z(p)).sum(), p["a"])


# --- the cost of each member ------------------------------------------------------------------------------------------


def half_square(a, y):
    return sum((x - label) ** 2 for x, label in zip(a, y, strict=True)) / 2


def cross_entropy(a, y):
    return -sum(label * sp.log(x) for x, label in zip(a, y, strict=True))


@pytest.mark.parametrize(
    ("cost", "of_example"), [(MSE(), half_square), (CrossEntropy(), cross_entropy)], ids=["mse", "cross_entropy"]
)
def test_gradient_of_each_member_is_one_kth_of_that_of_its_own_cost(cost, of_example, rng):
    a, y = symbols("a", 2, 3, 2), symbols("y", 2, 2)

    def of_member(m):
        return sum(of_example(a[i, m], y[i]) for i in range(2)) / sp.Integer(2)

    total = sum(of_member(m) for m in range(3)) / 3
    claims = array(a.shape, lambda i, m, j: sp.diff(of_member(m), a[i, m, j]) / 3)
    prove(claims, total, a)
    numbers = {"a": rng.uniform(0.1, 0.9, a.shape), "y": rng.dirichlet((1, 1), 2)}
    labels = np.repeat(numbers["y"][:, np.newaxis], 3, axis=1)
    found = EachMember(cost).gradient(numbers["a"], labels, Workspace(np.float64))
    np.testing.assert_allclose(found, values(claims, {"a": a, "y": y}, numbers), rtol=1e-12)


# --- the piecewise linear encoding ------------------------------------------------------------------------------------

EDGES = sp.symbols("b0:4", real=True)
X = sp.Symbol("x", real=True)


def shares(bin_of_x):
    """Return x' where x lies in a bin, from 0 on; x in an outer bin may lie beyond the edges."""
    full, own = [sp.Integer(1)] * bin_of_x, (X - EDGES[bin_of_x]) / (EDGES[bin_of_x + 1] - EDGES[bin_of_x])
    return [*full, own, *[sp.Integer(0)] * (2 - bin_of_x)]


@pytest.mark.parametrize("bin_of_x", range(3))
def test_piecewise_linear_encoding_is_undone_by_its_sum_and_grows_in_one_bin(bin_of_x, rng):
    widths = [high - low for low, high in pairwise(EDGES)]
    encoded = shares(bin_of_x)
    back = EDGES[0] + sum(share * width for share, width in zip(encoded, widths, strict=True))
    assert sp.simplify(back - X) == 0
    slopes = [sp.diff(share, X) for share in encoded]
    assert [sp.simplify(slope * width) for slope, width in zip(slopes, widths, strict=True)] == [
        int(t == bin_of_x) for t in range(3)
    ]
    edges = np.sort(rng.standard_normal(4))
    low, high = edges[bin_of_x] - (bin_of_x == 0), edges[bin_of_x + 1] + (bin_of_x == 2)
    x = np.linspace(low, high, 9)[1:-1]
    given = [dict(zip((*EDGES, X), (*edges, value), strict=True)) for value in x]
    right = [[float(share.subs(point)) for share in encoded] for point in given]
    found = PiecewiseLinear(3).apply(x, {"edges": edges.tolist()})
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-15)
