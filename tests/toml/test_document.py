"""TOML files: where values come from, what is refused, overrides, and writing."""

import io
import math
import os
import re
import sys
import tomllib
from contextlib import suppress
from datetime import date, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnfw.errors import ConfigError, FileFormatError
from nnfw.toml import Document, apply_overrides, parse, read, write
from nnfw.toml.statements import split

DIGITS = """\
# an experiment
name = "digits"
seed = 7

[data]
source = "digits"
split = { validation = 0.15, stratify = true }
note = '''
[data.fake]
fake = 1 ''' # the end

[[model.layers]]
type = "dense"
units = 64

[[model.layers]]
type = "dense"
shape = [
    # height and width
    8,
    8,
]
activation.type = "elu"
activation.alpha = 0.5

[model.layers.weight]
"wei rd".'k' = "a # b"

[training]
epochs = 40
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(text):
    with pytest.raises(FileFormatError) as caught:
        parse(text, "digits.toml")
    return str(caught.value)


# Places


@pytest.mark.parametrize(
    ("path", "line"),
    [
        pytest.param(("seed",), 3, id="key"),
        pytest.param(("data",), 5, id="section"),
        pytest.param(("data", "split", "stratify"), 7, id="inside-inline-table"),
        pytest.param(("data", "note"), 8, id="multi-line-text"),
        pytest.param(("model", "layers"), 12, id="array-of-tables"),
        pytest.param(("model", "layers", 1), 16, id="second-entry"),
        pytest.param(("model", "layers", 1, "type"), 17, id="key-of-second-entry"),
        pytest.param(("model", "layers", 1, "shape", 1), 18, id="entry-of-multi-line-list"),
        pytest.param(("model", "layers", 1, "activation"), 23, id="table-made-by-a-dotted-key"),
        pytest.param(("model", "layers", 1, "activation", "alpha"), 24, id="dotted-key"),
        pytest.param(("model", "layers", 1, "weight"), 26, id="section-in-an-entry"),
        pytest.param(("model", "layers", 1, "weight", "wei rd", "k"), 27, id="quoted-keys"),
        pytest.param(("training", "batch_size"), 29, id="missing-key-in-section"),
        pytest.param(("model", "layers", 0, "activation", "type"), 12, id="missing-key-in-entry"),
        pytest.param(("model", "layers", 7), 12, id="missing-entry"),
        pytest.param(("data", "split", "test"), 7, id="missing-key-in-inline-table"),
        pytest.param(("data", "fake"), 5, id="only-within-text"),
        pytest.param(("optimizer",), 1, id="missing-section"),
        pytest.param((), 1, id="whole-document"),
    ],
)
def test_line_of_path_is_the_first_line_of_its_statement(path, line):
    assert parse(DIGITS, "digits.toml").line_of(path) == line


def test_document_table_equals_tomllib():
    assert parse(DIGITS, "digits.toml").table == tomllib.loads(DIGITS)


def test_line_of_windows_line_ends_counts_the_same():
    assert parse(DIGITS.replace("\n", "\r\n"), "digits.toml").line_of(("training", "epochs")) == 30


def test_place_of_names_file_and_line():
    assert parse(DIGITS, "runs/digits.toml").place_of(("seed",)) == "runs/digits.toml:3"


def test_place_of_document_without_text_is_its_name():
    assert Document({"seed": 1}, "the command line").place_of(("seed",)) == "the command line"


KEYS = st.sampled_from(["a", "b", "c d", "ü", '"', ""])
SCALARS = (
    st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(['"""', "'''", "[", "a\\", "\n#"])
    | st.dates()
    | st.times()
    | st.datetimes()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
TABLES = st.dictionaries(KEYS, VALUES | st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=3), min_size=1)


def paths_in(value, path=()):
    """Every path of a table, itself included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths_in(item, (*path, key))


def has(table, path):
    try:
        for key in path:
            table = table[key]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def assert_lines_as_by_prefixes(text):
    """Literal oracle: the shortest prefix that parses and has a path ends with the statement that introduced it."""
    document = parse(text, "t.toml")
    lines = text.split("\n")
    parsed = {}
    for end in range(len(lines) + 1):
        with suppress(tomllib.TOMLDecodeError):
            parsed[end] = tomllib.loads("\n".join(lines[:end]))
    for path in list(paths_in(document.table))[1:]:
        end = min(end for end, table in parsed.items() if has(table, path))
        end_of_the_statement_before = max(other for other in parsed if other < end)
        assert document.line_of(path) == end_of_the_statement_before + 1


@settings(max_examples=50, deadline=None)
@given(TABLES)
def test_line_of_every_path_agrees_with_parsing_prefixes(table):
    assert_lines_as_by_prefixes(write(table))


@pytest.mark.parametrize(
    "text",
    [
        "".join(line for line in DIGITS.splitlines(keepends=True) if line.strip() and not line.startswith("#")),
        'a = ["""x"""", 1]\nb = """"\n"x""\n"""""\nc = 1',
        "a = ['''x'''', 1]\nb = ''''\n'x''\n'''''\nc = 1",
        'a = "[\\"["\nb = \'["\'\nc = """\\"""["""\nd = """\\\n["""\n"[" = 1',
        "[[a]]\n[[a.b]]\n[[a.b]]\nx.y = 1\n[[a]]\n[[a.b]]\nx.z = 1\n[a.b.w]\nv = [[{ a = 1 }]]\n[a.c]",
    ],
    ids=["experiment", "quotes-at-the-end", "apostrophes-at-the-end", "brackets-in-text", "arrays-in-arrays"],
)
def test_line_of_every_path_in_hand_written_text_agrees_with_parsing_prefixes(text):
    assert_lines_as_by_prefixes(text)


def test_line_of_last_key_of_30000_lines_is_found():
    text = "".join(f"[[layers]]\nunits = {i}\nx = [\n1,\n]\n" for i in range(6000))
    assert parse(text, "t.toml").line_of(("layers", 5999, "units")) == 29997


# Reading


def test_read_file_names_it_as_given(folder):
    (folder / "digits.toml").write_text(DIGITS)
    document = read("digits.toml")
    assert document.table["seed"] == 7
    assert document.place_of(("training", "epochs")) == "digits.toml:30"


def test_read_dash_reads_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"seed = 7")))
    assert read("-").place_of(("seed",)) == "<stdin>:1"


def test_read_byte_order_mark_is_skipped(folder):
    (folder / "digits.toml").write_bytes(b"\xef\xbb\xbfseed = 7")
    assert read("digits.toml").table == {"seed": 7}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_read_pipe_is_read(folder):
    reading, writing = os.pipe()
    os.write(writing, b"seed = 7")
    os.close(writing)
    assert read(f"/dev/fd/{reading}").table == {"seed": 7}
    os.close(reading)


def test_read_missing_file_suggests_and_lists_those_beside_it(folder):
    for name in ("digits.toml", "xor.toml"):
        (folder / name).touch()
    beside = r"Did you mean 'digits\.toml'\? TOML files in \.: digits\.toml, xor\.toml\."
    with pytest.raises(FileFormatError, match=rf"^digit\.toml: there is no such file\. {beside}$"):
        read("digit.toml")


def test_read_missing_file_among_many_lists_the_first_ten(folder):
    for i in range(12):
        (folder / f"{i:02}.toml").touch()
    with pytest.raises(FileFormatError, match=r": 00\.toml, .*, 09\.toml and 2 more\.$"):
        read("exp")


def test_read_missing_file_in_folder_without_any_says_so(folder):
    with pytest.raises(FileFormatError, match=r"no such file\. The folder \. holds no TOML file\.$"):
        read("digits.toml")


def test_read_missing_folder_is_named(folder):
    with pytest.raises(FileFormatError, match=r"^runs/digits\.toml: there is no folder runs\. Check the path\.$"):
        read("runs/digits.toml")


def test_read_folder_is_refused(folder):
    (folder / "runs").mkdir()
    (folder / "runs" / "a.toml").touch()
    with pytest.raises(
        FileFormatError, match=r"^runs: is a folder\. Name a file in it\. TOML files in runs: a\.toml\.$"
    ):
        read("runs")


def test_read_path_that_cannot_be_is_refused():
    with pytest.raises(FileFormatError, match=r"^a\x00b: cannot be read: .*embedded null .* Check the path\.$"):
        read("a\0b")


@pytest.mark.parametrize("content", [b"", b"\n# nothing\n", b"\xef\xbb\xbf"], ids=["no-bytes", "comment", "mark"])
def test_read_empty_file_is_refused(folder, content):
    (folder / "digits.toml").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"^digits\.toml: is empty\. `nnfw assemble \.\.\. -o FILE` writes"):
        read("digits.toml")


def test_read_large_file_is_refused_by_its_size(folder):
    with (folder / "digits.toml").open("wb") as file:
        file.truncate(1 << 40)  # a sparse terabyte: reading it would not end
    with pytest.raises(
        FileFormatError, match=r"^digits\.toml: has more than 1,048,576 bytes \(1 MiB\), the most that is"
    ):
        read("digits.toml")


@pytest.mark.parametrize("more", [0, 1], ids=["largest", "one-more"])
def test_read_file_of_1_mib_is_accepted_and_one_byte_more_refused(folder, more):
    content = b"a = 1 #"
    (folder / "digits.toml").write_bytes(content + b" " * ((1 << 20) + more - len(content)))
    if more:
        with pytest.raises(FileFormatError, match="has more than 1,048,576 bytes"):
            read("digits.toml")
    else:
        assert read("digits.toml").table == {"a": 1}


def test_read_large_standard_input_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"#" * ((1 << 20) + 1))))
    with pytest.raises(FileFormatError, match=r"^<stdin>: has more than 1,048,576 bytes"):
        read("-")


def test_read_file_of_the_largest_size_is_accepted(folder):
    (folder / "digits.toml").write_bytes(b"seed = 7\n".ljust(1 << 20, b"#"))
    assert read("digits.toml").table == {"seed": 7}


def test_read_other_encoding_is_refused_with_line(folder):
    (folder / "digits.toml").write_bytes('seed = 7\nname = "Übung"\n'.encode("latin-1"))
    expected = r"^digits\.toml:2: is not UTF-8: byte 0xdc at byte 9 of the line\. Save the file as UTF-8\.$"
    with pytest.raises(FileFormatError, match=expected):
        read("digits.toml")


# What is not TOML


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "a = 1\nactivation = relu",
            'digits.toml:2: invalid value, at column 14. Text stands in quotes: key = "text".',
            id="text-without-quotes",
        ),
        pytest.param("a = 1\n\nb", "digits.toml:3: expected '=' after a key in a key/value pair", id="key-alone"),
        pytest.param(
            "= 1",
            "digits.toml:1: invalid statement, at column 1. A line is `key = value`, `[section]`, `[[section]]` or ",
            id="value-alone",
        ),
        pytest.param("a = 1 2", "digits.toml:1: expected newline or end of document", id="two-values"),
        pytest.param("a = 2020-13-01", "digits.toml:1: expected newline or end of document", id="no-such-month"),
        pytest.param("a = 2020-02-30", "digits.toml:1: invalid date or datetime", id="no-such-day"),
        pytest.param(
            "a = 1\nb = [\n1\n\nc = 2\n",
            "digits.toml:5: unclosed array, at column 1, in the statement that begins in line 2.",
            id="unclosed-list",
        ),
        pytest.param("b = '''\n\n\n", "digits.toml:1: expected \"'''\", but the file ends.", id="text-that-never-ends"),
        pytest.param("# \x01", "digits.toml:1: found invalid character '\\x01', at column 3.", id="control-character"),
        pytest.param(
            "a = 1\nb = 'x\0'",
            "digits.toml:2: is not text: NUL byte at column 7. Name a TOML file in UTF-8.",
            id="nul-byte",
        ),
        pytest.param(
            "a = 1\r\nb = 2\r\r\nc = 3",
            "digits.toml:2: ends in two carriage returns. Save it with ordinary ends of lines.",
            id="carriage-returns",
        ),
        pytest.param("a = { b = 1, b = 2 }", "digits.toml:1: duplicate inline table key 'b'", id="inline-duplicate"),
        pytest.param("[a]\n[a", "digits.toml:2: cannot declare ('a',) twice, but the file ends.", id="two-mistakes"),
    ],
)
def test_parse_syntax_error_names_line_and_reason(text, message):
    assert refusal(text).startswith(message)


@pytest.mark.parametrize(
    ("text", "key", "line", "first"),
    [
        pytest.param("[training]\na = 1\n\na = 2\n", "training.a", 4, 2, id="key"),
        pytest.param("[a]\nx = 1\n\n[b]\n[a]\n", "a", 5, 1, id="section"),
        pytest.param("a = 1\n[a]\n", "a", 2, 1, id="section-over-value"),
        pytest.param("a = { b = 1 }\na.c = 2\n", "a", 2, 1, id="extended-inline-table"),
        pytest.param("a = [\n1\n]\nb = 2\na = [\n]\n", "a", 5, 1, id="multi-line-values"),
        pytest.param("[[a]]\nb = 1\n[[a]]\nb = 2\nb = 3", "a[1].b", 5, 4, id="key-of-second-entry"),
        pytest.param("a.b = 1\na.b.c = 2\n", "a.b", 2, 1, id="table-over-value"),
    ],
)
def test_parse_duplicate_key_names_both_lines(text, key, line, first):
    assert refusal(text) == f"digits.toml:{line}: {key} is given twice, first in line {first}. Keep one of the two."


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("[" * 10_000 + "]" * 10_000, id="lists"),
        pytest.param("{a=" * 10_000 + "1" + "}" * 10_000, id="tables"),
        pytest.param("[" * 10_000, id="unclosed-lists"),
        pytest.param("{" + ".".join(["a"] * 100_000) + "=1}", id="dotted-key"),
        pytest.param("{ " + "'a' . " * 64 + "b = 1 }", id="quoted-dotted-key"),
        pytest.param("{a.b.c.d.e=" * 14 + "1" + "}" * 14, id="dotted-keys-in-tables"),
    ],
)
def test_parse_deep_nesting_is_refused_with_line(value):
    assert refusal(f"a = 1\nb = {value}\n") == (
        "digits.toml:2: keys, lists or tables are nested more than 64 deep. Nest less."
    )


def test_parse_out_of_stack_is_refused(monkeypatch):
    def exhausted(text):
        raise RecursionError

    monkeypatch.setattr(tomllib, "loads", exhausted)
    assert refusal("a = 1") == "digits.toml: keys, lists or tables are nested more than 64 deep. Nest less."


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a = '[[[[" + "[" * 100 + "'\nb = 1 # " + "{" * 100, id="brackets-in-text-and-comment"),
        pytest.param('a = """' + "a." * 100 + '"""\nb = \'' + "a." * 100 + "'", id="dots-in-text"),
        pytest.param(f"a = [{', '.join(['1.5'] * 100)}]", id="many-numbers"),
        pytest.param('"' + "a." * 100 + '" = 1', id="dots-in-a-key"),
    ],
)
def test_parse_text_that_only_looks_deep_is_accepted(text):
    assert parse(text, "digits.toml").table == tomllib.loads(text)


NESTED = {
    "key": lambda n: f"{'.'.join('a' * n)} = 1",
    "key-with-dots-in-quotes": lambda n: ".".join(["'a.a'"] * n) + " = 1",
    "key-with-one-dot-in-quotes": lambda n: f"{' . '.join('a' * (n - 1))} . 'b.b' = 1",
    "header-and-key": lambda n: f"[{'.'.join('a' * (n - 1))}]\nb = 1",
    "header-and-dotted-key": lambda n: f"[{'.'.join('a' * 30)}]\n{'.'.join('b' * (n - 30))} = 1",
    "array-of-tables": lambda n: f"[[{'.'.join('a' * (n - 2))}]]\nb = 1",
    "lists": lambda n: f"a = {'[' * (n - 1)}{']' * (n - 1)}",
    "tables": lambda n: f"a = {'{a=' * (n - 1)}1{'}' * (n - 1)}",
}


@pytest.mark.parametrize("text", NESTED.values(), ids=NESTED)
def test_parse_64_levels_are_accepted_and_65_refused(text):
    assert parse(text(64), "digits.toml").table == tomllib.loads(text(64))
    assert re.fullmatch(r"digits\.toml:[12]: keys, lists or tables are nested more than 64 .*", refusal(text(65)))


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        pytest.param(NESTED["key"](64), NESTED["key"](65), id="key"),
        pytest.param(NESTED["key-with-one-dot-in-quotes"](64), NESTED["key"](65), id="key-with-a-dot-in-quotes"),
        pytest.param(NESTED["lists"](65), NESTED["lists"](66), id="lists"),
        pytest.param("a = " + "[" * 64 + "]" * 64 + "]]]\nb = " + "[" * 64, "a = ]]\nb = " + "[" * 65, id="unbalanced"),
    ],
)
def test_split_refuses_what_tomllib_would_be_slow_for(good, bad):
    split(good, "digits.toml")
    with pytest.raises(
        FileFormatError, match=r"^digits\.toml:[12]: keys, lists or tables are nested more than 64 deep"
    ):
        split(bad, "digits.toml")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("9223372036854775808", id="just-too-large"),
        pytest.param("-9223372036854775809", id="just-too-small"),
        pytest.param("0x" + "f" * 5000, id="5000-hexadecimal-digits"),
        pytest.param("1" * 5000, id="5000-digits"),
        pytest.param("[1, { c = " + "1" * 5000 + " }]", id="inside"),
    ],
)
def test_parse_integer_beyond_64_bits_is_refused_with_line(value):
    assert refusal(f"a = 9223372036854775807\nb = {value}\n") == (
        "digits.toml:2: a whole number outside the range of TOML, -2^63 to 2^63 - 1. Write a smaller one."
    )


@pytest.mark.parametrize("value", [(1 << 63) - 1, -(1 << 63)], ids=["largest", "smallest"])
def test_parse_integer_at_the_limit_is_accepted(value):
    assert parse(f"a = [{{ b = {value} }}]", "digits.toml").table == {"a": [{"b": value}]}
    assert digits(f"seed={value}").table["seed"] == value


@given(st.binary(max_size=200))
def test_read_any_bytes_raises_nothing_else(content):
    try:
        text = content.decode("utf-8")
        document = parse(text, "t.toml")
    except (UnicodeDecodeError, FileFormatError):
        return
    assert document.table == tomllib.loads(text.removeprefix("\ufeff"))


MUTATION = st.tuples(
    st.integers(0, len(DIGITS)),
    st.integers(0, 12),
    st.sampled_from(["", *"\"'[]{}=.,#\n \\1a", '"""', "'''", "[[", "a.b=1\n", "[data]\n"]) | st.text(max_size=3),
)


@settings(deadline=None)
@given(st.lists(MUTATION, min_size=1, max_size=3))
def test_parse_damaged_experiment_raises_nothing_else(mutations):
    text = DIGITS
    for start, length, new in mutations:
        text = text[:start] + new + text[start + length :]
    try:
        document = parse(text, "digits.toml")
    except FileFormatError:
        return
    lines = {document.line_of(path) for path in paths_in(document.table)}
    assert lines <= set(range(1, text.count("\n") + 2))


def test_read_any_bytes_in_a_file_raises_nothing_else(folder, rng):
    path = folder / "t.toml"
    for size in (1, 10, 1000, 100_000):
        path.write_bytes(rng.bytes(size))
        with pytest.raises(FileFormatError, match=r"^t\.toml:"):
            read("t.toml")


# Overrides


def digits(*arguments):
    return apply_overrides(parse(DIGITS, "digits.toml"), arguments)


@pytest.mark.parametrize(
    ("argument", "path", "value"),
    [
        pytest.param("training.epochs=5", ("training", "epochs"), 5, id="number"),
        pytest.param("name=my run", ("name",), "my run", id="bare-words"),
        pytest.param('name="5"', ("name",), "5", id="quoted"),
        pytest.param("name=a=b", ("name",), "a=b", id="second-equals-sign"),
        pytest.param("name=", ("name",), "", id="nothing"),
        pytest.param("name=5\nseed=3", ("name",), "5\nseed=3", id="second-statement-is-text"),
        pytest.param(" seed = 8 ", ("seed",), 8, id="spaces"),
        pytest.param("training.metrics=['accuracy']", ("training", "metrics"), ["accuracy"], id="list"),
        pytest.param("cost={type='huber'}", ("cost",), {"type": "huber"}, id="table"),
        pytest.param("optimizer.schedule.type=step", ("optimizer", "schedule", "type"), "step", id="new-tables"),
        pytest.param("model.layers[1].units=32", ("model", "layers", 1, "units"), 32, id="position"),
        pytest.param("model.layers.1.units=32", ("model", "layers", 1, "units"), 32, id="dotted-position"),
        pytest.param("model.layers[1].shape[0]=9", ("model", "layers", 1, "shape", 0), 9, id="entry-of-list"),
        pytest.param("model.layers[0]={type='flatten'}", ("model", "layers", 0), {"type": "flatten"}, id="whole-entry"),
        pytest.param('data."sepal length.cm"=1', ("data", "sepal length.cm"), 1, id="quoted-key"),
        pytest.param("data.7=1", ("data", "7"), 1, id="digits-as-key"),
        pytest.param("a.b=1e-3", ("a", "b"), 1e-3, id="float"),
        pytest.param("a=2020-11-01", ("a",), date(2020, 11, 1), id="date"),
    ],
)
def test_override_sets_value_at_path(argument, path, value):
    changed = digits(argument)
    found = changed.table
    for key in path:
        found = found[key]
    assert found == value
    assert type(found) is type(value)
    assert changed.place_of(path) == f"--set {argument}"


def test_override_leaves_the_document_and_other_places():
    document = parse(DIGITS, "digits.toml")
    changed = apply_overrides(document, ["model.layers[1].units=32"])
    assert document.table == tomllib.loads(DIGITS)
    assert changed.place_of(("model", "layers", 1, "type")) == "digits.toml:17"
    assert changed.place_of(("model", "layers", 1, "rate")) == "digits.toml:16"


def test_override_place_covers_what_lies_below_it():
    assert digits("cost={type='huber'}").place_of(("cost", "threshold")) == "--set cost={type='huber'}"


def test_override_place_of_section_that_only_it_makes_is_the_override():
    assert digits("optimizer.type=adam").place_of(("optimizer", "learning_rate")) == "--set optimizer.type=adam"


def test_override_twice_the_last_one_holds():
    changed = digits("seed=1", "seed=2")
    assert changed.table["seed"] == 2
    assert changed.place_of(("seed",)) == "--set seed=2"


def test_override_below_an_override_takes_the_place_of_what_it_makes():
    changed = digits("cost={type='huber'}", "cost.a.b=2")
    assert changed.place_of(("cost", "a", "c")) == "--set cost.a.b=2"


def test_override_of_an_override_is_placed_exactly():
    changed = apply_overrides(digits("cost={type='huber'}"), ["cost.threshold=2"])
    assert changed.table["cost"] == {"type": "huber", "threshold": 2}
    assert changed.place_of(("cost", "threshold")) == "--set cost.threshold=2"
    assert changed.place_of(("cost", "type")) == "--set cost={type='huber'}"


def test_override_of_64_levels_is_accepted():
    node = digits("a" + ".a" * 63 + "=5").table
    for _ in range(63):
        node = node["a"]
    assert node == {"a": 5}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        pytest.param("seed", "--set seed: has no '='. Write path=value, as in training.epochs=5.", id="no-equals-sign"),
        pytest.param("=5", "--set =5: '' is not a path. Write keys with dots and positions, as in", id="no-path"),
        pytest.param("a..b=5", "--set a..b=5: 'a..b' is not a path.", id="empty-key"),
        pytest.param("a b=5", "--set a b=5: 'a b' is not a path.", id="space-in-key"),
        pytest.param("[0]=5", "--set [0]=5: '[0]' is not a path.", id="position-first"),
        pytest.param("a" + ".a" * 64 + "=5", "--set a.a.", id="deep-path"),
        pytest.param(
            "model.layers[2].units=3",
            "--set model.layers[2].units=3: model.layers has 2 entries, none at 2. Write a position from [0] to [1].",
            id="position-beyond",
        ),
        pytest.param(
            "model.layers.first.units=3",
            "--set model.layers.first.units=3: model.layers has 2 entries, none at 'first'.",
            id="key-of-a-list",
        ),
        pytest.param("model.layers.-1.units=3", "--set model.layers.-1.units=3: model.layers has 2", id="negative"),
        pytest.param(
            "data.split[0]=3",
            "--set data.split[0]=3: data.split is a table, which has no position [0]. Write data.split.key.",
            id="position-in-a-table",
        ),
        pytest.param(
            "model.blocks[0].units=3",
            "--set model.blocks[0].units=3: there is no list model.blocks. Set a whole list, or a position in one",
            id="position-in-nothing",
        ),
        pytest.param(
            "seed.a=3", "--set seed.a=3: seed is 7, which has no 'a'; expected a table.", id="key-of-a-number"
        ),
        pytest.param(
            "data.source.path=x",
            "--set data.source.path=x: data.source is 'digits', which has no 'path'; expected a table. "
            'Set all of it: data.source={ type = "digits", ... }.',
            id="key-of-a-component-by-name",
        ),
        pytest.param("a=[1, 2", "--set a=[1, 2: the value is not TOML: Unclosed array", id="unclosed-list"),
        pytest.param("a=" + "1" * 5000, "--set a=1111", id="5000-digits"),
        pytest.param("a=9223372036854775808", "--set a=9223372036854775808: a whole number outside", id="large"),
        pytest.param("a=" + "[" * 10_000 + "]" * 10_000, "--set a=[[[", id="10000-lists"),
        pytest.param("a=" + "[" * 70 + "]" * 70, "--set a=[[[", id="70-lists"),
        pytest.param(
            "name=\udcff", "--set name=\\udcff: is not UTF-8 text. Check the terminal's encoding.", id="bytes"
        ),
    ],
)
def test_override_that_cannot_be_is_refused(argument, message):
    with pytest.raises(ConfigError) as caught:
        digits(argument)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 300


def test_override_in_empty_list_is_refused():
    with pytest.raises(ConfigError, match=r"model\.layers has 0 entries, none at 0\. Set the whole list\.$"):
        digits("model.layers=[]", "model.layers[0].units=3")


def test_overrides_with_several_mistakes_report_all():
    with pytest.raises(ConfigError, match=r"(?s)^--set seed: has no '='.*\n--set model\.layers\[9\]\.units=1: "):
        digits("seed", "training.epochs=3", "model.layers[9].units=1")


@given(
    st.text(max_size=20) | st.from_regex(r"[a-c]([.][a-c0-2]|\[[0-3]\]){0,4}=(.{0,5}|\[1\]|\{a=1\})", fullmatch=True)
)
def test_override_any_text_raises_nothing_else(argument):
    document = parse("a = [1, { b = 2 }]\nb.c = 'x'", "t.toml")
    try:
        changed = apply_overrides(document, [argument])
    except ConfigError:
        return
    assert parse(write(changed.table), "t.toml").table.keys() == changed.table.keys()


# Writing


def test_write_experiment_reads_like_one_written_by_hand():
    table = {
        "name": "digits",
        "dtype": "float32",
        "data": {"source": "digits", "split": {"validation": 0.15, "stratify": True}},
        "model": {
            "input_shape": [8, 8],
            "layers": [
                {"type": "dense", "units": 64, "activation": {"type": "elu", "alpha": 1.0}, "name": None},
                {"type": "flatten"},
            ],
        },
        "training": {"epochs": 40, "clip": None, "metrics": ("accuracy",), "callbacks": [{"type": "csv_log"}]},
    }
    assert (
        write(table)
        == """\
name = "digits"
dtype = "float32"

[data]
source = "digits"
split = { validation = 0.15, stratify = true }

[model]
input_shape = [8, 8]

[[model.layers]]
type = "dense"
units = 64
activation = { type = "elu", alpha = 1.0 }

[[model.layers]]
type = "flatten"

[training]
epochs = 40
metrics = ["accuracy"]

[[training.callbacks]]
type = "csv_log"
"""
    )


def test_write_wide_values_get_lines_of_their_own():
    table = {"a": {"list": ["x" * 40] * 3, "table": {"x": "y" * 50, "z": "y" * 50}}}
    assert max(map(len, write(table).splitlines())) < 100
    assert tomllib.loads(write(table)) == table


@pytest.mark.parametrize("value", [0.1 + 0.2, 1e-3, 1e22, 5e-324, -0.0, 1e16], ids=repr)
def test_write_float_comes_back_bit_for_bit(value):
    back = tomllib.loads(write({"a": value}))["a"]
    assert (back, math.copysign(1, back)) == (value, math.copysign(1, value))


def test_write_values_without_a_twin_in_toml_keep_their_type():
    table = {"a": datetime(2020, 11, 1, 12, 30), "b": date(2020, 11, 1), "c": time(12, 30), "d": math.inf}
    assert tomllib.loads(write(table)) == table


@given(TABLES)
def test_write_any_table_comes_back(table):
    assert tomllib.loads(write(table)) == table
