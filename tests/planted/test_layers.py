"""Wrong layers, each in one place, and the check that must find it; what is right must pass."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import nnfw
from nnfw.plugins import default_registry
from nnfw.step import asks_step
from nnfw.testing import checks_of, run_checks
from nnfw_standard import ActivationLayer, Dense, Dropout, Flatten, Reshape

INPUT, PARAMETERS = "layer.gradient_of_input", "layer.gradients_of_parameters"


class Wrong(Dense):
    """A dense layer with other gradients."""

    def backward(self, params, delta, grads, workspace):
        gradient = super().backward(params, delta, grads, workspace)
        changed = self.spoil(params, delta, grads, workspace, workspace["a_prev"])
        return gradient if changed is None else changed


def spoilt(function, base=Wrong):
    """Return a dense layer whose gradients `function` has changed."""

    @dataclass(frozen=True)
    class Spoilt(base):
        def spoil(self, params, delta, grads, workspace, a_prev):
            return function(params, delta, grads, workspace, a_prev)

    return Spoilt(4, activation="tanh")


def put(name, compute):
    """Return a change of one gradient."""

    def change(params, delta, grads, workspace, a_prev):
        grads[name][...] = compute(params, delta, a_prev)

    return spoilt(change)


def give(compute):
    """Return a change of ∂C/∂a_prev."""
    return spoilt(lambda params, delta, grads, workspace, a_prev: compute(params["weight"], delta, a_prev))


def without_last_row(w):
    return np.vstack([w[:-1], np.zeros_like(w[-1:])])


@dataclass(frozen=True)
class TwiceForward(Dense):
    def forward(self, params, a_prev, workspace):
        z = super().forward(params, a_prev, workspace)
        z += params["bias"]
        return z


@dataclass(frozen=True)
class SquareForward(Dense):
    """z = a_prev w w^T, whose gradient is taken as that of z = a_prev w^T."""

    def forward(self, params, a_prev, workspace):
        z = super().forward(params, a_prev, workspace)
        return z * np.abs(z)


@dataclass(frozen=True)
class Gate(nnfw.Layer):
    """z = (a v^T) ⊙ sin(a w^T)."""

    units: int = 3
    activation: nnfw.Activation | str = "identity"
    initializer: nnfw.Initializer | str = "glorot_uniform"
    path_w: bool = True
    path_v: bool = True
    with_cosine: bool = True

    def output_shape(self, input_shape):
        if len(input_shape) != 1:
            raise nnfw.ShapeError(f"expected input of shape (n,), got {input_shape}.")
        return (self.units,)

    def parameters(self, input_shape):
        return {name: nnfw.Parameter((self.units, *input_shape), self.initializer) for name in "wv"}

    def forward(self, params, a_prev, workspace):
        workspace["a_prev"] = a_prev
        return (a_prev @ params["v"].T) * np.sin(a_prev @ params["w"].T)

    def backward(self, params, delta, grads, workspace):
        a_prev = workspace["a_prev"]
        outer, inner = a_prev @ params["v"].T, a_prev @ params["w"].T
        slope = np.cos(inner) if self.with_cosine else 1.0
        to_v, to_w = delta * np.sin(inner), delta * outer * slope
        grads["v"][...] = to_v.T @ a_prev
        grads["w"][...] = to_w.T @ a_prev
        return (to_v @ params["v"] if self.path_v else 0) + (to_w @ params["w"] if self.path_w else 0)


def dropout(change):
    @dataclass(frozen=True)
    class Spoilt(Dropout):
        def backward(self, params, delta, grads, workspace):
            return change(self, delta, workspace["mask"], workspace)

    return Spoilt(0.5)


@dataclass(frozen=True)
class FortranFlatten(Flatten):
    def backward(self, params, delta, grads, workspace):
        shape = workspace["input_shape"]
        return np.stack([row.reshape(shape[1:], order="F") for row in delta]) if len(delta) else delta.reshape(shape)


@dataclass(frozen=True)
class FortranReshape(Reshape):
    def forward(self, params, a_prev, workspace):
        super().forward(params, a_prev, workspace)
        return np.stack([row.reshape(self.shape, order="F") for row in a_prev])


@dataclass(frozen=True)
class SteepTanh(nnfw.Elementwise):
    def value(self, z):
        return np.tanh(z)

    def derivative(self, z, a):
        return 1 - a


FIRST, LAST = Dense(4, activation="tanh"), Dense(3)


@dataclass(frozen=True)
class Composite(nnfw.Layer):
    """Two layers as one: calls them, and σ between them, through the step."""

    first: nnfw.Layer = FIRST
    last: nnfw.Layer = LAST
    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        return self.last.output_shape(self.first.output_shape(input_shape))

    def parameters(self, input_shape):
        between = self.first.output_shape(input_shape)
        pairs = ("first", self.first.parameters(input_shape)), ("last", self.last.parameters(between))
        return {f"{owner}.{name}": parameter for owner, found in pairs for name, parameter in found.items()}

    @asks_step
    def forward(self, params, a_prev, workspace):
        step, sigma = workspace.step, self.first.activation
        z = workspace["z"] = step(self.first.forward, of(params, "first"), a_prev, workspace.child("first"))
        a = workspace["a"] = step(sigma.forward, z, workspace.child("sigma"))
        return step(self.last.forward, of(params, "last"), a, inner(workspace))

    @asks_step
    def backward(self, params, delta, grads, workspace):
        parts = of(params, "last"), delta, of(grads, "last"), inner(workspace)
        between = self.delta(workspace.step(self.last.backward, *parts), workspace)
        parts = of(params, "first"), between, of(grads, "first"), workspace.child("first")
        return workspace.step(self.first.backward, *parts)

    def delta(self, grad_a, workspace):
        z, a = workspace["z"], workspace["a"]
        return workspace.step(self.first.activation.delta, grad_a, z, a, workspace.child("sigma"))


def inner(workspace):
    """Return the workspace of the last layer of a composite, whose ∂C/∂a_prev is always needed."""
    return workspace.child("last", needs_input_gradient=True)


def of(arrays, owner):
    """Return the arrays of one of the layers of a composite, by their names there."""
    return {name.removeprefix(f"{owner}."): array for name, array in arrays.items() if name.startswith(f"{owner}.")}


@dataclass(frozen=True)
class SkippingComposite(Composite):
    """Forgets σ' between its layers."""

    def delta(self, grad_a, workspace):
        return grad_a


@dataclass(frozen=True)
class BareComposite(Composite):
    """Takes a for z between its layers, in the backward pass alone."""

    def delta(self, grad_a, workspace):
        return self.first.activation.delta(grad_a, workspace["a"], workspace["z"], workspace.child("sigma"))


WRONG_CHAIN = nnfw.Chain((Dense(4), give(lambda w, d, a: d @ w.T), Dense(3)))

MATHEMATICAL = {
    "w-for-its-transpose": (give(lambda w, delta, a: delta @ w.T), INPUT),
    "input-gradient-sign": (give(lambda w, delta, a: -delta @ w), INPUT),
    "input-gradient-twice": (give(lambda w, delta, a: 2 * delta @ w), INPUT),
    "input-gradient-over-n": (give(lambda w, delta, a: delta @ w / len(delta)), INPUT),
    "input-gradient-without-w": (give(lambda w, delta, a: delta.copy()), INPUT),
    "input-gradient-ignores-delta": (give(lambda w, delta, a: np.ones_like(delta) @ w), INPUT),
    "input-gradient-without-last-row": (give(lambda w, delta, a: delta @ without_last_row(w)), INPUT),
    "input-gradient-of-the-first-example": (give(lambda w, delta, a: np.tile(delta[:1], (len(delta), 1)) @ w), INPUT),
    "input-gradient-mean-over-the-batch": (give(lambda w, delta, a: (delta - delta.mean(0) + delta.mean()) @ w), INPUT),
    "input-gradient-absolute": (give(lambda w, delta, a: delta @ np.abs(w)), INPUT),
    "input-gradient-1e-4": (give(lambda w, delta, a: delta @ w * (1 + 1e-4)), INPUT),
    "input-gradient-times-a": (give(lambda w, delta, a: delta @ w * a), INPUT),
    "bias-mean-for-sum": (put("bias", lambda p, delta, a: delta.mean(axis=0)), PARAMETERS),
    "bias-over-the-wrong-axis": (
        spoilt(lambda p, d, g, w, a: g["bias"].__setitem__(..., np.resize(d.sum(axis=1), g["bias"].shape))),
        PARAMETERS,
    ),
    "bias-of-the-last-example": (put("bias", lambda p, delta, a: delta[-1]), PARAMETERS),
    "bias-sign": (put("bias", lambda p, delta, a: -delta.sum(axis=0)), PARAMETERS),
    "bias-zero": (put("bias", lambda p, delta, a: 0 * delta.sum(axis=0)), PARAMETERS),
    "bias-1e-4": (put("bias", lambda p, delta, a: delta.sum(axis=0) * (1 + 1e-4)), PARAMETERS),
    "bias-reversed": (put("bias", lambda p, delta, a: delta.sum(axis=0)[::-1]), PARAMETERS),
    "bias-with-decay": (put("bias", lambda p, delta, a: delta.sum(axis=0) + 0.01 * p["bias"]), PARAMETERS),
    "weight-over-n": (put("weight", lambda p, delta, a: delta.T @ a / len(a)), PARAMETERS),
    "weight-times-n": (put("weight", lambda p, delta, a: delta.T @ a * len(a)), PARAMETERS),
    "weight-sign": (put("weight", lambda p, delta, a: -delta.T @ a), PARAMETERS),
    "weight-1e-4": (put("weight", lambda p, delta, a: delta.T @ a * (1 + 1e-4)), PARAMETERS),
    "weight-last-row-dropped": (put("weight", lambda p, delta, a: without_last_row(delta.T @ a)), PARAMETERS),
    "weight-ignores-delta": (put("weight", lambda p, delta, a: np.ones_like(delta).T @ a), PARAMETERS),
    "weight-from-absolute-input": (put("weight", lambda p, delta, a: delta.T @ np.abs(a)), PARAMETERS),
    "weight-from-one-example": (put("weight", lambda p, delta, a: delta[:1].T @ a[:1]), PARAMETERS),
    "weight-transposed-when-square": (
        spoilt(
            lambda p, d, g, w, a: (
                g["weight"].__setitem__(..., g["weight"].T.copy()) if len(set(g["weight"].shape)) == 1 else None
            )
        ),
        PARAMETERS,
    ),
    "weight-with-decay": (put("weight", lambda p, delta, a: delta.T @ a + 0.01 * p["weight"]), PARAMETERS),
    "weight-one-element": (
        put("weight", lambda p, delta, a: delta.T @ a * np.where(np.arange(a.shape[1]) == 0, 1.001, 1)),
        PARAMETERS,
    ),
    "bias-twice-in-forward": (TwiceForward(3), PARAMETERS),
    "nonlinear-forward-linear-backward": (SquareForward(3), INPUT),
    "gate-without-one-path": (Gate(path_w=False), INPUT),
    "gate-without-the-other-path": (Gate(path_v=False), INPUT),
    "gate-without-inner-slope": (Gate(with_cosine=False), PARAMETERS),
    "dropout-fresh-mask": (dropout(lambda self, d, mask, memory: 2 * d * (memory.rng.random(d.shape) >= 0.5)), INPUT),
    "dropout-without-scale": (dropout(lambda self, d, mask, memory: d * (mask > 0)), INPUT),
    "dropout-mask-ignored": (dropout(lambda self, d, mask, memory: d.copy()), INPUT),
    "dropout-scale-squared": (dropout(lambda self, d, mask, memory: d * mask**2), INPUT),
    "dropout-mask-inverted": (dropout(lambda self, d, mask, memory: d * (2 - mask)), INPUT),
    "dropout-mask-of-the-first-example": (dropout(lambda self, d, mask, memory: d * mask[:1]), INPUT),
    "flatten-other-order-backward": (FortranFlatten(), INPUT),
    "reshape-other-order-forward": (FortranReshape((2, 2)), INPUT),
    "activation-slope-of-a": (ActivationLayer(SteepTanh()), INPUT),
    "dense-with-wrong-activation": (Dense(3, activation=SteepTanh()), PARAMETERS),
    "composite-without-slope": (SkippingComposite(), PARAMETERS),
    "composite-with-a-for-z": (BareComposite(), PARAMETERS),
    "chain-with-a-wrong-layer": (WRONG_CHAIN, "block.gradients"),
}


@pytest.mark.parametrize(("layer", "check"), MATHEMATICAL.values(), ids=MATHEMATICAL)
def test_wrong_gradient_is_found(layer, check):
    report = run_checks(layer, only=[check])
    assert [item.check for item in report.failures] == [check], report
    assert "backward gives" in report.failures[0].message


# --- contracts --------------------------------------------------------------------------------------------------------


def with_forward(change, base=Dense, **options):
    """Return a layer whose forward is `change(self, parent's forward, params, a_prev, workspace)`."""

    @dataclass(frozen=True)
    class Changed(base):
        def forward(self, params, a_prev, workspace):
            def parent(p=params, a=a_prev, w=workspace):
                return super(Changed, self).forward(p, a, w)

            return change(self, parent, params, a_prev, workspace)

    return Changed(**(options or {"units": 4}))


def with_backward(change, base=Dense, **options):
    """Return a layer whose backward is `change(self, parent's backward, params, delta, grads, workspace)`."""

    @dataclass(frozen=True)
    class Changed(base):
        def backward(self, params, delta, grads, workspace):
            def parent(p=params, d=delta, g=grads, w=workspace):
                return super(Changed, self).backward(p, d, g, w)

            return change(self, parent, params, delta, grads, workspace)

    return Changed(**(options or {"units": 4}))


def doing(action):
    """Return a change that acts first and goes on as its parent."""

    def change(self, parent, *arguments):
        action(*arguments)
        return parent()

    return change


def hidden_noise(self, parent, params, a_prev, workspace):
    return parent() + np.random.default_rng(abs(int(1e6 * np.random.random()))).normal()  # noqa: NPY002


_SHARED = {}  # what a wrong layer keeps in its module


def shared_buffer(self, parent, params, a_prev, workspace):
    """Forward writes into memory that all workspaces share, as backward reads it."""
    buffer = _SHARED.setdefault((a_prev.shape, a_prev.dtype), np.empty_like(a_prev))
    buffer[...] = a_prev
    return parent(a=buffer)


def stale_cache(self, parent, params, a_prev, workspace):
    """Forward keeps the input of the first pass."""
    kept = workspace["first"] if "first" in workspace else a_prev.copy()
    z = parent()
    workspace["first"] = kept
    workspace["a_prev"] = kept
    return z


def input_by_identity(self, parent, params, a_prev, workspace):
    """Forward copies each array a_prev once, whatever is in it later."""
    if "given" not in workspace or workspace["given"] is not a_prev:
        workspace["given"], workspace["copy"] = a_prev, a_prev.copy()
    return parent(a=workspace["copy"])


def weight_by_identity(self, parent, params, a_prev, workspace):
    """Forward multiplies with the w of the first pass, although a step has changed it in place."""
    if "weight" not in workspace or workspace["weight"] is not params["weight"]:
        workspace["weight"], workspace["copy"] = params["weight"], params["weight"].copy()
    parent()
    return a_prev @ workspace["copy"].T + params["bias"]


def accumulating(self, parent, params, delta, grads, workspace):
    before = np.nan_to_num(grads["bias"].copy())
    gradient = parent()
    grads["bias"][...] += before
    return gradient


def in_gradient(self, parent, params, delta, grads, workspace):
    """Return ∂C/∂a_prev in the memory of the gradient of w."""
    parent()
    shape = len(delta), grads["weight"].shape[1]
    return grads["weight"].reshape(-1)[: shape[0] * shape[1]].reshape(shape)


def skips_gradients(self, parent, params, delta, grads, workspace):
    if workspace.needs_input_gradient:
        return parent()
    grads["weight"][...] = 0
    grads["bias"][...] = 0
    return None


def clipped(self, parent, params, delta, grads, workspace):
    return parent(d=np.clip(delta, -3, 3))


def first_order(a):
    """Return an array with its elements as they lie in memory, whatever its strides say."""
    return a.ravel(order="K").reshape(a.shape)


def layer_like(**methods):
    """Return a dense layer with other methods."""
    return dataclass(frozen=True)(type("Changed", (Dense,), {**methods, "__annotations__": {}}))(4)


def many_rows(self, parent, params, a_prev, workspace):
    if not len(a_prev):
        raise ValueError("no examples")
    return parent()


@dataclass(frozen=True)
class Centred(Dense):
    """z minus its mean over the batch."""

    def forward(self, params, a_prev, workspace):
        z = super().forward(params, a_prev, workspace)
        return z - z.mean(axis=0)


@dataclass(frozen=True)
class Ordered(Dense):
    """z plus a number for each place in the batch."""

    def forward(self, params, a_prev, workspace):
        return super().forward(params, a_prev, workspace) + np.arange(len(a_prev), dtype=a_prev.dtype)[:, None]


@dataclass(frozen=True)
class Uninformative(Dense):
    def output_shape(self, input_shape):
        if len(input_shape) != 1:
            raise nnfw.ShapeError("wrong shape")
        return (self.units,)


@dataclass(frozen=True)
class Refusing(Dense):
    def output_shape(self, input_shape):
        raise nnfw.ShapeError(f"expected another shape, got {input_shape}.")


@dataclass(frozen=True)
class Moving(Dense):
    """A layer whose state moves out of training too."""

    def parameters(self, input_shape):
        return {**super().parameters(input_shape), "count": nnfw.Parameter((1,), Zero(), trainable=False)}

    def forward(self, params, a_prev, workspace):
        params["count"][...] += 1
        return super().forward(params, a_prev, workspace)


@dataclass(frozen=True)
class Zero(nnfw.Initializer):
    def sample(self, shape, fan_in, fan_out, rng):
        return np.zeros(shape)


@dataclass(frozen=True)
class WrongShape(nnfw.Initializer):
    def sample(self, shape, fan_in, fan_out, rng):
        return np.zeros((1, *shape))


def to_float32(self, parent, *arguments):
    return parent().astype(np.float32)


def to_float64(self, parent, *arguments):
    return parent().astype(np.float64)


def kept(workspace, a):
    workspace["all"] = [*workspace.get("all", ()), a]
    return a


CONTRACT = {
    "pictures-that-are-a-matrix": (
        layer_like(pictures=lambda self, params, workspace: {"filters": params["weight"]}),
        "layer.pictures_are_arrays",
    ),
    "mutated-input": (with_forward(doing(lambda p, a, w: a.__imul__(1))), "layer.read_only_input"),
    "input-in-place": (with_forward(doing(lambda p, a, w: np.negative(a, out=a))), "layer.leaves_input_alone"),
    "mutated-delta": (with_backward(doing(lambda p, d, g, w: np.negative(d, out=d))), "layer.leaves_delta_alone"),
    "changed-parameters": (
        with_forward(doing(lambda p, a, w: p["weight"].__imul__(0.9))),
        "layer.leaves_parameters_alone",
    ),
    "z-overwritten-in-backward": (
        with_backward(doing(lambda p, d, g, w: w.buffer("z", d.shape).fill(0))),
        "layer.leaves_z_alone",
    ),
    "returns-its-gradient-buffer": (with_backward(in_gradient), "layer.gives_memory_of_its_own"),
    "accumulated-gradients": (with_backward(accumulating), "layer.overwrites_gradients"),
    "stale-cache": (with_forward(stale_cache), "layer.reused_workspace_is_like_new"),
    "input-by-identity": (with_forward(input_by_identity), "layer.reused_workspace_is_like_new"),
    "weight-by-identity": (with_forward(weight_by_identity), "layer.reused_workspace_is_like_new"),
    "shared-output-buffer": (with_forward(shared_buffer), "layer.workspaces_do_not_meet"),
    "float32-inside": (with_forward(to_float32), "layer.keeps_float64"),
    "float64-inside": (with_forward(to_float64), "layer.keeps_float32"),
    "float32-values": (
        with_forward(lambda self, parent, p, a, w: parent().astype(np.float32).astype(a.dtype)),
        "layer.gradients_of_parameters",
    ),
    "two-axes-for-the-bias": (
        with_backward(lambda self, parent, p, d, g, w: (parent(), g.__setitem__("bias", d.sum(0, keepdims=True)))[0]),
        "layer.parameters_are_real",
    ),
    "global-random-numbers": (with_forward(hidden_noise), "layer.uses_only_the_generator_it_is_given"),
    "own-random-numbers": (
        with_forward(lambda self, parent, p, a, w: parent() + np.random.default_rng().normal()),
        "layer.same_seed_gives_same_bits",
    ),
    "randomness-in-evaluation": (
        with_forward(lambda self, parent, p, a, w: parent() + np.random.default_rng().normal() * (not w.training)),
        "layer.evaluation_is_deterministic",
    ),
    "needs-random-numbers-in-evaluation": (
        with_forward(lambda self, parent, p, a, w: parent() + w.rng.normal()),
        "layer.evaluation_is_deterministic",
    ),
    "state-moves-in-evaluation": (Moving(4), "layer.evaluation_has_no_side_effects"),
    "squeezed-batch-of-one": (
        with_forward(lambda self, parent, p, a, w: np.squeeze(parent())),
        "layer.batch_of_one_keeps_its_axis",
    ),
    "hidden-nan": (with_forward(lambda self, parent, p, a, w: np.nan_to_num(parent())), "layer.nan_is_not_hidden"),
    "returned-none": (with_forward(lambda self, parent, p, a, w: None), "layer.output_shape_is_real"),
    "returned-a-list": (
        with_forward(lambda self, parent, p, a, w: parent().tolist()),
        "layer.output_shape_is_real",
    ),
    "wrong-on-strided-input": (
        with_forward(
            lambda self, parent, p, a, w: parent(
                a=np.ascontiguousarray(np.frombuffer(_base(a).tobytes(), a.dtype)[: a.size].reshape(a.shape))
            )
        ),
        "layer.strided_input",
    ),
    "wrong-in-fortran-order": (
        with_forward(lambda self, parent, p, a, w: parent(a=first_order(a))),
        "layer.fortran_input",
    ),
    "wrong-on-reversed-input": (
        with_forward(lambda self, parent, p, a, w: parent(a=_base(a)[: len(a)] if a.strides[0] < 0 else a)),
        "layer.reversed_input",
    ),
    "clipped-delta": (with_backward(clipped), "layer.linear_for_large_delta"),
    "squared-delta": (with_backward(lambda self, parent, p, d, g, w: parent(d=d * np.abs(d))), "layer.linear_in_delta"),
    "offset-of-delta": (
        with_backward(lambda self, parent, p, d, g, w: parent(d=d + 1e-3)),
        "layer.zero_delta_gives_zero",
    ),
    "backward-without-forward": (
        with_backward(lambda self, parent, p, d, g, w: parent() if "a_prev" in w else np.zeros((len(d), self.units))),
        "layer.backward_before_forward_is_refused",
    ),
    "backward-without-forward-raises-something": (
        with_backward(lambda self, parent, p, d, g, w: parent() if "a_prev" in w else [][0]),
        "layer.backward_before_forward_is_refused",
    ),
    "skips-gradients-of-the-first-layer": (with_backward(skips_gradients), "layer.input_gradient_may_be_left_out"),
    "fails-on-no-examples": (with_forward(many_rows), "layer.empty_batch_is_handled"),
    "looks-at-the-whole-batch": (Centred(4), "layer.rows_are_independent"),
    "depends-on-the-order": (Ordered(4), "layer.permuted_batch_gives_permuted_output"),
    "output-shape-lies": (
        layer_like(
            output_shape=lambda self, shape: (self.units + 1,) if len(shape) == 1 else Dense(1).output_shape(shape)
        ),
        "layer.output_shape_is_real",
    ),
    "parameters-are-drawn-in-another-shape": (Dense(4, bias_initializer=WrongShape()), "layer.parameters_are_real"),
    "refuses-everything": (Refusing(4), "layer.takes_some_shape"),
    "error-names-no-shape": (Uninformative(4), "layer.wrong_shapes_are_refused"),
    "overflows": (
        with_forward(lambda self, parent, p, a, w: np.exp(parent())),
        "layer.finite_at_extremes",
    ),
    "climbs": (
        with_backward(lambda self, parent, p, d, g, w: parent(d=-d)),
        "layer.training_lowers_the_cost",
    ),
    "keeps every batch": (
        with_forward(lambda self, parent, p, a, w: parent(a=kept(w, a.copy())), units=4),
        "layer.memory_does_not_grow",
    ),
}


def _base(a):
    while a.base is not None and isinstance(a.base, np.ndarray):
        a = a.base
    return a


@pytest.mark.parametrize(("layer", "check"), CONTRACT.values(), ids=CONTRACT)
def test_broken_contract_is_found(layer, check):
    report = run_checks(layer, only=[check])
    assert [item.check for item in report.failures] == [check], report


def test_every_check_of_layers_finds_something():
    found = {check for _, check in (*MATHEMATICAL.values(), *CONTRACT.values())}
    missing = {check.id for check in checks_of("layer") if check.id.startswith("layer.")} - found
    elsewhere = {"layer.saves_and_loads", "layer.recorded_pass_is_like_asked_again"}  # test_recorded.py
    elsewhere |= {"layer.running_state_is_updated", "layer.evaluation_uses_running_state"}  # test_running_state.py
    elsewhere |= {"layer.evaluation_sees_one_example", "layer.gradients_in_evaluation"}
    assert missing == elsewhere | {"layer.lengths_end_sequences"}  # test_lengths.py


def test_right_layers_pass_everything():
    chain = nnfw.Chain((FIRST, LAST))
    for layer in (Dense(4, activation="tanh"), Gate(), chain, Composite(), Dropout(0.5), replace(Gate(), units=1)):
        report = run_checks(layer)
        assert [item for item in report.failures if not item.check.startswith("component.")] == [], report


@pytest.mark.parametrize("name", [item.name for item in default_registry().components("layer")])
def test_standard_layer_passes_everything(name):
    report = run_checks(f"layer:{name}")
    assert report.ok, report


def test_gradient_that_is_assigned_instead_of_filled_is_named_with_the_way_to_fill_it():
    def assign(params, delta, grads, workspace, a_prev):
        grads["weight"] = delta.T @ a_prev

    report = run_checks(spoilt(assign), only=["component.holds_no_state"])
    assert (
        "raised TypeError: the array 'weight' cannot be replaced: fill it, with ['weight'][...] = values, or "
        "as out=" in str(report)
    )
