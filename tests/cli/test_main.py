"""The frame: exit statuses, messages, help, and the commands that plugins add."""

import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

from nnfw.cli.commands import BUILT_IN

XOR = """
data = { source = "xor", split = { validation = 0.0, test = 0.0 } }
model = { layers = [{ type = "dense", units = 1 }] }
cost = { type = "mse" }
optimizer = { type = "sgd" }
"""
WARNING = """
import warnings

def warn() -> None:
    warnings.warn("careful \\x1b[2J")
"""
HELLO = '"hello", "nnfw_hello_command:hello", "greet somebody"'
FAIL = '"fail", "nnfw_fail_command:fail", "fail in a given way"'
INTERNAL = "nnfw: internal error in plugin nnfw-fail 0.1:"
FAILING = """
import errno
import time
import typer
from nnfw.errors import ConfigError, DataError, DivergedError, Mistake

def fail(how: str) -> None:
    '''Fail.'''
    print("data")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "wrap":
        raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()
    if how == "exit":
        raise typer.Exit(7)
    if how == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    raise {
        "diverged": DivergedError("Epoch 2, step 7: the cost is nan.", 2, 7),
        "data": DataError("digits.csv:3: expected a number, got 'x'."),
        "mistakes": ConfigError(
            [Mistake(("model", "layers", 1), "must be a table."), Mistake(("seed",), "must be 0 or more.")], "a.toml"
        ),
        "abort": typer.Abort(),
        "usage": typer.BadParameter("too much"),
        "no-file": FileNotFoundError(errno.ENOENT, "No such file or directory", "a.csv"),
        "full": OSError(errno.ENOSPC, "No space left on device", "run/model.nnfw"),
        "memory": MemoryError("Unable to allocate 8 TiB"),
        "bug": ZeroDivisionError("division\\nby zero"),
    }[how]
"""


@pytest.fixture
def failing(make):
    """Install the command ``nnfw fail HOW``."""
    make("nnfw-fail", commands=f"CommandSpec({FAIL})", nnfw_fail_command=FAILING)


@pytest.fixture
def hello(make):
    """Install the command ``nnfw hello NAME``."""
    source = "def hello(name: str) -> None:\n    '''Greet NAME.'''\n    print(f'Hello {name}')\n"
    make("nnfw-hello", commands=f"CommandSpec({HELLO})", nnfw_hello_command=source)


# Errors


@pytest.mark.parametrize(
    ("how", "status", "message"),
    [
        ("diverged", 1, "error: Epoch 2, step 7: the cost is nan.\n"),
        ("data", 2, "error: digits.csv:3: expected a number, got 'x'.\n"),
        ("mistakes", 2, "error: a.toml: model.layers[1] must be a table.\nerror: a.toml: seed must be 0 or more.\n"),
        ("interrupt", 130, "interrupted\n"),
        ("abort", 130, "interrupted\n"),
        ("exit", 7, ""),
        ("usage", 2, "error: Invalid value: too much. Try 'nnfw fail --help'.\n"),
        ("no-file", 2, "error: a.csv: No such file or directory\n"),
        ("full", 1, "error: run/model.nnfw: No space left on device\n"),
        ("memory", 1, "error: out of memory: Unable to allocate 8 TiB\n"),
        (
            "bug",
            1,
            f"{INTERNAL} ZeroDivisionError: division by zero; run again with --debug\n",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_error_has_its_status_and_message(failing, nnfw, how, status, message):
    assert nnfw("fail", how) == (status, "data\n", message)


@pytest.mark.parametrize(
    "line", [("--debug", "fail", "data"), ("fail", "--debug", "data"), ("fail", "data", "--debug")], ids=" ".join
)
def test_debug_anywhere_on_the_line_shows_the_traceback(failing, nnfw, line):
    status, _, err = nnfw(*line)
    assert status == 2
    assert "Traceback (most recent call last)" in err
    assert err.endswith("error: digits.csv:3: expected a number, got 'x'.\n")


def test_debug_variable_shows_the_traceback(failing, nnfw, monkeypatch):
    monkeypatch.setenv("NNFW_DEBUG", "1")
    status, _, err = nnfw("fail", "bug")
    assert status == 1
    assert "Traceback (most recent call last)" in err
    assert err.endswith(f"{INTERNAL} ZeroDivisionError: division by zero\n")


def test_debug_after_two_hyphens_is_an_argument(hello, nnfw):
    assert nnfw("hello", "--", "--debug") == (0, "Hello --debug\n", "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("plgins",), "error: Unknown command 'plgins'. Did you mean 'plugins'? Commands: train, resume, evaluate, "),
        (("--verbos",), "error: No such option"),
        (("show",), "error: Missing argument 'NAME'. Try 'nnfw show --help'.\n"),
        (("plugins", "--jsn"), "error: No such option"),
        (("plugins", "layer"), "error: Got unexpected extra argument"),
    ],
    ids=["command", "option", "missing-argument", "option-of-command", "extra-argument"],
)
def test_wrong_usage_is_told_in_a_line_with_status_2(nnfw, line, message):
    status, out, err = nnfw(*line)
    assert (status, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_data_and_messages_of_the_real_program_go_apart(failing, program):
    assert program("fail", "data") == (2, "data\n", "error: digits.csv:3: expected a number, got 'x'.\n")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.usefixtures("interruptible")
def test_interrupt_ends_the_program_with_status_130(failing):
    command = [sys.executable, "-m", "nnfw.cli.main", "fail", "wait"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "data\n"
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "interrupted\n")


def test_second_interrupt_while_the_first_is_told_ends_with_status_130(failing, nnfw, monkeypatch):
    def interrupted(text):
        raise KeyboardInterrupt

    monkeypatch.setattr("nnfw.cli.console.message", interrupted)
    assert nnfw("fail", "interrupt").status == 130


def test_interrupt_that_python_wraps_into_another_error_ends_with_status_130(failing, nnfw):
    assert nnfw("fail", "wrap") == (130, "data\n", "interrupted\n")


def test_interrupt_that_leaves_modules_half_imported_ends_with_status_130(nnfw, monkeypatch):
    class Interrupted(ModuleType):
        def __getattr__(self, name):
            raise KeyboardInterrupt if name == "application" else AttributeError(name)

    monkeypatch.setitem(sys.modules, "nnfw.cli.commands", Interrupted("nnfw.cli.commands"))
    monkeypatch.setitem(sys.modules, "typer", ModuleType("typer"))
    assert nnfw("plugins") == (130, "", "")


def buffered():
    """Return an environment in which stdout is written once more at the end of the program, as it is by default."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("line", [["plugins"], ["plugins", "--json"], ["--help"]], ids=" ".join)
def test_reader_that_goes_away_ends_the_program_quietly(line):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "nnfw.cli.main", *line]
    with open(write, "wb") as nobody:  # noqa: PTH123 - a descriptor
        result = subprocess.run(command, env=buffered(), stdout=nobody, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is always full")  # noqa: PTH110
def test_full_disk_is_told():
    command = [sys.executable, "-m", "nnfw.cli.main", "plugins"]
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        result = subprocess.run(command, env=buffered(), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "error: No space left on device\n")


def test_terminal_without_greek_letters_gets_question_marks(program):
    status, out, err = program("plugins", "--kind", "optimizer", PYTHONIOENCODING="latin-1")
    assert (status, err) == (0, "")
    assert "? ? ? ? ? ?C, with momentum and Nesterov's variant" in out


# Help


def test_version_is_that_of_the_distribution(nnfw):
    assert nnfw("--version") == (0, f"nnfw {version('nnfw')}\n", "")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_lists_every_command_and_examples(nnfw, option):
    status, out, err = nnfw(option)
    assert (status, err) == (0, "")
    for spec in BUILT_IN:
        assert f"  {spec.name} " in out
        assert spec.summary in out
    assert "\nExamples:\n  nnfw train examples/digits.toml " in out


def test_no_command_shows_the_help_as_a_message(nnfw):
    status, out, err = nnfw()
    assert (status, out) == (2, "")
    assert err.startswith("Usage: nnfw [OPTIONS] ")


@pytest.mark.parametrize("name", [spec.name for spec in BUILT_IN])
def test_help_of_a_command_ends_with_an_example(nnfw, name):
    status, out, err = nnfw(name, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"Usage: nnfw {name} [OPTIONS]")
    assert f"\nExamples:\n  nnfw {name}" in out
    assert "$" not in out


IMPORTED = """
import sys
from nnfw.cli.main import main
try:
    main({line})
finally:
    heavy = {{"numpy", "scipy", "pydantic"}} & set(sys.modules)
    ours = {{name for name in sys.modules if name.startswith(("nnfw_standard.", "nnfw.network", "nnfw.experiments"))}}
    print(sorted(heavy | ours - {{"nnfw_standard.plugin"}}), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        (["--help"], {}),
        (["--version"], {}),
        (["plugins"], {}),
        (["plugins", "--kind", "layer", "--json"], {}),
        (["plugins", "--help"], {}),
        ([], {"_NNFW_COMPLETE": "complete_bash", "COMP_WORDS": "nnfw show de", "COMP_CWORD": "2"}),
        (
            [],
            {
                "_NNFW_COMPLETE": "complete_bash",
                "COMP_WORDS": "nnfw assemble --epochs 3 --data digits --layer de",
                "COMP_CWORD": "7",
            },
        ),
    ],
    ids=["help", "version", "plugins", "plugins-json", "plugins-help", "completion", "completion-of-an-option"],
)
def test_listing_imports_no_component_and_nothing_heavy(line, variables):
    command = [sys.executable, "-c", IMPORTED.format(line=line)]
    result = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert result.stdout != ""
    assert result.stderr == "[]\n"


# Commands of plugins


def test_command_of_a_plugin_is_listed_without_being_imported(hello, nnfw):
    status, out, _ = nnfw("--help")
    assert status == 0
    assert re.search(r"^  hello +greet somebody \(nnfw-hello 0\.1\)$", out, re.MULTILINE)
    assert "nnfw_hello_command" not in sys.modules


def test_command_of_a_plugin_has_help(hello, nnfw):
    status, out, err = nnfw("hello", "--help")
    assert (status, err) == (0, "")
    assert out.startswith("Usage: nnfw hello [OPTIONS]")
    assert "Greet NAME." in out


def test_command_of_a_plugin_runs(hello, program):
    assert program("hello", "World") == (0, "Hello World\n", "")


def test_command_with_a_built_in_name_is_refused_and_listed(make, nnfw):
    make("nnfw-greedy", commands='CommandSpec("doctor", "nnfw_nowhere:f", "cure all")')
    assert "cure all" not in nnfw("--help").out
    assert nnfw("doctor", "--help").out.startswith("Usage: nnfw doctor")
    status, out, _ = nnfw("plugins")
    assert status == 0
    assert "\nCommand 'doctor' (nnfw-greedy 0.1): the name is built in and cannot be taken; its author must " in out


def test_command_of_two_plugins_is_refused_to_both(hello, make, nnfw):
    make("nnfw-hallo", commands='CommandSpec("hello", "nnfw_nowhere:f", "greet")')
    assert "hello" not in nnfw("--help").out
    status, out, err = nnfw("hello", "World")
    assert (status, out) == (2, "")
    assert err == (
        "error: Command 'hello' (nnfw-hallo 0.1): the name is also used by nnfw-hello 0.1; choose one of them with "
        "NNFW_PLUGINS.\n"
        "error: Command 'hello' (nnfw-hello 0.1): the name is also used by nnfw-hallo 0.1; choose one of them with "
        "NNFW_PLUGINS.\n"
    )
    assert "Command 'hello' (nnfw-hello 0.1): the name is also used by nnfw-hallo 0.1" in nnfw("plugins").out


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nnfw_nowhere", "cannot be loaded: ModuleNotFoundError: No module named 'nnfw_nowhere'"),
        ("raise SystemExit('no licence')", "cannot be loaded: SystemExit: no licence"),
        ("hallo = 1", "cannot be loaded: AttributeError: module 'nnfw_hello_command' has no attribute 'hello'"),
        ("import typer\nhello = typer.Typer()", "is of type Typer; a command is a function."),
        ("def hello(name: 'Name'): ...", "is not a function that Typer accepts: NameError: name 'Name' is not defined"),
    ],
    ids=["import-error", "exit", "missing", "no-function", "signature"],
)
def test_command_that_cannot_be_loaded_is_told_with_status_2(make, nnfw, source, reason):
    make("nnfw-hello", commands=f"CommandSpec({HELLO})", nnfw_hello_command=source)
    status, out, err = nnfw("hello", "World")
    assert (status, out) == (2, "")
    assert err.startswith("error: Command 'hello' (nnfw-hello 0.1): target 'nnfw_hello_command:hello' " + reason)


def test_output_of_an_import_is_a_message(make, nnfw):
    source = "print('noise')\ndef hello(name: str) -> None:\n    print(f'Hello {name}')\n"
    make("nnfw-hello", commands=f"CommandSpec({HELLO})", nnfw_hello_command=source)
    assert nnfw("hello", "World") == (0, "Hello World\n", "noise\n")


def test_help_works_where_strict_mode_refuses_a_plugin(make, nnfw, monkeypatch):
    make("nnfw-broken", components="None")
    monkeypatch.setenv("NNFW_STRICT_PLUGINS", "1")
    assert nnfw("--help").status == 0
    status, out, err = nnfw("plugins")
    assert (status, out) == (2, "")
    assert err.startswith("error: Plugin nnfw-broken 0.1: ")


def test_closed_stdin_is_an_empty_one(tmp_path):
    result = subprocess.run(
        f"{sys.executable} -m nnfw train - <&-", shell=True, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "error: <stdin>: is empty" in result.stderr


@pytest.mark.parametrize(
    "line",
    ["report {}", "evaluate {}", "runs {}", "train {}", "train xor.toml --out {}", "predict {} xor", "resume {}"],
)
def test_name_that_is_too_long_for_a_file_is_wrong_usage_and_is_named(nnfw, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    Path("xor.toml").write_text(XOR)
    result = nnfw(*line.format("x" * 300).split())
    assert (result.status, result.out) == (2, "")
    assert "x" * 300 in result.err
    assert list(tmp_path.iterdir()) == [tmp_path / "xor.toml"]


@pytest.mark.skipif(os.name == "nt", reason="there, the current directory cannot be deleted")
@pytest.mark.parametrize("line", ["train {}/xor.toml", "train {}/xor.toml --out run", "train xor.toml", "report run"])
def test_current_directory_that_was_deleted_is_named(nnfw, tmp_path, monkeypatch, line):
    (tmp_path / "xor.toml").write_text(XOR)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = nnfw(*line.format(tmp_path).split())
    assert (result.status, result.out) == (2, "")
    assert result.err.endswith("error: The current directory no longer exists. Change to one that does: cd DIR\n")


def test_warning_is_printed_like_a_message(make, program):
    make("nnfw-warn", commands='CommandSpec("warn", "nnfw_warn_command:warn", "warn")', nnfw_warn_command=WARNING)
    assert program("warn").err == "warning: careful \\u001b[2J\n"
