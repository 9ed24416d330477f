"""A team of threads that shares the work of programs: the training thread, and helpers.

BLAS would share out only products. Everything between two products would run on one core, and read data that lies in
other cores' caches. Here all large operations are cut into parts, and each member works on the same part of the same
arrays at every step, so its data stays in its core's cache.

The calling thread leads. It posts a stage (a program for each member), runs its own program, takes over programs that
nobody has claimed, and waits for the rest. So it never waits for a helper that sleeps or was lost in a fork, and the
bits do not depend on who runs a part. A helper without work sleeps after about a millisecond until it is woken.
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
"""Spacing of shared numbers, in numbers: two cache lines, which prevents false sharing."""

TOGETHER = 16
"""Numbers, rows or columns that stay together: a cache line, and a block of BLAS."""

_TICKET, _STAGE, _LEADING, _END, _OF_MEMBERS = range(5)
_CLAIMED, _DONE, _OF_MEMBER = range(3)

_LOOKS, _PATIENCE = 4000, 6000
"""How often a thread looks at the board before it yields its core between looks, and before it sleeps."""

_yield: Untyped = types.ExternalFunction("sched_yield", types.int32())


@compiled
def run(program: Array) -> None:
    """Run a program."""
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
    """Claim a member's part; return whether the caller got it."""
    place = _of(board, member, _CLAIMED)
    old = load(place)
    return old < ticket and exchange(place, old, ticket)  # type: ignore[no-any-return]


@compiled
def help_out(board: Array, member: int, patience: int) -> None:
    """Run a member's programs until there is no work for a while."""
    seen, looks = load(_of(board, member, _CLAIMED)), 0
    while looks < patience and load(_at(board, _END)) == 0:
        ticket = load(_at(board, _TICKET))
        looks += 1
        if ticket != seen:
            seen, looks = ticket, 0
            if _claim(board, member, ticket):  # the stage stays posted until this is done
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
    """Run stages, without helpers if they are not wanted or another thread leads.

    Parameters
    ----------
    stages
        ``(count, members, 2)``: address and length of each program; a stage without a second program is not shared.
    board
        The numbers shared by the team.
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
    """The helpers of this process.

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
        """Call :func:`lead`, or a compiled function that calls it, with the arguments before the board.

        If the user limits BLAS to one thread, no helper works.
        """
        if self._asleep:
            self._wake()
        helped = self._limit.change(1) > 1
        try:
            return function(*arguments, self._board, helped)
        finally:
            self._limit.change(-1)

    def _begin(self) -> None:
        """Reset to no running helpers, also in the child of a fork; they start on demand."""
        self._board[:] = 0
        self._asleep = True  # whether a helper is asleep
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
                    help_out(self._board, member, 0)  # compile in this thread, which the exit of the process waits for
                    thread.start()
                called.set()

    def _help(self, member: int, called: Event) -> None:
        while not self._board[_LINE * _END]:
            self._asleep = True
            called.wait()
            called.clear()
            help_out(self._board, member, _PATIENCE)

    def _end(self) -> None:
        """Stop the helpers before their compiled code is freed."""
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
"""Created at import, so there is at most one."""


def team() -> Team | None:
    """Return the team of this process, with as many members as BLAS had threads at import; None if that was one."""
    return _TEAM
