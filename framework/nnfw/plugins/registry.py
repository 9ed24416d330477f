"""The registry: which components there are, from whom, and how a name becomes an object."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from nnfw.configuration import build, check, kind_of, options_of, short
from nnfw.errors import ConfigError, Mistake, PluginError, UnknownComponentError, did_you_mean
from nnfw.plugins.loading import Loaded, allowed_plugins, load_plugins, new_manager, strict_plugins
from nnfw.plugins.specs import CommandSpec, Component, Plugin
from nnfw.plugins.targets import problem_of
from nnfw.protocols import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pluggy

    from nnfw import protocols

TYPE = "type"
"""The key of a table that names the component; all other keys are its options."""


class Registry:
    """The installed components. Built once, passed around, never global; :func:`default_registry` keeps one for you.

    Parameters
    ----------
    loaded
        What :func:`~nnfw.plugins.loading.load_plugins` found.
    hooks
        The hook caller of the active plugins, for observers of runs.
    strict
        Raise PluginError at a clash instead of listing it.
    """

    def __init__(self, loaded: list[Loaded], hooks: pluggy.HookRelay, *, strict: bool = False) -> None:
        self.plugins: tuple[Plugin, ...] = tuple(item.plugin for item in loaded)
        self.commands: tuple[tuple[CommandSpec, Plugin], ...] = tuple(
            (spec, item.plugin) for item in loaded for spec in item.commands
        )
        self.hooks = hooks
        self._components = _with_clashes(
            [Component(spec, item.plugin) for item in loaded for spec in item.components]
        )
        self._classes: dict[Component, type] = {}
        clashes = [component for component in self._components if component.problem]
        if strict and clashes:
            raise PluginError("\n".join(f"{item.kind.capitalize()} {item}: {item.problem}" for item in clashes))

    @classmethod
    def discover(cls) -> Registry:
        """Return the registry of what is installed, as NNFW_PLUGINS and NNFW_STRICT_PLUGINS allow.

        Raises
        ------
        PluginError
            For the first broken plugin, in strict mode only.
        """
        manager = new_manager()
        strict = strict_plugins()
        return cls(load_plugins(manager, only=allowed_plugins(), strict=strict), manager.hook, strict=strict)

    def components(self, kind: str | None = None) -> tuple[Component, ...]:
        """Return the components of active plugins, of one kind or of all, by kind and name."""
        order = list(KINDS)
        active = [item for item in self._components if item.plugin.status == "active" and kind in (None, item.kind)]
        return tuple(sorted(active, key=lambda item: (order.index(item.kind), item.name, item.plugin.distribution)))

    def inspected(self, kind: str | None = None) -> tuple[Component, ...]:
        """Return :meth:`components` with the problems that their source text shows; nothing is imported."""
        return tuple(
            replace(item, problem=item.problem or problem_of(item.spec.target)) for item in self.components(kind)
        )

    def find(self, kind: str, name: str) -> Component:
        """Return the component called `name` or ``distribution:name``.

        Raises
        ------
        UnknownComponentError
            If there is none; says which is nearest, which there are, and which plugins are in quarantine.
        PluginError
            If two plugins claim the name, or its plugin is in quarantine.
        """
        distribution, _, plain = name.rpartition(":")
        matches = [
            item
            for item in self._components
            if item.kind == kind and item.name == plain and distribution in ("", item.plugin.distribution)
        ]
        active = [item for item in matches if item.plugin.status == "active"]
        if not distribution and len(active) > 1:
            active = [item for item in active if item.plugin.built_in] or active
        if len(active) == 1:
            return active[0]
        if active:
            owners = " and ".join(str(item.plugin) for item in active)
            names = " or ".join(repr(item.qualified_name) for item in active)
            raise PluginError(f"{kind.capitalize()} {plain!r} is offered by {owners}. Write {names}.")
        if matches:
            plugin = matches[0].plugin
            raise PluginError(f"{kind.capitalize()} {matches[0]}: its plugin is quarantined: {plugin.reason}") from plugin.error
        raise self._unknown(kind, name, distribution)

    def load(self, kind: str, name: str) -> type:
        """Return the class of a component, imported when first asked for.

        Raises
        ------
        UnknownComponentError, PluginError
            As :meth:`find`, and if the target is missing, fails to import or breaks its protocol.
        """
        component = self.find(kind, name)
        if component not in self._classes:
            self._classes[component] = _import_target(component)
        return self._classes[component]

    def create(self, kind: str, name: str, options: Mapping[str, Any]) -> Any:
        """Return a component with checked options; names of other components among them are resolved too.

        Raises
        ------
        UnknownComponentError, PluginError
            As :meth:`load`.
        ConfigError
            With every wrong option.
        """
        component_class = self.load(kind, name)
        try:
            return build(component_class, options, self.resolve)
        except ConfigError as error:
            raise ConfigError(error.mistakes, f"{kind.capitalize()} {self.find(kind, name)}") from error

    def resolve(self, kind: str, reference: Any) -> Any:
        """Return the component that `reference` means: a name, a table with ``type`` and options, or a component.

        A component given as an object is checked like a table, and the names among its fields are resolved.

        Raises
        ------
        ConfigError
            With every mistake, those of nested components included.
        """
        try:
            if isinstance(reference, str):
                return build(self.load(kind, reference), {}, self.resolve)
            if isinstance(reference, Mapping):
                return self._from_table(kind, reference)
        except (UnknownComponentError, PluginError) as error:
            raise ConfigError([Mistake((TYPE,) if isinstance(reference, Mapping) else (), f"- {error}")]) from error
        return self._from_object(kind, reference)

    def describe(self, kind: str, component: Any, *, qualified: bool = True) -> dict[str, Any]:
        """Return the table from which :meth:`resolve` makes `component` again, with all options.

        Raises
        ------
        PluginError
            If the component's class belongs to no installed plugin.
        """
        registered = self.component_of(kind, component)
        if registered is None:
            raise PluginError(
                f"{kind.capitalize()} {type(component).__qualname__!r} belongs to no installed plugin, so a file cannot "
                "name it. Declare it in a plugin."
            )
        plain = registered.name if not registered.problem else registered.qualified_name
        table: dict[str, Any] = {TYPE: registered.qualified_name if qualified else plain}
        for name, option in options_of(type(component)).items():
            value = getattr(component, name)
            inner = kind_of(option.hint) or kind_of(next(iter(getattr(option.hint, "__args__", ())), None))
            table[name] = self._plain(inner, value, qualified)
        return {key: value for key, value in table.items() if value is not None}

    def component_of(self, kind: str, component: Any) -> Component | None:
        """Return the registered component that `component` is an instance of, or None."""
        cls = type(component)
        target = f"{cls.__module__}:{cls.__qualname__}"
        for item in self.components(kind):
            if item.spec.target == target or self._classes.get(item) is cls:
                return item
        return None

    def label(self, kind: str, component: Any) -> str:
        """Return how messages name a component: ``'dense' (built-in)``."""
        registered = self.component_of(kind, component)
        return str(registered) if registered else repr(type(component).__qualname__)

    def defaults(self, kind: str) -> tuple[Component, ...]:
        """Return the components of a kind that are on unless they are named."""
        return tuple(item for item in self.components(kind) if item.spec.default)

    def _unknown(self, kind: str, name: str, distribution: str) -> UnknownComponentError | PluginError:
        quarantined = [plugin for plugin in self.plugins if plugin.status == "quarantined"]
        owner = [plugin for plugin in quarantined if plugin.distribution == distribution]
        available = self.components(kind)
        error: UnknownComponentError | PluginError
        if owner:
            error = PluginError(f"{kind.capitalize()} {name!r}: plugin {owner[0]} is quarantined: {owner[0].reason}")
        else:
            hint = did_you_mean(name, [form for item in available for form in (item.name, item.qualified_name)])
            if distribution and distribution not in {plugin.distribution for plugin in self.plugins}:
                hint = f" Its plugin is not installed; install the distribution {distribution!r}." + hint
            error = UnknownComponentError(f"Unknown {kind} {name!r}.{hint} Available: {_by_plugin(available)}.")
            for plugin in quarantined:
                error.args = (f"{error} Plugin {plugin} is quarantined: {plugin.reason}",)
        error.__cause__ = next((plugin.error for plugin in owner or quarantined), None)
        return error

    def _from_table(self, kind: str, table: Mapping[str, Any]) -> Any:
        name = table.get(TYPE)
        if not isinstance(name, str):
            known = ", ".join(item.name for item in self.components(kind))
            raise ConfigError([Mistake((TYPE,), f"must name a {kind}, got {short(name)}. Available: {known}.")])
        return build(self.load(kind, name), {key: table[key] for key in table if key != TYPE}, self.resolve)

    def _from_object(self, kind: str, component: Any) -> Any:
        if isinstance(component, type):
            raise ConfigError([Mistake((), f"must be a {kind}, not a class: write {component.__name__}(...).")])
        problem = protocol_problem(kind, type(component))
        if problem:
            raise ConfigError([Mistake((), f"must be a {kind}: {short(component)} {problem}.")])
        values = {name: getattr(component, name) for name in options_of(type(component))}
        return replace(component, **check(type(component), values, self.resolve))

    def _plain(self, kind: str | None, value: Any, qualified: bool) -> Any:
        if isinstance(value, tuple):
            return [self._plain(kind, item, qualified) for item in value]
        if kind is None or value is None or isinstance(value, str):
            return value
        return self.describe(kind, value, qualified=qualified)


def _by_plugin(components: tuple[Component, ...]) -> str:
    groups: dict[str, list[str]] = {}
    for item in components:
        groups.setdefault(str(item.plugin), []).append(item.name)
    return "; ".join(f"{', '.join(names)} ({plugin})" for plugin, names in groups.items()) or "none"


def _with_clashes(components: list[Component]) -> list[Component]:
    """Return the components with a problem noted on each that shares its kind and name with another plugin's."""
    owners: dict[tuple[str, str], list[Plugin]] = {}
    for item in components:
        if item.plugin.status == "active":
            owners.setdefault((item.kind, item.name), []).append(item.plugin)
    return [replace(item, problem=_clash(item, owners.get((item.kind, item.name), []))) for item in components]


def _clash(item: Component, owners: list[Plugin]) -> str:
    others = [plugin for plugin in owners if plugin is not item.plugin]
    if item.plugin.built_in or not others or item.plugin.status != "active":
        return ""
    if any(plugin.built_in for plugin in others):
        return f"the name is built in and cannot be taken; write {item.qualified_name!r}"
    names = " and ".join(str(plugin) for plugin in others)
    return f"the name is also offered by {names}; write {item.qualified_name!r}"


def _import_target(component: Component) -> type:
    module, _, name = component.spec.target.partition(":")
    prefix = f"{component.kind.capitalize()} {component}: target {component.spec.target!r}"
    try:
        target = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:
        raise PluginError(f"{prefix} cannot be loaded: {type(error).__name__}: {error}") from error
    problem = protocol_problem(component.kind, target)
    if problem:
        raise PluginError(f"{prefix} {problem}.")
    options_of(target)
    return target  # type: ignore[no-any-return]


def protocol_problem(kind: str, target: Any) -> str:
    """Return what keeps `target` from being a component class of a kind, or an empty string."""
    if not inspect.isclass(target):
        return f"is a {type(target).__name__}; a component is a frozen dataclass"
    if not is_dataclass(target):
        return "is no dataclass; write @dataclass(frozen=True) above it"
    if not target.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return "is a dataclass but not frozen; write @dataclass(frozen=True)"
    names = {field.name for field in fields(target)}
    abstract = getattr(target, "__abstractmethods__", frozenset())
    missing = [
        name for name in KINDS[kind].members if name not in names and (name in abstract or not hasattr(target, name))
    ] or sorted(abstract)
    return f"lacks {', '.join(missing)}, which every {kind} has" if missing else ""


@cache
def default_registry() -> Registry:
    """Return the registry that ``nnfw``'s own helpers use: discovered at the first call."""
    return Registry.discover()


def _create(kind: str, name: str, /, **options: Any) -> Any:
    return default_registry().create(kind, name, options)


# nnfw.layer("dense", units=30) and its ten siblings
layer: Callable[..., protocols.Layer] = partial(_create, "layer")
activation: Callable[..., protocols.Activation] = partial(_create, "activation")
cost: Callable[..., protocols.Cost] = partial(_create, "cost")
optimizer: Callable[..., protocols.Optimizer] = partial(_create, "optimizer")
schedule: Callable[..., protocols.Schedule] = partial(_create, "schedule")
initializer: Callable[..., protocols.Initializer] = partial(_create, "initializer")
regularizer: Callable[..., protocols.Regularizer] = partial(_create, "regularizer")
metric: Callable[..., protocols.Metric] = partial(_create, "metric")
dataset: Callable[..., protocols.Dataset] = partial(_create, "dataset")
transform: Callable[..., protocols.Transform] = partial(_create, "transform")
callback: Callable[..., protocols.Callback] = partial(_create, "callback")
