"""The errors that nnfw raises, and how their messages are written.

Every message answers three questions: what was wrong, what was expected, and what to do. It names the values and the
owner. :class:`NnfwError` is the root, so ``except nnfw.NnfwError`` catches whatever nnfw raises on purpose.
"""

import re
import sys
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Self

_LONGEST_VALUE = 60  # characters of a wrong value that a message repeats
_LONGEST_WORD = 500  # characters of a name or path in a message, as in a deep folder
_LONGEST_LINE = 4000  # characters of one mistake
_BOTH_ENDS = 3  # the end, which holds the advice, gets a third of what is kept
_MOST_COMPARED = 1000  # names; comparing more would make an error slow
_PLAIN_KEY = re.compile(rf"[A-Za-z0-9_-]{{1,{_LONGEST_VALUE}}}")


class NnfwError(Exception):
    """Root of all errors that nnfw raises on purpose. Its message is its first argument, cut to a readable length.

    Attributes
    ----------
    owner
        What the message is about, in front of it; empty where the message says so itself.
    path
        Keys and positions that lead to that in a configuration, as in a :class:`Mistake`: ``("layers", 1)``. Empty
        where it is nothing of a configuration. Of data, ``("columns", name)``, ``("input_shape", name)`` and
        ``("targets", name)`` stand for a column, an input and an output.
    """

    owner: str = ""
    path: tuple[str | int, ...] = ()

    def of(self, owner: str, path: tuple[str | int, ...] = ()) -> Self:
        """Put an owner in front of the message, and return the error; a path that it has already stays.

        Examples
        --------
        >>> print(ShapeError("expected input of shape (4,), got (5,).").of("Layer 1 'dense'", ("layers", 1)))
        Layer 1 'dense': expected input of shape (4,), got (5,).
        """
        self.owner = f"{owner}: {self.owner}" if self.owner and owner else owner or self.owner
        self.path = self.path or path
        return self

    def __str__(self) -> str:
        """Return the message after its owner, with very long words and lines cut."""
        message = str(*self.args[:1])
        return readable(f"{self.owner}: {message}" if self.owner else message)


@contextmanager
def about(*path: str | int) -> Iterator[None]:
    """Say where in a configuration stands what errors in the body are about: their :attr:`NnfwError.path`."""
    try:
        yield
    except NnfwError as error:
        error.of("", path)
        raise


def warn(text: str) -> None:
    """Issue a RuntimeWarning that points to the caller's line outside of nnfw."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "nnfw":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, RuntimeWarning, stacklevel=level)


class UnknownComponentError(NnfwError, LookupError):
    """No installed plugin offers a component of this name."""


class PluginError(NnfwError):
    """A plugin, or one of its components, breaks the rules of its protocol."""


@dataclass(frozen=True)
class Mistake:
    """One thing wrong with a configuration.

    Parameters
    ----------
    path
        Keys and positions that lead to the value: ``("model", "layers", 1, "units")``.
    text
        What is wrong: a predicate of the value, ``"must be greater than 0, got -3."``, or a sentence of its own, which
        begins with a capital.

    Examples
    --------
    >>> print(Mistake(("layers", 1, "units"), "must be greater than 0, got -3."))
    layers[1].units must be greater than 0, got -3.
    >>> print(Mistake(("layers", 1), "Unknown layer 'dens'."))
    layers[1]: Unknown layer 'dens'.
    """

    path: tuple[str | int, ...]
    text: str

    def __str__(self) -> str:
        """Return the place and what is wrong there, as one sentence."""
        place = "".join(f"[{key}]" if isinstance(key, int) else f".{_spelt(key)}" for key in self.path).lstrip(".")
        link = ": " if place and self.text[:1].isupper() else " "
        return f"{place}{link}{self.text}".strip()

    def under(self, *prefix: str | int) -> "Mistake":
        """Return the same mistake with keys put before its path."""
        return Mistake((*prefix, *self.path), self.text)


class ConfigError(NnfwError, ValueError):
    """Configuration values that are unknown, missing, of the wrong type or out of range.

    Parameters
    ----------
    mistakes
        All of them: they are reported at once. A text is a single mistake without a path.
    owner
        What is configured; each line of the message begins with it.
    """

    def __init__(self, mistakes: Iterable[Mistake] | str, owner: str = "") -> None:
        self.mistakes = (Mistake((), mistakes),) if isinstance(mistakes, str) else tuple(mistakes)
        super().__init__(self.mistakes, owner)  # what pickle and copy call the class with
        self.owner = owner

    def __str__(self) -> str:
        """Return one line for each mistake."""
        prefix = f"{self.owner}: " if self.owner else ""
        return readable("\n".join(f"{prefix}{mistake}" for mistake in self.mistakes))


class ShapeError(NnfwError, ValueError):
    """Shapes that do not fit together."""


class DataError(NnfwError, ValueError):
    """Data that is missing, malformed, not finite, or unfit for the network or the cost."""


class StateError(NnfwError, RuntimeError):
    """A call out of order, such as a backward pass before any forward pass."""


class DivergedError(NnfwError, ArithmeticError):
    """The cost stopped being finite during training.

    Parameters
    ----------
    message
        Names the epoch, the step and the layer.
    epoch, step
        Where it happened, both counted from 1; the step counts over the whole training.
    """

    def __init__(self, message: str, epoch: int, step: int) -> None:
        super().__init__(message, epoch, step)  # what pickle and copy call the class with
        self.epoch = epoch
        self.step = step


class TrainingInterrupted(KeyboardInterrupt):
    """A training that a signal ended, after a whole step: the model is usable, and the training can be resumed.

    Parameters
    ----------
    message
        Says where it ended and how to resume it.
    signal
        The number of the signal.
    place
        Where it ended, in words.
    """

    def __init__(self, message: str, signal: int, place: str = "") -> None:
        super().__init__(message, signal, place)  # what pickle and copy call the class with
        self.signal = signal
        self.place = place

    def __str__(self) -> str:
        """Return the message."""
        return str(self.args[0])


class FileFormatError(NnfwError, ValueError):
    """A file that is truncated, damaged, or of another format or version."""


def did_you_mean(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Return ``" Did you mean 'dense'?"`` for the known name nearest to `name`, or nothing.

    Capitals, hyphens and underscores do not count. If two names look the same but differ in Unicode, it says so.

    Parameters
    ----------
    name
        The unknown name.
    known
        The known names.
    likeness
        How similar the two must be, from 0 to 1; 1 allows only differences that do not count.

    Examples
    --------
    >>> did_you_mean("dens", ["dense", "dropout"])
    " Did you mean 'dense'?"
    >>> did_you_mean("LeakyReLU", ["leaky_relu", "relu"])
    " Did you mean 'leaky_relu'?"
    >>> did_you_mean("xyz", ["dense", "dropout"])
    ''
    """
    near = (form for form in known if abs(len(form) - len(name)) < _LONGEST_VALUE)
    folded = {_folded(form): form for form in sorted(islice(near, _MOST_COMPARED))}
    matches = get_close_matches(_folded(name), folded, n=1, cutoff=likeness) if len(name) <= _LONGEST_VALUE else ()
    if not matches:
        return ""
    nearest = folded[matches[0]]
    if name != nearest and _normal(name) == _normal(nearest):
        return (
            f" Did you mean {nearest!a}? It is {name!a} in another Unicode form: write both in one form, NFC for "
            "instance."
        )
    return f" Did you mean {nearest!r}?"


def article(words: str) -> str:
    """Return `words` with their indefinite article.

    Examples
    --------
    >>> article("layer"), article("activation")
    ('a layer', 'an activation')
    """
    return f"{'an' if words[:1] in tuple('aeiou') else 'a'} {words}"


def short(value: object) -> str:
    """Return ``repr(value)`` in one line, cut after 60 characters.

    Examples
    --------
    >>> short("relu")
    "'relu'"
    """
    try:
        text = one_line(repr(value))
    except BaseException:  # a repr may do anything: too many digits, too deep, a bug, an exit
        return f"a value of type {class_name(value)} that cannot be shown"
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def shown(name: str) -> str:
    """Return a name as a message repeats it: as it is, or as :func:`short` if it is long or not printable.

    Examples
    --------
    >>> shown("trunk"), len(shown("x" * 10_000))
    ('trunk', 60)
    """
    return name if name.isprintable() and len(name) <= _LONGEST_VALUE else short(name)


def one_line(text: str) -> str:
    """Return `text` in one line.

    Examples
    --------
    >>> one_line(" two   spaces ")
    'two spaces'
    """
    return " ".join(str.split(text))  # of `str`: a subclass may override it


def class_name(value: object) -> str:
    """Return the name of a value's class in one line, cut after 60 characters, even if its metaclass overrides it.

    Examples
    --------
    >>> class_name(3)
    'int'
    """
    return one_line(type.__dict__["__name__"].__get__(type(value)))[:_LONGEST_VALUE]


def described(found: object) -> str:
    """Return what a result is: dtype and shape of an array, the class of anything else, and whether it is empty.

    Examples
    --------
    >>> import numpy as np
    >>> described(None), described(np.zeros((2, 3))), described(())
    ('NoneType', 'a float64 array of shape (2, 3)', 'an empty tuple')
    """
    dtype, shape = getattr(found, "dtype", None), getattr(found, "shape", None)
    if dtype is not None and type(shape) is tuple:
        return f"a {dtype} array of shape {shape}"
    return f"{'an empty ' if type(found) in (list, tuple, dict) and not found else ''}{class_name(found)}"


def readable(text: str) -> str:
    """Return a message with each word cut after 500 characters, and each line after 4,000, both in the middle.

    Examples
    --------
    >>> len(readable(f"there is no column '{'x' * 1_000_000}'. Columns: a, b."))
    534
    """
    if len(text) <= _LONGEST_WORD:
        return text
    words = re.sub(rf"\S{{{_LONGEST_WORD + 1},}}", lambda word: _cut(word[0], _LONGEST_WORD), text)
    return "\n".join(_cut(line, _LONGEST_LINE) for line in words.split("\n"))


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = most // _BOTH_ENDS
    return f"{text[: most - end - len('...')]}...{text[-end:]}"


def in_words(error: BaseException) -> str:
    """Return an error in one line: one of nnfw as it is, any other after the name of its class.

    Examples
    --------
    >>> in_words(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero'
    """
    text = one_line(text_of(error))
    if text and issubclass(type(error), NnfwError):
        return text
    return readable(f"{class_name(error)}: {text}" if text else class_name(error))


def text_of(error: BaseException) -> str:
    """Return ``str(error)``, or an empty text if its ``__str__`` raises anything, even SystemExit."""
    try:
        return str.__str__(str(error))
    except BaseException:
        return ""


def _folded(name: str) -> str:
    return re.sub(r"[-_ ]+", "", _normal(name)).lower()


def _normal(name: str) -> str:
    """Return a name in the form that all its spellings in Unicode share."""
    return unicodedata.normalize("NFKC", name)


def _spelt(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else short(key)
