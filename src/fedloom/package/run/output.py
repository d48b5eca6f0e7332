"""What an entry point prints: cut into lines, passed on, and kept within bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

from fedloom.files import output_errors

__all__ = ["HEAD_BYTES", "LINE_BYTES", "TAIL_BYTES", "TAIL_LINES", "Output"]

LINE_BYTES = 8192
"""A longer line is cut here: 100 MB without a line end must not fill memory."""

HEAD_BYTES, TAIL_BYTES = 4_000_000, 1_000_000
"""How much of the beginning and of the end a log keeps."""

TAIL_LINES = 40
"""How many lines a `Finished` keeps."""


class Output:
    """Takes bytes as they come, gives lines.

    A line ends at a line feed, or at a carriage return, as progress bars write them. Bytes that
    are no UTF-8 become the replacement character.

    Args:
        log: file that takes the lines, at most `HEAD_BYTES` of the first and `TAIL_BYTES` of the
            last ones with a line between that counts what was left out; replaced if it exists.
        on_output: called with each line, without its end.
    """

    def __init__(self, log: Path | None, on_output: Callable[[str], None] | None) -> None:
        self._on_output = on_output
        self._log = None if log is None else _BoundedLog(log)
        self._begun, self._cut, self._after_return = b"", 0, False
        self._last: deque[str] = deque(maxlen=TAIL_LINES)

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines."""
        return tuple(self._last)

    def feed(self, chunk: bytes) -> None:
        """Take what was read."""
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the second half of a line end
        self._after_return = chunk.endswith(b"\r")
        *lines, rest = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._extend(line)
            self._end_line()
        self._extend(rest)

    def say(self, line: str) -> None:
        """Add a line of Fedloom's own."""
        self.feed(line.encode() + b"\n")

    def close(self) -> None:
        """End the last line and the log."""
        try:
            if self._begun:
                self._end_line()
        finally:
            if self._log is not None:
                self._log.close()

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _extend(self, part: bytes) -> None:
        room = LINE_BYTES - len(self._begun)
        self._begun += part[:room]
        self._cut += max(0, len(part) - room)

    def _end_line(self) -> None:
        text = self._begun.decode("utf-8", errors="replace")
        if self._cut:
            text += f" … [{self._cut} bytes of this line left out]"
        self._begun, self._cut = b"", 0
        self._last.append(text)
        if self._log is not None:
            self._log.add(text.encode() + b"\n")
        if self._on_output is not None:
            self._on_output(text)


class _BoundedLog:
    """A file that keeps the first and the last lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer, so that who follows the file sees each line at once.
            self._file: IO[bytes] = self._stack.enter_context(path.open("wb", buffering=0))
        self._room, self._kept, self._left_out = HEAD_BYTES, 0, 0
        self._end: deque[bytes] = deque()

    def add(self, line: bytes) -> None:
        if self._room >= len(line):
            with output_errors(self._path):
                self._file.write(line)
            self._room -= len(line)
            return
        self._room = 0
        self._end.append(line)
        self._kept += len(line)
        while self._kept > TAIL_BYTES:
            dropped = len(self._end.popleft())
            self._kept -= dropped
            self._left_out += dropped

    def close(self) -> None:
        if self._file.closed:
            return
        with self._stack, output_errors(self._path):
            if self._left_out:
                self._file.write(b"[fedloom: %d bytes left out here]\n" % self._left_out)
            self._file.write(b"".join(self._end))
            self._end.clear()
