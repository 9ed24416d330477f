"""Every tensor of every layer, off by 1e-4, is found; and a thousand right networks, half of them at kinks, are not.

By default a tensor is spoilt in one layer of each class, and fewer right networks are checked.
"""

from dataclasses import dataclass, fields

import numpy as np
import pytest

import nnfw
from nnfw.checking import check_layer
from nnfw.plugins import default_registry
from nnfw.plugins.specs import holds_shapes
from nnfw.protocols import KINDS
from nnfw_standard import ActivationLayer, Dense, Dropout, Embedding, Flatten

OFF = 1 + 1e-4
REGISTRY = default_registry()


def tensors():
    """Yield layer, shape of an example, and the tensor to spoil: a parameter, or x for ∂C/∂a_prev."""
    for item in REGISTRY.components("layer"):
        for options in item.spec.examples or ({},):
            layer = REGISTRY.create("layer", item.qualified_name, options)
            if KINDS["layer"].sort_of(type(layer)) != "layer" or layer.index_limit() is not None:
                continue  # merges and indices: below; a block calculates nothing itself
            for shape in ((4,), (2, 2), (3, 2, 2)):
                try:
                    layer.output_shape(shape)
                except nnfw.ShapeError:
                    continue
                trained = [name for name, each in layer.parameters(shape).items() if each.trainable]
                yield from ((layer, shape, name) for name in ("x", *trained))


def spoilt(layer, tensor):
    """Return a layer like `layer` with one gradient off by 1e-4."""
    cls = type(layer)

    @dataclass(frozen=True)
    class Spoilt(cls):
        def backward(self, params, delta, grads, workspace):
            gradient = super().backward(params, delta, grads, workspace)
            if tensor == "x":
                return None if gradient is None else gradient * OFF  # None where nobody asked for it
            grads[tensor][...] *= OFF
            return gradient

    return Spoilt(**{option.name: getattr(layer, option.name) for option in fields(cls)})


def tensor_cases():
    """Yield each of them as parameters; all but the first of a layer's class and a tensor are long."""
    tried = set()
    for k, (layer, shape, tensor) in enumerate(tensors()):
        name = f"{type(layer).__name__}-{tensor}"
        marks = pytest.mark.long if name in tried else ()
        tried.add(name)
        yield pytest.param(layer, shape, tensor, marks=marks, id=f"{name}-{shape}-{k}")


@pytest.mark.parametrize(("layer", "shape", "tensor"), list(tensor_cases()))
def test_relative_error_of_1e_4_is_found_in_every_tensor(layer, shape, tensor):
    report = check_layer(spoilt(layer, tensor), shape, REGISTRY)
    wrong = [row.name for row in report.rows if not row.ok]
    assert wrong == ["x" if tensor == "x" else f"layers.0.{tensor}"]


def merge_cases():
    """Return every merge with shapes that it takes, of two inputs if it takes two, and the input to spoil."""
    cases = []
    for item in REGISTRY.components("layer"):
        declared = sorted(filter(holds_shapes, item.spec.input_shapes), key=len, reverse=True)
        for options in item.spec.examples or ({},):
            layer = REGISTRY.create("layer", item.qualified_name, options)
            if KINDS["layer"].sort_of(type(layer)) == "merge":
                shapes = next(each for each in (*declared, ((4,), (4,))) if takes(layer, each))
                name = f"{type(layer).__name__}-{len(shapes)}"
                cases += [pytest.param(layer, shapes, k, id=f"{name}-x{k}-{len(cases)}") for k in range(len(shapes))]
    return cases


def takes(merge, shapes):
    try:
        merge.output_shape(shapes)
    except nnfw.ShapeError:
        return False
    return True


def spoilt_merge(merge, k):
    """Return a merge like `merge` with ∂C/∂a of one input off by 1e-4."""
    cls = type(merge)

    @dataclass(frozen=True)
    class Spoilt(cls):
        def backward(self, params, delta, grads, workspace):
            terms = list(super().backward(params, delta, grads, workspace))
            terms[k] = None if terms[k] is None else terms[k] * OFF  # None where nobody asked for it
            return tuple(terms)

    return Spoilt(**{option.name: getattr(merge, option.name) for option in fields(cls)})


@pytest.mark.parametrize(("merge", "shapes", "k"), merge_cases())
def test_relative_error_of_1e_4_is_found_in_every_input_of_a_merge(merge, shapes, k):
    names = [f"x{number}" for number in range(len(shapes))]
    report = check_layer(spoilt_merge(merge, k), shapes, REGISTRY, wanted=names.__contains__)
    assert [row.name for row in report.rows if not row.ok] == [names[k]]


def test_every_merge_of_two_inputs_is_spoilt_in_both():
    seen = {(type(case.values[0]), case.values[2]) for case in merge_cases()}
    assert {kind for kind, _ in seen} == {kind for kind, k in seen if k == 1}


@pytest.mark.parametrize("off", [1, OFF], ids=["right", "wrong"])
def test_relative_error_of_1e_4_is_found_in_the_gradient_of_an_embedding(off):
    @dataclass(frozen=True)
    class Spoilt(Embedding):
        def backward(self, params, delta, grads, workspace):
            super().backward(params, delta, grads, workspace)
            grads["weight"][...] *= off

    model = nnfw.Sequential([Spoilt(5, 3), Flatten(), Dense(2)], 4, dtype="float64")
    rng = np.random.default_rng(1)
    report = nnfw.gradcheck(model, rng.integers(0, 5, (6, 4)), rng.standard_normal((6, 2)), cost="mse")
    assert [row.name for row in report.rows if not row.ok] == ([] if off == 1 else ["layers.0.weight"])


# --- no false alarm ---------------------------------------------------------------------------------------------------

KINKED = ("relu", "leaky_relu", "elu", "selu", "hard_sigmoid", "softsign")
DISTANCES = (0.0, 1e-3, 1e-4, 1e-5, 3e-6, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
FEW, MANY = 1, 9  # seeds
NEAR_KINKS = len(KINKED) * len(DISTANCES) * MANY + 2 * len(DISTANCES) * MANY  # activations, and costs at ties
FEW_SMOOTH, MANY_SMOOTH = 4, 22


def each_seed(few, many):
    seeds = pytest.param(range(few), id="few"), pytest.param(range(few, many), marks=pytest.mark.long, id="many")
    return pytest.mark.parametrize("seeds", seeds)


def network_at_a_kink(activation, distance, seed):
    """Return whether a network passes whose hidden z lies at `distance` from a kink, on both sides."""
    rng = np.random.default_rng(seed)
    n_in, units, n_out, examples = rng.integers(1, 4), rng.integers(1, 4), rng.integers(1, 3), rng.integers(1, 4)
    model = nnfw.Sequential([Dense(units, activation=activation), Dense(n_out)], n_in, dtype="float64", seed=seed)
    x = rng.standard_normal((examples, n_in))
    kink = 3.0 * rng.choice([-1, 1]) if activation == "hard_sigmoid" else 0.0
    side = rng.choice([-1, 1], units)
    model.parameters["layers.0.bias"] = kink + side * distance - model.parameters["layers.0.weight"] @ x[0]
    return nnfw.gradcheck(model, x, rng.standard_normal((examples, n_out)), cost="mse", seed=seed)


def cost_at_a_tie(cost, distance, seed):
    """Return the report of a network whose outputs lie at `distance` from the labels, or from Huber's threshold."""
    rng = np.random.default_rng(seed)
    model = nnfw.Sequential([Dense(2, activation="tanh"), Dropout(0.3), Dense(2)], 3, dtype="float64", seed=seed)
    x = rng.standard_normal((2, 3))
    y = model.predict(x) + distance * rng.choice([-1, 1], (2, 2)) + (1.0 if cost == "huber" else 0.0)
    return nnfw.gradcheck(model, x, y, cost=cost, seed=seed)


@each_seed(FEW, MANY)
@pytest.mark.parametrize("distance", DISTANCES, ids=str)
@pytest.mark.parametrize("activation", KINKED)
def test_right_network_at_a_kink_raises_no_alarm(activation, distance, seeds):
    reports = [network_at_a_kink(activation, distance, seed) for seed in seeds]
    assert [str(report) for report in reports if not report.ok] == []


@each_seed(FEW, MANY)
@pytest.mark.parametrize("distance", DISTANCES, ids=str)
@pytest.mark.parametrize("cost", ["mae", "huber"])
def test_right_cost_at_a_tie_raises_no_alarm(cost, distance, seeds):
    reports = [cost_at_a_tie(cost, distance, seed) for seed in seeds]
    assert [str(report) for report in reports if not report.ok] == []


PAIRS = [
    ("mse", "sigmoid"),
    ("mse", "gelu"),
    ("huber", "silu"),
    ("mae", "tanh"),
    ("cross_entropy", "softmax"),
    ("binary_cross_entropy", "sigmoid"),
    ("poisson", "softplus"),
]
HIDDEN = ("tanh", "softplus", "softmax")


def smooth_network(cost, output, hidden, seed):
    rng = np.random.default_rng(seed)
    n_in, units, n_out, examples = rng.integers(1, 5), rng.integers(1, 4), rng.integers(2, 4), rng.integers(1, 5)
    layers = [Dense(units, activation=hidden), ActivationLayer("gelu"), Dense(n_out, activation=output)]
    y = rng.integers(0, 2, (examples, n_out)).astype(float)
    if cost == "cross_entropy":
        y = np.eye(n_out)[rng.integers(0, n_out, examples)]
    model = nnfw.Sequential(layers, n_in, seed=seed)
    return nnfw.gradcheck(model, rng.standard_normal((examples, n_in)), y, cost=cost, seed=seed)


@each_seed(FEW_SMOOTH, MANY_SMOOTH)
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(("cost", "output"), PAIRS, ids=[f"{cost}-{output}" for cost, output in PAIRS])
def test_right_network_raises_no_alarm(cost, output, hidden, seeds):
    reports = [smooth_network(cost, output, hidden, seed) for seed in seeds]
    assert [str(report) for report in reports if not report.ok] == []


def test_a_thousand_right_networks_are_checked_and_half_of_them_near_kinks():
    assert NEAR_KINKS >= 500
    assert NEAR_KINKS + MANY_SMOOTH * len(PAIRS) * len(HIDDEN) >= 1000
