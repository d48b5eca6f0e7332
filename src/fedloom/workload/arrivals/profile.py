"""The rate of arrivals over time: constant, in steps, like a day, or in bursts; and spikes.

All are factors of the stated rate, as they stand in the configuration: nothing is scaled so that
the average over the duration becomes 1, for the same moment must have the same rate however long
the workload is. Over whole periods a diurnal rate, and over both of its states a bursty one,
average 1 by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count as numbers
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import InputError
from fedloom.randomness import derive_generator
from fedloom.workload.arrivals.pieces import FAR_US, Pieces, lay_over
from fedloom.workload.arrivals.settings import (
    ArrivalSettings,
    Bursts,
    Diurnal,
    Piecewise,
    Profile,
)
from fedloom.workload.units import to_microseconds

__all__ = ["profile_pieces"]

PIECES = 4_096
SPELLS = 512
KNOTS = 360
MOST_CHANGES = 10_000_000


def profile_pieces(
    settings: ArrivalSettings, *, until_us: int, seed: int, key: str
) -> Iterator[Pieces]:
    """Return the rate from time 0 to at least `until_us`, some thousand pieces at a time.

    What it yields up to a time does not depend on how far it goes.

    Args:
        settings: profile and spikes.
        until_us: how far the rate is needed.
        seed: decides the path of a bursty rate.
        key: tells this path from others of the same seed.

    Raises:
        InputError: steps contradict each other, or the rate changes too often within the time.
    """
    shape = _shape(settings.profile, until_us, seed, key)
    spikes = []
    for spike in settings.spikes:
        begin_us = _minutes(spike.at_minutes)
        spikes.append((begin_us, begin_us + _span(spike.duration_minutes), spike.factor))
    return _until(shape, spikes, until_us)


def _until(
    shape: Iterator[Pieces], spikes: list[tuple[int, int, float]], until_us: int
) -> Iterator[Pieces]:
    for pieces in shape:
        yield lay_over(pieces, spikes)
        if pieces.edges_us[-1] >= until_us:
            return


def _shape(profile: Profile | None, until_us: int, seed: int, key: str) -> Iterator[Pieces]:
    match profile:
        case None:
            return iter([_steps([0, FAR_US], [1.0])])
        case Piecewise():
            return _piecewise(profile, until_us)
        case Diurnal():
            return _diurnal(profile, until_us)
        case Bursts():
            return _bursts(profile, until_us, seed, key)


def _steps(edges_us: list[int], factors: list[float]) -> Pieces:
    rates = np.array(factors)
    return Pieces(np.array(edges_us, dtype=np.int64), rates, rates)


def _piecewise(profile: Piecewise, until_us: int) -> Iterator[Pieces]:
    """Return the steps; before the first one, in each repetition, the factor is 1."""
    steps = sorted(profile.steps, key=lambda step: step.at_minutes)
    for one, other in pairwise(steps):
        if one.at_minutes == other.at_minutes:
            raise InputError(f"the profile has two steps at {one.at_minutes:g} minutes; keep one")
    every = profile.every_minutes
    if every is not None and steps[-1].at_minutes >= every:
        raise InputError(
            f"the profile's step at {steps[-1].at_minutes:g} minutes never comes: it begins again "
            f"every {every:g} minutes; make every_minutes larger or drop the step"
        )
    edges = [_minutes(step.at_minutes) for step in steps]
    factors = [step.factor for step in steps]
    if edges[0] > 0:
        edges, factors = [0, *edges], [1.0, *factors]
    if every is None:
        return iter([_steps([*edges, FAR_US], factors)])
    period_us = max(_span(every), edges[-1])
    return _repeat(_steps([*edges, period_us], factors), 0, until_us)


def _diurnal(profile: Diurnal, until_us: int) -> Iterator[Pieces]:
    """Return the cosine by its values at 360 points of the period, with straight lines between.

    They are off by less than 4·10⁻⁵ of the average rate, and can be inverted by a square root,
    which is exact to the last digit on every machine; a cosine is not.
    """
    period_us = _span(profile.period_minutes)
    edges = [knot * period_us // KNOTS for knot in range(KNOTS + 1)]
    wave = [round(math.cos(2 * math.pi * knot / KNOTS), 12) for knot in range(KNOTS + 1)]
    rates = 1 + profile.amplitude * np.array(wave)
    cycle = Pieces(np.array(edges, dtype=np.int64), rates[:-1], rates[1:])
    origin_us = _minutes(profile.peak_minutes) % period_us - period_us
    return _repeat(cycle, origin_us, until_us)


def _repeat(cycle: Pieces, origin_us: int, until_us: int) -> Iterator[Pieces]:
    """Return the cycle over and over from `origin_us` on, of which what is before 0 is cut."""
    period_us = int(cycle.edges_us[-1])
    _check_changes(until_us / period_us * len(cycle.begin))
    copies = max(1, min(PIECES // len(cycle.begin), FAR_US // period_us))
    shifts = np.arange(copies, dtype=np.int64) * period_us
    begin, end = np.tile(cycle.begin, copies), np.tile(cycle.end, copies)
    for turn in numbers():
        first_us = origin_us + turn * copies * period_us
        edges = (first_us + shifts[:, None] + cycle.edges_us[:-1]).ravel()
        pieces = Pieces(np.append(edges, first_us + copies * period_us), begin, end)
        yield pieces.since(0) if first_us < 0 else pieces


def _bursts(profile: Bursts, until_us: int, seed: int, key: str) -> Iterator[Pieces]:
    """Return calm and bursty spells in turn, their lengths exponential, the average rate 1."""
    calm_us, burst_us = _span(profile.calm_minutes), _span(profile.burst_minutes)
    both_us = calm_us + burst_us
    _check_changes(2 * until_us / both_us)
    calm = both_us / (calm_us + profile.factor * burst_us)
    begins_bursty = derive_generator(seed, "arrivals-spells", key).random() < burst_us / both_us
    bursty = (np.arange(SPELLS) + int(begins_bursty)) % 2
    rates = np.array([calm, calm * profile.factor])[bursty]
    means = np.array([calm_us, burst_us], dtype=np.float64)[bursty]
    reached_us = 0
    for block in numbers():
        generator = derive_generator(seed, "arrivals-spells", key, block)
        spells = np.rint(generator.standard_exponential(SPELLS) * means)
        lengths: NDArray[np.int64] = np.clip(spells, 1, FAR_US).astype(np.int64)
        edges = reached_us + np.append(0, np.cumsum(lengths))
        yield Pieces(edges, rates, rates)
        reached_us = int(edges[-1])


def _minutes(minutes: float) -> int:
    """Return minutes as microseconds, none beyond the end of all rates."""
    return to_microseconds(min(minutes * 60, FAR_US / 1e6))


def _span(minutes: float) -> int:
    return max(1, _minutes(minutes))


def _check_changes(changes: float) -> None:
    if changes > MOST_CHANGES:
        raise InputError(
            f"the profile's rate changes about {changes:.3g} times within the duration; give it "
            f"longer periods or spells: at most {MOST_CHANGES:,} changes can be followed"
        )
