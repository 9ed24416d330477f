"""The experiment of a run, read again from its directory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nnfw.errors import ConfigError, Mistake
from nnfw.experiments.experiment import ExperimentFile, check_experiment
from nnfw.plugins import Registry
from nnfw.plugins.specs import is_distribution
from nnfw.runs.reading import StoredRun, read_document, read_run
from nnfw.runs.trust import Access, require_trusted
from nnfw.toml import apply_overrides


def open_run(path: Path, access: Access, overrides: Iterable[str] = ()) -> ExperimentFile:
    """Return the experiment of a run's directory, with the folder in which its data lies.

    Parameters
    ----------
    path, access
        The directory, and how it is opened.
    overrides
        ``"training.epochs=5"`` and the like.

    Raises
    ------
    FileFormatError
        If the directory holds no run.
    ConfigError
        If the experiment cannot be built any more; names the plugins that are missing now.
    DataError
        If the run is not trusted.
    """
    run = read_run(path)
    directory = access.data_directory or Path(run.data_entry("directory"))
    document = apply_overrides(read_document(path), overrides)
    try:
        file = ExperimentFile(check_experiment(document, access.registry), document, directory)
    except ConfigError as error:
        missing = _missing_plugins(run, access.registry)
        if not missing:
            raise
        text = f"{', '.join(missing.values())} was active when it ran, and is not now: pip install {' '.join(missing)}"
        raise ConfigError([*error.mistakes, Mistake((), f"{path}: {text}")], error.owner) from error
    require_trusted(file, path, access)
    return file


def _missing_plugins(run: StoredRun, registry: Registry) -> dict[str, str]:
    """Return the plugins that were active when a run was trained, and are not now: distribution, and with version.

    A record may come from strangers, and people copy the command: only names of distributions are kept.
    """
    active = {plugin.distribution for plugin in registry.plugins if plugin.status == "active"}
    missing = {name: version for name, version in run.active_plugins.items() if name not in active}
    return {name: f"{name} {version}".strip() for name, version in missing.items() if is_distribution(name, version)}
