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
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[..., None], axis=-1))
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
    if images:
        x = x.reshape(len(x), -1)
    dense = params[images:]
    if work.columns or work.recurrence or work.transformer:
        front = _table if work.columns else _last_state if work.recurrence else _attention
        x, dense = front(work, params[0], x), params[1:]
    for w, b in dense[:-1]:
        z = x @ w
        if work.norm:
            gamma, b = b
            z = _normal(z, 0) * gamma
        x = ACTIVATIONS[work.hidden](z + b)
    w, b = dense[-1]
    return x @ w + b


def _normal(z: Any, axis: int) -> Any:
    centred = z - z.mean(axis, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(axis, keepdims=True) + 1e-5)


def _table(work: Workload, w: Any, x: Any) -> Any:
    count, values, width = work.columns
    rows = x[:, :count].astype(jnp.int32) + jnp.arange(count) * values  # one table takes less time than many
    return jnp.concatenate([w[rows].reshape(len(x), count * width), x[:, count:]], axis=1)


def _last_state(work: Workload, params: Any, x: Any) -> Any:
    """Return the last state; the weighted inputs of all time steps are one product."""
    (w, u, b), units = params, work.sizes[0]
    inputs = (x @ w + b[0]).swapaxes(0, 1)
    zeros = jnp.zeros((len(x), units), x.dtype)

    def lstm(state: Any, z: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(z + h @ u, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    def gru(state: Any, z: Any) -> Any:
        (h,) = state
        (r, s, n), (p, q, m) = jnp.split(z, 3, axis=1), jnp.split(h @ u + b[1], 3, axis=1)
        s = jax.nn.sigmoid(s + q)
        return (s * h + (1 - s) * jnp.tanh(n + jax.nn.sigmoid(r + p) * m),), None

    is_lstm = work.recurrence.kind == "lstm"
    return jax.lax.scan(lstm if is_lstm else gru, (zeros, zeros) if is_lstm else (zeros,), inputs)[0][0]


def _attention(work: Workload, params: Any, x: Any) -> Any:
    a = params["tokens"][x] + _positions(work.sizes[0], x.shape[1])
    heads = work.transformer.heads
    for block in params["blocks"]:
        n = _normal(a, -1) * block["scale"][0] + block["shift"][0]
        q, k, v = jnp.split((n @ block["qkv"] + block["qkv_bias"]).reshape(*n.shape[:2], 3 * heads, -1), 3, axis=2)
        z = jnp.einsum("nthd,nshd->nhts", q, k) / np.sqrt(q.shape[-1])
        o = jnp.einsum("nhts,nshd->nthd", jax.nn.softmax(z), v).reshape(n.shape)
        a = a + o @ block["output"] + block["output_bias"]
        n = _normal(a, -1) * block["scale"][1] + block["shift"][1]
        a = a + jax.nn.gelu(n @ block["w1"] + block["b1"], approximate=False) @ block["w2"] + block["b2"]
    return a


def _positions(width: int, steps: int) -> Any:
    angles = np.arange(steps)[:, None] * 10_000.0 ** (-np.arange(width // 2) * 2 / width)
    return jnp.asarray(np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(steps, width), jnp.float32)


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
        params += self._front()
        params += [self._layer(n_in, n_out, k < len(work.sizes) - 2) for k, (n_in, n_out, _) in enumerate(work.layers)]
        zeros = [jax.tree.map(jnp.zeros_like, params) for _ in range(2)]
        self.state = (params, *zeros, jnp.zeros((), work.dtype))
        self.x, self.y = jnp.asarray(x), jnp.asarray(y)

        def step(state: Any, x: Any, y: Any, rows: Any) -> Any:
            return _step(work, state, x[rows], y[rows])

        def epoch(state: Any, x: Any, y: Any, order: Any) -> Any:
            return jax.lax.scan(lambda state, rows: (step(state, x, y, rows), None), state, order)[0]

        self.fast = jax.jit(epoch if self.whole_epoch else step, donate_argnums=0)
        self.outputs = jax.jit(lambda params, x: ACTIVATIONS[work.output](_z(work, params, x)))

    def _layer(self, n_in: int, n_out: int, hidden: bool) -> Any:
        b = jnp.zeros(n_out, self.work.dtype)
        return self._weight(n_in, n_out), (jnp.ones_like(b), b) if self.work.norm and hidden else b

    def _weight(self, n_in: int, n_out: int) -> Any:
        w = self.rng.standard_normal((n_in, n_out)) * np.sqrt(2 / (n_in + n_out))
        return jnp.asarray(w, self.work.dtype)

    def _front(self) -> list[Any]:
        """Return the parameters before those of convolutions and dense layers."""
        work, width = self.work, self.work.sizes[0]
        if work.columns is not None:
            return [self._weight(work.columns.count * work.columns.values, work.columns.width)]
        if work.recurrence is not None:
            gates = {"lstm": 4, "gru": 3}[work.recurrence.kind] * width
            return [(self._weight(work.recurrence.features, gates), self._weight(width, gates), jnp.zeros((2, gates)))]
        if work.transformer is None:
            return []
        tokens, hidden = work.transformer.tokens, work.transformer.hidden
        blocks = [
            {
                "scale": jnp.ones((2, width)),
                "shift": jnp.zeros((2, width)),
                "qkv": self._weight(width, 3 * width),
                "qkv_bias": jnp.zeros(3 * width),
                "output": self._weight(width, width),
                "output_bias": jnp.zeros(width),
                "w1": self._weight(width, hidden),
                "b1": jnp.zeros(hidden),
                "w2": self._weight(hidden, width),
                "b2": jnp.zeros(width),
            }
            for _ in range(work.transformer.blocks)
        ]
        return [{"tokens": self._weight(tokens, width), "blocks": blocks}]

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
