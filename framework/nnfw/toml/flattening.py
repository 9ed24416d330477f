"""Nested tables, flattened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def flattened(table: Mapping[str, object]) -> dict[str, object]:
    """Return a nested table as a flat one, by paths as ``--set`` takes them; a list without tables is one value.

    Examples
    --------
    >>> flattened({"seed": 7, "model": {"layers": [{"units": 8}, {"units": [2, 3]}]}})
    {'seed': 7, 'model.layers[0].units': 8, 'model.layers[1].units': [2, 3]}
    >>> flattened({})
    {}
    """
    return dict(_flattened("", table)) if table else {}


def _flattened(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flattened(f"{path}.{key}" if path else str(key), item)
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for index, item in enumerate(value):
            yield from _flattened(f"{path}[{index}]", item)
    else:
        yield path, value
