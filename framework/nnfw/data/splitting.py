"""Splitting examples into training, validation and test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnfw.arrays import Array
from nnfw.data.examples import Examples
from nnfw.errors import DataError
from nnfw.randomness import permutation

Rows = NDArray[np.int64]

_PARTS = ("validation", "test")
_MOST_SPLIT = 10**9  # examples: beyond that NumPy draws no hypergeometric numbers


class Split(NamedTuple):
    """Rows of the three parts, each in ascending order; together they are every row once."""

    training: Rows
    validation: Rows
    test: Rows


def split(
    examples: Examples,
    validation: float = 0.15,
    test: float = 0.15,
    *,
    stratify: bool = False,
    in_order: bool = False,
    groups: Array | None = None,
    rng: np.random.Generator,
) -> Split:
    """Draw rows for validation and test; the rest is for training.

    DataError if there are too few examples, or the target has no classes to stratify by.

    Parameters
    ----------
    examples
        N examples.
    validation, test
        Shares of the examples, which the experiment has checked: in [0, 1), together less than 1. N times the share is
        rounded to the nearest whole number, but to no less than 1 where the share is not 0.
    stratify
        Whether each part has the classes in the same proportions, as closely as whole examples allow (largest
        remainder). Every class keeps at least one example for training, so a class with one example is in training
        only.
    in_order
        Whether the last examples are the test part and those before them the validation part; nothing is drawn. Where
        the examples have a time, the newest ones are, and those of one time are in one part.
    groups
        The group of each example, ``(N,)``, by default that of the examples: a whole group is in one part, and parts
        are as near to their size as that allows.
    rng
        The only source of randomness.

    Examples
    --------
    >>> examples = Examples({"x": np.arange(10.0)}, np.array([0, 1] * 5))
    >>> parts = split(examples, validation=0.2, test=0.2, stratify=True, rng=np.random.default_rng(0))
    >>> [len(part) for part in parts]
    [6, 2, 2]
    >>> sorted(examples.target[parts.test].tolist())
    [0, 1]
    """
    total = len(examples)
    wanted = _wanted(total, {"validation": validation, "test": test})
    groups, order, in_order = _how(examples, groups, in_order=in_order)
    if groups is not None:
        held_out = _by_group(groups[order], wanted, None if in_order else rng)
        held_out = {name: order[rows] for name, rows in held_out.items()}
    elif stratify:
        held_out = _by_class(examples, wanted, rng)
    else:
        held_out = _cut(order[total - sum(wanted.values()) :] if in_order else rng.permutation(total), wanted)
    is_training = np.ones(total, dtype=bool)
    for rows in held_out.values():
        is_training[rows] = False
    return Split(np.flatnonzero(is_training), np.sort(held_out["validation"]), np.sort(held_out["test"]))


def _how(examples: Examples, groups: Array | None, *, in_order: bool) -> tuple[Array | None, Rows, bool]:
    """Return the groups, the order of the examples in time or as they are, and whether they are split in this order.

    Without groups, examples of one time are a group.
    """
    groups = examples.group if groups is None else groups
    if examples.time is None:
        return groups, np.arange(len(examples)), in_order
    return examples.time if groups is None else groups, np.argsort(examples.time, kind="stable"), True


class Fold(NamedTuple):
    """The rows that one network of a cross-validation may learn from, and those that it is tested on, ascending."""

    known: Rows
    test: Rows


def folds(
    examples: Examples,
    count: int,
    *,
    in_order: bool = False,
    groups: Array | None = None,
    rng: np.random.Generator,
) -> list[Fold]:
    """Cut examples into `count` folds, each of which is tested once by a network that has not seen it.

    A target of classes is stratified: the examples of each class are dealt to the folds in turn. DataError if there are
    too few examples or groups.

    Parameters
    ----------
    examples
        N examples.
    count
        2 or more.
    in_order
        Whether examples are in the order of time: they are cut into `count` + 1 blocks, and each but the first is
        tested by a network that knows those before it. Where the examples have a time, that is their order.
    groups
        The group of each example, ``(N,)``, by default that of the examples: a whole group is in one fold. The largest
        group comes first, into the smallest fold so far.
    rng
        The only source of randomness.

    Examples
    --------
    >>> examples = Examples({"x": np.arange(6.0)}, np.array([0, 1, 0, 1, 0, 1]))
    >>> [sorted(examples.target[fold.test].tolist()) for fold in folds(examples, 3, rng=np.random.default_rng(0))]
    [[0, 1], [0, 1], [0, 1]]
    >>> [fold.test.tolist() for fold in folds(examples, 2, in_order=True, rng=np.random.default_rng(0))]
    [[2, 3], [4, 5]]
    """
    total, rows = len(examples), np.arange(len(examples))
    groups, order, in_order = _how(examples, groups, in_order=in_order)
    single: Array = rows if groups is None else groups  # without groups, each example is one
    _, of_group, sizes = np.unique(single, return_inverse=True, return_counts=True)
    blocks = count + in_order
    _require_enough(len(sizes), count, in_order, "examples" if groups is None else "groups")
    if in_order:
        block = np.empty_like(of_group)
        block[order] = _blocks_in_order(of_group[order], sizes, blocks)
        return [Fold(rows[block < k], rows[block == k]) for k in range(1, blocks) if (block == k).any()]
    if groups is not None:
        fold_of = _dealt_groups(sizes, count, rng)[of_group]
    else:
        order = rng.permutation(total)
        if is_of_classes(examples):
            order = order[np.argsort(np.unique(_labels(examples), return_inverse=True)[1][order], kind="stable")]
        fold_of = np.empty(total, np.int64)
        fold_of[order] = rows % count
    return [Fold(rows[fold_of != k], rows[fold_of == k]) for k in range(count)]


def _blocks_in_order(of_group: Rows, sizes: Rows, count: int) -> Rows:
    """Return the block of each example: groups stay together, in the order of their first examples."""
    first = np.unique(of_group, return_index=True)[1]
    order = np.argsort(first)
    starts = np.cumsum(sizes[order]) - sizes[order]
    block = np.empty_like(sizes)
    block[order] = starts * count // len(of_group)
    return block[of_group]


def _dealt_groups(sizes: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Return the fold of each group."""
    fold_of, filled = np.empty_like(sizes), np.zeros(count, np.int64)
    order = rng.permutation(len(sizes))
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[group] = smallest = int(np.argmin(filled))
        filled[smallest] += sizes[group]
    return fold_of


@dataclass(frozen=True, eq=False)
class ChunkRows:
    """The rows of each chunk that belong to a part of a split; they are drawn when they are asked for.

    Parameters
    ----------
    sizes
        The number of rows in each chunk.
    lengths
        How many of them belong to the part.
    starts
        Where they begin in the permutation of the chunk's rows, after whose end comes its beginning.
    seed
        Of the permutations; None if the rows are in order.
    """

    sizes: Rows
    lengths: Rows
    starts: Rows
    seed: int | None

    def __getitem__(self, chunk: int) -> Rows:
        """Return the rows, in ascending order."""
        start, length, size = int(self.starts[chunk]), int(self.lengths[chunk]), int(self.sizes[chunk])
        order = np.arange(size) if self.seed is None else permutation(self.seed, chunk, size)
        return np.sort(order[np.arange(start, start + length) % size])


def split_chunks(
    sizes: Sequence[int], validation: float, test: float, *, in_order: bool = False, rng: np.random.Generator
) -> dict[str, ChunkRows]:
    """Choose the rows of training, validation and test as :func:`split` does, for examples in chunks.

    Only the number of rows from each chunk is held: as many as a permutation of all examples would take. DataError if
    there are too few examples, or too many to draw from.
    """
    own, total = np.asarray(sizes, np.int64), int(np.sum(sizes))
    wanted = _wanted(total, {"validation": validation, "test": test})
    if in_order:
        return _cut_chunks(own, {"training": total - sum(wanted.values()), **wanted})
    if any(wanted.values()) and total >= _MOST_SPLIT:
        raise DataError(
            f"{total:,} examples cannot be split at random; {_MOST_SPLIT - 1:,} are the most. Split them in order, or "
            "set the shares of validation and test to 0."
        )
    left, starts, parts, seed = own, np.zeros_like(own), {}, int(rng.integers(1 << 63))
    for name, count in wanted.items():
        lengths = rng.multivariate_hypergeometric(left, count, method="marginals") if count else np.zeros_like(own)
        parts[name] = ChunkRows(own, lengths, starts, seed)
        left, starts = left - lengths, starts + lengths
    return {"training": ChunkRows(own, left, starts, seed), **parts}


def fold_chunks(
    sizes: Sequence[int], count: int, validation: float, *, in_order: bool = False, rng: np.random.Generator
) -> list[dict[str, ChunkRows]]:
    """Cut examples in chunks into folds as :func:`folds` does, without classes or groups; return the parts of each.

    A share `validation` of what a network may know is its validation part. The rows of each chunk are dealt to the
    folds in turn, or in order cut into blocks. DataError if there are too few examples.
    """
    own, total = np.asarray(sizes, np.int64), int(np.sum(sizes))
    _require_enough(total, count, in_order, "examples")
    if in_order:
        ends = [total * k // (count + 1) for k in range(1, count + 2)]
        held = [_wanted(known, {"validation": validation})["validation"] for known in ends[:-1]]
        return [
            _cut_chunks(own, {"training": known - v, "validation": v, "test": end - known})
            for known, end, v in zip(ends, ends[1:], held, strict=False)
        ]
    left = own % count  # rows that are left when each fold has got as many; the next chunk goes on where this one ends
    turn = (np.arange(count)[:, np.newaxis] - (np.cumsum(left) - left)) % count
    lengths = own // count + (turn < left)
    starts, seed, parts = np.cumsum(lengths, axis=0) - lengths, int(rng.integers(1 << 63)), []
    for length, start in zip(lengths, starts, strict=True):
        known = own - length
        held_out = _apportion(_wanted(int(known.sum()), {"validation": validation})["validation"], known, known)
        after = start + length
        parts.append(
            {
                "training": ChunkRows(own, known - held_out, after + held_out, seed),
                "validation": ChunkRows(own, held_out, after, seed),
                "test": ChunkRows(own, length, start, seed),
            }
        )
    return parts


def _require_enough(total: int, count: int, in_order: bool, units: str) -> None:
    """Refuse fewer examples or groups than folds."""
    least = max(2, count + in_order)
    if count < 2 or total < least:
        raise DataError(
            f"{count} folds {'in order ' * in_order}need at least {least} {units}, there are {total}. Choose another "
            "number of folds, 2 or more."
        )


def _cut_chunks(sizes: Rows, counts: dict[str, int]) -> dict[str, ChunkRows]:
    """Give each part so many examples, one part after the other."""
    starts, parts, begin = np.cumsum(sizes) - sizes, {}, 0
    for name, count in counts.items():
        first, end = (np.clip(place - starts, 0, sizes) for place in (begin, begin + count))
        parts[name] = ChunkRows(sizes, end - first, first, None)
        begin += count
    return parts


def _wanted(total: int, shares: dict[str, float]) -> dict[str, int]:
    """Return how many examples each part gets that is held out; DataError if none is left for training."""
    wanted = {name: max(1, int(total * share + 0.5)) if share else 0 for name, share in shares.items()}
    if sum(wanted.values()) >= total:
        asked = " and ".join(f"{name} ({shares[name]:g})" for name in _PARTS if shares[name])
        raise DataError(
            f"{total} example{'s' if total > 1 else ''} cannot be split into training, {asked}: each part needs at "
            "least one, and training comes first. Add examples or set a share to 0."
        )
    return wanted


def _cut(order: Rows, wanted: dict[str, int]) -> dict[str, Rows]:
    """Return the first rows in an order for validation, and the next ones for the test part."""
    end = wanted["validation"]
    return {"validation": order[:end], "test": order[end : end + wanted["test"]]}


def _by_group(groups: Array, wanted: dict[str, int], rng: np.random.Generator | None) -> dict[str, Rows]:
    """Hold whole groups out: the last ones in the order of their first examples, or drawn at random."""
    _, first, numbers, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(-first) if rng is None else rng.permutation(len(sizes))
    needed = 1 + sum(count > 0 for count in wanted.values())
    if len(sizes) < needed:
        raise DataError(
            f"{len(sizes)} group{'s' if len(sizes) > 1 else ''} cannot be split into {needed} parts: each needs at "
            "least one, and training comes first. Split by another column, or set a share to 0."
        )
    ends, held_out, start, total = np.cumsum(sizes[order]), {}, 0, 0
    left = needed - 1
    for name in reversed(_PARTS):
        if not wanted[name]:
            held_out[name] = np.empty(0, np.int64)
            continue
        nearest = int(np.argmin(np.abs(ends - total - wanted[name]))) + 1
        stop = min(max(nearest, start + 1), len(sizes) - left)
        held_out[name] = np.flatnonzero(np.isin(numbers, order[start:stop]))
        start, total, left = stop, int(ends[stop - 1]), left - 1
    return held_out


def _by_class(examples: Examples, wanted: dict[str, int], rng: np.random.Generator) -> dict[str, Rows]:
    labels, sizes = np.unique(_labels(examples), return_inverse=True, return_counts=True)[1:]
    rows_of = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    rows_of = [rng.permutation(rows) for rows in rows_of]
    available = sizes - 1
    taken = np.zeros_like(sizes)
    held_out = {}
    for name in _PARTS:
        counts = _apportion(wanted[name], sizes, available - taken)
        if counts.sum() < wanted[name]:
            raise DataError(
                f"stratify cannot find {wanted[name]} examples for {name}: each of the {len(sizes)} classes of "
                f"{examples.target_name!r} keeps one for training, and there are {sizes.sum()} examples. Add examples, "
                "hold out fewer, or do not stratify."
            )
        parts = [rows[start : start + count] for rows, start, count in zip(rows_of, taken, counts, strict=True)]
        held_out[name] = np.concatenate(parts)
        taken += counts
    return held_out


def is_of_classes(examples: Examples) -> bool:
    """Return whether the target of examples is of words or whole numbers, one for each example."""
    target = examples.target
    return target is not None and target.ndim == 1 and target.dtype.kind in "Uiub"


def _labels(examples: Examples) -> Array:
    target = examples.target
    if target is None or not is_of_classes(examples):
        found = "there is none" if target is None else f"{target.dtype} of shape {target.shape}"
        raise DataError(
            f"stratify needs a target of classes, one name or whole number for each example; {examples.target_name!r}: "
            f"{found}. Do not stratify."
        )
    return target


def _apportion(wanted: int, sizes: Rows, available: Rows) -> Rows:
    """Return how many of `wanted` each class gives: its quota, the remainders to the largest fractions."""
    quotas = wanted * sizes / sizes.sum()
    counts: Rows = np.minimum(quotas.astype(np.int64), available)
    while counts.sum() < wanted and (counts < available).any():
        claims = np.where(counts < available, quotas - counts, -np.inf)
        # The classes with the largest claims get one more each; a second round is needed only where classes ran out.
        nearest = np.argsort(-claims, kind="stable")[: min(wanted - counts.sum(), int((counts < available).sum()))]
        counts[nearest] += 1
    return counts
