"""The types of plain values: what a TOML or JSON file can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import TypeAlias

Plain: TypeAlias = "bool | int | float | str | date | time | Sequence[Plain] | Mapping[str, Plain] | None"
"""A value of such a file; a datetime is a date too."""

PlainTable: TypeAlias = Mapping[str, Plain]
"""A table of plain values, as read from a file or ready to be written."""
