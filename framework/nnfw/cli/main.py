"""The entry point of ``nnfw``: runs a command and turns every outcome into a message and an exit status.

0 done; 1 the job ran and failed; 2 wrong usage, file or data; 130 and 143 interrupted, by SIGINT and SIGTERM;
141 the reader of the output is gone.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnfw.plugins import Plugin
    from nnfw.plugins.blame import Culprit

DONE, FAILED, WRONG, INTERRUPTED, UNREAD = 0, 1, 2, 130, 141
SIGNALLED = 128  # and the number of the signal

_WRONG_FILE = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
_WRONG_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
_NOWHERE = "The current directory no longer exists. Change to one that does: cd DIR"

DEBUG_OPTION = "--debug"
DEBUG_VARIABLE = "NNFW_DEBUG"
COMPLETE_VARIABLE = "_NNFW_COMPLETE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``nnfw`` with these arguments, by default those of the program, and return its exit status."""
    arguments, debug = _without_debug(list(sys.argv[1:] if arguments is None else arguments))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show σ shows ? instead of ending the job
    if sys.stdin is None:  # closed by the caller: read as empty
        sys.stdin = TextIOWrapper(BytesIO())
    group = None
    try:
        # Imported here so that a Ctrl-C during the import is handled like any other.
        from nnfw.cli.commands import application

        group = application()
        if os.environ.get(COMPLETE_VARIABLE):
            from nnfw.cli.completion import answer

            return answer(group, COMPLETE_VARIABLE)
        from nnfw.cli.console import reading_shown

        with _plain_warnings(debug), reading_shown(), group.make_context("nnfw", arguments, obj=debug) as context:
            group.invoke(context)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a missing reader is handled
    except BaseException as error:  # whatever a plugin raises is reported
        if group is None and isinstance(error, KeyboardInterrupt) and not error.args:
            return INTERRUPTED  # half-imported modules could not report it
        try:
            return _status_of(error, debug, group.plugin if group else None)
        except KeyboardInterrupt:  # a second Ctrl-C: leave without a message
            return INTERRUPTED
        except BaseException as again:  # the methods of the error itself fail
            return _status_of(again, debug, group.plugin if group else None)
    return DONE


@contextmanager
def _plain_warnings(debug: bool) -> Iterator[None]:
    """Print each warning once, as a message without the line of code that issued it; unchanged with `debug`."""
    usual = warnings.formatwarning
    if not debug:
        from nnfw.cli.console import fitted

        printed: set[str] = set()

        def once(message: object, *_: object, **__: object) -> str:
            text = f"{fitted(f'warning: {message}')}\n"
            known = text in printed
            printed.add(text)
            return "" if known else text

        warnings.formatwarning = once
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Remove ``--debug`` from before a ``--``; return also whether it or its variable was given."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [argument for argument in arguments[:end] if argument != DEBUG_OPTION]
    return kept + arguments[end:], len(kept) < end or os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def _status_of(error: BaseException, debug: bool, plugin: Plugin | None) -> int:
    """Print what is wrong and return its exit status; `plugin` is the one whose command was run."""
    if isinstance(error, BrokenPipeError):
        _stop_writing()
        return UNREAD

    import typer

    from nnfw.cli import console
    from nnfw.errors import DivergedError, NnfwError, TrainingInterrupted, in_words, one_line, text_of
    from nnfw.plugins.blame import Culprit

    usage_error = typer.BadParameter.__mro__[2]  # ClickException: of Click, or of the copy inside a newer Typer
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, usage_error):
        console.error(_usage_of(error))
        return WRONG
    culprit = Culprit(plugin) if plugin else _culprit(error)
    # Typer's own exit; a component that exits has failed, and so has an exit with a text
    if isinstance(error, SystemExit) and culprit is None and isinstance(error.code, int | None):
        return error.code or DONE
    if debug:
        console.message("".join(traceback.format_exception(error)).rstrip())
    place = f" in {culprit}" if culprit else ""
    if isinstance(error, TrainingInterrupted):
        console.message(str(error))
        return SIGNALLED + error.signal
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        text = one_line(text_of(error))
        console.message(f"interrupted{'' if plugin else place}{text and ': '}{text}")
        return INTERRUPTED
    if isinstance(error, NnfwError):
        console.error(f"{text_of(error) or in_words(error)}{_nowhere()}")
        return FAILED if isinstance(error, DivergedError) else WRONG
    # commands, also those of plugins, work with the user's files; components do not
    if isinstance(error, OSError) and error.strerror and (plugin or culprit is None):
        if error.filename is None and not _nowhere():
            _stop_writing()  # the error may come from stdout, on a full disk
        console.error((f"{error.filename}: {error.strerror}" if error.filename else error.strerror) + _nowhere())
        return WRONG if isinstance(error, _WRONG_FILE) or error.errno in _WRONG_NAME else FAILED
    if isinstance(error, MemoryError):
        text = text_of(error)
        console.error(f"out of memory: {text}" if text else "out of memory")
        return FAILED
    if _began_with_an_interrupt(error):
        console.message("interrupted")
        return INTERRUPTED
    advice = "" if debug else f"; run again with {DEBUG_OPTION}"
    console.message(f"nnfw: internal error{place}: {in_words(error)}{advice}")
    return FAILED


def _began_with_an_interrupt(error: BaseException | None) -> bool:
    """Return whether a Ctrl-C caused the error, as happens when it arrives while Python creates a class."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _nowhere() -> str:
    """Return an extra line if the current directory was deleted, since most paths then fail."""
    try:
        Path.cwd()
    except OSError:
        return f"\n{_NOWHERE}"
    return ""


def _culprit(error: BaseException) -> Culprit | None:
    """Return the plugin whose code raised the error, or None."""
    from nnfw.plugins import default_registry
    from nnfw.plugins.blame import culprit_of

    try:
        return culprit_of(error, default_registry())
    except BaseException:  # strict mode, or a second Ctrl-C: the registry could not be made
        return None


def _usage_of(error: Any) -> str:
    """Return the message of one of Click's errors, with a pointer to the help."""
    text = " ".join(error.format_message().split())
    text += "" if text.endswith((".", "?")) else "."
    context = getattr(error, "ctx", None)
    return f"{text} Try '{context.command_path} --help'." if context else text


def _stop_writing() -> None:
    """Discard the rest of stdout's buffer: writing it at the end of the program would fail again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):  # stdout is closed or not a file
        sys.stdout = None


if __name__ == "__main__":
    sys.exit(main())
