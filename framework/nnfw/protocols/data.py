"""Where examples come from, and what happens to their columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from nnfw.arrays import Array, Shape


class Columns(Protocol):
    """Examples as columns. :class:`nnfw.Examples` is the one class of them, and says what each attribute holds."""

    @property
    def features(self) -> Mapping[str, Array]:
        """Column by name."""

    @property
    def target(self) -> Array | None:
        """The target; None where there is none."""

    @property
    def target_name(self) -> str:
        """What the target is called."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes."""


class Dataset(Protocol):
    """Where examples come from."""

    @abstractmethod
    def load(self, directory: Path) -> Columns:
        """Read :class:`nnfw.Examples`; relative paths start at `directory`. DataError says what is wrong, and where."""

    def input_shape(self) -> Shape | None:
        """Return the shape of one example if it is known without reading anything; None by default."""
        return None


class Transform(Protocol):
    """A change of columns whose values are fitted on the training split and stored with the model.

    Attributes
    ----------
    columns
        Names of the columns to change; None for all that it `accepts`.
    accepts
        ``"numeric"`` or ``"categorical"``: the raw columns it takes when `columns` is None.
    """

    columns: tuple[str, ...] | None
    accepts: ClassVar[Literal["numeric", "categorical"]]

    @abstractmethod
    def fit(self, column: Array) -> Mapping[str, Any]:
        """Return the fitted values of one column ``(N, ...)``: strings, numbers or lists of them, fit for JSON."""

    @abstractmethod
    def apply(self, column: Array, fitted: Mapping[str, Any]) -> Array:
        """Return the changed column; its first axis stays."""

    @abstractmethod
    def invert(self, column: Array, fitted: Mapping[str, Any]) -> Array:
        """Return the column as it was before :meth:`apply`."""
