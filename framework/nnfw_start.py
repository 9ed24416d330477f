"""Where the program ``nnfw`` starts: outside of the package, whose import takes so long that a Ctrl-C may come.

Python would answer with a traceback of imports. From here until there is a command that could be interrupted, and after
it, the program ends at once instead. A SIGINT that whoever started it has set to be ignored stays ignored.
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
    """Set who handles SIGINT, unless it is ignored or handled by somebody else."""
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
    except KeyboardInterrupt:  # in one of the few lines before or after the command
        return INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
