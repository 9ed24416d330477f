"""What commands print with: tables, JSON and messages."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnfw.cli import console

COLUMNS = ("name", "meaning")
ROWS = [("glorot_uniform", "uniform [low, high], variance 2/(fan_in + fan_out)"), ("l2", "rate/2 Σ w²\nof [bold]w[/]")]


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes stdout a terminal of a given width."""

    def of_width(width):
        monkeypatch.setattr(console, "is_terminal", lambda stream: True)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("NO_COLOR", "1")

    return of_width


def test_table_in_a_pipe_is_aligned_and_complete(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    console.print_table(COLUMNS, ROWS)
    assert capsys.readouterr().out == (
        "name            meaning\n"
        "glorot_uniform  uniform [low, high], variance 2/(fan_in + fan_out)\n"
        "l2              rate/2 Σ w² of [bold]w[/]\n"
    )


def test_table_without_rows_is_its_heading(capsys):
    console.print_table(COLUMNS, [])
    assert capsys.readouterr().out == "name  meaning\n"


def test_table_with_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="zip"):
        console.print_table(COLUMNS, [("one",)])


def test_table_on_a_terminal_wraps_prose_and_keeps_brackets(capsys, terminal):
    terminal(46)
    console.print_table(COLUMNS, ROWS)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "name            meaning",
        "glorot_uniform  uniform [low, high], variance",
        "                2/(fan_in + fan_out)",
        "l2              rate/2 Σ w² of [bold]w[/]",
    ]


def test_table_on_a_narrow_terminal_cuts_no_word(capsys, terminal):
    terminal(12)
    console.print_table(COLUMNS, ROWS)
    out = capsys.readouterr().out
    words = [word for row in ROWS for cell in row for word in cell.split()]
    assert [word for word in words if word not in out] == []


def test_table_on_a_terminal_without_rows_is_its_heading(capsys, terminal):
    terminal(80)
    console.print_table(COLUMNS, [])
    assert capsys.readouterr().out.split() == ["name", "meaning"]


def test_json_takes_arrays_and_writes_null_for_what_is_not_finite(capsys):
    value = {
        "a": np.array([[1, 2]]),
        "b": np.float32(0.5),
        "c": float("nan"),
        "d": (1, None, True),
        "e": "σ",
        5: [np.inf],
    }
    console.print_json(value)
    assert json.loads(capsys.readouterr().out) == {
        "a": [[1, 2]], "b": 0.5, "c": None, "d": [1, None, True], "e": "σ", "5": [None],
    }  # fmt: skip


def test_error_of_several_lines_is_one_error_each(capsys):
    console.error("a [b]\nc")
    assert capsys.readouterr() == ("", "error: a [b]\nerror: c\n")


def test_message_goes_to_stderr(capsys):
    console.message("done")
    assert capsys.readouterr() == ("", "done\n")


@pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")
@pytest.mark.parametrize(
    ("variables", "bold"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["terminal", "no-color", "dumb"],
)
def test_heading_is_bold_on_a_real_terminal_only(variables, bold):
    import pty

    main, other = pty.openpty()
    code = "from nnfw.cli import console; console.print_heading('Options'); console.error('bad')"
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | variables
    subprocess.run([sys.executable, "-c", code], env=environment, stdout=other, stderr=other, check=True)
    os.close(other)
    text = os.read(main, 10_000).decode()
    os.close(main)
    assert re.sub(r"\x1b\[[\d;]*m", "", text) == "Options\r\nerror: bad\r\n"
    assert ("\x1b[1mOptions\x1b[0m" in text) == bold


HOSTILE = "a\x1b]0;title\x07\r\x9b2J\u202eb"
ESCAPED = r"a\u001b]0;title\u0007\u000d\u009b2J\u202eb"


@pytest.mark.parametrize(
    "printed",
    [
        console.print_text,
        console.print_heading,
        console.message,
        console.error,
        lambda text: console.print_table((text,), [("cell",)]),
        lambda text: console.print_table(("heading",), [(text,)]),
        lambda text: console.print_json({text: text}),
    ],
    ids=["text", "heading", "message", "error", "headings", "cells", "json"],
)
@pytest.mark.parametrize("width", [None, 80], ids=["pipe", "terminal"])
def test_control_characters_are_printed_as_escapes(capsys, terminal, printed, width):
    if width:
        terminal(width)
    printed(HOSTILE)
    found = "".join(capsys.readouterr())
    assert ESCAPED.lower() in found.lower().replace(r"\r", r"\u000d")  # JSON has a short one for \r
    assert not set(HOSTILE) & set(found) - set(ESCAPED)


def test_json_with_escapes_is_json(capsys):
    console.print_json([HOSTILE, "tab\tand\nline"])
    assert json.loads(capsys.readouterr().out) == [HOSTILE, "tab\tand\nline"]


def test_tabs_lines_and_letters_of_all_scripts_stay(capsys):
    text = "tab\tline\n\u0645\u06cc\u200c\u062e σ 🙂"  # with the joiner that Persian needs
    console.print_text(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_csv_in_a_pipe_is_as_it_is(capsys):
    console.print_csv([["label"], ["a\x1b[2J"], ["a,b"]])
    assert capsys.readouterr().out == 'label\na\x1b[2J\n"a,b"\n'


def test_csv_on_a_terminal_is_escaped(capsys, terminal):
    terminal(80)
    console.print_csv([["label"], ["a\x1b[2J"], ["a,b"]])
    assert capsys.readouterr().out == 'label\na\\u001b[2J\n"a,b"\n'


def test_csv_goes_nowhere_where_stdout_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    console.print_csv([["label"], ["a"]])


PRINTING = re.compile(r"\b(typer\.echo|print|print_exception|sys\.std(out|err)\.write|csv\.writer)\(")
OTHERS_THAT_PRINT = {
    "check.py": 2,  # the progress, with the name of an installed component
    "commands.py": 2,  # version and help
    "completion.py": 1,  # for the shell, of names of installed components
}


def test_nothing_else_prints():
    folder = Path(console.__file__).parent
    lines = {path.name: len(PRINTING.findall(path.read_text(encoding="utf-8"))) for path in folder.glob("*.py")}
    del lines["console.py"]
    assert {name: count for name, count in lines.items() if count} == OTHERS_THAT_PRINT


# --- lines that fit a terminal -------------------------------------------------------------------------------------

RUNS = ("run", "status", "started", "epochs", "test cost")
LISTED = [
    ("digits-20260101-120000", "finished", "2026-01-01 12:00", "40", "0.05"),
    ("xor", "failed", "2026-01-01 12:00", "3", ""),
]
WANTED = ("run", "status", "test cost", "epochs", "started")
REMARKS = ("reason", "", "OSError: there is no space left on this device")


@pytest.mark.parametrize(
    ("width", "left_out", "lines"),
    [
        (
            80,
            [],
            [
                "run                     status    started           epochs  test cost",
                "digits-20260101-120000  finished  2026-01-01 12:00  40      0.05",
                "xor                     failed    2026-01-01 12:00  3       OSError: there is n…",
            ],
        ),
        (
            60,
            ["started"],
            [
                "run                     status    epochs  test cost",
                "digits-20260101-120000  finished  40      0.05",
                "xor                     failed    3       OSError: there is…",
            ],
        ),
        (
            20,
            ["started", "epochs", "test cost"],
            ["run                     status", "digits-20260101-120000  finished", "xor                     failed"],
        ),
    ],
    ids=["80", "60", "20"],
)
def test_chosen_columns_fit_and_every_row_is_one_line(capsys, terminal, width, left_out, lines):
    terminal(width)
    assert console.print_chosen(RUNS, LISTED, WANTED, REMARKS) == left_out
    assert capsys.readouterr().out.splitlines() == lines


def test_chosen_columns_of_wide_letters_are_aligned_by_their_width(capsys, terminal):
    terminal(40)
    console.print_chosen(("run", "status"), [("数字", "x"), ("ab", "")], ("run", "status"), ("", "", "数" * 40))
    assert capsys.readouterr().out.splitlines() == ["run   status", "数字  x", f"ab    {'数' * 16}…"]


def test_chosen_columns_are_all_columns_in_a_pipe(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    assert console.print_chosen(RUNS, LISTED, WANTED, REMARKS) == []
    header, _, last = capsys.readouterr().out.splitlines()
    assert header.endswith("test cost  reason")
    assert last.endswith("OSError: there is no space left on this device")


def test_mistake_on_a_terminal_is_broken_between_words(capsys, terminal):
    terminal(30)
    console.error("must be greater than 0, got -1.\nUnknown layer 'dens'.")
    assert capsys.readouterr().err.splitlines() == [
        *("error: must be greater than 0,", "got -1.", "error: Unknown layer 'dens'."),
    ]


@pytest.mark.parametrize(
    "command",
    ["nnfw resume runs/one-of-yours --trust", "nnfw resume 'runs/with a space in it'", "`nnfw assemble ... -o FILE`"],
)
def test_command_is_not_broken_so_that_it_can_be_copied(capsys, terminal, command):
    terminal(30)
    console.message(f"The training was interrupted. Continue with: {command}")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["The training was interrupted.", "Continue with:"]
    assert lines[2:] == [command]


def test_long_path_and_a_traceback_are_left_to_the_terminal(capsys, terminal):
    terminal(30)
    console.message(f"  File {'x' * 40}, line 3\n{'y' * 40} is there")
    assert capsys.readouterr().err.splitlines() == [f"  File {'x' * 40}, line 3", "y" * 40, "is there"]


def test_message_in_a_pipe_is_one_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    console.error("must be greater than 0, got -1. " * 10)
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("say", [console.message, console.error])
def test_message_of_a_megabyte_is_cut(capsys, say):
    say(f"{'x' * 1_000_000} is not there. Choose another.")
    err = capsys.readouterr().err
    assert len(err) < 600
    assert err.endswith("x is not there. Choose another.\n")


@pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")
def test_mistake_fits_the_terminal_of_stderr_though_stdout_is_a_pipe():
    import fcntl
    import pty
    import struct
    import termios

    own, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"NO_COLOR": "1"}
    code = "from nnfw.cli.console import error; error('word ' * 20)"
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)
    lines = os.read(own, 1 << 16).decode().split("\r\n")
    os.close(own)
    assert lines == [f"error:{' word' * 6}", *("word" + " word" * (count - 1) for count in (8, 6)), ""]


def test_reading_of_a_long_table_is_shown_after_some_seconds_and_removed_at_the_end():
    stream, now = io.StringIO(), [0.0]
    shown = console.ReadingShown(stream, lambda: now[0])
    for second, rows in ((0, 1000), (1.9, 2000), (2.0, 3000), (2.1, 4000), (2.3, 5000)):
        now[0] = second
        shown("a\x1bb.csv", rows)
    assert stream.getvalue() == "".join(
        f"{console.CLEAR}reading a\\u001bb.csv: {rows} rows" for rows in ("3,000", "5,000")
    )
    shown("a\x1bb.csv", None)
    assert stream.getvalue().endswith(f"5,000 rows{console.CLEAR}")
    shown("b.csv", 1)
    shown("b.csv", None)
    assert stream.getvalue().endswith(f"5,000 rows{console.CLEAR}")


@pytest.mark.parametrize(("is_terminal", "expected"), [(True, "reading t.csv: 2 rows"), (False, "")])
def test_reading_is_shown_on_a_terminal_alone(monkeypatch, tmp_path, nnfw, is_terminal, expected):
    monkeypatch.setattr(console, "_SHORT", 0.0)
    monkeypatch.setattr(console, "is_terminal", lambda stream: is_terminal)
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y\n")
    status, _, err = nnfw("inspect", str(tmp_path / "t.csv"))
    assert status == 0
    assert err.startswith(f"{console.CLEAR}{expected}{console.CLEAR}" if expected else "2 rows and 2 columns")
