"""From tables to TOML text that people like to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_WIDTH = 100  # characters that a line has at most, where it can be broken


def write(table: Mapping[str, Any]) -> str:
    """Return `table` as TOML text: sections, ``[[lists.of.tables]]``, and small inner tables in line.

    Parameters
    ----------
    table
        Text, numbers, truth values, dates, lists and tables; a key whose value is None is left out.

    Examples
    --------
    >>> layers = [{"type": "dense", "units": 64, "activation": None}, {"type": "flatten"}]
    >>> print(write({"seed": 7, "model": {"layers": layers}, "data": {"split": {"test": 0.15}}}), end="")
    seed = 7
    <BLANKLINE>
    [[model.layers]]
    type = "dense"
    units = 64
    <BLANKLINE>
    [[model.layers]]
    type = "flatten"
    <BLANKLINE>
    [data]
    split = { test = 0.15 }
    """
    return "\n".join(_sections(_without_none(table), "", ""))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value


def _sections(table: Mapping[str, Any], name: str, header: str) -> Iterator[str]:
    """Yield the text of a section and of those below it; a section that only holds sections needs no header."""
    inner = {key: value for key, value in table.items() if _is_section(key, value, name)}
    lines = [_assignment(key, value) for key, value in table.items() if key not in inner]
    if lines or header.startswith("[[") or (header and not inner):
        yield "".join(f"{line}\n" for line in ([header] if header else []) + lines)
    for key, value in inner.items():
        path = f"{name}.{_key(key)}" if name else _key(key)
        if isinstance(value, Mapping):
            yield from _sections(value, path, f"[{path}]")
        else:
            for item in value:
                yield from _sections(item, path, f"[[{path}]]")


def _is_section(key: str, value: Any, name: str) -> bool:
    if isinstance(value, Mapping):
        return not name or len(_assignment(key, value)) > _WIDTH
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _assignment(key: str, value: Any) -> str:
    line = f"{_key(key)} = {_literal(value)}"
    if len(line) <= _WIDTH or not isinstance(value, list):
        return line
    return "\n".join([f"{_key(key)} = [", *(f"    {_literal(item)}," for item in value), "]"])


def _literal(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {_literal(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return _dumps({"x": value}).removeprefix("x = ").removesuffix("\n")


def _key(key: str) -> str:
    return _dumps({key: 0}).removesuffix(" = 0\n")


def _dumps(table: dict[str, Any]) -> str:
    import tomli_w  # imported here: most commands only read

    return tomli_w.dumps(table)
