"""Components and data on the command line: ``dense:units=64,activation=relu``, a table, an array."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from nnfw.errors import ConfigError
from nnfw.plain import Plain
from nnfw.plugins import TYPE, scheme_of
from nnfw.toml import STDIN

TABLE, ARRAY = ".csv", ".npy"
"""Endings of the files that are read without naming a dataset; other endings of tables count as the first."""

_COMPONENT = re.compile(r"[A-Za-z][\w-]+:")  # npy:x=x.npy is a dataset, ./a:b.csv a file
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")
_OPENING, _CLOSING, _QUOTES = "[{(", "]})", "\"'"


def parse_component(text: str) -> dict[str, Plain]:
    """Return a component written on the command line as a table.

    It is ``name``, ``name:option=value,...`` or ``distribution:name:option=value,...``. A value is TOML; a bare word is
    text. ConfigError if an option has no ``=`` or no name, or is given twice.

    Examples
    --------
    >>> parse_component("dense:units=64,activation=relu")
    {'type': 'dense', 'units': 64, 'activation': 'relu'}
    >>> parse_component("nnfw-swish:swish")
    {'type': 'nnfw-swish:swish'}
    >>> parse_component('dense:units=3,activation={type="leaky_relu",slope=0.2}')["activation"]
    {'type': 'leaky_relu', 'slope': 0.2}
    """
    head, equals, _ = text.partition("=")
    name, colon, _ = head.rpartition(":") if equals else (text, "", "")
    if equals and not colon:
        raise ConfigError(f"{text!r} does not name a component. Write name:option=value,option=value.")
    if not name.strip(": "):
        raise ConfigError(f"{text!r} does not name a component. Write its name first: dense:units=64.")
    if ":" in name and not _PLAIN_NAME.fullmatch(name.rpartition(":")[2]):
        raise ConfigError(f"{text!r}: {name.rpartition(':')[2]!r} is not an option. Write option=value.")
    table: dict[str, Plain] = {TYPE: name}
    for part in _split(text[len(name) + 1 :]) if equals else ():
        option, equals, value = part.partition("=")
        option = option.strip()
        if not equals or not option:
            raise ConfigError(f"{text!r}: {part!r} is not an option. Write option=value.")
        if option in table:
            raise ConfigError(f"{text!r} gives {option!r} twice.")
        table[option] = parse_value(value.strip())
    return table


def parse_reference(text: str) -> str | dict[str, Plain]:
    """Return a component as :func:`parse_component` does, or its name alone if it has no options.

    Examples
    --------
    >>> parse_reference("accuracy"), parse_reference("top_k_accuracy:k=3")
    ('accuracy', {'type': 'top_k_accuracy', 'k': 3})
    """
    table = parse_component(text)
    return table if len(table) > 1 else str(table[TYPE])


def file_ending(text: str) -> str:
    """Return `TABLE` or `ARRAY` if `text` is ``"-"``, a pipe or the path of such a file; empty if it names a dataset.

    A table in text may be compressed; tables of other formats are those that a plugin reads, at a path or URL.

    Examples
    --------
    >>> file_ending("a.tsv"), file_ending("a.zip"), file_ending("csv:path=new.csv,target=kind"), file_ending("digits")
    ('.csv', '.csv', '', '')
    """
    from nnfw.data.input_files import is_pipe
    from nnfw.data.table_reading import is_table  # loads NumPy, which the commands about runs do without

    if text == STDIN or is_pipe(text):
        return TABLE
    if _COMPONENT.match(text) and not scheme_of(text):
        return ""
    return TABLE if is_table(text) else ARRAY if Path(text).suffix.lower() == ARRAY else ""


def parse_value(text: str) -> Plain:
    """Return a TOML value, or the text itself if it is not one.

    Examples
    --------
    >>> parse_value("1e-3"), parse_value("relu"), parse_value("[8, 8]")
    (0.001, 'relu', [8, 8])
    """
    try:
        table = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text  # a text of several lines may hold more than the value


def _split(text: str) -> Iterator[str]:
    """Split at the commas outside brackets and quotes."""
    depth, quote, start = 0, "", 0
    for index, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in _QUOTES:
            quote = letter
        elif letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth -= 1
        elif letter == "," and depth == 0:
            yield text[start:index]
            start = index + 1
    yield text[start:]
