"""Arrival times of a workload, as a stream.

    gaps of mean 1  →  their sums  →  the inverse of the integrated rate  →  whole microseconds

With a rate the process runs from 0 to the end of the duration, and how many arrive is random. With
a count, exactly that many arrive. Either way memory does not grow with their number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import InputError
from fedloom.randomness import derive_generator
from fedloom.workload.arrivals.clock import RateClock, integrate_rate
from fedloom.workload.arrivals.closed_loop import ClosedLoopUsers
from fedloom.workload.arrivals.gaps import GapLaw, gap_law, stationary_sums, sums_of
from fedloom.workload.arrivals.pieces import FAR_US, Pieces
from fedloom.workload.arrivals.profile import profile_pieces
from fedloom.workload.arrivals.replay import replay_times
from fedloom.workload.arrivals.settings import ArrivalSettings
from fedloom.workload.arrivals.split import split_count
from fedloom.workload.units import MICROSECONDS

__all__ = [
    "MOST_ARRIVALS",
    "ClosedLoopUsers",
    "arrival_times",
    "replay_times",
    "split_count",
]

Whole = NDArray[np.int64]
Real = NDArray[np.float64]

MOST_ARRIVALS = 1_000_000_000
"""More requests than this are taken for a mistake."""


def arrival_times(
    settings: ArrivalSettings, *, count: int | None, duration_us: int, seed: int, key: str = ""
) -> Iterator[Whole]:
    """Return when requests arrive: microseconds since the start, ascending, in chunks.

    - With `rate_per_second`: a stationary renewal process, run on the clock of the rate, over
      [0, duration). The mean number of arrivals is the integral of the rate exactly, whatever
      the law of the gaps. A longer duration leaves the earlier arrivals as they are.
    - With `count` alone: exactly `count` arrivals in [0, duration). Their gaps are laid around
      a circle, scaled so that together they are the integral of the rate over the duration, and
      the circle is cut open at a uniformly drawn place. For Poisson gaps these are `count`
      independent uniform times in order, which is the law of a Poisson process given its count.
      For other gaps no moment is favoured either (a bridge from 0 would shun or seek the ends):
      the mean number in every window is its share of the integral of the rate. Only the shape of
      the rate matters here, not its level.
    - With `replay`: the times of the file, which the duration does not cut off.

    Args:
        settings: gaps, rate and profile, or what to replay.
        count: how many; with a rate or a replay, at most so many; None: no limit.
        duration_us: microseconds over which requests arrive.
        seed: of the workload.
        key: tells this stream from others of the same seed, such as a tenant's.

    Returns:
        Chunks of at least 1 and at most 16,384 times. There may be none where a rate is given.

    Raises:
        InputError: neither a count nor a rate is given, one of them or the duration is out of
            range, the rate is 0 all the time, or arrivals wait for answers (`ClosedLoopUsers`).

    Example:
        >>> times = arrival_times(ArrivalSettings(), count=5, duration_us=1_000_000, seed=42)
        >>> sum(len(chunk) for chunk in times)
        5
    """
    _check_sizes(settings, count, duration_us)
    if settings.replay is not None:
        return _limit(replay_times(settings.replay), count)
    process = _Process(settings, gap_law(settings), duration_us, seed, key)
    if settings.rate_per_second is not None:
        process.check_expected(settings.rate_per_second, count)
        return _limit(process.arrive(settings.rate_per_second), count)
    assert count is not None
    return process.arrive_exactly(count)


def _check_sizes(settings: ArrivalSettings, count: int | None, duration_us: int) -> None:
    if settings.closed_loop is not None:
        raise InputError("arrivals of a closed loop follow from the answers; use ClosedLoopUsers")
    if count is not None and not 1 <= count <= MOST_ARRIVALS:
        raise InputError(f"the number of requests is {count:,}; give 1 to {MOST_ARRIVALS:,}")
    if settings.replay is not None:
        return
    if not 0 < duration_us <= FAR_US:
        raise InputError(
            f"the duration is {duration_us / MICROSECONDS:g} seconds; give more than 0 and at "
            f"most {FAR_US / MICROSECONDS:.0f}"
        )
    if count is None and settings.rate_per_second is None:
        raise InputError("neither a number of requests nor rate_per_second is given; give one")


def _limit(chunks: Iterator[Whole], count: int | None) -> Iterator[Whole]:
    if count is None:
        yield from chunks
        return
    left = count
    for chunk in chunks:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


@dataclass(frozen=True)
class _Process:
    """A renewal process on the clock of a rate."""

    settings: ArrivalSettings
    law: GapLaw
    duration_us: int
    seed: int
    key: str

    def __post_init__(self) -> None:
        if not 0 < self.whole < math.inf:
            level = "0" if self.whole == 0 else "beyond all bounds"
            raise InputError(
                f"profile and spikes leave a rate of {level} over the whole duration of "
                f"{self.duration_us / MICROSECONDS:g} seconds; change their times or factors"
            )

    @cached_property
    def whole(self) -> float:
        """The integral of the rate over the duration, in microseconds at the average rate."""
        return integrate_rate(self._pieces(), self.duration_us)

    def check_expected(self, rate_per_second: float, count: int | None) -> None:
        """Refuse a rate that asks for more than anyone can want."""
        expected = rate_per_second / MICROSECONDS * self.whole
        if expected > MOST_ARRIVALS and count is None:
            raise InputError(
                f"a rate of {rate_per_second:g} per second over "
                f"{self.duration_us / MICROSECONDS:g} seconds means about {expected:.3g} "
                f"requests; at most {MOST_ARRIVALS:,} can be made: lower the rate or the "
                "duration, or limit the number of requests"
            )

    def arrive(self, rate_per_second: float) -> Iterator[Whole]:
        """Yield arrivals at a rate, until the duration ends."""
        clock = RateClock(self._pieces())
        mean_gap_us = min(MICROSECONDS / rate_per_second, float(FAR_US) ** 2)
        before = np.zeros(1, np.int64)
        for sums in stationary_sums(self.law, self.seed, self.key):
            times = _whole(clock.times_us(sums * mean_gap_us), before)
            inside = int(np.searchsorted(times, self.duration_us))
            if inside:
                yield times[:inside]
            if inside < len(times):
                return
            before = times[-1:]

    def arrive_exactly(self, count: int) -> Iterator[Whole]:
        """Yield exactly `count` arrivals; the gaps are drawn once to add them up, then again."""
        clock = RateClock(self._pieces())
        before = np.zeros(1, np.int64)
        for share in self._shares(count):
            times = _whole(clock.times_us(share * self.whole), before)
            before = times[-1:]
            yield np.minimum(times, self.duration_us - 1)

    def _shares(self, count: int) -> Iterator[Real]:
        """Yield the place of each arrival on the opened circle, 0…1, ascending."""
        total = 0.0
        for sums in self._sums(count):
            total = float(sums[-1])
        cut = float(derive_generator(self.seed, "arrivals-cut", self.key).random())
        if total == 0:  # gaps so uneven that each was rounded to 0: all arrive at once
            yield from (sums + cut for sums in self._sums(count))
            return
        for sums in self._sums(count):
            if len(behind := sums[sums > cut * total]):
                yield (behind - cut * total) / total
        for sums in self._sums(count):
            if len(ahead := sums[sums <= cut * total]):
                yield (ahead + (total - cut * total)) / total
            if len(ahead) < len(sums):
                return

    def _sums(self, count: int) -> Iterator[Real]:
        return sums_of(self.law, count, self.seed, self.key)

    def _pieces(self) -> Iterator[Pieces]:
        return profile_pieces(
            self.settings, until_us=self.duration_us, seed=self.seed, key=self.key
        )


def _whole(times_us: Real, before: Whole) -> Whole:
    """Return the microsecond in which each time falls, never earlier than the one before it."""
    whole = np.floor(times_us).astype(np.int64)
    return np.maximum(np.maximum.accumulate(whole), before)
