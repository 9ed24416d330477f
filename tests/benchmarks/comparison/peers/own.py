"""nnfw; the variant is the accelerator."""

from collections.abc import Iterator
from typing import Any

import nnfw

from ..workloads import Array, Peer, Workload


def _front(work: Workload) -> Iterator[Any]:
    """Yield the layers before the dense ones."""
    for _, (filters, kernel, padding, pool, norm), _ in work.filters:
        options: dict[str, Any] = {"filters": filters, "kernel": kernel, "padding": padding, "bias": not norm}
        sigma = {"activation": work.hidden}
        yield nnfw.layer("conv2d", **options, **({} if norm else sigma))
        yield from [nnfw.layer("batch_norm", **sigma)] * norm + [nnfw.layer("max_pool2d")] * pool
    if work.convolutions:
        yield nnfw.layer("flatten")
    if (columns := work.columns) is not None:
        embeddings = nnfw.layer("category_embedding", counts=(columns.values,) * columns.count, widths=columns.width)
        yield nnfw.Node(embeddings, inputs=("categories",))
        yield nnfw.Node(nnfw.layer("concatenate"), inputs=("previous", "numbers"))
    if work.recurrence is not None:
        yield nnfw.layer(work.recurrence.kind, units=work.sizes[0])
    if (transformer := work.transformer) is not None:
        width, options = work.sizes[0], {"heads": transformer.heads, "hidden": transformer.hidden}
        yield nnfw.layer("embedding", count=transformer.tokens, width=width)
        yield nnfw.layer("positional_encoding")
        yield from (nnfw.layer("transformer_encoder", width=width, **options) for _ in range(transformer.blocks))


def _dense(work: Workload) -> Iterator[Any]:
    """Yield the dense layers."""
    for k, (_, units, activation) in enumerate(work.layers):
        if work.norm and k < len(work.sizes) - 2:
            yield nnfw.layer("dense", units=units, bias=False)
            yield nnfw.layer("batch_norm", activation=activation)
        else:
            yield nnfw.layer("dense", units=units, activation=activation)


class Nnfw(Peer):
    """A model and what `fit` is called with."""

    def __init__(self, work: Workload, x: Array, y: Array, variant: str) -> None:
        shape: Any = work.input_shape
        if work.columns is not None:
            shape = {"categories": work.columns.count, "numbers": work.numbers}
        self.model = nnfw.Sequential([*_front(work), *_dense(work)], shape, dtype=work.dtype)
        self.work, self.y, self.accelerator = work, y, variant
        self.x = self.own(x)

    def own(self, x: Array) -> Any:
        if self.work.columns is None:
            return x
        return dict(zip(("categories", "numbers"), self.work.split(x), strict=True))

    def train(self, epochs: int, **settings: Any) -> None:
        """Train; `settings` are further arguments of `fit`."""
        self.model.fit(
            self.x,
            self.y,
            cost=self.work.cost,
            optimizer={"type": self.work.optimizer, "learning_rate": self.work.rate},
            epochs=epochs,
            batch_size=self.work.batch,
            accelerator=self.accelerator,
            **settings,
        )

    def predict(self, x: Any) -> Array:
        return self.model.predict(x)


PEER = Nnfw
