"""Schedules: the factor on the learning rate over time.

t is the time in epochs, a real number; the first epoch is 0 ≤ t < 1. T is the number of epochs. Every schedule is a
pure function of t, T and the costs so far, so a resumed training gets the same rates.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import KW_ONLY, dataclass
from itertools import accumulate
from math import inf
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt, MinLen

from nnfw.arrays import Array
from nnfw.errors import ConfigError
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
        p = _progress(t, self.warmup, epochs)
        return _warmed(self.floor + (1 - self.floor) * (1 + np.cos(np.pi * p)) / 2, t, self.warmup)


def _progress(t: Array, start: float, end: float) -> Array:
    """Return where t lies from `start`, 0, to `end`, 1; 0 if there is nothing between."""
    return np.clip((t - start) / (end - start), 0, 1) if end > start else np.zeros(t.shape)


def _warmed(factor: Array, t: Array, warmup: float) -> Array:
    """Return the factor times (t + 1/s) / warmup, at most 1, for s steps in an epoch."""
    return factor * np.minimum(1, (t + 1 / t.size) / warmup) if warmup else factor


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """Half a cosine from 1 down to a floor, again and again.

    | f(t) = floor + (1 − floor) (1 + cos π p) / 2 with p = (t − start of the cycle) / (its length)
    | the first cycle takes `period` epochs, each further one `growth` times as many

    Parameters
    ----------
    period
        Epochs of the first cycle, greater than 0.
    growth
        1 or more; 1 by default.
    floor
        The factor at the end of a cycle, in [0, 1]; 0 by default.

    Notes
    -----
    PyTorch's CosineAnnealingWarmRestarts with `T_0` and `T_mult`; `floor` is a factor, not a rate.

    References
    ----------
    I. Loshchilov, F. Hutter (2017), *SGDR: stochastic gradient descent with warm restarts*, Equation 5.

    Examples
    --------
    >>> CosineRestarts(1, growth=2).factor(np.array([0.0, 0.5, 1.0, 2.0, 3.0]), 10, ()).round(3)
    array([1. , 0.5, 1. , 0.5, 1. ])
    """

    period: Annotated[float, Gt(0)]
    _: KW_ONLY
    growth: Annotated[float, Ge(1)] = 1.0
    floor: Annotated[float, Ge(0), Le(1)] = 0.0

    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return f(t), shaped like `t`."""
        starts, length = [0.0], self.period
        while starts[-1] + length <= t.max():
            starts.append(starts[-1] + length)
            length *= self.growth
        cycle = np.searchsorted(starts, t, side="right") - 1
        p = (t - np.array(starts)[cycle]) / (self.period * self.growth**cycle)
        return np.asarray(self.floor + (1 - self.floor) * (1 + np.cos(np.pi * p)) / 2)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up in half a cosine, and down again to almost 0: the rate of the optimizer is the largest one.

    | f(t) = start + (1 − start) (1 − cos π p) / 2 with p = t / (rise T), while t < rise T
    | f(t) = floor + (1 − floor) (1 + cos π p) / 2 after that, with p = (t − rise T) / (T − rise T)

    Parameters
    ----------
    rise
        Share of the epochs in which the factor rises, in (0, 1); 0.3 by default.
    start
        The first factor, in [0, 1]; 0.04 by default.
    floor
        The factor at t = T, in [0, 1]; 4e-6 by default.

    Notes
    -----
    The defaults are those of PyTorch's OneCycleLR: `pct_start` 0.3, `div_factor` 25, `final_div_factor` 10,000. There
    is no cycle of the momentum. PyTorch reaches the floor in the last step, this schedule one step later.

    References
    ----------
    L. N. Smith, N. Topin (2018), *Super-convergence: very fast training of neural networks using large learning rates*.

    Examples
    --------
    >>> OneCycle(rise=0.5).factor(np.array([0.0, 1.0, 2.0, 3.0]), 4, ()).round(2)
    array([0.04, 0.52, 1.  , 0.5 ])
    """

    _: KW_ONLY
    rise: Annotated[float, Gt(0), Lt(1)] = 0.3
    start: Annotated[float, Ge(0), Le(1)] = 0.04
    floor: Annotated[float, Ge(0), Le(1)] = 4e-6

    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return f(t), shaped like `t`."""
        top = self.rise * epochs
        up = self.start + (1 - self.start) * (1 - np.cos(np.pi * _progress(t, 0, top))) / 2
        down = self.floor + (1 - self.floor) * (1 + np.cos(np.pi * _progress(t, top, epochs))) / 2
        return np.where(t < top, up, down)


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    """A decay with the root of time, which needs no planned end, after a linear warm-up.

    | f(t) = √(hold / max(t, hold)), and while t < warmup
    | times (t + 1/s) / warmup, at most 1, for s steps in an epoch

    Parameters
    ----------
    hold
        Epochs with the full rate, greater than 0, may be fractional; 1 by default.
    warmup
        Epochs of warm-up, 0 or more, may be fractional; 0 by default.

    Notes
    -----
    With `hold` = `warmup` it is the schedule of the first transformers, but for one step.

    References
    ----------
    A. Vaswani et al. (2017), *Attention is all you need*, Equation 3.
    C. Raffel et al. (2020), *Exploring the limits of transfer learning with a unified text-to-text transformer*,
    section 3.1.2, without warm-up.

    Examples
    --------
    >>> InverseSqrt(2).factor(np.array([0.0, 2.0, 8.0]), 10, ())
    array([1. , 1. , 0.5])
    """

    hold: Annotated[float, Gt(0)] = 1.0
    _: KW_ONLY
    warmup: Annotated[float, Ge(0)] = 0.0

    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return f(t), shaped like `t`, the times of the s steps of an epoch."""
        return _warmed(np.sqrt(self.hold / np.maximum(t, self.hold)), t, self.warmup)


@dataclass(frozen=True)
class Polynomial(Schedule):
    """A power of the time that is left, after a linear warm-up.

    | f(t) = (t + 1/s) / warmup, at most 1, while t < warmup, for s steps in an epoch
    | f(t) = floor + (1 − floor) (1 − p)^power after that, with p = (t − warmup) / (T − warmup), at most 1

    Parameters
    ----------
    power
        Greater than 0; 1 by default, a straight line.
    floor
        The factor at t = T, in [0, 1]; 0 by default.
    warmup
        Epochs of warm-up, 0 or more, may be fractional; 0 by default.

    Notes
    -----
    PyTorch's PolynomialLR without warm-up and floor; Keras's PolynomialDecay.

    Examples
    --------
    >>> Polynomial(2).factor(np.array([0.0, 1.0, 2.0]), 4, ())
    array([1.    , 0.5625, 0.25  ])
    """

    power: Annotated[float, Gt(0)] = 1.0
    _: KW_ONLY
    floor: Annotated[float, Ge(0), Le(1)] = 0.0
    warmup: Annotated[float, Ge(0)] = 0.0

    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return f(t), shaped like `t`, the times of the s steps of an epoch."""
        left = 1 - _progress(t, self.warmup, epochs)
        return _warmed(self.floor + (1 - self.floor) * left**self.power, t, self.warmup)


@dataclass(frozen=True)
class WarmupStableDecay(Schedule):
    """A linear warm-up, the full rate for most of the training, and a linear decay at its end.

    | f(t) = (t + 1/s) / warmup, at most 1, for s steps in an epoch
    | from t = (1 − decay) T on times floor + (1 − floor) (T − t) / (decay T)

    Parameters
    ----------
    warmup
        Epochs of warm-up, 0 or more, may be fractional; 0 by default.
    decay
        Share of the epochs in which the factor falls, in (0, 1]; 0.2 by default.
    floor
        The factor at t = T, in [0, 1]; 0 by default.

    References
    ----------
    S. Hu et al. (2024), *MiniCPM: unveiling the potential of small language models with scalable training strategies*,
    section 4.2.

    Examples
    --------
    >>> WarmupStableDecay(warmup=1, decay=0.5).factor(np.array([0.0, 0.5]), 4, ())
    array([0.5, 1. ])
    >>> WarmupStableDecay(warmup=1, decay=0.5).factor(np.array([3.0, 3.5]), 4, ())
    array([0.5 , 0.25])
    """

    _: KW_ONLY
    warmup: Annotated[float, Ge(0)] = 0.0
    decay: Annotated[float, Gt(0), Le(1)] = 0.2
    floor: Annotated[float, Ge(0), Le(1)] = 0.0

    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return f(t), shaped like `t`, the times of the s steps of an epoch."""
        p = _progress(t, (1 - self.decay) * epochs, epochs)
        return _warmed(1 - (1 - self.floor) * p, t, self.warmup)


@dataclass(frozen=True)
class ScheduleChain(Schedule):
    """Several schedules, one after the other.

    f(t) = f_k(t − t_k) in the epochs of the k-th, which begin at t_k

    Parameters
    ----------
    schedules
        In the order of their use, two or more. Each counts time from its own first epoch, takes the epochs in which it
        is used for T, and sees the costs since then.
    epochs
        Whole epochs of each schedule but the last, which has the rest.

    Notes
    -----
    PyTorch's SequentialLR.

    Examples
    --------
    >>> chain = ScheduleChain((ConstantRate(), Exponential(0.5)), (2,))
    >>> chain.factor(np.array([1.0]), 4, ()), chain.factor(np.array([3.0]), 4, ())
    (array([1.]), array([0.5]))
    """

    schedules: Annotated[tuple[Schedule, ...], MinLen(2)]
    epochs: tuple[Annotated[int, Ge(1)], ...]

    def __post_init__(self) -> None:
        """Raise ConfigError unless each schedule but the last has a number of epochs."""
        if len(self.epochs) != len(self.schedules) - 1:
            raise ConfigError(
                f"epochs must hold {len(self.schedules) - 1}, one number for each schedule but the last, got "
                f"{len(self.epochs)}. The last schedule has the rest of the training."
            )

    def factor(self, t: Array, epochs: int, history: tuple[float, ...]) -> Array:
        """Return f(t), shaped like `t`, the times of the steps of an epoch."""
        starts = [0, *accumulate(self.epochs)]
        k = bisect_right(starts, float(t[0])) - 1
        start, end = starts[k], (*starts[1:], max(epochs, starts[-1] + 1))[k]
        return self.schedules[k].factor(t - start, min(end, epochs) - start, history[start:])


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
