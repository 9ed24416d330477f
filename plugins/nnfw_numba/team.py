"""A team of threads that share the work of programs: the thread that trains, and helpers that wait for it.

BLAS shares out each product by itself. All that lies between two products then runs on one core, and on numbers of
which other cores hold a part. Here large operations are cut in parts, products too, and each member takes the same part
of the same arrays time and again, so that these stay in the cache of its core.

The calling thread leads. It posts a stage, which is a program for each member, works on its own, takes over those that
nobody has begun, and waits for those under way. So it never waits for a helper that sleeps, or was lost in a fork; and
who works on a part makes no difference to the bits. A helper that finds nothing to do for about a millisecond sleeps
until it is woken.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import TypeVar

import numpy as np
from numba import carray, types  # type: ignore[attr-defined]

from nnfw.arrays import Array
from nnfw.machine import Limit, limit_of
from nnfw_numba.caching import compiled
from nnfw_numba.machine import call, exchange, load, pointer, store
from nnfw_numba.untyped import Untyped

Result = TypeVar("Result")

_LINE = 16
"""Whole numbers between two that threads share, two lines of a cache: what one writes is in no other one's way."""

TOGETHER = 16
"""Numbers, rows or columns that are not cut apart: a line of the cache, and what BLAS takes at a time."""

_TICKET, _STAGE, _LEADING, _END, _OF_MEMBERS = range(5)
_CLAIMED, _DONE, _OF_MEMBER = range(3)

_LOOKS, _PATIENCE = 4000, 6000
"""How often a thread looks at the board as fast as it can, and how often until it sleeps. In between it lets others run
first, in case that they wait for its core."""

_yield: Untyped = types.ExternalFunction("sched_yield", types.int32())


@compiled
def run(program: Array) -> None:
    """Carry out a program."""
    at = 0
    while at < program.size:
        call(program[at], (program.ctypes.data + 8 * (at + 2),))
        at += 2 + program[at + 1]


@compiled
def _at(board: Array, place: int) -> int:
    return board.ctypes.data + 8 * _LINE * place


@compiled
def _of(board: Array, member: int, place: int) -> int:
    return _at(board, _OF_MEMBERS + _OF_MEMBER * member + place)


@compiled
def _work(board: Array, stage: int, member: int) -> None:
    part = carray(pointer(stage + 16 * member, board), (2,))
    run(carray(pointer(part[0], board), (part[1],)))


@compiled
def _claim(board: Array, member: int, ticket: int) -> bool:
    """Return whether it is for the caller to work on a member's part."""
    place = _of(board, member, _CLAIMED)
    old = load(place)
    return old < ticket and exchange(place, old, ticket)  # type: ignore[no-any-return]


@compiled
def help_out(board: Array, member: int, patience: int) -> None:
    """Work on the parts of a member until there was nothing to do for a while."""
    seen, looks = load(_of(board, member, _CLAIMED)), 0
    while looks < patience and load(_at(board, _END)) == 0:
        ticket = load(_at(board, _TICKET))
        looks += 1
        if ticket != seen:
            seen, looks = ticket, 0
            if _claim(board, member, ticket):  # until it is done, the stage stays posted
                _work(board, load(_at(board, _STAGE)), member)
                store(_of(board, member, _DONE), ticket)
        elif looks > _LOOKS:
            _yield()


@compiled
def _share(board: Array, stage: int, members: int) -> None:
    ticket = load(_at(board, _TICKET)) + 1
    store(_at(board, _STAGE), stage)
    store(_at(board, _TICKET), ticket)
    _work(board, stage, 0)
    for member in range(1, members):
        if _claim(board, member, ticket):
            _work(board, stage, member)
            store(_of(board, member, _DONE), ticket)
    for member in range(1, members):
        looks = 0
        while load(_of(board, member, _DONE)) < ticket:
            looks += 1
            if looks > _LOOKS:
                _yield()


@compiled
def lead(stages: Array, board: Array, helped: bool) -> None:
    """Carry out stages; without the helpers where they are not wanted, and while another thread leads.

    Parameters
    ----------
    stages
        ``(count, members, 2)``: address and length of each program; a stage without a second one is not shared.
    board
        Where the team meets.
    helped
        Whether helpers are wanted.
    """
    members = stages.shape[1]
    leading = helped and exchange(_at(board, _LEADING), 0, 1)
    for k in range(stages.shape[0]):
        stage = stages.ctypes.data + 16 * members * k
        if leading and stages[k, 1, 1] > 0:
            _share(board, stage, members)
        else:
            for member in range(members):
                _work(board, stage, member)
    if leading:
        store(_at(board, _LEADING), 0)


class Team:
    """The helpers of this process, and what they need.

    Parameters
    ----------
    size
        Members, the caller included.
    limit
        Keeps BLAS on one thread while a thread leads.
    """

    def __init__(self, size: int, limit: Limit) -> None:
        self.size = size
        self._limit = limit
        self._board = np.zeros(_LINE * (_OF_MEMBERS + _OF_MEMBER * size), np.int64)
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self._end)

    def lead(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Call :func:`lead`, or a compiled function that does, with the arguments that come before the board.

        Where the user has BLAS on one thread, no helper works, either.
        """
        if self._asleep:
            self._wake()
        helped = self._limit.change(1) > 1
        try:
            return function(*arguments, self._board, helped)
        finally:
            self._limit.change(-1)

    def _begin(self) -> None:
        """Have no helpers, as in the child of a fork; they start when they are missed."""
        self._board[:] = 0
        self._asleep = True  # at least one of the helpers
        self._waking = Lock()  # several threads may lead
        self._calls = [Event() for _ in range(1, self.size)]
        self._threads = [
            Thread(target=self._help, args=(member, called), name=f"nnfw-{member}", daemon=True)
            for member, called in enumerate(self._calls, 1)
        ]

    def _wake(self) -> None:
        with self._waking:
            self._asleep = False
            for member, (thread, called) in enumerate(zip(self._threads, self._calls, strict=True), 1):
                if not thread.ident:
                    help_out(self._board, member, 0)  # compiled in this thread: the end of the program waits for it
                    thread.start()
                called.set()

    def _help(self, member: int, called: Event) -> None:
        while not self._board[_LINE * _END]:
            self._asleep = True
            called.wait()
            called.clear()
            help_out(self._board, member, _PATIENCE)

    def _end(self) -> None:
        """End the helpers, before the code that they run is taken away."""
        self._board[_LINE * _END] = 1
        for thread, called in zip(self._threads, self._calls, strict=True):
            if thread.is_alive():
                called.set()
                thread.join()


def _of_this_process() -> Team | None:
    limit = limit_of("scipy")
    shared = limit is not None and limit.threads > 1 and hasattr(os, "sched_yield")
    return Team(limit.threads, limit) if limit is not None and shared else None


_TEAM = _of_this_process()
"""Made while this is imported, so that there is one at most, whichever threads ask for it."""


def team() -> Team | None:
    """Return the team of this process, of as many as BLAS had threads when this was imported; None if that was one."""
    return _TEAM
