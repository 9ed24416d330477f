"""How a training goes on where another one ended, from the history of that one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy

from nnfw.errors import ConfigError, Mistake, short
from nnfw.network import Network
from nnfw.protocols import Optimizer, Solver, is_solver
from nnfw.training.checkpoint_file import name_of, plain_part
from nnfw.training.checkpoints import differences
from nnfw.training.history import History, Memory, TrainingEnd
from nnfw.training.state import TrainingState
from nnfw.training.task import Task


def end_of(task: Task, state: TrainingState) -> TrainingEnd | None:
    """Return where a training has ended; None for a solver, which keeps its state to itself.

    Nothing is copied: the arrays are those of the training.
    """
    if is_solver(task.optimizer):
        return None
    return TrainingEnd(
        seed=task.seed,
        parameters=_parameters_of(task.network),
        optimizer=name_of("optimizer", task.optimizer, task.network.registry),
        arrays=state.arrays,
        epoch=state.epoch,
        step=state.step,
        order=state.order.bit_generator.state,
        noise=state.noise.bit_generator.state,
        callbacks=[(name, plain_part(memory)) for name, memory in state.memories],
    )


def unfit(
    history: object, network: Network, optimizer: Optimizer | Solver, seed: int, *, checkpoints: bool
) -> Iterator[Mistake]:
    """Yield why a training of this network, with or without checkpoints, cannot go on from a history."""
    if checkpoints:
        yield _mistake(
            "cannot be combined with checkpoints, whose folder holds a training from its start. Leave one of them out; "
            "to go on from checkpoints, use resume=True and more epochs."
        )
    registry = network.registry
    if not isinstance(history, History):
        yield _mistake(f"must be the History that an earlier fit returned, got {short(history)}.")
    elif is_solver(optimizer):
        yield _mistake(
            f"needs an optimizer: {registry.label('optimizer', optimizer)} keeps no state to go on from. Leave it out: "
            "training starts from the parameters as they are."
        )
    elif history.end is None:
        yield _mistake(
            "holds no state to go on from: it was not returned by fit, is of a solver, or its end was removed. Leave "
            "it out: training starts from the parameters as they are."
        )
    else:
        yield from _conflicts(history.end, network, name_of("optimizer", optimizer, registry), seed)


def _conflicts(end: TrainingEnd, network: Network, optimizer: str, seed: int) -> Iterator[Mistake]:
    if changed := next(differences(end.parameters, _parameters_of(network)), ""):
        yield _mistake(f"is of another model: {changed}. Continue with the model that it trained.")
    if end.optimizer != optimizer:
        yield _mistake(
            f"is of a training with the optimizer {end.optimizer}, got {optimizer}. Use that one, or leave it out to "
            "start with fresh optimizer state."
        )
    if seed != end.seed:
        yield Mistake(
            ("seed",),
            f"must be {end.seed} as in the training that goes on, got {seed}. Leave it out: order and noise go "
            "on where they were.",
        )


def go_on(end: TrainingEnd, state: TrainingState, callbacks: Sequence[str]) -> list[Memory]:
    """Put a training in the state in which another one ended, and return what its callbacks, by name, remember.

    The end stays as it is, so several trainings can go on from one. ConfigError if the optimizer keeps other arrays.
    """
    here, there = sorted(state.arrays), sorted(end.arrays)
    if here != there:
        text = (
            f"holds {', '.join(there) or 'no arrays'} of the optimizer, which now keeps {', '.join(here) or 'none'}. "
            "Keep the options that decide on this, as momentum does, or leave it out to start with fresh optimizer "
            "state."
        )
        raise ConfigError([_mistake(text)])
    for name, array in state.arrays.items():
        array[...] = end.arrays[name]
    state.order.bit_generator.state, state.noise.bit_generator.state = end.order, end.noise
    state.epoch, state.step, state.history.resumed = end.epoch, end.step, f"after epoch {end.epoch}"
    left = deepcopy(end.callbacks)
    found: list[Memory] = []
    for name in callbacks:
        position = next((index for index, (other, _) in enumerate(left) if other == name), None)
        found.append({} if position is None else left.pop(position)[1])
    return found


def _parameters_of(network: Network) -> dict[str, str]:
    return {name: f"{array.dtype} {array.shape}" for name, array in network.parameters.items()}


def _mistake(text: str) -> Mistake:
    return Mistake(("continue_from",), text)
