"""Wrong activations, each in one place, and the check that must find it; what is right must pass."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
from nnfw.plugins import default_registry
from nnfw.testing import checks_of, run_checks
from nnfw_standard import (
    CELU,
    ELU,
    GELU,
    SELU,
    GELUTanh,
    HardSigmoid,
    HardSwish,
    Identity,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Sparsemax,
    Tanh,
)
from nnfw_standard.layers.prelu import ParametricReLU

DELTA, KINK = "activation.delta_is_the_gradient", "activation.delta_at_kinks"


def with_delta(base, change):
    """Return an activation whose δ is ``change(grad_a, z, a)``."""

    @dataclass(frozen=True)
    class Changed(base):
        def delta(self, grad_a, z, a, workspace):
            return change(grad_a, z, a)

    return Changed()


def slope(base, derivative):
    """Return an elementwise activation with another derivative, of z and a."""
    return with_delta(base, lambda grad_a, z, a: grad_a * derivative(z, a))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax_over(axis):
    @dataclass(frozen=True)
    class Over(nnfw.Activation):
        def forward(self, z, workspace):
            e = np.exp(z - z.max(axis=-1, keepdims=True))
            return e / e.sum(axis=-1, keepdims=True)

        def delta(self, grad_a, z, a, workspace):
            return a * (grad_a - (grad_a * a).sum(axis=axis, keepdims=True))

    return Over()


def tanh_gelu(z):
    u = np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)
    du = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * z**2)
    return 0.5 * (1 + np.tanh(u)) + 0.5 * z * (1 - np.tanh(u) ** 2) * du


def mish_t(z):
    return np.tanh(np.log1p(np.exp(z)))


def hard_sigmoid(z):
    return np.clip(z / 6 + 0.5, 0, 1)


LAYER, GRADIENTS_OF_LAYER = "activation.layer_begins_as_it", "activation.gradients_of_its_layer"


@dataclass(frozen=True)
class TwiceTheSlope(ParametricReLU):
    def backward(self, params, delta, grads, workspace):
        found = super().backward(params, delta, grads, workspace)
        grads["slope"][...] *= 2
        return found


@dataclass(frozen=True)
class EndsLengths(ParametricReLU):
    keeps_time = False


def with_layer(layer):
    """PReLU that becomes another layer."""

    @dataclass(frozen=True)
    class Changed(PReLU):
        def as_layer(self):
            return layer(self.slope)

    return Changed()


@dataclass(frozen=True)
class OtherSlope(PReLU):
    def as_layer(self):
        return PReLU(self.slope / 2).as_layer()


@dataclass(frozen=True)
class OtherSide(PReLU):
    def delta(self, grad_a, z, a, workspace):
        return super().delta(grad_a, -z, a, workspace)


MATHEMATICAL = {
    "celu-without-alpha": (slope(CELU, lambda z, a: np.where(z > 0, 1, a)), DELTA),
    "celu-of-the-value": (slope(CELU, lambda z, a: np.where(z > 0, 1, np.expm1(z))), DELTA),
    "celu-line": (slope(CELU, lambda z, a: np.ones_like(z)), DELTA),
    "mish-only-t": (slope(Mish, lambda z, a: mish_t(z)), DELTA),
    "mish-without-sigmoid": (slope(Mish, lambda z, a: mish_t(z) + z * (1 - mish_t(z) ** 2)), DELTA),
    "mish-without-square": (slope(Mish, lambda z, a: mish_t(z) + z * sigmoid(z) * (1 - mish_t(z))), DELTA),
    "hard-swish-only-sigmoid": (slope(HardSwish, lambda z, a: hard_sigmoid(z)), DELTA),
    "hard-swish-sixth": (slope(HardSwish, lambda z, a: np.where(np.abs(z) < 3, z / 6 + 0.5, z > 0)), DELTA),
    "hard-swish-without-ends": (slope(HardSwish, lambda z, a: z / 3 + 0.5), DELTA),
    "relu6-without-end": (slope(ReLU6, lambda z, a: (z > 0) * 1.0), KINK),
    "relu6-sixth": (slope(ReLU6, lambda z, a: ((z > 0) & (z < 6)) / 6), DELTA),
    "relu6-without-start": (slope(ReLU6, lambda z, a: (z < 6) * 1.0), DELTA),
    "log-sigmoid-complement": (slope(LogSigmoid, lambda z, a: sigmoid(z)), DELTA),
    "log-sigmoid-sign": (slope(LogSigmoid, lambda z, a: -sigmoid(-z)), DELTA),
    "log-sigmoid-of-softplus": (slope(LogSigmoid, lambda z, a: 1 - np.exp(-a)), DELTA),
    "gelu-tanh-exact-in-backward": (
        slope(GELUTanh, lambda z, a: tanh_gelu(z) + 1e-3 * np.exp(-(z**2))),
        DELTA,
    ),
    "gelu-tanh-only-s": (slope(GELUTanh, lambda z, a: sigmoid(2 * np.sqrt(2 / np.pi) * z)), DELTA),
    "gelu-tanh-1e-4": (slope(GELUTanh, lambda z, a: tanh_gelu(z) * (1 + 1e-4)), DELTA),
    "sparsemax-without-mean": (with_delta(Sparsemax, lambda g, z, a: g * (a > 0)), DELTA),
    "sparsemax-mean-over-all": (
        with_delta(Sparsemax, lambda g, z, a: (a > 0) * (g - g.mean(-1, keepdims=True))),
        DELTA,
    ),
    "sparsemax-as-softmax": (
        with_delta(Sparsemax, lambda g, z, a: a * (g - (g * a).sum(-1, keepdims=True))),
        DELTA,
    ),
    "sigmoid-slope-1e-4": (slope(Sigmoid, lambda z, a: a * (1 - a) * (1 + 1e-4)), DELTA),
    "sigmoid-without-brackets": (slope(Sigmoid, lambda z, a: a * 1 - a), DELTA),
    "sigmoid-derivative-at-a": (slope(Sigmoid, lambda z, a: sigmoid(a) * (1 - sigmoid(a))), DELTA),
    "sigmoid-sign": (slope(Sigmoid, lambda z, a: a * (a - 1)), DELTA),
    "sigmoid-upstream-ignored": (with_delta(Sigmoid, lambda g, z, a: a * (1 - a)), DELTA),
    "tanh-without-square": (slope(Tanh, lambda z, a: 1 - a), DELTA),
    "tanh-of-z-squared": (slope(Tanh, lambda z, a: 1 - z**2), DELTA),
    "relu-mask-from-delta": (with_delta(ReLU, lambda g, z, a: g * (g > 0)), DELTA),
    "relu-without-mask": (with_delta(ReLU, lambda g, z, a: g.copy()), DELTA),
    "relu-inverted": (slope(ReLU, lambda z, a: (z <= 0) * 1.0), DELTA),
    "relu-two-at-its-kink": (slope(ReLU, lambda z, a: np.where(z == 0, 2.0, z > 0)), KINK),
    "relu-shifted-kink": (slope(ReLU, lambda z, a: (z > 1e-5) * 1.0), KINK),
    "leaky-relu-slope-one": (slope(LeakyReLU, lambda z, a: np.ones_like(z)), DELTA),
    "leaky-relu-slope-1e-4": (slope(LeakyReLU, lambda z, a: np.where(z > 0, 1, 0.01 * (1 + 1e-4))), DELTA),
    "elu-without-alpha": (slope(ELU, lambda z, a: np.where(z > 0, 1, a)), DELTA),
    "elu-of-z": (slope(ELU, lambda z, a: np.where(z > 0, 1, np.exp(z) - 1)), DELTA),
    "selu-without-scale": (slope(SELU, lambda z, a: np.where(z > 0, 1, 1.6733 * np.exp(z))), DELTA),
    "gelu-by-tanh-in-backward": (slope(GELU, lambda z, a: tanh_gelu(z)), DELTA),
    "silu-without-a-term": (slope(SiLU, lambda z, a: sigmoid(z)), DELTA),
    "softplus-complement": (slope(Softplus, lambda z, a: 1 - sigmoid(z)), DELTA),
    "softsign-without-square": (slope(Softsign, lambda z, a: 1 / (1 + np.abs(z))), DELTA),
    "hard-sigmoid-fifth": (slope(HardSigmoid, lambda z, a: (np.abs(z) < 3) / 5), DELTA),
    "hard-sigmoid-without-clip": (slope(HardSigmoid, lambda z, a: np.full_like(z, 1 / 6)), DELTA),
    "identity-half": (slope(Identity, lambda z, a: np.full_like(z, 0.5)), DELTA),
    "softmax-diagonal": (with_delta(Softmax, lambda g, z, a: g * a * (1 - a)), DELTA),
    "softmax-as-if-with-cross-entropy": (with_delta(Softmax, lambda g, z, a: a + g), DELTA),
    "softmax-without-a": (with_delta(Softmax, lambda g, z, a: g - (g * a).sum(-1, keepdims=True)), DELTA),
    "softmax-over-the-batch": (softmax_over(0), DELTA),
    "softmax-over-everything": (softmax_over(None), DELTA),
    "log-softmax-without-sum": (with_delta(LogSoftmax, lambda g, z, a: g - np.exp(a)), DELTA),
    "log-softmax-mean-for-sum": (
        with_delta(LogSoftmax, lambda g, z, a: g - np.exp(a) * g.mean(-1, keepdims=True)),
        DELTA,
    ),
}


@pytest.mark.parametrize(("activation", "check"), MATHEMATICAL.values(), ids=MATHEMATICAL)
def test_wrong_delta_is_found(activation, check):
    report = run_checks(activation, only=[check])
    assert [item.check for item in report.failures] == [check], report
    assert "backward gives" in report.failures[0].message


@pytest.mark.parametrize("item", default_registry().components("activation"), ids=lambda item: item.name)
def test_relative_error_of_1e_4_is_found_in_every_activation(item):
    base = default_registry().load("activation", item.qualified_name)

    @dataclass(frozen=True)
    class Off(base):
        def delta(self, grad_a, z, a, workspace):
            return super().delta(grad_a, z, a, workspace) * (1 + 1e-4)

    assert not run_checks(Off(), only=[DELTA, LAYER]).ok


# --- contracts --------------------------------------------------------------------------------------------------------


def changed(forward=None, delta=None, base=Tanh, **attributes):
    """Return an activation with other methods: forward(parent, z, workspace), delta(parent, grad_a, z, a, w)."""

    @dataclass(frozen=True)
    class Changed(base):
        def forward(self, z, workspace):
            parent = super().forward
            return forward(parent, z, workspace) if forward else parent(z, workspace)

        def delta(self, grad_a, z, a, workspace):
            parent = super().delta
            return delta(parent, grad_a, z, a, workspace) if delta else parent(grad_a, z, a, workspace)

    for name, value in attributes.items():
        setattr(Changed, name, value)
    return Changed()


_KEPT = {}


def shared(parent, z, workspace):
    """Forward writes into memory that all workspaces share."""
    a = _KEPT.setdefault(z.shape, np.empty_like(z))
    a[...] = parent(z, workspace)
    return a


def first_batch(parent, grad_a, z, a, workspace):
    """Delta scales with the number of examples of the first batch that this workspace has seen."""
    if "n" not in workspace:
        workspace["n"] = len(z)
    return parent(grad_a, z, a, workspace) * workspace["n"] / len(z)


def by_identity(parent, z, workspace):
    """Forward computes a once for each array z, whatever is in it later."""
    if "z" not in workspace or workspace["z"] is not z:
        workspace["z"], workspace["kept"] = z, parent(z, workspace).copy()
    return workspace["kept"]


def by_identity_everywhere(parent, z, workspace):
    if _KEPT.get("z") is not z:
        _KEPT["z"], _KEPT["a"] = z, parent(z, workspace).copy()
    return _KEPT["a"]


def slope_by_identity(parent, grad_a, z, a, workspace):
    if "a" not in workspace or workspace["a"] is not a:
        workspace["a"], workspace["slope"] = a, 1 - a * a
    return grad_a * workspace["slope"]


def as_in_memory(parent, z, workspace):
    flat = z.ravel(order="K")
    return parent(flat.reshape(z.shape), workspace)


def base_of(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def as_in_its_base(parent, z, workspace):
    return parent(base_of(z).reshape(-1)[: z.size].reshape(z.shape), workspace)


def no_rows(parent, z, workspace):
    return parent(z - z.max(), workspace)


CONTRACT = {
    "layer-with-another-slope": (OtherSlope(), LAYER),
    "layer-with-another-delta": (OtherSide(), LAYER),
    "layer-with-twice-the-slope": (with_layer(TwiceTheSlope), GRADIENTS_OF_LAYER),
    "layer-that-ends-lengths": (with_layer(EndsLengths), GRADIENTS_OF_LAYER),
    "float64-in-float32": (changed(lambda f, z, w: f(z, w).astype(np.float64)), "activation.keeps_shape_and_dtype"),
    "column": (changed(lambda f, z, w: f(z, w)[..., :1]), "activation.keeps_shape_and_dtype"),
    "none": (changed(lambda f, z, w: None), "activation.keeps_shape_and_dtype"),
    "z-in-place": (changed(lambda f, z, w: np.tanh(z, out=z)), "activation.leaves_its_arguments_alone"),
    "gradient-in-place": (
        changed(delta=lambda d, g, z, a, w: np.multiply(g, 1 - a * a, out=g)),
        "activation.leaves_its_arguments_alone",
    ),
    "other-derivative": (
        changed(derivative=lambda self, z, a, out=None: np.ones_like(z), delta=lambda d, g, z, a, w: g * (1 - a * a)),
        "activation.derivative_is_the_slope",
    ),
    "clipped": (
        changed(delta=lambda d, g, z, a, w: np.clip(d(g, z, a, w), -5, 5)),
        "activation.linear_in_the_gradient",
    ),
    "offset": (changed(delta=lambda d, g, z, a, w: d(g, z, a, w) + 1e-9), "activation.zero_gradient_gives_zero"),
    "not-monotonic": (changed(base=SiLU, monotonic=True), "activation.monotonic_where_declared"),
    "out-of-range": (changed(range=(-0.9, 0.9)), "activation.range_where_declared"),
    "overflow": (changed(lambda f, z, w: np.exp(z)), "activation.finite_at_extremes"),
    "half-precision": (
        changed(lambda f, z, w: f(z.astype(np.float16).astype(z.dtype), w) if z.dtype == np.float32 else f(z, w)),
        "activation.float32_is_accurate",
    ),
    "hidden-nan": (changed(lambda f, z, w: np.nan_to_num(f(z, w))), "activation.nan_is_not_hidden"),
    "batch-mean": (changed(lambda f, z, w: f(z - z.mean(axis=0), w)), "activation.rows_are_independent"),
    "largest-of-nothing": (changed(no_rows), "activation.empty_batch_is_handled"),
    "strided": (changed(as_in_its_base), "activation.strided_input"),
    "fortran": (changed(as_in_memory), "activation.fortran_input"),
    "read-only": (changed(lambda f, z, w: f(np.add(z, 0, out=z), w)), "activation.read_only_input"),
    "shared-memory": (changed(shared), "activation.workspaces_do_not_meet"),
    "stale": (changed(delta=first_batch), "activation.reused_workspace_is_like_new"),
    "a-by-identity-of-z": (changed(by_identity), "activation.reused_workspace_is_like_new"),
    "a-by-identity-of-z-in-the-module": (changed(by_identity_everywhere), "activation.reused_workspace_is_like_new"),
    "slope-by-identity-of-a": (changed(delta=slope_by_identity), "activation.reused_workspace_is_like_new"),
}


@pytest.mark.parametrize(("activation", "check"), CONTRACT.values(), ids=CONTRACT)
def test_broken_contract_is_found(activation, check):
    report = run_checks(activation, only=[check])
    assert [item.check for item in report.failures] == [check], report


def test_every_check_of_activations_finds_something():
    found = {check for _, check in (*MATHEMATICAL.values(), *CONTRACT.values())}
    missing = {check.id for check in checks_of("activation") if check.id.startswith("activation.")} - found
    assert missing == {"activation.recorded_pass_is_like_asked_again"}  # tests/planted/test_recorded.py


@pytest.mark.parametrize("name", [item.name for item in default_registry().components("activation")])
def test_standard_activation_passes_everything(name):
    report = run_checks(f"activation:{name}")
    assert report.ok, report
