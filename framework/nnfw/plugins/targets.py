"""Can a target be a component? Answered for a class, and from source text, without importing the module.

``nnfw plugins`` shows what is broken without importing every component. Only certain problems are reported; any other
shows when the component is first used.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from importlib.machinery import ModuleSpec
from typing import Any

from nnfw import protocols
from nnfw.errors import article, class_name, did_you_mean, in_words
from nnfw.plugins.specs import PROJECT, ComponentSpec
from nnfw.protocols.kinds import KINDS, MAY_LACK, members_of, names_in

_LARGEST_SOURCE = 1 << 20  # characters; parsing more would take longer than a listing may
_BINDS_AT_RUN_TIME = re.compile(r"\b(globals|locals|vars|setattr|exec|modules|__dict__)\b")

NO_DATACLASS = "is not a dataclass; write @dataclass(frozen=True) above it"
NOT_FROZEN = "is a dataclass but not frozen; write @dataclass(frozen=True)"

Bindings = Mapping[str, list[ast.AST]]
"""The nodes that bind each name of a body."""


def protocol_problem(kind: str, target: object) -> str:
    """Return what keeps `target` from being a component class of a kind, or an empty string."""
    if not isinstance(target, type):
        return f"is {article(class_name(target))}; a component is a frozen dataclass"
    if "__dataclass_params__" not in vars(target):  # inherited parameters do not count: new fields would be ignored
        return NO_DATACLASS
    if not vars(target)["__dataclass_params__"].frozen:
        return NOT_FROZEN
    return _lacking(kind, target.__mro__, names_in(target))


def _lacking(kind: str, classes: Iterable[type], given: Collection[str]) -> str:
    """Return what a class lacks that has these names, and derives from these classes."""
    known, possible = set(classes), KINDS[kind].protocols
    sorts = [sort for sort, protocol in possible.items() if protocol in known] or list(possible)
    abstract = {name for cls in known for name in getattr(cls, "__abstractmethods__", ())}
    optional = {*given, *MAY_LACK}
    lacking = {sort: ", ".join(sorted({*members_of(possible[sort]), *abstract} - optional)) for sort in sorts}
    if not all(lacking.values()):
        return ""
    if len(sorts) == 1:
        return f"lacks {lacking[sorts[0]]}, which the protocol of {article(sorts[0])} requires"
    protocols_tried = (f"{possible[sort].__name__} (it lacks {names})" for sort, names in lacking.items())
    return f"implements neither {' nor '.join(protocols_tried)}"


def problems_of(specs: Iterable[ComponentSpec]) -> dict[ComponentSpec, str]:
    """Return why the targets cannot be components; an empty string if no problem shows."""
    read = cache(_read)  # a module is read once for all its components
    return {spec: _problem_of(spec, read) for spec in specs}


def _problem_of(spec: ComponentSpec, read: Callable[[str], Bindings]) -> str:
    module, _, name = spec.target.partition(":")
    try:
        problem = _binding_problem(spec.kind, name, read(module))
    except (ModuleNotFoundError, SyntaxError) as error:
        problem = f"cannot be loaded: {in_words(error)}"
    except Exception:  # a finder, a loader or an unusual source may raise anything: the import will show it
        return ""
    return problem and f"target {spec.target!r} {problem}"


def _read(module: str) -> Bindings:
    """Return what the source of a module binds; LookupError if that cannot be told from its text.

    ModuleNotFoundError, SyntaxError if the import will certainly fail.
    """
    loader: Any = _find(module).loader
    source = loader.get_source(module)
    if source is None or len(source) > _LARGEST_SOURCE or _BINDS_AT_RUN_TIME.search(source):
        raise LookupError(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a listing does not report invalid escape sequences
        return _bindings(ast.parse(source, module).body)


def _find(module: str) -> ModuleSpec:
    """Return the spec of a module, like :func:`importlib.util.find_spec` but without importing its parents."""
    names = module.split(".")
    path, spec = None, None
    for end in range(1, len(names) + 1):
        name = ".".join(names[:end])
        is_there = end == 1 or path is not None  # below a module that is no package there is nothing
        spec = next(filter(None, (finder.find_spec(name, path) for finder in sys.meta_path if is_there)), None)
        if spec is None:
            if module in sys.modules:  # made by hand
                raise LookupError(module)
            raise ModuleNotFoundError(f"No module named {name!r}")
        path = spec.submodule_search_locations
    assert spec is not None
    return spec


def _bindings(body: Iterable[ast.AST]) -> Bindings:
    """Return what the statements of a body bind, also inside ``if`` and ``try``."""
    bound: defaultdict[str, list[ast.AST]] = defaultdict(list)
    pending = list(body)
    while pending:
        node = pending.pop()
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound[name].append(node)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for alias in names:
                    bound[(alias.asname or alias.name).partition(".")[0]].append(node)
            case ast.Name(id=name, ctx=ast.Store()):
                bound[name].append(node)
            case _:
                pending += ast.iter_child_nodes(node)
    return dict(bound)


def _binding_problem(kind: str, name: str, bound: Bindings) -> str:
    match bound.get(name):
        case None if "*" not in bound and "__getattr__" not in bound:
            return f"is not defined in its module.{did_you_mean(name, bound)}"
        case [ast.FunctionDef(decorator_list=[])]:
            return "is a function; a component is a frozen dataclass"
        case [ast.ClassDef(keywords=[]) as node]:
            return _class_problem(kind, node, bound)
    return ""  # imported, bound twice, or of a metaclass


def _class_problem(kind: str, node: ast.ClassDef, bound: Bindings) -> str:
    bases = [_origin(base, bound) for base in node.bases]
    known = all(base.startswith(f"{PROJECT}.") for base in bases)  # any other base class may do anything
    match node.decorator_list:
        case []:
            return NO_DATACLASS if known else ""
        case [ast.Call(func=decorator, keywords=keywords)]:
            arguments = {keyword.arg: keyword.value for keyword in keywords}
        case [decorator]:
            arguments = {}
        case _:
            return ""
    if _origin(decorator, bound) != "dataclasses.dataclass" or None in arguments:
        return ""
    match arguments.get("frozen"):
        case None | ast.Constant(value=False):
            return NOT_FROZEN
        case ast.Constant(value=True) if known:
            classes = [getattr(protocols, base.rpartition(".")[2]) for base in bases]
            ancestors = {ancestor for base in classes for ancestor in base.__mro__}
            return _lacking(kind, ancestors, {*_bindings(node.body)}.union(*map(names_in, classes)))
    return ""


def _origin(expression: ast.expr, bound: Bindings) -> str:
    """Return ``module.name`` of what an expression refers to, if the imports of the module tell; else nothing."""
    match expression:
        case ast.Name(id=name):
            statements, attribute = bound.get(name), ""
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            statements = bound.get(name)
        case _:
            return ""
    match statements:
        case [ast.ImportFrom(module=str(module), level=0, names=names)] if not attribute:
            return next((f"{module}.{item.name}" for item in names if name == (item.asname or item.name)), "")
        case [ast.Import(names=names)] if attribute:
            return next((f"{item.name}.{attribute}" for item in names if name == (item.asname or item.name)), "")
    return ""
