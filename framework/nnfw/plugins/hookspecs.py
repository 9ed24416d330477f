"""The hooks that a plugin may implement. All of them are optional; an unknown ``nnfw_*`` hook is an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from nnfw.plugins.specs import AcceleratorSpec, CommandSpec, ComponentSpec, OperationSpec, TableReaderSpec, hookspec

if TYPE_CHECKING:
    from pathlib import Path

    from nnfw.plain import PlainTable


@hookspec
def nnfw_components() -> Iterable[ComponentSpec]:
    """Yield the components of this plugin. Must import neither them nor NumPy."""
    return ()


@hookspec
def nnfw_commands() -> Iterable[CommandSpec]:
    """Yield subcommands for the ``nnfw`` command."""
    return ()


@hookspec
def nnfw_operations() -> Iterable[OperationSpec]:
    """Yield the operations of this plugin. Must import neither them nor NumPy."""
    return ()


@hookspec
def nnfw_accelerators() -> Iterable[AcceleratorSpec]:
    """Yield sets of faster kernels."""
    return ()


@hookspec
def nnfw_table_readers() -> Iterable[TableReaderSpec]:
    """Yield readers of tables, by the endings of files or the schemes of URLs."""
    return ()


@hookspec
def nnfw_run_started(directory: Path, experiment: PlainTable) -> None:
    """Observe that a run begins: its directory, and its experiment as plain tables."""


@hookspec
def nnfw_epoch_ended(directory: Path, record: Mapping[str, float]) -> None:
    """Observe the record of an epoch: epoch, cost, metrics."""


@hookspec
def nnfw_run_ended(directory: Path, record: PlainTable) -> None:
    """Observe that a run has ended: its status, final metrics and the model's path."""
