"""Checking that nobody changed an audit log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from fedloom.errors import NotFoundError
from fedloom.platform.client.audit import FIRST, hash_line, list_audit_files

__all__ = ["AuditReport", "verify_audit"]


@dataclass(frozen=True)
class AuditReport:
    """What a check found.

    Attributes:
        intact: whether every line is as it was written and none is missing between the first and
            the last.
        entries: lines that are there.
        fault: file, line and what is wrong with it; empty if all is well.
        complete: whether the first line ever written is still there, so that none was rotated away.
        head: hash of the last good line: who noted an earlier one finds it in the log.
        torn: whether the last line is half of one, as after a kill; the next one replaces it.
    """

    intact: bool
    entries: int
    fault: str
    complete: bool
    head: str
    torn: bool = False


def verify_audit(path: Path, *, seen: str | None = None) -> AuditReport:
    """Check an audit log with all its older files.

    Args:
        path: the file that is written.
        seen: a hash that was the log's head once; it must still be in it, unless the log no
            longer reaches back so far.

    Raises:
        NotFoundError: there is no log.
    """
    files = list_audit_files(path)
    if not files:
        raise NotFoundError(f"there is no audit log {path}")
    check = _Check()
    for file in files:
        torn = check.read(file, is_last=file == files[-1])
        if check.fault:
            break
    fault = check.fault
    if not fault and seen is not None and check.complete and seen not in check.hashes:
        fault = f"{path}: the line with the hash {seen[:16]}… is missing"
    return AuditReport(not fault, len(check.hashes), fault, check.complete, check.head, torn)


class _Check:
    def __init__(self) -> None:
        self.hashes: set[str] = set()
        self.head, self.number = FIRST, 0
        self.fault = ""
        self.complete = True

    def read(self, file: Path, *, is_last: bool) -> bool:
        """Check a file's lines; return whether the last one is torn."""
        *lines, rest = file.read_bytes().split(b"\n")
        if rest and not is_last:
            self.fault = f"{file} ends within a line"
        for position, line in enumerate(lines, start=1):
            if not self.fault:
                wrong = self._check(line)
                self.fault = f"{file} line {position}: {wrong}" if wrong else ""
        return bool(rest)

    def _check(self, line: bytes) -> str:
        try:
            entry = json.loads(line)
            number, before, own = entry["n"], entry["prev"], entry["hash"]
            computed = hash_line(entry)
        except (ValueError, LookupError, TypeError, RecursionError):
            return "it is no line of this log"
        if own != computed:
            return "it was changed"
        if not self.hashes:
            self.complete = before == FIRST
            self.head, self.number = before, number - 1
        if before != self.head or number != self.number + 1:
            return "a line before it was changed, removed or put in"
        self.head, self.number = own, number
        self.hashes.add(own)
        return ""
