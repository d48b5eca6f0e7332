"""Gaps of mean 1: their laws, their first one, and their sums."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from scipy import stats

from fedloom.errors import InputError
from fedloom.randomness import derive_generator
from fedloom.workload.arrivals.gaps import gap_law, stationary_sums, sums_of, weibull_shape
from fedloom.workload.arrivals.settings import ArrivalSettings

GRID = 2.0**22


def law(gaps: str, cv: float = 1.0):
    return gap_law(ArrivalSettings.model_validate({"gaps": gaps, "cv": cv}))


def distribution(gaps: str, cv: float):
    """Return the same law from SciPy, as an independent oracle."""
    if gaps == "gamma":
        return stats.gamma(1 / cv**2, scale=cv**2)
    if gaps == "weibull":
        shape = weibull_shape(cv)
        return stats.weibull_min(shape, scale=1 / stats.weibull_min(shape).mean())
    return stats.expon()


LAWS = [("poisson", 1.0), ("gamma", 0.3), ("gamma", 2.0), ("weibull", 0.5), ("weibull", 2.0)]


@pytest.mark.parametrize(("gaps", "cv"), LAWS)
def test_gaps_follow_their_law(gaps: str, cv: float) -> None:
    drawn = law(gaps, cv).draw(derive_generator(5, "test"), 20_000)
    oracle = distribution(gaps, cv)
    assert oracle.mean() == pytest.approx(1.0)
    assert oracle.std() == pytest.approx(cv)
    assert stats.kstest(drawn, oracle.cdf).pvalue > 1e-3


@pytest.mark.parametrize(("gaps", "cv"), LAWS)
def test_the_first_gap_is_what_is_left_of_the_one_around_an_arbitrary_moment(
    gaps: str, cv: float
) -> None:
    """Its density is 1 − F(x), so its mean is (1 + cv²)/2 and its distribution ∫₀ˣ (1 − F)."""
    asked, generator = law(gaps, cv), derive_generator(6, "test")
    drawn = np.array([asked.draw_first(generator) for _ in range(4_000)])
    oracle = distribution(gaps, cv)
    grid = np.concatenate([[0], np.geomspace(1e-9, drawn.max() * 1.01, 20_000)])
    survival = oracle.sf(grid)
    cdf = np.append(0, np.cumsum(np.diff(grid) * (survival[1:] + survival[:-1]) / 2))
    assert stats.kstest(drawn, lambda x: np.interp(x, grid, cdf)).pvalue > 1e-3


def test_fixed_gaps_are_fixed_and_begin_anywhere() -> None:
    asked = law("fixed")
    generator = derive_generator(1, "test")
    assert asked.draw(generator, 3).tolist() == [1.0, 1.0, 1.0]
    drawn = [asked.draw_first(generator) for _ in range(1_000)]
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3


def test_a_cv_of_one_makes_gamma_and_weibull_exponential() -> None:
    assert weibull_shape(1.0) == 1.0
    for gaps in ("gamma", "weibull"):
        drawn = law(gaps, 1.0).draw(derive_generator(5, "test"), 5_000)
        assert stats.kstest(drawn, "expon").pvalue > 1e-3


@pytest.mark.parametrize("cv", [0.001, 0.01, 0.5, 0.9, 1.0, 1.5, 2.0, 10.0, 1000.0])
def test_the_shape_of_weibull_gives_the_cv(cv: float) -> None:
    shape = weibull_shape(cv)
    oracle = stats.weibull_min(shape)
    tolerance = 1e-4 if cv < 0.1 else 1e-6  # SciPy's variance cancels for narrow laws
    assert oracle.std() / oracle.mean() == pytest.approx(cv, rel=tolerance)
    assert float(f"{shape:.10g}") == shape


@pytest.mark.parametrize("cv", [0.0001, 1e-300, 1001.0, 1e300])
@pytest.mark.parametrize("gaps", ["gamma", "weibull"])
def test_a_cv_that_cannot_be_drawn_is_refused(gaps: str, cv: float) -> None:
    with pytest.raises(InputError, match=r"cv is .*; give 0\.001 to 1000"):
        law(gaps, cv)


def test_sums_are_those_of_the_blocks_and_exact() -> None:
    asked = law("gamma", 2.0)
    blocks = list(sums_of(asked, 40_000, 42, "a"))
    assert [len(block) for block in blocks] == [16_384, 16_384, 7_232]
    sums = np.concatenate(blocks)
    gaps = np.diff(sums, prepend=0.0)
    assert np.all(gaps * GRID == np.rint(gaps * GRID))
    whole = (gaps * GRID).astype(np.int64)
    assert (sums * GRID).astype(np.int64).tolist() == np.cumsum(whole).tolist()


def test_fewer_gaps_are_the_first_of_more() -> None:
    asked = law("weibull", 0.7)
    few = np.concatenate(list(sums_of(asked, 20_000, 42, "a")))
    many = np.concatenate(list(sums_of(asked, 50_000, 42, "a")))
    assert few.tolist() == many[:20_000].tolist()


def test_streams_differ_by_seed_key_and_block() -> None:
    asked = law("poisson")
    first = next(sums_of(asked, 16_384, 42, "a"))
    assert first.tolist() != next(sums_of(asked, 16_384, 43, "a")).tolist()
    assert first.tolist() != next(sums_of(asked, 16_384, 42, "b")).tolist()
    one, other = sums_of(asked, 32_768, 42, "a")
    assert np.diff(one).tolist() != np.diff(other).tolist()


def test_stationary_sums_differ_from_plain_ones_by_their_first_gap_alone() -> None:
    asked = law("gamma", 2.0)
    plain = np.concatenate(list(sums_of(asked, 32_768, 42, "a")))
    stationary = np.concatenate(list(islice(stationary_sums(asked, 42, "a"), 2)))
    assert np.diff(plain).tolist() == np.diff(stationary).tolist()
    assert plain[0] != stationary[0]


def test_gaps_of_the_largest_cv_can_be_added_up() -> None:
    for gaps in ("gamma", "weibull"):
        sums = np.concatenate(list(sums_of(law(gaps, 1000.0), 100_000, 1, "")))
        assert np.all(np.isfinite(sums))
        assert np.all(np.diff(sums) >= 0)
