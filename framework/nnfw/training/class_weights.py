"""Weights of examples by their class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from nnfw.arrays import Array
from nnfw.data import listed
from nnfw.errors import ConfigError, Mistake, did_you_mean
from nnfw.training.batches import Data, Labelled
from nnfw.training.options import BALANCED, ClassWeight

D = TypeVar("D", bound=Data)
"""Examples in memory, or that are read."""

_PATH = ("class_weight",)


def with_class_weights(
    data: D, wanted: ClassWeight | None, classes: Sequence[str] | None, dtype: np.dtype[np.generic]
) -> D | Labelled:
    """Return examples whose weights are multiplied by those of their classes; the same examples if None are wanted.

    Parameters
    ----------
    data
        The training examples.
    wanted
        As the option of :class:`TrainingOptions`.
    classes
        Names of the classes; by default their numbers.
    dtype
        Of the weights.

    Raises
    ------
    ConfigError
        If the examples are not in memory, have several outputs or no classes; if a class is unknown; if the weights of
        all examples are 0.
    """
    if wanted is None:
        return data
    if not isinstance(data, Labelled):
        raise _refused("needs all examples in memory, but the data is read chunk by chunk. Give weights of examples.")
    numbers = _class_numbers(data)
    used = numbers if data.rows is None else numbers[data.rows]
    found, counts = np.unique(used, return_counts=True)
    names = {int(k): str(k) if classes is None else classes[k] for k in found.tolist()}
    if wanted == BALANCED:
        weights = dict(zip(names, (len(used) / (len(found) * counts)).tolist(), strict=True))
    else:
        assert isinstance(wanted, Mapping)
        known = list(names.values()) if classes is None else list(classes)
        if unknown := [name for name in wanted if name not in known]:
            raise _refused(f"names no class {unknown[0]!r}.{did_you_mean(unknown[0], known)} Classes: {listed(known)}.")
        weights = {k: wanted.get(name, 1.0) for k, name in names.items()}
    if not any(weights.values()):
        raise _refused("is 0 for every class of the training data, so no example counts. Give one of them more.")
    of_examples = np.array([weights.get(k, 1.0) for k in range(int(numbers.max()) + 1)])[numbers]
    return replace(data, weight=(of_examples if data.weight is None else of_examples * data.weight).astype(dtype))


def _class_numbers(data: Labelled) -> Array:
    """Return the number of the class of each example; ConfigError if they have none."""
    labels = data.targets[0].reshape(len(data.targets[0]), -1)
    if len(data.targets) > 1:
        raise _refused("needs a network with one output. Give weights of examples.")
    numbers = np.asarray(labels[:, 0]).astype(np.int64)
    if labels.shape[1] != 1 or (numbers != labels[:, 0]).any() or numbers.min() < 0:
        raise _refused("needs a class for each example, a whole number of 0 or more. Give weights of examples.")
    return numbers


def _refused(text: str) -> ConfigError:
    return ConfigError([Mistake(_PATH, text)])
