"""Activations: a = σ(z), each with its derivative.

Activations compute in buffers of their workspace: `out` receives the result, `scratch` an intermediate array if the
formula needs one. Without them NumPy allocates, so ``Sigmoid().value(z)`` is a plain function.

For finite z all results are finite, without warnings; NaN stays NaN. `range` is that of the exact σ: rounding may
exceed it by an ε. At a kink of σ, the docstring defines σ'.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from math import ceil, inf, pi, sqrt
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le

from nnfw.arrays import Array
from nnfw.errors import ShapeError
from nnfw.network import Workspace
from nnfw.ops import Operation, kernels_only
from nnfw.protocols import Activation, Elementwise, Shape
from nnfw_standard import operations
from nnfw_standard.operations import exp_limit


class _Buffered(Elementwise):
    """An elementwise activation that writes into the buffers of its workspace."""

    @abstractmethod
    def value(self, z: Array, out: Array | None = None) -> Array:
        """Return σ(z), in `out` if given."""

    @abstractmethod
    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        """Return σ'(z), in `out` if given."""

    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return a = σ(z)."""
        return self.value(z, workspace.buffer("a", z.shape))

    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return δ = ∂C/∂a ⊙ σ'(z)."""
        delta = self.derivative(z, a, workspace.buffer("delta", z.shape))
        return np.multiply(grad_a, delta, out=delta)


class _Scratched(_Buffered):
    """A buffered activation that needs a second array."""

    @abstractmethod
    def value(self, z: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return σ(z), in `out` if given; `scratch` is overwritten."""

    @abstractmethod
    def derivative(self, z: Array, a: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return σ'(z), in `out` if given; `scratch` is overwritten."""

    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return a = σ(z)."""
        return self.value(z, workspace.buffer("a", z.shape), workspace.buffer("scratch", z.shape))

    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return δ = ∂C/∂a ⊙ σ'(z)."""
        delta = self.derivative(z, a, workspace.buffer("delta", z.shape), workspace.buffer("scratch", z.shape))
        return np.multiply(grad_a, delta, out=delta)


class _ByOperation(_Buffered):
    """An activation whose σ and δ are operations."""

    sigma: ClassVar[Operation]
    sigma_delta: ClassVar[Operation]

    def value(self, z: Array, out: Array | None = None) -> Array:
        """Return σ(z), in `out` if given."""
        out = np.empty_like(z) if out is None else out
        self.sigma.definition(z, out)
        return out

    @kernels_only
    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return a = σ(z)."""
        a = workspace.buffer("a", z.shape)
        self.sigma(z, a)
        return a

    @kernels_only
    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return δ = ∂C/∂a ⊙ σ'(z)."""
        delta = workspace.passing("delta", z.shape)
        self.sigma_delta(grad_a, a, delta)
        return delta


@dataclass(frozen=True)
class Sigmoid(_ByOperation):
    """The logistic function, from 0 to 1.

    a = 1 / (1 + e^−z), σ'(z) = a (1 − a)

    Notes
    -----
    Full relative precision down to z = −709 (float32: −88); below, `a` stays at its value there, 1e-308 (6e-39). σ' has
    the absolute precision of `a`: it is 0 where `a` rounds to 1, from z = 37 (float32: 17).

    Examples
    --------
    >>> Sigmoid().value(np.array([-1e4, 0.0, np.log(3.0)])).round(4)
    array([0.  , 0.5 , 0.75])
    """

    range: ClassVar[tuple[float, float] | None] = (0, 1)
    monotonic: ClassVar[bool] = True
    sigma: ClassVar[Operation] = operations.sigmoid
    sigma_delta: ClassVar[Operation] = operations.sigmoid_delta

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        """Return a (1 − a)."""
        return np.multiply(np.subtract(1, a, out=out), a, out=out)


@dataclass(frozen=True)
class Tanh(_ByOperation):
    """The hyperbolic tangent, from −1 to 1.

    a = tanh z, σ'(z) = 1 − a²

    Notes
    -----
    σ' has the absolute precision of `a`: it is 0 where `a` rounds to ±1, from |z| = 19 (float32: 10).

    Examples
    --------
    >>> Tanh().value(np.array([-1e4, 0.0, np.log(2.0)])).round(4)
    array([-1. ,  0. ,  0.6])
    """

    range: ClassVar[tuple[float, float] | None] = (-1, 1)
    monotonic: ClassVar[bool] = True
    sigma: ClassVar[Operation] = operations.tanh
    sigma_delta: ClassVar[Operation] = operations.tanh_delta

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        """Return 1 − a²."""
        return np.subtract(1, np.square(a, out=out), out=out)


@dataclass(frozen=True)
class ReLU(_ByOperation):
    """The rectifier.

    a = max(0, z), σ'(z) = 1 if z > 0, else 0

    Notes
    -----
    σ'(0) = 0.

    References
    ----------
    V. Nair, G. Hinton (2010), *Rectified linear units improve restricted Boltzmann machines*.

    Examples
    --------
    >>> ReLU().value(np.array([-2.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """

    range: ClassVar[tuple[float, float] | None] = (0, inf)
    monotonic: ClassVar[bool] = True
    sigma: ClassVar[Operation] = operations.relu
    sigma_delta: ClassVar[Operation] = operations.relu_delta

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        """Return 1 where z > 0, else 0: the sign of `a`."""
        return np.sign(a, out=out)


@dataclass(frozen=True)
class LeakyReLU(_Buffered):
    """A rectifier with a small slope for negative z.

    a = z if z > 0, else slope · z; σ'(z) = 1 if z > 0, else slope

    Parameters
    ----------
    slope
        Slope for negative z, in [0, 1]; 0.01 by default, as in PyTorch (Keras: 0.3).

    Notes
    -----
    σ'(0) = slope.

    References
    ----------
    A. Maas, A. Hannun, A. Ng (2013), *Rectifier nonlinearities improve neural network acoustic models*.

    Examples
    --------
    >>> LeakyReLU(0.1).value(np.array([-2.0, 0.0, 2.0]))
    array([-0.2,  0. ,  2. ])
    """

    slope: Annotated[float, Ge(0), Le(1)] = 0.01

    range: ClassVar[tuple[float, float] | None] = (-inf, inf)  # for every slope but 0
    monotonic: ClassVar[bool] = True

    def value(self, z: Array, out: Array | None = None) -> Array:
        """Return max(slope · z, z), which is the definition since slope ≤ 1."""
        return np.maximum(np.multiply(z, self.slope, out=out), z, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        """Return max(sign z, slope)."""
        return np.maximum(np.sign(z, out=out), self.slope, out=out)


class _ExponentialBelow(_Scratched):
    """a = above · z if z > 0, else below · (e^z − 1)."""

    @property
    @abstractmethod
    def _factors(self) -> tuple[float, float]:
        """`above` and `below`."""

    def value(self, z: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return above · max(z, 0) + below · expm1(min(z, 0))."""
        above, below = self._factors
        top = float(np.finfo(z.dtype).max) / ceil(above)  # above · z must not overflow
        negative = np.expm1(np.minimum(z, 0, out=scratch), out=scratch)
        negative = np.multiply(negative, below, out=scratch)
        positive = np.multiply(np.clip(z, 0, top, out=out), above, out=out)
        return np.add(positive, negative, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return above where z > 0, else a + below."""
        above, below = self._factors
        slope = np.add(np.minimum(a, 0, out=out), below, out=out)
        slope = np.multiply(slope, np.less_equal(z, 0, out=scratch), out=out)
        positive = np.multiply(np.greater(z, 0, out=scratch), above, out=scratch, dtype=z.dtype)
        return np.add(slope, positive, out=out)


@dataclass(frozen=True)
class ELU(_ExponentialBelow):
    """The exponential linear unit.

    a = z if z > 0, else alpha (e^z − 1); σ'(z) = 1 if z > 0, else a + alpha

    Parameters
    ----------
    alpha
        Greater than 0, 1 by default; the limit for z → −∞ is −alpha.

    Notes
    -----
    σ'(0) = alpha. e^z − 1 is computed without cancellation, so small z keep their relative precision. For negative z,
    σ' has the absolute precision of `a`: it is 0 where `a` rounds to −alpha, below z = −37 (float32: −17).

    References
    ----------
    D.-A. Clevert, T. Unterthiner, S. Hochreiter (2016), *Fast and accurate deep network learning by exponential linear
    units (ELUs)*.

    Examples
    --------
    >>> ELU(2.0).value(np.array([-1e4, 0.0, 2.0]))
    array([-2.,  0.,  2.])
    """

    alpha: Annotated[float, Gt(0)] = 1.0

    range: ClassVar[tuple[float, float] | None] = (-inf, inf)  # from −alpha, whatever alpha is
    monotonic: ClassVar[bool] = True

    @property
    def _factors(self) -> tuple[float, float]:
        return 1.0, self.alpha


@dataclass(frozen=True)
class CELU(_Scratched):
    """The exponential linear unit whose derivative is continuous for every alpha.

    a = z if z > 0, else alpha (e^(z/alpha) − 1); σ'(z) = 1 if z > 0, else a/alpha + 1

    Parameters
    ----------
    alpha
        Greater than 0, 1 by default; the limit for z → −∞ is −alpha.

    Notes
    -----
    σ'(0) = 1. For negative z, σ' has the absolute precision of a/alpha, as for :class:`ELU`.

    References
    ----------
    J. T. Barron (2017), *Continuously differentiable exponential linear units*.

    Examples
    --------
    >>> CELU(2.0).value(np.array([-1e4, 0.0, 2.0]))
    array([-2.,  0.,  2.])
    """

    alpha: Annotated[float, Gt(0)] = 1.0

    range: ClassVar[tuple[float, float] | None] = (-inf, inf)  # from −alpha, whatever alpha is
    monotonic: ClassVar[bool] = True

    def value(self, z: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return max(z, 0) + alpha · expm1(min(z, 0)/alpha)."""
        lowest = -self.alpha * exp_limit(z.dtype)  # z/alpha must not overflow
        negative = np.divide(np.clip(z, lowest, 0, out=scratch), self.alpha, out=scratch)
        negative = np.multiply(np.expm1(negative, out=scratch), self.alpha, out=scratch)
        return np.add(np.maximum(z, 0, out=out), negative, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return min(a, 0)/alpha + 1."""
        return np.add(np.divide(np.minimum(a, 0, out=out), self.alpha, out=out), 1, out=out)


@dataclass(frozen=True)
class SELU(_ExponentialBelow):
    """The scaled exponential linear unit: standard normal inputs give outputs of mean 0 and variance 1.

    a = scale · z if z > 0, else scale · alpha (e^z − 1); σ'(z) = scale if z > 0, else a + scale · alpha

    Attributes
    ----------
    scale, alpha
        1.0507… and 1.6732…, which solve these two conditions.

    Notes
    -----
    σ'(0) = scale · alpha. Use it with `lecun_normal` weights. Precision as for :class:`ELU`: σ' is 0 below z = −37
    (float32: −17).

    References
    ----------
    G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter (2017), *Self-normalizing neural networks*, also for the closed
    form of the constants in erfc.

    Examples
    --------
    >>> SELU().value(np.array([-1e4, 0.0, 1.0])).round(4)
    array([-1.7581,  0.    ,  1.0507])
    """

    scale: ClassVar[float] = 1.0507009873554804934193349852946
    alpha: ClassVar[float] = 1.6732632423543772848170429916717
    range: ClassVar[tuple[float, float] | None] = (-scale * alpha, inf)
    monotonic: ClassVar[bool] = True

    @property
    def _factors(self) -> tuple[float, float]:
        return self.scale, self.scale * self.alpha


@dataclass(frozen=True)
class GELU(_Scratched):
    """The Gaussian error linear unit, exact.

    a = z Φ(z), σ'(z) = Φ(z) + z φ(z); Φ and φ are the standard normal distribution function and density

    Notes
    -----
    Φ keeps its relative precision in the left tail. The default of PyTorch and Keras, not their tanh approximation.

    References
    ----------
    D. Hendrycks, K. Gimpel (2016), *Gaussian error linear units (GELUs)*, section 2.

    Examples
    --------
    >>> GELU().value(np.array([-1e4, -10.0, 0.0, 1.0]))
    array([-0.00000000e+00, -7.61985302e-23,  0.00000000e+00,  8.41344746e-01])
    """

    range: ClassVar[tuple[float, float] | None] = (-0.16997120748, inf)  # the minimum, at z = −0.7518

    def value(self, z: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return z Φ(z)."""
        from scipy.special import ndtr

        return np.multiply(z, ndtr(z, out=scratch), out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return Φ(z) + z φ(z)."""
        from scipy.special import ndtr

        square = np.square(np.clip(z, -_DENSITY_END, _DENSITY_END, out=out), out=out)
        density = np.exp(np.multiply(square, -0.5, out=out), out=out)
        slope = np.multiply(np.multiply(density, 1 / sqrt(2 * pi), out=out), z, out=out)
        return np.add(slope, ndtr(z, out=scratch), out=out)


_DENSITY_END = 40.0
"""φ is 0 beyond this, in float64 too; the square of a larger z could overflow."""


@dataclass(frozen=True)
class GELUTanh(_Scratched):
    """The Gaussian error linear unit by a hyperbolic tangent, as networks of language often have it.

    a = z s with s = 1 / (1 + e^−2u) and u = √(2/π) (z + 0.044715 z³),
    σ'(z) = s + a (1 − s) 2 √(2/π) (1 + 0.134145 z²)

    Notes
    -----
    s is (1 + tanh u)/2, with relative precision in the left tail. It differs from :class:`GELU` by less than 5e-4.
    PyTorch's `GELU(approximate="tanh")` and Keras's `gelu` with `approximate`.

    References
    ----------
    D. Hendrycks, K. Gimpel (2016), *Gaussian error linear units (GELUs)*, section 2.

    Examples
    --------
    >>> GELUTanh().value(np.array([-1e4, 0.0, 1.0])).round(4)
    array([-0.    ,  0.    ,  0.8412])
    """

    range: ClassVar[tuple[float, float] | None] = (-0.170040750572, inf)  # the minimum, at z = −0.7525

    def value(self, z: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return z s."""
        s = self._s(z, out, scratch)
        return np.multiply(np.maximum(z, -_DENSITY_END, out=out), s, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return s + a (1 − s) 2u'."""
        rest = np.subtract(1, self._s(z, out, scratch), out=scratch)
        slope = np.square(np.clip(z, -_DENSITY_END, _DENSITY_END, out=out), out=out)
        slope = np.multiply(np.add(np.multiply(slope, 3 * _CUBE, out=out), 1, out=out), 2 * sqrt(2 / pi), out=out)
        slope = np.multiply(np.multiply(slope, rest, out=out), a, out=out)
        return np.add(slope, np.subtract(1, rest, out=scratch), out=out)

    @staticmethod
    def _s(z: Array, out: Array | None, scratch: Array | None) -> Array:
        """Return s in `scratch`; `out` is overwritten."""
        bounded = np.clip(z, -_DENSITY_END, _DENSITY_END, out=scratch)
        u = np.add(np.multiply(np.square(bounded, out=out), _CUBE, out=out), 1, out=out)
        u = np.multiply(np.multiply(u, bounded, out=out), 2 * sqrt(2 / pi), out=out)
        return Sigmoid().value(u, scratch)


_CUBE = 0.044715
"""The factor of z³, chosen by the paper's authors."""


@dataclass(frozen=True)
class SiLU(_Scratched):
    """The sigmoid linear unit, also called swish.

    a = z s with s = 1 / (1 + e^−z), σ'(z) = s + a (1 − s)

    References
    ----------
    S. Elfwing, E. Uchibe, K. Doya (2018), *Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning*.

    Examples
    --------
    >>> SiLU().value(np.array([-1e4, 0.0, np.log(3.0)])).round(4)
    array([-0.   ,  0.   ,  0.824])
    """

    range: ClassVar[tuple[float, float] | None] = (-0.278464542762, inf)  # the minimum, −W(1/e), at z = −1.2785

    def value(self, z: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return z / (1 + e^−z)."""
        bounded = np.maximum(z, -exp_limit(z.dtype), out=out)  # below this the sigmoid is constant, so z must be too
        return np.multiply(bounded, Sigmoid().value(z, scratch), out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return s + a (1 − s)."""
        s = Sigmoid().value(z, scratch)
        return np.add(np.multiply(np.subtract(1, s, out=out), a, out=out), s, out=out)


@dataclass(frozen=True)
class Mish(_Scratched):
    """A smooth unit that is a little negative below 0.

    a = z t with t = tanh(log(1 + e^z)), σ'(z) = t + z s (1 − t²) with s = 1 / (1 + e^−z)

    References
    ----------
    D. Misra (2020), *Mish: a self regularized non-monotonic activation function*, Equation 1.

    Examples
    --------
    >>> Mish().value(np.array([-1e4, 0.0, 1.0])).round(4)
    array([-0.    ,  0.    ,  0.8651])
    """

    range: ClassVar[tuple[float, float] | None] = (-0.308843413018, inf)  # the minimum, at z = −1.1924

    def value(self, z: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return z tanh(log(1 + e^z))."""
        return np.multiply(self._t(z, out), z, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return t + z s (1 − t²)."""
        slope = SiLU().value(z, out, scratch)
        rest = np.subtract(1, np.square(self._t(z, scratch), out=scratch), out=scratch)
        return np.add(np.multiply(slope, rest, out=out), self._t(z, scratch), out=out)

    @staticmethod
    def _t(z: Array, out: Array | None) -> Array:
        return np.tanh(Softplus().value(z, out), out=out)


@dataclass(frozen=True)
class Softplus(_Buffered):
    """A smooth rectifier, greater than 0 everywhere.

    a = log(1 + e^z), σ'(z) = 1 / (1 + e^−z)

    References
    ----------
    C. Dugas, Y. Bengio, F. Bélisle, C. Nadeau, R. Garcia (2001), *Incorporating second-order functional knowledge for
    better option pricing*.

    Examples
    --------
    >>> Softplus().value(np.array([-1e4, 0.0, 1e4])).round(4)
    array([0.000e+00, 6.931e-01, 1.000e+04])
    """

    range: ClassVar[tuple[float, float] | None] = (0, inf)
    monotonic: ClassVar[bool] = True

    def value(self, z: Array, out: Array | None = None) -> Array:
        """Return log(1 + e^z), which is z where e^z would overflow."""
        a = np.exp(np.minimum(z, exp_limit(z.dtype), out=out), out=out)
        return np.maximum(np.log1p(a, out=out), z, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        """Return 1 / (1 + e^−z)."""
        return Sigmoid().value(z, out)


@dataclass(frozen=True)
class LogSigmoid(_Buffered):
    """The logarithm of the sigmoid, finite where the sigmoid rounds to 0.

    a = −log(1 + e^−z), σ'(z) = 1 / (1 + e^z)

    Examples
    --------
    >>> LogSigmoid().value(np.array([-1e4, 0.0, 1e4])).round(4)
    array([-1.000e+04, -6.931e-01, -0.000e+00])
    """

    range: ClassVar[tuple[float, float] | None] = (-inf, 0)
    monotonic: ClassVar[bool] = True

    def value(self, z: Array, out: Array | None = None) -> Array:
        """Return −log(1 + e^−z), which is z where e^−z would overflow."""
        rest = np.exp(np.minimum(np.negative(z, out=out), exp_limit(z.dtype), out=out), out=out)
        return np.minimum(np.negative(np.log1p(rest, out=out), out=out), z, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        """Return 1 / (1 + e^z)."""
        return Sigmoid().value(np.negative(z, out=out), out)


@dataclass(frozen=True)
class Softsign(_Buffered):
    """A sigmoid from −1 to 1 with long tails.

    a = z / (1 + |z|), σ'(z) = 1 / (1 + |z|)²

    References
    ----------
    X. Glorot, Y. Bengio (2010), *Understanding the difficulty of training deep feedforward neural
    networks*.

    Examples
    --------
    >>> Softsign().value(np.array([-3.0, 0.0, 1.0]))
    array([-0.75,  0.  ,  0.5 ])
    """

    range: ClassVar[tuple[float, float] | None] = (-1, 1)
    monotonic: ClassVar[bool] = True

    def value(self, z: Array, out: Array | None = None) -> Array:
        """Return z / (1 + |z|)."""
        return np.divide(z, np.add(np.abs(z, out=out), 1, out=out), out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        """Return 1 / (1 + |z|)²."""
        return np.square(np.reciprocal(np.add(np.abs(z, out=out), 1, out=out), out=out), out=out)


@dataclass(frozen=True)
class HardSigmoid(_Buffered):
    """A sigmoid of three straight lines.

    a = min(max(z/6 + 1/2, 0), 1), σ'(z) = 1/6 if |z| < 3, else 0

    Notes
    -----
    σ'(±3) = 0. As in PyTorch, and in Keras since version 3; earlier, Keras used z/5 + 1/2.

    Examples
    --------
    >>> HardSigmoid().value(np.array([-4.0, -1.5, 0.0, 4.0]))
    array([0.  , 0.25, 0.5 , 1.  ])
    """

    range: ClassVar[tuple[float, float] | None] = (0, 1)
    monotonic: ClassVar[bool] = True

    def value(self, z: Array, out: Array | None = None) -> Array:
        """Return z/6 + 1/2, clipped to [0, 1]."""
        return np.clip(np.add(np.divide(z, 6, out=out), 0.5, out=out), 0, 1, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        """Return 1/6 where |z| < 3, else 0."""
        inside = np.clip(np.subtract(3, np.abs(z, out=out), out=out), 0, 1, out=out)
        return np.divide(np.ceil(inside, out=out), 6, out=out)  # unlike a comparison, this keeps NaN


@dataclass(frozen=True)
class HardSwish(_Scratched):
    """SiLU with a sigmoid of three straight lines.

    a = z min(max(z/6 + 1/2, 0), 1), σ'(z) = 0 if z ≤ −3, 1 if z ≥ 3, else z/3 + 1/2

    Notes
    -----
    σ'(−3) = 0 and σ'(3) = 1. PyTorch's `Hardswish`, Keras's `hard_silu`.

    References
    ----------
    A. Howard et al. (2019), *Searching for MobileNetV3*, section 5.2.

    Examples
    --------
    >>> HardSwish().value(np.array([-4.0, -1.5, 0.0, 4.0]))
    array([-0.   , -0.375,  0.   ,  4.   ])
    """

    range: ClassVar[tuple[float, float] | None] = (-0.375, inf)  # the minimum, at z = −3/2

    def value(self, z: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return z times the hard sigmoid of z."""
        return np.multiply(HardSigmoid().value(z, out), z, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None, scratch: Array | None = None) -> Array:
        """Return the hard sigmoid of z plus z times its derivative."""
        inside = np.multiply(HardSigmoid().derivative(z, a, scratch), z, out=scratch)
        return np.add(HardSigmoid().value(z, out), inside, out=out)


@dataclass(frozen=True)
class ReLU6(_Buffered):
    """A rectifier that ends at 6, for numbers of few bits.

    a = min(max(0, z), 6), σ'(z) = 1 if 0 < z < 6, else 0

    Notes
    -----
    σ'(0) = σ'(6) = 0.

    References
    ----------
    A. Krizhevsky (2010), *Convolutional deep belief networks on CIFAR-10*.

    Examples
    --------
    >>> ReLU6().value(np.array([-2.0, 2.0, 7.0]))
    array([0., 2., 6.])
    """

    range: ClassVar[tuple[float, float] | None] = (0, 6)
    monotonic: ClassVar[bool] = True

    def value(self, z: Array, out: Array | None = None) -> Array:
        """Return z, clipped to [0, 6]."""
        return np.clip(z, 0, 6, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        """Return 1 where 0 < a < 6, else 0: the sign of a (6 − a)."""
        return np.sign(np.multiply(np.subtract(6, a, out=out), a, out=out), out=out)


@dataclass(frozen=True)
class Identity(Elementwise):
    """No activation.

    a = z, σ'(z) = 1

    Notes
    -----
    Nothing is copied: `a` is `z` itself, and δ is ∂C/∂a itself.

    Examples
    --------
    >>> z = np.array([-1.0, 2.0])
    >>> Identity().value(z) is z
    True
    """

    range: ClassVar[tuple[float, float] | None] = (-inf, inf)
    monotonic: ClassVar[bool] = True

    def value(self, z: Array) -> Array:
        """Return `z` itself."""
        return z

    def derivative(self, z: Array, a: Array) -> Array:
        """Return 1 for each element."""
        return np.ones_like(z)

    @kernels_only
    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return `z` itself."""
        return z

    @kernels_only
    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return `grad_a` itself."""
        return grad_a


@dataclass(frozen=True)
class Softmax(Activation):
    """Probabilities over the last axis.

    a_j = e^z_j / Σ_k e^z_k, δ_j = a_j (g_j − Σ_k g_k a_k) with g = ∂C/∂a

    Notes
    -----
    Each row is first shifted by its largest value, which keeps e^z in range and does not change the result. δ is the
    product with the full Jacobian ∂a_k/∂z_j = a_k ([j = k] − a_j), in O(N·K) for K values. z is clipped to a quarter of
    the largest finite number; a row with an infinite z or NaN becomes NaN.

    References
    ----------
    J. S. Bridle (1990), *Probabilistic interpretation of feedforward classification network outputs, with relationships
    to statistical pattern recognition*.

    Examples
    --------
    >>> import nnfw
    >>> z = np.array([[0.0, np.log(3.0)], [1e4, -1e4]])
    >>> Softmax().forward(z, nnfw.Workspace("float64"))
    array([[0.25, 0.75],
           [1.  , 0.  ]])
    """

    range: ClassVar[tuple[float, float] | None] = (0, 1)
    monotonic: ClassVar[bool] = True

    def require_shape(self, shape: Shape) -> None:
        """Raise ShapeError for a single value, whose softmax is always 1."""
        _require_several(shape, "softmax", 1)

    @kernels_only
    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return e^z_j / Σ_k e^z_k over the last axis."""
        a = workspace.buffer("a", z.shape)
        operations.softmax(z, _row(z, workspace), a)
        return a

    @kernels_only
    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return a_j (g_j − Σ_k g_k a_k) over the last axis."""
        delta = workspace.passing("delta", z.shape)
        operations.softmax_delta(grad_a, a, _row(z, workspace), delta)
        return delta


@dataclass(frozen=True)
class LogSoftmax(Activation):
    """The logarithm of softmax, finite where softmax rounds to 0.

    a_j = z_j − log Σ_k e^z_k, δ_j = g_j − e^a_j Σ_k g_k with g = ∂C/∂a

    Notes
    -----
    Over the last axis, shifted as in :class:`Softmax`; δ is the product with the full Jacobian ∂a_k/∂z_j = [j = k] −
    e^a_j, in O(N·K) for K values.

    Examples
    --------
    >>> import nnfw
    >>> z = np.array([[0.0, np.log(3.0)], [1e4, -1e4]])
    >>> LogSoftmax().forward(z, nnfw.Workspace("float64")).round(4)
    array([[-1.3863e+00, -2.8770e-01],
           [ 0.0000e+00, -2.0000e+04]])
    """

    range: ClassVar[tuple[float, float] | None] = (-inf, 0)
    monotonic: ClassVar[bool] = True

    def require_shape(self, shape: Shape) -> None:
        """Raise ShapeError for a single value, whose log_softmax is always 0."""
        _require_several(shape, "log_softmax", 0)

    @kernels_only
    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return z_j − log Σ_k e^z_k over the last axis."""
        a, row = workspace.buffer("a", z.shape), _row(z, workspace)
        operations.shift(z, workspace.buffer("exponentials", z.shape), row, a)
        operations.subtract_log(a, row)
        return a

    @kernels_only
    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return g_j − e^a_j Σ_k g_k over the last axis."""
        delta = workspace.passing("delta", z.shape)
        operations.log_softmax_delta(grad_a, a, _row(z, workspace), delta)
        return delta


@dataclass(frozen=True)
class Sparsemax(Activation):
    """The nearest probabilities over the last axis, many of them exactly 0.

    a_j = max(z_j − τ, 0), δ_j = g_j − Σ_(k ∈ S) g_k / |S| if j ∈ S, else 0, with g = ∂C/∂a

    Notes
    -----
    S holds the places where a_j > 0, and τ = (Σ_(k ∈ S) z_k − 1)/|S| makes the sum 1: `a` is the point of the simplex
    nearest to z. The derivative of a z on the border of S is that of the side without it. What lies more than 1 below
    the largest z never enters. A row with an infinite z or NaN becomes NaN.

    References
    ----------
    A. Martins, R. Astudillo (2016), *From softmax to sparsemax: a sparse model of attention and multi-label
    classification*, Algorithm 1 and Equation 14.

    Examples
    --------
    >>> import nnfw
    >>> z = np.array([[0.5, 0.25, -1.0], [1e4, 0.0, -1e4]])
    >>> Sparsemax().forward(z, nnfw.Workspace("float64"))
    array([[0.625, 0.375, 0.   ],
           [1.   , 0.   , 0.   ]])
    """

    range: ClassVar[tuple[float, float] | None] = (0, 1)
    monotonic: ClassVar[bool] = True

    def require_shape(self, shape: Shape) -> None:
        """Raise ShapeError for a single value, whose sparsemax is always 1."""
        _require_several(shape, "sparsemax", 1)

    @kernels_only
    def forward(self, z: Array, workspace: Workspace) -> Array:
        """Return max(z_j − τ, 0) over the last axis."""
        a = workspace.buffer("a", z.shape)
        operations.sparsemax(z, a)
        return a

    @kernels_only
    def delta(self, grad_a: Array, z: Array, a: Array, workspace: Workspace) -> Array:
        """Return g_j less the mean of g over S, on S."""
        delta = workspace.passing("delta", z.shape)
        operations.sparsemax_delta(grad_a, a, delta)
        return delta


def _require_several(shape: Shape, name: str, value: int) -> None:
    if shape[-1:] in ((), (1,)):
        raise ShapeError(
            f"{name} over a single unit is always {value}, so there is nothing to learn. For two classes use sigmoid "
            "(with the cost binary_cross_entropy), or give the layer a unit for each class."
        )


def _row(z: Array, workspace: Workspace) -> Array:
    """Return a buffer for one number per row of the last axis."""
    return workspace.buffer("row", (*z.shape[:-1], 1))
