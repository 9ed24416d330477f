"""What a training step costs: nnfw, the matrix products alone, and other libraries, as ratios within one run.

Run it with: pip install -e ".[bench]" && python tests/benchmarks/steps.py [T1 T2 T3 T4] [--json FILE]

Peers that are not installed are left out. All take shuffled batches of the same data, in float32, optimizer included.
The contenders of a workload take turns, seven times; the table has medians, and the spread between the quartiles.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import nnfw
from nnfw.compute import describe_environment

TURNS = 7
Run = Callable[[], None]


@dataclass(frozen=True)
class Workload:
    """A network and its training; `steps` of them make one turn."""

    sizes: tuple[int, ...]
    hidden: str
    output: str
    optimizer: str
    rate: float
    batch: int
    steps: int

    @property
    def classes(self) -> bool:
        """Whether it ends in softmax and cross-entropy; else the cost is mse."""
        return self.output == "softmax"

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return examples for one turn."""
        rng, count = np.random.default_rng(0), self.batch * self.steps
        x = rng.standard_normal((count, self.sizes[0]), dtype=np.float32)
        if self.classes:
            return x, rng.integers(0, self.sizes[-1], count)
        return x, rng.random((count, self.sizes[-1]), dtype=np.float32)


WORKLOADS = {
    "T1": Workload((784, 30, 10), "sigmoid", "sigmoid", "sgd", 0.5, 10, 2000),
    "T2": Workload((784, 128, 10), "relu", "softmax", "adam", 1e-3, 32, 600),
    "T3": Workload((784, 512, 512, 10), "relu", "softmax", "adam", 1e-3, 128, 60),
    "T4": Workload((1024, 2048, 2048, 1024), "relu", "identity", "sgd", 1e-3, 1024, 2),
}


def products(work: Workload, x: np.ndarray, y: np.ndarray) -> Run:
    """Return a turn of nothing but the matrix products of forward and backward pass."""
    rng, pairs = np.random.default_rng(0), list(zip(work.sizes, work.sizes[1:], strict=False))
    w = [rng.standard_normal((n_out, n_in), dtype=np.float32) for n_in, n_out in pairs]
    a = [rng.standard_normal((work.batch, size), dtype=np.float32) for size in work.sizes]
    z, grad_w, grad_a = ([np.empty_like(item) for item in items] for items in (a[1:], w, a))

    def turn() -> None:
        for _ in range(work.steps):
            for k in range(len(w)):
                np.matmul(a[k], w[k].T, out=z[k])
            for k in reversed(range(len(w))):
                np.matmul(z[k].T, a[k], out=grad_w[k])
                if k:
                    np.matmul(z[k], w[k], out=grad_a[k])

    return turn


def own(accelerator: str) -> Callable[[Workload, np.ndarray, np.ndarray], Run]:
    """Return the contender nnfw, with or without numba."""

    def contender(work: Workload, x: np.ndarray, y: np.ndarray) -> Run:
        if accelerator != "none":
            version(accelerator)  # PackageNotFoundError
        activations = [work.hidden] * (len(work.sizes) - 2) + [work.output]
        layers = [
            nnfw.layer("dense", units=units, activation=activation)
            for units, activation in zip(work.sizes[1:], activations, strict=True)
        ]
        model = nnfw.Sequential(layers, work.sizes[0])
        optimizer = {"type": work.optimizer, "learning_rate": work.rate}
        cost = "cross_entropy" if work.classes else "mse"
        return lambda: model.fit(x, y, cost=cost, optimizer=optimizer, batch_size=work.batch, accelerator=accelerator)

    return contender


def pytorch(work: Workload, x: np.ndarray, y: np.ndarray) -> Run:
    """Return the contender PyTorch, eager, with fused optimizers."""
    import torch

    kinds = {"sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU}
    layers: list[torch.nn.Module] = []
    for k, (n_in, n_out) in enumerate(zip(work.sizes, work.sizes[1:], strict=False)):
        layers.append(torch.nn.Linear(n_in, n_out))
        name = work.hidden if k < len(work.sizes) - 2 else work.output
        layers += [kinds[name]()] if name in kinds else []
    model = torch.nn.Sequential(*layers)
    loss = torch.nn.CrossEntropyLoss() if work.classes else torch.nn.MSELoss()
    make = torch.optim.Adam if work.optimizer == "adam" else torch.optim.SGD
    optimizer = make(model.parameters(), lr=work.rate, fused=True)
    xs, ys = torch.from_numpy(x), torch.from_numpy(y)

    def turn() -> None:
        order = torch.randperm(len(xs))
        for start in range(0, len(xs), work.batch):
            rows = order[start : start + work.batch]
            optimizer.zero_grad(set_to_none=True)
            loss(model(xs[rows]), ys[rows]).backward()
            optimizer.step()

    return turn


def jax(whole_epoch: bool) -> Callable[[Workload, np.ndarray, np.ndarray], Run]:
    """Return the contender JAX: one compiled step, or one compiled epoch."""

    def contender(work: Workload, x: np.ndarray, y: np.ndarray) -> Run:
        import jax
        from jax import numpy as jnp

        hidden = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}[work.hidden]

        def cost(params, x, y):
            for w, b in params[:-1]:
                x = hidden(x @ w + b)
            z = x @ params[-1][0] + params[-1][1]
            if work.classes:
                return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1))
            a = jax.nn.sigmoid(z) if work.output == "sigmoid" else z
            return jnp.sum((a - y) ** 2) / (2 * len(y))

        def step(state, x, y):
            params, m, v, t = state
            gradient = jax.grad(cost)(params, x, y)
            if work.optimizer == "sgd":
                return jax.tree.map(lambda p, g: p - work.rate * g, params, gradient), m, v, t
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
            rate = work.rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), params, m, v)
            return params, m, v, t

        def epoch(state, order):
            return jax.lax.scan(lambda state, rows: (step(state, xs[rows], ys[rows]), None), state, order)[0]

        rng, xs, ys = np.random.default_rng(0), jnp.asarray(x), jnp.asarray(y)
        pairs = zip(work.sizes, work.sizes[1:], strict=False)
        params = [(jnp.asarray(rng.standard_normal(p, dtype=np.float32) * 0.05), jnp.zeros(p[1])) for p in pairs]
        zeros = jax.tree.map(jnp.zeros_like, params)
        state = [(params, zeros, jax.tree.map(jnp.zeros_like, params), jnp.float32(0))]
        fast = jax.jit(epoch, donate_argnums=0) if whole_epoch else jax.jit(step, donate_argnums=0)

        def turn() -> None:
            order = rng.permutation(len(x)).reshape(-1, work.batch)
            if whole_epoch:
                state[0] = fast(state[0], jnp.asarray(order))
            else:
                for rows in order:
                    state[0] = fast(state[0], x[rows], y[rows])
            jax.block_until_ready(state[0])

        return turn

    return contender


def scikit_learn(work: Workload, x: np.ndarray, y: np.ndarray) -> Run:
    """Return the contender scikit-learn; its outputs for mse are linear."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    model = (MLPClassifier if work.classes else MLPRegressor)(
        hidden_layer_sizes=work.sizes[1:-1],
        activation={"sigmoid": "logistic"}.get(work.hidden, work.hidden),
        solver=work.optimizer,
        batch_size=work.batch,
        learning_rate_init=min(work.rate, 1e-3),  # without a sigmoid at the output, more diverges
        max_iter=1,
        **({"momentum": 0.0} if work.optimizer == "sgd" else {}),
    )

    def turn() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged
            model.fit(x, y)

    return turn


CONTENDERS = {
    "matrix products alone": products,
    "nnfw": own("none"),
    "nnfw[fast]": own("numba"),
    "PyTorch, eager": pytorch,
    "JAX, jit per step": jax(whole_epoch=False),
    "JAX, one scan per epoch": jax(whole_epoch=True),
    "scikit-learn": scikit_learn,
}
PACKAGES = ("nnfw", "numpy", "numba", "torch", "jax", "scikit-learn")


def measured(work: Workload) -> dict[str, list[float]]:
    """Return seconds per step of each contender that is installed, one for each turn."""
    x, y = work.data()
    turns: dict[str, Run] = {}
    for name, contender in CONTENDERS.items():
        try:
            turns[name] = contender(work, x, y)
            turns[name]()  # compiles, and warms up
        except (ImportError, PackageNotFoundError):
            turns.pop(name, None)
    times: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(TURNS):
        for name, turn in turns.items():
            start = time.perf_counter()
            turn()
            times[name].append((time.perf_counter() - start) / work.steps)
    return times


def rows(times: dict[str, list[float]]) -> Iterator[dict[str, float | str]]:
    """Yield median, quartiles and ratios of each contender."""
    base, ours = (median(times[name]) for name in ("matrix products alone", "nnfw"))
    for name, found in times.items():
        low, middle, high = quantiles(found, n=4)
        yield {
            "contender": name,
            "microseconds": middle * 1e6,
            "spread": (high - low) / middle,
            "over products": middle / base,
            "over nnfw": middle / ours,
        }


def versions() -> dict[str, str]:
    """Return the versions of what is installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"{', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    arguments = parser.parse_args()
    report = {"environment": describe_environment(), "versions": versions(), "workloads": {}}
    for name in arguments.workloads or WORKLOADS:
        work = WORKLOADS[name]
        title = f"{name}: {'-'.join(map(str, work.sizes))} {work.hidden}, {work.optimizer}, batch {work.batch}"
        table = Table("", "µs per step", "spread", "over products", "over nnfw", title=title)
        found = report["workloads"][name] = list(rows(measured(work)))
        for row in found:
            table.add_row(
                escape(row["contender"]),
                f"{row['microseconds']:,.0f}",
                f"{row['spread']:.0%}",
                f"{row['over products']:.2f}",
                f"{row['over nnfw']:.2f}",
            )
        Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
