"""Right components of many sorts, as other people might write them: the kit has nothing to say against any."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, ClassVar

import numpy as np
import pytest
from annotated_types import Ge, Gt, Lt
from numpy.lib.stride_tricks import sliding_window_view

import nnfw
from nnfw.testing import run_checks


def require_axes(input_shape, count):
    if len(input_shape) != count:
        raise nnfw.ShapeError(f"expected input with {count} axes, got {input_shape}.")


@dataclass(frozen=True)
class BatchNorm(nnfw.Layer):
    """z = γ (x − mean) / √(variance + ε) + β over the batch; running means outside of training.

    Parameters
    ----------
    activation
        σ.
    momentum
        Of the running means.
    epsilon
        ε.
    """

    _: KW_ONLY
    activation: nnfw.Activation | str = "identity"
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    epsilon: Annotated[float, Gt(0)] = 1e-3

    rows_independent: ClassVar[bool] = False

    def output_shape(self, input_shape):
        require_axes(input_shape, 1)
        return input_shape

    def parameters(self, input_shape):
        one, zero = nnfw.initializer("constant", value=1.0), nnfw.initializer("zeros")
        return {
            "gamma": nnfw.Parameter(input_shape, one, decays=False),
            "beta": nnfw.Parameter(input_shape, zero, decays=False),
            "mean": nnfw.Parameter(input_shape, zero, trainable=False),
            "variance": nnfw.Parameter(input_shape, one, trainable=False),
        }

    def forward(self, params, a_prev, workspace):
        mean, variance = params["mean"], params["variance"]
        if workspace.training and len(a_prev):
            batch_mean, batch_variance = a_prev.mean(axis=0), a_prev.var(axis=0)
            mean *= self.momentum
            mean += (1 - self.momentum) * batch_mean
            variance *= self.momentum
            variance += (1 - self.momentum) * batch_variance
            mean, variance = batch_mean, batch_variance
        root = np.sqrt(variance + self.epsilon)
        normal = np.subtract(a_prev, mean, out=workspace.buffer("normal", a_prev.shape))
        normal /= root
        workspace["forward"] = normal, root
        z = np.multiply(normal, params["gamma"], out=workspace.buffer("z", a_prev.shape))
        z += params["beta"]
        return z

    def backward(self, params, delta, grads, workspace):
        normal, root = workspace["forward"]
        np.einsum("ij,ij->j", delta, normal, out=grads["gamma"])
        np.sum(delta, axis=0, out=grads["beta"])
        result = np.multiply(delta, params["gamma"] / root, out=workspace.buffer("grad", delta.shape))
        if workspace.training and len(delta):
            product = np.multiply(result, normal, out=workspace.buffer("product", delta.shape))
            along = product.mean(axis=0)
            result -= result.mean(axis=0)
            np.multiply(normal, along, out=product)
            result -= product
        return result


@dataclass(frozen=True)
class Conv1D(nnfw.Layer):
    """z_it = Σ_ks w_iks x_k,t+s + b_i: correlation along the last of two axes, without padding.

    Parameters
    ----------
    channels
        Number of outputs.
    width
        Of the kernel.
    activation
        σ.
    initializer
        Of w.
    """

    channels: Annotated[int, Ge(1)] = 2
    width: Annotated[int, Ge(1)] = 2
    _: KW_ONLY
    activation: nnfw.Activation | str = "identity"
    initializer: nnfw.Initializer | str = "glorot_uniform"

    def output_shape(self, input_shape):
        require_axes(input_shape, 2)
        if input_shape[1] < self.width:
            raise nnfw.ShapeError(f"expected at least {self.width} values along the last axis, got {input_shape}.")
        return (self.channels, input_shape[1] - self.width + 1)

    def parameters(self, input_shape):
        return {
            "weight": nnfw.Parameter((self.channels, input_shape[0], self.width), self.initializer),
            "bias": nnfw.Parameter((self.channels,), nnfw.initializer("zeros"), decays=False),
        }

    def forward(self, params, a_prev, workspace):
        windows = workspace["windows"] = sliding_window_view(a_prev, self.width, axis=2)  # (N, k, t, s)
        shape = (len(a_prev), *self.output_shape(a_prev.shape[1:]))
        z = np.einsum("nkts,iks->nit", windows, params["weight"], out=workspace.buffer("z", shape))
        z += params["bias"][:, np.newaxis]
        return z

    def backward(self, params, delta, grads, workspace):
        windows = workspace["windows"]
        np.einsum("nit,nkts->iks", delta, windows, out=grads["weight"])
        np.sum(delta, axis=(0, 2), out=grads["bias"])
        shape = (len(delta), windows.shape[1], windows.shape[2] + self.width - 1)
        result = workspace.buffer("grad", shape)
        result[...] = 0
        steps = delta.shape[2]
        for s in range(self.width):
            part = workspace.buffer("part", (len(delta), windows.shape[1], steps))
            result[:, :, s : s + steps] += np.einsum("nit,ik->nkt", delta, params["weight"][:, :, s], out=part)
        return result


@dataclass(frozen=True)
class MaxPool(nnfw.Layer):
    """z_k = max_t x_kt, over the last axis.

    Parameters
    ----------
    activation
        σ.
    """

    _: KW_ONLY
    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        require_axes(input_shape, 2)
        return input_shape[:1]

    def forward(self, params, a_prev, workspace):
        workspace["forward"] = a_prev.shape, a_prev.argmax(axis=2)
        return a_prev.max(axis=2)

    def backward(self, params, delta, grads, workspace):
        shape, where = workspace["forward"]
        result = workspace.buffer("grad", shape)
        result[...] = 0
        np.put_along_axis(result, where[..., np.newaxis], delta[..., np.newaxis], axis=2)
        return result


@dataclass(frozen=True)
class Attention(nnfw.Layer):
    """z = softmax(x x^T / √d) x: each row of an example looks at all its rows.

    Parameters
    ----------
    activation
        σ.
    """

    _: KW_ONLY
    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        require_axes(input_shape, 2)
        return input_shape

    def forward(self, params, a_prev, workspace):
        n, t, d = a_prev.shape
        p = np.matmul(a_prev, a_prev.transpose(0, 2, 1), out=workspace.buffer("p", (n, t, t)))
        p /= float(np.sqrt(d))
        p -= p.max(axis=2, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(axis=2, keepdims=True)
        workspace["forward"] = a_prev, p
        return np.matmul(p, a_prev, out=workspace.buffer("z", a_prev.shape))

    def backward(self, params, delta, grads, workspace):
        x, p = workspace["forward"]
        result = np.matmul(p.transpose(0, 2, 1), delta, out=workspace.buffer("grad", x.shape))
        ds = np.matmul(delta, x.transpose(0, 2, 1), out=workspace.buffer("ds", p.shape))
        ds -= np.einsum("nts,nts->nt", ds, p)[:, :, np.newaxis]
        ds *= p
        ds /= float(np.sqrt(x.shape[2]))
        part = workspace.buffer("part", x.shape)
        result += np.matmul(ds, x, out=part)
        result += np.matmul(ds.transpose(0, 2, 1), x, out=part)
        return result


@dataclass(frozen=True)
class Noise(nnfw.Layer):
    """z = x + deviation · ε with normal ε in training, z = x otherwise.

    Parameters
    ----------
    deviation
        Of the noise.
    activation
        σ.
    """

    deviation: Annotated[float, Ge(0)] = 0.5
    _: KW_ONLY
    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, params, a_prev, workspace):
        if not workspace.training:
            return a_prev
        z = workspace.buffer("z", a_prev.shape)
        workspace.rng.standard_normal(out=z, dtype=z.dtype)
        z *= self.deviation
        z += a_prev
        return z

    def backward(self, params, delta, grads, workspace):
        return delta


@dataclass(frozen=True)
class Halves(nnfw.Layer):
    """z = u ⊙ sigmoid(v), where (u, v) are the halves of x: a gate without parameters.

    Parameters
    ----------
    activation
        σ.
    """

    _: KW_ONLY
    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        require_axes(input_shape, 1)
        if input_shape[0] % 2:
            raise nnfw.ShapeError(f"expected an even number of inputs, got {input_shape}.")
        return (input_shape[0] // 2,)

    def forward(self, params, a_prev, workspace):
        half = a_prev.shape[1] // 2
        s = np.tanh(np.multiply(a_prev[:, half:], 0.5), out=workspace.buffer("s", (len(a_prev), half)))
        s += 1
        s *= 0.5
        workspace["forward"] = a_prev, s
        return np.multiply(a_prev[:, :half], s, out=workspace.buffer("z", s.shape))

    def backward(self, params, delta, grads, workspace):
        a_prev, s = workspace["forward"]
        half = a_prev.shape[1] // 2
        result = workspace.buffer("grad", a_prev.shape)
        np.multiply(delta, s, out=result[:, :half])
        np.multiply(delta, a_prev[:, :half], out=result[:, half:])
        result[:, half:] *= s
        result[:, half:] *= 1 - s
        return result


@dataclass(frozen=True)
class Recurrent(nnfw.Layer):
    """h_t = tanh(w x_t + u h_(t−1)), z = h_T: the last state of a plain recurrent network.

    Parameters
    ----------
    units
        Size of h.
    activation
        σ.
    initializer
        Of w and u.
    """

    units: Annotated[int, Ge(1)] = 3
    _: KW_ONLY
    activation: nnfw.Activation | str = "identity"
    initializer: nnfw.Initializer | str = "glorot_uniform"

    def output_shape(self, input_shape):
        require_axes(input_shape, 2)
        return (self.units,)

    def parameters(self, input_shape):
        return {
            "w": nnfw.Parameter((self.units, input_shape[1]), self.initializer),
            "u": nnfw.Parameter((self.units, self.units), self.initializer),
        }

    def forward(self, params, a_prev, workspace):
        n, steps, _ = a_prev.shape
        h = workspace.buffer("h", (n, steps + 1, self.units))
        h[:, 0] = 0
        for t in range(steps):
            h[:, t + 1] = np.tanh(a_prev[:, t] @ params["w"].T + h[:, t] @ params["u"].T)
        workspace["forward"] = a_prev, h
        return h[:, -1]

    def backward(self, params, delta, grads, workspace):
        a_prev, h = workspace["forward"]
        result = workspace.buffer("grad", a_prev.shape)
        for gradient in grads.values():
            gradient[...] = 0
        for t in reversed(range(a_prev.shape[1])):
            inner = delta * (1 - h[:, t + 1] ** 2)
            grads["w"][...] += inner.T @ a_prev[:, t]
            grads["u"][...] += inner.T @ h[:, t]
            result[:, t] = inner @ params["w"]
            delta = inner @ params["u"]
        return result


@dataclass(frozen=True)
class PReLU(nnfw.Layer):
    """z = max(0, x) + s ⊙ min(0, x), with slopes s that are trained.

    Parameters
    ----------
    activation
        σ.
    """

    _: KW_ONLY
    activation: nnfw.Activation | str = "identity"

    def output_shape(self, input_shape):
        return input_shape

    def parameters(self, input_shape):
        return {"slope": nnfw.Parameter(input_shape, nnfw.initializer("constant", value=0.25), decays=False)}

    def forward(self, params, a_prev, workspace):
        workspace["a_prev"] = a_prev
        z = np.minimum(a_prev, 0, out=workspace.buffer("z", a_prev.shape))
        z *= params["slope"]
        z += np.maximum(a_prev, 0, out=workspace.buffer("positive", a_prev.shape))
        return z

    def backward(self, params, delta, grads, workspace):
        a_prev = workspace["a_prev"]
        part = np.minimum(a_prev, 0, out=workspace.buffer("part", a_prev.shape))
        part *= delta
        np.sum(part, axis=0, out=grads["slope"])
        result = np.multiply(delta, params["slope"], out=workspace.buffer("grad", delta.shape))
        np.copyto(result, delta, where=a_prev > 0)
        return result


@dataclass(frozen=True)
class SquaredReLU(nnfw.Elementwise):
    """a = max(0, z)²."""

    monotonic: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0, np.inf)

    def value(self, z):
        return np.square(np.maximum(z, 0))

    def derivative(self, z, a):
        return 2 * np.maximum(z, 0)


@dataclass(frozen=True)
class Sparsemax(nnfw.Activation):
    """a = the point of the simplex that is nearest to z; δ = g − mean of g over the support, on the support."""

    range: ClassVar[tuple[float, float]] = (0, 1)

    def forward(self, z, workspace):
        ordered = -np.sort(-z, axis=-1)
        sums = np.cumsum(ordered, axis=-1) - 1
        ranks = np.arange(1, z.shape[-1] + 1, dtype=z.dtype)
        size = np.maximum((ordered * ranks > sums).sum(axis=-1, keepdims=True), 1)
        threshold = np.take_along_axis(sums, size - 1, axis=-1) / size.astype(z.dtype)
        return np.maximum(z - threshold, 0)

    def delta(self, grad_a, z, a, workspace):
        support = a > 0
        count = np.maximum(support.sum(axis=-1, keepdims=True), 1).astype(z.dtype)
        mean = (grad_a * support).sum(axis=-1, keepdims=True) / count
        return np.where(np.isnan(a), a, support * (grad_a - mean))


@dataclass(frozen=True)
class RandomReLU(nnfw.Activation):
    """a = z if z > 0, else s z, with a random slope s for each z in training, and its mean otherwise."""

    def forward(self, z, workspace):
        s = workspace.buffer("s", z.shape)
        s[...] = workspace.rng.uniform(0.1, 0.3, z.shape) if workspace.training else 0.2
        return np.where(z > 0, z, s * z)

    def delta(self, grad_a, z, a, workspace):
        return grad_a * np.where(z > 0, 1, workspace.buffer("s", z.shape))


@dataclass(frozen=True)
class Sine(nnfw.Elementwise):
    """a = sin z."""

    range: ClassVar[tuple[float, float]] = (-1, 1)

    def value(self, z):
        return np.sin(z)

    def derivative(self, z, a):
        return np.cos(z)


def labels_like(name, y, output_shape, low=-np.inf, high=np.inf):
    y = np.asarray(y)
    if y.ndim == 1 and output_shape == (1,):
        y = y[:, np.newaxis]
    if y.shape[1:] != output_shape:
        raise nnfw.DataError(f"{name}: labels must have shape {('N', *output_shape)}, got {y.shape}.")
    if y.dtype.kind not in "biuf" or not ((y >= low) & (y <= high) & np.isfinite(y)).all():
        raise nnfw.DataError(f"{name}: labels must be finite numbers from {low} to {high}.")
    return y.astype(np.float64) if y.dtype.kind != "f" else y


def weighted(c, weight):
    c = c.reshape(len(c), -1).sum(axis=1)
    return float(np.mean(c if weight is None else c * weight))


def scaled(gradient, weight):
    gradient = gradient / len(gradient)
    return (
        gradient if weight is None else gradient * weight.reshape(-1, *[1] * (gradient.ndim - 1)).astype(gradient.dtype)
    )


@dataclass(frozen=True)
class Hinge(nnfw.Cost):
    """C = 1/N Σ max(0, 1 − y a), for labels of −1 and 1."""

    def targets(self, y, output_shape):
        y = labels_like("hinge", y, output_shape, -1, 1)
        if not (np.abs(y) == 1).all():
            raise nnfw.DataError("hinge: labels must be -1 or 1.")
        return y

    def value(self, a, y, weight=None):
        return weighted(np.maximum(1 - y * a, 0), weight)

    def gradient(self, a, y, workspace, weight=None):
        y = y.astype(a.dtype)
        return scaled(np.where(np.isnan(a), a, np.where(y * a < 1, -y, np.zeros_like(a))), weight)


@dataclass(frozen=True)
class Focal(nnfw.Cost):
    """C = −1/N Σ y (1 − a)² log a + (1 − y) a² log(1 − a), for probabilities a.

    Parameters
    ----------
    floor
        Probabilities count as at least that.
    """

    floor: Annotated[float, Gt(0), Lt(0.5)] = 1e-6

    domain: ClassVar[tuple[float, float]] = (0, 1)

    def targets(self, y, output_shape):
        return labels_like("focal", y, output_shape, 0, 1)

    def value(self, a, y, weight=None):
        a = np.clip(a, self.floor, 1 - self.floor)
        return weighted(-(y * (1 - a) ** 2 * np.log(a) + (1 - y) * a**2 * np.log1p(-a)), weight)

    def gradient(self, a, y, workspace, weight=None):
        y = y.astype(a.dtype)
        inside = (a > self.floor) & (a < 1 - self.floor) | np.isnan(a)
        b = np.clip(a, self.floor, 1 - self.floor)
        positive = 2 * (1 - b) * np.log(b) - (1 - b) ** 2 / b
        negative = b**2 / (1 - b) - 2 * b * np.log1p(-b)
        return scaled(np.where(inside, y * positive + (1 - y) * negative, np.zeros_like(a)), weight)


@dataclass(frozen=True)
class Lion(nnfw.Optimizer):
    """θ ← θ − η sign(β m + (1 − β) g), m ← 0.99 m + 0.01 g; weights decay by η λ.

    Parameters
    ----------
    learning_rate
        η.
    beta
        β.
    weight_decay
        λ.
    """

    learning_rate: Annotated[float, Gt(0)] = 1e-3
    _: KW_ONLY
    beta: Annotated[float, Ge(0), Lt(1)] = 0.9
    weight_decay: Annotated[float, Ge(0)] = 0.0

    def state(self, vector):
        return {"m": np.zeros_like(vector)}

    def update(self, vector, gradient, state, step, learning_rate, decays):
        m = state["m"]
        vector[decays] *= 1 - learning_rate * self.weight_decay
        vector -= learning_rate * np.sign(self.beta * m + (1 - self.beta) * gradient)
        m *= 0.99
        m += 0.01 * gradient


@dataclass(frozen=True)
class Adamax(nnfw.Optimizer):
    """m, u = max(β₂ u, |g|): θ ← θ − η / (1 − β₁^t) m / u.

    Parameters
    ----------
    learning_rate
        η.
    """

    learning_rate: Annotated[float, Gt(0)] = 2e-3

    def state(self, vector):
        return {"m": np.zeros_like(vector), "u": np.zeros_like(vector)}

    def update(self, vector, gradient, state, step, learning_rate, decays):
        m, u = state["m"], state["u"]
        m *= 0.9
        m += 0.1 * gradient
        u *= 0.999
        np.maximum(u, np.abs(gradient), out=u)
        vector -= learning_rate / (1 - 0.9**step) * m / (u + 1e-30)


@dataclass(frozen=True)
class Cyclic(nnfw.Schedule):
    """A triangle between 0.1 and 1.

    Parameters
    ----------
    period
        Its length in epochs.
    """

    period: Annotated[float, Gt(0)] = 4.0

    def factor(self, t, epochs, history):
        return 0.1 + 0.9 * np.abs(2 * ((t / self.period) % 1) - 1)


@dataclass(frozen=True)
class Sparse(nnfw.Initializer):
    """Normal values, most of which are 0.

    Parameters
    ----------
    share
        Of values that are not 0.
    """

    share: Annotated[float, Gt(0), Lt(1)] = 0.3

    def sample(self, shape, fan_in, fan_out, rng):
        return rng.standard_normal(shape) * (rng.random(shape) < self.share)

    def variance(self, shape, fan_in, fan_out):
        return self.share


@dataclass(frozen=True)
class Huberized(nnfw.Regularizer):
    """Σ √(w² + 1) − 1."""

    def value(self, w):
        return float(np.sum(np.sqrt(np.square(w) + 1) - 1))

    def add_gradient(self, w, gradient):
        gradient += w / np.sqrt(np.square(w) + 1)


@dataclass(frozen=True)
class Percentage(nnfw.Metric):
    """Mean of |a − y| / (|y| + 1)."""

    higher_is_better: ClassVar[bool] = False

    def statistics(self, a, y, weight=None):
        if a.shape != y.shape:
            raise nnfw.DataError("percentage: outputs and labels must have one shape.")
        error = (np.abs(a - y) / (np.abs(y) + 1)).reshape(len(a), -1).mean(axis=1)
        weight = np.ones(len(a)) if weight is None else weight
        return np.array([np.sum(error * weight), np.sum(weight)], np.float64)

    def result(self, statistics):
        return float(statistics[0] / statistics[1]) if statistics[1] else float("nan")


@dataclass(frozen=True)
class Ranks(nnfw.Transform):
    """x' = the quantile of x among the training values, piecewise linear.

    Parameters
    ----------
    columns
        Which.
    """

    columns: tuple[str, ...] | None = None

    accepts: ClassVar[str] = "numeric"

    def fit(self, column):
        return {"knots": np.unique(np.quantile(column, np.linspace(0, 1, 9))).tolist()}

    def apply(self, column, fitted):
        knots = np.asarray(fitted["knots"])
        return np.interp(column, knots, np.arange(len(knots)), left=None, right=None)

    def invert(self, column, fitted):
        knots = np.asarray(fitted["knots"])
        return np.interp(column, np.arange(len(knots)), knots)


@dataclass(frozen=True)
class Logarithm(nnfw.Transform):
    """x' = sign(x) log(1 + |x|).

    Parameters
    ----------
    columns
        Which.
    """

    columns: tuple[str, ...] | None = None

    accepts: ClassVar[str] = "numeric"

    def fit(self, column) -> Mapping:
        return {}

    def apply(self, column, fitted):
        return np.sign(column) * np.log1p(np.abs(column))

    def invert(self, column, fitted):
        return np.sign(column) * np.expm1(np.abs(column))


@dataclass(frozen=True)
class Patience(nnfw.Callback):
    """Counts epochs and stops after some.

    Parameters
    ----------
    epochs
        How many.
    """

    epochs: Annotated[int, Ge(1)] = 2

    def state(self, fit):
        return {"count": 0}

    def epoch_ended(self, fit, record, state):
        state["count"] += 1
        if state["count"] == self.epochs:
            fit.stop("enough")


LAYERS = [
    BatchNorm(),
    Conv1D(),
    MaxPool(),
    Attention(),
    Noise(),
    Halves(),
    Recurrent(),
    PReLU(),
    BatchNorm(activation="relu"),
]
OTHERS = [SquaredReLU(), Sparsemax(), RandomReLU(), Sine(), Hinge(), Focal(), Lion(), Lion(weight_decay=0.1), Adamax()]
SMALL = [Cyclic(), Sparse(), Huberized(), Percentage(), Ranks(), Logarithm(), Patience()]


@pytest.mark.parametrize("component", [*LAYERS, *OTHERS, *SMALL], ids=lambda item: type(item).__name__)
def test_right_component_passes(component):
    report = run_checks(component)
    assert report.ok, str(report)
