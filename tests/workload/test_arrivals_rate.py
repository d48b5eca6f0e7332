"""The rate over time: pieces, profiles, spikes, and the clock that runs at its speed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from fedloom.errors import InputError
from fedloom.workload.arrivals.clock import RateClock, integrate_rate
from fedloom.workload.arrivals.pieces import FAR_US, Pieces, lay_over
from fedloom.workload.arrivals.profile import profile_pieces
from fedloom.workload.arrivals.settings import ArrivalSettings, Bursts, Diurnal, Piecewise, Spike

MINUTE = 60_000_000


def steps(*pairs: tuple[float, float], every: float | None = None) -> Piecewise:
    return Piecewise.model_validate(
        {
            "kind": "piecewise",
            "steps": [{"at_minutes": at, "factor": factor} for at, factor in pairs],
            "every_minutes": every,
        }
    )


def spike(at: float, duration: float, factor: float) -> Spike:
    return Spike(at_minutes=at, duration_minutes=duration, factor=factor)


def pieces_of(
    profile: Piecewise | Diurnal | Bursts | None = None,
    *spikes: Spike,
    until: float = 60,
    seed: int = 1,
    key: str = "",
) -> Iterator[Pieces]:
    asked = ArrivalSettings(profile=profile, spikes=spikes)
    return profile_pieces(asked, until_us=round(until * MINUTE), seed=seed, key=key)


def rate_at(pieces: Iterator[Pieces], minute: float) -> float:
    """Return the factor just after a time: its integral over one second."""
    time = round(minute * MINUTE)
    blocks = list(pieces)
    later = integrate_rate(iter(blocks), time + 1_000_000)
    return (later - integrate_rate(iter(blocks), time)) / 1_000_000


def test_without_a_profile_the_rate_is_one() -> None:
    (pieces,) = pieces_of()
    assert pieces.edges_us.tolist() == [0, FAR_US]
    assert pieces.begin.tolist() == pieces.end.tolist() == [1.0]
    assert integrate_rate(pieces_of(), 5) == 5.0


def test_steps_hold_from_their_time_on() -> None:
    (pieces,) = pieces_of(steps((10, 3.0), (2, 0.5)))
    assert pieces.edges_us.tolist() == [0, 2 * MINUTE, 10 * MINUTE, FAR_US]
    assert pieces.begin.tolist() == [1.0, 0.5, 3.0]


def test_steps_begin_again() -> None:
    profile = steps((0, 2.0), (1, 0.0), every=4)
    assert [rate_at(pieces_of(profile), m) for m in (0.5, 1, 3.5, 4, 5.5, 40.5, 41.5)] == [
        2.0, 0.0, 0.0, 2.0, 0.0, 2.0, 0.0,
    ]  # fmt: skip
    assert integrate_rate(pieces_of(profile), 60 * MINUTE) == 30 * MINUTE


def test_repeated_steps_cross_from_block_to_block() -> None:
    profile = steps((0, 2.0), (1, 0.5), (1.5, 1.0), every=4)
    blocks = list(pieces_of(profile, until=4 * 3_000))
    assert len(blocks) > 1
    for one, other in pairwise(blocks):
        assert one.edges_us[-1] == other.edges_us[0]
    assert integrate_rate(iter(blocks), 12_000 * MINUTE) == 3_000 * 4.75 * MINUTE


def test_spikes_multiply_the_profile_and_one_another() -> None:
    pieces = list(pieces_of(steps((0, 2.0)), spike(5, 10, 3.0), spike(10, 10, 0.5)))
    rates = [rate_at(iter(pieces), m) for m in (4.9, 5, 9.9, 10, 14.9, 15, 19.9, 20)]
    assert rates == [2.0, 6.0, 6.0, 3.0, 3.0, 1.0, 1.0, 2.0]


def test_a_spike_over_the_end_of_a_sloping_piece_keeps_the_slope() -> None:
    ramp = Pieces(np.array([0, 10]), np.array([0.0]), np.array([1.0]))
    laid = lay_over(ramp, [(5, 100, 2.0)])
    assert laid.edges_us.tolist() == [0, 5, 10]
    assert laid.begin.tolist() == [0.0, 1.0]
    assert laid.end.tolist() == [0.5, 2.0]


@pytest.mark.parametrize(("period", "peak"), [(1440, 840), (60, 0), (7, 100), (0.5, 0.3)])
def test_a_day_follows_its_cosine(period: float, peak: float) -> None:
    profile = Diurnal(kind="diurnal", amplitude=0.8, period_minutes=period, peak_minutes=peak)

    def rate(minute: float) -> float:
        return 1 + 0.8 * np.cos(2 * np.pi * (minute - peak) / period)

    for share in (0.1, 0.37, 1.0, 1.61):
        until = share * period
        expected, _ = quad(rate, 0, until)
        got = integrate_rate(pieces_of(profile, until=until), round(until * MINUTE)) / MINUTE
        assert got == pytest.approx(expected, abs=4e-5 * period)


def test_a_whole_period_of_a_day_averages_one() -> None:
    profile = Diurnal(kind="diurnal", amplitude=1.0, period_minutes=36, peak_minutes=11)
    got = integrate_rate(pieces_of(profile, until=36 * 20), 36 * 20 * MINUTE)
    assert got == pytest.approx(36 * 20 * MINUTE, rel=1e-12)
    assert rate_at(pieces_of(profile), 11 + 18) == pytest.approx(0, abs=1e-4)
    assert rate_at(pieces_of(profile), 11) == pytest.approx(2, abs=1e-4)


def test_bursts_alternate_between_two_rates_that_average_one() -> None:
    profile = Bursts(kind="bursts", factor=10, burst_minutes=1, calm_minutes=9)
    (pieces,) = pieces_of(profile)
    calm, burst = sorted(set(pieces.begin.tolist()))
    assert burst == pytest.approx(10 * calm)
    assert 0.1 * burst + 0.9 * calm == pytest.approx(1.0)
    assert np.all(np.diff(pieces.begin) != 0)
    assert pieces.begin.tolist() == pieces.end.tolist()


def test_spells_are_exponential_and_differ_by_key() -> None:
    profile = Bursts(kind="bursts", factor=2, burst_minutes=1, calm_minutes=9)
    blocks = list(pieces_of(profile, until=20_000))
    lengths = np.concatenate([np.diff(block.edges_us) for block in blocks]) / MINUTE
    bursty = np.concatenate([block.begin for block in blocks]) > 1
    assert len(lengths) > 3_000
    assert stats.kstest(lengths[bursty], "expon", args=(0, 1)).pvalue > 1e-3
    assert stats.kstest(lengths[~bursty], "expon", args=(0, 9)).pvalue > 1e-3
    other = next(pieces_of(profile, key="other"))
    assert other.edges_us.tolist() != blocks[0].edges_us.tolist()


def test_the_first_spell_is_stationary() -> None:
    """P(burst at 0) is its share of the time: 3 of 12 minutes."""
    profile = Bursts(kind="bursts", factor=5, burst_minutes=3, calm_minutes=9)
    starts = [next(pieces_of(profile, seed=seed)).begin[0] > 1 for seed in range(800)]
    assert stats.binomtest(sum(starts), 800, 0.25).pvalue > 1e-3


PROFILES = [
    None,
    steps((0, 2.0), (1, 0.0), (2, 1.5), every=4),
    steps((0, 0.0), (3, 2.0), (30, 0.0)),
    Diurnal(kind="diurnal", period_minutes=13, peak_minutes=5, amplitude=1.0),
    Bursts(kind="bursts", burst_minutes=0.01, calm_minutes=0.05),
]


@pytest.mark.parametrize("profile", PROFILES)
def test_what_comes_first_does_not_depend_on_how_far_it_goes(profile: Piecewise) -> None:
    short = list(pieces_of(profile, spike(2, 3, 4.0), until=5))
    long = list(pieces_of(profile, spike(2, 3, 4.0), until=500))
    for one, other in zip(short, long, strict=False):
        assert one.edges_us.tolist() == other.edges_us.tolist()
        assert one.begin.tolist() == other.begin.tolist()
        assert one.end.tolist() == other.end.tolist()


@pytest.mark.parametrize("profile", PROFILES)
def test_the_clock_inverts_the_integral(profile: Piecewise) -> None:
    """The integral up to each time that it tells is the one that it was asked for."""
    blocks = list(pieces_of(profile, spike(2, 3, 0.5)))
    whole = integrate_rate(iter(blocks), 60 * MINUTE)
    asked = np.linspace(0, whole, 200, endpoint=False)[1:]
    times = RateClock(iter(blocks)).times_us(asked)
    assert np.all(np.diff(times) >= 0)
    # Whole microseconds, as `integrate_rate` takes them, and rates of at most 10.
    told = [integrate_rate(iter(blocks), int(time)) for time in times]
    assert told == pytest.approx(asked, abs=20)


@given(
    edges=st.lists(st.integers(1, 50), min_size=1, max_size=8),
    rates=st.lists(st.sampled_from([0.0, 0.25, 1.0, 3.0]), min_size=9, max_size=9),
    shares=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20),
    split=st.integers(1, 7),
)
@settings(max_examples=100, deadline=None)
def test_the_clock_agrees_with_the_integral_however_blocks_and_calls_are_cut(
    edges: list[int], rates: list[float], shares: list[float], split: int
) -> None:
    time = np.cumsum([0, *edges])
    begin, end = np.array(rates[: len(edges)]), np.array(rates[1 : len(edges) + 1])
    whole = Pieces(time, begin, end)
    cut = min(split, len(edges))
    blocks = [Pieces(time[: cut + 1], begin[:cut], end[:cut])]
    if cut < len(edges):
        blocks.append(Pieces(time[cut:], begin[cut:], end[cut:]))
    total = float(whole.masses().sum())
    asked = np.sort(np.array(shares)) * total
    told = RateClock(iter([whole])).times_us(asked)
    clock = RateClock(iter(blocks))
    middle = len(asked) // 2
    again = np.concatenate([clock.times_us(asked[:middle]), clock.times_us(asked[middle:])])
    assert told.tolist() == again.tolist()
    for value, at in zip(asked, told, strict=True):
        if value < whole.masses().cumsum()[-1]:
            piece = min(int(np.searchsorted(time, at, side="right")) - 1, len(edges) - 1)
            x, length = at - time[piece], edges[piece]
            inside = begin[piece] * x + (end[piece] - begin[piece]) * x * x / (2 * length)
            assert whole.masses()[:piece].sum() + inside == pytest.approx(value, abs=1e-6)


def test_what_is_never_reached_is_told_as_the_end_of_all_rates() -> None:
    pieces = Pieces(np.array([0, 10]), np.array([1.0]), np.array([1.0]))
    clock = RateClock(iter([pieces]))
    assert clock.times_us(np.array([])).tolist() == []
    assert clock.times_us(np.array([4.0, 10.5, np.inf])).tolist() == [4.0, FAR_US, FAR_US]


def test_a_stretch_without_a_rate_is_jumped() -> None:
    pieces = Pieces(np.array([0, 10, 50, 60]), np.array([1.0, 0, 1]), np.array([1.0, 0, 1]))
    told = RateClock(iter([pieces])).times_us(np.array([9.0, 10.0, 11.0]))
    assert told.tolist() == [9.0, 50.0, 51.0]


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        (steps((5, 1.0), (5, 2.0)), "two steps at 5 minutes"),
        (steps((0, 1.0), (60, 2.0), every=60), "step at 60 minutes never comes"),
        (steps((0, 1.0), every=1e-6), "rate changes about"),
        (Diurnal(kind="diurnal", period_minutes=1e-4), "rate changes about"),
        (Bursts(kind="bursts", burst_minutes=1e-9, calm_minutes=1e-9), "rate changes about"),
    ],
)
def test_a_profile_that_cannot_be_followed_is_refused(profile: Piecewise, says: str) -> None:
    with pytest.raises(InputError, match=says):
        next(pieces_of(profile, until=14 * 1440))


@pytest.mark.parametrize(
    "profile",
    [
        steps((0, 1.0), (1e300, 2.0)),
        steps((0, 1.0), every=1e300),
        Diurnal(kind="diurnal", period_minutes=1e300, peak_minutes=1e300),
        Bursts(kind="bursts", burst_minutes=1e300, calm_minutes=1e300),
    ],
)
def test_times_beyond_all_bounds_do_no_harm(profile: Piecewise) -> None:
    blocks = list(pieces_of(profile, spike(1e300, 1e300, 2.0)))
    assert all(np.all(np.diff(block.edges_us) >= 0) for block in blocks)
    assert 0 < integrate_rate(iter(blocks), 60 * MINUTE) < 11 * 60 * MINUTE
