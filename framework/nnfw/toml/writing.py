"""Tables as readable TOML text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nnfw.plain import Plain, PlainTable

_WIDTH = 100  # characters that a line has at most, where it can be broken


def write(table: PlainTable) -> str:
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


def _without_none(table: PlainTable) -> PlainTable:
    return {key: _cleaned(value) for key, value in table.items() if value is not None}


def _cleaned(value: Plain) -> Plain:
    if isinstance(value, Mapping):
        return _without_none(value)
    return [_cleaned(item) for item in value] if isinstance(value, list | tuple) else value


def inline(value: Plain) -> str:
    """Return a value as TOML on one line.

    Examples
    --------
    >>> inline(["one_hot", {"type": "fill", "by": "median"}])
    '["one_hot", { type = "fill", by = "median" }]'
    """
    return _literal(value)


def _sections(table: PlainTable, name: str, header: str) -> Iterator[str]:
    """Yield the text of a section and of those below it; a section that only holds sections needs no header."""
    inner = {key: tables for key, value in table.items() if (tables := _tables(key, value, name))}
    lines = [_assignment(key, value) for key, value in table.items() if key not in inner]
    if lines or header.startswith("[[") or (header and not inner):
        yield "".join(f"{line}\n" for line in ([header] if header else []) + lines)
    for key, tables in inner.items():
        path = f"{name}.{_key(key)}" if name else _key(key)
        for item in tables:
            yield from _sections(item, path, f"[{path}]" if item is table[key] else f"[[{path}]]")


def _tables(key: str, value: Plain, name: str) -> list[PlainTable]:
    """Return the tables of a value that are written as sections of their own."""
    if isinstance(value, Mapping):
        return [value] if not name or len(_assignment(key, value)) > _WIDTH else []
    items = value if isinstance(value, list) else []
    tables = [item for item in items if isinstance(item, Mapping)]
    return tables if len(tables) == len(items) else []


def _assignment(key: str, value: Plain) -> str:
    line = f"{_key(key)} = {_literal(value)}"
    if len(line) <= _WIDTH or not isinstance(value, list):
        return line
    return "\n".join([f"{_key(key)} = [", *(f"    {_literal(item)}," for item in value), "]"])


def _literal(value: Plain) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {_literal(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return _dumps({"x": value}).removeprefix("x = ").removesuffix("\n")


def _key(key: str) -> str:
    return _dumps({key: 0}).removesuffix(" = 0\n")


def _dumps(table: PlainTable) -> str:
    import tomli_w  # imported here: most commands only read

    return tomli_w.dumps(table)
