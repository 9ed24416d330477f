"""Paths of values as ``--set path=value`` takes them: setting values by them, and listing the values of a table."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from nnfw.errors import ConfigError, Mistake, short
from nnfw.plain import Plain
from nnfw.toml.document import Document
from nnfw.toml.statements import DEEPEST, TOO_DEEP, TOO_LARGE, Keys, Statement, extremes

_LONGEST_ARGUMENT = 60  # characters of a --set that a message repeats
_STEP = r"""(?:[A-Za-z0-9_-]+|"[^"]*")"""
_PATH = re.compile(rf"{_STEP}(?:\.{_STEP}|\[[0-9]{{1,9}}\])*")
_STEPS = re.compile(r"""\[(?P<position>[0-9]+)\]|"(?P<quoted>[^"]*)"|(?P<bare>[A-Za-z0-9_-]+)""")


class _Refused(Exception):  # noqa: N818 - a reason, which becomes part of a ConfigError
    """Why an override cannot be applied."""


def apply_overrides(document: Document, arguments: Iterable[str]) -> Document:
    """Return the document with values set by arguments such as ``"model.layers[0].units=32"``.

    ConfigError lists every argument that cannot be applied.

    Parameters
    ----------
    document
        Stays as it is.
    arguments
        ``path=value`` each. The path is dotted, a position in a list is ``[0]`` or ``.0``, a key of other characters
        stands in double quotes; tables on the way that are missing are made. The value is TOML; a bare word is text.

    Examples
    --------
    >>> from nnfw.toml import parse
    >>> document = parse("optimizer.type = 'adam'", "digits.toml")
    >>> apply_overrides(document, ["optimizer.type=sgd", "optimizer.learning_rate=3"]).table
    {'optimizer': {'type': 'sgd', 'learning_rate': 3}}
    """
    table = deepcopy(document.table)
    applied, mistakes = [], []
    for argument in arguments:
        shown = argument if len(argument) <= _LONGEST_ARGUMENT else f"{argument[: _LONGEST_ARGUMENT - 3]}..."
        try:
            steps, value = _read_override(argument)
            applied.append((shown, Statement(0, _assign(table, steps, value), deepcopy(value))))
        except _Refused as refused:
            mistakes.append(Mistake((), f"--set {_printable(shown)}: {refused}"))
    if mistakes:
        raise ConfigError(mistakes)
    return Document(table, document.name, document.text, (*document.overrides, *applied))


def _printable(text: str) -> str:
    """Return `text` with everything that UTF-8 cannot encode, such as a stray byte, written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _read_override(argument: str) -> tuple[list[str | int], Plain]:
    """Return the steps of the path, and the value."""
    if _printable(argument) != argument:
        raise _Refused("is not UTF-8 text. Check the terminal's encoding.")
    path, equals, text = (part.strip() for part in argument.partition("="))
    if not equals:
        raise _Refused("has no '='. Write path=value, as in training.epochs=5.")
    steps = [_step(found) for found in _STEPS.finditer(path)]
    if not _PATH.fullmatch(path) or len(steps) > DEEPEST:
        raise _Refused(
            f"{short(path)} is not a path. Write keys with dots and positions, as in model.layers[0].units=32."
        )
    return steps, _read_value(text)


def _step(found: re.Match[str]) -> str | int:
    if found["position"]:
        return int(found["position"])
    return found["bare"] or found["quoted"]


def _read_value(text: str) -> Plain:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        if text.startswith(("[", "{", '"', "'")):
            raise _Refused(f"the value is not TOML: {error}. Close brackets and quotes.") from error
        return text
    except RecursionError as error:
        raise _Refused(TOO_DEEP) from error
    except ValueError as error:  # more digits than Python converts
        raise _Refused(TOO_LARGE) from error
    for _, problem in extremes(table):
        raise _Refused(problem)
    return table["value"] if len(table) == 1 else text


def _assign(table: dict[str, Any], steps: list[str | int], value: Plain) -> Keys:
    """Put `value` at the end of `steps`, making tables that are missing, and return the keys that the steps mean."""
    node: Any = table
    keys: Keys = ()
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        key = _key_in(node, step, keys)
        keys = (*keys, key)
        if following is None:
            node[key] = value
        elif isinstance(key, int):  # then `node` is a list
            node = node[key]
        elif key not in node and isinstance(following, int):
            raise _Refused(f"there is no list {_spelt(keys)}. Set a whole list, or a position in one that is there.")
        else:
            node = node.setdefault(key, {})
    return keys


def _key_in(node: object, step: str | int, keys: Keys) -> str | int:
    """Return the key or position that `step` means in `node`, which lies at `keys`."""
    if isinstance(node, list):
        position = int(step) if re.fullmatch("[0-9]{1,9}", str(step)) else len(node)
        if position < len(node):
            return position
        entries = f"{len(node)} {'entry' if len(node) == 1 else 'entries'}"
        known = f"Write a position from [0] to [{len(node) - 1}]." if node else "Set the whole list."
        raise _Refused(f"{_spelt(keys)} has {entries}, none at {short(step)}. {known}")
    if not isinstance(node, dict):
        hint = f' Set all of it: {_spelt(keys)}={{ type = "{node}", ... }}.' if isinstance(node, str) else ""
        raise _Refused(f"{_spelt(keys)} is {short(node)}, which has no {step!r}; expected a table.{hint}")
    if isinstance(step, int):
        raise _Refused(f"{_spelt(keys)} is a table, which has no position [{step}]. Write {_spelt(keys)}.key.")
    return step


def _spelt(keys: Keys) -> str:
    return str(Mistake(keys, ""))


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
