"""Initializers: the initial values of parameters, in float64; the network casts them to its dtype.

fan_in counts the inputs of a unit, fan_out the units that an input reaches: n_in and n_out of a dense
layer's weight ``(n_out, n_in)``.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod, sqrt
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt

from nnfw.arrays import Array
from nnfw.configuration import Above
from nnfw.protocols import Initializer, Shape


class _Scaled(Initializer):
    """Draws values of variance gain / fan."""

    gain: ClassVar[float] = 1.0
    averaged: ClassVar[bool] = False
    """Whether the fan is the mean of fan_in and fan_out, or fan_in alone."""

    def variance(self, shape: Shape, fan_in: int, fan_out: int) -> float:
        """Return gain / fan."""
        return self.gain / ((fan_in + fan_out) / 2 if self.averaged else fan_in)


class _Uniform(_Scaled):
    """Draws from U(−r, r), whose variance is r²/3."""

    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """Return an array of `shape`, float64."""
        limit = sqrt(3 * self.variance(shape, fan_in, fan_out))
        return rng.uniform(-limit, limit, shape)


class _Normal(_Scaled):
    """Draws from the normal distribution with mean 0."""

    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """Return an array of `shape`, float64."""
        return rng.normal(0.0, sqrt(self.variance(shape, fan_in, fan_out)), shape)


@dataclass(frozen=True)
class GlorotUniform(_Uniform):
    """Uniform, with the variance that preserves the scale of activations and errors if σ'(0) = 1.

    w ~ U(−r, r) with r = √(6 / (fan_in + fan_out)), so Var w = 2 / (fan_in + fan_out)

    Notes
    -----
    PyTorch's `xavier_uniform_` with gain 1, and Keras's default for dense layers.

    References
    ----------
    X. Glorot, Y. Bengio (2010), *Understanding the difficulty of training deep feedforward neural networks*,
    Equation 16.

    Examples
    --------
    >>> w = GlorotUniform().sample((200, 100), 100, 200, np.random.default_rng(0))
    >>> bool(np.abs(w).max() <= (6 / 300) ** 0.5), round(float(w.var()), 4)  # 2 / 300
    (True, 0.0066)
    """

    averaged: ClassVar[bool] = True


@dataclass(frozen=True)
class GlorotNormal(_Normal):
    """Normal, with the variance that preserves the scale of activations and errors if σ'(0) = 1.

    w ~ N(0, 2 / (fan_in + fan_out))

    Notes
    -----
    PyTorch's `xavier_normal_` with gain 1. Keras truncates the normal at two standard deviations.

    References
    ----------
    X. Glorot, Y. Bengio (2010), *Understanding the difficulty of training deep feedforward neural networks*,
    Equation 12.

    Examples
    --------
    >>> w = GlorotNormal().sample((200, 100), 100, 200, np.random.default_rng(0))
    >>> round(float(w.var()), 3)  # 2 / 300
    0.007
    """

    averaged: ClassVar[bool] = True


@dataclass(frozen=True)
class HeUniform(_Uniform):
    """Uniform, with the variance that preserves the scale of activations under ReLU.

    w ~ U(−r, r) with r = √(6 / fan_in), so Var w = 2 / fan_in

    Notes
    -----
    Keras's `he_uniform`, and PyTorch's `kaiming_uniform_` with nonlinearity "relu". (PyTorch's own default for linear
    layers has variance 1 / (3 fan_in).)

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun (2015), *Delving deep into rectifiers*, Equation 10.

    Examples
    --------
    >>> w = HeUniform().sample((200, 100), 100, 200, np.random.default_rng(0))
    >>> bool(np.abs(w).max() <= (6 / 100) ** 0.5), round(float(w.var()), 3)  # 2 / 100
    (True, 0.02)
    """

    gain: ClassVar[float] = 2.0


@dataclass(frozen=True)
class HeNormal(_Normal):
    """Normal, with the variance that preserves the scale of activations under ReLU.

    w ~ N(0, 2 / fan_in)

    Notes
    -----
    PyTorch's `kaiming_normal_` with nonlinearity "relu". Keras truncates the normal at two standard deviations.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun (2015), *Delving deep into rectifiers*, Equation 10.

    Examples
    --------
    >>> w = HeNormal().sample((200, 100), 100, 200, np.random.default_rng(0))
    >>> round(float(w.var()), 3)  # 2 / 100
    0.02
    """

    gain: ClassVar[float] = 2.0


@dataclass(frozen=True)
class LecunUniform(_Uniform):
    """Uniform, with the variance that gives weighted inputs the scale of the activations before them.

    w ~ U(−r, r) with r = √(3 / fan_in), so Var w = 1 / fan_in

    References
    ----------
    Y. LeCun, L. Bottou, G. B. Orr, K.-R. Müller (1998), *Efficient backprop*, Equation 16.

    Examples
    --------
    >>> w = LecunUniform().sample((200, 100), 100, 200, np.random.default_rng(0))
    >>> bool(np.abs(w).max() <= (3 / 100) ** 0.5), round(float(w.var()), 3)  # 1 / 100
    (True, 0.01)
    """


@dataclass(frozen=True)
class LecunNormal(_Normal):
    """Normal, with the variance that gives weighted inputs the scale of the activations before them.

    w ~ N(0, 1 / fan_in)

    Notes
    -----
    For SELU. Keras truncates the normal at two standard deviations.

    References
    ----------
    Y. LeCun, L. Bottou, G. B. Orr, K.-R. Müller (1998), *Efficient backprop*, Equation 16.

    Examples
    --------
    >>> w = LecunNormal().sample((200, 100), 100, 200, np.random.default_rng(0))
    >>> round(float(w.var()), 3)  # 1 / 100
    0.01
    """


@dataclass(frozen=True)
class Normal(Initializer):
    """Normal, independent of the fans.

    w ~ N(mean, standard_deviation²)

    Parameters
    ----------
    mean
        0 by default.
    standard_deviation
        0 or more; 0.05 by default.

    Notes
    -----
    The defaults are Keras's; PyTorch's `normal_` has a standard deviation of 1.

    Examples
    --------
    >>> w = Normal(mean=3.0, standard_deviation=0.5).sample((200, 100), 100, 200, np.random.default_rng(0))
    >>> round(float(w.mean()), 1), round(float(w.std()), 1)
    (3.0, 0.5)
    """

    _: KW_ONLY
    mean: float = 0.0
    standard_deviation: Annotated[float, Ge(0)] = 0.05

    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """Return an array of `shape`, float64."""
        return rng.normal(self.mean, abs(self.standard_deviation), shape)  # abs: NumPy refuses -0.0

    def variance(self, shape: Shape, fan_in: int, fan_out: int) -> float:
        """Return standard_deviation²."""
        return self.standard_deviation**2


@dataclass(frozen=True)
class Uniform(Initializer):
    """Uniform, independent of the fans.

    w ~ U(low, high)

    Parameters
    ----------
    low, high
        −0.05 and 0.05 by default; `low` must be less than `high`.

    Notes
    -----
    The defaults are Keras's; PyTorch's `uniform_` draws from [0, 1).

    Examples
    --------
    >>> w = Uniform(low=-2.0, high=4.0).sample((200, 100), 100, 200, np.random.default_rng(0))
    >>> bool(w.min() >= -2), bool(w.max() <= 4), round(float(w.mean()), 1)
    (True, True, 1.0)
    """

    _: KW_ONLY
    low: float = -0.05
    high: Annotated[float, Above("low")] = 0.05

    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """Return an array of `shape`, float64."""
        return rng.uniform(self.low, self.high, shape)

    def variance(self, shape: Shape, fan_in: int, fan_out: int) -> float:
        """Return (high − low)² / 12."""
        return (self.high - self.low) ** 2 / 12


@dataclass(frozen=True)
class Signs(Initializer):
    """+1 or −1, each with probability 1/2.

    Examples
    --------
    >>> Signs().sample((4,), 1, 4, np.random.default_rng(0)).tolist()
    [1.0, 1.0, 1.0, -1.0]
    """

    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """Return an array of `shape`, float64."""
        return rng.integers(0, 2, shape) * 2.0 - 1.0

    def variance(self, shape: Shape, fan_in: int, fan_out: int) -> float:
        """Return 1."""
        return 1.0


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """A random matrix with orthonormal rows or columns, times a gain.

    | w w^T = gain² I where w has no more rows than columns, else w^T w = gain² I

    Parameters
    ----------
    gain
        Greater than 0; 1 by default. √2 suits ReLU.

    Notes
    -----
    w is Q of the QR decomposition of a normal matrix, each column with the sign of R's diagonal, so that it is uniform
    over the orthogonal matrices. An array with more than two axes is a matrix ``(shape[0], the rest)``; one with one
    axis is a column.

    References
    ----------
    A. M. Saxe, J. L. McClelland, S. Ganguli (2014), *Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks*, section 3.
    F. Mezzadri (2007), *How to generate random matrices from the classical compact groups*, section 5, for the signs.

    Examples
    --------
    >>> w = Orthogonal().sample((2, 3), 3, 2, np.random.default_rng(0))
    >>> bool(np.allclose(w @ w.T, np.eye(2)))
    True
    """

    _: KW_ONLY
    gain: Annotated[float, Gt(0)] = 1.0

    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """Return an array of `shape`, float64."""
        rows, columns = prod(shape[:1]), prod(shape[1:])
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.copysign(self.gain, np.diagonal(r))
        return np.ascontiguousarray(q if rows >= columns else q.T).reshape(shape)

    def variance(self, shape: Shape, fan_in: int, fan_out: int) -> float:
        """Return gain² over the larger number of rows and columns."""
        return self.gain**2 / max(prod(shape[:1]), prod(shape[1:]))


@dataclass(frozen=True)
class Zeros(Initializer):
    """Zeros, for biases.

    w = 0

    Examples
    --------
    >>> Zeros().sample((3,), 1, 3, np.random.default_rng(0))
    array([0., 0., 0.])
    """

    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """Return an array of `shape`, float64; nothing is drawn."""
        return np.zeros(shape)

    def variance(self, shape: Shape, fan_in: int, fan_out: int) -> float:
        """Return 0."""
        return 0.0


@dataclass(frozen=True)
class Ones(Initializer):
    """Ones, for factors.

    w = 1

    Examples
    --------
    >>> Ones().sample((3,), 1, 3, np.random.default_rng(0))
    array([1., 1., 1.])
    """

    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """Return an array of `shape`, float64; nothing is drawn."""
        return np.ones(shape)

    def variance(self, shape: Shape, fan_in: int, fan_out: int) -> float:
        """Return 0."""
        return 0.0


@dataclass(frozen=True)
class Constant(Initializer):
    """One value everywhere.

    w = value

    Parameters
    ----------
    value
        Any finite number.

    Examples
    --------
    >>> Constant(0.5).sample((3,), 1, 3, np.random.default_rng(0))
    array([0.5, 0.5, 0.5])
    """

    value: float

    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        """Return an array of `shape`, float64; nothing is drawn."""
        return np.full(shape, float(self.value))

    def variance(self, shape: Shape, fan_in: int, fan_out: int) -> float:
        """Return 0."""
        return 0.0
