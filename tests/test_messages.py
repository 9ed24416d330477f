"""No message of an error is left that no test reads: each shares words with a text of some test."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("framework", "plugins") for path in (ROOT / folder).rglob("*.py"))
WORDS = 4
"""So many in a row are shared, or all where fewer stand between two values."""
ERRORS = re.compile(r"(Error|Mistake|Refused|CheckFailed|NotApplicable)$")


def texts(node):
    """Yield every text within a node, with a NUL for each value that is filled in."""
    for part in ast.walk(node):
        if isinstance(part, ast.JoinedStr):
            yield "".join(item.value if isinstance(item, ast.Constant) else "\0" for item in part.values)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def words(text):
    return re.findall(r"[a-z']+", text.lower())


def rows(row, length):
    """Return all that so many words in a row can be."""
    return {tuple(row[start : start + length]) for start in range(len(row) - length + 1)}


def messages(source):
    """Yield line and rows of words of each error that is raised or made."""
    for node in ast.walk(ast.parse(source)):
        call = node.exc if isinstance(node, ast.Raise) else node
        if isinstance(call, ast.Call) and (call is not node or ERRORS.search(ast.unparse(call.func))):
            found = [words(part) for text in texts(call) for part in text.split("\0")]
            yield node.lineno, [row for row in found if row]


def untested(raised, read):
    """Return the lines of messages that no text in `read` shares enough words with."""
    missing = set()
    for line, found in raised:
        length = min(WORDS, max(map(len, found), default=0))
        if length and not any(rows(row, length) & read[length] for row in found):
            missing.add(line)
    return sorted(missing)


def read_by(sources):
    """Return what the texts of tests say, as rows of words by their length; a regular expression says what it finds."""
    plain = [re.sub(r"\\(.)", r"\1", re.sub(r"\\[a-zA-Z]", " ", text)) for each in sources for text in texts(each)]
    return {length: set().union(*(rows(words(text), length) for text in plain)) for length in range(1, WORDS + 1)}


@pytest.fixture(scope="module")
def read():
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    return read_by(ast.parse(path.read_text(encoding="utf-8")) for path in tests)


@pytest.fixture(scope="module")
def raised():
    """Return the messages of each source, by its path."""
    return {str(path.relative_to(ROOT)): list(messages(path.read_text(encoding="utf-8"))) for path in SOURCES}


def test_every_message_of_an_error_is_read_by_a_test(raised, read):
    missing = [f"{path}:{line}" for path, found in raised.items() for line in untested(found, read)]
    assert not missing, "\n".join(missing)


def test_messages_are_found_at_all(raised):
    assert sum(map(len, raised.values())) > 500


TEST = r"""
def test(path):
    with pytest.raises(DataError, match=r"^x\.csv: there is no column 'a'\. Columns: "):
        read("x")
    assert message == f"{path}: is empty."
"""


@pytest.mark.parametrize(
    "source",
    [
        "raise DataError(f'{name}: there is no column {column!r}. Did you mean?')",
        "raise DataError(f'{name}: is empty.') from error",
        "error = DataError('there is no column at all')",
        "raise _missing('there is no column', name)",
        "raise KeyboardInterrupt",
        "raise DataError(text)",
    ],
)
def test_message_that_a_test_reads_is_found(source):
    assert untested(messages(source), read_by([ast.parse(TEST)])) == []


@pytest.mark.parametrize(
    "source",
    [
        "raise DataError(f'{name}: there is no row {column!r}. Add one.')",
        "raise DataError(f'{name}: is full.') from error",
        "return [Mistake((), f'There is a column {column}')]",
        "raise _missing('there was no column', name)",
    ],
)
def test_message_that_no_test_reads_is_found(source):
    assert untested(messages(source), read_by([ast.parse(TEST)])) == [1]
