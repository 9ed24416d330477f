"""What differs between runs: experiment, data, versions, machine, and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnfw.errors import ConfigError
from nnfw.runs.reading import StoredRun, numbers, read_document
from nnfw.toml import flattened

Entries = Mapping[str, object]
Differences = dict[str, tuple[object, ...]]
"""For each entry that differs, its value in every run; None where a run has none."""


def compare_runs(runs: Sequence[StoredRun]) -> dict[str, Differences]:
    """Return what differs between runs, by section; entries that are equal in all runs are left out.

    The inputs are ``experiment``, ``data``, ``versions`` and ``machine``; the results ``outcome``, ``figures`` (the
    final cost and metrics) and ``best epoch``, the one with the lowest validation cost. A run that did not record a
    section has None there, and is not compared.
    """
    if len(runs) < 2:
        raise ConfigError("A comparison needs at least two runs.")
    experiments = [flattened(read_document(run.path).table) for run in runs]
    outcomes = [{"status": run.status, "epochs": run.epochs, "reason": run.reason} for run in runs]
    sections = {
        "experiment": differing(experiments),
        **input_differences(runs),
        "outcome": differing(outcomes),
        "figures": differing([run.figures for run in runs]),
        "best epoch": differing([numbers(run.best_epoch) for run in runs]),
    }
    return {name: found for name, found in sections.items() if found}


def input_differences(runs: Sequence[StoredRun]) -> dict[str, Differences]:
    """Return which inputs of the runs differ, in the sections data, versions and machine."""
    distributions = [run.record.get("distributions") for run in runs]
    packages = [run.environment.get("packages") for run in runs]
    installed = distributions if all(distributions) else packages  # older records name only what nnfw requires
    sections = {
        "data": differing([_data(run) for run in runs]),
        "versions": differing([_versions(run) for run in runs]) | differing(installed),
        "machine": differing([_machine(run) for run in runs]) | _differing_libraries(runs),
    }
    return {name: found for name, found in sections.items() if found}


def differing(tables: Sequence[Entries | None]) -> Differences:
    """Return the entries in which tables differ; a table that is None or empty was not recorded, and is not compared.

    Examples
    --------
    >>> differing([{"seed": 7, "epochs": 5}, {"seed": 7, "epochs": 9}, None])
    {'epochs': (5, 9, None)}
    """
    keys = dict.fromkeys(key for table in tables for key in table or ())
    found = {key: [table.get(key) for table in tables if table] for key in keys}
    return {
        key: tuple(table.get(key) if table else None for table in tables)
        for key, values in found.items()
        if any(value != values[0] for value in values)
    }


def _data(run: StoredRun) -> Entries:
    examples = {f"{part} examples": number for part, number in run.data.get("examples", {}).items()}
    return _known({"sha256": run.data.get("sha256"), **examples})


def _versions(run: StoredRun) -> Entries:
    """Return the versions of Python and of the plugins, these with their status."""
    plugins = {
        f"plugin {item.get('distribution')}": f"{item.get('version')} {item.get('status')}"
        for item in run.record.get("plugins", [])
    }
    return _known({"python": run.environment.get("python"), **plugins})


def _machine(run: StoredRun) -> Entries:
    """Return the facts about the machine that results depend on: CPU, kernels, number of threads."""
    chosen = {
        "platform": run.environment.get("platform"),
        "cpu": run.environment.get("cpu"),
        "variables": run.environment.get("threads", {}).get("variables"),
        "accelerator": run.record.get("accelerator"),
    }
    return _known(flattened(_known(chosen)))


def _differing_libraries(runs: Sequence[StoredRun]) -> Differences:
    """Compare each library among the runs that had loaded it: SciPy's BLAS is loaded when it is first needed."""
    libraries = [_libraries(run) for run in runs]
    return {
        f"{name} {key}": values
        for name in dict.fromkeys(name for loaded in libraries for name in loaded)
        for key, values in differing([loaded.get(name) for loaded in libraries]).items()
    }


def _libraries(run: StoredRun) -> dict[str, Entries]:
    """Return version, kernels and threads of each library by its name, which is its file's without the build."""
    return {
        str(library.get("file", "")).partition("-")[0].partition(".")[0]: {
            "version": library.get("version"),
            "kernels": library.get("architecture"),
            "threads": library.get("num_threads"),
        }
        for library in run.environment.get("threads", {}).get("libraries", [])
        if isinstance(library, dict) and library.get("user_api") == "blas"
    }


def _known(entries: Entries) -> dict[str, object]:
    return {key: value for key, value in entries.items() if value not in (None, {})}
