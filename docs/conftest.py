"""Which examples of a page pytest runs: those of whole files that a page shows are run where the files are."""

import pytest

_FENCE = "```"


def _own_lines(text):
    """Return the numbers of the lines in blocks of Python that begin with a prompt."""
    found, block, kind = set(), [], ""
    for number, line in enumerate(text.splitlines()):
        if line.startswith(_FENCE):
            if kind == "python" and block and block[0][1].startswith(">>>"):
                found |= {index for index, _ in block}
            kind, block = ("" if kind else line.removeprefix(_FENCE) or "text"), []
        elif kind:
            block.append((number, line))
    return found


def pytest_collection_modifyitems(items):
    """Leave out the examples in the files on the page for authors."""
    for item in items:
        if isinstance(item, pytest.DoctestItem) and item.path.name == "writing-a-plugin.md":
            own = _own_lines(item.path.read_text(encoding="utf-8"))
            item.dtest.examples = [example for example in item.dtest.examples if example.lineno in own]
