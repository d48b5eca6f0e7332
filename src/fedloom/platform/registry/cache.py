"""Downloaded files by their digest: checked each time they are asked for, the oldest dropped."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory

from fedloom.errors import OutputError, PackageError

__all__ = ["FileCache", "digest_of"]

_LIMIT_BYTES = 10 * 1024**3
_KEPT_S = 3600.0
"""Whoever was given a path has so much time to open it."""

_WORKING_S = 86_400.0
"""A working folder that is older was left by a process that was killed."""


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


class FileCache:
    """A folder of files that are named by their SHA-256.

    Args:
        folder: made when it is first needed.
        limit_bytes: above that, what was not asked for longest goes.
    """

    def __init__(self, folder: Path, *, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._folder, self._limit_bytes = folder, limit_bytes

    def working_folder(self) -> TemporaryDirectory[str]:
        """Return a new folder on the same disk; it goes when its block ends.

        Raises:
            OutputError: the cache cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return TemporaryDirectory(
                prefix=".working-", dir=self._folder, ignore_cleanup_errors=True
            )
        except OSError as error:
            raise OutputError(
                f"cannot write {self._folder}: {error.strerror}; free space or choose another"
                " place with FEDLOOM_CACHE_DIR"
            ) from error

    def get(self, sha256: str, what: str, fetch: Callable[[Path], Path]) -> Path:
        """Return a file with this digest; fetch it if it is not there or not whole.

        Args:
            sha256: of its bytes, in hexadecimal.
            what: what it is, for the message.
            fetch: brings it into the folder it is given, and says where.

        Raises:
            PackageError: what was fetched has another digest.
            OutputError: the cache cannot be written.
        """
        kept = self._folder / sha256
        if kept.is_file() and digest_of(kept) == sha256:
            with suppress(OSError):  # another user's cache may be read only
                os.utime(kept)
            return kept
        with self.working_folder() as folder:
            fetched = fetch(Path(folder))
            found = digest_of(fetched)
            if found != sha256:
                raise PackageError(
                    f"{what} has the SHA-256 {found} instead of {sha256}: it was changed in the"
                    " registry, or damaged on its way"
                )
            self.keep(fetched, sha256)
        return kept

    def keep(self, file: Path, sha256: str) -> None:
        """Take a file over that lies in a `working_folder` and has this digest."""
        self._make_room(file.stat().st_size)
        file.replace(self._folder / sha256)

    def _make_room(self, size_bytes: int) -> None:
        """Drop what was not asked for longest, and what killed processes left."""
        now = time.time()
        files = []
        for path in self._folder.iterdir():
            with suppress(OSError):  # another process may have dropped it
                status = path.stat()
                if path.is_file():
                    files.append((status.st_mtime, status.st_size, path))
                elif status.st_mtime < now - _WORKING_S:
                    shutil.rmtree(path, ignore_errors=True)
        total = size_bytes + sum(size for _, size, _ in files)
        for used, size, path in sorted(files):
            if total <= self._limit_bytes or used > now - _KEPT_S:
                break
            path.unlink(missing_ok=True)
            total -= size
