"""A mean over repeats, and how far it may be off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, sqrt

__all__ = ["CONFIDENCE", "Interval"]

CONFIDENCE = 0.95
"""How often an interval holds the true mean, if repeats differ by chance alone."""


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval, mean ± half_width.

    Attributes:
        mean: over the repeats; None where no repeat has a value.
        half_width: of Student's interval; None with fewer than two repeats, which say nothing about
            how far repeats differ.
        count: repeats with a value.
    """

    mean: float | None
    half_width: float | None
    count: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Interval:
        """Return the t-interval of some repeats: t(0.975, k − 1) · s / √k around their mean.

        Student's t takes into account that s, too, is estimated from few repeats: its factor is
        12.7 for two repeats, 4.3 for three, 2.8 for five.

        Args:
            values: one per repeat; None and what is not finite is left out.

        Example:
            >>> Interval.of([0.75])
            Interval(mean=0.75, half_width=None, count=1)
        """
        known = [value for value in values if value is not None and isfinite(value)]
        count = len(known)
        if not count:
            return cls(None, None, 0)
        mean = sum(known) / count
        if count == 1:
            return cls(mean, None, 1)
        deviation = sqrt(sum((value - mean) ** 2 for value in known) / (count - 1))
        return cls(mean, _factor(count - 1) * deviation / sqrt(count), count)


def _factor(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + CONFIDENCE / 2))
