"""Fitting transforms: one pass over the training examples for each transform of the longest chain."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Sized
from typing import Any, Protocol

from nnfw.arrays import Array
from nnfw.data.columns import Column, FittedTransform, Kind, calling, require_numbers, takes_missing, through
from nnfw.data.cross_fitting import TrainingRows
from nnfw.data.examples import Examples, categorical
from nnfw.errors import DataError, PluginError, about, short
from nnfw.plugins.results import wrong_result
from nnfw.protocols import FitsToTarget, Transform


class Parts(Sized, Iterable[Examples], Protocol):
    """Parts of examples that can be read again and again; a list of one part, where they are in memory."""


class ColumnFit:
    """A column whose transforms are fitted one after the other, each on what those before it make.

    Parameters
    ----------
    name, kind
        As of :class:`Column`.
    transforms
        Those of the column, in the order in which they apply.
    raw
        Returns the column of examples.
    training
        All rows with their target, for transforms that learn from it.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        transforms: Sequence[Transform],
        raw: Callable[[Examples], Array],
        training: TrainingRows | None = None,
    ) -> None:
        self.name, self._kind, self.transforms, self.raw, self._training = name, kind, transforms, raw, training
        self._steps: tuple[FittedTransform, ...] = ()
        self._gathered: Any = None

    @property
    def left(self) -> bool:
        """Whether there is a transform that is not fitted."""
        return len(self._steps) < len(self.transforms)

    def fit(self, examples: Examples) -> None:
        """Fit the next transform on all examples."""
        values, following = self._before_next(examples), self._next
        if self._training is not None and isinstance(following, FitsToTarget):
            with calling(self.name, following, "fit_to"):
                fitted = following.fit_to(values, self._training.target)
            self._add_step(fitted, "fit_to")
            return
        with calling(self.name, following, "fit"):
            fitted = following.fit(values)
        self._add_step(fitted, "fit")

    def start(self) -> None:
        """Begin to fit the next transform on examples that come in parts."""
        with calling(self.name, self._next, "start"):
            self._gathered = self._next.start()

    def add(self, part: Examples) -> None:
        """Let the next transform look at a part of the examples."""
        values = self._before_next(part)
        with calling(self.name, self._next, "add"):
            self._gathered = self._next.add(self._gathered, values)

    def finish(self) -> None:
        """Fit the next transform on all that it has looked at."""
        with calling(self.name, self._next, "finish"):
            fitted = self._next.finish(self._gathered)
        self._gathered = None
        self._add_step(fitted, "finish")

    def column(self, examples: Examples) -> Column:
        """Return the column, with the shapes that the transforms give one of the examples."""
        return Column.of_entry(self.name, self.raw(examples)[:1], self._kind, self._steps)

    @property
    def _next(self) -> Transform:
        return self.transforms[len(self._steps)]

    def _before_next(self, examples: Examples) -> Array:
        """Return what the next transform takes."""
        raw = self.raw(examples)
        if not self._steps:
            require_numbers(self.name, raw, takes_missing(self._next))
        values = through(self.name, self._steps, raw, self._next, self._training)
        if self._next.accepts == "numeric" and categorical(values):
            raise DataError(
                f"Column {self.name!r} holds words, but {short(self._next)} takes numbers. Use one_hot for it."
            )
        return values

    def _add_step(self, fitted: object, method: str) -> None:
        if not isinstance(fitted, Mapping) or not all(isinstance(key, str) for key in fitted):
            raise wrong_result(self._next, method, fitted, "a dictionary of plain values by name")
        try:
            json.dumps(fitted, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PluginError(
                f"Column {self.name!r}: what {short(self._next)} fitted cannot be stored as JSON: {error}."
            ) from error
        self._steps += (FittedTransform(self._next, dict(fitted)),)


def fit_columns(columns: Collection[ColumnFit], parts: Parts) -> None:
    """Fit all transforms of some columns on examples that are a single part, or that are read in parts.

    The parts are read once for each transform of the longest chain.
    """
    while unfinished := [column for column in columns if column.left]:
        if len(parts) == 1:
            for column in unfinished:
                with about("columns", column.name):
                    column.fit(*parts)
            continue
        for column in unfinished:
            column.start()
        for part in parts:
            for column in unfinished:
                with about("columns", column.name):
                    column.add(part)
        for column in unfinished:
            with about("columns", column.name):
                column.finish()


def words_in(name: str, parts: Parts) -> tuple[str, ...]:
    """Return the words of a column, sorted."""
    return tuple(sorted({word for part in parts for word in set(part.column(name).ravel().tolist())}))
