"""A gzip stream whose bytes depend on its content alone.

What zlib makes of a file changes with its version, its build and its level, so no compressed
archive is the same on every machine. Here the content is stored, in blocks of one fixed size
(RFC 1951, section 3.2.4; RFC 1952): any program unpacks it, it is written as fast as it can be
hashed, and it is 0.01 % larger than the content. Packages are small, or hold what hardly
compresses.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable

__all__ = ["StoredGzip"]

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Magic, deflate, no flags, no time, no extra flags, operating system unknown."""

_BLOCK = 65_535
"""Bytes in each stored block but the last: the most that fit."""


class StoredGzip:
    """Wraps what is written to it in a gzip stream, and hashes that stream.

    Args:
        sink: takes the stream piece by piece, such as the `write` of a file.
    """

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink
        self._pending = bytearray()
        self._checksum = 0
        self._digest = hashlib.sha256()
        self._content_bytes = 0
        self.size_bytes = 0
        self._emit(_HEADER)

    def write(self, data: bytes | memoryview) -> None:
        """Take content; how it is cut into pieces makes no difference."""
        self._checksum = zlib.crc32(data, self._checksum)
        self._content_bytes += len(data)
        self._pending += data
        whole = len(self._pending) // _BLOCK * _BLOCK
        if whole:
            # One piece for all blocks: a call per block would cost more than the copy.
            with memoryview(self._pending) as view:
                starts = range(0, whole, _BLOCK)
                head = _describe_block(_BLOCK, last=False)
                self._emit(b"".join(p for at in starts for p in (head, view[at : at + _BLOCK])))
            del self._pending[:whole]

    def finish(self) -> str:
        """Write the end of the stream and return the stream's SHA-256 in hexadecimal."""
        self._emit(_describe_block(len(self._pending), last=True) + bytes(self._pending))
        self._emit(struct.pack("<II", self._checksum, self._content_bytes % 2**32))
        return self._digest.hexdigest()

    def _emit(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._sink(piece)
        self.size_bytes += len(piece)


def _describe_block(length: int, *, last: bool) -> bytes:
    return struct.pack("<BHH", last, length, length ^ 0xFFFF)
