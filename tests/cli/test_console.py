"""What commands print with: tables, JSON and messages."""

import json
import os
import re
import subprocess
import sys

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
