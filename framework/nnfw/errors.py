"""What a user is told when something is wrong.

Every message answers three questions: what was wrong, what was expected, and what to do. It names the values and the
owner. :class:`NnfwError` is the root, so ``except nnfw.NnfwError`` catches whatever nnfw raises on purpose.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


class NnfwError(Exception):
    """Root of all errors that nnfw raises on purpose."""


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
        What is wrong, as a predicate of the value: ``"must be greater than 0, got -3."``.
    """

    path: tuple[str | int, ...]
    text: str

    def __str__(self) -> str:
        """Return the sentence: ``model.layers[1].units must be greater than 0, got -3.``."""
        place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.path).lstrip(".")
        return f"{place} {self.text}".strip()

    def under(self, *prefix: str | int) -> "Mistake":
        """Return the same mistake, seen from further up."""
        return Mistake((*prefix, *self.path), self.text)


class ConfigError(NnfwError, ValueError):
    """Configuration values that are unknown, missing, of the wrong type or out of range.

    Parameters
    ----------
    mistakes
        All of them: they are reported at once.
    owner
        What is being configured; the message begins with it.
    """

    def __init__(self, mistakes: Iterable[Mistake], owner: str = "") -> None:
        self.mistakes = tuple(mistakes)
        prefix = f"{owner}: " if owner else ""
        super().__init__("\n".join(f"{prefix}{mistake}" for mistake in self.mistakes))


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

    def __init__(self, message: str, *, epoch: int, step: int) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.step = step


class FileFormatError(NnfwError, ValueError):
    """A file that is truncated, damaged, or of another format or version."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'dense'?"`` for the known name nearest to `name`, or nothing.

    Examples
    --------
    >>> did_you_mean("dens", ["dense", "dropout"])
    " Did you mean 'dense'?"
    >>> did_you_mean("xyz", ["dense", "dropout"])
    ''
    """
    matches = get_close_matches(name, sorted(known), n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""
