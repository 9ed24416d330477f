"""Derivatives of the standard activations, proved: of the oracle's functions, and of the formulas in the docstrings.

A σ with kinks is differentiated on each piece between them, where it is one formula.
"""

import importlib.util
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sympy as sp

import nnfw_standard

# A copy of the oracle for this module alone, whose math is that of symbols
_spec = importlib.util.spec_from_file_location("note_in_symbols", Path(__file__).parents[1] / "reference" / "note.py")
note = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(note)
note.math = SimpleNamespace(
    exp=sp.exp,
    expm1=lambda z: sp.exp(z) - 1,
    log=sp.log,
    log1p=lambda z: sp.log(1 + z),
    tanh=sp.tanh,
    cosh=sp.cosh,
    erfc=sp.erfc,
    sqrt=sp.sqrt,
    pi=sp.pi,
)
note.SIGMA["tanh"] = (sp.tanh, note.SIGMA["tanh"][1])  # the table held math.tanh itself


class Index(int):
    """An index whose equality is 0 or 1: what Python's bool does with a number, SymPy does not."""

    __hash__ = int.__hash__

    def __eq__(self, other):
        return int(int(self) == int(other))


note.range = lambda count: [Index(i) for i in range(count)]

BELOW, ABOVE = sp.Symbol("z", negative=True), sp.Symbol("z", positive=True)
REAL = sp.Symbol("z", real=True)


def is_zero(difference):
    exact = sp.nsimplify(difference, rational=True)  # 0.01 is 1/100
    return sp.simplify(exact.rewrite(sp.exp)) == 0


def prove_derivative(claim, sigma, z):
    assert is_zero(claim - sp.diff(sigma, z)), f"not proved: {claim} is not the derivative of {sigma}"


def test_prover_refuses_a_wrong_derivative():
    with pytest.raises(AssertionError, match="not proved"):
        prove_derivative(sp.exp(REAL) * (1 + sp.Rational(1, 10_000)), sp.exp(REAL), REAL)


# --- the oracle -------------------------------------------------------------------------------------------------------


@contextmanager
def decided_at(values):
    """Decide each comparison of symbols at values within one piece, while the oracle runs; not while SymPy proves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sp.core.relational.Relational, "__bool__", lambda self: bool(self.subs(values) == sp.true))
        yield


THREE_PIECES = ("hard_sigmoid", "hard_swish", "relu6")
PIECES = [
    pytest.param(name, z, value, id=f"{name}-{place}")
    for name in note.SIGMA
    for place, z, value in (
        [("left", BELOW, -4), ("middle", REAL, sp.Rational(1, 2)), ("right", ABOVE, 7)]
        if name in THREE_PIECES
        else [("below", BELOW, -1), ("above", ABOVE, 1)]
    )
]


@pytest.mark.parametrize(("name", "z", "value"), PIECES)
def test_derivative_in_the_oracle_is_the_derivative(name, z, value):
    with decided_at({z: value}):
        sigma, derivative = (sp.sympify(function(z)) for function in note.SIGMA[name])
    prove_derivative(derivative, sigma, z)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_jacobian_in_the_oracle_is_the_jacobian(name):
    z = list(sp.symbols("z1:4", real=True))
    with decided_at({z_j: j for j, z_j in enumerate(z)}):
        a, jacobian = note.activation(name, z), note.jacobian(name, z)
    for i, j in np.ndindex(3, 3):
        prove_derivative(jacobian[i][j], a[i], z[j])


# --- the docstrings ---------------------------------------------------------------------------------------------------

e, half = sp.exp, sp.Rational(1, 2)
slope, alpha, scale = sp.symbols("slope alpha scale", positive=True)


def logistic(z):
    return 1 / (1 + e(-z))


def Phi(z):
    return (1 + sp.erf(z / sp.sqrt(2))) / 2


def phi(z):
    return e(-(z**2) / 2) / sp.sqrt(2 * sp.pi)


ELU = "a = z if z > 0, else alpha (e^z − 1); σ'(z) = 1 if z > 0, else a + alpha"
SELU = "a = scale · z if z > 0, else scale · alpha (e^z − 1); σ'(z) = scale if z > 0, else a + scale · alpha"
LEAKY = "a = z if z > 0, else slope · z; σ'(z) = 1 if z > 0, else slope"
GELU = "a = z Φ(z), σ'(z) = Φ(z) + z φ(z)"
HARD = "a = min(max(z/6 + 1/2, 0), 1), σ'(z) = 1/6 if |z| < 3, else 0"
SIGN = "a = z / (1 + |z|), σ'(z) = 1 / (1 + |z|)²"
SILU = "a = z s with s = 1 / (1 + e^−z), σ'(z) = s + a (1 − s)"

CELU = "a = z if z > 0, else alpha (e^(z/alpha) − 1); σ'(z) = 1 if z > 0, else a/alpha + 1"
SWISH = "a = z min(max(z/6 + 1/2, 0), 1), σ'(z) = 0 if z ≤ −3, 1 if z ≥ 3, else z/3 + 1/2"
RELU6 = "a = min(max(0, z), 6), σ'(z) = 1 if 0 < z < 6, else 0"
MISH = "a = z t with t = tanh(log(1 + e^z)), σ'(z) = t + z s (1 − t²) with s = 1 / (1 + e^−z)"
GELU_TANH = "σ'(z) = s + a (1 − s) 2 √(2/π) (1 + 0.134145 z²)"


def t(z):
    return sp.tanh(sp.log(1 + e(z)))


def s(z):
    return logistic(2 * sp.sqrt(2 / sp.pi) * (z + sp.Rational("0.044715") * z**3))


# class, equation in its docstring, the variable of a piece, σ(z) there, σ'(z) there from z and a
QUOTES = [
    ("CELU", CELU, BELOW, lambda z: alpha * (e(z / alpha) - 1), lambda z, a: a / alpha + 1),
    ("CELU", CELU, ABOVE, lambda z: z, lambda z, a: 1),
    ("HardSwish", SWISH, BELOW, lambda z: 0 * z, lambda z, a: 0),
    ("HardSwish", SWISH, REAL, lambda z: z * (z / 6 + half), lambda z, a: z / 3 + half),
    ("HardSwish", SWISH, ABOVE, lambda z: z, lambda z, a: 1),
    ("ReLU6", RELU6, BELOW, lambda z: 0 * z, lambda z, a: 0),
    ("ReLU6", RELU6, REAL, lambda z: z, lambda z, a: 1),
    ("ReLU6", RELU6, ABOVE, lambda z: 0 * z + 6, lambda z, a: 0),
    ("Mish", MISH, REAL, lambda z: z * t(z), lambda z, a: t(z) + z * logistic(z) * (1 - t(z) ** 2)),
    (
        "LogSigmoid",
        "a = −log(1 + e^−z), σ'(z) = 1 / (1 + e^z)",
        REAL,
        lambda z: -sp.log(1 + e(-z)),
        lambda z, a: 1 / (1 + e(z)),
    ),
    (
        "GELUTanh",
        GELU_TANH,
        REAL,
        lambda z: z * s(z),
        lambda z, a: s(z) + a * (1 - s(z)) * 2 * sp.sqrt(2 / sp.pi) * (1 + sp.Rational("0.134145") * z**2),
    ),
    ("Identity", "a = z, σ'(z) = 1", REAL, lambda z: z, lambda z, a: 1),
    ("Sigmoid", "a = 1 / (1 + e^−z), σ'(z) = a (1 − a)", REAL, logistic, lambda z, a: a * (1 - a)),
    ("Tanh", "a = tanh z, σ'(z) = 1 − a²", REAL, sp.tanh, lambda z, a: 1 - a**2),
    ("ReLU", "a = max(0, z), σ'(z) = 1 if z > 0, else 0", BELOW, lambda z: 0 * z, lambda z, a: 0),
    ("ReLU", "a = max(0, z), σ'(z) = 1 if z > 0, else 0", ABOVE, lambda z: z, lambda z, a: 1),
    ("LeakyReLU", LEAKY, BELOW, lambda z: slope * z, lambda z, a: slope),
    ("LeakyReLU", LEAKY, ABOVE, lambda z: z, lambda z, a: 1),
    ("ELU", ELU, BELOW, lambda z: alpha * (e(z) - 1), lambda z, a: a + alpha),
    ("ELU", ELU, ABOVE, lambda z: z, lambda z, a: 1),
    ("SELU", SELU, BELOW, lambda z: scale * alpha * (e(z) - 1), lambda z, a: a + scale * alpha),
    ("SELU", SELU, ABOVE, lambda z: scale * z, lambda z, a: scale),
    ("GELU", GELU, REAL, lambda z: z * Phi(z), lambda z, a: Phi(z) + z * phi(z)),
    ("SiLU", SILU, REAL, lambda z: z * logistic(z), lambda z, a: logistic(z) + a * (1 - logistic(z))),
    (
        "Softplus",
        "a = log(1 + e^z), σ'(z) = 1 / (1 + e^−z)",
        REAL,
        lambda z: sp.log(1 + e(z)),
        lambda z, a: logistic(z),
    ),
    ("Softsign", SIGN, BELOW, lambda z: z / (1 + abs(z)), lambda z, a: 1 / (1 + abs(z)) ** 2),
    ("Softsign", SIGN, ABOVE, lambda z: z / (1 + abs(z)), lambda z, a: 1 / (1 + abs(z)) ** 2),
    ("HardSigmoid", HARD, BELOW, lambda z: 0 * z, lambda z, a: 0),
    ("HardSigmoid", HARD, REAL, lambda z: z / 6 + half, lambda z, a: sp.Rational(1, 6)),
    ("HardSigmoid", HARD, ABOVE, lambda z: 0 * z + 1, lambda z, a: 0),
]
IDS = [f"{quote[0]}-{number}" for number, quote in enumerate(QUOTES)]


@pytest.mark.parametrize(("name", "quote", "z", "sigma", "derivative"), QUOTES, ids=IDS)
def test_derivative_in_a_docstring_is_the_derivative(name, quote, z, sigma, derivative):
    assert quote in getattr(nnfw_standard, name).__doc__
    a = sp.sympify(sigma(z))
    prove_derivative(derivative(z, a), a, z)


def test_every_elementwise_activation_of_the_oracle_has_its_docstring_proved():
    named = {name.replace("_", "") for name in note.SIGMA}
    assert named == {name.lower() for name, *_ in QUOTES}


# δ_j from g = ∂C/∂a and a, of an activation that looks at the whole row
ROWS = {
    "Softmax": (
        "a_j = e^z_j / Σ_k e^z_k, δ_j = a_j (g_j − Σ_k g_k a_k) with g = ∂C/∂a",
        lambda z_j, total: e(z_j) / total,
        lambda j, g, a: a[j] * (g[j] - sum(g[k] * a[k] for k in range(len(a)))),
    ),
    "LogSoftmax": (
        "a_j = z_j − log Σ_k e^z_k, δ_j = g_j − e^a_j Σ_k g_k with g = ∂C/∂a",
        lambda z_j, total: z_j - sp.log(total),
        lambda j, g, a: g[j] - e(a[j]) * sum(g),
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_delta_in_a_docstring_is_the_product_with_the_jacobian(name):
    quote, value, delta = ROWS[name]
    assert quote in getattr(nnfw_standard, name).__doc__
    z, g = sp.symbols("z1:4", real=True), sp.symbols("g1:4", real=True)
    a = [value(z_j, sum(e(z_k) for z_k in z)) for z_j in z]
    C = sum(g_k * a_k for g_k, a_k in zip(g, a, strict=True))  # any C, as far as ∂C/∂a = g goes
    for j in range(3):
        prove_derivative(delta(j, g, a), C, z[j])
