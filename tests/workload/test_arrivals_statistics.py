"""Arrivals keep their promises: rate, dispersion and shape, by statistical tests with fixed seeds.

Each test rejects what is wrong with a probability of error of 1 in 1,000; with other seeds about
one in 1,000 would fail by chance. Some say how far off the processes of other generators are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from fedloom.workload.arrivals.gaps import weibull_shape
from fedloom.workload.arrivals.settings import ArrivalSettings
from fedloom.workload.arrivals.stream import arrival_times

SECOND, HOUR = 1_000_000, 3_600_000_000
LEAST = 1e-3

Real = NDArray[np.float64]


def seconds(
    shape: dict[str, Any], duration_s: float, seed: int, count: int | None = None, key: str = ""
) -> Real:
    """Return arrival times in seconds."""
    settings = ArrivalSettings.model_validate(shape)
    duration_us = round(duration_s * SECOND)
    chunks = arrival_times(settings, count=count, duration_us=duration_us, seed=seed, key=key)
    return np.concatenate([np.empty(0), *chunks]) / SECOND


def counts_by_seed(shape: dict[str, Any], duration_s: float, seeds: int) -> Real:
    settings = ArrivalSettings.model_validate(shape)
    duration_us = round(duration_s * SECOND)
    counts = []
    for seed in range(seeds):
        times = arrival_times(settings, count=None, duration_us=duration_us, seed=seed)
        counts.append(sum(len(chunk) for chunk in times))
    return np.array(counts, dtype=np.float64)


def mean_pvalue(values: Real, mean: float) -> float:
    """Two-sided z-test of a mean."""
    z = (values.mean() - mean) / (values.std(ddof=1) / np.sqrt(len(values)))
    return float(2 * stats.norm.sf(abs(z)))


def variance_pvalue(values: Real, variance: float) -> float:
    """Two-sided chi-square test of the variance of nearly normal values."""
    free = len(values) - 1
    below = stats.chi2.cdf(free * values.var(ddof=1) / variance, free)
    return float(2 * min(below, 1 - below))


def poisson_pvalue(counts: Real, expected: Real) -> float:
    """Two-sided chi-square test that counts are Poisson with the given means."""
    below = stats.chi2.cdf(((counts - expected) ** 2 / expected).sum(), len(counts))
    return float(2 * min(below, 1 - below))


def test_poisson_gaps_are_exponential_and_independent() -> None:
    gaps = np.diff(seconds({"rate_per_second": 5}, 4_000, seed=1))
    assert stats.kstest(gaps, "expon", args=(0, 0.2)).pvalue > LEAST
    assert stats.spearmanr(gaps[:-1], gaps[1:]).pvalue > LEAST
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.02)


def test_gaps_clipped_at_three_times_their_mean_would_be_noticed() -> None:
    gaps = np.diff(seconds({"rate_per_second": 5}, 4_000, seed=1))
    assert stats.kstest(np.minimum(gaps, 0.6), "expon", args=(0, 0.2)).pvalue < 1e-6


def test_poisson_counts_in_windows_have_the_variance_of_poisson() -> None:
    times = seconds({"rate_per_second": 8}, 3_000, seed=2)
    counts = np.bincount(times.astype(int), minlength=3_000).astype(float)
    assert poisson_pvalue(counts, np.full(3_000, 8.0)) > LEAST
    assert stats.spearmanr(counts[:-1], counts[1:]).pvalue > LEAST


def test_poisson_counts_over_seeds_are_poisson() -> None:
    """Counts forced to the expected number, as by rescaled gaps, would fail by their variance."""
    counts = counts_by_seed({"rate_per_second": 1}, 200, 600)
    assert mean_pvalue(counts, 200) > LEAST
    assert poisson_pvalue(counts, np.full(600, 200.0)) > LEAST
    assert poisson_pvalue(np.full(600, 200.0), np.full(600, 200.0)) < 1e-9


@pytest.mark.parametrize(
    ("gaps", "cv"), [("poisson", 1.0), ("gamma", 3.0), ("gamma", 0.3), ("weibull", 3.0)]
)
def test_the_rate_is_unbiased_even_in_short_windows(gaps: str, cv: float) -> None:
    """A process that begins with an arrival would have (cv² − 1)/2 too many: 4 of 20 for 3."""
    counts = counts_by_seed({"gaps": gaps, "cv": cv, "rate_per_second": 2}, 10, 800)
    assert mean_pvalue(counts, 20) > LEAST
    assert cv < 2 or mean_pvalue(counts, 24) < 1e-6


def test_gamma_gaps_of_cv_2_give_the_spread_of_counts_that_theory_says() -> None:
    """Var N(t) = cv²·t + (1 − cv⁴)/6 for stationary gamma renewals (Cox, Renewal Theory, §4.5).

    At rate 1 over 3,600 s: sd 120.0. Gaps rescaled to fill the window give a sd of about 1.5.
    """
    counts = counts_by_seed({"gaps": "gamma", "cv": 2.0, "rate_per_second": 1}, 3_600, 400)
    assert mean_pvalue(counts, 3_600) > LEAST
    assert variance_pvalue(counts, 4 * 3_600 + (1 - 16) / 6) > LEAST
    assert variance_pvalue(counts, 1.5**2) < 1e-9
    assert counts.std(ddof=1) == pytest.approx(122, rel=0.12)


@pytest.mark.parametrize("cv", [0.5, 2.0])
def test_weibull_gaps_give_the_spread_of_counts_that_theory_says(cv: float) -> None:
    """Var N(t) = cv²·t + 1/6 + cv⁴/2 − μ₃/3 for stationary renewals of mean gap 1."""
    law = stats.weibull_min(weibull_shape(cv))
    third = float(law.stats("s")) * cv**3
    counts = counts_by_seed({"gaps": "weibull", "cv": cv, "rate_per_second": 1}, 2_000, 400)
    assert mean_pvalue(counts, 2_000) > LEAST
    assert variance_pvalue(counts, cv**2 * 2_000 + 1 / 6 + cv**4 / 2 - third / 3) > LEAST


@pytest.mark.parametrize(("gaps", "cv"), [("gamma", 2.0), ("weibull", 0.5), ("weibull", 2.0)])
def test_gaps_have_their_coefficient_of_variation(gaps: str, cv: float) -> None:
    times = seconds({"gaps": gaps, "cv": cv, "rate_per_second": 10}, 4_000, seed=3)
    spread = np.diff(times)
    assert spread.std() / spread.mean() == pytest.approx(cv, rel=0.05)
    assert spread.mean() == pytest.approx(0.1, rel=5 * cv / np.sqrt(40_000))


def expected_by_window(rate: Any, edges: Real) -> Real:
    """Integrate a rate over windows by Simpson's rule, on a fine grid."""
    inner = np.linspace(0, 1, 201)
    weights = np.ones(201)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    times = edges[:-1, None] + np.diff(edges)[:, None] * inner
    return (rate(times) * weights).sum(axis=1) / 600 * np.diff(edges)


DAY = {"kind": "diurnal", "amplitude": 0.8, "period_minutes": 1440, "peak_minutes": 840}


def day_rate(time_s: Real) -> Real:
    return 1 + 0.8 * np.cos(2 * np.pi * (time_s / 3_600 - 14) / 24)


def test_a_day_has_the_expected_number_in_each_hour() -> None:
    times = seconds({"rate_per_second": 0.2, "profile": DAY}, 72 * 3_600, seed=4)
    edges = np.arange(73) * 3_600.0
    counts = np.histogram(times, edges)[0].astype(float)
    assert poisson_pvalue(counts, 0.2 * expected_by_window(day_rate, edges)) > LEAST
    assert poisson_pvalue(counts, np.full(72, 720.0)) < 1e-9


def test_a_day_with_a_count_has_its_share_in_each_hour() -> None:
    times = seconds({"profile": DAY}, 24 * 3_600, seed=5, count=30_000)
    edges = np.arange(25) * 3_600.0
    shares = expected_by_window(day_rate, edges)
    counts = np.histogram(times, edges)[0]
    assert stats.chisquare(counts, 30_000 * shares / shares.sum()).pvalue > LEAST


def test_steps_and_spikes_have_the_expected_number_in_each_minute() -> None:
    steps = [(0, 0.5), (2, 2.0), (3, 1.0)]
    profile = {
        "kind": "piecewise",
        "every_minutes": 5,
        "steps": [{"at_minutes": at, "factor": factor} for at, factor in steps],
    }
    spikes = [{"at_minutes": 6, "duration_minutes": 3, "factor": 3.0}]
    factors = np.tile([0.5, 0.5, 2.0, 1.0, 1.0], 4)
    factors[6:9] *= 3
    edges = np.arange(21) * 60.0
    shape = {"profile": profile, "spikes": spikes}
    times = seconds({**shape, "rate_per_second": 20}, 1_200, seed=6)
    counts = np.histogram(times, edges)[0].astype(float)
    assert poisson_pvalue(counts, 1_200 * factors) > LEAST
    times = seconds(shape, 1_200, seed=6, count=20_000)
    counts = np.histogram(times, edges)[0]
    assert stats.chisquare(counts, 20_000 * factors / factors.sum()).pvalue > LEAST


def test_within_a_slope_arrivals_follow_the_slope() -> None:
    times = seconds({"profile": {**DAY, "amplitude": 1.0}}, 24 * 3_600, seed=7, count=20_000)
    hours = times / 3_600

    def share(hour: Real) -> Real:
        turn = 2 * np.pi / 24
        wave = (np.sin(turn * (hour - 14)) + np.sin(turn * 14)) / turn
        return (hour + wave) / 24

    assert stats.kstest(hours, share).pvalue > LEAST


def test_uneven_gaps_under_a_day_keep_the_rate() -> None:
    shape = {"gaps": "gamma", "cv": 2.0, "rate_per_second": 0.05, "profile": DAY}
    counts = counts_by_seed(shape, 6 * 3_600, 400)
    expected = 0.05 * expected_by_window(day_rate, np.array([0.0, 6 * 3_600]))[0]
    assert mean_pvalue(counts, expected) > LEAST


def test_bursts_keep_the_rate_and_have_the_dispersion_that_theory_says() -> None:
    """A Markov-modulated Poisson process (Fischer and Meier-Hellstern, 1993).

    Var N(t) = λt + 2·p·q·(λ₁ − λ₂)²·(t/s − (1 − e^(−st))/s²), with s the sum of both rates of
    change and p, q the shares of both states. The index of dispersion is far above 1.
    """
    burst, calm, rate, window = 6.0, 24.0, 2.0, 1_200.0
    profile = {"kind": "bursts", "factor": 8, "burst_minutes": 0.1, "calm_minutes": 0.4}
    counts = counts_by_seed({"rate_per_second": rate, "profile": profile}, window, 400)
    share = burst / (burst + calm)
    slow = rate / (1 - share + 8 * share)
    s = 1 / burst + 1 / calm
    grows = window / s - (1 - np.exp(-s * window)) / s**2
    variance = rate * window + 2 * share * (1 - share) * (7 * slow) ** 2 * grows
    assert mean_pvalue(counts, rate * window) > LEAST
    assert variance_pvalue(counts, variance) > LEAST
    assert variance / (rate * window) > 8
    assert variance_pvalue(counts, rate * window) < 1e-9


def test_a_count_of_poisson_arrivals_is_uniform_over_the_duration() -> None:
    times = seconds({}, 1_200, seed=8, count=20_000)
    assert stats.kstest(times / 1_200, "uniform").pvalue > LEAST
    gaps = np.diff(times)
    assert stats.kstest(gaps, "expon", args=(0, 1_200 / 20_000)).pvalue > LEAST


def test_the_ends_of_a_count_are_those_of_ordered_uniform_times() -> None:
    """The last of N is Beta(N, 1): mean N/(N + 1), where scaling down gives less."""
    ends = np.array(
        [seconds({}, 1_200, seed=seed, count=50)[[0, 24, -1]] / 1_200 for seed in range(600)]
    )
    assert mean_pvalue(ends[:, 2], 50 / 51) > LEAST
    for column, rank in enumerate((1, 25, 50)):
        assert stats.kstest(ends[:, column], stats.beta(rank, 51 - rank).cdf).pvalue > LEAST


@pytest.mark.parametrize(
    ("gaps", "cv"), [("poisson", 1.0), ("gamma", 3.0), ("weibull", 0.3), ("fixed", 1.0)]
)
def test_a_count_favours_no_part_of_the_duration(gaps: str, cv: float) -> None:
    """For every law, also at the ends; each of 20 windows has its share of 10 arrivals."""
    runs = [seconds({"gaps": gaps, "cv": cv}, 100, seed=seed, count=10) for seed in range(800)]
    windows = np.array([np.histogram(run, np.arange(0, 101, 5.0))[0] for run in runs])
    # Of 20 windows the worst may look worse by chance.
    assert min(mean_pvalue(window, 0.5) for window in windows.T.astype(float)) > LEAST / 20
    assert np.all(windows.sum(axis=1) == 10)


def test_a_count_keeps_the_unevenness_of_its_gaps() -> None:
    gaps = np.diff(seconds({"gaps": "gamma", "cv": 2.0}, 1_000, seed=9, count=20_000))
    law = stats.gamma(0.25, scale=0.2)
    short = gaps < 1e-3  # one in four; many are shorter than a microsecond
    assert stats.binomtest(int(short.sum()), len(gaps), law.cdf(1e-3)).pvalue > LEAST
    longer = (law.cdf(gaps[~short]) - law.cdf(1e-3)) / law.sf(1e-3)
    assert stats.kstest(longer, "uniform").pvalue > LEAST


def test_streams_of_other_keys_are_independent() -> None:
    """The counts of two tenants in the same seconds; and together they are Poisson again."""
    one, other = (
        seconds({"rate_per_second": 4}, 2_000, seed=10, key=key).astype(int) for key in "ab"
    )
    counts = np.array([np.bincount(times, minlength=2_000) for times in (one, other)])
    assert stats.spearmanr(*counts).pvalue > LEAST
    assert poisson_pvalue(counts.sum(axis=0).astype(float), np.full(2_000, 8.0)) > LEAST
