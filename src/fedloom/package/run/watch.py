"""Watching a process that was started for an entry point: read, wait, stop, never without limit."""

from __future__ import annotations

import os
import selectors
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Event
from time import monotonic, sleep
from typing import Protocol

from fedloom.package.run.call import Call
from fedloom.package.run.output import Output
from fedloom.package.run.tree import stop_processes

__all__ = ["Ending", "Started", "watch"]

_CHUNK_BYTES = 65536

_LOOK_SECONDS = 0.1
"""How often a wait looks at its limit and at the request to cancel."""

_DRAIN_SECONDS = 0.5
"""How long output is still taken from processes that outlive the entry point."""

_END_SECONDS = 10.0


class Started(Protocol):
    """A process at work; the first of a session of its own."""

    pid: int
    output: int
    """File descriptor from which comes what it and its children print."""
    news: int | None
    """File descriptor that becomes readable when the process ends, where there is one."""

    def poll(self) -> int | None:
        """Return the exit code, minus the signal's number, or None while it runs."""


@dataclass(frozen=True)
class Ending:
    """How a watched process ended."""

    exit_code: int
    timed_out: bool = False
    cancelled: bool = False
    stopped: str = ""


def watch(
    started: Started,
    call: Call,
    output: Output,
    *,
    timeout_s: float | None = None,
    cancel: Event | None = None,
) -> Ending:
    """Pass on output until the process ends, and stop it with all its children if need be.

    They are stopped at the time limit, on the request to cancel, when the call's guard says so,
    when the process ends with an error, and when anything is raised here, such as
    `KeyboardInterrupt`. What a process that ends well leaves running on purpose (a service that
    `startup` starts) is left alone.
    """
    until = None if timeout_s is None else monotonic() + timeout_s
    ended_well = False
    try:
        ending = _follow(started, call, output, until, cancel)
        if ending.exit_code != 0:
            stop_processes(started.pid, call.mark)
        _drain(started.output, output)
        ended_well = True
    finally:
        if not ended_well:
            stop_processes(started.pid, call.mark)
            _wait_for_end(started)
    if not (ending.timed_out or ending.cancelled or ending.stopped):
        return ending
    return replace(ending, exit_code=_wait_for_end(started))


def _follow(
    started: Started, call: Call, output: Output, until: float | None, cancel: Event | None
) -> Ending:
    """Read until the process ends or is to be stopped; in the latter case the code is a 1."""
    with selectors.DefaultSelector() as selector:
        selector.register(started.output, selectors.EVENT_READ)
        if started.news is not None:
            selector.register(started.news, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(_time_left(until)):
                if key.fd == started.output and not _read(started.output, output):
                    selector.unregister(started.output)
            if call.guard is not None and (why := call.guard.look(started.pid, call.mark)):
                return Ending(1, stopped=why)
            if (code := started.poll()) is not None:
                return Ending(code)
            if until is not None and monotonic() >= until:
                return Ending(1, timed_out=True)
            if cancel is not None and cancel.is_set():
                return Ending(1, cancelled=True)


def _time_left(until: float | None) -> float:
    return _LOOK_SECONDS if until is None else min(_LOOK_SECONDS, max(0.0, until - monotonic()))


def _read(descriptor: int, output: Output) -> bool:
    """Take what is there; return False at the end."""
    chunk = os.read(descriptor, _CHUNK_BYTES)
    output.feed(chunk)
    return bool(chunk)


def _drain(descriptor: int, output: Output) -> None:
    """Take what is left in the pipe, which an orphan may hold open for ever."""
    until = monotonic() + _DRAIN_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while (left := until - monotonic()) > 0:
            if not selector.select(left) or not _read(descriptor, output):
                return


def _wait_for_end(started: Started) -> int:
    """Return the exit code of a process that was stopped; -9 where the system keeps it."""
    until = monotonic() + _END_SECONDS
    with suppress(ConnectionError):
        while monotonic() < until:
            if (code := started.poll()) is not None:
                return code
            sleep(0.01)
    return -9
