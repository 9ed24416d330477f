"""Random streams: each is a child of one seed, and none depends on how much of another was drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Stream = Literal["parameters", "order", "noise", "split", "folds", "columns", "cross_fit"]
_KEYS: dict[Stream, int] = {
    "parameters": 0,
    "order": 1,
    "noise": 2,
    "split": 3,
    "folds": 4,
    "columns": 5,
    "cross_fit": 6,
}


def stream(seed: int, name: Stream, rank: int = 0) -> np.random.Generator:
    """Return the generator of one purpose: parameters, order of examples, noise (dropout), split, folds, columns, ...

    Parameters
    ----------
    seed
        The seed of the model or the experiment, 0 or greater.
    name
        The purpose.
    rank
        Which of several processes draws, 0 by default: each draws other numbers.

    Examples
    --------
    >>> stream(7, "order").permutation(4).tolist() == stream(7, "order").permutation(4).tolist()
    True
    """
    import numpy as np  # imported here: the command line reads this module before it needs NumPy

    key = (_KEYS[name], rank) if rank else (_KEYS[name],)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def permutation(seed: int, number: int, count: int) -> NDArray[np.int64]:
    """Return the permutation of so many rows that belongs to a seed and a number, such as that of a chunk."""
    import numpy as np

    sequence = np.random.SeedSequence(seed, spawn_key=(number,))
    return np.random.Generator(np.random.PCG64(sequence)).permutation(count)
