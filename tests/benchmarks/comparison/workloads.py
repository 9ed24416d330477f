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


class Columns(NamedTuple):
    """Columns of categories, each with an embedding; the numbers of a table come beside them."""

    count: int
    values: int
    width: int


class Recurrence(NamedTuple):
    """A recurrent layer, ``"lstm"`` or ``"gru"``, whose last state goes on."""

    kind: str
    steps: int
    features: int


class Transformer(NamedTuple):
    """Blocks of self-attention and an MLP with GELU, normalised first, on tokens with sinusoidal positions."""

    blocks: int
    heads: int
    hidden: int
    tokens: int
    steps: int


@dataclass(frozen=True)
class Workload:
    """A network and its training.

    `batches` batches of data, `epochs` times, are the steps that a turn measures. Where there are `convolutions`, the
    dense layers of `sizes` come after them; `image` has channels, rows and columns. The same holds for `columns`, of
    which the examples hold the indices first; for a `recurrence`, with as many units as the first of `sizes`; and for a
    `transformer` of this width. With `norm`, hidden dense layers have batch normalisation in place of a bias.
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
    columns: Columns | None = None
    recurrence: Recurrence | None = None
    transformer: Transformer | None = None
    norm: bool = False

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
        if self.columns is not None:
            return (self.columns.count + self.numbers,)
        if self.recurrence is not None:
            return self.recurrence.steps, self.recurrence.features
        if self.transformer is not None:
            return (self.transformer.steps,)
        return self.sizes[:1] if self.image is None else self.image

    @property
    def is_dense(self) -> bool:
        """Whether dense layers are all of it."""
        return not (self.image or self.columns or self.recurrence or self.transformer or self.norm)

    @property
    def numbers(self) -> int:
        """Numbers beside the columns of categories."""
        return self.sizes[0] - (self.columns.count * self.columns.width if self.columns else 0)

    def split(self, x: Array) -> tuple[Array, Array]:
        """Return the indices and the numbers of a table."""
        assert self.columns is not None
        return x[:, : self.columns.count].astype(np.int64), np.ascontiguousarray(x[:, self.columns.count :])

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
        if self.columns is not None:
            images.append(
                f"{self.columns.count} columns of {self.columns.values} {self.columns.width} wide + {self.numbers}"
            )
        if self.recurrence is not None:
            images.append(f"{self.recurrence.steps}×{self.recurrence.features} {self.recurrence.kind}")
        if self.transformer is not None:
            images.append(
                f"{self.transformer.steps} of {self.transformer.tokens} transformer×{self.transformer.blocks}"
            )
        shape, kind = "-".join([*images, *map(str, self.sizes)]), "" if self.dtype == "float32" else f", {self.dtype}"
        return f"{shape} {'norm ' * self.norm}{self.hidden}, {self.cost}, {self.optimizer}, batch {self.batch}{kind}"

    def data(self) -> tuple[Array, Array]:
        """Return examples and labels, the same each time."""
        rng, count, outputs = np.random.default_rng(0), self.batch * self.batches, self.sizes[-1]
        x = rng.standard_normal((count, *self.input_shape)).astype(self.dtype)
        if self.columns is not None:
            x[:, : self.columns.count] = rng.integers(0, self.columns.values, (count, self.columns.count))
        if self.transformer is not None:
            x = rng.integers(0, self.transformer.tokens, x.shape)
            return x, np.roll(x, -1, axis=1)
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
    return -np.log(np.take_along_axis(a, y[..., np.newaxis], axis=-1)).sum()


def _binary_cross_entropy(a: Array, y: Array) -> Any:
    return -np.log(np.where(y == 1, a, 1 - a)).sum()


COSTS: dict[str, Callable[[Array, Array], Any]] = {
    "mse": lambda a, y: ((a - y) ** 2).sum() / 2,
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
}

SOFTMAX = ("relu", "softmax", "cross_entropy", "adam", 1e-3)

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
    "R1": Workload((128, 10), *SOFTMAX, 32, 10, 3, recurrence=Recurrence("lstm", 28, 28)),
    "R2": Workload((32, 10), *SOFTMAX, 64, 10, 3, recurrence=Recurrence("gru", 100, 8)),
    "A1": Workload((64, 64), *SOFTMAX, 16, 20, 3, transformer=Transformer(2, 4, 256, 64, 32)),
    "B1": Workload((784, 256, 256, 10), *SOFTMAX, 64, 60, 3, norm=True),
    "E1": Workload((90, 128, 64, 10), *SOFTMAX, 256, 100, 3, columns=Columns(10, 50, 8)),
}
"""T1 to T4 are the shapes that figures are promised for; U1 to U4 are others, so that no shape is a special case; V1 to
V3 are images, R1 and R2 sequences, A1 is attention, B1 has batch normalisation, E1 is a table with categories."""


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
