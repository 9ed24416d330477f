"""Slopes of costs in the docstrings, proved: each is the derivative of the cost beside it. N and the weights are 1."""

import pytest
import sympy as sp

import nnfw_standard

a, y = sp.symbols("a y", real=True)
p, q, alpha, gamma = sp.symbols("a y alpha gamma", positive=True)  # what lies between 0 and 1
mu, s = sp.symbols("mu s", real=True)

FOCAL = -(alpha * q * (1 - p) ** gamma * sp.log(p) + (1 - alpha) * (1 - q) * p**gamma * sp.log(1 - p))
FOCAL_DELTA = (1 - alpha) * (1 - q) * p**gamma * (p - gamma * (1 - p) * sp.log(1 - p)) - alpha * q * (
    1 - p
) ** gamma * (1 - p - gamma * p * sp.log(p))
NORMAL = (s + (y - mu) ** 2 * sp.exp(-s)) / 2

# class, what its docstring says of the slope, the cost, its variable, the slope
SLOPES = [
    ("LogCosh", "∂C/∂a_ij = w_i tanh(a_ij − y_ij)/N", sp.log(sp.cosh(a - y)), a, sp.tanh(a - y)),
    ("Hinge", "∂C/∂a_ij = −w_i y_ij/N where y_ij a_ij < 1", 1 - y * a, a, -y),
    ("SquaredHinge", "∂C/∂a_ij = −2 w_i y_ij max(0, 1 − y_ij a_ij)/N", (1 - y * a) ** 2, a, -2 * y * (1 - y * a)),
    ("GaussianNLL", "∂C/∂μ = w_i (μ − y) e^−s/N", NORMAL, mu, (mu - y) * sp.exp(-s)),
    ("GaussianNLL", "∂C/∂s = w_i (1 − (y − μ)² e^−s)/(2N)", NORMAL, s, (1 - (y - mu) ** 2 * sp.exp(-s)) / 2),
    ("Quantile", "−w_i q_k/N where y_i > a_ik", q * (y - a), a, -q),
    ("Quantile", "w_i (1 − q_k)/N where y_i < a_ik", (q - 1) * (y - a), a, 1 - q),
]


def prove(claim, cost, variable):
    assert sp.simplify((claim - sp.diff(cost, variable)).rewrite(sp.exp)) == 0, f"not proved: {claim} for {cost}"


def stated(name, quote):
    return " ".join(quote.split()) in " ".join(getattr(nnfw_standard, name).__doc__.split())


@pytest.mark.parametrize(("name", "quote", "cost", "variable", "claim"), SLOPES, ids=[row[0] for row in SLOPES])
def test_slope_in_a_docstring_is_the_derivative(name, quote, cost, variable, claim):
    assert stated(name, quote)
    prove(claim, cost, variable)


def test_delta_of_focal_in_the_docstring_is_equation_1():
    quote = """δ^L = w_i ((1 − alpha)(1 − y) a^gamma (a − gamma (1 − a) log(1 − a))
    − alpha y (1 − a)^gamma (1 − a − gamma a log a))/N"""
    assert stated("Focal", quote)
    assert sp.simplify(FOCAL_DELTA - sp.diff(FOCAL, p) * p * (1 - p)) == 0


def test_slope_of_cosine_in_the_docstring_is_the_derivative():
    assert stated("CosineDistance", "w_i (cos_i a_i/‖a_i‖ − y_i/‖y_i‖)/‖a_i‖/N")
    vector, label = sp.symbols("a1:4", real=True), sp.symbols("y1:4", real=True)
    length, other = (sp.sqrt(sum(x**2 for x in each)) for each in (vector, label))
    cosine = sum(x * t for x, t in zip(vector, label, strict=True)) / (length * other)
    for x, t in zip(vector, label, strict=True):
        prove((cosine * x / length - t / other) / length, 1 - cosine, x)


def test_delta_of_kl_divergence_in_the_docstring_is_equation_1():
    assert stated("KLDivergence", "with softmax, δ^L = w_i (a − y)/N")
    logits, labels = sp.symbols("z1:4", real=True), sp.symbols("y1:3", positive=True)
    labels = (*labels, 1 - sum(labels))
    total = sum(map(sp.exp, logits))
    outputs = [sp.exp(logit) / total for logit in logits]
    cost = sum(label * (sp.log(label) - sp.log(output)) for label, output in zip(labels, outputs, strict=True))
    for logit, output, label in zip(logits, outputs, labels, strict=True):
        prove(output - label, cost, logit)


def test_prover_refuses_a_wrong_slope():
    with pytest.raises(AssertionError, match="not proved"):
        prove(sp.tanh(a - y) * (1 + sp.Rational(1, 10_000)), sp.log(sp.cosh(a - y)), a)
