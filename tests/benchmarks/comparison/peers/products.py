"""Nothing but the matrix products of a network: what no library can be faster than with the same BLAS.

Those of a convolution are the ones of unfolded images.
"""

from collections.abc import Iterator

import numpy as np

from ..workloads import Array, Peer, Workload


def _steps(work: Workload) -> Iterator[tuple[int, int, int]]:
    """Yield rows, n_in and n_out of the products of sequences, without those of queries, keys and values."""
    width = work.sizes[0]
    if (recurrence := work.recurrence) is not None:
        gates = {"lstm": 4, "gru": 3}[recurrence.kind] * width
        yield work.batch * recurrence.steps, recurrence.features, gates
        yield from [(work.batch, width, gates)] * recurrence.steps
    if (transformer := work.transformer) is not None:
        rows, hidden = work.batch * transformer.steps, transformer.hidden
        block = [(rows, width, 3 * width), (rows, width, width), (rows, width, hidden), (rows, hidden, width)]
        yield from block * transformer.blocks


class Products(Peer):
    """The products of forward and backward pass, into memory that is there."""

    learns = False

    def __init__(self, work: Workload, x: Array, y: Array, variant: str) -> None:
        rng = np.random.default_rng(0)
        self.batches, self.batch, self.dtype = work.batches, work.batch, work.dtype
        unfolded = [(work.batch * size**2, c * k.kernel**2, k.filters) for c, k, size in work.filters]
        rows = work.batch * (work.transformer.steps if work.transformer else 1)
        shapes = [*unfolded, *_steps(work), *((rows, n_in, n_out) for n_in, n_out, _ in work.layers)]
        self.w = [rng.standard_normal((n_out, n_in)).astype(work.dtype) for _, n_in, n_out in shapes]
        self.a = [rng.standard_normal((rows, n_in)).astype(work.dtype) for rows, n_in, _ in shapes]
        self.z = [rng.standard_normal((rows, n_out)).astype(work.dtype) for rows, _, n_out in shapes]
        self.grad_w, self.grad_a = ([np.empty_like(k) for k in like] for like in (self.w, self.a))

    def train(self, epochs: int) -> None:
        for _ in range(epochs * self.batches):
            for w, a, z in zip(self.w, self.a, self.z, strict=False):
                np.matmul(a, w.T, out=z)
            for k in reversed(range(len(self.w))):
                np.matmul(self.z[k].T, self.a[k], out=self.grad_w[k])
                if k:
                    np.matmul(self.z[k], self.w[k], out=self.grad_a[k])

    def own(self, x: Array) -> list[Array]:
        return [x, *(np.empty((len(x), len(w)), self.dtype) for w in self.w)]

    def predict(self, x: list[Array]) -> Array:
        for k, w in enumerate(self.w):
            np.matmul(x[k], w.T, out=x[k + 1])
        return x[-1]


PEER = Products
