"""What the log of a client tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fedloom.bench.logs.lines import LogLine

__all__ = ["Used", "read_client_events"]

_USED = re.compile(
    r"Instance (?P<instance>\S+) : CPU usage history during (?P<work>fit|evaluate)\(\) : "
    r"{'timestamp': datetime\.datetime\((?P<time>[\d, ]+)\), "
    r"'cpu_utilization': (?P<percent>[\d.]+)"
    r"(?:, 'round': (?P<round>\d+))?(?:, 'seconds': (?P<seconds>[\d.e-]+))?}"
)


@dataclass(frozen=True)
class Used:
    """What one round's training or scoring took.

    Attributes:
        instance: the machine.
        work: ``fit`` or ``evaluate``.
        round: counted from 1; the studied system did not write it, and there it is the how many-th
            line of its kind.
        at: when.
        cpu_percent: of the machine.
        seconds: how long; None where it is not written.
    """

    instance: str
    work: str
    round: int
    at: datetime
    cpu_percent: float
    seconds: float | None


def read_client_events(lines: Sequence[LogLine]) -> list[Used]:
    """Return what a client used; lines that a reconnection doubled count once."""
    found: dict[tuple[str, datetime], Used] = {}
    counts = {"fit": 0, "evaluate": 0}
    for line in lines:
        match = _USED.fullmatch(line.message)
        if match is None:
            continue
        at = _read_time(match["time"])
        if at is None or (match["work"], at) in found:
            continue
        counts[match["work"]] += 1
        found[match["work"], at] = Used(
            match["instance"],
            match["work"],
            counts[match["work"]] if match["round"] is None else int(match["round"]),
            at,
            float(match["percent"]),
            None if match["seconds"] is None else float(match["seconds"]),
        )
    return list(found.values())


def _read_time(text: str) -> datetime | None:
    try:
        return datetime(*map(int, text.split(",")))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
