"""Waiting longer after each failure in a row, up to a bound, and never past a request to stop."""

from __future__ import annotations

import random
from threading import Event

__all__ = ["Pause"]


class Pause:
    """The pauses between attempts: doubling, bounded, and not the same for everybody.

    Args:
        stop: ends a pause at once when it is set.
        first_s: seconds of the first pause.
        most_s: seconds that no pause exceeds.
    """

    def __init__(self, stop: Event, *, first_s: float = 0.2, most_s: float = 10.0) -> None:
        self._stop, self._first_s, self._most_s = stop, first_s, most_s
        self._failures = 0
        # Hundreds that lost one broker must not all come back in one moment; nothing else depends
        # on the number, so it need not be the same in another run.
        self._spread = random.Random()

    def reset(self) -> None:
        """Begin with the first pause again, after something went well."""
        self._failures = 0

    def next_s(self) -> float:
        """Return the seconds to wait now, and count the failure."""
        longest = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return longest * self._spread.uniform(0.5, 1.0)

    def wait(self) -> float:
        """Wait, unless a stop was asked for; return the seconds."""
        seconds = self.next_s()
        self._stop.wait(seconds)
        return seconds
