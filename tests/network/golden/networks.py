"""Six networks that are more than chains, and one of images: for the comparison with PyTorch, and for files."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import nnfw

COUNT = 5  # examples


class Case(NamedTuple):
    """A network, its data and what is minimised."""

    layers: list[dict[str, Any]]
    input_shape: Any
    x: Any
    y: Any
    cost: Any
    outputs: tuple[str, ...] = ()

    def model(self, **settings: Any) -> nnfw.Sequential:
        """Return the network."""
        return nnfw.Sequential(self.layers, self.input_shape, outputs=self.outputs, **settings)


def dense(units: int, activation: str = "identity", **node: Any) -> dict[str, Any]:
    """Return a dense layer as a table."""
    return {"type": "dense", "units": units, "activation": activation, **node}


def cases(count: int = COUNT, seed: int = 0) -> dict[str, Case]:
    """Return the networks by name, each with `count` examples."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal((count, *shape))

    def whole(below: int, *shape: int) -> np.ndarray:
        return rng.integers(0, below, (count, *shape))

    return {
        "residual": Case(
            [
                dense(6, "tanh"),
                {"type": "residual", "layers": [dense(4, "tanh"), dense(6)], "activation": "tanh"},
                {"type": "residual", "layers": [dense(5, "sigmoid")], "shortcut": dense(5, bias=False)},
                dense(3, "softmax"),
            ],
            4,
            normal(4),
            whole(3),
            "cross_entropy",
        ),
        "wide_and_deep": Case(
            [
                {"type": "embedding", "name": "city", "count": 7, "width": 3, "inputs": ["cities"]},
                "flatten",
                {"type": "concatenate", "inputs": ["previous", "numbers"]},
                dense(6, "tanh"),
                dense(1, name="deep"),
                dense(1, name="wide", inputs=["numbers"]),
                {"type": "add", "inputs": ["wide", "deep"], "activation": "sigmoid"},
            ],
            {"numbers": 4, "cities": (2,)},
            {"numbers": normal(4), "cities": whole(7, 2)},
            whole(2),
            "binary_cross_entropy",
        ),
        "cross_link": Case(
            [
                dense(5, "tanh", name="first"),
                dense(4, "sigmoid"),
                dense(5, "softplus"),
                {"type": "multiply", "inputs": ["previous", "first"]},
                dense(3, "tanh"),
                {"type": "concatenate", "inputs": ["previous", "x", "first"]},
                dense(2),
            ],
            4,
            normal(4),
            normal(2),
            "mse",
        ),
        "two_outputs": Case(
            [
                dense(6, "tanh", name="trunk"),
                dense(2, "tanh", name="price"),
                {"type": "concatenate", "inputs": ["trunk", "price"]},
                dense(3, "softmax", name="kind"),
            ],
            4,
            normal(4),
            {"price": normal(2), "kind": whole(3)},
            {"price": "mse", "kind": {"type": "cross_entropy", "weight": 0.25}},
            ("price", "kind"),
        ),
        "shared": Case(
            [
                dense(5, "tanh", name="left_1", inputs=["left"]),
                dense(4, "tanh", name="left_2"),
                dense(5, "tanh", name="right_1", inputs=["right"], share="left_1"),
                dense(4, "tanh", share="left_2"),
                {"type": "multiply", "inputs": ["left_2", "previous"]},
                dense(1),
            ],
            {"left": 3, "right": 3},
            {"left": normal(3), "right": normal(3)},
            normal(1),
            "mse",
        ),
        "sequence": Case(
            [
                {"type": "embedding", "name": "words", "count": 9, "width": 3},
                {"type": "activation", "activation": "softmax", "name": "tags"},
                {"type": "time_pool", "inputs": ["words"]},
                dense(2, name="mood"),
            ],
            (6,),
            nnfw.Padded(whole(9, 6), np.resize([4, 6, 0, 1, 3], count)),
            {"tags": whole(3, 6), "mood": normal(2)},
            {"tags": "cross_entropy", "mood": {"type": "mse", "weight": 2.0}},
            ("tags", "mood"),
        ),
        "images": Case(
            [
                {"type": "conv2d", "filters": 4, "kernel": 3, "padding": 1, "activation": "tanh"},
                {"type": "max_pool2d", "name": "half"},
                {"type": "conv2d", "filters": 4, "kernel": 3, "groups": 2, "padding": "same"},
                {"type": "add", "inputs": ["half", "previous"], "activation": "softplus"},
                {"type": "avg_pool2d", "kernel": (2, 1)},
                {
                    "type": "conv2d",
                    "filters": 6,
                    "kernel": (1, 2),
                    "stride": (1, 2),
                    "activation": "tanh",
                    "bias": False,
                },
                "global_avg_pool",
                dense(3, "softmax"),
            ],
            (2, 8, 8),
            normal(2, 8, 8),
            whole(3),
            "cross_entropy",
        ),
    }
