"""Where examples come from, and what happens to their columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from nnfw.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from nnfw.arrays import Array, Shape
    from nnfw.plain import PlainTable


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

    @property
    def missing(self) -> Mapping[str, str]:
        """What to say of a column with missing numbers that no transform takes."""


@runtime_checkable
class Source(Protocol):
    """Examples that do not fit into memory: columns that are read chunk by chunk.

    Attributes
    ----------
    schema
        Name, dtype and shape of each column, as a structured dtype of NumPy:
        ``np.dtype([("x", "f4", (28, 28)), ("y", "i8")])``.
    chunks
        The number of examples in each chunk, 1 or more; a chunk must fit into memory. Examples are shuffled within a
        chunk, and the chunks among each other.
    target
        The column of labels, which `predict` leaves out; None where there is none.
    classes
        Names of the classes: a whole number k in the column of labels means ``classes[k]``. None where they have none;
        those of words are found by reading all chunks.
    """

    schema: np.dtype[np.void]
    chunks: Sequence[int]
    target: str | None = None
    classes: tuple[str, ...] | None = None

    @abstractmethod
    def read(self, chunk: int) -> Mapping[str, Array]:
        """Return the columns of a chunk, the first is 0; the same whenever it is read, in whatever order."""

    def fingerprint(self) -> str:
        """Return a text that changes with the examples: a checksum, or size and time of a file; empty by default.

        A training resumes only if it is the same. Schema, chunks and the first and last chunk are compared anyway.
        """
        return ""


class Dataset(Protocol):
    """Where examples come from."""

    @abstractmethod
    def load(self, directory: Path) -> Columns:
        """Read :class:`nnfw.Examples`; relative paths start at `directory`. DataError says what is wrong, and where."""

    def open(self, directory: Path) -> Source | None:
        """Return a :class:`nnfw.Source` for examples that do not fit into memory; then nothing is loaded.

        None by default, and where loading is better.
        """
        return None

    def of_file(self, path: str, delimiter: str, shapes: Mapping[str, Shape], *, labelled: bool) -> Dataset | None:
        """Return the dataset that reads another table of the kind that this one reads, for a trained model.

        None, the default, if a table of the columns by name will do. `shapes` are those of one example of each column;
        unless it is to be `labelled`, the table may lack targets.
        """
        return None

    def recipe(self, directory: Path) -> str | None:
        """Return the text of an experiment file that is a good start for this data, with the reasons for its choices.

        None by default. Relative paths start at `directory`, and are written as they are.
        """
        return None

    def suitable_transforms(
        self, columns: Mapping[str, Array], indices: Collection[str] = (), *, target: bool = False
    ) -> Sequence[PlainTable] | None:
        """Return the transforms that ``transforms = "auto"`` stands for, as tables with a ``type``.

        None by default: there is no such choice. `columns` are features, missing numbers among them NaN and missing
        words empty, of which `indices` must become indices; or the `target`, which is numbers.
        """
        return None

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
        ``"numeric"``, ``"categorical"`` or ``"any"``: the raw columns it takes when `columns` is None.
    takes_missing
        Whether missing values reach it: NaN among numbers, the empty word among words. Otherwise they are refused
        before. Missing numbers never reach one that accepts ``"categorical"``, nor may the last transform of a column
        leave any.
    invertible
        Whether :meth:`invert` gives back what :meth:`apply` was given. Otherwise it returns any column that `apply`
        takes, and the transform cannot change a target.
    """

    columns: tuple[str, ...] | None
    accepts: ClassVar[Literal["numeric", "categorical", "any"]]
    takes_missing: ClassVar[bool] = False
    invertible: ClassVar[bool] = True

    @abstractmethod
    def fit(self, column: Array) -> Mapping[str, Any]:
        """Return the fitted values of one column ``(N, ...)``: strings, numbers or lists of them, fit for JSON."""

    def start(self) -> Any:
        """Return what :meth:`add` begins with, where a column comes in parts; by default an empty list of parts."""
        return []

    def add(self, gathered: Any, part: Array) -> Any:
        """Return `gathered` with the next rows of the column; by default with a copy of them.

        `part` is not modified, and may hold other rows after the call.
        """
        return [*gathered, part.copy()]

    def finish(self, gathered: Any) -> Mapping[str, Any]:
        """Return the fitted values; by default those of :meth:`fit` for the whole column."""
        import numpy as np

        return self.fit(np.concatenate(gathered))

    @abstractmethod
    def apply(self, column: Array, fitted: Mapping[str, Any]) -> Array:
        """Return the changed column; its first axis stays. Integers from the last transform stay int64."""

    @abstractmethod
    def invert(self, column: Array, fitted: Mapping[str, Any]) -> Array:
        """Return the column as it was before :meth:`apply`; see `invertible`."""


class FitsInParts(Transform, Protocol):
    """A transform that never needs the whole column: its author writes `start`, `add` and `finish` instead of `fit`."""

    @abstractmethod
    def start(self) -> Any:
        """Return what :meth:`add` begins with: sums that are 0, an empty set."""

    @abstractmethod
    def add(self, gathered: Any, part: Array) -> Any:
        """Return what the rows so far and those of `part` gathered; its size does not grow with their number.

        `gathered` may be changed in place, `part` is not modified.
        """

    @abstractmethod
    def finish(self, gathered: Any) -> Mapping[str, Any]:
        """Return the fitted values, fit for JSON: up to rounding the same, however the column is cut."""

    def fit(self, column: Array) -> Mapping[str, Any]:
        """Return the fitted values of a column that is one part."""
        return self.finish(self.add(self.start(), column))


@runtime_checkable
class FitsToTarget(Transform, Protocol):
    """A transform of features that learns from the target: its author writes `fit_to` and `cross_fit` instead of `fit`.

    The target is ``(N, K)`` in float64: numbers as they are, and for classes a column of 0 and 1 each, of two classes
    only that of the second. Labels are classes if they are words, or integers of at most 20 kinds that no target
    transform changes. Several targets lie side by side.

    `apply` makes the examples of validation, test and prediction. Had it made those of the training part too, each of
    them would carry its own label into its features.
    """

    @abstractmethod
    def fit_to(self, column: Array, target: Array) -> Mapping[str, Any]:
        """Return the fitted values of the training part, fit for JSON."""

    @abstractmethod
    def cross_fit(self, column: Array, target: Array, rng: np.random.Generator) -> Array:
        """Return the changed column of the training part, each row made without its own target.

        As :meth:`apply` in shape. `rng` is the only source of randomness, and in the same state whenever it is called.
        """

    def fit(self, column: Array) -> Mapping[str, Any]:
        """Raise DataError: without the target there is nothing to fit."""
        raise DataError(
            f"{type(self).__name__} learns from the target, so it needs all training examples with their labels in "
            "memory. Data that is read in chunks takes a transform such as hash or index."
        )
