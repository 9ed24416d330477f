"""``transforms = "auto"``: the dataset picks transforms by what its columns hold."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from nnfw.arrays import Array
from nnfw.configuration import build
from nnfw.data import categorical
from nnfw.errors import ConfigError, NnfwError
from nnfw.experiments.data import RawData
from nnfw.experiments.experiment import (
    AUTO,
    DataSection,
    Experiment,
    ExperimentFile,
    costs_of,
    graph_of,
    placed,
)
from nnfw.plain import Plain, PlainTable
from nnfw.plugins import TYPE, Registry
from nnfw.plugins.results import wrong_result
from nnfw.protocols import Cost, Transform
from nnfw.toml import inline

_MOST_SHOWN = 12  # columns of a transform
_MOST_OUTPUTS = 32  # of a cost such as quantile, which is asked what labels it takes


@dataclass(frozen=True)
class _Picked:
    transforms: tuple[Transform, ...]


def with_transforms(file: ExperimentFile, data: RawData, registry: Registry) -> tuple[Experiment, str]:
    """Return the experiment with transforms in place of ``"auto"``, and what was picked, in words.

    Transforms of features that are left out are picked too if they must be there, because some columns hold words or
    lack values; those of the target wherever those of the features are picked. The words are empty if nothing is.

    ConfigError, with the line, if the dataset picks none; PluginError if what it picks are no transforms.
    """
    experiment, section, told = file.experiment, file.experiment.data, []

    def built(option: str, tables: list[PlainTable] | None) -> tuple[Transform, ...]:
        if tables is None:
            name = registry.label("dataset", section.source)
            text = f'data.{option} is "auto", but the dataset {name} picks none. List them, or leave them out.'
            raise ConfigError(placed(file.document, [(("data", option), text)]))
        told.append(f"{option} = {inline([_shown(table) for table in tables])}")
        return _built(tables, section, registry)

    transforms, target_transforms = section.transforms or (), section.target_transforms or ()
    features = _features(section, data)
    needed = section.transforms is None and _needs_some(features, data)
    tables = _tables(experiment, features, registry) if transforms == AUTO or needed else None
    picks = transforms == AUTO or tables is not None
    if picks:
        transforms = built("transforms", tables)
    if target_transforms == AUTO or (section.target_transforms is None and picks):
        target_transforms = built("target_transforms", _of_target(experiment, data))
    section = replace(section, transforms=transforms, target_transforms=target_transforms)
    words = f"Picked by what the columns hold: {'; '.join(told)}." if told else ""
    return replace(experiment, data=section), words


def _shown(table: PlainTable) -> Plain:
    """Return a transform as the first lines of a training show it, with some of its columns."""
    columns = table.get("columns")
    if isinstance(columns, list) and len(columns) > _MOST_SHOWN:
        return {**table, "columns": [*columns[:_MOST_SHOWN], f"and {len(columns) - _MOST_SHOWN} more"]}
    return table[TYPE] if table.keys() == {TYPE} else table


def _features(section: DataSection, data: RawData) -> dict[str, Array]:
    """Return the columns of features."""
    names = [name for group in (section.groups or {}).values() for name in group.columns]
    left_out = {section.split.group, *(section.targets or {}).values()} if section.groups is None else set()
    known = data.first.columns if section.groups else data.first.features
    return {name: known[name] for name in names or known if name not in left_out}


def _needs_some(features: Mapping[str, Array], data: RawData) -> bool:
    """Return whether a network cannot take the columns as they are."""
    return any(categorical(column) or name in data.first.missing for name, column in features.items())


def _tables(experiment: Experiment, features: Mapping[str, Array], registry: Registry) -> list[PlainTable] | None:
    """Return the transforms that the dataset picks for features; None if it picks none."""
    graph, groups = graph_of(experiment, registry), experiment.data.groups
    inputs = [name for name, limit in zip(graph.inputs, graph.limits(), strict=True) if limit is not None]
    indices = [name for each in inputs for name in (groups[each].columns if groups else features)]
    return _picked(experiment, features, indices, target=False)


def _of_target(experiment: Experiment, data: RawData) -> list[PlainTable] | None:
    """Return the transforms that the dataset picks for targets of numbers; None if it picks none."""
    first, named = data.first, experiment.data.targets
    targets = named or {"": first.target_name}
    costs = {name: weighted.cost for name, weighted in costs_of(experiment).items()}
    numbers = {
        column: first.columns[column]
        for output, column in targets.items()
        if not categorical(first.columns[column])
        and (named is not None or first.classes is None)
        and _takes_any_number(costs[output])
    }
    tables = _picked(experiment, numbers, [], target=True)
    if tables is None or not numbers:
        return tables and []
    return [{**table, "columns": [*numbers]} for table in tables] if named else tables


def _takes_any_number(cost: Cost) -> bool:
    """Return whether labels may be any numbers, rather than classes or counts."""
    if getattr(cost, "domain", None) is not None:
        return False
    for outputs in range(1, _MOST_OUTPUTS + 1):
        with suppress(NnfwError):
            cost.targets(np.array([0.5, -1.5]), (outputs,))
            return True
    return False


def _picked(
    experiment: Experiment, columns: Mapping[str, Array], indices: list[str], *, target: bool
) -> list[PlainTable] | None:
    dataset = experiment.data.source
    pick = getattr(dataset, "suitable_transforms", None)  # datasets that are older than this method have none
    found = None if pick is None else pick(columns, indices, target=target)
    if found is not None and not all(isinstance(table, Mapping) for table in found):
        raise wrong_result(dataset, "suitable_transforms", found, "tables of transforms, or None")
    return None if found is None else [dict(table) for table in found]


def _built(tables: list[PlainTable], section: DataSection, registry: Registry) -> tuple[Transform, ...]:
    try:
        found: _Picked = build(_Picked, {"transforms": tables}, registry.resolve)
    except ConfigError as error:
        raise wrong_result(section.source, "suitable_transforms", tables, f"transforms: {error}") from error
    return found.transforms
