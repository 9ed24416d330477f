"""What differs between runs: in the experiment, the data, the versions, the machine, and in what came out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nnfw.errors import ConfigError, Mistake
from nnfw.runs.reading import RecordedRun, numbers, read_document
from nnfw.toml.flattening import flattened

Values = Mapping[str, Any]
Differences = dict[str, tuple[Any, ...]]
"""The value of every run, by what it is of; None where a run has none."""


def compare_runs(runs: Sequence[RecordedRun]) -> dict[str, Differences]:
    """Return what differs between runs, by section; what is equal in all of them is left out.

    Returns
    -------
    dict
        ``experiment``, ``data``, ``versions`` and ``machine``: what went in. ``outcome``, ``figures``, final cost and
        metrics, and ``best epoch``, that with the lowest validation cost: what came out. A run in which a whole section
        was not recorded has None there, and does not count.

    Raises
    ------
    ConfigError
        If there are fewer than two.
    FileFormatError
        If an experiment or the metrics cannot be read.
    """
    if len(runs) < 2:
        raise ConfigError([Mistake((), "There must be two runs or more to compare.")])
    experiments = [flattened(read_document(run.path).table) for run in runs]
    outcomes = [{"status": run.status, "epochs": run.epochs, "reason": run.reason} for run in runs]
    sections = {
        "experiment": differing(experiments),
        **input_differences(runs),
        "outcome": differing(outcomes),
        "figures": differing([run.figures for run in runs]),
        "best epoch": differing([numbers(run.best) for run in runs]),
    }
    return {name: found for name, found in sections.items() if found}


def input_differences(runs: Sequence[RecordedRun]) -> dict[str, Differences]:
    """Return what differs of what runs depend on, in the sections data, versions and machine."""
    known = [run.get("distributions") for run in runs]
    packages = [run.get("environment", "packages") for run in runs]
    installed = known if all(known) else packages  # older records hold what nnfw requires, and no more
    sections = {
        "data": differing([_data(run) for run in runs]),
        "versions": differing([_versions(run) for run in runs]) | differing(installed),
        "machine": differing([_machine(run) for run in runs]) | _differing_libraries(runs),
    }
    return {name: found for name, found in sections.items() if found}


def differing(tables: Sequence[Values | None]) -> Differences:
    """Return the entries in which tables differ; a table that is None or empty was not recorded, and does not count.

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


def _data(run: RecordedRun) -> Values:
    examples = {f"{part} examples": number for part, number in (run.get("data", "examples") or {}).items()}
    return _recorded({"sha256": run.get("data", "sha256"), **examples})


def _versions(run: RecordedRun) -> Values:
    """Return the version of Python, and those of the plugins with their status."""
    plugins = {
        f"plugin {item.get('distribution')}": f"{item.get('version')} {item.get('status')}"
        for item in run.get("plugins") or ()
    }
    return _recorded({"python": run.get("environment", "python"), **plugins})


def _machine(run: RecordedRun) -> Values:
    """Return what results depend on of the machine: its kind, its kernels, and how many threads share the work."""
    environment = run.get("environment") or {}
    threads = run.get("environment", "threads") or {}
    chosen = {
        "platform": environment.get("platform"),
        "cpu": environment.get("cpu"),
        "variables": threads.get("variables"),
        "accelerator": run.get("accelerator"),
    }
    return _recorded(flattened(_recorded(chosen)))


def _differing_libraries(runs: Sequence[RecordedRun]) -> Differences:
    """Compare each library among the runs that had loaded it by then: SciPy's comes when it is first needed."""
    libraries = [_libraries(run) for run in runs]
    return {
        f"{name} {key}": values
        for name in dict.fromkeys(name for loaded in libraries for name in loaded)
        for key, values in differing([loaded.get(name) for loaded in libraries]).items()
    }


def _libraries(run: RecordedRun) -> dict[str, Values]:
    """Return version, kernels and threads of each library; its file is named after its build, which plays no part."""
    known: Iterable[Any] = run.get("environment", "threads", "libraries") or ()
    return {
        str(library.get("file", "")).partition("-")[0].partition(".")[0]: {
            "version": library.get("version"),
            "kernels": library.get("architecture"),
            "threads": library.get("num_threads"),
        }
        for library in known
        if isinstance(library, dict) and library.get("user_api") == "blas"
    }


def _recorded(table: Values) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value not in (None, {})}
