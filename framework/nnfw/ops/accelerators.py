"""The engine that runs the operations of a training: NumPy or an accelerator."""

from __future__ import annotations

import os

from nnfw.errors import ConfigError, Mistake, PluginError, did_you_mean, in_words, warn
from nnfw.ops.checked import checked
from nnfw.ops.engines import DEFINITIONS, Engine, engine_of
from nnfw.plugins import AcceleratorSpec, Registry
from nnfw.plugins.registry import import_kernels
from nnfw.plugins.specs import Declared

AUTO, NONE = "auto", "none"
CHECK_VARIABLE = "NNFW_CHECK_KERNELS"

_GAIN_OF_STEP, _GAIN_OF_CHANGE, _GAIN_OF_PLACE = 12e-6, 0.3e-9, 20e-9
"""Lower bounds on the seconds that compiled kernels save per step; per step and parameter; and per step and number in
images and sequences. The first two are those of plain gradient descent on a small network: Adam, with ten passes over
all parameters, gains three times as much. Convolutional networks gain 20 to 40 ns for each number."""


def gain(parameters: int, steps: int, places: int = 0) -> float:
    """Return a rough lower estimate of the seconds that an accelerator saves in a training.

    Parameters
    ----------
    parameters, steps
        How many.
    places
        Numbers in the images and sequences of a batch, those between the layers among them.

    Examples
    --------
    >>> round(gain(23_860, 180_000), 1)  # 784-30-10, 60,000 examples in batches of 10, 30 epochs
    3.4
    """
    return steps * (_GAIN_OF_STEP + _GAIN_OF_CHANGE * parameters + _GAIN_OF_PLACE * places)


def choose(name: str, registry: Registry, seconds: float = 0.0) -> tuple[Engine, str]:
    """Return the engine for a training and the name of its accelerator, or ``"none"``.

    Parameters
    ----------
    name
        ``"auto"``, ``"none"``, or the name of an accelerator.
    registry
        The installed accelerators.
    seconds
        Estimated gain, 0 by default; ``"auto"`` takes an accelerator only if it starts in less time.

    Raises
    ------
    ConfigError
        If there is no such accelerator.
    PluginError
        If the accelerator returns invalid kernels.

    Warns
    -----
    RuntimeWarning
        If the accelerator cannot be loaded; the training goes on without it. ``"auto"`` ignores a missing module
        silently.
    """
    require_known(name, registry)
    offered = {item.name: item for item in registry.accelerators}
    if name == NONE:
        return DEFINITIONS, NONE
    worth = [item for item in offered.values() if seconds >= item.spec.start]
    for item in worth if name == AUTO else (offered[name],):
        found = _loaded(item, registry, quietly=name == AUTO)
        if found is not None:
            return found, item.name
    return DEFINITIONS, NONE


def known_accelerators(registry: Registry) -> tuple[str, ...]:
    """Return the accepted names: ``"auto"``, ``"none"``, and each accelerator."""
    return AUTO, NONE, *(item.name for item in registry.accelerators)


def require_known(name: str, registry: Registry) -> None:
    """Raise ConfigError if there is no accelerator of this name."""
    known = known_accelerators(registry)
    if name not in known:
        text = f"Unknown accelerator {name!r}.{did_you_mean(name, known)} Available: {', '.join(known)}."
        raise ConfigError([Mistake(("accelerator",), text)])


def engine_from(accelerator: Declared[AcceleratorSpec], registry: Registry) -> Engine:
    """Return the engine of an accelerator; raises whatever its module raises, and PluginError for invalid kernels."""
    return engine_of(import_kernels(accelerator), accelerator.title, registry)


def _loaded(accelerator: Declared[AcceleratorSpec], registry: Registry, *, quietly: bool) -> Engine | None:
    try:
        engine = engine_from(accelerator, registry)
    except PluginError:
        raise
    except Exception as error:
        if not (quietly and isinstance(error, ModuleNotFoundError)):
            reason = in_words(error).rstrip(".")
            text = f"{accelerator.title} cannot be loaded: {reason}. {accelerator.spec.summary}."
            text += " The training goes on without it."
            warn(text)
        return None
    return checked(engine) if os.environ.get(CHECK_VARIABLE, "") not in ("", "0") else engine
