"""Where the program ``nnfw`` starts: outside the package, since a Ctrl-C may arrive while that is imported.

Python would print a traceback of imports. Instead, before and after the command itself, the program ends at once. A
SIGINT that the caller set to be ignored stays ignored.
"""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

INTERRUPTED = 130


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what Python gives a handler
    os._exit(INTERRUPTED)


def _let_sigint(handler: Callable[[int, FrameType | None], object]) -> None:
    """Set the handler of SIGINT, unless it is ignored or has a handler from elsewhere."""
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _leave):
        signal.signal(signal.SIGINT, handler)


_let_sigint(_leave)


def main() -> int:
    """Run ``nnfw`` and return its exit status."""
    from nnfw.cli.main import main

    try:
        _let_sigint(signal.default_int_handler)
        status = main()
        _let_sigint(_leave)
    except KeyboardInterrupt:  # in one of the few lines around the command
        return INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
