"""The subject of the checks: a component made from one choice of options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any, Generic, TypeVar, cast

import numpy as np

from nnfw.arrays import Shape
from nnfw.configuration import kind_of, options_of
from nnfw.errors import ConfigError, NnfwError, PluginError, UnknownComponentError, did_you_mean, short
from nnfw.plugins import TYPE, Listed, Registry
from nnfw.plugins.specs import holds_shapes, normalised
from nnfw.protocols import KINDS, HasSamples, Kind

T_co = TypeVar("T_co", covariant=True)
"""The protocol of a subject's kind."""

SEED = 0
_WITH_FACTORS = ("layer", "activation", "cost", "transform")
_FACTOR, _NOT_ZERO = 0.8, 0.1  # towards 0, where most ranges of options have room


@dataclass(frozen=True, eq=False)
class Subject(Generic[T_co]):
    """One component, with what the checks need to know about it.

    Parameters
    ----------
    kind
        Its kind.
    name
        How messages name it: kind, name and options.
    reference
        A table to build it from, or the object itself.
    registry
        The installed components.
    declared
        Its declaration, if a plugin has one.
    input_shapes
        For layers: shapes of one example to check it with; found by trial if there is none. For layers with several
        inputs also tuples of their shapes.
    formula
        What to compare with. For metrics ``(a, y, weight) -> float``; for optimizers ``(vector, gradient, memory, step,
        learning_rate, decays) -> new vector``, where `memory` is empty at the first step.
    only
        Ids of the checks that concern it; all by default.
    """

    kind: str
    name: str
    reference: object
    registry: Registry
    declared: Listed | None = None
    input_shapes: tuple[Shape | tuple[Shape, ...], ...] = ()
    formula: Callable[..., Any] | None = None
    only: tuple[str, ...] = ()

    def exercise(self, component: object) -> list[object]:
        """Use `component`, made like the subject's, as nnfw does, and return everything that it computes."""
        results: list[object] = module_of(self.sort).exercise(self, component)
        return results

    def make(self) -> T_co:
        """Return a new component, with the names among its options resolved."""
        component: T_co = self.registry.resolve(self.kind, self.reference)
        return component

    @cached_property
    def component(self) -> T_co:
        """The component."""
        return self.make()

    @property
    def cls(self) -> type:
        """Its class."""
        if self.declared is not None:
            return self.registry.load(self.kind, self.declared.qualified_name)
        return type(self.reference)

    @property
    def sort(self) -> str:
        """Which checks apply: those of its protocol, ``"optimizer"`` or ``"solver"`` for instance."""
        if self.kind not in KINDS:  # an accelerator
            return self.kind
        try:
            return KINDS[self.kind].sort_of(self.cls)
        except NnfwError:  # it cannot be loaded
            return self.kind

    @property
    def single_shapes(self) -> tuple[Shape, ...]:
        """The shapes to check it with that are those of one input."""
        return tuple(cast(Shape, shape) for shape in self.input_shapes if not holds_shapes(shape))

    @property
    def several_shapes(self) -> tuple[tuple[Shape, ...], ...]:
        """The shapes to check it with that are those of several inputs."""
        return tuple(cast(tuple[Shape, ...], shapes) for shapes in self.input_shapes if holds_shapes(shapes))

    @property
    def package(self) -> str:
        """The author's package; known even if the class cannot be loaded."""
        module = type(self.reference).__module__ if self.declared is None else self.declared.spec.target
        return module.partition(":")[0].partition(".")[0]

    @property
    def options(self) -> Mapping[str, object]:
        """The options it is made from; for a table, only those that the table sets."""
        if isinstance(self.reference, Mapping):
            return {name: value for name, value in self.reference.items() if name != TYPE}
        return {name: getattr(self.reference, name) for name in options_of(self.cls)}

    def samples(self) -> Iterator[object]:
        """Yield what the component says that it is to be tried with; nothing if it says nothing."""
        component = self.component
        if isinstance(component, HasSamples):
            yield from component.samples(self.rng())

    def rng(self) -> np.random.Generator:
        """Return a generator with the same seed at every call."""
        return np.random.default_rng(SEED)


def sorts() -> dict[str, Kind]:
    """Return what there are checks for, each with its kind: a sort for each protocol, so optimizers and solvers."""
    return {sort: kind for kind in KINDS.values() for sort in kind.protocols}


def module_of(sort: str) -> ModuleType:
    """Return the module of checks for a sort of component. It has a function ``exercise`` beside the checks."""
    return import_module(sorts()[sort].module_of_checks(sort))


def subjects_of(
    what: object,
    registry: Registry,
    *,
    options: Mapping[str, object] | None = None,
    input_shapes: tuple[Shape | tuple[Shape, ...], ...] = (),
    formula: Callable[..., Any] | None = None,
) -> list[Subject[object]]:
    """Return what is to be checked.

    Parameters
    ----------
    what
        A distribution, for all its components; ``NAME``, ``KIND:NAME`` or ``DISTRIBUTION:NAME``; or a component object.
    registry
        The installed components.
    options
        Options to make a named component from, instead of the examples that its plugin declares.
    input_shapes, formula
        As for :class:`Subject`.

    Raises
    ------
    UnknownComponentError, PluginError
        If there is no such component, or its plugin is in quarantine.
    ConfigError
        If the component cannot be made without options, and none are given or declared; or not from those given.
    """
    if not isinstance(what, str):
        subjects = [_of_object(what, registry)]
    else:
        named = [item for item in registry.components() if item.plugin.distribution == normalised(what)]
        components = named or _named(what, registry)
        subjects = [
            subject for item in components for subject in _of_component(item, registry, options, is_alone=not named)
        ]
    return [
        replace(subject, input_shapes=input_shapes or subject.input_shapes, formula=formula) for subject in subjects
    ]


def _named(name: str, registry: Registry) -> list[Listed]:
    for plugin in registry.plugins:
        if plugin.distribution == normalised(name) and plugin.status != "active":
            raise PluginError(f"Plugin {plugin} is {plugin.status}: {plugin.reason}") from plugin.error
    try:
        return registry.named(name)
    except UnknownComponentError as error:
        distributions = sorted({plugin.distribution for plugin in registry.plugins})
        raise UnknownComponentError(
            f"{error}{did_you_mean(name, distributions)} Distributions: {', '.join(distributions)}."
        ) from error


def _of_component(
    item: Listed, registry: Registry, options: Mapping[str, object] | None, *, is_alone: bool
) -> list[Subject[object]]:
    tables = [options] if options is not None else list(item.spec.examples) or _defaults_and_others(item, registry)
    if is_alone:  # a component named alone is refused at once if it needs options; otherwise its checks report that
        _require_options(item, registry, tables)
    if options is not None:
        registry.resolve(item.kind, {TYPE: item.qualified_name, **options})
    return [
        Subject(
            item.kind,
            f"{item.kind} {item.name}{_in_brackets(table)}",
            {TYPE: item.qualified_name, **table},
            registry,
            item,
            item.spec.input_shapes,
        )
        for table in tables
    ]


def _defaults_and_others(item: Listed, registry: Registry) -> list[Mapping[str, object]]:
    """Return the defaults and, for what has derivatives or an inverse, other numbers: 1 or 0 would hide a factor."""
    try:
        options = options_of(registry.load(item.kind, item.qualified_name)).values()
        numbers = {option.name: option.default for option in options if isinstance(option.default, float)}
        others = {name: float(f"{_FACTOR * value:.3g}") or _NOT_ZERO for name, value in numbers.items()}
        if item.kind in _WITH_FACTORS and others:
            registry.resolve(item.kind, {TYPE: item.qualified_name, **others})  # it may refuse them
            return [{}, others]
    except NnfwError:
        pass  # the checks report what cannot be loaded
    return [{}]


def _require_options(item: Listed, registry: Registry, tables: Sequence[Mapping[str, object]]) -> None:
    options = options_of(registry.load(item.kind, item.qualified_name))
    needed = [name for name, option in options.items() if option.required]
    if needed and not any(tables):
        text = f"Give a value for {' and '.join(needed)}: {item.name}:{needed[0]}=... checks it with that"
        advice = f"{text}; its plugin can declare examples in its ComponentSpec."
        raise ConfigError(advice, f"{item.kind.capitalize()} {item}")


def _of_object(component: object, registry: Registry) -> Subject[object]:
    kind = kind_of(type(component))
    if kind is None:
        raise UnknownComponentError(
            f"{short(component)} is no component; expected a name, or an object whose class derives from a protocol."
        )
    declared = registry.component_of(kind, component)
    name = declared.name if declared else type(component).__name__
    shapes = declared.spec.input_shapes if declared else ()
    return Subject(kind, f"{kind} {name}", component, registry, declared, shapes)


def _in_brackets(table: Mapping[str, object]) -> str:
    return f"({', '.join(f'{name}={short(value)}' for name, value in table.items())})" if table else ""
