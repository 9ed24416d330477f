"""The options of a training: keyword arguments of ``fit`` and the section ``[training]`` of an experiment file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Ge

from nnfw.plugins import TYPE, Registry
from nnfw.protocols import Callback, Metric, Regularizer, Schedule
from nnfw.training.average import Average
from nnfw.training.mixing import Mixing

Metrics = tuple[Metric, ...] | Mapping[str, tuple[Metric, ...]]
"""Metrics as the user chooses them; by the name of the output where outputs have names."""

BALANCED = "balanced"

ClassWeight = Literal["balanced"] | Mapping[str, Annotated[float, Ge(0)]]
"""Weights of classes by their names, or those with which each class counts the same."""


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Parameters
    ----------
    epochs
        Passes over the examples, 1 or more; by default as many as make 10,000 steps, but at least 10 and at most 200.
        With validation data, such a training ends early if the cost on them has not improved for 40 epochs, and keeps
        the best epoch.
    batch_size
        Examples per step, 1 or more; 32 by default. The last batch of an epoch may be smaller.
    shuffle
        Whether each epoch takes the examples in a new order; True by default.
    metrics
        What is computed beside the cost, on training and validation data; of several outputs, by their names.
    schedule
        Multiplies the learning rate over time; by default it stays.
    regularizer
        Ω(w) of all weights that decay, added to the cost that is minimised and recorded as ``penalty``.
    callbacks
        Code that runs along, besides the callbacks that are on by default.
    accelerator
        Whose compiled kernels are used: ``"auto"``, the default, for an installed one where the training is long enough
        to gain by it; ``"none"`` for plain NumPy; or the name of one, as ``"numba"``. Results differ in last places.
    rates
        Factors of the learning rate, 0 or more, by patterns of the names of parameters: ``{"embed.*": 0.1}``. The last
        pattern that matches a name counts. The others have the rate of the optimizer.
    frozen
        Patterns of the names of parameters that do not change: ``["trunk.*"]``.
    accumulate
        Batches whose mean gradient makes one step of the optimizer, 1 or more; by default each batch does.
    average
        The average of the parameters with which the model is evaluated and saved, as ``{"type": "ema"}``; by default
        there is none.
    mix
        How the examples of each batch are mixed in pairs, with their labels, as ``{"type": "mixup", "alpha": 0.2}``; by
        default they are not.
    class_weight
        Weights of the classes in training, 0 or more, by their names, or by their numbers as text where they have none:
        ``{"spam": 5.0}``; the others have 1. ``"balanced"`` gives each class the same sum, N / (K N_k) for each of the
        N_k examples of one of K classes. They multiply weights of examples. By default there are none.
    checkpoint_seconds
        Time between two checkpoints within an epoch, 0 or more; 30 by default. With 0 there is one after each step.
    """

    epochs: Annotated[int, Ge(1)] | None = None
    batch_size: Annotated[int, Ge(1)] = 32
    shuffle: bool = True
    metrics: Metrics = ()
    schedule: Schedule | None = None
    regularizer: Regularizer | None = None
    callbacks: tuple[Callback, ...] = ()
    accelerator: str = "auto"
    rates: Mapping[str, Annotated[float, Ge(0)]] | None = None
    frozen: tuple[str, ...] | None = None
    accumulate: Annotated[int, Ge(1)] | None = None
    average: Average | None = None
    mix: Mixing | None = None
    class_weight: ClassWeight | None = None
    checkpoint_seconds: Annotated[float, Ge(0)] = 30.0

    @property
    def known_epochs(self) -> int:
        """The epochs of a training whose length was given or :func:`chosen <with_length>`."""
        assert self.epochs is not None
        return self.epochs


_STEPS = 10_000  # enough for most networks of tables; MNIST in batches of 32 takes 6 epochs of them
_FEWEST, _MOST = 10, 200  # epochs; the second is what scikit-learn's networks and solvers take at most


def with_length(options: TrainingOptions, steps: int, registry: Registry, *, validated: bool) -> TrainingOptions:
    """Return options that say how many epochs; those chosen end early if there is validation data.

    Parameters
    ----------
    options, registry
        What the user chose, and where callbacks are found.
    steps
        Steps in an epoch.
    validated
        Whether there is validation data.
    """
    if options.epochs is not None:
        return options
    named = {registry.component_of("callback", callback) for callback in options.callbacks}
    further = [
        registry.resolve("callback", {TYPE: item.qualified_name, **(item.spec.open_ended or {})})
        for item in (registry.of_open_end() if validated else ())
        if item not in named
    ]
    epochs = min(_MOST, max(_FEWEST, -(-_STEPS // steps)))
    return replace(options, epochs=epochs, callbacks=(*options.callbacks, *further))


FREE_OPTIONS = ("epochs", "checkpoint_seconds")
"""Those that may differ when a training is resumed."""
