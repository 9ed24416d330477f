"""Results as JSON lines: one for each split, written as soon as it is there, so that a run can be continued."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Key = tuple[str, str, int]
"""Table, contender and split."""


class Results(Mapping[Key, dict[str, Any]]):
    """What a file holds; lines are flat, and the last one counts where a split was measured several times."""

    def __init__(self, path: Path) -> None:
        self.path, self._lines = path, dict[Key, dict[str, Any]]()
        text = path.read_text("utf-8") if path.exists() else ""
        self._before = "" if text.endswith("\n") else "\n" * bool(text)
        for line in text.splitlines():
            if line.endswith("}"):  # the last one may have been cut off
                self._keep(json.loads(line))

    def __getitem__(self, key: Key) -> dict[str, Any]:
        return self._lines[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def _keep(self, line: dict[str, Any]) -> None:
        self._lines[line["table"], line["contender"], line["split"]] = line

    def add(self, line: dict[str, Any]) -> None:
        """Write a line, and keep it."""
        self._keep(line)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{self._before}{json.dumps(line)}\n")
        self._before = ""

    def lacks(self, key: Key) -> bool:
        """Whether a split has no figures, because it was not measured or failed."""
        return key not in self or "failed" in self[key]
