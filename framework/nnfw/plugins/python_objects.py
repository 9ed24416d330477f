"""Components given in Python that are not dataclasses: objects of ordinary classes, and functions."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType, new_class
from typing import Any, get_type_hints

from nnfw.configuration import Resolve, kind_of
from nnfw.errors import ConfigError, article, one_line, short
from nnfw.protocols import KINDS, Callback, is_own
from nnfw.protocols.kinds import MAY_LACK, members_of

_FOREIGN = re.compile(r"on_\w*(begin|start|end)")
"""Methods of other libraries' callbacks, which nnfw never calls."""


def component_of_object(kind: str, given: object, resolve: Resolve) -> object:
    """Return the component that an object, a function or a pair of functions stands for.

    An object with every member of its protocol stands for itself. If members with a default are missing, or the name of
    a component is among them, the result is another object: it has what is missing, and the methods of the given one.
    ConfigError if another member is missing, or a method takes other arguments.
    """
    protocol = KINDS[kind].protocols[KINDS[kind].sort_of(type(given))]
    members = members_of(protocol)
    found = {name: getattr(given, name) for name in sorted(members) if hasattr(given, name)}
    if kind == "layer" and isinstance(getattr(given, "nodes", None), tuple):  # as those of a Sequential
        raise ConfigError(
            f"must be a layer, but {short(given)} is a network, which only a list of layers of another network may "
            "hold. Write nnfw.Chain(model.nodes), which brings its layers without the values of their parameters."
        )
    functions = given if isinstance(given, tuple | list) else (given,)
    if not found and functions and all(map(callable, functions)):
        return _component_of_functions(kind, given, resolve)
    if not found and not _foreign(given, protocol):
        raise _unknown(kind, protocol, given)
    if problem := next(_problems(given, protocol, found), ""):
        raise ConfigError(f"must be {article(kind)}, but {short(given)} {problem}. {_members(kind, protocol)}")
    hints = get_type_hints(protocol)
    named = {
        name: resolve(inner, found[name])
        for name in hints
        if name in found and (inner := kind_of(hints[name])) is not None
    }
    if found.keys() == members and all(found[name] is component for name, component in named.items()):
        return given

    def further(_: object, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(given, name)

    own = {name: staticmethod(each) if isinstance(each, FunctionType) else each for name, each in found.items()}
    return _like(type(given), protocol, {**own, **named, "__getattr__": further}, (resolve, (kind, given)))()


def _unknown(kind: str, protocol: type, given: object) -> ConfigError:
    text = f"must be {article(kind)}: a name, a table with 'type', or an object, got {short(given)}."
    is_plain = given is None or isinstance(given, str | bytes | int | float | complex)
    return ConfigError(text if is_plain else f"{text} {_members(kind, protocol)}")


def require_useful(callback: object) -> None:
    """Raise ConfigError for a callback that does nothing, since its methods are those of another library."""
    problem = _foreign(callback, Callback)
    if problem and not any(is_own(callback, name, Callback) for name in members_of(Callback)):
        raise ConfigError(f"must be a callback, but {short(callback)} {problem}. {_members('callback', Callback)}")


def _foreign(given: object, protocol: type) -> str:
    """Return which methods of another library's callbacks an object has, in words."""
    names = [name for name in dir(given) if _FOREIGN.fullmatch(name)] if protocol is Callback else []
    return f"has {', '.join(names)}, which nnfw never calls" if names else ""


def _problems(given: object, protocol: type, found: Mapping[str, object]) -> Iterator[str]:
    """Yield what keeps an object with the members `found` from implementing a protocol."""
    abstract: frozenset[str] = getattr(protocol, "__abstractmethods__", frozenset())
    required = abstract | {name for name in members_of(protocol) - MAY_LACK if not hasattr(protocol, name)}
    if missing := sorted(required - found.keys()):
        yield f"lacks {', '.join(missing)}"
    if problem := _foreign(given, protocol):
        yield problem
    for name, value in found.items():
        method = getattr(protocol, name, None)
        if isinstance(method, FunctionType) and not (callable(value) and _takes(value, *_arguments(method))):
            shown = _shown(value) if callable(value) else f"{name} = {short(value)}"
            yield f"has {shown}, expected {name}({', '.join(_arguments(method))})"


def _members(kind: str, protocol: type) -> str:
    """Return the members of a protocol in words, its methods with their arguments."""
    methods = {name: getattr(protocol, name, None) for name in sorted(members_of(protocol))}
    texts = (
        f"{name}({', '.join(_arguments(method))})" if isinstance(method, FunctionType) else name
        for name, method in methods.items()
    )
    return f"Members of {article(kind)}: {', '.join(texts)}."


def _arguments(method: FunctionType) -> list[str]:
    return [*inspect.signature(method).parameters][1:]


def _takes(function: Callable[..., Any], *arguments: object, **named: object) -> bool:
    """Return whether a function takes such arguments; True if it does not tell."""
    try:
        inspect.signature(function).bind(*arguments, **named)
    except TypeError:
        return False
    except ValueError:  # some functions written in C
        return True
    return True


def _like(model: object, base: type, body: Mapping[str, object], made_by: tuple[object, ...]) -> type:
    """Return a subclass of `base` with the name of `model`, a class or a function.

    `made_by` makes an instance again, as ``__reduce__`` returns it.
    """
    model = getattr(model, "func", model)  # of a partial
    named = model if hasattr(model, "__name__") else type(model)
    names = {key: getattr(named, key) for key in ("__module__", "__qualname__") if hasattr(named, key)}
    own = {**body, **names, "__reduce__": lambda _: made_by, "__repr__": lambda _: one_line(named.__name__)}
    return new_class(named.__name__, (base,), exec_body=lambda namespace: namespace.update(own))


def _component_of_functions(kind: str, given: Any, resolve: Resolve) -> object:
    from nnfw.plugins.functions import FORMS  # imported here: it needs NumPy

    functions: Sequence[Callable[..., Any]] = given if isinstance(given, tuple | list) else (given,)
    form, first = FORMS.get(kind), functions[0]
    if form is None or len(functions) > len(form.arguments):
        raise _unknown(kind, KINDS[kind].protocol, given)
    for function, arguments in zip(functions, form.arguments, strict=False):
        if not any(_takes(function, *arguments, **weight) for weight in ({}, {"weight": None})):
            raise ConfigError(f"must be a function of ({', '.join(arguments)}), got {_shown(function)}.")
    if len(functions) < len(form.arguments):
        raise ConfigError(f"must be {article(kind)}, but {short(first)} alone {form.advice}.")
    return _like(first, form.component, {}, (resolve, (kind, given)))(*functions)


def _shown(function: Callable[..., Any]) -> str:
    """Return a function in words: its name and its arguments."""
    try:
        return one_line(f"{function.__name__}{inspect.signature(function)}")
    except (AttributeError, TypeError, ValueError):
        return short(function)
