"""The owner's log of what came in, what ran and what left: one line each, none of it data.

Every line carries the SHA-256 of the line before it, so that a line that was changed, removed or
put in shows. (Lines cut off at the very end do not, unless someone else remembers the last hash:
nodes tell theirs when they describe themselves.)
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import SEEK_END
from pathlib import Path
from threading import Lock
from typing import IO, Any

from fedloom.errors import OutputError
from fedloom.files import output_errors
from fedloom.platform.client.file_lock import lock_beside

__all__ = ["FIRST", "AuditLog", "hash_line", "list_audit_files"]

FIRST = "0" * 64
"""What stands for the line before the first one."""

_LARGEST_BYTES = 10 * 1024**2
_KEPT_FILES = 20
_TEXT_LENGTH = 300
"""Names and reasons from others are cut here, so that nobody fills the owner's disk with them."""

_LAST_BYTES = 65536
"""More than any line has."""


@dataclass
class _End:
    """Where a log ends: how many bytes are whole lines, the last hash, the last number."""

    size: int
    last_hash: str
    number: int


class AuditLog:
    """A log that is only ever appended to; safe to use from several threads and processes.

    Args:
        path: the file that is written; older ones lie beside it, numbered.
        largest_bytes: size at which a new file is begun.
        kept_files: how many full ones are kept.
        clock: tells the time, in UTC.
    """

    def __init__(
        self,
        path: Path,
        *,
        largest_bytes: int = _LARGEST_BYTES,
        kept_files: int = _KEPT_FILES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = path
        self._largest, self._kept, self._clock = largest_bytes, kept_files, clock
        self._lock = Lock()
        self._head = FIRST

    @property
    def head(self) -> str:
        """The hash of the last line that was written or found."""
        return self._head

    def append(self, event: str, **facts: Any) -> str:
        """Write one line, and return its hash once it is on the disk.

        Args:
            event: what happened.
            facts: names, numbers and reasons; never data, weights or metrics.

        Raises:
            OutputError: it cannot be written; the file is as it was.
        """
        with self._lock, output_errors(self.path), lock_beside(self.path):
            end = self._find_end()
            if end.size >= self._largest:
                end = self._rotate(end)
            at = self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
            entry = {"n": end.number + 1, "at": at, "event": event, **_bound(facts)}
            entry["prev"] = end.last_hash
            entry["hash"] = hash_line(entry)
            self._write(json.dumps(entry, ensure_ascii=False).encode() + b"\n", end.size)
            self._head = str(entry["hash"])
            return self._head

    def _find_end(self) -> _End:
        """Look where the log ends; what was torn as its writer was killed does not count."""
        if not self.path.exists() or not self.path.stat().st_size:
            return self._continue_older()
        with self.path.open("rb") as file:
            size = file.seek(0, SEEK_END)
            file.seek(max(0, size - _LAST_BYTES))
            lines = file.read().split(b"\n")
        torn = len(lines.pop())
        last = _read_entry(lines[-1]) if lines else None
        if last is None:  # a torn first line, or one that someone damaged, which will show
            known = FIRST if not lines else sha256(lines[-1]).hexdigest()
            return self._continue_older() if not lines else _End(size - torn, known, 0)
        return _End(size - torn, str(last["hash"]), int(last["n"]))

    def _continue_older(self) -> _End:
        older = list_audit_files(self.path)
        older = [path for path in older if path != self.path]
        if not older:
            return _End(0, FIRST, 0)
        with older[-1].open("rb") as file:
            size = file.seek(0, SEEK_END)
            file.seek(max(0, size - _LAST_BYTES))
            last = _read_entry(file.read().rstrip(b"\n").rpartition(b"\n")[2])
        return _End(0, FIRST, 0) if last is None else _End(0, str(last["hash"]), int(last["n"]))

    def _rotate(self, end: _End) -> _End:
        """Begin a new file, and remove the oldest ones."""
        os.truncate(self.path, end.size)
        older = [path for path in list_audit_files(self.path) if path != self.path]
        number = 1 + (_number_of(older[-1]) if older else 0)
        self.path.rename(self.path.with_name(f"{self.path.stem}.{number:06d}{self.path.suffix}"))
        for path in older[: max(0, len(older) + 1 - self._kept)]:
            path.unlink()
        return _End(0, end.last_hash, end.number)

    def _write(self, line: bytes, at: int) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                _write_whole(file, line, at)
        except OSError:
            _cut(self.path, at)
            raise


def _write_whole(file: IO[bytes], line: bytes, at: int) -> None:
    os.ftruncate(file.fileno(), at)
    file.seek(at)
    left = memoryview(line)
    while left:
        left = left[file.write(left) :]
    os.fsync(file.fileno())


def _cut(path: Path, size: int) -> None:
    try:
        os.truncate(path, size)
    except OSError as error:
        raise OutputError(f"cannot mend {path}: {error.strerror}") from error


def hash_line(entry: Mapping[str, Any]) -> str:
    """Return the hash of a line: of all in it but the hash itself, and so of the line before."""
    content = {key: value for key, value in entry.items() if key != "hash"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def list_audit_files(path: Path) -> list[Path]:
    """Return the files of a log, oldest first, the one that is written last."""
    pattern = f"{path.stem}.[0-9][0-9][0-9][0-9][0-9][0-9]{path.suffix}"
    older = sorted(path.parent.glob(pattern))
    return [*older, *([path] if path.exists() else [])]


def _number_of(path: Path) -> int:
    return int(path.stem.rpartition(".")[2])


def _read_entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
        return entry if {"n", "hash"} <= set(entry) and isinstance(entry["n"], int) else None
    except (ValueError, TypeError, RecursionError):
        return None


def _bound(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not known, and cut texts."""
    return {k: _cut_text(v) if isinstance(v, str) else v for k, v in facts.items() if v is not None}


def _cut_text(text: str) -> str:
    plain = text.encode("utf-8", "replace").decode()
    return plain if len(plain) <= _TEXT_LENGTH else f"{plain[: _TEXT_LENGTH - 1]}…"
