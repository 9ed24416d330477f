"""Writing text with a network that predicts the next character."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

import numpy as np

from nnfw.arrays import Array
from nnfw.data import Column, listed
from nnfw.errors import ConfigError, DataError, short
from nnfw.model import Sequential
from nnfw.randomness import stream

_SUM = 1e-3  # how far probabilities of a float32 network may be from 1 together
_SAME = 1e-5  # how far an output may move by rounding alone


def generate(
    model: Sequential, prompt: str, length: int, *, temperature: float = 1.0, top_k: int | None = None, seed: int = 0
) -> Iterator[str]:
    """Yield `length` characters that continue `prompt`, each drawn from what the network expects after those before it.

    | p_k = a_k^(1/τ) / Σ_j a_j^(1/τ) over the `top_k` largest a_k, and 0 for the others
    | τ = 0: the most likely character

    Parameters
    ----------
    model
        A network of windows of T characters, which gives the probabilities of the next one at each place.
    prompt
        The text so far, one character or more. The network sees the last T characters of it and of what it has written.
    length
        Characters to write.
    temperature
        τ, 0 or more; below 1 the likely characters become likelier.
    top_k
        How many of the likeliest characters are drawn from, 1 or more; all by default.
    seed
        Of the draws.

    Raises
    ------
    ConfigError
        If the model is another one, its output for a character depends on the characters after it, or the temperature
        is not finite.
    DataError
        If the prompt is empty, or holds characters that the model does not know.
    """
    if not isfinite(temperature):
        raise ConfigError(f"The temperature must be a finite number of 0 or more, got {temperature}.")
    writer = _Writer(model)
    writer.require_known(prompt)
    writer.require_causal()
    rng = stream(seed, "noise")
    return _continued(writer, prompt, length, temperature, top_k, rng)


def _continued(
    writer: _Writer, text: str, length: int, temperature: float, top_k: int | None, rng: np.random.Generator
) -> Iterator[str]:
    for _ in range(length):
        text = text[-writer.window :]
        a = writer.expected(text)
        character = writer.characters[drawn(a, temperature, top_k, rng)]
        text += character
        yield character


class _Writer:
    """A model that predicts the next character; ConfigError if it is another one."""

    def __init__(self, model: Sequential) -> None:
        preprocessing = model.preprocessing
        columns = preprocessing.columns if preprocessing is not None else ()
        classes = preprocessing.classes if preprocessing is not None else None
        shape = model.input_shape
        if preprocessing is None or not _takes_text(columns) or preprocessing.names_inputs:
            raise ConfigError(_other("its input is not one column of windows of characters"))
        if classes is None or {len(name) for name in classes} != {1}:
            raise ConfigError(_other("its classes are not characters"))
        if model.output_shape != (*shape, len(classes)):
            raise ConfigError(
                _other(f"its output has shape {model.output_shape}, expected {(*shape, len(classes))}, the next one")
            )
        self._model, self._preprocessing, self._column = model, preprocessing, columns[0].name
        self.characters: Sequence[str] = classes
        (self.window,) = columns[0].shape
        self._known = np.array([self._takes(character) for character in classes])

    def require_known(self, prompt: str) -> None:
        """Refuse a prompt that is empty or holds other characters; DataError names them."""
        if not prompt:
            raise DataError("The prompt is empty; give one character at least, which the text begins with.")
        known = np.array(self.characters)[self._known].tolist()
        if unknown := sorted(set(prompt).difference(known)):
            raise DataError(
                f"The prompt holds {listed([*map(short, unknown)])}, which the model has never seen. It knows "
                f"{listed([*map(short, known)])}."
            )

    def require_causal(self) -> None:
        """Refuse a network that sees later characters: what it has learned is of no use where they are missing."""
        known = np.flatnonzero(self._known)
        first, last = self.characters[known[0]], self.characters[known[-1]]
        before, after = (self._outputs(first * (self.window - 1) + end)[:-1] for end in (first, last))
        if not np.allclose(before, after, rtol=0, atol=_SAME):
            raise ConfigError(
                "The network sees the characters after the one that it predicts, so it cannot write. Train it with "
                "causal = true, or with recurrent layers in one direction."
            )

    def expected(self, text: str) -> Array:
        """Return the probability of each character after a text of at most a window; ConfigError if it gives none.

        It is 0 for characters of held-out parts that the input does not know.
        """
        a: Array = self._outputs(text.ljust(self.window, text[-1]))[len(text) - 1].astype(np.float64)
        if not (a >= 0).all() or abs(a.sum() - 1) > _SUM:
            raise ConfigError(
                "The outputs of the network are no probabilities. Train it with softmax in the last layer."
            )
        known: Array = np.where(self._known, a, 0)
        return known

    def _outputs(self, window: str) -> Array:
        a: Array = self._model.predict(self._input(window))[0]
        return a

    def _input(self, window: str) -> Array:
        x: Array = self._preprocessing.apply({self._column: np.array([[*window]])}, self._model.dtype)
        return x

    def _takes(self, character: str) -> bool:
        try:
            self._input(character * self.window)
        except DataError:
            return False
        return True


def drawn(a: Array, temperature: float, top_k: int | None, rng: np.random.Generator) -> int:
    """Return the class drawn from probabilities, as :func:`generate` says; of equal ones at temperature 0 the first.

    Examples
    --------
    >>> drawn(np.array([0.2, 0.7, 0.1]), 0, None, np.random.default_rng(0))
    1
    """
    likeliest = np.argsort(-a, kind="stable")[:top_k]
    if temperature == 0:
        return int(likeliest[0])
    with np.errstate(divide="ignore", over="ignore"):
        p = np.exp((np.log(a[likeliest]) - np.log(a[likeliest[0]])) / temperature)  # relative to the largest, 1
    ends = np.cumsum(p)
    return int(likeliest[np.searchsorted(ends, rng.random() * ends[-1], side="right")])


def _takes_text(columns: Sequence[Column]) -> bool:
    return len(columns) == 1 and columns[0].kind == "categorical" and len(columns[0].shape) == 1


def _other(why: str) -> str:
    return f"The model does not write text: {why}. Train one on the dataset 'characters' with the transform 'index'."
