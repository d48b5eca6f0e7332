"""A lock between processes that make the same environment."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from fedloom.errors import PackageError

__all__ = ["hold_lock"]

_POLL_S = 0.1


@contextmanager
def hold_lock(
    path: Path, *, what: str, limit_s: float, on_wait: Callable[[str], None]
) -> Iterator[int]:
    """Hold the lock of a file while the block runs; yield the open file's descriptor.

    The lock ends with the last process that holds the descriptor, however that ends, so it never
    goes stale. A process started in the block may inherit it: while that lives on, nobody else
    gets the lock.

    Args:
        path: the lock's file; it is made, and stays.
        what: what is locked, for messages.
        limit_s: seconds to wait for it.
        on_wait: told once whom is waited for.

    Raises:
        PackageError: another process held it for all that time; the message names it.
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(descriptor, what, limit_s, on_wait)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, what: str, limit_s: float, on_wait: Callable[[str], None]) -> None:
    deadline, told = monotonic() + limit_s, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode() or "unknown"
            if monotonic() > deadline:
                raise PackageError(
                    f"{what} is still being made by process {holder} after {limit_s:g} s; try "
                    f"again later, or end that process"
                ) from None
            if not told:
                on_wait(f"waiting for process {holder}, which makes {what}")
                told = True
            sleep(_POLL_S)
        else:
            return
