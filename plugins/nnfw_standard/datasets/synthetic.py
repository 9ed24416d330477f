"""Small problems in the plane, made by formulas. The features are the columns ``x1`` and ``x2``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from nnfw.arrays import Array
from nnfw.data import Examples
from nnfw.protocols import Dataset, Shape

_MOST = 10_000_000  # examples: a slip of the keyboard must not fill the memory


class _InPlane(Dataset):
    """Examples with two coordinates."""

    def input_shape(self) -> Shape:
        """Return ``(2,)``."""
        return (2,)


@dataclass(frozen=True)
class XOR(_InPlane):
    """The four examples of the exclusive or, which no network without a hidden layer can learn.

    y = 1 if x1 ≠ x2, else 0

    Notes
    -----
    The target ``y`` is float64 of shape ``(4, 1)``: one output, for ``mse`` or ``binary_cross_entropy``.

    References
    ----------
    M. Minsky, S. Papert (1969), *Perceptrons*.

    Examples
    --------
    >>> examples = XOR().load(Path())
    >>> np.column_stack([*examples.features.values(), examples.target])
    array([[0., 0., 0.],
           [0., 1., 1.],
           [1., 0., 1.],
           [1., 1., 0.]])
    """

    def load(self, directory: Path) -> Examples:
        """Return the four examples; `directory` plays no part."""
        x1, x2 = np.array([0.0, 0, 1, 1]), np.array([0.0, 1, 0, 1])
        return Examples({"x1": x1, "x2": x2}, (x1 != x2).astype(np.float64)[:, np.newaxis], "y")


@dataclass(frozen=True)
class Spirals(_InPlane):
    """Interleaved spirals in the plane, one for each class.

    x = t (cos φ, sin φ) + noise · ε, with φ = 2π (turns · t + k/classes), ε ~ N(0, 1) and t from just above 0 to 1

    Parameters
    ----------
    n : int
        Number of examples, 1 to 10,000,000; 300 by default. Example i is of class k = i mod `classes`.
    noise : float
        Standard deviation of the noise, 0 or more; 0.02 by default. The spirals have radius 1.
    turns : float
        Turns of each spiral, above 0; 1 by default.
    classes : int
        Number of spirals, 2 or more; 2 by default.
    seed : int
        Seed of the noise, 0 or more.

    Notes
    -----
    The target ``class`` is int64 ``(n,)``.

    References
    ----------
    K. J. Lang, M. J. Witbrock (1988), *Learning to tell two spirals apart*.

    Examples
    --------
    >>> examples = Spirals(n=4, noise=0.0).load(Path())
    >>> np.column_stack(list(examples.features.values())).round(6) + 0.0
    array([[-0.5,  0. ],
           [ 0.5,  0. ],
           [ 1. ,  0. ],
           [-1. ,  0. ]])
    >>> examples.target
    array([0, 1, 0, 1])
    """

    n: Annotated[int, Ge(1), Le(_MOST)] = 300
    noise: Annotated[float, Ge(0)] = 0.02
    turns: Annotated[float, Gt(0)] = 1.0
    classes: Annotated[int, Ge(2), Le(_MOST)] = 2
    seed: Annotated[int, Ge(0)] = 0

    def load(self, directory: Path) -> Examples:
        """Return the examples; `directory` plays no part."""
        k = np.arange(self.n) % self.classes
        t = (np.arange(self.n) // self.classes + 1) / -(-self.n // self.classes)
        angle = 2 * np.pi * (self.turns * t + k / self.classes)
        return _in_plane(t * np.cos(angle), t * np.sin(angle), k, self.classes, self.noise, self.seed)


@dataclass(frozen=True)
class Moons(_InPlane):
    """Two interleaved half circles in the plane.

    Class 0: x = (cos t, sin t); class 1: x = (1 − cos t, ½ − sin t); plus noise · ε, with ε ~ N(0, 1) and t from 0 to π

    Parameters
    ----------
    n : int
        Number of examples, 1 to 10,000,000; 300 by default. Example i is of class i mod 2.
    noise : float
        Standard deviation of the noise, 0 or more; 0.1 by default. The half circles have radius 1.
    seed : int
        Seed of the noise, 0 or more.

    Notes
    -----
    The target ``class`` is int64 ``(n,)``.

    Examples
    --------
    >>> examples = Moons(n=4, noise=0.0).load(Path())
    >>> np.column_stack(list(examples.features.values())).round(6) + 0.0
    array([[ 1. ,  0. ],
           [ 0. ,  0.5],
           [-1. ,  0. ],
           [ 2. ,  0.5]])
    """

    n: Annotated[int, Ge(1), Le(_MOST)] = 300
    noise: Annotated[float, Ge(0)] = 0.1
    seed: Annotated[int, Ge(0)] = 0

    def load(self, directory: Path) -> Examples:
        """Return the examples; `directory` plays no part."""
        k = np.arange(self.n) % 2
        t = np.pi * (np.arange(self.n) // 2) / max(1, -(-self.n // 2) - 1)
        x1 = np.where(k == 0, np.cos(t), 1 - np.cos(t))
        x2 = np.where(k == 0, np.sin(t), 0.5 - np.sin(t))
        return _in_plane(x1, x2, k, 2, self.noise, self.seed)


def _in_plane(x1: Array, x2: Array, k: Array, classes: int, noise: float, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    features = {name: x + noise * rng.standard_normal(len(x)) for name, x in (("x1", x1), ("x2", x2))}
    return Examples(features, k.astype(np.int64), "class", tuple(map(str, range(classes))))
