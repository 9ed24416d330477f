"""Progress of reading a long table: whom to tell how many rows are read."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

Watcher = Callable[[str, int | None], None]
"""Called with the name of a table and the number of rows that are read, again and again; with None at the end."""

WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)
"""The watcher of the tables that are read; the command line sets it, None is nobody."""
