"""Schedules: the factor on the learning rate over time.

t is the time in epochs, a real number; the first epoch is 0 ≤ t < 1. T is the number of epochs. Every schedule is a
pure function of t, T and the costs so far, so a resumed training gets the same rates.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import inf
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from nnfw.arrays import Array
from nnfw.protocols import Schedule


@dataclass(frozen=True)
class ConstantRate(Schedule):
    """The base rate throughout.

    f(t) = 1

    Examples
    --------
    >>> ConstantRate().factor(np.array([0.0, 0.5]), 10, ())
    array([1., 1.])
    """

    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return f(t), shaped like `t`."""
        return np.ones(t.shape)


@dataclass(frozen=True)
class Step(Schedule):
    """A cut after every few epochs.

    f(t) = rate^⌊t / every⌋

    Parameters
    ----------
    every
        Epochs between cuts, 1 or more.
    rate
        In (0, 1]; 0.1 by default.

    Notes
    -----
    PyTorch's StepLR with `step_size` and `gamma`.

    Examples
    --------
    >>> Step(2, rate=0.5).factor(np.array([0.0, 1.5, 2.0, 5.0]), 10, ())
    array([1.  , 1.  , 0.5 , 0.25])
    """

    every: Annotated[int, Ge(1)]
    _: KW_ONLY
    rate: Annotated[float, Gt(0), Le(1)] = 0.1

    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return f(t), shaped like `t`."""
        return np.asarray(self.rate ** np.floor(t / self.every))


@dataclass(frozen=True)
class Exponential(Schedule):
    """A continuous decay.

    f(t) = rate^t

    Parameters
    ----------
    rate
        The factor per epoch, in (0, 1].

    Notes
    -----
    The rate falls at every step; PyTorch's ExponentialLR (`gamma` = `rate`) falls once per epoch, to the same values at
    whole t.

    Examples
    --------
    >>> Exponential(0.25).factor(np.array([0.0, 0.5, 1.0]), 10, ())
    array([1.  , 0.5 , 0.25])
    """

    rate: Annotated[float, Gt(0), Le(1)]

    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return f(t), shaped like `t`."""
        return np.asarray(self.rate**t)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 down to a floor, after a linear warm-up.

    | f(t) = (t + 1/s) / warmup, at most 1, while t < warmup, for s steps in an epoch
    | f(t) = floor + (1 − floor) (1 + cos π p) / 2 after that, with p = (t − warmup) / (T − warmup), at most 1

    Parameters
    ----------
    floor
        The factor at t = T, in [0, 1]; 0 by default.
    warmup
        Epochs of warm-up, 0 or more, may be fractional; 0 by default.

    Notes
    -----
    Thanks to the 1/s, the factor of the first step is 1/(s · warmup), not 0. `floor` is a factor; PyTorch's
    CosineAnnealingLR takes the minimum rate itself. There are no restarts.

    References
    ----------
    I. Loshchilov, F. Hutter (2017), *SGDR: stochastic gradient descent with warm restarts*, Equation 5.
    P. Goyal et al. (2017), *Accurate, large minibatch SGD: training ImageNet in 1 hour*, section 2.2, for the warm-up.

    Examples
    --------
    >>> Cosine(warmup=1).factor(np.array([0.0, 0.5]), 5, ())
    array([0.5, 1. ])
    >>> Cosine(warmup=1).factor(np.array([3.0, 3.5]), 5, ()).round(3)
    array([0.5  , 0.309])
    """

    _: KW_ONLY
    floor: Annotated[float, Ge(0), Le(1)] = 0.0
    warmup: Annotated[float, Ge(0)] = 0.0

    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return f(t), shaped like `t`, the times of the s steps of an epoch."""
        span = epochs - self.warmup
        p = np.clip((t - self.warmup) / span, 0, 1) if span > 0 else np.zeros(t.shape)
        annealed = self.floor + (1 - self.floor) * (1 + np.cos(np.pi * p)) / 2
        if not self.warmup:
            return annealed
        return annealed * np.minimum(1, (t + 1 / t.size) / self.warmup)


@dataclass(frozen=True)
class Plateau(Schedule):
    """A cut whenever the cost stops falling.

    f = max(floor, rate^k), where k counts the runs of `patience` epochs without a cost below best − min_delta.

    Parameters
    ----------
    rate
        The factor per cut, in (0, 1); 0.1 by default.
    patience
        Epochs without improvement before a cut, 1 or more; 10 by default. The count restarts after each cut.
    min_delta
        How far the cost must fall below the best so far, 0 or more, in the cost's unit; 1e-4 by default.
    floor
        The smallest factor, in [0, 1]; 0 by default.

    Notes
    -----
    As Keras's ReduceLROnPlateau without cooldown. PyTorch's waits one epoch more and takes a threshold relative to the
    best. NaN is no improvement.

    Examples
    --------
    >>> Plateau(rate=0.5, patience=2).factor(np.array([4.0]), 10, (1.0, 0.8, 0.9, 0.8))
    array([0.5])
    """

    _: KW_ONLY
    rate: Annotated[float, Gt(0), Lt(1)] = 0.1
    patience: Annotated[int, Ge(1)] = 10
    min_delta: Annotated[float, Ge(0)] = 1e-4
    floor: Annotated[float, Ge(0), Le(1)] = 0.0

    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return f, the same for all of `t`, from the costs of the finished epochs."""
        best, waited, cuts = inf, 0, 0
        for cost in history:
            if cost < best - self.min_delta:
                best, waited = cost, 0
            else:
                waited += 1
            if waited == self.patience:
                waited, cuts = 0, cuts + 1
        return np.full(t.shape, max(self.floor, self.rate**cuts))
