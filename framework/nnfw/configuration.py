"""From a table of options to checked values, by the annotations of a dataclass alone, and back.

A plugin author writes ``units: Annotated[int, Ge(1)]`` and gets the check, the message and the help text; the
validation library (pydantic) appears nowhere else. Three kinds of annotation are handled here, everything else by
pydantic in its strict mode (no bool for a number, no NaN, no infinity), unless a look at it tells that it is right:

- a protocol of :mod:`nnfw.protocols`: a reference to a component, by name, table or object;
- a dataclass: a nested table;
- a tuple of any of these or of plain values: a list;
- a Mapping of text to any of these: a table.

NumPy scalars are converted to Python numbers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache, reduce
from itertools import islice
from math import isfinite
from operator import or_
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from nnfw.errors import ConfigError, Mistake, NnfwError, PluginError, article, did_you_mean, in_words, one_line, short
from nnfw.protocols import KINDS, Inline

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

    from nnfw.plain import Plain, PlainTable

Resolve = Callable[[str, object], object]
"""Turns a reference of a kind into a component: ``resolve("activation", "relu")``."""

Describe = Callable[[str, object], "PlainTable"]
"""Turns a component of a kind into a table: the inverse of `Resolve`."""

TYPE = "type"
"""The key of a table that names the component; all other keys are its options."""

Built = TypeVar("Built")
Key = TypeVar("Key", str, int)

_UNIONS = (Union, UnionType)
MOST_MISTAKES = 100  # nobody reads more at once, and a file may hold any number
_MOST_ENTRIES = 1 << 14  # of a table whose keys are free: each is checked, and a file may hold any number


@dataclass(frozen=True)
class Above:
    """A limit that is the value of another option: ``high: Annotated[float, Above("low")]``.

    Parameters
    ----------
    gt
        Name of the other option, also a number; this one must be greater.
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
    hint: object
    optional: bool
    required: bool
    default: object

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


def _option(item: Field[object], hint: object) -> Option:
    parts = _parts(hint)
    default = item.default if item.default_factory is MISSING else item.default_factory()
    required = default is MISSING
    kept = reduce(or_, (part for part in parts if part is not NoneType))
    return Option(item.name, kept, NoneType in parts, required, None if required else default)


def check(cls: type, table: Mapping[str, object], resolve: Resolve) -> dict[str, Any]:
    """Return a value for each field of `cls`, from `table` or by default, checked and with references resolved.

    ConfigError with every mistake in the table, up to a hundred: unknown and missing options, wrong types, values out
    of range; where there is none of these, with options that contradict each other.
    """
    options = options_of(cls)
    unknown = islice((str(key) for key in table if key not in options), MOST_MISTAKES)
    mistakes = [Mistake((key,), _unknown(key, options)) for key in unknown]
    mistakes += [
        Mistake((name,), f"is missing: {option}.")
        for name, option in options.items()
        if option.required and name not in table
    ]
    defaults = {name: option.default for name, option in options.items() if not option.required}
    known = defaults | {name: value for name, value in table.items() if name in options}

    def checked(name: str, value: object) -> object:
        option = options[name]
        return None if value is None and option.optional else _check_value(option.hint, value, resolve)

    values = _collected(known, checked, mistakes, _inline(cls))
    contradictions = [
        Mistake((name,), f"must be greater than {other}, {values[other]}, got {values[name]}.")
        for name, other in _ordered(options)
        if not _above(values[name], values[other])
    ]
    if contradictions:
        raise ConfigError(contradictions)
    return values


def _ordered(options: Mapping[str, Option]) -> list[tuple[str, str]]:
    """Return each option that must be greater than another, with the name of the other."""
    return [
        (name, limit.gt)
        for name, option in options.items()
        for limit in _unwrapped(option.hint)[1]
        if isinstance(limit, Above)
    ]


def _above(value: Any, other: Any) -> bool:
    return value is None or other is None or bool(value > other)


def build(cls: type[Built], table: Mapping[str, object], resolve: Resolve) -> Built:
    """Return an instance of the dataclass `cls` from a checked table.

    ConfigError as :func:`check`, and if the class itself refuses the values.
    """
    values = check(cls, table, resolve)
    try:
        return cls(**values)
    except (NnfwError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit too: a component must not end nnfw
        raise ConfigError(f"Refused by {one_line(cls.__qualname__)}: {in_words(error)}.") from error


def rebuild(instance: Built, resolve: Resolve) -> Built:
    """Return a dataclass instance rebuilt, its values checked and its references resolved.

    ConfigError as :func:`build`.
    """
    return build(type(instance), {option.name: value for option, value in _values(instance)}, resolve)


def to_table(instance: object, describe: Describe) -> dict[str, Plain]:
    """Return the table from which :func:`build` makes `instance` again: tables, lists, text and numbers.

    None is left out where it is the default.
    """
    table: dict[str, Plain] = {}
    cls: type = type(instance)
    inline = _inline(cls)
    for option, held in _values(instance):
        value = _plain(option.hint, held, describe)
        if option.name == inline:
            table |= value if isinstance(value, dict) else {TYPE: value}
        elif option.required or (held != option.default if inline else (value, option.default) != (None, None)):
            table[option.name] = value
    return table


def _values(instance: object) -> Iterator[tuple[Option, object]]:
    """Yield each option of a dataclass instance with its value."""
    cls: type = type(instance)
    for option in options_of(cls).values():
        yield option, getattr(instance, option.name)


@cache
def _inline(cls: type) -> str | None:
    """Return the field of a section whose options stand beside its own; usually there is none."""
    fields_of = options_of(cls).items()
    return next((name for name, option in fields_of if Inline() in _unwrapped(option.hint)[1]), None)


def _with_inline(section: type, value: object) -> object:
    """Return what a section is built from, with the options that stand beside its own in a table of theirs."""
    inline = _inline(section)
    if inline is None or isinstance(value, section):
        return value
    if not isinstance(value, Mapping):
        return {inline: value}
    if TYPE not in value and inline in value:
        return value
    own = options_of(section).keys() - {inline}
    return {key: value[key] for key in value if key in own} | {
        inline: {key: value[key] for key in value if key not in own}
    }


def _collected(
    values: Mapping[Key, object],
    check_one: Callable[[Key, object], object],
    mistakes: list[Mistake],
    inline: str | None = None,
) -> dict[Key, Any]:
    """Return the values as `check_one` gives them back, by key; all mistakes are raised together.

    The key `inline` does not appear in the path of a mistake.
    """
    checked = {}
    for key, value in values.items():
        if len(mistakes) >= MOST_MISTAKES:
            break
        try:
            checked[key] = check_one(key, value)
        except ConfigError as error:
            mistakes += [mistake if key == inline else mistake.under(key) for mistake in error.mistakes]
    if mistakes:
        raise ConfigError(mistakes)
    return checked


def _unknown(name: str, options: Mapping[str, Option]) -> str:
    return f"is not an option.{did_you_mean(name, options)} Options: {', '.join(sorted(options)) or 'none'}."


def _check_value(hint: object, value: object, resolve: Resolve) -> object:
    if _is_plain(hint):
        return _check_plain(hint, _as_python(value), hint)
    kind = _known_kind(hint)
    if kind is not None and not _by_name(hint, value):
        return resolve(kind, value)
    plain = []
    for part in _alternatives(hint):
        if part.section is not None:
            value = _with_inline(part.section, value)
        if part.origin is tuple and isinstance(value, list | tuple):
            items = _check_items(_item_hints(part.inner, value), value, resolve)
            return _check_plain(Annotated[(tuple, *part.limits)], items, hint) if part.limits else items
        if part.origin is Mapping and isinstance(value, Mapping):
            return _check_entries(get_args(part.inner)[1], value, resolve)
        if part.section is not None and isinstance(value, Mapping):
            return build(part.section, value, resolve)
        if part.section is not None and isinstance(value, part.section):
            return rebuild(value, resolve)
        if part.origin not in (tuple, Mapping) and part.section is None:
            plain.append(part.hint)
    if not plain:
        raise _wrong(f"{describe_hint(hint)}{_such_as(hint, value)}", value)
    return _check_plain(reduce(or_, plain), _as_python(value), hint)


def _plain(hint: object, value: object, describe: Describe) -> Plain:
    """Return a value as a file can hold it: that from which :func:`_check_value` makes `value` again."""
    kind = _known_kind(hint)
    if kind is not None and not _by_name(hint, value):
        return value if value is None or isinstance(value, str | Mapping) else describe(kind, value)
    for part in _alternatives(hint):
        if part.origin is tuple and isinstance(value, list | tuple):
            hints = _item_hints(part.inner, value)
            return [_plain(item_hint, item, describe) for item_hint, item in zip(hints, value, strict=True)]
        if part.origin is Mapping and isinstance(value, Mapping):
            return {key: _plain(get_args(part.inner)[1], item, describe) for key, item in value.items()}
        if part.section is not None and isinstance(value, part.section):
            return to_table(value, describe)
    plain: Plain = _as_python(value)
    return plain


def _by_name(hint: object, value: object) -> bool:
    """Return whether a value is a table of components by name, where the annotation allows both it and a component."""
    if not isinstance(value, Mapping) or TYPE in value or all(get_origin(part) is not Mapping for part in _parts(hint)):
        return False
    return bool(value) and not any(isinstance(item, int | float | list) for item in value.values())


def _check_items(hints: Sequence[object], values: Sequence[object], resolve: Resolve) -> tuple[object, ...]:
    checked = _collected(dict(enumerate(values)), lambda index, value: _check_value(hints[index], value, resolve), [])
    return tuple(checked.values())


def _check_entries(hint: object, table: Mapping[Any, object], resolve: Resolve) -> Mapping[str, object]:
    """Return the entries of a table whose keys are free, each checked."""
    if len(table) > _MOST_ENTRIES:
        raise ConfigError(f"must have at most {_MOST_ENTRIES:,} entries, got {len(table):,}.")
    mistakes = [Mistake((str(key),), "is a key that is not text.") for key in table if not isinstance(key, str)]
    return _collected(table, lambda _, value: _check_value(hint, value, resolve), mistakes)


def _item_hints(hint: object, values: Sequence[object]) -> tuple[object, ...]:
    """Return the annotation of each item of a tuple; ConfigError if there are too many or too few."""
    args = get_args(hint)
    if args[-1:] == (...,):
        return args[:1] * len(values)
    if len(args) != len(values):
        raise _wrong(describe_hint(hint), values)
    return args


def _check_plain(hint: object, value: object, shown: object) -> object:
    """Return `value` checked by pydantic; `shown` is the annotation that a message describes."""
    if any(_is_one(part, value) for part in _parts(hint)):
        return value
    from pydantic import ValidationError  # imported here: the values of most models need none of its 50 ms

    try:
        return _adapter(hint).validate_python(value)
    except ValidationError as error:
        raise _wrong(_limit(error) or describe_hint(shown), value) from error
    except Exception as error:
        raise PluginError(f"The annotation {short(shown)} cannot be checked: {in_words(error)}.") from error


def _is_one(hint: object, value: object) -> bool:
    """Return whether a value is just what an annotation names, within its limits; pydantic tells about all others."""
    inner, limits = _unwrapped(hint)
    if get_origin(inner) is Literal and isinstance(value, str) and not limits:
        return value in get_args(inner)
    if type(value) is not inner or inner not in _BUILT_IN or (isinstance(value, float) and not isfinite(value)):
        return False
    return not limits or (isinstance(value, int | float) and all(_holds(limit, value) for limit in limits))


def _holds(limit: object, value: float) -> bool:
    """Return whether a limit is one of the four of numbers, and a value within it."""
    from annotated_types import Ge, Gt, Le, Lt  # imported here: `nnfw --help` checks no value

    match limit:
        case Ge(ge=int() | float() as bound):
            return value >= bound
        case Gt(gt=int() | float() as bound):
            return value > bound
        case Le(le=int() | float() as bound):
            return value <= bound
        case Lt(lt=int() | float() as bound):
            return value < bound
    return False


def _such_as(hint: object, value: object) -> str:
    """Return an example of the section that an annotation allows, with `value` where it belongs; else nothing."""
    sections = [found for part in _parts(hint) if (found := _dataclass(_unwrapped(part)[0])) and not _inline(found)]
    if not sections:
        return ""
    options = options_of(sections[0]).values()
    shown = [option for option in options if option.required] or list(options)[:1]
    return f" such as {{ {', '.join(f'{option.name} = {_example(option, value)}' for option in shown)} }}"


def _example(option: Option, value: object) -> str:
    """Return a value of an option as TOML: the one that was given if it is one of its words."""
    words = [arg for part in _parts(option.hint) if get_origin(part) is Literal for arg in get_args(part)]
    found = value if isinstance(value, str) and value in words else words[0] if words else option.default
    return json.dumps(found) if isinstance(found, str | int | float) else "..."


def _limit(error: ValidationError) -> str:
    """Return the limits that a value of the right type oversteps, in pydantic's words; else nothing."""
    opening = "Input should be "
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(item["type"].endswith("_type") or not item["msg"].startswith(opening) for item in found):
        return ""
    return " or ".join(dict.fromkeys(item["msg"].removeprefix(opening) for item in found))


def _wrong(expected: str, value: object) -> ConfigError:
    words = article(expected) if expected.startswith((*_WITH_ARTICLE, *KINDS)) else expected
    return ConfigError(f"must be {words}, got {short(value)}.")


@cache
def _adapter(hint: Any) -> TypeAdapter[object]:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True))


def _as_python(value: Any) -> Any:
    """Return the Python number that a scalar of NumPy stands for, and anything else as it is."""
    numpy = sys.modules.get("numpy")  # if it was never imported, no value is one of its scalars
    return value.item() if numpy is not None and isinstance(value, numpy.generic) else value


def _parts(hint: object) -> tuple[object, ...]:
    return get_args(hint) if get_origin(hint) in _UNIONS else (hint,)


def _unwrapped(hint: object) -> tuple[object, tuple[object, ...]]:
    """Return an annotation without ``Annotated``, and what that added."""
    inner, *limits = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    return inner, tuple(limits)


class _Alternative(NamedTuple):
    """One part of an annotation that may be a union: without ``Annotated``, whose limits it keeps."""

    hint: object
    inner: object
    limits: tuple[object, ...]
    origin: object
    section: type | None


@cache
def _alternatives(hint: object) -> tuple[_Alternative, ...]:
    found = ((part, *_unwrapped(part)) for part in _parts(hint))
    return tuple(
        _Alternative(part, inner, limits, get_origin(inner), _dataclass(inner)) for part, inner, limits in found
    )


@cache
def _is_plain(hint: object) -> bool:
    """Return whether pydantic alone checks the values of an annotation."""
    inner = [_unwrapped(part)[0] for part in _parts(hint)]
    return kind_of(hint) is None and not any(_dataclass(each) or get_origin(each) in (tuple, Mapping) for each in inner)


def _dataclass(hint: object) -> type | None:
    """Return the dataclass that an annotation names, or None."""
    return hint if isinstance(hint, type) and is_dataclass(hint) else None


def kind_of(hint: object) -> str | None:
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
    return next((kind.name for kind in KINDS.values() if not classes.isdisjoint(kind.protocols.values())), None)


_known_kind = cache(kind_of)

_BUILT_IN = (bool, int, float, str, NoneType)
_COUNTABLE: Mapping[object, str] = {int: "whole number", float: "number"}
_OTHER_NAMES: Mapping[object, str] = {bool: "true or false", str: "text", NoneType: "none", Any: "any value"}
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


def describe_hint(hint: object, *, plural: bool = False) -> str:
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
    section = _dataclass(inner)
    if section is not None and (inline := _inline(section)):
        return describe_hint(options_of(section)[inline].hint, plural=plural)
    origin, args = get_origin(inner), get_args(inner)
    if limits:
        return f"{describe_hint(inner, plural=plural)} {_describe_limits(limits)}".strip()
    if origin is tuple and args[-1:] == (...,):
        return f"list{ending} of {describe_hint(args[0], plural=True)}"
    if origin is Mapping:
        return f"table{ending} of {describe_hint(args[1], plural=True)}"
    if origin is tuple:
        return f"list{ending} of exactly {len(args)}: {', '.join(map(describe_hint, args))}"
    if origin in _UNIONS:
        return " or ".join(describe_hint(arg, plural=plural) for arg in args)
    if origin is Literal:
        return " or ".join(map(repr, args))
    if _dataclass(hint) or origin is dict:
        return f"table{ending}"
    if hint in _COUNTABLE:
        return _COUNTABLE[hint] + ending
    return _OTHER_NAMES.get(hint) or str(getattr(hint, "__name__", hint))


def _describe_limits(limits: tuple[object, ...]) -> str:
    bounds = [(sign, getattr(limit, name, None)) for limit in limits for name, sign in _LIMITS.items()]
    return ", ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
