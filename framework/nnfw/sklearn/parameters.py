"""Options of components as parameters of an estimator: ``optimizer__learning_rate``, ``layers__0__units``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from typing import Any, NamedTuple, get_args, get_origin

import numpy as np

from nnfw.configuration import TYPE, Option, kind_of, options_of
from nnfw.data import listed
from nnfw.errors import NnfwError, did_you_mean
from nnfw.plugins import Registry

SEPARATOR = "__"
"""What stands between the name of a component and that of its option."""

SIZE = "units"
"""The one option of a layer that is given by its number of units."""


class Part(NamedTuple):
    """A value in the parameters, and the kind of component to which it, or each of its entries, refers."""

    value: Any
    kind: str | None = None


def is_size(part: Part) -> bool:
    """Return whether a layer is given by its number of units."""
    return part.kind == "layer" and isinstance(part.value, int | np.integer)


def names_below(name: str, part: Part, registry: Registry) -> Iterator[tuple[str, object]]:
    """Yield what is inside a parameter, at any depth, with its full name."""
    for key, inner in _parts(part, registry).items():
        full = name + SEPARATOR + key
        yield full, inner.value
        yield from names_below(full, inner, registry)


def with_part(part: Part, path: Sequence[str], new: object, registry: Registry) -> Any:
    """Return the value of a parameter with `new` at the end of a path, in copies: what was given stays as it is.

    LookupError if there is nothing of that name.
    """
    if not path:
        return new
    key, *rest = path
    inner, value = _parts(part, registry), part.value
    if key not in inner and (rest or key not in _options(part, registry)):
        raise LookupError
    changed = with_part(inner[key], rest, new, registry) if rest else new
    if is_size(part):
        return changed
    if isinstance(value, list | tuple):
        return type(value)(changed if str(index) == key else item for index, item in enumerate(value))
    if isinstance(value, str | Mapping):
        return {**_table(value), key: changed}
    return replace(value, **{key: changed})


def unknown(name: str, known: Collection[str]) -> str:
    """Return what is wrong with the name of a parameter, with the nearest one and those beside it."""
    outer = name
    while outer and outer not in known:
        outer = outer.rpartition(SEPARATOR)[0]
    start = outer + SEPARATOR if outer else ""
    beside = [each for each in known if each.startswith(start) and SEPARATOR not in each.removeprefix(start)]
    owner = f"Parameters of {outer!r}" if outer else "Parameters"
    return f"has no parameter {name!r}.{did_you_mean(name, known)} {owner}: {listed(beside) or 'none'}."


def _parts(part: Part, registry: Registry) -> dict[str, Part]:
    """Return the entries of a list, or the options of a component that are given or have a default."""
    value, kind = part
    if isinstance(value, list | tuple):
        return {str(index): Part(item, kind) for index, item in enumerate(value)}
    if is_size(part):
        return {SIZE: Part(value)}
    options, given = _options(part, registry), _table(value)
    found = {name: Part(item) for name, item in given.items() if isinstance(name, str) and name != TYPE}
    for name, option in options.items():
        if name in given or not option.required:
            found[name] = Part(given.get(name, option.default), _kind(option))
    return found


def _options(part: Part, registry: Registry) -> Mapping[str, Option]:
    """Return the options of the component to which a value refers; none if there is no such component."""
    value, kind = part
    name = value.get(TYPE) if isinstance(value, Mapping) else value
    try:
        if isinstance(name, str):
            return {} if kind is None else options_of(registry.load(kind, name))
        return _options_of_object(value)
    except NnfwError:  # what is wrong about it is said when the network is built
        return {}


def _table(value: object) -> dict[str, Any]:
    if isinstance(value, str):
        return {TYPE: value}
    if isinstance(value, Mapping):
        return dict(value)
    return {name: getattr(value, name) for name in _options_of_object(value)}


def _options_of_object(value: object) -> Mapping[str, Option]:
    cls: type = type(value)
    return options_of(cls) if is_dataclass(cls) else {}


def _kind(option: Option) -> str | None:
    inner = get_args(option.hint)[0] if get_origin(option.hint) is tuple else option.hint
    return kind_of(inner)
