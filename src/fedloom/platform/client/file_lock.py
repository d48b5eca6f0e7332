"""Keeping two processes from changing a file, or using a folder, at once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from fedloom.errors import ConflictError, OutputError
from fedloom.files import output_errors

__all__ = ["KeyLock", "NodeLock", "StateLock", "lock_beside"]

_LIMIT_SECONDS = 10.0
_LOOK_SECONDS = 0.01
_PID_BYTES = 20


@contextmanager
def lock_beside(path: Path, *, limit_s: float = _LIMIT_SECONDS) -> Iterator[None]:
    """Hold a lock that stands for `path` while the block runs; it ends with its process.

    Args:
        path: what is to be changed; the lock is a hidden file beside it, which stays.
        limit_s: seconds to wait for another process.

    Raises:
        OutputError: another process held it all that time.
        OSError: the lock cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.lock")
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = monotonic() + limit_s
    try:
        while not _try_lock(descriptor):
            if monotonic() > until:
                raise OutputError(f"another process has been changing {path} for {limit_s:g} s")
            sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class NodeLock:
    """Keeps a file for one process, from its making to `close` or the process's end.

    Args:
        path: the lock; made if it is not there, in a folder readable by its owner alone.
        what: it stands for, as the owner calls it.
        advice: what to do if another process has it.

    Raises:
        ConflictError: another process has it.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, what: str, advice: str) -> None:
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _try_lock(self._descriptor):
            pid = os.pread(self._descriptor, _PID_BYTES, 0).decode("ascii", "replace").strip()
            self.close()
            who = f"process {pid or 'of unknown number'}"
            raise ConflictError(f"another node uses {what} ({who}): {advice}")
        with output_errors(path):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let others have it; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class StateLock(NodeLock):
    """Keeps a node's folder for one process; see `NodeLock`.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / ".lock", str(folder), "give each one a state of its own")


class KeyLock(NodeLock):
    """Keeps a node's key for one process: two nodes with one key would take each other's messages.

    Args:
        path: of the key, which need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        beside = path.with_name(f".{path.name}.node")
        super().__init__(beside, f"the key {path}", "stop it, or give this one a key of its own")
