"""The checks of callbacks: each runs in a short training of the kit's own network."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nnfw.arrays import Array, Shape
from nnfw.checking.single_component import Cotangent, Unchanged
from nnfw.conformance.outcomes import require
from nnfw.conformance.requirements import equal
from nnfw.conformance.subjects import Subject
from nnfw.data import listed
from nnfw.errors import did_you_mean
from nnfw.model import Sequential
from nnfw.plugins import ComponentSpec, Plugin, Registry
from nnfw.plugins.specs import PROJECT
from nnfw.protocols import Activation, Callback, Initializer, Layer, Optimizer, Parameter
from nnfw.protocols.kinds import members_of
from nnfw.workspace import Workspace

_EPOCHS = 3
_SLIP = 0.8  # likeness of `epoch_end` and `epoch_ended`


@dataclass(frozen=True)
class _Ones(Initializer):
    """w = 1."""

    def sample(self, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
        return np.ones(shape)


@dataclass(frozen=True)
class _Factor(Layer):
    """z = a_prev ⊙ w."""

    activation: Activation | str = field(default_factory=Unchanged)

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def parameters(self, input_shape: Shape) -> Mapping[str, Parameter]:
        return {"weight": Parameter(input_shape, _Ones())}

    def forward(self, params: Mapping[str, Array], a_prev: Array, workspace: Workspace) -> Array:
        workspace["a_prev"] = a_prev
        return np.asarray(a_prev * params["weight"])

    def backward(
        self, params: Mapping[str, Array], delta: Array, grads: Mapping[str, Array], workspace: Workspace
    ) -> Array | None:
        np.sum(delta * workspace["a_prev"], axis=0, out=grads["weight"])
        return np.asarray(delta * params["weight"])


@dataclass(frozen=True)
class _Descent(Optimizer):
    """θ ← θ − η g."""

    learning_rate: float = 0.1

    def update(self, vector: Array, gradient: Array, _state: object, _step: int, rate: float, _decays: slice) -> None:
        vector -= vector.dtype.type(rate) * gradient


@dataclass(frozen=True)
class _Failing(Callback):
    """A callback that ends the training with an error in a given epoch."""

    epoch: int = 1

    def epoch_ended(self, fit: Any, record: Mapping[str, float], state: MutableMapping[str, object]) -> None:
        if fit.epoch == self.epoch:
            raise InterruptedError


def exercise(subject: Subject[Callback], component: Callback) -> list[object]:
    """Use a callback as nnfw does, and return the results of the training."""
    with TemporaryDirectory() as folder:
        return _trained(subject, (component,), Path(folder))


def check_runs_in_a_training(subject: Subject[Callback]) -> None:
    """It runs in a training of one epoch and of several."""
    for epochs in (1, _EPOCHS):
        with TemporaryDirectory() as folder:
            _trained(subject, (subject.component,), Path(folder), epochs)


def check_spells_its_methods(subject: Subject[Callback]) -> None:
    """A method that is called nearly like one of the protocol is a slip: nnfw never calls it."""
    component, known = subject.component, members_of(Callback)
    for name in dir(component):
        if not name.startswith("_") and name not in known and callable(getattr(component, name)):
            near = did_you_mean(name, known, _SLIP)
            require(not near, f"nnfw never calls {name}.{near}")


def check_state_is_fresh(subject: Subject[Callback]) -> None:
    """A second training with the same callback equals the first: it remembers things only in `state`."""
    component = subject.make()
    first, second = (exercise(subject, component) for _ in range(2))
    require(equal(first, second), "a second training with it differs from the first.")


def check_leaves_parameters_alone(subject: Subject[Callback]) -> None:
    """Until it ends the training, the parameters are those of a training without it."""
    with TemporaryDirectory() as folder:
        vector, *record = _trained(subject, (subject.component,), Path(folder))
        expected, *others = _trained(subject, (), Path(folder))
    if len(record) == len(others):  # it did not end the training early
        require(equal(vector, expected), "it changes the parameters.")


def check_leaves_records_alone(subject: Subject[Callback]) -> None:
    """What nnfw recorded stays: figures of an epoch that it changes would be wrong in histories and logs."""
    with TemporaryDirectory() as folder:
        _, *records = _trained(subject, (subject.component,), Path(folder))
        _, *expected = _trained(subject, (), Path(folder))
    for record, other in zip(records, expected, strict=False):  # it may end the training early
        changed = [name for name in other if not equal(record.get(name), other[name])]
        require(not changed, f"it changes the record of an epoch: {listed(changed)}.")


def check_closes_what_it_opens(subject: Subject[Callback]) -> None:
    """After an error its files are closed, and another training can start in the same folder."""
    with TemporaryDirectory() as folder:
        for _ in range(2):
            try:
                _trained(subject, (subject.component, _Failing()), Path(folder))
            except InterruptedError:
                continue
            require(False, "it swallows the error of another callback.")
        open_files = _open_below(Path(folder))
    require(not open_files, f"after an error it leaves {', '.join(open_files)} open; close it in `close`.")


def check_goes_on_from_a_checkpoint(subject: Subject[Callback]) -> None:
    """A training stopped and resumed ends like an uninterrupted one: what it must remember is plain or rebuilt."""
    expected, again = (_stopped_and_resumed(subject, _Failing(_EPOCHS + 1)) for _ in range(2))
    found = _stopped_and_resumed(subject, _Failing(_EPOCHS - 1))
    require(equal(found[0], expected[0]), "a resumed training with it differs from an uninterrupted one.")
    if expected[1] == again[1]:  # its files hold no times of the day, for instance
        names = sorted(name for name, _ in set(expected[1].items()) ^ set(found[1].items()))
        require(not names, f"after a training that was resumed, {', '.join(dict.fromkeys(names))} differs.")


def _stopped_and_resumed(subject: Subject[Callback], stop: _Failing) -> tuple[list[object], dict[str, bytes]]:
    """Return the results and files of a training that `stop` interrupts, if it gets that far, and that is resumed."""
    with TemporaryDirectory() as name, TemporaryDirectory() as kept:
        folder = Path(name)
        with suppress(InterruptedError):
            _trained(subject, (subject.make(), stop), folder, checkpoints=Path(kept))
        result = _trained(subject, (subject.make(),), folder, checkpoints=Path(kept))
        files = [path for path in folder.rglob("*") if path.is_file()]
        return result, {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _trained(
    subject: Subject[Callback],
    callbacks: tuple[Any, ...],
    folder: Path,
    epochs: int = _EPOCHS,
    checkpoints: Path | None = None,
) -> list[Any]:
    """Return the parameters after a short training, and its records."""
    x = subject.rng().standard_normal((6, 3))
    model = Sequential([_Factor()], 3, seed=0, registry=_with_own_components(subject.registry))
    history = model.fit(
        x,
        2 * x,
        cost=Cotangent(),
        optimizer=_Descent(),
        epochs=epochs,
        batch_size=3,
        validation_data=(x, 2 * x),
        callbacks=callbacks,
        directory=folder,
        checkpoints=checkpoints,
        checkpoint_seconds=0.0,
        resume=checkpoints is not None,
    )
    return [model.parameters.vector.copy(), *history]


def _with_own_components(registry: Registry) -> Registry:
    """Return a registry that also knows the kit's network, so that a callback can save it."""
    own = (
        ComponentSpec("layer", "factor_of_the_kit", f"{__name__}:{_Factor.__name__}", "z = a_prev ⊙ w"),
        ComponentSpec("initializer", "ones_of_the_kit", f"{__name__}:{_Ones.__name__}", "w = 1"),
        ComponentSpec("activation", "unchanged_by_the_kit", f"{Unchanged.__module__}:{Unchanged.__name__}", "a = z"),
    )
    return Registry([*registry.plugins, Plugin(PROJECT, "", "testing", __name__, specs=own)], registry.hooks)


def _open_below(folder: Path) -> list[str]:
    """Return the files of this process that are open below a folder, where the system lists them."""
    listed = Path("/proc/self/fd")
    targets = [path.readlink() for path in listed.iterdir() if path.is_symlink()] if listed.is_dir() else []
    return [path.name for path in targets if folder in path.parents]
