"""The note, taken literally: column vectors, one example at a time, loops over j and k, float64.

Nothing here is shared with nnfw. Lists of Python floats stand for the note's matrices; every sum of the note is a loop.
Neurons are counted from 0, layers from 0 (`layers[0]` is the note's layer 1).

Source: A. Mehrotra (2020), *Neural Networks*, sections 1 and 2.
"""

import math
from dataclasses import dataclass

Vector = list[float]
Matrix = list[list[float]]


@dataclass
class Layer:
    """w^l of m rows and n columns, b^l of m entries, and the name of σ^l."""

    w: Matrix
    b: Vector
    sigma: str


# --- σ, one number at a time; its derivative by the chain rule's definition, written out ---------------------------

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _sigmoid(z):
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def _phi(z):
    """Density of the standard normal distribution."""
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _Phi(z):
    """Distribution function of the standard normal distribution."""
    return math.erfc(-z / math.sqrt(2)) / 2


def _u(z):
    """What the hyperbolic tangent in the approximation of GELU takes."""
    return math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)


def _u_slope(z):
    return math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * z**2)


SIGMA = {
    "identity": (lambda z: z, lambda z: 1.0),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
    "tanh": (math.tanh, lambda z: 1 / math.cosh(z) ** 2),
    "relu": (lambda z: z if z > 0 else 0.0, lambda z: 1.0 if z > 0 else 0.0),
    "leaky_relu": (lambda z: z if z > 0 else 0.01 * z, lambda z: 1.0 if z > 0 else 0.01),
    "elu": (lambda z: z if z > 0 else math.expm1(z), lambda z: 1.0 if z > 0 else math.exp(z)),
    "selu": (
        lambda z: SELU_SCALE * (z if z > 0 else SELU_ALPHA * math.expm1(z)),
        lambda z: SELU_SCALE * (1.0 if z > 0 else SELU_ALPHA * math.exp(z)),
    ),
    "gelu": (lambda z: z * _Phi(z), lambda z: _Phi(z) + z * _phi(z)),
    "silu": (lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) * (1 + z * _sigmoid(-z))),
    "softplus": (lambda z: max(z, 0.0) + math.log1p(math.exp(-abs(z))), _sigmoid),
    "softsign": (lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    "celu": (lambda z: z if z > 0 else math.expm1(z), lambda z: 1.0 if z > 0 else math.exp(z)),
    "gelu_tanh": (
        lambda z: z * (1 + math.tanh(_u(z))) / 2,
        lambda z: (1 + math.tanh(_u(z))) / 2 + z / math.cosh(_u(z)) ** 2 / 2 * _u_slope(z),
    ),
    "mish": (
        lambda z: z * math.tanh(math.log1p(math.exp(z))),
        lambda z: math.tanh(math.log1p(math.exp(z))) + z * _sigmoid(z) / math.cosh(math.log1p(math.exp(z))) ** 2,
    ),
    "log_sigmoid": (lambda z: min(z, 0.0) - math.log1p(math.exp(-abs(z))), lambda z: _sigmoid(-z)),
    "hard_swish": (
        lambda z: z * min(max(z / 6 + 0.5, 0.0), 1.0),
        lambda z: 0.0 if z <= -3 else 1.0 if z >= 3 else z / 3 + 0.5,
    ),
    "relu6": (lambda z: min(max(z, 0.0), 6.0), lambda z: 1.0 if 0 < z < 6 else 0.0),
    "hard_sigmoid": (lambda z: min(max(z / 6 + 0.5, 0.0), 1.0), lambda z: 1 / 6 if -3 < z < 3 else 0.0),
}


def softmax(z: Vector) -> Vector:
    top = max(z)
    total = sum(math.exp(z_k - top) for z_k in z)
    return [math.exp(z_j - top) / total for z_j in z]


def activation(sigma: str, z: Vector) -> Vector:
    """a_j = σ(z_j); softmax and log-softmax look at all z_k."""
    if sigma == "softmax":
        return softmax(z)
    if sigma == "log_softmax":
        top = max(z)
        return [z_j - top - math.log(sum(math.exp(z_k - top) for z_k in z)) for z_j in z]
    value, _ = SIGMA[sigma]
    return [value(z_j) for z_j in z]


def jacobian(sigma: str, z: Vector) -> Matrix:
    """∂a_i/∂z_j; diagonal for an elementwise σ, where the note writes ⊙ σ'(z)."""
    n = len(z)
    if sigma in ("softmax", "log_softmax"):
        p = softmax(z)
        if sigma == "softmax":
            return [[p[i] * ((i == j) - p[j]) for j in range(n)] for i in range(n)]
        return [[(i == j) - p[j] for j in range(n)] for i in range(n)]
    _, derivative = SIGMA[sigma]
    return [[derivative(z[j]) if i == j else 0.0 for j in range(n)] for i in range(n)]


# --- C for one example, and ∂C/∂a_j --------------------------------------------------------------------------------


def _mse(a, y):
    return sum((a[j] - y[j]) ** 2 for j in range(len(a))) / 2


def _mse_gradient(a, y):
    return [a[j] - y[j] for j in range(len(a))]


def _huber(a, y):
    return sum((d * d / 2 if abs(d) <= 1 else abs(d) - 0.5) for d in (a[j] - y[j] for j in range(len(a))))


def _huber_gradient(a, y):
    return [max(-1.0, min(1.0, a[j] - y[j])) for j in range(len(a))]


COSTS = {
    "mse": (_mse, _mse_gradient),
    "mae": (
        lambda a, y: sum(abs(a[j] - y[j]) for j in range(len(a))),
        lambda a, y: [math.copysign(1.0, a[j] - y[j]) if a[j] != y[j] else 0.0 for j in range(len(a))],
    ),
    "huber": (_huber, _huber_gradient),
    "cross_entropy": (
        lambda a, y: -sum(y[k] * math.log(a[k]) for k in range(len(a)) if y[k]),
        lambda a, y: [-y[k] / a[k] for k in range(len(a))],
    ),
    "binary_cross_entropy": (
        lambda a, y: -sum(y[j] * math.log(a[j]) + (1 - y[j]) * math.log1p(-a[j]) for j in range(len(a))),
        lambda a, y: [-y[j] / a[j] + (1 - y[j]) / (1 - a[j]) for j in range(len(a))],
    ),
    "poisson": (
        lambda a, y: sum(a[j] - y[j] * math.log(a[j]) for j in range(len(a))),
        lambda a, y: [1 - y[j] / a[j] for j in range(len(a))],
    ),
}


# --- section 1: forward propagation --------------------------------------------------------------------------------


def forward(layers: list[Layer], x: Vector) -> tuple[list[Vector], list[Vector]]:
    """z_j^l = Σ_k w_jk^l a_k^(l-1) + b_j^l and a^l = σ(z^l), for every layer."""
    zs, activations = [], []
    a_prev = x
    for layer in layers:
        z = [sum(layer.w[j][k] * a_prev[k] for k in range(len(a_prev))) + layer.b[j] for j in range(len(layer.b))]
        a_prev = activation(layer.sigma, z)
        zs.append(z)
        activations.append(a_prev)
    return zs, activations


def cost(name: str, layers: list[Layer], xs: Matrix, ys: Matrix) -> float:
    """C, averaged over the N training examples."""
    value, _ = COSTS[name]
    return sum(value(forward(layers, x)[1][-1], y) for x, y in zip(xs, ys, strict=True)) / len(xs)


# --- section 2: the four equations, for one example ----------------------------------------------------------------


def equation_1(name: str, layer: Layer, z: Vector, a: Vector, y: Vector) -> Vector:
    """δ^L = ∇_a C ⊙ σ'(z^L); for a σ that is not elementwise, δ_j = Σ_i ∂C/∂a_i ∂a_i/∂z_j."""
    _, gradient = COSTS[name]
    grad_a = gradient(a, y)
    slope = jacobian(layer.sigma, z)
    return [sum(grad_a[i] * slope[i][j] for i in range(len(z))) for j in range(len(z))]


def equation_2(next_layer: Layer, next_delta: Vector, sigma: str, z: Vector) -> Vector:
    """δ^l = ((w^(l+1))^T δ^(l+1)) ⊙ σ'(z^l)."""
    back = [sum(next_layer.w[j][k] * next_delta[j] for j in range(len(next_delta))) for k in range(len(z))]
    slope = jacobian(sigma, z)
    return [sum(back[i] * slope[i][k] for i in range(len(z))) for k in range(len(z))]


def equation_3(delta: Vector) -> Vector:
    """∂C/∂b_j = δ_j."""
    return list(delta)


def equation_4(delta: Vector, a_prev: Vector) -> Matrix:
    """∂C/∂w_jk = a_k^(l-1) δ_j^l."""
    return [[a_prev[k] * delta[j] for k in range(len(a_prev))] for j in range(len(delta))]


def errors(name: str, layers: list[Layer], x: Vector, y: Vector) -> list[Vector]:
    """δ^l of one example for every layer, from the last to the first by Equations 1 and 2."""
    zs, activations = forward(layers, x)
    deltas = [equation_1(name, layers[-1], zs[-1], activations[-1], y)]
    for index in range(len(layers) - 2, -1, -1):
        deltas.insert(0, equation_2(layers[index + 1], deltas[0], layers[index].sigma, zs[index]))
    return deltas


def gradients(name: str, layers: list[Layer], xs: Matrix, ys: Matrix) -> list[tuple[Matrix, Vector]]:
    """∇_w C and ∇_b C of every layer, averaged over the N training examples."""
    count = len(xs)
    totals = [([[0.0] * len(layer.w[0]) for _ in layer.w], [0.0] * len(layer.b)) for layer in layers]
    for x, y in zip(xs, ys, strict=True):
        _, activations = forward(layers, x)
        deltas = errors(name, layers, x, y)
        for index, (grad_w, grad_b) in enumerate(totals):
            a_prev = activations[index - 1] if index else x
            one_w, one_b = equation_4(deltas[index], a_prev), equation_3(deltas[index])
            for j in range(len(one_b)):
                grad_b[j] += one_b[j] / count
                for k in range(len(a_prev)):
                    grad_w[j][k] += one_w[j][k] / count
    return totals
