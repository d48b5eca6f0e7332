"""The processes of a session: all that a process started, however deep, unless it left."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import psutil

__all__ = ["end_session", "list_session"]

_END_SECONDS = 10.0
"""How long the system may take to end killed processes."""


def list_session(session: int) -> list[psutil.Process]:
    """Return the processes of a session, without this one."""
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _is_in(p.pid, session)]


def end_session(session: int | None = None) -> None:
    """Kill what is left of a session.

    Args:
        session: its number; None for this process's own, of which this process is spared.
    """
    left = list_session(os.getsid(0) if session is None else session)
    for process in left:
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(left, timeout=_END_SECONDS)


def _is_in(pid: int, session: int) -> bool:
    try:
        return os.getsid(pid) == session
    except (ProcessLookupError, PermissionError):
        return False
