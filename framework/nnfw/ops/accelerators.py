"""Which engine carries out the operations of a training: NumPy, or an accelerator."""

from __future__ import annotations

import os
import warnings

from nnfw.errors import ConfigError, Mistake, PluginError, did_you_mean, in_words
from nnfw.ops.checked import checked
from nnfw.ops.engines import DEFINITIONS, Engine, engine_of
from nnfw.plugins import AcceleratorSpec, Plugin, Registry

AUTO, NONE = "auto", "none"
CHECK_VARIABLE = "NNFW_CHECK_KERNELS"

_GAIN_OF_STEP, _GAIN_OF_CHANGE = 12e-6, 0.3e-9
"""Seconds that compiled kernels save for each step, and beside that for each parameter that it changes, at least: as
plain gradient descent of a small network does. Adam, of ten passes over all parameters, gains three times as much."""

_CALLER_OF_FIT = 5  # frames up from where the warning is given


def gain(parameters: int, steps: int) -> float:
    """Return the seconds that an accelerator saves in a training at least, by a rough estimate.

    Examples
    --------
    >>> round(gain(23_860, 180_000), 1)  # 784-30-10, 60,000 examples in batches of 10, 30 epochs
    3.4
    """
    return steps * (_GAIN_OF_STEP + _GAIN_OF_CHANGE * parameters)


def choose(name: str, registry: Registry, seconds: float = 0.0) -> tuple[Engine, str]:
    """Return the engine for a training, and its name: that of an accelerator, or ``"none"``.

    Parameters
    ----------
    name
        ``"auto"``, ``"none"``, or an accelerator.
    registry
        The installed accelerators.
    seconds
        What there is to gain; ``"auto"`` takes an accelerator only if that is what it may need to begin.

    Raises
    ------
    ConfigError
        If there is no such accelerator.
    PluginError
        If its plugin breaks the rules.

    Warns
    -----
    RuntimeWarning
        If the accelerator cannot be loaded; the training goes on without it. Not for ``"auto"`` where merely something
        is not installed.
    """
    require_known(name, registry)
    offered = {spec.name: (spec, plugin) for spec, plugin in registry.accelerators}
    if name == NONE:
        return DEFINITIONS, NONE
    worth = [pair for pair in offered.values() if seconds >= pair[0].start]
    for spec, plugin in worth if name == AUTO else (offered[name],):
        found = _loaded(spec, plugin, registry, quietly=name == AUTO)
        if found is not None:
            return found, spec.name
    return DEFINITIONS, NONE


def known_accelerators(registry: Registry) -> tuple[str, ...]:
    """Return what a training may ask for: ``"auto"``, ``"none"``, and the name of each accelerator."""
    return AUTO, NONE, *(spec.name for spec, _ in registry.accelerators)


def require_known(name: str, registry: Registry) -> None:
    """Raise ConfigError unless there is an accelerator of that name."""
    known = known_accelerators(registry)
    if name not in known:
        text = f"Unknown accelerator {name!r}.{did_you_mean(name, known)} There are {', '.join(known)}."
        raise ConfigError([Mistake(("accelerator",), text)])


def engine_from(spec: AcceleratorSpec, plugin: Plugin, registry: Registry) -> Engine:
    """Return the engine of an accelerator; raises whatever its module does, and PluginError for what is no kernel."""
    return engine_of(registry.import_kernels(spec), f"Accelerator {spec.name!r} ({plugin})", registry)


def _loaded(spec: AcceleratorSpec, plugin: Plugin, registry: Registry, *, quietly: bool) -> Engine | None:
    try:
        engine = engine_from(spec, plugin, registry)
    except PluginError:
        raise
    except Exception as error:
        if not (quietly and isinstance(error, ModuleNotFoundError)):
            reason = in_words(error).rstrip(".")
            owner = f"Accelerator {spec.name!r} ({plugin})"
            text = f"{owner} cannot be loaded: {reason}. {spec.summary}. It goes on without."
            warnings.warn(text, RuntimeWarning, stacklevel=_CALLER_OF_FIT)
        return None
    return checked(engine) if os.environ.get(CHECK_VARIABLE, "") not in ("", "0") else engine
