"""JAX: a compiled step, or a whole epoch as one compiled loop; the state is donated, so that it is changed in place."""

from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from ..workloads import Array, Convolution, Peer, Workload

ACTIVATIONS = {
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "softplus": jax.nn.softplus,
    "softmax": jax.nn.softmax,
    "identity": lambda z: z,
}


def _mean_cost(work: Workload, z: Any, y: Any) -> Any:
    if work.cost == "cross_entropy":
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1))
    if work.cost == "binary_cross_entropy":
        return jnp.sum(jax.nn.softplus(z) - y * z) / len(y)
    return jnp.sum((ACTIVATIONS[work.output](z) - y) ** 2) / (2 * len(y))


def _z(work: Workload, params: Any, x: Any) -> Any:
    images = len(work.convolutions)
    for (w, b), layer in zip(params[:images], work.convolutions, strict=True):
        around = [(layer.padding, layer.padding)] * 2
        z = jax.lax.conv_general_dilated(x, w, (1, 1), around)
        if layer.norm:  # without running statistics, which are a little more to compute
            gamma, b = b
            centred = z - z.mean((0, 2, 3), keepdims=True)
            z = centred * jax.lax.rsqrt((centred**2).mean((0, 2, 3), keepdims=True) + 1e-5) * gamma[:, None, None]
        x = ACTIVATIONS[work.hidden](z + b[:, None, None])
        if layer.pool:
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = x.reshape(len(x), -1)
    for w, b in params[images:-1]:
        x = ACTIVATIONS[work.hidden](x @ w + b)
    w, b = params[-1]
    return x @ w + b


def _step(work: Workload, state: Any, x: Any, y: Any) -> Any:
    params, m, v, t = state
    g = jax.grad(lambda params: _mean_cost(work, _z(work, params, x), y))(params)
    rate = work.rate
    if work.optimizer == "sgd":
        return jax.tree.map(lambda p, g: p - rate * g, params, g), m, v, t
    t = t + 1
    if work.optimizer == "rmsprop":
        m, v = g, jax.tree.map(lambda v, g: 0.9 * v + 0.1 * g * g, v, g)
    else:
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        rate = rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), params, m, v), m, v, t


class Jax(Peer):
    """Parameters, what the optimizer keeps, and the compiled functions."""

    def __init__(self, work: Workload, x: Array, y: Array, variant: str) -> None:
        jax.config.update("jax_enable_x64", work.dtype == "float64")
        self.rng, self.work, self.whole_epoch = np.random.default_rng(0), work, variant == "epoch"
        params = [self._filters(channels, layer) for channels, layer, _ in work.filters]
        params += [self._layer(n_in, n_out) for n_in, n_out, _ in work.layers]
        zeros = [jax.tree.map(jnp.zeros_like, params) for _ in range(2)]
        self.state = (params, *zeros, jnp.zeros((), work.dtype))
        self.x, self.y = jnp.asarray(x), jnp.asarray(y)

        def step(state: Any, x: Any, y: Any, rows: Any) -> Any:
            return _step(work, state, x[rows], y[rows])

        def epoch(state: Any, x: Any, y: Any, order: Any) -> Any:
            return jax.lax.scan(lambda state, rows: (step(state, x, y, rows), None), state, order)[0]

        self.fast = jax.jit(epoch if self.whole_epoch else step, donate_argnums=0)
        self.outputs = jax.jit(lambda params, x: ACTIVATIONS[work.output](_z(work, params, x)))

    def _layer(self, n_in: int, n_out: int) -> Any:
        w = self.rng.standard_normal((n_in, n_out)) * np.sqrt(2 / (n_in + n_out))
        return jnp.asarray(w, self.work.dtype), jnp.zeros(n_out, self.work.dtype)

    def _filters(self, channels: int, layer: Convolution) -> Any:
        w = self.rng.standard_normal((layer.filters, channels, layer.kernel, layer.kernel))
        w *= np.sqrt(2 / (channels * layer.kernel**2))
        b = jnp.zeros(layer.filters, self.work.dtype)
        return jnp.asarray(w, self.work.dtype), (jnp.ones_like(b), b) if layer.norm else b

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            order = self.rng.permutation(len(self.x)).astype(np.int32).reshape(-1, self.work.batch)
            for rows in [order] if self.whole_epoch else order:
                self.state = self.fast(self.state, self.x, self.y, rows)
        jax.block_until_ready(self.state)

    def own(self, x: Array) -> Any:
        return jnp.asarray(x)

    def predict(self, x: Any) -> Any:
        return jax.block_until_ready(self.outputs(self.state[0], x))


PEER = Jax
