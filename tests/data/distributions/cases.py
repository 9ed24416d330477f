"""The traps: fake distributions, and what a user is told about each.

A folder beside this file, once on the path, is an installed distribution. Load this module by its path::

    spec = importlib.util.spec_from_file_location("cases", path_of_this_file)

and run ``nnfw`` with ``PYTHONPATH=case.python_path``.
"""

import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One trap.

    Parameters
    ----------
    name
        What is wrong, as an id of a test.
    words
        What the reason must say, in any order.
    where
        Where the reason shows without anything being used: ``"plugin"`` (the plugin is quarantined), ``"component"``
        (the plugin is active, its component has a problem), or ``"use"`` (only the import of the component tells).
    folders
        The distributions, in the order of the path.
    distribution
        The one at fault.
    component
        Kind and name of the component that cannot be had, or None where it can.
    """

    name: str
    words: tuple[str, ...]
    where: str
    folders: tuple[str, ...]
    distribution: str
    component: tuple[str, str] | None

    @property
    def paths(self) -> list[str]:
        """Entries of the path that install the distributions."""
        return [str(HERE / folder) for folder in self.folders]

    @property
    def python_path(self) -> str:
        """Value of PYTHONPATH that installs the distributions."""
        return os.pathsep.join(self.paths)


def _case(name: str, *words: str, where: str = "plugin", folders: tuple[str, ...] = (), usable: bool = False) -> Case:
    folders = folders or (name,)
    distribution = "fake-" + folders[-1].replace("_", "-")
    return Case(name, words, where, folders, distribution, None if usable else ("activation", f"{distribution}:ripple"))


HOOKS = (
    "Hooks: nnfw_accelerators, nnfw_commands, nnfw_components, nnfw_epoch_ended, nnfw_operations, nnfw_run_ended, "
    "nnfw_run_started, nnfw_table_readers."
)

CASES = (
    _case("import_error", "ModuleNotFoundError: No module named 'nnfw_module_that_is_not_installed'"),
    _case("exit_at_import", "SystemExit: no licence found"),
    _case("misspelt_hook", "unknown hook 'nnfw_component'. Did you mean 'nnfw_components'?", HOOKS),
    _case("unmarked_hook", "the hook 'nnfw_components' is not marked; write @nnfw.hookimpl above it."),
    _case("foreign_hook", "unknown hook 'list_components'", HOOKS),
    _case(
        "wrong_signature", "nnfw_components(registry)", "Argument(s) {'registry'}", "can not be found in the hookspec"
    ),
    _case("wrapper_hook", "the hook 'nnfw_components' is a wrapper; write @nnfw.hookimpl without arguments."),
    _case("no_hook", "the module 'fake_no_hook' implements no hook. Hooks: ", HOOKS),
    _case("no_module", "the entry point must name a module", "got 'fake_no_module:nnfw_components'"),
    _case(
        "repeated_entry",
        "the entry point 'same' is already taken by fake-repeated-entry-first 1.0",
        folders=("repeated_entry_first", "repeated_entry_second"),
    ),
    _case("repeated_entry_in_one", "the entry point 'same' is already taken by fake-repeated-entry-in-one 1.0"),
    _case(
        "one_module_twice", "the module 'fake_one_module_twice' is already taken by", "(entry point 'one')", usable=True
    ),
    _case(
        "one_name_twice",
        "activation 'ripple' is already taken by fake-one-name-twice 1.0 (entry point 'one')",
        usable=True,
    ),
    _case("declared_twice", "activation 'ripple' is declared twice."),
    _case("bad_kind", "ComponentSpec 'ripple': unknown kind 'activaton'. Did you mean 'activation'?", "Kinds: layer,"),
    _case("bad_name", "ComponentSpec 'Ripple-2': name must be small letters, digits and underscores, got 'Ripple-2'."),
    _case("bad_target", "ComponentSpec 'ripple': target must be 'module:Class', got 'fake_bad_target.Ripple'."),
    _case("bad_summary", r"ComponentSpec 'ripple': summary must be one line of text, got 'a ripple\nand another'."),
    _case("no_spec", "the hook 'nnfw_components' must yield ComponentSpec objects, got ('activation', 'ripple'"),
    _case("returns_none", "the hook 'nnfw_components' must yield ComponentSpec objects, but it returned None."),
    _case("returns_one", "the hook 'nnfw_components' must yield ComponentSpec objects, but it returned ComponentSpec("),
    _case("fails_half_way", "OSError: the list of components cannot be read"),
    Case(
        "no_metadata",
        ("the metadata of its distribution gives no name; reinstall it",),
        "plugin",
        ("no_metadata",),
        "unnamed",
        ("activation", "unnamed:ripple"),
    ),
    Case(
        "clash",
        ("the name is also offered by fake-clash-first 1.0; write 'fake-clash-second:ripple'",),
        "component",
        ("clash_first", "clash_second"),
        "fake-clash-second",
        ("activation", "ripple"),
    ),
    _case(
        "built_in_name",
        "the name is built in and cannot be taken; write 'fake-built-in-name:relu'",
        where="component",
        usable=True,
    ),
    _case(
        "missing_module", "target 'fake_missing_module_ripple:Ripple' cannot be loaded", "No module", where="component"
    ),
    _case("missing_class", "is not defined in its module. Did you mean 'Ripple'?", where="component"),
    _case("no_dataclass", "is not a dataclass; write @dataclass(frozen=True) above it", where="component"),
    _case("not_frozen", "is a dataclass but not frozen; write @dataclass(frozen=True)", where="component"),
    _case("function_target", "is a function; a component is a frozen dataclass", where="component"),
    _case("lacking_methods", "lacks derivative, which the protocol of an activation requires", where="component"),
    _case("component_import_error", "RuntimeError: no GPU found", where="use"),
)
