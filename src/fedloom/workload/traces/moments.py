"""Means, spreads and correlations of what passes by, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

__all__ = ["Comoment", "Moments"]


@dataclass(slots=True)
class Moments:
    """Count, mean, standard deviation and range of whole numbers; sums are exact.

    Example:
        >>> moments = Moments()
        >>> for number in (2, 4, 4, 6):
        ...     moments.add(number)
        >>> moments.mean, round(moments.std, 3), moments.least, moments.most
        (4.0, 1.414, 2, 6)
    """

    count: int = 0
    total: int = 0
    squares: int = 0
    least: int = 0
    most: int = 0

    def add(self, number: int) -> None:
        """Take in one number."""
        if not self.count:
            self.least = self.most = number
        elif number < self.least:
            self.least = number
        elif number > self.most:
            self.most = number
        self.count += 1
        self.total += number
        self.squares += number * number

    @property
    def mean(self) -> float:
        """The mean; 0 of nothing."""
        return self.total / self.count if self.count else 0.0

    @property
    def std(self) -> float:
        """The standard deviation (of the whole, not of a sample)."""
        if not self.count:
            return 0.0
        return sqrt(self.count * self.squares - self.total * self.total) / self.count


@dataclass(slots=True)
class Comoment:
    """Pearson's correlation of pairs of numbers."""

    count: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    yy: float = 0.0
    xy: float = 0.0

    def add(self, x: float, y: float) -> None:
        """Take in one pair (Welford's update, stable for long traces)."""
        self.count += 1
        dx, dy = x - self.x, y - self.y
        self.x += dx / self.count
        self.y += dy / self.count
        self.xx += dx * (x - self.x)
        self.yy += dy * (y - self.y)
        self.xy += dx * (y - self.y)

    @property
    def correlation(self) -> float:
        """−1…1; 0 where one of the two never changes."""
        spread = sqrt(self.xx * self.yy)
        return max(-1.0, min(1.0, self.xy / spread)) if spread > 1e-12 else 0.0
