"""Counting what an import leaves out or assumes, so that nothing vanishes silently."""

from __future__ import annotations

from collections import Counter

__all__ = ["Tally"]


class Tally:
    """Counts by reason.

    Example:
        >>> tally = Tally()
        >>> tally.skip("never scheduled")
        >>> tally.warnings()
        ['1 row left out: never scheduled']
    """

    def __init__(self) -> None:
        self._skipped: Counter[str] = Counter()
        self._noted: Counter[str] = Counter()

    def skip(self, reason: str) -> None:
        """Count a row that is left out."""
        self._skipped[reason] += 1

    def note(self, what: str) -> None:
        """Count a row that is kept with an assumption; `what` follows its number."""
        self._noted[what] += 1

    def warnings(self) -> list[str]:
        """Return one line per reason, in the order in which the reasons first came up."""
        left_out = [
            f"{count:,} {_rows(count)} left out: {why}" for why, count in self._skipped.items()
        ]
        return left_out + [
            f"{count:,} {_rows(count)}: {what}" for what, count in self._noted.items()
        ]


def _rows(count: int) -> str:
    return "row" if count == 1 else "rows"
