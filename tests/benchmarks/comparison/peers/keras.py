"""Keras 3 on JAX: its own `fit`, compiled, with many steps in one execution.

That took a seventh of the time of `train_on_batch`, step by step, on the smallest network. A prediction is a compiled
call of the stateless model, which took a third of the time of `predict_on_batch` for one example.
"""

from typing import Any

import jax
import keras
import numpy as np

from ..workloads import Array, NotMeasuredError, Peer, Workload

COSTS = {
    "mse": "mse",
    "cross_entropy": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "binary_cross_entropy": keras.losses.BinaryCrossentropy(from_logits=True),
}
LAST = {"sigmoid": keras.activations.sigmoid, "softmax": keras.activations.softmax, "identity": lambda z: z}
OPTIMIZERS = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
MOST_STEPS = 50  # in one execution; more did not help


def _table(work: Workload, dense: list[Any]) -> Any:
    """Return a model whose input holds indices and numbers; one embedding serves all columns."""
    assert work.columns is not None
    count, values, width = work.columns
    given = keras.Input(work.input_shape)
    rows = keras.ops.cast(given[:, :count], "int32") + keras.ops.arange(count) * values
    vectors = keras.layers.Reshape((count * width,))(keras.layers.Embedding(count * values, width)(rows))
    x = keras.layers.Concatenate()([vectors, given[:, count:]])
    for layer in dense:
        x = layer(x)
    return keras.Model(given, x)


class Keras(Peer):
    """A compiled model. Both costs of logits take z, so those networks end without their activation."""

    def __init__(self, work: Workload, x: Array, y: Array, variant: str) -> None:
        if work.transformer is not None:
            raise NotMeasuredError("it has no block of attention, and one written with its layers would be ours")
        keras.utils.set_random_seed(0)
        x = x if work.image is None else np.ascontiguousarray(x.transpose(0, 2, 3, 1))  # channels last
        keras.backend.set_floatx(work.dtype)
        jax.config.update("jax_enable_x64", work.dtype == "float64")
        logits = work.cost != "mse"
        activations = [activation for _, _, activation in work.layers]
        activations[-1] = "linear" if logits or work.output == "identity" else work.output
        images: list[Any] = []
        for _, (filters, kernel, padding, pool, norm), _ in work.filters:
            images += [keras.layers.ZeroPadding2D(padding), keras.layers.Conv2D(filters, kernel, use_bias=not norm)]
            images += [keras.layers.BatchNormalization() for _ in range(norm)] + [keras.layers.Activation(work.hidden)]
            images += [keras.layers.MaxPooling2D()] * pool
        images += [keras.layers.Flatten()] if images else []
        if work.recurrence is not None:
            images.append({"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[work.recurrence.kind](work.sizes[0]))
        for k, (n, activation) in enumerate(zip(work.sizes[1:], activations, strict=True)):
            if work.norm and k < len(work.sizes) - 2:
                images += [keras.layers.Dense(n, use_bias=False), keras.layers.BatchNormalization()]
                images.append(keras.layers.Activation(activation))
            else:
                images.append(keras.layers.Dense(n, activation=activation))
        given = keras.Input(x.shape[1:])
        self.model = _table(work, images) if work.columns else keras.Sequential([given, *images])
        self.model.compile(
            optimizer=OPTIMIZERS[work.optimizer](learning_rate=work.rate_for_means),
            loss=COSTS[work.cost],
            jit_compile=True,
            steps_per_execution=min(MOST_STEPS, work.batches),
        )
        self.work, self.x, self.y = work, x, y
        last = LAST[work.output] if logits else LAST["identity"]
        self.outputs = jax.jit(lambda trained, other, x: last(self.model.stateless_call(trained, other, x)[0]))

    def train(self, epochs: int) -> None:
        self.model.fit(self.x, self.y, batch_size=self.work.batch, epochs=epochs, verbose=0)

    def own(self, x: Array) -> Any:
        values = [
            [v.value for v in found] for found in (self.model.trainable_variables, self.model.non_trainable_variables)
        ]
        return *values, jax.numpy.asarray(x)

    def predict(self, x: Any) -> Any:
        return jax.block_until_ready(self.outputs(*x))


PEER = Keras
