"""A lock between all processes and threads that write one embedded registry."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedloom.errors import LinkError, OutputError

__all__ = ["hold_registry"]

_POLL_S = 0.02


@contextmanager
def hold_registry(file: Path, *, limit_s: float) -> Iterator[None]:
    """Keep all others from writing while the block runs.

    The lock ends with its process, however that ends, so it never goes stale.

    Args:
        file: the lock's file; it is made, and stays.
        limit_s: seconds to wait.

    Raises:
        LinkError: another held it for all that time; the message names its process.
        OutputError: the file cannot be made.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise OutputError(
            f"cannot write the registry's folder {file.parent}: {error.strerror}"
        ) from error
    try:
        _acquire(descriptor, file, limit_s)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, file: Path, limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                holder = os.pread(descriptor, 20, 0).decode(errors="replace") or "unknown"
                raise LinkError(
                    f"the registry in {file.parent} is held by process {holder}: waited {limit_s:g}"
                    " s for it"
                ) from None
            time.sleep(_POLL_S)
        else:
            return
