"""Gaps between arrivals at a rate of one: drawn in blocks, summed, the same on every machine.

The sums are times on a clock that runs at the speed of the arrivals: `clock.py` turns them into
real ones. Gaps are drawn by the generator's own C routines, not by NumPy's vector functions, whose
last digits differ between processors. Then they are rounded to 2⁻²² of the mean gap: a sum below
2³¹ is exact in whatever order it is taken, and a last digit in which the mathematical libraries
of two machines differ is gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as numbers
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import InputError
from fedloom.randomness import derive_generator
from fedloom.workload.arrivals.settings import ArrivalSettings, Gaps
from fedloom.workload.block import BLOCK_REQUESTS

__all__ = ["GapLaw", "gap_law", "stationary_sums", "sums_of", "weibull_shape"]

Real = NDArray[np.float64]

GRID = 2.0**22
SMALLEST_CV, LARGEST_CV = 0.001, 1000.0


class GapLaw(Protocol):
    """A distribution of gaps of mean 1."""

    def draw(self, generator: np.random.Generator, count: int) -> Real:
        """Return `count` independent gaps."""
        ...

    def draw_first(self, generator: np.random.Generator) -> float:
        """Return the time from an arbitrary moment to the next arrival.

        An arbitrary moment falls into a long gap more often than into a short one: the gap
        around it has the density x·f(x), and the moment is uniform in it (the forward recurrence
        time of renewal theory). A process that starts so is stationary: the mean number of
        arrivals in any window is exactly its length, which it is not for one that starts with an
        arrival at 0.
        """
        ...


def gap_law(settings: ArrivalSettings) -> GapLaw:
    """Return the law of the gaps.

    Raises:
        InputError: the coefficient of variation is too small or too large to be drawn.
    """
    if not SMALLEST_CV <= settings.cv <= LARGEST_CV:
        raise InputError(
            f"cv is {settings.cv:g}; give {SMALLEST_CV:g} to {LARGEST_CV:g}, or gaps: fixed"
        )
    match settings.gaps:
        case Gaps.POISSON:
            return _Exponential()
        case Gaps.GAMMA:
            return _Gamma(1 / (settings.cv * settings.cv))
        case Gaps.WEIBULL:
            return _Weibull(weibull_shape(settings.cv))
        case Gaps.FIXED:
            return _Fixed()


@dataclass(frozen=True)
class _Exponential:
    def draw(self, generator: np.random.Generator, count: int) -> Real:
        return generator.standard_exponential(count)

    def draw_first(self, generator: np.random.Generator) -> float:
        return float(generator.standard_exponential())


@dataclass(frozen=True)
class _Gamma:
    shape: float

    def draw(self, generator: np.random.Generator, count: int) -> Real:
        return generator.standard_gamma(self.shape, count) / self.shape

    def draw_first(self, generator: np.random.Generator) -> float:
        around = generator.standard_gamma(self.shape + 1) / self.shape
        return float(generator.random() * around)


@dataclass(frozen=True)
class _Weibull:
    shape: float

    @property
    def mean(self) -> float:
        return _round(math.gamma(1 + 1 / self.shape))

    def draw(self, generator: np.random.Generator, count: int) -> Real:
        # An exponential to the power 1/shape; the generator's own loop calls the scalar `pow`.
        return generator.weibull(self.shape, count) / self.mean

    def draw_first(self, generator: np.random.Generator) -> float:
        # With x·f(x) as the density of the gap, its power `shape` is gamma distributed.
        powered = float(generator.standard_gamma(1 + 1 / self.shape))
        return float(generator.random() * powered ** (1 / self.shape) / self.mean)


@dataclass(frozen=True)
class _Fixed:
    def draw(self, generator: np.random.Generator, count: int) -> Real:
        del generator  # nothing is left to chance
        return np.ones(count)

    def draw_first(self, generator: np.random.Generator) -> float:
        return float(generator.random())


def weibull_shape(cv: float) -> float:
    """Return the shape of the Weibull distribution with this coefficient of variation.

    1 + cv² = Γ(1 + 2/shape) / Γ(1 + 1/shape)², which falls with the shape; solved by bisection.

    Example:
        >>> weibull_shape(1.0)
        1.0
    """
    wanted = math.log1p(cv * cv)
    low, high = 0.01, 10_000.0
    for _ in range(100):
        middle = (low * high) ** 0.5
        spread = math.lgamma(1 + 2 / middle) - 2 * math.lgamma(1 + 1 / middle)
        low, high = (middle, high) if spread > wanted else (low, middle)
    return _round(low)


def _round(value: float) -> float:
    """Return ten digits of a value: all that every machine's library agrees about."""
    return float(f"{value:.10g}")


def sums_of(law: GapLaw, count: int, seed: int, key: str) -> Iterator[Real]:
    """Yield the sums of the first 1, 2, …, `count` gaps, a block at a time."""
    reached = 0.0
    for block in range(-(-count // BLOCK_REQUESTS)):
        wanted = min(BLOCK_REQUESTS, count - block * BLOCK_REQUESTS)
        sums = _add_up(reached, _draw_block(law, wanted, seed, key, block))
        reached = float(sums[-1])
        yield sums


def stationary_sums(law: GapLaw, seed: int, key: str) -> Iterator[Real]:
    """Yield, without end, when arrivals come if the first gap began before time 0."""
    start = derive_generator(seed, "arrivals-start", key)
    reached = 0.0
    for block in numbers():
        gaps = _draw_block(law, BLOCK_REQUESTS, seed, key, block)
        if block == 0:
            gaps[0] = _to_grid(np.array([law.draw_first(start)]))[0]
        sums = _add_up(reached, gaps)
        reached = float(sums[-1])
        yield sums


def _draw_block(law: GapLaw, count: int, seed: int, key: str, block: int) -> Real:
    return _to_grid(law.draw(derive_generator(seed, "arrivals", key, block), count))


def _to_grid(gaps: Real) -> Real:
    return np.rint(gaps * GRID) / GRID


def _add_up(reached: float, gaps: Real) -> Real:
    return reached + np.cumsum(gaps)
