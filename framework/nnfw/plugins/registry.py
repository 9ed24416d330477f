"""The registry: which components there are, from whom, and how a name becomes an object."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from nnfw.configuration import TYPE as TYPE
from nnfw.configuration import build, kind_of, options_of, rebuild, to_table
from nnfw.errors import (
    ConfigError,
    Mistake,
    NnfwError,
    PluginError,
    UnknownComponentError,
    article,
    class_name,
    did_you_mean,
    in_words,
    one_line,
    short,
)
from nnfw.plugins.loading import (
    DISCOVERY,
    allowed_plugins,
    importing,
    load_plugins,
    new_manager,
    strict_plugins,
)
from nnfw.plugins.python_objects import component_of_object, require_useful
from nnfw.plugins.specs import (
    AcceleratorSpec,
    CommandSpec,
    ComponentSpec,
    Declared,
    Listed,
    OperationSpec,
    Plugin,
    Spec,
    SpecT,
    TableReaderSpec,
    normalised,
)
from nnfw.plugins.targets import NO_DATACLASS, NOT_FROZEN, problems_of, protocol_problem
from nnfw.protocols import KINDS, Callback

if TYPE_CHECKING:
    import pluggy

    from nnfw.plain import Plain

_DEEPEST = 32  # components inside components; beyond it a table is damaged, or contains itself
_MOST_KEYS = 5  # of a table without type, in a message


class Registry:
    """The installed components. It is passed as an argument; :func:`default_registry` keeps one for convenience.

    Parameters
    ----------
    plugins
        What :func:`~nnfw.plugins.loading.load_plugins` found.
    hooks
        The hook caller of the active plugins.
    strict
        Raise PluginError at a clash, or at an observer that fails, instead of reporting it.

    Attributes
    ----------
    plugins
        Every entry point of the group ``nnfw`` with its status, the built-in ones first.
    declared
        All that active plugins declare.
    commands, operations, accelerators, table_readers
        The subcommands, the operations, the faster kernels and the readers of tables of active plugins.
    hooks
        The hook caller of the active plugins; prefer :meth:`notify`.
    """

    def __init__(self, plugins: Iterable[Plugin], hooks: pluggy.HookRelay, *, strict: bool = False) -> None:
        self.plugins = tuple(plugins)
        declared = [Declared(spec, plugin) for plugin in self.plugins for spec in plugin.specs]
        self.declared = tuple(item for item in declared if item.plugin.status == "active")
        self._operations = _with_clashes(_of_class(OperationSpec, declared))
        self.commands = _of_class(CommandSpec, self.declared)
        self.operations = tuple(item for item in self._operations if item.plugin.status == "active")
        self.accelerators = _of_class(AcceleratorSpec, self.declared)
        self.table_readers = _of_class(TableReaderSpec, self.declared)
        self.hooks = hooks
        self._strict = strict
        self._components = tuple(sorted(_with_clashes(_of_class(ComponentSpec, declared)), key=_by_kind_and_name))
        self._of_kind = {kind: [item for item in self._components if item.kind == kind] for kind in KINDS}
        self._classes: dict[Listed, type] = {}
        self._owners: dict[tuple[str | None, type], Listed] = {}
        self._makers: dict[type, Listed] = {}
        clashes = [item for group in (self._components, self._operations) for item in group if item.problem]
        if strict and clashes:
            raise PluginError("\n".join(f"{item.title}: {item.problem}" for item in clashes))

    @classmethod
    def discover(cls) -> Registry:
        """Return the registry of what is installed, as NNFW_PLUGINS and NNFW_STRICT_PLUGINS allow.

        PluginError in strict mode only: with everything that is broken.
        """
        manager = new_manager()
        strict = strict_plugins()
        return cls(load_plugins(manager, only=allowed_plugins(), strict=strict), manager.hook, strict=strict)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as a call: unpickling gives the registry of the process that reads it."""
        return default_registry, ()

    def __deepcopy__(self, memo: object) -> Registry:
        """Return this registry: a process has one installation."""
        return self

    def components(self, kind: str | None = None) -> tuple[Listed, ...]:
        """Return the components of active plugins, of one kind or of all, by kind and name.

        UnknownComponentError if there is no such kind.
        """
        if kind is not None:
            _require_kind(kind)
        return tuple(item for item in self._components if item.plugin.status == "active" and kind in (None, item.kind))

    def inspected(self, kind: str | None = None) -> tuple[Listed, ...]:
        """Return :meth:`components` with the problems that their source text shows; nothing is imported.

        Built-in components are not inspected: the tests of nnfw cover them.
        """
        components = self.components(kind)
        problems = problems_of(item.spec for item in components if not item.plugin.built_in)
        return tuple(replace(item, problem=item.problem or problems.get(item.spec, "")) for item in components)

    def find(self, kind: str, name: str) -> Listed:
        """Return the component called `name` or ``distribution:name``.

        Raises
        ------
        UnknownComponentError
            If there is none; says which is nearest, which there are, and which plugins are in quarantine.
        PluginError
            If two plugins claim the name, or its plugin is in quarantine or disabled.
        """
        _require_kind(kind)
        return self._find(kind, name, self._of_kind[kind])

    def _find(self, kind: str, name: str, declared: Sequence[Declared[SpecT]]) -> Declared[SpecT]:
        """Return what is called `name` of all that is declared of a kind, as :meth:`find`."""
        if not isinstance(name, str):
            raise UnknownComponentError(f"The name of {article(kind)} must be text, got {short(name)}.")
        distribution, _, plain = name.rpartition(":")
        distribution = normalised(distribution)
        named = [item for item in declared if item.name == plain]
        matches = [item for item in named if distribution in ("", item.plugin.distribution)]
        active = [item for item in matches if item.plugin.status == "active"]
        if not distribution:  # the plain names of built-in components cannot be taken
            active = [item for item in active if item.plugin.built_in] or active
        if not active:
            raise self._unavailable(kind, name, distribution, declared, matches)
        if len(active) > 1:
            owners = " and ".join(str(item.plugin) for item in active)
            names = " or ".join(repr(item.qualified_name) for item in active)
            raise PluginError(f"{kind.capitalize()} {plain!r} is offered by {owners}. Write {names}.")
        return active[0]

    def named(self, name: str, kind: str | None = None) -> list[Listed]:
        """Return the components of any kind that `name` means; ``KIND:NAME`` names one kind, as `kind` does.

        Raises
        ------
        UnknownComponentError
            If there is none.
        PluginError
            If the name is not enough, or its plugin is in quarantine.
        """
        prefix, _, rest = name.partition(":")
        if rest and kind is None and prefix in KINDS:
            kind, name = prefix, rest
        if kind is not None:
            return [self.find(kind, name)]
        found: list[Listed] = []
        broken: list[PluginError] = []
        for each in KINDS:
            try:
                found.append(self.find(each, name))
            except UnknownComponentError:
                continue
            except PluginError as error:
                broken.append(error)
        if not found and 0 < len(broken) < len(KINDS):  # a plugin in quarantine could have any kind
            raise broken[0]
        if not found:
            forms = [form for item in self.components() for form in (item.name, item.qualified_name)]
            states = "".join(f" {_state(item)}" for item in self.plugins if item.status != "active")
            hint = did_you_mean(name, forms)
            raise UnknownComponentError(f"Unknown component {name!r}.{hint} 'nnfw plugins' lists all.{states}")
        return found

    def load(self, kind: str, name: str) -> type:
        """Return the class of a component, imported when first asked for.

        UnknownComponentError, PluginError as :meth:`find`, and if the target is missing, fails to import or breaks its
        protocol.
        """
        component = self.find(kind, name)
        if component not in self._classes:  # two threads at once import one module and find one class
            self._classes[component] = _import_class(component)
        return self._classes[component]

    def find_operation(self, name: str) -> Declared[OperationSpec]:
        """Return the operation called `name` or ``distribution:name``; errors as :meth:`find`."""
        return self._find("operation", name, self._operations)

    def table_reader(self, source: str) -> Declared[TableReaderSpec] | None:
        """Return what reads the table at a path or URL; of several the built-in one, None if there is none.

        PluginError if two plugins offer to read it.
        """
        found = [item for item in self.table_readers if item.spec.reads(source)]
        longest = max((len(item.spec.reads(source)) for item in found), default=0)
        found = [item for item in found if len(item.spec.reads(source)) == longest]  # .tar.x before .x
        found = [item for item in found if item.plugin.built_in] or found
        if len(found) > 1:
            what, owners = found[0].spec.reads(source), " and ".join(map(str, found))
            raise PluginError(f"Tables {what!r} are read by {owners}. Leave one out with NNFW_PLUGINS.")
        return found[0] if found else None

    def create(self, kind: str, name: str, options: Mapping[str, object]) -> Any:
        """Return a component with checked options; names of other components among them are resolved too.

        Raises
        ------
        UnknownComponentError, PluginError
            As :meth:`load`.
        ConfigError
            With every wrong option.
        """
        self.load(kind, name)  # a wrong name is not a mistake in the options
        if TYPE in options:
            text = "is not an option: it is the key of a table that names the component."
            raise ConfigError([Mistake((TYPE,), text)], self.find(kind, name).title)
        return self.resolve(kind, {TYPE: name, **options})

    def resolve(self, kind: str, reference: object) -> Any:
        """Return the component that `reference` means: a name, a table with ``type`` and options, or a component.

        A component given as an object is checked like a table, and the names among its fields are resolved.

        ConfigError with every mistake, those of nested components included.
        """
        _require_kind(kind)
        try:
            return self._resolve(0, kind, reference)
        except ConfigError as error:
            error.owner = self._owner(kind, reference)
            if any(not mistake.path and mistake.text[:1].islower() for mistake in error.mistakes):
                error.owner = error.owner or kind.capitalize()  # a predicate needs a subject
            raise
        except RecursionError as error:
            text = f"Nested more than {_DEEPEST} components deep, or inside itself; expected a flatter {kind}."
            raise ConfigError(text, self._owner(kind, reference)) from error

    def describe(self, kind: str, component: object, *, qualified: bool = True) -> dict[str, Plain]:
        """Return the table from which :meth:`resolve` makes `component` again, with all options.

        PluginError if the component's class belongs to no installed plugin.

        Parameters
        ----------
        kind, component
            The component and its kind.
        qualified
            Whether to write every name as ``distribution:name``, which no plugin installed later makes ambiguous.
        """
        found = self.component_of(kind, component)
        if found is None:
            name = type(component).__qualname__
            raise PluginError(
                f"{kind.capitalize()} {name!r} belongs to no installed plugin, so a file cannot name it. Declare it in "
                "a plugin: yield a ComponentSpec from the hook nnfw_components. 'nnfw new-plugin NAME' writes one."
            )
        name = found.qualified_name if qualified or found.problem else found.name
        return {TYPE: name, **to_table(component, partial(self.describe, qualified=qualified))}

    def distributions_in(self, table: Mapping[str, object]) -> dict[str, str]:
        """Return the versions of the distributions whose components tables name as :meth:`describe` does."""
        needed = {name.rpartition(":")[0] for name in _component_names(table)}
        versions = {plugin.distribution: plugin.version for plugin in self.plugins if plugin.status == "active"}
        return {name: versions[name] for name in sorted(needed & versions.keys())}

    def component_of(self, kind: str | None, component: object) -> Listed | None:
        """Return the registered component that `component` is an instance of, of one kind or of any; or None."""
        cls = type(component)
        if (kind, cls) in self._owners:  # every node of a network asks, several times
            return self._owners[kind, cls]
        found = [item for item in self.components(kind) if cls is self._classes.get(item) or cls is _imported(item)]
        if not found:  # its plugin may be imported later
            return None
        return self._owners.setdefault((kind, cls), min(found, key=lambda item: not item.plugin.built_in))

    def name_of(self, kind: str, component: object) -> str:
        """Return the name of a component, without its plugin: ``dense``; that of its class if it has none."""
        found = self._named_of(kind, component)
        return found.name if found else class_name(component)

    def label(self, kind: str, component: object) -> str:
        """Return how messages name a component: ``'dense' (built-in)``."""
        found = self._named_of(kind, component)
        return str(found) if found else repr(type(component).__qualname__)

    def call_after(self, made: object, kind: str, maker: object) -> None:
        """Let messages call an object whose class has no name after the component that made it."""
        found = self.component_of(kind, maker)
        if found is not None:
            self._makers[type(made)] = found

    def _named_of(self, kind: str, component: object) -> Listed | None:
        return self.component_of(kind, component) or self._makers.get(type(component))

    def title(self, component: object) -> str:
        """Return how messages name a component of any kind: ``Layer 'dense' (built-in)``."""
        found = self.component_of(None, component)
        if found is not None:
            return found.title
        kind = kind_of(type(component)) or "component"
        return f"{kind.capitalize()} {class_name(component)!r}"

    def defaults(self, kind: str) -> tuple[Listed, ...]:
        """Return the components of a kind that are on unless they are named."""
        return tuple(item for item in self.components(kind) if item.spec.default)

    def of_open_end(self) -> tuple[Listed, ...]:
        """Return the callbacks that are on where validation data says how long to train, unless they are named."""
        return tuple(item for item in self.components("callback") if item.spec.open_ended is not None)

    def notify(self, hook: str, arguments: Mapping[str, object]) -> None:
        """Call the observers of a run, plugin by plugin; one that fails is warned about and ends nothing.

        PluginError if an observer fails, in strict mode only.

        Parameters
        ----------
        hook
            ``"nnfw_run_started"``, ``"nnfw_epoch_ended"`` or ``"nnfw_run_ended"``.
        arguments
            The arguments of the hook by name; each observer gets those that it asks for.
        """
        plugins = {f"{plugin.distribution}:{plugin.entry_point}": plugin for plugin in self.plugins}
        for observer in reversed(getattr(self.hooks, hook).get_hookimpls()):  # pluggy keeps the first to call last
            try:
                observer.function(*(arguments[name] for name in observer.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # SystemExit too: an observer must not end a run
                text = f"Plugin {plugins[observer.plugin_name]}: its hook {hook!r} failed: {in_words(error)}"
                if self._strict:
                    raise PluginError(text) from error
                warnings.warn(f"{text}. The run goes on.", stacklevel=2)

    def _resolve(self, depth: int, kind: str, reference: object) -> object:
        if depth > _DEEPEST:
            raise RecursionError  # not ConfigError: those are collected, which would never end
        inner = partial(self._resolve, depth + 1)
        table = {TYPE: reference} if isinstance(reference, str) else reference
        try:
            if isinstance(table, Mapping):
                component_class = self.load(kind, self._name_in(kind, table))
                return build(component_class, {key: table[key] for key in table if key != TYPE}, inner)
            if not _is_component(kind, reference):
                return component_of_object(kind, reference, inner)
            return rebuild(reference, inner)
        except (UnknownComponentError, PluginError) as error:
            path = (TYPE,) if isinstance(reference, Mapping) else ()
            raise ConfigError([Mistake(path, str(error))]) from error

    def _name_in(self, kind: str, table: Mapping[str, object]) -> str:
        name = table.get(TYPE)
        if isinstance(name, str):
            return name
        wrong = (
            f"must name {article(kind)}, got {short(name)}."
            if TYPE in table
            else f"is missing: the name of {article(kind)}.{_others(table)}"
        )
        raise ConfigError([Mistake((TYPE,), f"{wrong} Available: {_by_plugin(self.components(kind))}.")])

    def _owner(self, kind: str, reference: object) -> str:
        """Return the component whose options a reference gives, or an empty text if it is unknown."""
        name = reference.get(TYPE) if isinstance(reference, Mapping) else reference
        if isinstance(name, str):
            try:
                return self.find(kind, name).title
            except NnfwError:
                return ""
        return f"{kind.capitalize()} {self.label(kind, reference)}" if _is_instance(reference) else ""

    def _unavailable(
        self,
        kind: str,
        name: str,
        distribution: str,
        declared: Sequence[Declared[SpecT]],
        matches: Sequence[Declared[SpecT]],
    ) -> UnknownComponentError | PluginError:
        """Return the error for a name that no active plugin offers, with the cause that is known or likely."""
        broken = [plugin for plugin in self.plugins if plugin.status in ("quarantined", "disabled")]
        owners = [item.plugin for item in matches] or [item for item in broken if item.distribution == distribution]
        error: UnknownComponentError | PluginError
        if owners:
            error = PluginError(f"{kind.capitalize()} {short(name)}: {_state(owners[0])}")
        else:
            available = [item for item in declared if item.plugin.status == "active"]
            others = [item.kind for item in self.components() if item.name == name]
            if distribution in {normalised(item.name) for item in available}:
                hint = f" Options stand in a table: {{ type = {name.partition(':')[0]!r}, option = value }}."
            elif distribution and all(
                item.distribution != distribution or item.status == "missing" for item in self.plugins
            ):
                hint = f" The distribution {distribution!r} is not installed; install it."
            elif others:
                hint = f" There is {article(others[0])} of that name."
            else:
                hint = did_you_mean(name, [item.qualified_name if distribution else item.name for item in available])
            states = "".join(f" {_state(plugin)}" for plugin in broken)
            error = UnknownComponentError(
                f"Unknown {kind} {short(name)}.{hint} Available: {_by_plugin(available)}.{states}"
            )
        error.__cause__ = next((plugin.error for plugin in owners or broken if plugin.error), None)
        return error


def _others(table: Mapping[str, object]) -> str:
    keys = ", ".join(map(short, islice(table, _MOST_KEYS)))
    return f" The table has {keys}{', ...' if len(table) > _MOST_KEYS else ''}." if table else ""


def _require_kind(kind: str) -> None:
    if kind not in KINDS:
        raise UnknownComponentError(f"Unknown kind {kind!r}.{did_you_mean(kind, KINDS)} Kinds: {', '.join(KINDS)}.")


def _is_component(kind: str, reference: object) -> bool:
    """Return whether an object is a dataclass that implements its kind; False for other objects and functions.

    ConfigError for a class, and for a dataclass that does not.
    """
    if isinstance(reference, type):
        raise ConfigError(f"must be {article(kind)}, not a class: write {one_line(reference.__name__)}(...).")
    if not _is_instance(reference):
        return False
    problem = protocol_problem(kind, type(reference))
    if problem in (NO_DATACLASS, NOT_FROZEN) and KINDS[kind].protocol is Callback:
        return False  # a callback may keep what it sees in its attributes
    if problem:
        raise ConfigError(f"must be {article(kind)}, but {short(reference)} {problem}.")
    if KINDS[kind].protocol is Callback:
        require_useful(reference)
    return True


def _is_instance(reference: object) -> bool:
    return is_dataclass(reference) and not isinstance(reference, type)


def _state(plugin: Plugin) -> str:
    return f"Plugin {plugin} is {plugin.status}: {plugin.reason.rstrip('.')}."


def _of_class(spec_class: type[SpecT], declared: Iterable[Declared[Spec]]) -> tuple[Declared[SpecT], ...]:
    return tuple(Declared(item.spec, item.plugin) for item in declared if isinstance(item.spec, spec_class))


def _by_plugin(components: Iterable[Declared[SpecT]]) -> str:
    groups: dict[str, list[str]] = {}
    for item in components:
        groups.setdefault(str(item.plugin), []).append(item.name)
    return ", ".join(f"{', '.join(names)} ({plugin})" for plugin, names in groups.items()) or "none"


def _by_kind_and_name(item: Listed) -> tuple[int, str, str]:
    return list(KINDS).index(item.kind), item.name, item.plugin.distribution


def _with_clashes(declared: Sequence[Declared[SpecT]]) -> tuple[Declared[SpecT], ...]:
    """Return what is declared, a problem noted on each that shares its kind and name with another plugin's."""
    owners: dict[tuple[str, str], list[Plugin]] = {}
    for item in declared:
        if item.plugin.status == "active":
            owners.setdefault((item.kind, item.name), []).append(item.plugin)
    return tuple(replace(item, problem=_clash(item, owners.get((item.kind, item.name), []))) for item in declared)


def _clash(item: Declared[SpecT], owners: list[Plugin]) -> str:
    others = [plugin for plugin in owners if plugin is not item.plugin]
    if item.plugin.built_in or not others or item.plugin.status != "active":
        return ""
    is_built_in = any(plugin.built_in for plugin in others)
    offered = f"also offered by {' and '.join(map(str, others))}"
    return f"the name is {'built in and cannot be taken' if is_built_in else offered}; write {item.qualified_name!r}"


def _component_names(value: object) -> Iterator[str]:
    """Yield the name of every component in nested tables."""
    if isinstance(value, Mapping):
        if isinstance(value.get(TYPE), str):
            yield value[TYPE]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _component_names(item)


def _imported(component: Listed) -> object:
    """Return the target of a component if its module happens to be imported, else None."""
    module, _, name = component.spec.target.partition(":")
    return getattr(sys.modules.get(module), "__dict__", {}).get(name)


def import_target(declared: Declared[SpecT]) -> Any:
    """Return what a declaration names; PluginError, with its owner, if that cannot be loaded."""
    spec = declared.spec
    try:
        with importing(declared.plugin):
            return spec.loaded()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a component must not end nnfw
        raise PluginError(f"{declared.title}: target {spec.target!r} cannot be loaded: {in_words(error)}.") from error


def import_kernels(accelerator: Declared[AcceleratorSpec]) -> object:
    """Return what the target of an accelerator gives; raises whatever its module does.

    ImportError if the module would end the process.
    """
    try:
        with importing(accelerator.plugin):
            return accelerator.spec.loaded()()
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit and its like
        raise ImportError(f"{accelerator.spec.target} would end the process: {in_words(error)}") from error


def _import_class(component: Listed) -> type:
    target = import_target(component)
    prefix = f"{component.title}: target {component.spec.target!r}"
    problem = protocol_problem(component.kind, target)
    if problem:
        raise PluginError(f"{prefix} {problem}.")
    assert isinstance(target, type)
    _require_sound_options(target, prefix)
    return target


def _require_sound_options(target: type, prefix: str) -> None:
    try:
        options = options_of(target)
    except PluginError as error:
        raise PluginError(f"{prefix}: {error}") from error
    if TYPE in options:
        raise PluginError(f"{prefix} has an option {TYPE!r}, which in a table names the component; rename it.")
    for option in options.values():
        try:
            hash(option.default)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a TypeError, or whatever a stranger's __hash__ does
            raise PluginError(
                f"{prefix}: the default of {option.name!r}, {short(option.default)}, can be changed, but components "
                "hold no state; use a tuple."
            ) from error


@cache
def _discovered() -> Registry:
    return Registry.discover()


def default_registry() -> Registry:
    """Return the registry that ``nnfw``'s own helpers use: discovered at the first call."""
    with DISCOVERY:  # of two threads, one discovers and one waits
        return _discovered()
