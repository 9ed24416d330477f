"""Batches whose examples are mixed in pairs, with their labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Gt

from nnfw.arrays import Array, Shape
from nnfw.errors import DataError, Mistake
from nnfw.network import Batch, Network, Objective
from nnfw.ops.definitions import blend
from nnfw.training.batches import Data

_IMAGE = 3  # axes: channels, rows and columns


@dataclass(frozen=True)
class Mixing:
    """Each example of a batch mixed with another one, and their labels alike; in training alone.

    | ``"mixup"``: x̃_i = λ x_i + (1 − λ) x_j and ỹ_i = λ y_i + (1 − λ) y_j, with λ ~ Beta(α, α)
    | ``"cutmix"``: x̃_i is x_i but for a rectangle of x_j, whose share of the image is 1 − λ; ỹ_i as above

    Parameters
    ----------
    type
        ``"mixup"``, or ``"cutmix"`` for images ``(C, H, W)``.
    alpha
        α, above 0; 1 by default: all λ are alike likely. The smaller it is, the less is mixed.

    Notes
    -----
    j is a permutation of the batch; λ and, for ``"cutmix"``, the rectangle are drawn once for each batch, from the
    noise of the training. The sides of the rectangle are √(1 − λ) of those of the image; its middle is anywhere, and
    what lies beyond the image is cut off, so λ is counted again. Classes become rows of probabilities, as
    `cross_entropy` and `kl_divergence` take them. The sample weight stays that of x_i. Cost and metrics of the training
    data, as an epoch records them, are those of the mixed examples; validation data is never mixed. Indices and padded
    sequences cannot be mixed.

    References
    ----------
    H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz (2018), *mixup: beyond empirical risk minimization*.
    S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe, Y. Yoo (2019), *CutMix: regularization strategy to train strong
    classifiers with localizable features*, Equations 1 and 2.
    """

    type: Literal["mixup", "cutmix"]
    alpha: Annotated[float, Gt(0)] = 1.0

    def mix(
        self,
        x: tuple[Array, ...],
        y: tuple[Array, ...],
        out: tuple[tuple[Array, ...], tuple[Array, ...]],
        rng: np.random.Generator,
    ) -> None:
        """Write mixed inputs and labels, in rows of numbers, into the arrays of `out`."""
        partners, kept = rng.permutation(len(x[0])), float(rng.beta(self.alpha, self.alpha))
        inputs, labels = out
        if self.type == "cutmix":
            rows, columns, kept = rectangle(x[0].shape[-2:], kept, rng)
            for own, mixed in zip(x, inputs, strict=True):
                mixed[...] = own
                for i, j in enumerate(partners):
                    mixed[i, :, rows, columns] = own[j, :, rows, columns]
        else:
            _blend(x, inputs, partners, kept)
        _blend(y, labels, partners, kept)


def _blend(arrays: tuple[Array, ...], mixed: tuple[Array, ...], partners: Array, kept: float) -> None:
    for own, out in zip(arrays, mixed, strict=True):
        np.take(own, partners, axis=0, out=out, mode="clip")  # in place: other modes buffer
        blend(out, own, 1 - kept)


def rectangle(shape: Shape, kept: float, rng: np.random.Generator) -> tuple[slice, slice, float]:
    """Return rows and columns of a rectangle in an image, and the share λ of the image that is outside of it.

    Examples
    --------
    >>> rectangle((4, 4), 0.75, np.random.default_rng(2))
    (slice(2, 4, None), slice(0, 2, None), 0.75)
    """
    sides = []
    for size in shape:
        length, middle = round(size * (1 - kept) ** 0.5), int(rng.integers(size))
        start = middle - length // 2
        sides.append(slice(max(start, 0), min(start + length, size)))
    rows, columns = sides
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return rows, columns, 1 - area / (shape[0] * shape[1])


@dataclass(frozen=True, eq=False)
class _Mixed(Batch):
    """A batch with mixed copies of the arrays of another one."""

    given: Batch | None = None
    mixing: Mixing | None = None
    rng: np.random.Generator | None = None
    rows: tuple[Array, ...] = ()  # labels as rows of numbers; the labels themselves where they are

    def gather(self) -> None:
        """Gather the other batch, and mix its examples."""
        given = self.given
        assert given is not None
        assert self.mixing is not None
        assert self.rng is not None
        given.gather()
        for labels, rows in zip(given.targets, self.rows, strict=True):
            if rows is not labels:
                rows[...] = 0
                np.put_along_axis(rows, labels[..., np.newaxis], 1, axis=-1)
        self.mixing.mix(given.inputs, self.rows, (self.inputs, self.targets), self.rng)


class Mixer:
    """Makes mixed batches of those of a training, one for each."""

    def __init__(self, mixing: Mixing, network: Network, rng: np.random.Generator) -> None:
        self._mixing, self._network, self._rng = mixing, network, rng
        self._mixed: dict[Batch, Batch] = {}

    def __call__(self, batch: Batch) -> Batch:
        """Return the mixed batch of a batch, which :meth:`Batch.gather` fills."""
        if batch not in self._mixed:
            shapes, dtype = self._network.output_shapes, self._network.dtype
            rows = tuple(
                y if y.dtype.kind == "f" else np.empty((len(batch), *shape), dtype)
                for y, shape in zip(batch.targets, shapes, strict=True)
            )
            inputs, targets = (tuple(map(np.empty_like, arrays)) for arrays in (batch.inputs, rows))
            self._mixed[batch] = _Mixed(
                inputs, targets, batch.weight, batch.lengths, (), batch, self._mixing, self._rng, rows
            )
        return self._mixed[batch]


def unmixable_examples(mixing: Mixing | None, data: Data) -> Iterator[Mistake]:
    """Yield a mistake if the examples are padded sequences: what lies beyond the length of one would count."""
    if mixing is not None and any(lengths is not None for lengths in data.sample.lengths):
        text = "cannot mix padded sequences, whose lengths differ. Leave it out, or give arrays without lengths."
        yield Mistake(("mix",), text)


def unmixable(mixing: Mixing | None, network: Network, objective: Objective) -> Iterator[Mistake]:
    """Yield why the examples of a network or the labels of a cost cannot be mixed."""
    if mixing is None:
        return
    if any(each.limit is not None for each in network.inputs):
        yield Mistake(("mix",), "cannot mix indices, which an input holds. Leave it out.")
    if mixing.type == "cutmix" and any(len(each.shape) != _IMAGE for each in network.inputs):
        shapes = " and ".join(str(each.shape) for each in network.inputs)
        yield Mistake(
            ("mix",), f"of type 'cutmix' needs images (C, H, W), got examples of shape {shapes}. Use 'mixup'."
        )
    if mixing.type == "cutmix" and len({each.shape[-2:] for each in network.inputs}) > 1:
        yield Mistake(("mix",), "of type 'cutmix' needs images of one size. Use 'mixup'.")
    for term, shape in zip(objective.terms, network.output_shapes, strict=True):
        try:
            taken = term.cost.targets(np.full((1, *shape), 1 / shape[-1]), shape)
        except DataError:
            taken = np.zeros(1, np.int64)
        if taken.dtype.kind != "f":
            label = network.registry.label("cost", term.cost)
            yield Mistake(
                ("mix",), f"needs a cost of probabilities or numbers, but {label} takes other labels. Leave it out."
            )
