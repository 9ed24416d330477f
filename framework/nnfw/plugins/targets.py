"""Is a target there, and can it be a component? Answered from source text, without importing the module.

``nnfw plugins`` must show what is broken, and must not pay for importing every component. Only what is certain is
reported; what the text leaves open shows when the component is first used.
"""

from __future__ import annotations

import ast
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path

from nnfw.errors import did_you_mean


def problem_of(target: str) -> str:
    """Return why ``"module:Class"`` cannot be a component, or an empty string if nothing speaks against it."""
    module, _, name = target.partition(":")
    spec = find_module(module)
    if spec is None:
        return f"target {target!r}: there is no module {module!r}"
    if not isinstance(spec.loader, SourceFileLoader) or spec.origin is None:
        return ""
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        return f"target {target!r}: module {module!r} cannot be read: {error}"
    bound = _bindings(tree)
    if name in bound:
        return _class_problem(target, bound[name])
    if "*" in bound or "__getattr__" in bound:
        return ""
    return f"target {target!r}: module {module!r} defines no {name!r}.{did_you_mean(name, bound)}"


def find_module(name: str) -> ModuleSpec | None:
    """Return the spec of a module, like :func:`importlib.util.find_spec` but without importing its parents."""
    path = None
    spec = None
    for end in range(1, name.count(".") + 2):
        spec = PathFinder.find_spec(".".join(name.split(".")[:end]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations or []
    return spec


def _bindings(tree: ast.Module) -> dict[str, ast.stmt]:
    """Return the names that the statements of a module bind, also inside ``if`` and ``try``."""
    bound: dict[str, ast.stmt] = {}
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                bound[name] = node
            case ast.Assign(targets=targets):
                bound |= {leaf.id: node for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                bound[name] = node
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                bound |= {(alias.asname or alias.name).split(".")[0]: node for alias in names}
            case _:
                pending += [child for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node]
    return bound


def _class_problem(target: str, node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef):
        return f"target {target!r} is a function; a component is a frozen dataclass"
    if not isinstance(node, ast.ClassDef):
        return ""
    calls = [decorator for decorator in node.decorator_list if "dataclass" in ast.unparse(decorator)]
    if not calls and not node.decorator_list and not node.bases and not node.keywords:
        return f"target {target!r} is no dataclass; write @dataclass(frozen=True) above it"
    if any("frozen=True" not in ast.unparse(call) for call in calls):
        return f"target {target!r} is a dataclass but not frozen; write @dataclass(frozen=True)"
    return ""
