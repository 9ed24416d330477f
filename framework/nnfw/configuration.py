"""From a table of options to checked values, by the annotations of a dataclass alone.

A plugin author writes ``units: Annotated[int, Ge(1)]`` and gets the check, the message and the help text; the validation
library (pydantic) is seen nowhere else. Three kinds of annotation are handled here, everything else by pydantic in its
strict mode (no bool for a number, no NaN, no infinity):

- a protocol of :mod:`nnfw.protocols`: a reference to a component, by name, table or object;
- a dataclass: a nested table;
- ``tuple[X, ...]``: a list of either, or of plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from nnfw.errors import ConfigError, Mistake, PluginError, did_you_mean
from nnfw.protocols import KINDS

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

Resolve = Callable[[str, Any], Any]
"""Turns a reference of a kind into a component: ``resolve("activation", "relu")``."""

_UNIONS = (Union, UnionType)
_LONGEST_VALUE = 60  # characters of a wrong value that a message repeats


def short(value: Any) -> str:
    """Return ``repr(value)``, cut after 60 characters.

    Examples
    --------
    >>> short("relu")
    "'relu'"
    """
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


@dataclass(frozen=True)
class Option:
    """One option of a component or a section of a file.

    Parameters
    ----------
    name
        The field's name.
    hint
        Its annotation, without None.
    optional
        Whether None is allowed.
    required
        Whether it has no default.
    default
        The default, or None where it is required.
    """

    name: str
    hint: Any
    optional: bool
    required: bool
    default: Any

    def __str__(self) -> str:
        """Return type and range in words: ``number > 0 or none``."""
        return describe_hint(self.hint) + (" or none" if self.optional else "")


@cache
def options_of(cls: type) -> Mapping[str, Option]:
    """Return the options of a dataclass by name; PluginError if an annotation cannot be read."""
    try:
        hints = get_type_hints(cls, include_extras=True)
    except Exception as error:
        raise PluginError(f"{cls.__qualname__}: its annotations cannot be read: {error}") from error
    return {field.name: _option(field, hints[field.name]) for field in fields(cls) if field.init}


def _option(field: Any, hint: Any) -> Option:
    parts = get_args(hint) if get_origin(hint) in _UNIONS else (hint,)
    kept = tuple(part for part in parts if part is not NoneType)
    required = field.default is MISSING and field.default_factory is MISSING
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return Option(field.name, Union[kept], NoneType in parts, required, None if required else default)  # noqa: UP007


def check(cls: type, table: Mapping[str, Any], resolve: Resolve) -> dict[str, Any]:
    """Return the values of `table` checked against the fields of `cls`, with references resolved.

    Raises
    ------
    ConfigError
        With every mistake in the table: unknown and missing options, wrong types, values out of range.
    """
    options = options_of(cls)
    mistakes = [Mistake((str(key),), _unknown(str(key), options)) for key in table if key not in options]
    mistakes += [
        Mistake((name,), f"is missing: {option}.")
        for name, option in options.items()
        if option.required and name not in table
    ]
    values = {}
    for name, value in table.items():
        if name in options:
            try:
                values[name] = _check_option(options[name], value, resolve)
            except ConfigError as error:
                mistakes += [mistake.under(name) for mistake in error.mistakes]
    if mistakes:
        raise ConfigError(mistakes)
    return values


def build(cls: type, table: Mapping[str, Any], resolve: Resolve) -> Any:
    """Return an instance of the dataclass `cls` from a checked table."""
    return cls(**check(cls, table, resolve))


def _unknown(name: str, options: Mapping[str, Option]) -> str:
    return f"is not an option.{did_you_mean(name, options)} Options: {', '.join(sorted(options)) or 'none'}."


def _check_option(option: Option, value: Any, resolve: Resolve) -> Any:
    if value is None and option.optional:
        return None
    return _check_value(option.hint, value, resolve)


def _check_value(hint: Any, value: Any, resolve: Resolve) -> Any:
    kind = kind_of(hint)
    if kind is not None:
        return resolve(kind, value)
    if get_origin(hint) is tuple and isinstance(value, list | tuple):
        return _check_items(hint, tuple(value), resolve)
    if is_dataclass(hint) and not isinstance(value, hint):  # type: ignore[arg-type]
        if not isinstance(value, Mapping):
            raise ConfigError([Mistake((), f"must be a table, got {short(value)}.")])
        return build(hint, value, resolve)  # type: ignore[arg-type]
    return _check_plain(hint, value)


def _check_items(hint: Any, values: tuple[Any, ...], resolve: Resolve) -> tuple[Any, ...]:
    args = get_args(hint)
    if len(args) != 2 or args[1] is not Ellipsis:
        checked: tuple[Any, ...] = _check_plain(hint, values)
        return checked
    items, mistakes = [], []
    for index, value in enumerate(values):
        try:
            items.append(_check_value(args[0], value, resolve))
        except ConfigError as error:
            mistakes += [mistake.under(index) for mistake in error.mistakes]
    if mistakes:
        raise ConfigError(mistakes)
    return tuple(items)


def _check_plain(hint: Any, value: Any) -> Any:
    from pydantic import ValidationError  # imported here: `nnfw --help` needs no validation

    try:
        return _adapter(hint).validate_python(value)
    except ValidationError as error:
        raise ConfigError([Mistake((), f"must be {_wanted(hint, error)}, got {short(value)}.")]) from error


def _wanted(hint: Any, error: ValidationError) -> str:
    """Return what pydantic expected, in its words where they name a value, else in ours."""
    opening = "Input should be "
    messages = dict.fromkeys(item["msg"] for item in error.errors(include_url=False))
    if all(message.startswith(opening) for message in messages):
        return " or ".join(message.removeprefix(opening) for message in messages)
    return describe_hint(hint)


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True))


def kind_of(hint: Any) -> str | None:
    """Return the kind of component that an annotation refers to, or None for a plain value.

    Examples
    --------
    >>> from nnfw.protocols import Activation
    >>> kind_of(Activation | str)
    'activation'
    >>> kind_of(int) is None
    True
    """
    parts = get_args(hint) if get_origin(hint) in _UNIONS else (hint,)
    for kind in KINDS.values():
        if any(kind.protocol in getattr(part, "__mro__", ()) for part in parts):
            return kind.name
    return None


_PLAIN_NAMES = {int: "whole number", float: "number", bool: "true or false", str: "text"}
_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "multiple_of": "a multiple of"}


def describe_hint(hint: Any) -> str:
    """Return an annotation in words.

    Examples
    --------
    >>> from annotated_types import Ge, Lt
    >>> describe_hint(Annotated[float, Ge(0), Lt(1)])
    'number ≥ 0, < 1'
    >>> describe_hint(tuple[int, ...])
    'list of whole number'
    """
    kind = kind_of(hint)
    if kind is not None:
        return kind
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = [
            f"{sign} {getattr(limit, name)}" for limit in args[1:] for name, sign in _BOUNDS.items() if hasattr(limit, name)
        ]
        return f"{describe_hint(args[0])} {', '.join(bounds)}".strip()
    if origin is tuple:
        return f"list of {describe_hint(args[0])}" if args[1:] == (...,) else f"list of {len(args)}"
    if origin in _UNIONS:
        return " or ".join(describe_hint(arg) for arg in args)
    if origin is Literal:
        return " | ".join(map(repr, args))
    return _PLAIN_NAMES.get(hint, getattr(hint, "__name__", str(hint)))
