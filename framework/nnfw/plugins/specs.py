"""What a plugin declares, and what nnfw records about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Generic, Literal, TypeVar

import pluggy

from nnfw.arrays import Shape
from nnfw.errors import PluginError, did_you_mean, short
from nnfw.protocols import KINDS

PROJECT = "nnfw"
"""Name of the entry-point group, of the pluggy project and of the distribution whose components are built in."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

NAME = re.compile(r"[a-z][a-z0-9_]*")  # of a component
_DISTRIBUTION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # as `normalised` spells it
_VERSION = re.compile(r"[A-Za-z0-9.!+_-]*")  # none, where its metadata gives none
_LONGEST_NAME = 100  # characters of these two
_ENDING = re.compile(r"(\.[a-z0-9_-]+)+")  # of a file
_SCHEME = re.compile(r"[a-z][a-z0-9.-]*")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9.-]*)(\+[\w.-]+)?://")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def normalised(name: str) -> str:
    """Return the one spelling of a distribution's name: small letters, with hyphens.

    Examples
    --------
    >>> normalised("NNFW_Swish")
    'nnfw-swish'
    """
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def is_distribution(name: str, version: str) -> bool:
    """Return whether name and version of a file can go into a message, and the name into a command to copy.

    Examples
    --------
    >>> is_distribution("nnfw-swish", "0.2"), is_distribution("x; rm -rf ~", "0.2")
    (True, False)
    """
    longest = max(len(name), len(version))
    return longest <= _LONGEST_NAME and bool(_DISTRIBUTION.fullmatch(name) and _VERSION.fullmatch(version))


class Spec:
    """What all declarations have in common. Declaring something imports nothing."""

    kind: str
    name: str
    target: str
    summary: str
    target_form = "'module:function'"
    name_pattern, name_form = NAME, "small letters, digits and underscores"

    def validate(self) -> None:
        """Raise PluginError if a field is not what it should be."""
        for name in ("kind", "name", "target", "summary"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise PluginError(f"{self}: {name} must be text, got {short(value)}.")
            object.__setattr__(self, name, str.__str__(value))  # a subclass may override comparing and hashing
        if not self.name_pattern.fullmatch(self.name):
            raise PluginError(f"{self}: name must be {self.name_form}, got {short(self.name)}.")
        if not _TARGET.fullmatch(self.target):
            raise PluginError(f"{self}: target must be {self.target_form}, got {short(self.target)}.")
        if not self.summary.strip() or not self.summary.isprintable():
            raise PluginError(f"{self}: summary must be one line of text, got {short(self.summary)}.")

    def loaded(self) -> Any:
        """Return what the target names, imported; raises whatever the import does."""
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)

    def __str__(self) -> str:
        """Return how messages about the declaration name it: ``ComponentSpec 'swish'``."""
        return f"{type(self).__name__} {short(self.name)}"


@dataclass(frozen=True)
class ComponentSpec(Spec):
    """One component, declared by the hook ``nnfw_components``.

    Parameters
    ----------
    kind
        A row of :data:`nnfw.protocols.KINDS`: ``"layer"``, ``"activation"``, ``"cost"``, ...
    name
        Small letters, digits and underscores: what users write.
    target
        ``"module:Class"``, imported when it is first used.
    summary
        One line.
    default
        For callbacks: whether it runs in every training that does not name it.
    open_ended
        For callbacks: the options with which it runs in a training that has validation data, does not say how many
        epochs and does not name it, ``{"patience": 40}``; None, the default, if it does not.
    examples
        A tuple of tables of options that make one, ``({"units": 3},)``: for ``nnfw check`` and ``nnfw show``, if some
        options are required, or if one choice does not cover all of its behaviour.
    input_shapes
        For layers: a tuple of shapes of one example to check it with, if it accepts only certain ones. For a layer with
        several inputs, a tuple of their shapes may stand for one: ``(((3, 4), (2, 5)),)``.

    Examples
    --------
    >>> ComponentSpec("activation", "swish", "nnfw_swish.swish:Swish", "a = z σ(βz)").target
    'nnfw_swish.swish:Swish'
    """

    kind: str
    name: str
    target: str
    summary: str
    default: bool = False
    examples: tuple[Mapping[str, object], ...] = field(default=(), compare=False)
    input_shapes: tuple[Shape | tuple[Shape, ...], ...] = ()
    open_ended: Mapping[str, object] | None = field(default=None, compare=False)
    target_form = "'module:Class'"

    def validate(self) -> None:
        """Raise PluginError if a field is not what it should be."""
        super().validate()
        if self.kind not in KINDS:
            hint = did_you_mean(self.kind, KINDS)
            raise PluginError(f"{self}: unknown kind {short(self.kind)}.{hint} Kinds: {', '.join(KINDS)}.")
        if not isinstance(self.default, bool) or (self.default and self.kind != "callback"):
            raise PluginError(f"{self}: default must be False, or True for a callback, got {short(self.default)}.")
        if self.open_ended is not None and not (_is_table(self.open_ended) and self.kind == "callback"):
            got = short(self.open_ended)
            raise PluginError(f"{self}: open_ended must be None, or options of a callback, got {got}.")
        if not isinstance(self.examples, tuple) or not all(map(_is_table, self.examples)):
            raise PluginError(f"{self}: examples must be a tuple of tables, got {short(self.examples)}.")
        shapes = self.input_shapes if isinstance(self.input_shapes, tuple) else (0,)
        if not all(_is_shape(each) or (holds_shapes(each) and all(map(_is_shape, each))) for each in shapes):
            raise PluginError(f"{self}: input_shapes must be a tuple of shapes, got {short(self.input_shapes)}.")


@dataclass(frozen=True)
class CommandSpec(Spec):
    """One subcommand of ``nnfw``, declared by the hook ``nnfw_commands``.

    Parameters
    ----------
    name
        Small letters, digits and hyphens.
    target
        ``"module:function"``: a function as Typer takes it, imported when the command is run.
    summary
        One line, shown by ``nnfw --help``.

    Examples
    --------
    >>> CommandSpec("plot", "nnfw_plot.command:plot", "draw the cost of a run").name
    'plot'
    """

    name: str
    target: str
    summary: str
    kind = "command"
    name_pattern, name_form = re.compile(r"[a-z][a-z0-9-]*"), "small letters, digits and hyphens"


@dataclass(frozen=True)
class OperationSpec(Spec):
    """One operation, declared by the hook ``nnfw_operations``.

    Parameters
    ----------
    name
        Small letters, digits and underscores: that of the operation itself.
    target
        ``"module:operation"``: what :func:`nnfw.compute.operation` made, imported when it is first used.
    summary
        One line.

    Examples
    --------
    >>> OperationSpec("swish_gate", "nnfw_swish.gate:swish_gate", "out ← u ⊙ g sigmoid(beta g)").name
    'swish_gate'
    """

    name: str
    target: str
    summary: str
    kind = "operation"
    target_form = "'module:operation'"


@dataclass(frozen=True)
class AcceleratorSpec(Spec):
    """Faster kernels, declared by the hook ``nnfw_accelerators``.

    Parameters
    ----------
    name
        Small letters, digits and underscores; what ``accelerator = ...`` names in an experiment.
    target
        ``"module:function"``: a function without arguments that returns functions by the names of operations, and
        what compiles them. Imported when a training takes them; ModuleNotFoundError means that something is
        not installed.
    summary
        One line, which says what to install if need be.
    start
        Seconds that its first use on a machine takes, importing and compiling, 0 or more; 5 by default. A training that
        chooses by itself takes it if that is to be gained. It must not depend on what was compiled before: a training
        repeated would choose otherwise, and its last places differ.

    Examples
    --------
    >>> AcceleratorSpec("numba", "nnfw_numba.kernels:load", "loops compiled by numba").name
    'numba'
    """

    name: str
    target: str
    summary: str
    start: float = 5.0
    kind = "accelerator"

    def validate(self) -> None:
        """Raise PluginError if a field is not what it should be."""
        super().validate()
        if not isinstance(self.start, int | float) or not self.start >= 0:
            raise PluginError(f"{self}: start must be a number of seconds, 0 or more, got {short(self.start)}.")


@dataclass(frozen=True)
class TableReaderSpec(Spec):
    """One reader of tables, declared by the hook ``nnfw_table_readers``.

    Parameters
    ----------
    name
        Small letters, digits and underscores.
    target
        ``"module:function"``, imported when a table is read. The function takes a path or URL, and which table of it to
        read, both text, the second empty by default. It returns columns by name, or a frame, as
        :func:`nnfw.data.read_table` takes them. If it raises ImportError, the message ends with the summary.
    summary
        One line, which says what to install if need be.
    endings
        A tuple of endings of files that it reads, in lower case: ``(".parquet",)``.
    schemes
        A tuple of the schemes of URLs that it reads: ``("postgresql",)`` for ``postgresql://...`` and
        ``postgresql+psycopg://...``.

    Examples
    --------
    >>> spec = TableReaderSpec("fasta", "nnfw_fasta.reading:read", "sequences of proteins", endings=(".fasta", ".fa"))
    >>> spec.reads("new/P53.FASTA"), spec.reads("P53.csv")
    ('.fasta', '')
    """

    name: str
    target: str
    summary: str
    endings: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    kind = "table reader"

    def validate(self) -> None:
        """Raise PluginError if a field is not what it should be."""
        super().validate()
        for name, form, example in (("endings", _ENDING, "('.parquet',)"), ("schemes", _SCHEME, "('postgresql',)")):
            value = getattr(self, name)
            texts = isinstance(value, tuple) and all(isinstance(item, str) and form.fullmatch(item) for item in value)
            if not texts:
                raise PluginError(f"{self}: {name} must be a tuple like {example}, got {short(value)}.")
        if not self.endings and not self.schemes:
            raise PluginError(f"{self}: endings or schemes must say what it reads; there are none.")

    def reads(self, source: str) -> str:
        """Return the ending or scheme by which a path or URL is one that it reads; an empty text if it is none."""
        if scheme := scheme_of(source):
            return scheme if scheme in self.schemes else ""
        return max((ending for ending in self.endings if source.lower().endswith(ending)), key=len, default="")


def scheme_of(source: str) -> str:
    """Return the scheme of a URL, without a driver; empty for a path.

    Examples
    --------
    >>> scheme_of("postgresql+psycopg://host/shop"), scheme_of("shop.db")
    ('postgresql', '')
    """
    found = _URL.match(source)
    return found[1].lower() if found else ""


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def holds_shapes(value: object) -> bool:
    """Return whether a value declares shapes of several inputs, not the shape of one."""
    return isinstance(value, tuple) and any(isinstance(item, tuple) for item in value)


def _is_shape(value: object) -> bool:
    return isinstance(value, tuple) and all(type(size) is int and size > 0 for size in value)


SpecT = TypeVar("SpecT", bound=Spec)


@dataclass(frozen=True)
class Plugin:
    """An entry point of the group ``nnfw``, with its status.

    Parameters
    ----------
    distribution, version
        The installed distribution that it belongs to; the distribution's name is the plugin's name.
    entry_point, module
        Name and value of the entry point.
    status
        ``"active"``; ``"quarantined"`` if it broke a rule; ``"disabled"`` or ``"missing"`` through NNFW_PLUGINS.
    reason
        Why it is not active, in one line.
    error
        The original error of a quarantined plugin.
    specs
        What its hooks yielded; a quarantined plugin may have declared something before it failed.
    """

    distribution: str
    version: str
    entry_point: str
    module: str
    status: Literal["active", "quarantined", "disabled", "missing"] = "active"
    reason: str = ""
    error: BaseException | None = field(default=None, compare=False, repr=False)
    specs: tuple[Spec, ...] = field(default=(), compare=False, repr=False)

    @property
    def built_in(self) -> bool:
        """Whether it is active and belongs to nnfw's own distribution."""
        return self.distribution == PROJECT and self.status == "active"

    def __str__(self) -> str:
        """Return how messages name it: ``built-in`` or ``nnfw-swish 0.2``."""
        return "built-in" if self.built_in else f"{self.distribution} {self.version}".strip()


@dataclass(frozen=True)
class Declared(Generic[SpecT]):
    """What the registry lists: a declaration, with its provenance.

    Parameters
    ----------
    spec, plugin
        What was declared, and by whom.
    problem
        Why its plain name does not work (a clash), or no name (a missing target); empty if all is well.
    """

    spec: SpecT
    plugin: Plugin
    problem: str = ""

    @property
    def kind(self) -> str:
        """The kind of a component; else ``"command"`` and so on."""
        return self.spec.kind

    @property
    def name(self) -> str:
        """What it is called."""
        return self.spec.name

    @property
    def qualified_name(self) -> str:
        """``distribution:name``, which always works and which saved files use."""
        return f"{self.plugin.distribution}:{self.spec.name}"

    def __str__(self) -> str:
        """Return how messages name it: ``'swish_gate' (nnfw-swish 0.2)``."""
        return f"{self.spec.name!r} ({self.plugin})"

    @property
    def title(self) -> str:
        """How messages name it with its kind: ``Layer 'swish_gate' (nnfw-swish 0.2)``."""
        return f"{self.kind.capitalize()} {self}"


Listed = Declared[ComponentSpec]
"""A component as the registry lists it."""
