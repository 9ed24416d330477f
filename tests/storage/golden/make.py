"""Write the model file that every later version must read: python tests/storage/golden/make.py FILE

``model-1.nnfw`` was written by the first version of format 1. It is never made anew: that would prove nothing. A new
format gets a file of its own beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import nnfw
from nnfw.data import Column, FittedTransform, Preprocessing

LAYERS = (
    {"type": "dense", "units": 3, "activation": {"type": "leaky_relu", "slope": 0.25}},
    {"type": "dropout", "rate": 0.5},
    {"type": "chain", "layers": [{"type": "dense", "units": 2, "bias": False}]},
    {"type": "activation", "activation": "softmax"},
)


def preprocessing() -> Preprocessing:
    """Return columns of a number and a word, and two classes."""
    age = FittedTransform(nnfw.transform("standardize"), {"mean": 40.5, "scale": 12.25})
    city = FittedTransform(nnfw.transform("one_hot"), {"categories": ["Bern", "Oslo", "Zürich"]})
    columns = (Column("age", "numeric", (), (), (age,)), Column("city", "categorical", (), (3,), (city,)))
    return Preprocessing(columns, Column("moved", "categorical", (), (), ()), ("no", "yes"))


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Return eighths: -0.0, and numbers that float32 holds exactly."""
    return (np.arange(np.prod(shape), dtype=np.float32).reshape(shape) - 4) / -8


def model() -> nnfw.Sequential:
    """Return the model that the file holds."""
    made = nnfw.Sequential(LAYERS, 4, seed=20201101)
    for name, parameter in made.parameters.items():
        made.parameters[name] = numbers(parameter.shape)
    made.preprocessing = preprocessing()
    return made


if __name__ == "__main__":
    model().save(Path(sys.argv[1]))
