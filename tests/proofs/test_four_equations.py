"""Section 2 of the note, proved: each equation equals the derivative that SymPy takes, for every σ and every C.

Weights, biases, inputs and labels are symbols. σ of each layer is a function of which nothing is known but that it has
a derivative, and so is C, unless it is the cost of the note. An equation is proved when the difference between its two
sides expands, or simplifies, to 0. No numbers are compared.

Layers are counted as in the note: w[1] leads from the inputs a[0] = x to z[1], and a[last] is the output.

Source: A. Mehrotra (2020), *Neural Networks*, section 2.
"""

from functools import cache

import numpy as np
import pytest
import sympy as sp

# --- symbols, and what it takes to prove ------------------------------------------------------------------------------


def matrix(name, rows, columns):
    return sp.Matrix(rows, columns, lambda j, k: sp.Symbol(f"{name}_{j + 1}{k + 1}"))


def column(name, rows):
    return sp.Matrix(rows, 1, lambda j, _: sp.Symbol(f"{name}_{j + 1}"))


@cache
def undetermined(name, arguments=1):
    """Return a function that is differentiable and otherwise unknown; its partial derivatives only get names."""

    def fdiff(self, argindex=1):
        return sp.Function(f"∂{argindex}{name}")(*self.args)

    return type(name, (sp.Function,), {"nargs": arguments, "fdiff": fdiff})


def gradient(C, variables):
    """Return ∂C/∂v for each v of a matrix, as a matrix of the same shape."""
    return variables.applyfunc(lambda v: sp.diff(C, v))


def at(expression, symbols, values):
    return expression.subs(dict(zip(symbols, values, strict=True)), simultaneous=True)


def slope(sigma, z):
    """Return σ'(z), element by element: SymPy's derivative of σ(t), at t = z."""
    t = sp.Symbol("t")
    return z.applyfunc(lambda z_j: sp.diff(sigma(t), t).subs(t, z_j))


def odot(left, right):
    return left.multiply_elementwise(right)


def prove(claim, derivative, simplify=sp.expand):
    """Fail unless both are the same, element by element, whatever the symbols and unknown functions are.

    With unknown functions, a difference is a polynomial in their values and derivatives, which is 0 just if it expands
    to 0. A difference of known functions takes `sp.simplify`.
    """
    claim, derivative = sp.Matrix(claim), sp.Matrix(derivative)
    assert claim.shape == derivative.shape, f"shapes differ: {claim.shape} and {derivative.shape}"
    for j, k in np.ndindex(claim.shape):
        assert simplify(claim[j, k] - derivative[j, k]) == 0, f"not proved: row {j + 1}, column {k + 1}"


def note(a, y):
    """C = ½ ‖a − y‖², the cost of the note for one example."""
    return sum((a[j] - y[j]) ** 2 for j in range(len(a))) / 2


def any_cost(a, y):
    """C(a, y), of which nothing is known."""
    return undetermined("C", len(a) + len(y))(*a, *y)


class Network:
    """Sizes n_in, …, n_out; everything that the note defines for one example."""

    def __init__(self, sizes, cost):
        layers = range(1, len(sizes))
        self.last, self.cost = len(sizes) - 1, cost
        self.x, self.y = column("x", sizes[0]), column("y", sizes[-1])
        self.w = {layer: matrix(f"w{layer}", sizes[layer], sizes[layer - 1]) for layer in layers}
        self.b = {layer: column(f"b{layer}", sizes[layer]) for layer in layers}
        self.sigma = {layer: undetermined(f"σ{layer}") for layer in layers}
        self.z, self.a = {}, {0: self.x}
        for layer in layers:
            self.z[layer] = self.w[layer] * self.a[layer - 1] + self.b[layer]
            self.a[layer] = self.z[layer].applyfunc(self.sigma[layer])
        self.C = cost(self.a[self.last], self.y)
        self.delta = {layer: self.error(layer) for layer in layers}

    def error(self, layer):
        """Return δ^l as the note defines it, ∂C/∂z^l: z^l are variables, of which C is a function."""
        variables = column("z", len(self.z[layer]))
        a = variables.applyfunc(self.sigma[layer])
        for later in range(layer + 1, self.last + 1):
            a = (self.w[later] * a + self.b[later]).applyfunc(self.sigma[later])
        return at(gradient(self.cost(a, self.y), variables), variables, self.z[layer])

    def grad_a(self):
        """Return ∇_a C at the output: a^L are variables."""
        a = column("a", len(self.y))
        return at(gradient(self.cost(a, self.y), a), a, self.a[self.last])


@pytest.fixture(scope="module", params=[(2, 3, 2), (2, 3, 2, 2)], ids=["2-3-2", "2-3-2-2"])
def sizes(request):
    return request.param


@pytest.fixture(scope="module", params=[note, any_cost], ids=["cost-of-the-note", "any-cost"])
def network(request, sizes):
    return Network(sizes, request.param)


# --- the prover refuses what is wrong ---------------------------------------------------------------------------------

SQUARE = Network((2, 2, 2), any_cost)
WRONG = {
    "equation-1-without-slope": lambda n: (n.grad_a(), n.delta[2]),
    "equation-1-slope-at-a": lambda n: (odot(n.grad_a(), slope(n.sigma[2], n.a[2])), n.delta[2]),
    "equation-2-w-not-transposed": lambda n: (odot(n.w[2] * n.delta[2], slope(n.sigma[1], n.z[1])), n.delta[1]),
    "equation-2-slope-of-another-layer": lambda n: (odot(n.w[2].T * n.delta[2], slope(n.sigma[2], n.z[1])), n.delta[1]),
    "equation-3-sign": lambda n: (-n.delta[1], gradient(n.C, n.b[1])),
    "equation-3-of-another-layer": lambda n: (n.delta[2], gradient(n.C, n.b[1])),
    "equation-4-transposed": lambda n: (n.a[1] * n.delta[2].T, gradient(n.C, n.w[2])),
    "equation-4-a-of-the-same-layer": lambda n: (n.delta[2] * n.a[2].T, gradient(n.C, n.w[2])),
    "equation-4-off-by-a-part-in-10000": lambda n: (
        n.delta[1] * n.x.T * (1 + sp.Rational(1, 10_000)),
        gradient(n.C, n.w[1]),
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_prover_refuses_a_wrong_equation(wrong):
    with pytest.raises(AssertionError, match="not proved"):
        prove(*wrong(SQUARE))


def test_prover_refuses_another_shape():
    with pytest.raises(AssertionError, match=r"shapes differ: \(2, 1\) and \(1, 2\)"):
        prove(SQUARE.x, SQUARE.x.T)


# --- 2.1 --------------------------------------------------------------------------------------------------------------


def test_equation_1_error_of_the_output_layer(network):
    """δ^L = ∇_a C ⊙ σ'(z^L)."""
    L = network.last
    prove(odot(network.grad_a(), slope(network.sigma[L], network.z[L])), network.delta[L])


def test_equation_1_gradient_of_the_cost_of_the_note(sizes):
    """∇_a C = a^L − y."""
    network = Network(sizes, note)
    prove(network.a[network.last] - network.y, network.grad_a())


# --- 2.2 --------------------------------------------------------------------------------------------------------------


def test_equation_2_error_of_a_hidden_layer(network):
    """δ^l = ((w^(l+1))^T δ^(l+1)) ⊙ σ'(z^l)."""
    for layer in range(1, network.last):
        claim = odot(network.w[layer + 1].T * network.delta[layer + 1], slope(network.sigma[layer], network.z[layer]))
        prove(claim, network.delta[layer])


def test_equation_2_transposed_weight_holds_the_derivatives_of_z(network):
    """Row k, column j of (w^(l+1))^T is ∂z_j^(l+1)/∂a_k^l."""
    for layer in range(1, network.last):
        a = column("a", len(network.a[layer]))
        z = network.w[layer + 1] * a + network.b[layer + 1]
        prove(network.w[layer + 1].T, sp.Matrix(len(a), len(z), lambda k, j, a=a, z=z: sp.diff(z[j], a[k])))


# --- 2.3 --------------------------------------------------------------------------------------------------------------


def test_equation_3_gradient_of_a_bias(network):
    """∂C/∂b_j^l = δ_j^l, so ∇_b C = δ^l."""
    for layer in range(1, network.last + 1):
        prove(network.delta[layer], gradient(network.C, network.b[layer]))


# --- 2.4 --------------------------------------------------------------------------------------------------------------


def test_equation_4_gradient_of_a_weight(network):
    """∂C/∂w_jk^l = a_k^(l−1) δ_j^l."""
    for layer in range(1, network.last + 1):
        delta, a_prev, w = network.delta[layer], network.a[layer - 1], network.w[layer]
        for j, k in np.ndindex(w.shape):
            prove([a_prev[k] * delta[j]], [sp.diff(network.C, w[j, k])])


def test_equation_4_as_a_matrix(network):
    """∇_w C = δ^l (a^(l−1))^T, shaped like w^l."""
    for layer in range(1, network.last + 1):
        prove(network.delta[layer] * network.a[layer - 1].T, gradient(network.C, network.w[layer]))


# --- the four together ------------------------------------------------------------------------------------------------


def test_backward_pass_from_the_last_layer_to_the_first(network):
    """Equation 1, then 2 from layer to layer, gives by 3 and 4 every derivative of C."""
    grad_a = network.grad_a()
    for layer in range(network.last, 0, -1):
        delta = odot(grad_a, slope(network.sigma[layer], network.z[layer]))
        prove(delta, gradient(network.C, network.b[layer]))
        prove(delta * network.a[layer - 1].T, gradient(network.C, network.w[layer]))
        grad_a = network.w[layer].T * delta


# --- graphs -----------------------------------------------------------------------------------------------------------


class Graph:
    """Layers 2 and 3 both take a^1, and layer 4 adds what they give and a^1 itself; one example.

    z^4 = w^4 a^2 + a^3 + a^1
    """

    def __init__(self, cost):
        self.x, self.y = column("x", 2), column("y", 2)
        self.w = {1: matrix("w1", 2, 2), 2: matrix("w2", 3, 2), 3: matrix("w3", 2, 2), 4: matrix("w4", 2, 3)}
        self.b = {1: column("b1", 2), 2: column("b2", 3), 3: column("b3", 2)}
        self.sigma = {layer: undetermined(f"σ{layer}") for layer in range(1, 5)}
        self.cost = cost
        self.z, self.C = self.forward({})
        self.delta = {layer: self.error(layer) for layer in range(1, 5)}
        self.slope = slope(self.sigma[1], self.z[1])

    def forward(self, given):
        """Return z of every layer and C, with the z that are given in the place of those of their layers."""
        z, a = dict(given), {}
        for layer in range(1, 5):
            if layer == 4:
                z.setdefault(4, self.w[4] * a[2] + a[3] + a[1])
            else:
                z.setdefault(layer, self.w[layer] * (self.x if layer == 1 else a[1]) + self.b[layer])
            a[layer] = z[layer].applyfunc(self.sigma[layer])
        return z, self.cost(a[4], self.y)

    def error(self, layer):
        """Return δ^l, ∂C/∂z^l: z^l are variables, of which C is a function."""
        variables = column("z", len(self.z[layer]))
        _, C = self.forward({layer: variables})
        return at(gradient(C, variables), variables, self.z[layer])

    def through(self, layer):
        """Return ∂C/∂a^1 through a layer that takes a^1."""
        return self.delta[4] if layer == 4 else self.w[layer].T * self.delta[layer]


@pytest.fixture(scope="module", params=[note, any_cost], ids=["cost-of-the-note", "any-cost"])
def graph(request):
    return Graph(request.param)


def test_equation_2_in_a_graph_is_a_sum_over_the_layers_that_take_a(graph):
    """δ^l = (Σ_m ∂C/∂a^l through m) ⊙ σ'(z^l)."""
    total = graph.through(2) + graph.through(3) + graph.through(4)
    prove(odot(total, graph.slope), graph.delta[1])
    prove(graph.delta[1], gradient(graph.C, graph.b[1]))
    prove(graph.delta[1] * graph.x.T, gradient(graph.C, graph.w[1]))


@pytest.mark.parametrize("left_out", [2, 3, 4])
def test_prover_refuses_a_sum_without_one_of_its_terms(left_out):
    graph = Graph(any_cost)
    layers = {2, 3, 4} - {left_out}
    total = sum((graph.through(layer) for layer in layers), sp.zeros(2, 1))
    with pytest.raises(AssertionError, match="not proved"):
        prove(odot(total, graph.slope), graph.delta[1])


def test_gradients_of_shared_parameters_add_up():
    """Of layers that share w and b, ∇_b C = Σ_l δ^l and ∇_w C = Σ_l δ^l (a^(l−1))^T."""
    network = Network((2, 2, 2), any_cost)
    ties = {**dict(zip(network.w[2], network.w[1], strict=True)), **dict(zip(network.b[2], network.b[1], strict=True))}
    C = network.C.subs(ties)
    terms = {layer: (network.delta[layer].subs(ties), network.a[layer - 1].subs(ties)) for layer in (1, 2)}
    prove(sum((delta for delta, _ in terms.values()), sp.zeros(2, 1)), gradient(C, network.b[1]))
    prove(sum((delta * a.T for delta, a in terms.values()), sp.zeros(2, 2)), gradient(C, network.w[1]))


# --- batches as rows --------------------------------------------------------------------------------------------------


def rows(name, count, size):
    return np.array(matrix(name, count, size).tolist(), dtype=object)


class Batch:
    """A network of two layers and N = 3 examples as rows, in the lines of NumPy that stand in nnfw."""

    N = 3

    def __init__(self, cost):
        self.x, self.y = rows("x", self.N, 2), rows("y", self.N, 2)
        self.w = {1: rows("w1", 3, 2), 2: rows("w2", 2, 3)}
        self.b = {1: rows("b1", 1, 3)[0], 2: rows("b2", 1, 2)[0]}
        self.sigma = {layer: np.vectorize(undetermined(f"σ{layer}"), otypes=[object]) for layer in (1, 2)}
        self.cost = cost
        self.z = {1: self.x @ self.w[1].T + self.b[1]}
        self.a = {0: self.x, 1: self.sigma[1](self.z[1])}
        self.z[2] = self.a[1] @ self.w[2].T + self.b[2]
        self.a[2] = self.sigma[2](self.z[2])
        self.C = self.mean(self.a[2])
        self.delta = {layer: self.error(layer) for layer in (1, 2)}

    def mean(self, a):
        """C, averaged over the N examples."""
        return sum(self.cost(a_i, y_i) for a_i, y_i in zip(a, self.y, strict=True)) / self.N

    def error(self, layer):
        """∂C/∂z of the whole batch: 1/N is part of it."""
        z = rows("z", *self.z[layer].shape)
        a = self.sigma[layer](z)
        C = self.mean(a if layer == 2 else self.sigma[2](a @ self.w[2].T + self.b[2]))
        delta = at(gradient(C, sp.Matrix(z)), z.flat, self.z[layer].flat)
        return np.array(delta.tolist(), dtype=object)

    def slope(self, layer):
        return np.array(slope(undetermined(f"σ{layer}"), sp.Matrix(self.z[layer])).tolist(), dtype=object)


@pytest.fixture(scope="module", params=[note, any_cost], ids=["cost-of-the-note", "any-cost"])
def batch(request):
    return Batch(request.param)


def test_batch_equation_1_holds_one_nth_once():
    """∂C/∂z = (a − y)/N ⊙ σ'(z) for the cost of the note."""
    batch = Batch(note)
    prove((batch.a[2] - batch.y) / batch.N * batch.slope(2), batch.delta[2])


def test_batch_equation_2_is_delta_times_w(batch):
    delta, w = batch.delta[2], batch.w[2]
    prove((delta @ w) * batch.slope(1), batch.delta[1])


@pytest.mark.parametrize("layer", [1, 2])
def test_batch_equation_3_is_the_sum_over_the_examples(batch, layer):
    delta = batch.delta[layer]
    prove(delta.sum(axis=0), gradient(batch.C, sp.Matrix(batch.b[layer])))


@pytest.mark.parametrize("layer", [1, 2])
def test_batch_equation_4_is_delta_transposed_times_a_prev(batch, layer):
    delta, a_prev = batch.delta[layer], batch.a[layer - 1]
    prove(delta.T @ a_prev, gradient(batch.C, sp.Matrix(batch.w[layer])))


def test_prover_refuses_a_mean_over_the_examples_in_equation_3():
    batch = Batch(any_cost)
    delta = batch.delta[2]
    with pytest.raises(AssertionError, match="not proved"):
        prove(delta.sum(axis=0) / batch.N, gradient(batch.C, sp.Matrix(batch.b[2])))


# --- canonical pairs --------------------------------------------------------------------------------------------------


def softmax(z):
    return z.applyfunc(sp.exp) / sum(sp.exp(z_k) for z_k in z)


def cross_entropy(a, y):
    return -sum(y[k] * sp.log(a[k]) for k in range(len(a)))


def binary_cross_entropy(a, y):
    return -sum(y[j] * sp.log(a[j]) + (1 - y[j]) * sp.log(1 - a[j]) for j in range(len(a)))


def labels_that_sum_to_1(size):
    y = column("y", size - 1)
    return sp.Matrix([*y, 1 - sum(y)])


def test_canonical_pair_softmax_with_cross_entropy():
    """δ = a − y, for labels that sum to 1."""
    z, y = column("z", 3), labels_that_sum_to_1(3)
    prove(softmax(z) - y, gradient(cross_entropy(softmax(z), y), z), sp.simplify)


def test_canonical_pair_softmax_with_cross_entropy_needs_labels_that_sum_to_1():
    """δ = a Σ_k y_k − y, for any labels."""
    z, y = column("z", 2), column("y", 2)
    derivative = gradient(cross_entropy(softmax(z), y), z)
    prove(softmax(z) * sum(y) - y, derivative, sp.simplify)
    with pytest.raises(AssertionError, match="not proved"):
        prove(softmax(z) - y, derivative, sp.simplify)


def test_canonical_pair_sigmoid_with_binary_cross_entropy():
    """δ = a − y, for any labels."""
    z, y = column("z", 2), column("y", 2)
    a = z.applyfunc(lambda z_j: 1 / (1 + sp.exp(-z_j)))
    prove(a - y, gradient(binary_cross_entropy(a, y), z), sp.simplify)
