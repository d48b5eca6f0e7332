"""Choosing rows: a test part that is the same in every run, and a seeded sample of the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.data.raw import AnyArray
from fedloom.errors import DataError, InputError
from fedloom.randomness import derive_generator

__all__ = ["Sampling", "split_test"]

_TEST_KEY = 0
"""Seed of every test split: runs with different seeds must be scored on the same rows."""


@dataclass(frozen=True)
class Sampling:
    """How many rows of the train part are kept, and the seed that says which.

    Attributes:
        size: that many rows, or None.
        fraction: that share of the rows, 0 < fraction ≤ 1, or None; excludes `size`.
        seed: the seed of the run.
    """

    size: int | None = None
    fraction: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size is not None and self.fraction is not None:
            raise InputError(
                f"sample_size ({self.size}) and sample_frac ({self.fraction:g}) exclude each "
                f"other: give one of them"
            )
        if self.size is not None and (isinstance(self.size, bool) or self.size < 1):
            raise InputError(f"sample_size is {self.size}: it must be at least 1")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise InputError(f"sample_frac is {self.fraction:g}: it must be above 0 and at most 1")

    def choose(self, name: str, rows: int) -> NDArray[np.int64]:
        """Return the rows that are kept, ascending; a larger sample contains a smaller one."""
        size = self._count(name, rows)
        if size == rows:
            return np.arange(rows)
        return np.sort(derive_generator(self.seed, "sample").permutation(rows)[:size])

    def _count(self, name: str, rows: int) -> int:
        if self.size is not None and self.size > rows:
            raise InputError(
                f"sample_size is {self.size}, but {name} has {rows} training rows: ask for 1…{rows}"
            )
        if self.fraction is None:
            return rows if self.size is None else self.size
        if not (size := round(rows * self.fraction)):
            raise InputError(
                f"sample_frac {self.fraction:g} of the {rows} training rows of {name} is no row"
            )
        return size


def split_test(
    name: str, strata: AnyArray, fraction: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows into a train and a test part, each stratum by the same share.

    The split depends on the rows alone, never on a run's seed. Every stratum keeps at least one
    row in the train part.

    Args:
        name: the data set, for messages.
        strata: index of each row's class, shape (rows,).
        fraction: share of the rows in the test part, 0 < fraction < 1.

    Returns:
        The rows of the train and of the test part, both ascending.

    Raises:
        InputError: `fraction` is out of range.
        DataError: there are too few rows for a test part.
    """
    if not 0 < fraction < 1:
        raise InputError(f"test_fraction is {fraction:g}: it must be above 0 and below 1")
    shuffled = derive_generator(_TEST_KEY, "test split").permutation(len(strata))
    shuffled = shuffled[np.argsort(strata[shuffled], kind="stable")]
    counts = np.bincount(strata)
    quotas = _share(counts, fraction)
    if not quotas.sum():
        raise DataError(f"{name} has {len(strata)} rows: too few to set a test part aside")
    position = np.arange(len(strata)) - np.repeat(np.cumsum(counts) - counts, counts)
    in_test = position < np.repeat(quotas, counts)
    return np.sort(shuffled[~in_test]), np.sort(shuffled[in_test])


def _share(counts: NDArray[np.int64], fraction: float) -> NDArray[np.int64]:
    """Return how many rows of each stratum go to the test part (largest remainders)."""
    exact = np.multiply(counts, fraction)
    quotas: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    total = max(1, math.floor(exact.sum() + 0.5))
    by_remainder = np.argsort(quotas - exact, kind="stable")
    can_give = by_remainder[(counts - quotas)[by_remainder] > 1]
    quotas[can_give[: max(0, total - int(quotas.sum()))]] += 1
    return quotas
