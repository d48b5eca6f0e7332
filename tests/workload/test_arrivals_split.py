"""Sharing out a number of requests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fedloom.errors import InputError
from fedloom.workload.arrivals.split import split_count


def test_counts_are_shared_out_by_weight() -> None:
    split = split_count(100_000, [1, 0, 3, 6], 42, "")
    assert sum(split) == 100_000
    assert split[1] == 0
    expected = [10_000, 30_000, 60_000]
    assert stats.chisquare([split[0], split[2], split[3]], expected).pvalue > 1e-3


def test_the_share_of_one_weight_is_binomial() -> None:
    drawn = [split_count(20, [1, 3], seed, "")[0] for seed in range(400)]
    counts = np.bincount(drawn, minlength=21)
    law = 400 * stats.binom(20, 0.25).pmf(np.arange(21))
    bins = [slice(0, 3), slice(3, 4), slice(4, 5), slice(5, 6), slice(6, 7), slice(7, 21)]
    grouped = [(counts[b].sum(), law[b].sum()) for b in bins]
    assert stats.chisquare(*map(list, zip(*grouped, strict=True))).pvalue > 1e-3


def test_splits_follow_seed_and_key_and_scale_of_weights() -> None:
    weights = [1.0, 2.0, 3.0]
    first = split_count(1_000, weights, 1, "a")
    assert first == split_count(1_000, weights, 1, "a")
    assert first == split_count(1_000, [1e300, 2e300, 3e300], 1, "a")
    assert first != split_count(1_000, weights, 2, "a")
    assert first != split_count(1_000, weights, 1, "b")
    assert split_count(0, weights, 1, "a") == [0, 0, 0]
    assert split_count(5, [0, 1e-320], 1, "a") == [0, 5]


@pytest.mark.parametrize(
    ("count", "weights", "says"),
    [
        (-1, [1.0], "number of requests is -1"),
        (1, [], "all weights are 0"),
        (1, [0.0, 0.0], "all weights are 0"),
        (1, [1.0, -2.0], "a weight is -2.0"),
        (1, [float("nan")], "a weight is nan"),
        (1, [float("inf")], "a weight is inf"),
    ],
)
def test_what_cannot_be_shared_out_is_refused(count: int, weights: list[float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        split_count(count, weights, 1, "")
