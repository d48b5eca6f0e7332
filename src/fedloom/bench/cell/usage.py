"""What a piece of work takes of a machine: time, processor, memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter

import psutil

__all__ = ["Meter", "Usage"]

_IDLE = ("idle", "iowait")
_COUNTED_TWICE = ("guest", "guest_nice")
"""Linux counts a guest's time as its host's user time, too."""


@dataclass
class Usage:
    """What one piece of work took; filled in when it ends.

    Attributes:
        began: when it began, by the clock.
        waiting_seconds: that its process had nothing to do before.
        seconds: how long it took.
        cpu_percent: of its process; 100 is one core.
        machine_cpu_percent: of all cores together; 100 is all of them.
        memory_bytes: resident memory of its process at the end.
    """

    began: datetime
    waiting_seconds: float
    seconds: float = 0.0
    cpu_percent: float = 0.0
    machine_cpu_percent: float = 0.0
    memory_bytes: int = 0

    def numbers(self, seconds_name: str) -> dict[str, float]:
        """Return the measurements by the names that records give them.

        Args:
            seconds_name: what the duration is called.
        """
        return {
            seconds_name: self.seconds,
            "cpu_percent": self.cpu_percent,
            "machine_cpu_percent": self.machine_cpu_percent,
            "memory_bytes": float(self.memory_bytes),
            "waiting_seconds": self.waiting_seconds,
        }


@dataclass
class Meter:
    """Measures what this process does, one piece of work after the other."""

    _process: psutil.Process = field(default_factory=psutil.Process)
    _rested_at: float = field(default_factory=perf_counter)

    @contextmanager
    def measure(self) -> Iterator[Usage]:
        """Measure the block; the usage is complete when the block has ended."""
        began, own, machine = perf_counter(), self._own_seconds(), _machine_seconds()
        usage = Usage(datetime.now(UTC), waiting_seconds=began - self._rested_at)
        try:
            yield usage
        finally:
            self._rested_at = perf_counter()
            usage.seconds = self._rested_at - began
            usage.cpu_percent = _share(self._own_seconds() - own, usage.seconds)
            busy, whole = (b - a for a, b in zip(machine, _machine_seconds(), strict=True))
            usage.machine_cpu_percent = _share(busy, whole)
            usage.memory_bytes = int(self._process.memory_info().rss)

    def _own_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _machine_seconds() -> tuple[float, float]:
    """Return how long all cores together were busy, and how long they were there."""
    times = psutil.cpu_times()._asdict()
    whole = sum(seconds for name, seconds in times.items() if name not in _COUNTED_TWICE)
    return whole - sum(times.get(name, 0.0) for name in _IDLE), whole


def _share(part: float, whole: float) -> float:
    return 100.0 * max(0.0, part) / whole if whole > 0 else 0.0
