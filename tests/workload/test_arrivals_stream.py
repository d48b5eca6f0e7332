"""Arrival times as a stream: both ways of asking, what stays the same, and what is refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedloom.errors import InputError
from fedloom.workload.arrivals.settings import ArrivalSettings
from fedloom.workload.arrivals.stream import arrival_times

SECOND, MINUTE = 1_000_000, 60_000_000
DIURNAL = {"kind": "diurnal", "period_minutes": 7, "peak_minutes": 2, "amplitude": 1.0}
BURSTS = {"kind": "bursts", "burst_minutes": 0.1, "calm_minutes": 0.4}
STEPS = {
    "kind": "piecewise",
    "steps": [{"at_minutes": 0.5, "factor": 0}, {"at_minutes": 1, "factor": 3}],
    "every_minutes": 2,
}
SPIKES = [{"at_minutes": 1.5, "duration_minutes": 1, "factor": 4}]
SHAPES: list[dict[str, Any]] = [
    {},
    {"gaps": "gamma", "cv": 2.5},
    {"gaps": "weibull", "cv": 0.4},
    {"gaps": "fixed"},
    {"profile": DIURNAL},
    {"profile": BURSTS, "gaps": "gamma", "cv": 0.5},
    {"profile": STEPS, "spikes": SPIKES},
]


def asked(**values: Any) -> ArrivalSettings:
    return ArrivalSettings.model_validate(values)


def times_of(
    shape: dict[str, Any],
    *,
    rate: float | None = None,
    count: int | None = None,
    duration_us: int = 10 * MINUTE,
    seed: int = 42,
    key: str = "",
) -> NDArray[np.int64]:
    settings = asked(**shape, rate_per_second=rate)
    chunks = list(arrival_times(settings, count=count, duration_us=duration_us, seed=seed, key=key))
    assert all(0 < len(chunk) <= 16_384 for chunk in chunks)
    assert all(chunk.dtype == np.int64 for chunk in chunks)
    return np.concatenate([np.empty(0, np.int64), *chunks])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_count_is_kept_exactly(shape: dict[str, Any]) -> None:
    for count in (1, 2, 500, 16_384, 40_000):
        times = times_of(shape, count=count)
        assert len(times) == count
        assert np.all(np.diff(times) >= 0)
        assert times[0] >= 0
        assert times[-1] < 10 * MINUTE


@pytest.mark.parametrize("shape", SHAPES)
def test_with_a_rate_the_number_is_random_and_can_be_limited(shape: dict[str, Any]) -> None:
    times = times_of(shape, rate=50)
    assert 0 < len(times) < 3 * 30_000
    assert len(times) != len(times_of(shape, rate=50, seed=43)) or shape == {"gaps": "fixed"}
    assert np.all(np.diff(times) >= 0)
    assert times[0] >= 0
    assert times[-1] < 10 * MINUTE
    for limit in (1, 16_384, 20_000):
        assert times_of(shape, rate=50, count=limit).tolist() == times[:limit].tolist()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_longer_duration_leaves_the_earlier_arrivals_as_they_are(shape: dict[str, Any]) -> None:
    short = times_of(shape, rate=40, duration_us=9 * MINUTE + 1)
    long = times_of(shape, rate=40, duration_us=60 * MINUTE)
    assert len(short) > 16_384
    assert short.tolist() == long[: len(short)].tolist()
    assert long[len(short)] >= 9 * MINUTE + 1


def test_the_same_seed_and_key_mean_the_same_times() -> None:
    first = times_of({}, rate=10)
    assert first.tolist() == times_of({}, rate=10).tolist()
    assert first.tolist() != times_of({}, rate=10, seed=43).tolist()
    assert first.tolist() != times_of({}, rate=10, key="tenant").tolist()


def test_fixed_gaps_come_at_their_distance() -> None:
    times = times_of({"gaps": "fixed"}, rate=2, duration_us=10 * SECOND)
    assert len(times) == 20
    assert set(np.diff(times).tolist()) <= {499_999, 500_000, 500_001}
    times = times_of({"gaps": "fixed"}, count=20, duration_us=10 * SECOND)
    assert set(np.diff(times).tolist()) <= {499_999, 500_000, 500_001}


def test_fixed_gaps_under_steps_by_hand() -> None:
    """A rate of 1, 0 and 3 per second, half a minute each of the first two, a minute of the third.

    Arrivals are evenly spaced within each stretch, and at the jump over the stretch of rate 0
    what is left of the gap goes on at the new rate.
    """
    times = times_of({"gaps": "fixed", "profile": STEPS}, rate=1, duration_us=2 * MINUTE)
    early, late = times[times < 30 * SECOND], times[times >= 60 * SECOND]
    assert len(early) + len(late) == len(times) == 30 + 180
    assert np.allclose(np.diff(early), 1e6, atol=2)
    assert np.allclose(np.diff(late), 1e6 / 3, atol=2)
    left = 1e6 - (30 * SECOND - early[-1])
    assert late[0] == pytest.approx(60 * SECOND + left / 3, abs=2)


def test_a_day_favours_its_peak_and_a_count_takes_only_the_shape() -> None:
    times = times_of({"profile": DIURNAL}, count=10_000, duration_us=7 * MINUTE)
    by_minute = np.bincount(times // MINUTE, minlength=7)
    assert by_minute.argmax() in (1, 2)
    doubled = {"profile": {**STEPS, "steps": [{"at_minutes": 0, "factor": 7.0}]}}
    assert times_of(doubled, count=50).tolist() == pytest.approx(
        times_of({}, count=50).tolist(), abs=1
    )


def test_there_may_be_no_arrival_at_a_low_rate() -> None:
    for rate in (1e-9, 1e-300, 5e-324):
        assert times_of({}, rate=rate).tolist() == []
        assert times_of({}, rate=rate, count=5, duration_us=9).tolist() == []


def test_all_can_arrive_in_one_microsecond() -> None:
    assert times_of({}, count=20_000, duration_us=1).tolist() == [0] * 20_000
    assert times_of({}, rate=1e300, count=3).tolist() == [0, 0, 0]


@pytest.mark.parametrize("gaps", ["gamma", "weibull"])
def test_gaps_of_the_largest_cv_come_in_heaps(gaps: str) -> None:
    for seed in range(20):
        times = times_of({"gaps": gaps, "cv": 1000.0}, count=10, seed=seed)
        assert len(times) == 10
        assert len(set(times.tolist())) < 10
    assert len(times_of({"gaps": gaps, "cv": 1000.0}, rate=1, count=10)) <= 10


def test_the_end_of_the_duration_is_never_reached() -> None:
    for duration in (1, 7, 1_000, 2**53):
        times = times_of({"gaps": "fixed"}, count=1_000, duration_us=duration)
        assert 0 <= times[0] <= times[-1] < duration


@given(
    shape=st.sampled_from(SHAPES),
    count=st.integers(1, 300),
    duration_us=st.integers(1, 20 * MINUTE),
    seed=st.integers(-(2**63), 2**64),
)
@hypothesis_settings(max_examples=100, deadline=None)
def test_any_count_in_any_duration(
    shape: dict[str, Any], count: int, duration_us: int, seed: int
) -> None:
    times = times_of(shape, count=count, duration_us=duration_us, seed=seed)
    assert len(times) == count
    assert np.all(np.diff(times) >= 0)
    assert 0 <= times[0] <= times[-1] < duration_us


def peak_bytes(chunks: Iterator[Any]) -> int:
    tracemalloc.start()
    try:
        for _ in chunks:
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [{}, {"profile": BURSTS, "spikes": SPIKES}])
@pytest.mark.parametrize("rate", [None, 250.0])
def test_memory_does_not_grow_with_the_number(shape: dict[str, Any], rate: float | None) -> None:
    settings = asked(**shape, rate_per_second=rate)
    times = arrival_times(settings, count=1_000_000, duration_us=4_000 * SECOND, seed=1)
    assert peak_bytes(times) < 4_000_000


@pytest.mark.parametrize(
    ("settings", "sizes", "says"),
    [
        ({}, {"count": 0}, "number of requests is 0; give 1 to"),
        ({}, {"count": -5}, "number of requests is -5"),
        ({}, {"count": 10**9 + 1}, "number of requests is 1,000,000,001"),
        ({}, {"count": 1, "duration_us": 0}, "duration is 0 seconds"),
        ({}, {"count": 1, "duration_us": -1}, "give more than 0"),
        ({}, {"count": 1, "duration_us": 2**60}, "at most 9007199255"),
        ({}, {"count": None}, "neither a number of requests nor rate_per_second"),
        ({"rate_per_second": 1e9}, {"count": None}, "rate of 1e\\+09 per second over 60 seconds"),
        ({"gaps": "gamma", "cv": 2000.0}, {"count": 1}, "cv is 2000"),
        ({"profile": {**STEPS, "steps": [{"at_minutes": 0, "factor": 0}]}}, {"count": 3},
         "a rate of 0 over the whole duration of 60 seconds"),
        ({"rate_per_second": 3, "spikes": [{**SPIKES[0], "at_minutes": 0, "factor": 0}]},
         {"count": None}, "leave a rate of 0"),
        ({"spikes": [{"at_minutes": 0, "duration_minutes": 1, "factor": 1e308}] * 2},
         {"count": 3}, "beyond all bounds"),
        ({"closed_loop": {"users": 3}}, {"count": 3}, "ClosedLoopUsers"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_at_once(
    settings: dict[str, Any], sizes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says) as error:
        arrival_times(asked(**settings), **{"duration_us": MINUTE, "seed": 1, **sizes})
    assert "\n" not in str(error.value)


def test_a_rate_that_is_0_later_ends_the_arrivals() -> None:
    steps = [{"at_minutes": 0, "factor": 1}, {"at_minutes": 1, "factor": 0}]
    times = times_of({"profile": {"kind": "piecewise", "steps": steps}}, rate=10)
    assert 400 < len(times) < 800
    assert times[-1] < MINUTE


def test_a_replay_is_limited_by_the_count_alone(tmp_path: Path) -> None:
    path = tmp_path / "times.txt"
    path.write_text("0.5\n2\n7200\n")
    settings = asked(replay=path)
    (first,) = arrival_times(settings, count=2, duration_us=MINUTE, seed=1)
    assert first.tolist() == [0, 1_500_000]
    (times,) = arrival_times(settings, count=None, duration_us=MINUTE, seed=1)
    assert times.tolist() == [0, 1_500_000, 7_199_500_000]
