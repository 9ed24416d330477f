"""Signals that ask a training to end, handled after the current step."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

_DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interruption:
    """Notes the first SIGINT, or SIGTERM if `terminated`, in its body; the next one acts as it would without this.

    `signal` is its number, 0 for none. Outside the main thread, and for signals that have another handler, nothing
    changes.

    Of several ranks, each hands `signal` to the others with the gradient, and :meth:`agree` takes what came of it: all
    end after the same step, and none waits for another.
    """

    def __init__(self, *, terminated: bool, ranks: int = 1) -> None:
        self.signal = 0
        self._agreed = ranks == 1
        self._noted = (signal.SIGINT, signal.SIGTERM) if terminated else (signal.SIGINT,)
        self._before: dict[signal.Signals, Any] = {}

    @property
    def due(self) -> bool:
        """Whether the training is to end now."""
        return bool(self.signal) and self._agreed

    def agree(self, signals: float) -> None:
        """Take the sum of the signals of all ranks, which is the same on each of them."""
        if signals:
            self.signal = self.signal or signal.SIGINT
            self._agreed = True

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in self._noted:
                if signal.getsignal(number) is _DEFAULTS[number]:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        self._give_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._give_back()

    def _give_back(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
