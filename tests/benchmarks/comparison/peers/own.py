"""nnfw; the variant is the accelerator."""

from typing import Any

import nnfw

from ..workloads import Array, Peer, Workload


class Nnfw(Peer):
    """A model and what `fit` is called with."""

    def __init__(self, work: Workload, x: Array, y: Array, variant: str) -> None:
        layers: list[Any] = []
        for _, (filters, kernel, padding, pool, norm), _ in work.filters:
            options: dict[str, Any] = {"filters": filters, "kernel": kernel, "padding": padding, "bias": not norm}
            sigma = {"activation": work.hidden}
            layers += [nnfw.layer("conv2d", **options, **({} if norm else sigma))]
            layers += [nnfw.layer("batch_norm", **sigma)] * norm + [nnfw.layer("max_pool2d")] * pool
        layers += [nnfw.layer("flatten")] if layers else []
        layers += [nnfw.layer("dense", units=units, activation=activation) for _, units, activation in work.layers]
        self.model = nnfw.Sequential(layers, work.input_shape, dtype=work.dtype)
        self.work, self.x, self.y, self.accelerator = work, x, y, variant

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

    def predict(self, x: Array) -> Array:
        return self.model.predict(x)


PEER = Nnfw
