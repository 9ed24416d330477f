"""Signals that ask a training to end: they wait for the step that is under way."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interruption:
    """Notes the first SIGINT or SIGTERM during its body. The second acts as it would have without it.

    In other threads than the main one, and where somebody else handles a signal, nothing changes.

    Parameters
    ----------
    terminated
        Whether SIGTERM is noted too.

    Attributes
    ----------
    signal
        The number of the signal that came; 0 for none.
    """

    def __init__(self, *, terminated: bool) -> None:
        self.signal = 0
        self._noted = (signal.SIGINT, signal.SIGTERM) if terminated else (signal.SIGINT,)
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        """Begin to note."""
        if threading.current_thread() is threading.main_thread():
            for number in self._noted:
                if signal.getsignal(number) is _DEFAULTS[number]:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let signals act again."""
        self._give_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._give_back()

    def _give_back(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
