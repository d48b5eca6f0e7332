"""One coordinator for an embedded database: its writers could not share the leases' clock."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from fedloom.errors import ConflictError
from fedloom.files import output_errors

__all__ = ["StoreLock"]


class StoreLock:
    """Keeps an SQLite file for one coordinator; the lock ends with its process, however it ends.

    Args:
        file: the database; None is a server, which takes any number of coordinators.
    """

    def __init__(self, file: Path | None) -> None:
        self._file, self._descriptor = file, -1

    def acquire(self) -> Self:
        """Take it.

        Raises:
            ConflictError: another coordinator has it; the message names its process.
            OutputError: the lock's file cannot be made.
        """
        if self._file is None or self._descriptor >= 0:
            return self
        path = self._file.with_name(f".{self._file.name}.coordinator")
        with output_errors(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise ConflictError(
                f"process {holder} coordinates the tasks of {self._file}: stop it, or use"
                " PostgreSQL, which takes several coordinators"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return self

    def release(self) -> None:
        """Let another have it; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
