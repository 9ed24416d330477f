"""Networks, how they are trained, and with which data; and what a library must offer to be measured on them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class NotMeasuredError(Exception):
    """A library cannot be measured on a network; the message says why."""


class Peer(ABC):
    """A network of one workload in one library, set up as its own users would set it up for speed.

    It is made from a workload, the examples `x` and labels `y` of one turn, and the name of a variant.
    """

    learns = True
    """Whether its cost must fall."""

    @abstractmethod
    def train(self, epochs: int) -> None:
        """Train for so many epochs, and come back when all is computed."""

    @abstractmethod
    def predict(self, x: Any) -> Any:
        """Return a^L of examples from :meth:`own`, and come back when all is computed."""

    def own(self, x: Array) -> Any:
        """Return examples as the library's users hold them: as an array of NumPy unless there is something better."""
        return x

    def predicting(self) -> AbstractContextManager[object]:
        """Return what many predictions are wrapped in."""
        return nullcontext()


class Convolution(NamedTuple):
    """A convolution with stride 1 and `hidden` as its activation, followed by a pool of 2 × 2 or none.

    With `norm`, batch normalisation takes the place of its bias.
    """

    filters: int
    kernel: int
    padding: int
    pool: bool = True
    norm: bool = False


@dataclass(frozen=True)
class Workload:
    """A network and its training.

    `batches` batches of data, `epochs` times, are the steps that a turn measures. Where there are `convolutions`, the
    dense layers of `sizes` come after them; `image` has channels, rows and columns.
    """

    sizes: tuple[int, ...]
    hidden: str
    output: str
    cost: str
    optimizer: str
    rate: float
    batch: int
    batches: int
    epochs: int
    dtype: str = "float32"
    image: tuple[int, int, int] | None = None
    convolutions: tuple[Convolution, ...] = ()

    @property
    def steps(self) -> int:
        """Steps of one turn."""
        return self.batches * self.epochs

    @property
    def layers(self) -> Iterator[tuple[int, int, str]]:
        """n_in, n_out and activation of each layer."""
        activations = [self.hidden] * (len(self.sizes) - 2) + [self.output]
        for (n_in, n_out), activation in zip(pairwise(self.sizes), activations, strict=True):
            yield n_in, n_out, activation

    @property
    def filters(self) -> Iterator[tuple[int, Convolution, int]]:
        """Channels of the input, the convolution, and rows of z, which is square; pools lie between."""
        if self.image is None:
            return
        channels, size, _ = self.image
        for layer in self.convolutions:
            size += 2 * layer.padding - layer.kernel + 1
            yield channels, layer, size
            channels, size = layer.filters, size // 2 if layer.pool else size

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of an example."""
        return self.sizes[:1] if self.image is None else self.image

    @property
    def rate_for_means(self) -> float:
        """The rate for a library whose mse is the mean over examples and outputs, so that SGD takes the same steps."""
        scaled = self.cost == "mse" and self.optimizer == "sgd"
        return self.rate * self.sizes[-1] / 2 if scaled else self.rate

    @property
    def title(self) -> str:
        """The network in one line."""
        images = [] if self.image is None else ["×".join(map(str, self.image))]
        images += [f"{k.filters}@{k.kernel}{' norm' * k.norm}{' pool' * k.pool}" for k in self.convolutions]
        shape, kind = "-".join([*images, *map(str, self.sizes)]), "" if self.dtype == "float32" else f", {self.dtype}"
        return f"{shape} {self.hidden}, {self.cost}, {self.optimizer}, batch {self.batch}{kind}"

    def data(self) -> tuple[Array, Array]:
        """Return examples and labels, the same each time."""
        rng, count, outputs = np.random.default_rng(0), self.batch * self.batches, self.sizes[-1]
        x = rng.standard_normal((count, *self.input_shape)).astype(self.dtype)
        if self.cost == "cross_entropy":
            return x, rng.integers(0, outputs, count)
        if self.cost == "binary_cross_entropy":
            return x, rng.integers(0, 2, (count, outputs)).astype(self.dtype)
        return x, rng.random((count, outputs)).astype(self.dtype)

    def value(self, a: Array, y: Array) -> float:
        """Return C, computed here, so that it means the same for all libraries."""
        return float(COSTS[self.cost](np.asarray(a, np.float64), y)) / len(y)

    def shortened(self) -> "Workload":
        """Return it with a turn that is good for nothing but to see that all works."""
        return replace(self, batches=min(self.batches, 8), epochs=1)


def _cross_entropy(a: Array, y: Array) -> Any:
    return -np.log(a[np.arange(len(y)), y]).sum()


def _binary_cross_entropy(a: Array, y: Array) -> Any:
    return -np.log(np.where(y == 1, a, 1 - a)).sum()


COSTS: dict[str, Callable[[Array, Array], Any]] = {
    "mse": lambda a, y: ((a - y) ** 2).sum() / 2,
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
}

WORKLOADS = {
    "T1": Workload((784, 30, 10), "sigmoid", "sigmoid", "mse", "sgd", 0.5, 10, 1000, 3),
    "T2": Workload((784, 128, 10), "relu", "softmax", "cross_entropy", "adam", 1e-3, 32, 300, 3),
    "T3": Workload((784, 512, 512, 10), "relu", "softmax", "cross_entropy", "adam", 1e-3, 128, 30, 4),
    "T4": Workload((1024, 2048, 2048, 1024), "relu", "identity", "mse", "sgd", 1e-4, 1024, 2, 6),
    "U1": Workload((30, 50, 50, 2), "tanh", "sigmoid", "binary_cross_entropy", "adam", 1e-3, 16, 1000, 3),
    "U2": Workload((100, 64, 64, 1), "softplus", "identity", "mse", "rmsprop", 1e-3, 64, 300, 3, "float64"),
    "U3": Workload((256, 1000, 300, 20), "tanh", "softmax", "cross_entropy", "rmsprop", 1e-4, 200, 20, 4),
    "U4": Workload((50, 200, 50), "sigmoid", "identity", "mse", "adam", 1e-3, 100, 200, 4, "float64"),
    "V1": Workload(
        (400, 120, 84, 10),
        "relu",
        "softmax",
        "cross_entropy",
        "adam",
        1e-3,
        32,
        40,
        3,
        image=(1, 28, 28),
        convolutions=(Convolution(6, 5, 2), Convolution(16, 5, 0)),
    ),
    "V2": Workload(
        (128, 10),
        "relu",
        "softmax",
        "cross_entropy",
        "adam",
        1e-3,
        32,
        200,
        3,
        image=(1, 8, 8),
        convolutions=(Convolution(16, 3, 1), Convolution(32, 3, 1)),
    ),
    "V3": Workload(
        (4096, 128, 10),
        "relu",
        "softmax",
        "cross_entropy",
        "adam",
        1e-4,
        64,
        3,
        3,
        image=(3, 32, 32),
        convolutions=(
            Convolution(32, 3, 1, pool=False, norm=True),
            Convolution(32, 3, 1, norm=True),
            Convolution(64, 3, 1, norm=True),
        ),
    ),
}
"""T1 to T4 are the shapes that figures are promised for; U1 to U4 are others, so that no shape is a special case; V1 to
V3 are images."""


@dataclass(frozen=True)
class Prediction:
    """How many examples are predicted at once, and how often in one turn."""

    examples: int
    times: int

    def shortened(self) -> "Prediction":
        """Return it with a turn that is good for nothing but to see that all works."""
        return replace(self, times=2)


PREDICTIONS = {"one": Prediction(1, 5000), "many": Prediction(20_000, 10)}
PREDICTOR = replace(WORKLOADS["T1"], batches=20)
