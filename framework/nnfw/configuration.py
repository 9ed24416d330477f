"""From a table of options to checked values, by the annotations of a dataclass alone, and back.

A plugin author writes ``units: Annotated[int, Ge(1)]`` and gets the check, the message and the help text; the
validation library (pydantic) is seen nowhere else. Three kinds of annotation are handled here, everything else by
pydantic in its strict mode (no bool for a number, no NaN, no infinity):

- a protocol of :mod:`nnfw.protocols`: a reference to a component, by name, table or object;
- a dataclass: a nested table;
- a tuple of any of these or of plain values: a list.

Scalars of NumPy are taken for the Python numbers that they stand for, and stored as such.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache, reduce
from itertools import islice
from operator import or_
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from nnfw.errors import ConfigError, Mistake, NnfwError, PluginError, article, did_you_mean, in_words, one_line
from nnfw.errors import short as short
from nnfw.protocols import KINDS

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

Resolve = Callable[[str, Any], Any]
"""Turns a reference of a kind into a component: ``resolve("activation", "relu")``."""

Describe = Callable[[str, Any], Any]
"""Turns a component of a kind into a table: the inverse of `Resolve`."""

_UNIONS = (Union, UnionType)
_MOST_MISTAKES = 100  # that are looked for: nobody reads more at once, and a file may be made of them


@dataclass(frozen=True)
class Above:
    """A limit that is the value of another option: ``high: Annotated[float, Above("low")]``.

    Parameters
    ----------
    gt
        Name of the other option, a number too, than which this one must be greater.
    """

    gt: str


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
    """Return the options of a dataclass by name; PluginError if an annotation or a default cannot be read."""
    try:
        hints = get_type_hints(cls, include_extras=True)
        options = {item.name: _option(item, hints[item.name]) for item in fields(cls) if item.init}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a default may be made by a stranger's function
        raise PluginError(
            f"{one_line(cls.__qualname__)}: its options cannot be read: {in_words(error)}. An annotation may use what "
            "its module imports outside `if TYPE_CHECKING`."
        ) from error
    for name, other in _ordered(options):
        if other not in options:
            raise PluginError(
                f"{one_line(cls.__qualname__)}: {name!r} is above {other!r}, which is no option."
                f"{did_you_mean(other, options)} Options: {', '.join(options)}."
            )
    return options


def _option(item: Field[Any], hint: Any) -> Option:
    parts = _parts(hint)
    default = item.default if item.default_factory is MISSING else item.default_factory()
    required = default is MISSING
    kept = reduce(or_, (part for part in parts if part is not NoneType))
    return Option(item.name, kept, NoneType in parts, required, None if required else default)


def check(cls: type, table: Mapping[str, Any], resolve: Resolve) -> dict[str, Any]:
    """Return a value for each field of `cls`, from `table` or by default, checked and with references resolved.

    Raises
    ------
    ConfigError
        With every mistake in the table, up to a hundred: unknown and missing options, wrong types, values out of range;
        where there is none of these, with options that contradict each other.
    """
    options = options_of(cls)
    unknown = islice((str(key) for key in table if key not in options), _MOST_MISTAKES)
    mistakes = [Mistake((key,), _unknown(key, options)) for key in unknown]
    mistakes += [
        Mistake((name,), f"is missing: {option}.")
        for name, option in options.items()
        if option.required and name not in table
    ]
    defaults = {name: option.default for name, option in options.items() if not option.required}
    known = defaults | {name: value for name, value in table.items() if name in options}
    values = _collected(known, lambda name, value: _check_option(options[name], value, resolve), mistakes)
    wrong = [(name, other) for name, other in _ordered(options) if not _above(values[name], values[other])]
    if wrong:
        raise ConfigError(
            [
                Mistake((name,), f"must be greater than {other}, {values[other]}, got {values[name]}.")
                for name, other in wrong
            ]
        )
    return values


def _ordered(options: Mapping[str, Option]) -> list[tuple[str, str]]:
    """Return each option with that which it must be greater than."""
    return [
        (name, limit.gt)
        for name, option in options.items()
        for limit in _unwrapped(option.hint)[1]
        if isinstance(limit, Above)
    ]


def _above(value: Any, other: Any) -> bool:
    return value is None or other is None or bool(value > other)


def build(cls: type, table: Mapping[str, Any], resolve: Resolve) -> Any:
    """Return an instance of the dataclass `cls` from a checked table.

    Raises
    ------
    ConfigError
        As :func:`check`, and if the class itself refuses the values.
    """
    values = check(cls, table, resolve)
    try:
        return cls(**values)
    except (NnfwError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit too: a component must not end nnfw
        raise ConfigError([Mistake((), f"Refused by {one_line(cls.__qualname__)}: {in_words(error)}.")]) from error


def rebuild(instance: Any, resolve: Resolve) -> Any:
    """Return a dataclass instance anew, its values checked and its references resolved.

    Raises
    ------
    ConfigError
        As :func:`build`.
    """
    cls: type = type(instance)
    return build(cls, {name: getattr(instance, name) for name in options_of(cls)}, resolve)


def to_table(instance: Any, describe: Describe) -> dict[str, Any]:
    """Return the table from which :func:`build` makes `instance` again: tables, lists, text and numbers.

    None is left out where it is the default.
    """
    table = {}
    for name, option in options_of(type(instance)).items():  # type: ignore[arg-type]
        value = _plain(option.hint, getattr(instance, name), describe)
        if value is not None or option.required or option.default is not None:
            table[name] = value
    return table


def _collected(
    values: Mapping[Any, Any], check_one: Callable[[Any, Any], Any], mistakes: list[Mistake]
) -> dict[Any, Any]:
    """Return the values as `check_one` gives them back, by key; all mistakes are raised together."""
    checked = {}
    for key, value in values.items():
        if len(mistakes) >= _MOST_MISTAKES:
            break
        try:
            checked[key] = check_one(key, value)
        except ConfigError as error:
            mistakes += [mistake.under(key) for mistake in error.mistakes]
    if mistakes:
        raise ConfigError(mistakes)
    return checked


def _unknown(name: str, options: Mapping[str, Option]) -> str:
    return f"is not an option.{did_you_mean(name, options)} Options: {', '.join(sorted(options)) or 'none'}."


def _check_option(option: Option, value: Any, resolve: Resolve) -> Any:
    return None if value is None and option.optional else _check_value(option.hint, value, resolve)


def _check_value(hint: Any, value: Any, resolve: Resolve) -> Any:
    kind = kind_of(hint)
    if kind is not None:
        return resolve(kind, value)
    plain = []
    for part in _parts(hint):
        inner, limits = _unwrapped(part)
        if get_origin(inner) is tuple and isinstance(value, list | tuple):
            items = _check_items(_item_hints(inner, value), value, resolve)
            return _check_plain(Annotated[(tuple, *limits)], items, hint) if limits else items
        if is_dataclass(inner) and isinstance(value, Mapping):
            return build(inner, value, resolve)  # type: ignore[arg-type]
        if is_dataclass(inner) and isinstance(value, inner):  # type: ignore[arg-type]
            return rebuild(value, resolve)
        if get_origin(inner) is not tuple and not is_dataclass(inner):
            plain.append(part)
    if not plain:
        raise _wrong(describe_hint(hint), value)
    return _check_plain(reduce(or_, plain), _as_python(value), hint)


def _plain(hint: Any, value: Any, describe: Describe) -> Any:
    """Return a value as a file can hold it: that from which :func:`_check_value` makes `value` again."""
    kind = kind_of(hint)
    if kind is not None:
        return value if value is None or isinstance(value, str | Mapping) else describe(kind, value)
    for part in _parts(hint):
        inner, _ = _unwrapped(part)
        if get_origin(inner) is tuple and isinstance(value, list | tuple):
            return [
                _plain(item_hint, item, describe)
                for item_hint, item in zip(_item_hints(inner, value), value, strict=True)
            ]
        if is_dataclass(inner) and isinstance(value, inner):  # type: ignore[arg-type]
            return to_table(value, describe)
    return _as_python(value)


def _check_items(hints: Sequence[Any], values: Sequence[Any], resolve: Resolve) -> tuple[Any, ...]:
    checked = _collected(dict(enumerate(values)), lambda index, value: _check_value(hints[index], value, resolve), [])
    return tuple(checked.values())


def _item_hints(hint: Any, values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the annotation of each item of a tuple; ConfigError if there are too many or too few."""
    args = get_args(hint)
    if args[-1:] == (...,):
        return args[:1] * len(values)
    if len(args) != len(values):
        raise _wrong(describe_hint(hint), values)
    return args


def _check_plain(hint: Any, value: Any, shown: Any) -> Any:
    """Return `value` checked by pydantic; `shown` is the annotation that a message describes."""
    from pydantic import ValidationError  # imported here: `nnfw --help` needs no validation

    try:
        return _adapter(hint).validate_python(value)
    except ValidationError as error:
        raise _wrong(_limit(error) or describe_hint(shown), value) from error
    except Exception as error:
        raise PluginError(f"The annotation {short(shown)} cannot be checked: {in_words(error)}.") from error


def _limit(error: ValidationError) -> str:
    """Return the limits that a value of the right type oversteps, in pydantic's words; else nothing."""
    opening = "Input should be "
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(item["type"].endswith("_type") or not item["msg"].startswith(opening) for item in found):
        return ""
    return " or ".join(dict.fromkeys(item["msg"].removeprefix(opening) for item in found))


def _wrong(expected: str, value: Any) -> ConfigError:
    words = article(expected) if expected.startswith((*_WITH_ARTICLE, *KINDS)) else expected
    return ConfigError([Mistake((), f"must be {words}, got {short(value)}.")])


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True))


def _as_python(value: Any) -> Any:
    """Return the Python number that a scalar of NumPy stands for, and anything else as it is."""
    numpy = sys.modules.get("numpy")  # where it was never imported, no value can be one of its scalars
    return value.item() if numpy is not None and isinstance(value, numpy.generic) else value


def _parts(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in _UNIONS else (hint,)


def _unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return an annotation without ``Annotated``, and what that added."""
    return (hint.__origin__, hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())


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
    classes = {each for part in _parts(_unwrapped(hint)[0]) for each in getattr(part, "__mro__", ())}
    return next((kind.name for kind in KINDS.values() if kind.protocol in classes), None)


_COUNTABLE = {int: "whole number", float: "number"}
_OTHER_NAMES = {bool: "true or false", str: "text", NoneType: "none", Any: "any value"}
_WITH_ARTICLE = (*_COUNTABLE.values(), "list", "table")
_LIMITS = {
    "gt": ">",
    "ge": "≥",
    "lt": "<",
    "le": "≤",
    "multiple_of": "a multiple of",
    "min_length": "of length ≥",
    "max_length": "of length ≤",
}


def describe_hint(hint: Any, *, plural: bool = False) -> str:
    """Return an annotation in words.

    Examples
    --------
    >>> from annotated_types import Ge, Lt
    >>> describe_hint(Annotated[float, Ge(0), Lt(1)])
    'number ≥ 0, < 1'
    >>> describe_hint(tuple[Annotated[int, Ge(1)], ...])
    'list of whole numbers ≥ 1'
    """
    ending = "s" if plural else ""
    kind = kind_of(hint)
    if kind is not None:
        return KINDS[kind].plural if plural else kind
    inner, limits = _unwrapped(hint)
    origin, args = get_origin(inner), get_args(inner)
    if limits:
        return f"{describe_hint(inner, plural=plural)} {_describe_limits(limits)}".strip()
    if origin is tuple and args[-1:] == (...,):
        return f"list{ending} of {describe_hint(args[0], plural=True)}"
    if origin is tuple:
        return f"list{ending} of exactly {len(args)}: {', '.join(map(describe_hint, args))}"
    if origin in _UNIONS:
        return " or ".join(describe_hint(arg, plural=plural) for arg in args)
    if origin is Literal:
        return " or ".join(map(repr, args))
    if is_dataclass(hint) or origin is dict:
        return f"table{ending}"
    if hint in _COUNTABLE:
        return _COUNTABLE[hint] + ending
    return _OTHER_NAMES.get(hint, getattr(hint, "__name__", str(hint)))


def _describe_limits(limits: tuple[Any, ...]) -> str:
    bounds = [(sign, getattr(limit, name, None)) for limit in limits for name, sign in _LIMITS.items()]
    return ", ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
