"""A log that is added to, also by a later process that does some of it again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from fedloom.bench.logs.lines import LogLine
from fedloom.files import output_errors, write_text

__all__ = ["LogFile"]


class LogFile:
    """The file of one log; safe to use from many threads.

    Args:
        path: of the file; what is there is added to.
        backend: what computes.
        strategy: the federated algorithm.
        place: file and line number that stand in its lines.

    Raises:
        OutputError: it cannot be read or written.
    """

    def __init__(self, path: Path, backend: str, strategy: str, place: str) -> None:
        self._path, self._lock = path, Lock()
        self._backend, self._strategy, self._place = backend, strategy, place
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text("utf-8", errors="replace") if path.exists() else ""
        # An end without a line feed was cut off by the death of its writer.
        self._before = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        if text != "".join(self._before):
            self._replace(self._before)

    def has(self, start: str) -> bool:
        """Whether an earlier process wrote a message that begins so."""
        return any(f"| {start}" in line for line in self._before)

    def cut(self, again: Callable[[str], bool]) -> None:
        """Drop what an earlier process wrote from the first line on that is to be written again."""
        with self._lock:
            for number, line in enumerate(self._before):
                if again(line):
                    self._before = self._before[:number]
                    self._replace(self._before)
                    return

    def write(self, *messages: str) -> None:
        """Add messages, each a line.

        Raises:
            OutputError: they cannot be written.
        """
        now = datetime.now(UTC)
        lines = [
            LogLine(self._backend, self._strategy, "INFO", now, self._place, message)
            for message in messages
        ]
        with (
            self._lock,
            output_errors(self._path),
            self._path.open("a", encoding="utf-8") as file,
        ):
            file.write("".join(f"{line}\n" for line in lines))

    def _replace(self, lines: list[str]) -> None:
        write_text(self._path, "".join(lines))
