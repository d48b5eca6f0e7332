"""One line of a log.

It is ``<backend>-<strategy>-run | <LEVEL> flwr <time> | <file>:<line> | <message>``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fedloom.errors import NotFoundError

__all__ = ["LogLine", "read_lines", "write_line"]

_TIME = "%Y-%m-%d %H:%M:%S,%f"
_LINE = re.compile(
    r"(?P<backend>[^-|\s]+)-(?P<strategy>[^|\s]+)-run \| *(?P<level>[A-Z]+) +flwr "
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \| *(?P<place>\S+:\d+) *\| (?P<message>.*)"
)


@dataclass(frozen=True)
class LogLine:
    """One line.

    Attributes:
        backend: what computed.
        strategy: the federated algorithm.
        level: such as INFO.
        at: when, by the clock of the machine that wrote it.
        place: file and line number of the code.
        message: what is said.
    """

    backend: str
    strategy: str
    level: str
    at: datetime
    place: str
    message: str

    def __str__(self) -> str:
        return write_line(self)


def write_line(line: LogLine) -> str:
    """Return a line as it stands in a file, without its end.

    Example:
        >>> at = datetime(2026, 5, 4, 3, 2, 1, 7000)
        >>> write_line(LogLine("jax", "FedAvg", "INFO", at, "server.py:1", "FL starting"))
        'jax-FedAvg-run | INFO flwr 2026-05-04 03:02:01,007 | server.py:1 | FL starting'
    """
    time = f"{line.at:%Y-%m-%d %H:%M:%S},{line.at.microsecond // 1000:03d}"
    head = f"{line.backend}-{line.strategy}-run | {line.level} flwr {time}"
    return f"{head} | {line.place} | {line.message}"


def read_lines(path: Path) -> Iterator[LogLine]:
    """Yield the lines of a log; whatever is none, such as a traceback or a cut end, is passed over.

    Raises:
        NotFoundError: there is no such file, or it cannot be read.
    """
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror or error}") from error
    for written in text.splitlines():
        found = _LINE.fullmatch(written.strip())
        if found is None:
            continue
        parts = found.groupdict()
        try:
            at = datetime.strptime(parts.pop("time"), _TIME)
        except ValueError:
            continue
        yield LogLine(**parts, at=at)
