"""Wrong costs, each in one place, and the check that must find it; what is right must pass."""

from dataclasses import dataclass

import numpy as np
import pytest

import nnfw
import nnfw.compute
from nnfw.plugins import default_registry
from nnfw.testing import checks_of, run_checks
from nnfw_standard import (
    CTC,
    MAE,
    MSE,
    BinaryCrossEntropy,
    CosineDistance,
    CrossEntropy,
    Focal,
    GaussianNLL,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Poisson,
    Quantile,
    SquaredHinge,
    TokenCrossEntropy,
)

GRADIENT, CANONICAL, MEAN = (
    "cost.gradient_is_the_gradient_of_value",
    "cost.canonical_delta_is_equation_1",
    "cost.is_a_mean_over_examples",
)
WEIGHTS = "cost.weights_scale_examples"


PADDING = "cost.padding_does_not_count"


def of_examples(weight):
    """Weights of examples alone, as if no sequence were padded."""
    return weight if weight is None or weight.ndim == 1 else weight.max(axis=1)


def weighted(gradient, weight):
    return gradient if weight is None else gradient * weight[:, np.newaxis]


def one_hot(a, y):
    return y if y.shape == a.shape else np.eye(a.shape[1])[y].astype(a.dtype)


def changed(base, options=None, **methods):
    """Return a cost with other methods, each ``method(self, parent's method, *arguments)``."""

    def overriding(name, function):
        def method(self, *arguments):
            return function(self, getattr(super(cls, self), name), *arguments)

        return method

    body = {name: overriding(name, function) for name, function in methods.items()}
    cls = dataclass(frozen=True)(type("Changed", (base,), {**body, "__annotations__": {}}))
    return cls(**(options or {}))


@dataclass(frozen=True)
class WrittenOtherwise(MSE):
    """Half the squared distance, but written without the half."""

    def value(self, a, y, weight=None):
        return float(np.sum(np.square(a - y), dtype=np.float64) / (2 * len(a)))

    @nnfw.compute.kernels_only
    def write_value(self, a, y, weight, out):
        nnfw.compute.kernels().squared_distance(a, y, len(a), out)
        return True


def gradient(base, compute, **options):
    """Return a cost whose gradient is ``compute(a, y) / N``, weighted."""
    return changed(
        base,
        options,
        gradient=lambda self, parent, a, y, workspace, weight=None: weighted(compute(a, y) / len(a), weight),
    )


def scaled(base, factor, name="gradient", options=None):
    """Return a cost whose gradient or canonical δ is multiplied by ``factor(number of examples)``."""
    return changed(base, options, **{name: lambda self, parent, a, *rest: parent(a, *rest) * factor(len(a))})


def focal(a, y, gamma=2.0):
    """∂c/∂a of the focal cost without weights of the labels."""
    right = (1 - a) ** gamma * (1 / a - gamma * np.log(a) / (1 - a))
    return (1 - y) * a**gamma * (1 / (1 - a) - gamma * np.log(1 - a) / a) - y * right


def pinball(a, y, quantiles):
    return np.where(y.reshape(-1, 1) > a, -quantiles, 1 - quantiles)


def gaussian(a, y, precision=lambda s: np.exp(-s), half=0.5):
    mean, s = np.split(a, 2, axis=1)
    scaled = (mean - y) * precision(s)
    return np.concatenate([scaled, half * (1 - scaled * (mean - y))], axis=1)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def cosine(a, y):
    return (np.sum(unit(a) * unit(y), axis=1, keepdims=True) * unit(a) - unit(y)) / np.linalg.norm(
        a, axis=1, keepdims=True
    )


def token_gradient(shares, ignored=-100):
    """Return a cost of tokens with other shares of the tokens in its gradient."""

    def found(self, parent, a, y, workspace, weight=None):
        rows = -np.eye(a.shape[-1])[np.maximum(y, 0)] / a * shares(y)[..., np.newaxis] / len(a)
        return rows if weight is None else rows * weight.reshape(-1, 1, 1)

    return changed(TokenCrossEntropy, {"ignored": ignored}, gradient=found)


Q = np.array([0.1, 0.5, 0.9])

MATHEMATICAL = {
    "log-cosh-without-tanh": (gradient(LogCosh, lambda a, y: a - y), GRADIENT),
    "log-cosh-sign": (gradient(LogCosh, lambda a, y: np.tanh(y - a)), GRADIENT),
    "log-cosh-sigmoid": (gradient(LogCosh, lambda a, y: np.tanh((a - y) / 2)), GRADIENT),
    "hinge-everywhere": (gradient(Hinge, lambda a, y: -y), GRADIENT),
    "hinge-without-margin": (gradient(Hinge, lambda a, y: -y * (y * a < 0)), GRADIENT),
    "hinge-without-label": (gradient(Hinge, lambda a, y: -1.0 * (y * a < 1)), GRADIENT),
    "squared-hinge-without-two": (gradient(SquaredHinge, lambda a, y: -y * np.maximum(0, 1 - y * a)), GRADIENT),
    "squared-hinge-as-hinge": (gradient(SquaredHinge, lambda a, y: -2 * y * (y * a < 1)), GRADIENT),
    "squared-hinge-without-end": (gradient(SquaredHinge, lambda a, y: -2 * y * (1 - y * a)), GRADIENT),
    "focal-constant-modulation": (
        gradient(Focal, lambda a, y: (1 - y) * a**2 / (1 - a) - y * (1 - a) ** 2 / a, alpha=None),
        GRADIENT,
    ),
    "focal-of-gamma-1": (gradient(Focal, lambda a, y: focal(a, y, 1.0), alpha=None), GRADIENT),
    "focal-without-alpha": (gradient(Focal, focal), GRADIENT),
    "focal-canonical-as-binary": (
        changed(
            Focal,
            canonical_delta=lambda self, parent, a, y, workspace, weight=None: weighted((a - y) / len(a), weight),
        ),
        CANONICAL,
    ),
    "divergence-of-y-from-a": (
        gradient(KLDivergence, lambda a, y: np.log(a / np.maximum(one_hot(a, y), 1e-9))),
        GRADIENT,
    ),
    "divergence-without-a": (gradient(KLDivergence, lambda a, y: -one_hot(a, y)), GRADIENT),
    "divergence-canonical-sign": (scaled(KLDivergence, lambda n: -1, "canonical_delta"), CANONICAL),
    "quantiles-swapped": (gradient(Quantile, lambda a, y: pinball(a, y, 1 - Q)), GRADIENT),
    "quantiles-reversed": (gradient(Quantile, lambda a, y: pinball(a, y, Q[::-1])), GRADIENT),
    "quantiles-all-medians": (gradient(Quantile, lambda a, y: pinball(a, y, 0.5 + 0 * Q)), GRADIENT),
    "gaussian-s-is-the-variance": (gradient(GaussianNLL, lambda a, y: gaussian(a, y, lambda s: 1 / s)), GRADIENT),
    "gaussian-s-is-log-sigma": (gradient(GaussianNLL, lambda a, y: gaussian(a, y, lambda s: np.exp(-2 * s))), GRADIENT),
    "gaussian-without-half": (gradient(GaussianNLL, lambda a, y: gaussian(a, y, half=1.0)), GRADIENT),
    "tokens-ignored-count": (token_gradient(lambda y: np.ones(y.shape), 0), GRADIENT),
    "tokens-sum-for-mean": (token_gradient(lambda y: (y >= 0) * 1.0), GRADIENT),
    "tokens-mean-over-all": (token_gradient(lambda y: (y >= 0) / y.shape[1]), GRADIENT),
    "tokens-mean-over-the-batch": (
        changed(
            TokenCrossEntropy, value=lambda s, p, a, y, weight=None: p(a, y, weight) * len(y) / max(1, (y >= 0).sum())
        ),
        MEAN,
    ),
    "cosine-without-projection": (gradient(CosineDistance, lambda a, y: -unit(y)), GRADIENT),
    "cosine-without-length": (gradient(CosineDistance, lambda a, y: cosine(unit(a), y)), GRADIENT),
    "cosine-sign": (gradient(CosineDistance, lambda a, y: -cosine(a, y)), GRADIENT),
    "mse-without-1/n": (scaled(MSE, lambda n: n), GRADIENT),
    "mse-1/n-twice": (scaled(MSE, lambda n: 1 / n), GRADIENT),
    "mse-1/n-for-one-batch-size": (scaled(MSE, lambda n: n / 5), GRADIENT),
    "mse-without-half": (gradient(MSE, lambda a, y: 2 * (a - y)), GRADIENT),
    "mse-sign": (gradient(MSE, lambda a, y: y - a), GRADIENT),
    "mse-mean-over-outputs": (gradient(MSE, lambda a, y: (a - y) / a.shape[1]), GRADIENT),
    "mse-1e-4": (scaled(MSE, lambda n: 1 + 1e-4), GRADIENT),
    "mse-gradient-in-y": (gradient(MSE, lambda a, y: a * 0 + y), GRADIENT),
    "mse-value-over-n-twice": (changed(MSE, value=lambda self, parent, a, *rest: parent(a, *rest) / len(a)), MEAN),
    "mse-sum-for-mean": (changed(MSE, value=lambda self, parent, a, *rest: parent(a, *rest) * len(a)), MEAN),
    "mae-without-sign": (gradient(MAE, lambda a, y: np.ones_like(a)), GRADIENT),
    "mae-of-the-square": (gradient(MAE, lambda a, y: a - y), GRADIENT),
    "huber-without-threshold": (gradient(Huber, lambda a, y: a - y, threshold=0.5), GRADIENT),
    "huber-only-sign": (gradient(Huber, lambda a, y: np.sign(a - y)), GRADIENT),
    "poisson-without-labels": (gradient(Poisson, lambda a, y: 1 - 1 / a), GRADIENT),
    "poisson-without-one": (gradient(Poisson, lambda a, y: -y / a), GRADIENT),
    "cross-entropy-a-minus-y": (gradient(CrossEntropy, lambda a, y: a - one_hot(a, y)), GRADIENT),
    "cross-entropy-without-a": (gradient(CrossEntropy, lambda a, y: -one_hot(a, y)), GRADIENT),
    "binary-without-second-term": (gradient(BinaryCrossEntropy, lambda a, y: -y / a), GRADIENT),
    "binary-a-minus-y": (gradient(BinaryCrossEntropy, lambda a, y: a - y), GRADIENT),
    "canonical-without-1/n": (scaled(CrossEntropy, lambda n: n, "canonical_delta"), CANONICAL),
    "canonical-1/n-twice": (scaled(BinaryCrossEntropy, lambda n: 1 / n, "canonical_delta"), CANONICAL),
    "canonical-sign": (scaled(CrossEntropy, lambda n: -1, "canonical_delta"), CANONICAL),
    "canonical-1e-4": (scaled(BinaryCrossEntropy, lambda n: 1 + 1e-4, "canonical_delta"), CANONICAL),
    "canonical-with-slope": (
        changed(BinaryCrossEntropy, canonical_delta=lambda self, parent, a, *rest: parent(a, *rest) * a * (1 - a)),
        CANONICAL,
    ),
    "weights-missing-in-gradient": (
        changed(MSE, gradient=lambda self, parent, a, y, workspace, weight=None: parent(a, y, workspace)),
        WEIGHTS,
    ),
    "padding-in-value": (changed(CTC, value=lambda s, p, a, y, weight=None: p(a, y, of_examples(weight))), PADDING),
    "padding-in-gradient": (
        changed(CTC, gradient=lambda s, p, a, y, workspace, weight=None: p(a, y, workspace, of_examples(weight))),
        PADDING,
    ),
    "padding-in-delta": (
        changed(
            CTC, canonical_delta=lambda s, p, a, y, workspace, weight=None: p(a, y, workspace, of_examples(weight))
        ),
        PADDING,
    ),
    "weights-missing-in-value": (changed(MSE, value=lambda self, parent, a, y, weight=None: parent(a, y)), WEIGHTS),
    "weights-normalised": (
        changed(
            MSE,
            value=lambda self, parent, a, y, weight=None: parent(
                a, y, None if weight is None else weight / weight.mean()
            ),
        ),
        WEIGHTS,
    ),
}


@pytest.mark.parametrize(("cost", "check"), MATHEMATICAL.values(), ids=MATHEMATICAL)
def test_wrong_cost_is_found(cost, check):
    report = run_checks(cost, only=[check])
    assert [item.check for item in report.failures] == [check], report


@pytest.mark.parametrize("item", default_registry().components("cost"), ids=lambda item: item.name)
@pytest.mark.parametrize(("method", "check"), [("gradient", GRADIENT), ("canonical_delta", CANONICAL)])
def test_relative_error_of_1e_4_is_found_in_every_cost(item, method, check):
    base = default_registry().load("cost", item.qualified_name)
    if not hasattr(base, method):
        assert base.canonical is None
        return
    options = {"cost": CrossEntropy()} if item.name == "each_member" else None
    assert not run_checks(scaled(base, lambda n: 1 + 1e-4, method, options), only=[check]).ok


_KEPT = {}


def shared(self, parent, a, *rest):
    buffer = _KEPT.setdefault((a.shape, a.dtype), np.empty_like(a))
    buffer[...] = parent(a, *rest)
    return buffer


def first_batch(self, parent, a, y, workspace, weight=None):
    """The gradient is over the number of examples in the first batch."""
    if "n" not in workspace:
        workspace["n"] = len(a)
    return parent(a, y, workspace, weight) * len(a) / workspace["n"]


def labels_by_identity(self, parent, a, y, workspace, weight=None):
    """Labels are copied once for each array y, whatever is in it later."""
    if "y" not in workspace or workspace["y"] is not y:
        workspace["y"], workspace["copy"] = y, y.copy()
    return parent(a, workspace["copy"], workspace, weight)


def base_of(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def as_in_its_base(self, parent, a, *rest):
    return parent(base_of(a).reshape(-1)[: a.size].reshape(a.shape), *rest)


def refuses(self, parent, y, output_shape):
    raise nnfw.DataError("no")


def takes_all(self, parent, y, output_shape):
    return np.resize(np.nan_to_num(y), (len(y), *output_shape))


def raises_something(self, parent, y, output_shape):
    return parent(y, output_shape) if np.isfinite(y).all() else [][0]


def in_place(self, parent, y, output_shape):
    y *= 2
    return parent(y, output_shape)


CONSTANT = "cost.constant_is_an_output"
PREDICTIONS = "cost.predictions_are_labels"
CONTRACT = {
    "predictions-of-all-quantiles": (changed(Quantile, predictions=lambda s, p, a: {"quantiles": a}), PREDICTIONS),
    "predictions-as-a-list": (changed(Quantile, predictions=lambda s, p, a: list(p(a).values())), PREDICTIONS),
    "predictions-by-number": (
        changed(Quantile, predictions=lambda s, p, a: dict(enumerate(p(a).values()))),
        PREDICTIONS,
    ),
    "constant-of-one-output": (changed(MSE, constant=lambda s, p, y, shape, w=None: p(y, shape, w).mean()), CONSTANT),
    "constant-outside-the-domain": (changed(Poisson, constant=lambda s, p, *rest: -p(*rest)), CONSTANT),
    "constant-without-weights": (changed(MAE, constant=lambda s, p, y, shape, w=None: p(y, shape)), CONSTANT),
    "constant-of-the-sum": (
        changed(CrossEntropy, constant=lambda s, p, y, shape, w=None: p(y, shape, w) * len(y)),
        CONSTANT,
    ),
    "refuses-all-labels": (changed(MSE, targets=refuses), "cost.takes_some_labels"),
    "labels-in-place": (changed(MSE, targets=in_place), "cost.targets_leaves_labels_alone"),
    "numpy-number": (changed(MSE, value=lambda s, p, *rest: np.float64(p(*rest))), "cost.value_is_a_number"),
    "float32-inside": (changed(MSE, gradient=lambda s, p, *rest: p(*rest).astype(np.float32)), "cost.keeps_dtype"),
    "outputs-in-place": (
        changed(MSE, gradient=lambda s, p, a, *rest: p(np.negative(a, out=a), *rest)),
        "cost.leaves_its_arguments_alone",
    ),
    "first-example-counts-twice": (
        changed(MSE, value=lambda s, p, a, y, weight=None: p(a, y, weight) + p(a[:1], y[:1])),
        "cost.order_of_examples_does_not_matter",
    ),
    "value-of-z-is-another": (
        changed(CrossEntropy, value_from_z=lambda s, p, *rest: p(*rest) * 1.001),
        "cost.canonical_value_is_the_value",
    ),
    "logits-overflow": (
        changed(BinaryCrossEntropy, value_from_z=lambda s, p, z, y, weight=None: p(np.log(np.exp(z)), y, weight)),
        "cost.canonical_form_is_finite_at_extreme_logits",
    ),
    "least-elsewhere": (
        changed(MSE, value=lambda s, p, a, y, weight=None: p(a, y + 0.1, weight)),
        "cost.least_at_labels_where_declared",
    ),
    "takes-impossible-labels": (changed(MSE, targets=takes_all), "cost.impossible_labels_are_refused"),
    "raises-something": (changed(MSE, targets=raises_something), "cost.impossible_labels_are_refused"),
    "strided": (changed(MSE, gradient=as_in_its_base), "cost.memory_layout_does_not_matter"),
    "stale": (changed(MSE, gradient=first_batch), "cost.reused_workspace_is_like_new"),
    "labels-by-identity": (changed(CrossEntropy, gradient=labels_by_identity), "cost.reused_workspace_is_like_new"),
    "labels-by-identity-in-canonical-delta": (
        changed(CrossEntropy, canonical_delta=labels_by_identity),
        "cost.reused_workspace_is_like_new",
    ),
    "written-otherwise": (WrittenOtherwise(), "cost.written_value_is_the_value"),
    "shared-memory": (changed(MSE, gradient=shared), "cost.workspaces_do_not_meet"),
    "hidden-nan": (
        changed(MSE, value=lambda s, p, a, y, weight=None: p(np.nan_to_num(a), y, weight)),
        "cost.nan_is_not_hidden",
    ),
}


@pytest.mark.parametrize(("cost", "check"), CONTRACT.values(), ids=CONTRACT)
def test_broken_contract_is_found(cost, check):
    report = run_checks(cost, only=[check])
    assert [item.check for item in report.failures] == [check], report


def test_cost_that_refuses_common_labels_is_told_of_samples():
    report = run_checks(changed(MSE, targets=refuses), only=["cost.takes_some_labels"])
    assert report.failures[0].message.endswith(" Give it a method samples(rng), which yields what it takes.")


def test_every_check_of_costs_finds_something():
    found = {check for _, check in (*MATHEMATICAL.values(), *CONTRACT.values())}
    missing = {check.id for check in checks_of("cost") if check.id.startswith("cost.")} - found
    assert missing == {"cost.recorded_gradient_is_like_asked_again"}  # tests/planted/test_recorded.py


@pytest.mark.parametrize("name", [item.name for item in default_registry().components("cost")])
def test_standard_cost_passes_everything(name):
    report = run_checks(f"cost:{name}")
    assert report.ok, report
