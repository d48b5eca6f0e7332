"""Ending an entry point together with all that it started."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from time import monotonic, sleep

import psutil

__all__ = ["MARK", "find_processes", "stop_processes"]

MARK = "FEDLOOM_CALL"
"""Environment variable with a name of its own for each call.

A process that left its parent's group and lost its parent is still found by it.
"""

_LOOK_SECONDS = 0.02
_GRACE_SECONDS = 3.0
_KILL_SECONDS = 5.0


def find_processes(leader: int, mark: str) -> list[psutil.Process]:
    """Return the living processes of a call.

    Args:
        leader: id of the process that the call started, first of a session of its own; it may
            have ended.
        mark: the call's value of the variable `MARK`.
    """
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            if process.pid != os.getpid() and _belongs(process, leader, mark):
                found[process.pid] = process
                found.update((p.pid, p) for p in process.children(recursive=True))
    return [process for process in found.values() if _lives(process)]


def stop_processes(leader: int, mark: str, *, grace_s: float = _GRACE_SECONDS) -> None:
    """Ask the processes of a call to end and, where they do not, end them by force.

    Returns once they are gone, or after a few seconds with a process that even the system cannot
    end. An interrupt while it waits shortens the wait; nothing is left running for it.
    """
    if not _signal_all(find_processes(leader, mark), force=False):
        return
    try:
        _wait(find_processes(leader, mark), grace_s)
    finally:
        until = monotonic() + _KILL_SECONDS
        # One may have started another just before it was ended.
        while (left := find_processes(leader, mark)) and monotonic() < until:
            _signal_all(left, force=True)
            _wait(left, until - monotonic())


def _belongs(process: psutil.Process, leader: int, mark: str) -> bool:
    if process.pid == leader or leader in (os.getpgid(process.pid), os.getsid(process.pid)):
        return True
    return process.environ().get(MARK) == mark


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _signal_all(processes: Collection[psutil.Process], *, force: bool) -> bool:
    """Send the signal to all; return whether there was anyone to send it to."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill() if force else process.terminate()
    return bool(processes)


def _wait(processes: Collection[psutil.Process], limit_s: float) -> None:
    until = monotonic() + limit_s
    while any(_alive(processes)) and monotonic() < until:
        sleep(_LOOK_SECONDS)


def _alive(processes: Collection[psutil.Process]) -> Iterator[bool]:
    return (_lives(process) for process in processes)
