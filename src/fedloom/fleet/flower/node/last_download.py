"""The last weights that a node fetched to score them: most often it trains on just these next."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO

from fedloom.fleet.flower.depot.server import write_all

__all__ = ["LastDownload"]

_LOGGER = logging.getLogger(__name__)

_CHUNK_BYTES = 8 << 20


class LastDownload:
    """One download at most, in a file without a name, which ends with the process.

    On disk, because a node may have memory for one model and no second. Safe to use from many
    threads.

    Args:
        folder: where the file is; None takes the one for temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._lock = folder, Lock()
        self._digest = ""
        self._file: IO[bytes] | None = None

    def keep(self, digest: str, parts: Sequence[memoryview]) -> None:
        """Keep a download in place of the one before; without room for it, none.

        Args:
            digest: SHA-256 of its bytes.
            parts: its content, end to end.
        """
        with self._lock:
            self._clear()
            try:
                self._file = self._write(parts)
            except OSError as error:
                _LOGGER.debug("no room for the last download: %s", error)
            else:
                self._digest = digest

    def take(self, digest: str, rooms: Sequence[memoryview]) -> bool:
        """Fill memory with the download, if it is that one and whole, and keep it no longer.

        Args:
            digest: SHA-256 of what is wanted.
            rooms: the memory, in the order of the content.
        """
        with self._lock:
            if self._file is None or self._digest != digest:
                return False
            try:
                return _read(self._file, rooms) == digest
            except OSError as error:
                _LOGGER.debug("the last download cannot be read: %s", error)
                return False
            finally:
                self._clear()

    def drop(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._clear()

    def _write(self, parts: Sequence[memoryview]) -> IO[bytes]:
        with ExitStack() as on_failure:
            file = on_failure.enter_context(TemporaryFile(buffering=0, dir=self._folder))
            for part in parts:
                write_all(file.fileno(), part)
            on_failure.pop_all()
            return file

    def _clear(self) -> None:
        file, self._file, self._digest = self._file, None, ""
        if file is not None:
            with suppress(OSError):
                file.close()


def _read(file: IO[bytes], rooms: Sequence[memoryview]) -> str:
    """Read into memory; return the SHA-256 of what was there."""
    hashed, place = sha256(), 0
    for room in rooms:
        left = room
        while len(left):
            count = os.preadv(file.fileno(), [left[:_CHUNK_BYTES]], place)
            if not count:
                return ""
            hashed.update(left[:count])
            left, place = left[count:], place + count
    return hashed.hexdigest()
