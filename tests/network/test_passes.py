"""A repeated pass computes what an ordinary one does, whatever the network is made of."""

import copy
import gc
import itertools
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.network import Batch, RepeatedPass
from nnfw.ops import DEFINITIONS, choose, engine_in_use, kernels_only, using
from nnfw.ops.definitions import multiply
from nnfw.step import asks_step
from nnfw_standard import ActivationLayer, Dense, Dropout, Flatten, Identity, Reshape, Softmax

ACTIVATIONS = sorted(component.name for component in nnfw.Registry.discover().components("activation"))


@dataclass(frozen=True)
class Bent(nnfw.Elementwise):
    """What an author writes who knows of no buffers."""

    by: float = 0.5

    def value(self, z):
        return np.where(z > 0, z, self.by * z)

    def derivative(self, z, a):
        return np.where(z > 0, z.dtype.type(1), z.dtype.type(self.by))


@dataclass(frozen=True)
class Opaque(nnfw.Elementwise):
    """One that numba cannot compile."""

    def value(self, z):
        return np.asarray(sorted([z.tolist()]), z.dtype)[0]

    def derivative(self, z, a):
        return np.ones_like(z)


@dataclass(frozen=True)
class Skip(nnfw.Layer):
    """A layer with one inside that asks the step, and around which its input goes, too."""

    inner: nnfw.Layer

    activation = Identity()

    def output_shape(self, input_shape):
        return self.inner.output_shape(input_shape)

    def parameters(self, input_shape):
        return self.inner.parameters(input_shape)

    @asks_step
    def forward(self, params, a_prev, workspace):
        z = workspace.step(self.inner.forward, params, a_prev, workspace.child("inner"))
        return workspace.step(plus, z, a_prev, workspace)

    @asks_step
    def backward(self, params, delta, grads, workspace):
        through = workspace.step(self.inner.backward, params, delta, grads, workspace.child("inner"))
        return workspace.step(plus, through, delta, workspace.child("around"))


def plus(one, other, workspace):
    """Return a sum in plain NumPy, which no tape sees inside."""
    return one + other


def networks():
    yield from ([Dense(7, activation=name), Dense(3, activation="sigmoid")] for name in ACTIVATIONS)
    yield [Dense(6, activation=Bent(0.25)), Dense(3, activation="sigmoid")]
    yield [Dense(6, activation=Opaque()), Dense(3, activation="sigmoid")]
    yield [Reshape((4, 2)), Flatten(), Dense(5, bias=False), Dropout(0.5), ActivationLayer("tanh"), Dense(3)]
    yield [nnfw.Sequential([Dense(5, activation="tanh"), Dropout(0.25), Dense(4, activation="relu")], 8), Dense(3)]
    yield [Dense(3, activation=Softmax())]
    yield [Dense(6, activation="tanh"), Skip(Dense(6)), Dense(3)]
    handing_on = [
        Dense(6),
        ActivationLayer("relu"),
        Dense(9, activation="tanh"),
        Dropout(0.5),
        ActivationLayer("identity"),
    ]
    yield [*handing_on, nnfw.Chain([Dense(7), ActivationLayer("sigmoid")]), Dense(5), Dense(4), Dense(3)]


def costs_of(layers):
    """Return costs with labels, and whether examples have weights."""
    yield "mse", (40, 3), False
    yield "huber", (40, 3), True
    if layers[-1].activation in ("sigmoid", Softmax()):
        yield "mae", (40, 3), False
        yield "cross_entropy", (40,), True
        yield {"type": "cross_entropy", "label_smoothing": 0.1}, (40,), False
        yield "binary_cross_entropy", (40, 3), True


COMPILED = ("tanh", "leaky_relu", "sparsemax", "gelu")
"""Activations that numba compiles in float64 in every run; tests/ops/test_kernels.py tries the loops of all."""


def cases():
    """Yield networks with costs and accelerators: numba with other activations is long."""
    for layers in networks():
        is_long = layers[0] in [Dense(7, activation=name) for name in ACTIVATIONS if name not in COMPILED]
        for cost, shape, weighted in costs_of(layers):
            for accelerator in ("none", "numba"):
                name = f"{[*layers]}-{cost}-{weighted}"[:160]
                marks = pytest.mark.long if is_long and accelerator == "numba" else ()
                yield pytest.param(layers, cost, shape, weighted, accelerator, id=f"{accelerator}-{name}", marks=marks)


def labels(shape, rng):
    return rng.integers(0, 3, shape) if len(shape) == 1 else rng.integers(0, 2, shape).astype(float)


@pytest.mark.parametrize(("layers", "cost", "shape", "weighted", "accelerator"), list(cases()))
def test_repeated_pass_gives_cost_and_gradient_of_an_ordinary_one(layers, cost, shape, weighted, accelerator, rng):
    if accelerator == "numba":
        pytest.importorskip("numba")
    model = nnfw.Sequential(layers, 8, dtype="float64", seed=2)
    objective = model.objective(cost)
    weight = np.empty(10) if weighted else None
    data = model.labelled(rng.normal(size=(40, 8)), labels(shape, rng), objective)
    (all_x,), (all_y,) = data.inputs, data.targets
    x, y = np.empty((10, 8)), np.empty((10, *all_y.shape[1:]), all_y.dtype)
    memory = [model.network.workspace(np.random.default_rng(5), training=True) for _ in "pr"]
    gradients = [np.zeros_like(model.parameters.vector) for _ in "pr"]
    repeated = RepeatedPass(model.network, objective, memory[1], model.network.views(gradients[1]))
    with using(choose(accelerator, model.registry, 0)[0]):
        batch = Batch((x,), (y,), weight)
        for start in (0, 10, 20, 30):
            x[...], y[...] = all_x[start : start + 10], all_y[start : start + 10]
            if weighted:
                weight[...] = rng.random(10)
            cost_plain, plain = model.network.backward(batch, objective, memory[0], model.network.views(gradients[0]))
            cost_again, again = repeated(batch)
            for one, other in [(cost_plain, cost_again), *zip(plain[0][:2], again[0][:2], strict=True), gradients]:
                np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)
            model.parameters.vector -= 0.1 * gradients[0]


@pytest.mark.parametrize("rows", [False, True], ids=["classes", "rows"])
def test_classes_at_several_places_are_learned_with_compiled_kernels_too(rows, rng):
    pytest.importorskip("numba")
    x, y = rng.normal(size=(30, 8)), rng.integers(0, 3, (30, 2))
    vectors = []
    for accelerator in ("none", "numba"):
        model = nnfw.Sequential([Dense(6), Reshape((2, 3)), ActivationLayer(Softmax())], 8, dtype="float64")
        labels = np.eye(3)[y] if rows else y
        model.fit(x, labels, cost="cross_entropy", optimizer="adam", epochs=3, batch_size=7, accelerator=accelerator)
        vectors.append(model.parameters.vector)
    np.testing.assert_allclose(*vectors, rtol=1e-10, atol=1e-12)


def test_plain_repeated_pass_is_bit_equal(rng):
    model = nnfw.Sequential([Dense(9, activation="tanh"), Dense(3, activation="softmax")], 8)
    objective = model.objective("cross_entropy")
    x, y = rng.normal(size=(10, 8)).astype(np.float32), rng.integers(0, 3, 10)
    gradients = [np.zeros_like(model.parameters.vector) for _ in "pr"]
    repeated, batch = (
        RepeatedPass(model.network, objective, model.network.workspace(), model.network.views(gradients[1])),
        Batch((x,), (y,)),
    )
    for _ in range(3):
        value, [(_, a, _)] = repeated(batch)
        plain, [(_, right, _)] = model.network.backward(
            Batch((x,), (y,)), objective, model.network.workspace(), model.network.views(gradients[0])
        )
        assert value == plain
        np.testing.assert_array_equal(a, right)
        np.testing.assert_array_equal(*gradients)
        x *= np.float32(0.5)


def test_pass_is_recorded_once_for_each_batch(rng):
    asked = []

    @dataclass(frozen=True)
    class Counted(Dense):
        def forward(self, params, a_prev, workspace):
            asked.append("forward")
            return super().forward(params, a_prev, workspace)

        def backward(self, params, delta, grads, workspace):
            asked.append("backward")
            return super().backward(params, delta, grads, workspace)

    Counted.forward.kernels_only = Counted.backward.kernels_only = True
    model = nnfw.Sequential([Counted(3)], 8)
    repeated = RepeatedPass(
        model.network,
        model.objective("mse"),
        model.network.workspace(),
        model.network.views(np.zeros_like(model.parameters.vector)),
    )
    x, y = np.ones((2, 8), np.float32), np.ones((2, 3), np.float32)
    batch = Batch((x,), (y,))
    for _ in range(5):
        repeated(batch)
    assert asked == ["forward", "backward"]
    repeated(Batch((x,), (y,)))
    assert asked == ["forward", "backward"] * 2


def test_batches_of_two_sizes_take_turns(rng):
    model = nnfw.Sequential([Dense(4, activation="tanh"), Dense(3)], 8, dtype="float64")
    x, y = rng.normal(size=(25, 8)), rng.normal(size=(25, 3))
    vectors = []
    for epochs in (6, 1):
        model = nnfw.Sequential([Dense(4, activation="tanh"), Dense(3)], 8, dtype="float64")
        for _ in range(6 // epochs):  # each fit begins with ordinary passes
            model.fit(x, y, cost="mse", optimizer="sgd", epochs=epochs, batch_size=10, shuffle=False)
        vectors.append(model.parameters.vector)
    np.testing.assert_array_equal(*vectors)


def test_divergence_after_a_repeated_pass_names_the_layer_of_this_pass(rng):
    model = nnfw.Sequential([Dense(4, activation="relu"), Dense(3)], 8)
    x, y = rng.normal(size=(25, 8)), rng.normal(size=(25, 3))
    with pytest.raises(nnfw.DivergedError, match=r"Layer \d 'dense' \(built-in\): \w+ is not finite"):
        model.fit(x, y, cost="mse", optimizer={"type": "sgd", "learning_rate": 1e6}, epochs=50, batch_size=10)


def test_every_delta_of_a_repeated_pass_lies_in_one_of_two_places(rng):
    sizes = [7, 9, 8, 8, 8, 3]
    model = nnfw.Sequential([Dense(size, activation="tanh") for size in sizes], 8, dtype="float64")
    objective, workspace = model.objective("mse"), model.network.workspace()
    gradient = np.zeros_like(model.parameters.vector)
    x, y = rng.normal(size=(10, 8)), rng.normal(size=(10, 3))
    RepeatedPass(model.network, objective, workspace, model.network.views(gradient))(Batch((x,), (y,)))
    graph = model.network.graph
    memories = [graph.workspace_of(place, workspace) for place in graph.nodes]
    places = {memory[name].ctypes.data for memory in memories for name in ("grad_a", "delta")}
    assert len(places) == 2
    assert not any(memory["a"].ctypes.data in places or memory["z"].ctypes.data in places for memory in memories)
    model.network.backward(
        Batch((x,), (y,)),
        objective,
        model.network.workspace(),
        model.network.views(expected := np.zeros_like(gradient)),
    )
    np.testing.assert_array_equal(gradient, expected)


def test_places_of_a_repeated_pass_are_large_enough_for_inner_networks(rng):
    inner = nnfw.Sequential([Dense(50, activation="tanh"), Dense(4, activation="tanh")], 8)
    model = nnfw.Sequential([inner, Dense(3)], 8)
    vector = np.zeros_like(model.parameters.vector)
    repeated = RepeatedPass(
        model.network, model.objective("mse"), model.network.workspace(), model.network.views(vector)
    )
    repeated(Batch((rng.normal(size=(10, 8)).astype("f4"),), (rng.normal(size=(10, 3)).astype("f4"),)))
    assert [place.size for place in repeated._places] == [500, 500]


def test_passing_memory_is_a_buffer_unless_it_is_lent():
    workspace = nnfw.Workspace()
    assert workspace.passing("delta", (4, 3)) is workspace.buffer("delta", (4, 3))
    with workspace.lending(None):
        assert workspace.passing("delta", (4, 3)) is workspace.buffer("delta", (4, 3))


def test_passing_memory_is_lent_once_and_only_if_it_is_large_enough():
    workspace, lent = nnfw.Workspace(), np.empty(12, np.float32)
    with workspace.lending(lent):
        first, second = workspace.passing("delta", (2, 3)), workspace.passing("other", (2, 3))
    assert first.shape == (2, 3)
    assert np.shares_memory(first, lent)
    assert not np.shares_memory(second, lent)
    with workspace.lending(lent):
        assert not np.shares_memory(workspace.passing("delta", (5, 3)), lent)
    with workspace.lending(lent):
        pass
    assert not np.shares_memory(workspace.passing("delta", (2, 3)), lent)


def test_workspace_remembers_what_it_kept(rng):
    workspace = nnfw.Workspace()
    workspace["z"] = 1
    workspace.child(0)["a"] = 2
    put_back = workspace.remember()
    workspace["z"] = workspace.child(0)["a"] = 3
    put_back()
    assert (workspace["z"], workspace.child(0)["a"]) == (1, 2)


@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_first_pass_has_the_bits_of_a_repeated_one(accelerator, rng):
    if accelerator == "numba":
        pytest.importorskip("numba")
    inner = nnfw.Sequential([Dense(40, activation="tanh"), Dense(30, activation=Bent())], 50)
    model = nnfw.Sequential([inner, Dense(20, activation="sigmoid"), Dense(4, activation="softmax")], 50)
    objective = model.objective("cross_entropy")
    x, y = rng.normal(size=(33, 50)).astype(np.float32), rng.integers(0, 4, 33)
    found = []
    with using(choose(accelerator, model.registry, 0)[0]):
        for passes in (1, 2, 3):
            gradient = np.zeros_like(model.parameters.vector)
            repeated = RepeatedPass(model.network, objective, model.network.workspace(), model.network.views(gradient))
            batch = Batch((x,), (y,))
            for _ in range(passes):
                cost, [(_, a, _)] = repeated(batch)
            found.append((cost, a.tobytes(), gradient.tobytes()))
    assert found[0] == found[1] == found[2]


def test_layers_of_inner_networks_are_recorded_too(monkeypatch, rng):
    asked = []
    forward = Dense.forward

    def counted(self, params, a_prev, workspace):
        asked.append(self.units)
        return forward(self, params, a_prev, workspace)

    counted.kernels_only = True
    monkeypatch.setattr(Dense, "forward", counted)
    model = nnfw.Sequential([nnfw.Sequential([Dense(4, activation="tanh"), Dense(3)], 8), Dense(2)], 8)
    repeated = RepeatedPass(
        model.network,
        model.objective("mse"),
        model.network.workspace(),
        model.network.views(np.zeros_like(model.parameters.vector)),
    )
    x, y = np.ones((2, 8), np.float32), np.ones((2, 2), np.float32)
    batch = Batch((x,), (y,))
    for _ in range(3):
        repeated(batch)
    assert asked == [4, 3, 2]


@pytest.mark.parametrize("accelerator", ["none", "numba"])
@pytest.mark.parametrize("layers", [*networks()], ids=lambda layers: f"{layers}"[:80])
def test_repeated_prediction_is_that_of_the_parameters_and_example_of_now(layers, accelerator, rng):
    if accelerator == "numba":
        pytest.importorskip("numba")
    model = nnfw.Sequential(layers, 8, dtype="float64", seed=2)
    for count in (1, 1, 1, 3, 3, 1, 1):
        x = rng.normal(size=(count, 8))
        [(_, expected, _)] = model.network.forward([x], model.network.workspace())
        np.testing.assert_allclose(model.predict(x, accelerator=accelerator), expected, rtol=1e-11, atol=1e-13)
        model.parameters.vector *= 1.1


def test_plain_prediction_has_the_same_bits_the_first_time_and_later(rng):
    model = nnfw.Sequential([Dense(40, activation="gelu"), Dense(4, activation="softmax")], 30)
    x = rng.normal(size=(1, 30)).astype(np.float32)
    assert len({model.predict(x).tobytes() for _ in range(4)}) == 1


@pytest.mark.parametrize("outer", ["none", "numba"])
@pytest.mark.parametrize("accelerator", ["none", "numba"])
def test_prediction_has_the_same_bits_wherever_and_however_often_it_is_asked_for(accelerator, outer, rng):
    pytest.importorskip("numba")
    model = nnfw.Sequential([Dense(40, activation="gelu"), Dense(40, activation=Bent()), Dense(4)], 30)
    x = rng.normal(size=(3, 30)).astype(np.float32)
    right = model.predict(x, accelerator=accelerator).tobytes()
    with using(choose(outer, model.registry)[0]):
        assert {model.predict(x, accelerator=accelerator).tobytes() for _ in range(3)} == {right}


@pytest.mark.parametrize("outer", ["none", "numba"])
def test_repeated_prediction_uses_the_kernels_that_it_was_asked_for(outer, rng):
    pytest.importorskip("numba")
    seen = []

    @dataclass(frozen=True)
    class Asking(Dense):
        def forward(self, params, a_prev, workspace):
            seen.append(engine_in_use())
            return super().forward(params, a_prev, workspace)

    model = nnfw.Sequential([Asking(3)], 8)
    chosen = {name: choose(name, model.registry)[0] for name in ("none", "numba")}
    with using(chosen[outer]):
        for name in ("none", "none", "none", "numba", "numba", "numba"):
            model.predict(np.zeros(8), accelerator=name)
        assert engine_in_use() is chosen[outer]
    assert [found is DEFINITIONS for found in seen] == [True] * 3 + [False] * 3


def test_prediction_that_was_refused_is_refused_again():
    @dataclass(frozen=True)
    class Narrow(Dense):
        def forward(self, params, a_prev, workspace):
            return super().forward(params, a_prev, workspace)[:, :1]

    model = nnfw.Sequential([Narrow(3)], 8)
    for _ in range(3):
        with pytest.raises(nnfw.PluginError, match=r"forward returned shape \(1, 1\), expected \(1, 3\)"):
            model.predict(np.zeros(8))


def test_model_that_has_predicted_is_gone_with_its_last_reference():
    model = nnfw.Sequential([Dense(3)], 8)
    for _ in range(3):
        model.predict(np.zeros(8))
    gone = weakref.ref(model.parameters)
    collecting = gc.isenabled()
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        if collecting:
            gc.enable()


def test_result_of_a_prediction_is_the_callers_own(rng):
    model = nnfw.Sequential([Dense(3)], 8)
    x = rng.normal(size=(4, 1, 8))
    results = [model.predict(each) for each in x]
    assert not any(np.shares_memory(one, other) for one, other in itertools.pairwise(results))
    np.testing.assert_allclose(np.concatenate(results), model.predict(x[:, 0]), rtol=1e-6)


def test_prediction_that_is_the_example_itself_is_a_copy(rng):
    model = nnfw.Sequential([Reshape((8,))], 8)
    x = rng.normal(size=(1, 8)).astype(np.float32)
    for _ in range(3):
        result = model.predict(x)
        assert not np.shares_memory(result, x)
        np.testing.assert_array_equal(result, x)


def test_prediction_by_an_unknown_accelerator_is_refused():
    model = nnfw.Sequential([Dense(3)], 8)
    with pytest.raises(nnfw.ConfigError, match="Unknown accelerator 'nubma'. Did you mean 'numba'?"):
        model.predict(np.zeros(8), accelerator="nubma")


def test_pickled_model_predicts_without_what_was_recorded(rng):
    pytest.importorskip("numba")
    model = nnfw.Sequential([Dense(3, activation="tanh")], 8)
    x = rng.normal(size=(1, 8)).astype(np.float32)
    first = [model.predict(x, accelerator="numba") for _ in range(3)][-1]
    again = copy.deepcopy(model)
    again.parameters.vector[...] = 0
    assert not again.predict(x, accelerator="numba").any()
    np.testing.assert_array_equal(model.predict(x, accelerator="numba"), first)


def test_predictions_that_alternate_between_accelerators_record_once_for_each(rng):
    pytest.importorskip("numba")
    asked = []

    @dataclass(frozen=True)
    class Counted(Dense):
        def forward(self, params, a_prev, workspace):
            asked.append(engine_in_use() is DEFINITIONS)
            return super().forward(params, a_prev, workspace)

    Counted.forward.kernels_only = True
    model, x = nnfw.Sequential([Counted(3)], 8), rng.normal(size=8)
    for _ in range(4):
        for name in ("none", "numba"):
            model.predict(x, accelerator=name)
    assert len(asked) == 3  # one plain pass for the new shape, then one recording each


def test_step_of_a_pass_is_plain_again_after_an_error(rng):
    workspace = nnfw.Workspace()
    child = workspace.child("inner")
    with pytest.raises(ZeroDivisionError), workspace.stepping(lambda method, *arguments: 1 / 0):
        child.step(len, ())
    assert child.step(len, ()) == 0


def test_layer_that_calls_another_one_is_replayed_once(rng):
    """What it calls in turn is not on the tape a second time."""
    asked = []

    @dataclass(frozen=True)
    class Counted(Dense):
        def forward(self, params, a_prev, workspace):
            asked.append("inner")
            return super().forward(params, a_prev, workspace)

    inner = nnfw.Registry.discover().resolve("layer", Counted(3))

    @dataclass(frozen=True)
    class Around(nnfw.Layer):
        """Calls its layer through the step, but does not say that it asks the step."""

        activation = Identity()

        def output_shape(self, input_shape):
            return (3,)

        def parameters(self, input_shape):
            return inner.parameters(input_shape)

        def forward(self, params, a_prev, workspace):
            return workspace.step(inner.forward, params, a_prev, workspace.child("inner"))

        def backward(self, params, delta, grads, workspace):
            return workspace.step(inner.backward, params, delta, grads, workspace.child("inner"))

    model = nnfw.Sequential([Around()], 8)
    batch = Batch((np.ones((2, 8), np.float32),), (np.ones((2, 3), np.float32),))
    repeated = RepeatedPass(
        model.network,
        model.objective("mse"),
        model.network.workspace(),
        model.network.views(np.zeros_like(model.parameters.vector)),
    )
    for _ in range(3):
        repeated(batch)
    assert asked == ["inner"] * 3


def test_batch_larger_than_those_before_has_them_recorded_again():
    """A mask drawn at each pass lies in a buffer that grows; an older recording would read the old one."""

    @dataclass(frozen=True)
    class Masked(nnfw.Layer):
        activation = Identity()

        def output_shape(self, input_shape):
            return input_shape

        def forward(self, params, a_prev, workspace):
            workspace["mask"] = mask = workspace.buffer("mask", a_prev.shape)
            mask[...] = workspace.rng.random(a_prev.shape)
            return np.multiply(a_prev, mask, out=workspace.buffer("z", a_prev.shape))

        def backward(self, params, delta, grads, workspace):
            out = workspace.buffer("out", delta.shape)
            multiply(delta, workspace["mask"], out)
            return out

    Masked.backward.kernels_only = True
    model = nnfw.Sequential([Dense(5), Masked(), Dense(2)], 8)
    objective, grads = model.objective("mse"), np.zeros_like(model.parameters.vector)
    workspaces = [model.network.workspace(np.random.default_rng(3), training=True) for _ in "rp"]
    repeated = RepeatedPass(model.network, objective, workspaces[0], model.network.views(grads))
    batches = [Batch((np.ones((n, 8), np.float32),), (np.ones((n, 2), np.float32),)) for n in (2, 6)]
    expected = np.zeros_like(grads)
    for batch in (*batches, *batches):
        repeated(batch)
        model.network.backward(batch, objective, workspaces[1], model.network.views(expected))
        np.testing.assert_array_equal(grads, expected)


@dataclass(frozen=True)
class KeepsItsInput(nnfw.Layer):
    """A layer that squares: its recorded forward keeps the input in the workspace for a backward that is called."""

    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        return input_shape

    @kernels_only
    def forward(self, params, a_prev, workspace):
        workspace["input"], z = a_prev, workspace.buffer("z", a_prev.shape)
        multiply(a_prev, a_prev, z)
        return z

    def backward(self, params, delta, grads, workspace):
        return 2 * delta * workspace["input"]


def test_replay_restores_what_its_own_batch_kept_in_the_workspace(rng):
    model = nnfw.Sequential([Dense(4, activation="tanh"), KeepsItsInput(), Dense(3)], 8, dtype="float64", seed=1)
    objective, network = model.objective("mse"), model.network
    gradient, expected = np.zeros_like(model.parameters.vector), np.zeros_like(model.parameters.vector)
    repeated = RepeatedPass(network, objective, network.workspace(), network.views(gradient))
    batches = [Batch((rng.normal(size=(size, 8)),), (rng.normal(size=(size, 3)),)) for size in (10, 10, 4)]
    for _, batch in itertools.product(range(2), batches):  # two epochs
        cost, [(_, a, _)] = repeated(batch)
        plain, [(_, right, _)] = network.backward(batch, objective, network.workspace(), network.views(expected))
        assert cost == plain
        np.testing.assert_array_equal(a, right)
        np.testing.assert_array_equal(gradient, expected)
        model.parameters.vector -= 0.1 * expected


@pytest.mark.parametrize(
    ("cost", "activation", "y"),
    [
        ("cross_entropy", "softmax", np.arange(8) % 3),
        ("binary_cross_entropy", "sigmoid", np.eye(8)[:, :3]),
        ("mse", "tanh", np.eye(8)[:, :3]),
    ],
    ids=["softmax", "sigmoid", "tanh"],
)
def test_output_that_another_node_takes_has_the_gradient_of_an_ordinary_pass(cost, activation, y, rng):
    layers = [
        Dense(5, activation="tanh"),
        nnfw.Node(Dense(3, activation=activation), "p"),
        nnfw.Node(Dense(2), "q"),
    ]
    model = nnfw.Sequential(layers, 4, outputs=("p", "q"), dtype="float64")
    network, objective = model.network, model.objective({"p": cost, "q": "mse"})
    data = model.labelled(rng.normal(size=(8, 4)), {"p": y, "q": rng.normal(size=(8, 2))}, objective)
    batch = data.part(0, 8, network.dtype)
    expected, found = np.zeros((2, model.parameters.vector.size))
    network.backward(batch, objective, network.workspace(training=True), network.views(expected))
    repeated = RepeatedPass(network, objective, network.workspace(training=True), network.views(found))
    for _ in range(2):
        repeated(batch)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@dataclass(frozen=True)
class KeepsItsValue(nnfw.Activation):
    """tanh, whose forward keeps what its delta needs."""

    def forward(self, z, workspace):
        workspace["a"] = a = np.tanh(z)
        return a

    def delta(self, grad_a, z, a, workspace):
        return grad_a * (1 - workspace["a"] ** 2)


def test_activation_of_an_output_that_another_node_takes_finds_what_it_kept(rng):
    layers = [nnfw.Node(Dense(3, activation=KeepsItsValue()), "p"), nnfw.Node(Dense(2), "q")]
    model = nnfw.Sequential(layers, 4, outputs=("p", "q"))
    y = {"p": rng.normal(size=(5, 3)), "q": rng.normal(size=(5, 2))}
    assert nnfw.gradcheck(model, rng.normal(size=(5, 4)), y, cost={"p": "mse", "q": "mse"}).ok
