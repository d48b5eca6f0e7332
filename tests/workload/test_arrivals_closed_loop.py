"""Closed loops: who asks when, after which answer."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from fedloom.errors import InputError
from fedloom.workload.arrivals.closed_loop import ClosedLoopUsers
from fedloom.workload.arrivals.settings import ClosedLoop

SECOND = 1_000_000
Columns = NDArray[np.int64]


def users_of(
    users: int = 1, *, duration_s: float = 100, seed: int = 1, key: str = "", **values: Any
) -> ClosedLoopUsers:
    asked = ClosedLoop.model_validate({"users": users, **values})
    return ClosedLoopUsers(asked, duration_us=round(duration_s * SECOND), seed=seed, key=key)


def send(loop: ClosedLoopUsers, critical_us: Columns, size: int = 16_384) -> Columns:
    """Return [3, n] what all blocks give together."""
    blocks = []
    for at in range(0, len(critical_us), size):
        part = critical_us[at : at + size]
        blocks.append(np.array(loop.next_block(part)))
        if blocks[-1].shape[1] < len(part):
            break
    return np.concatenate(blocks, axis=1)


def test_two_users_by_hand() -> None:
    """Both think 2 s. Answers take 5, 1, 1, 9, 1 s: user 1 asks at 2, 5, 8; user 0 at 2, 9."""
    loop = users_of(2, think_seconds=2, think_law="fixed", duration_s=10)
    critical = np.array([5, 1, 1, 9, 1, 1, 1]) * SECOND
    times, after, think = loop.next_block(critical)
    assert (times // SECOND).tolist() == [2, 2, 5, 8, 9]
    assert after.tolist() == [-1, -1, 1, 2, 0]
    assert think.tolist() == [2 * SECOND] * 5
    assert times.dtype == after.dtype == think.dtype == np.int64


def test_nothing_more_comes_after_the_end() -> None:
    loop = users_of(3, think_seconds=1, think_law="fixed", duration_s=2)
    assert len(loop.next_block(np.full(10, 5 * SECOND))[0]) == 3
    assert [len(column) for column in loop.next_block(np.full(10, 5))] == [0, 0, 0]


def test_users_who_think_longer_than_the_duration_ask_nothing() -> None:
    loop = users_of(3, think_seconds=100, think_law="fixed", duration_s=100)
    assert len(loop.next_block(np.full(10, 1))[0]) == 0


@given(
    users=st.integers(1, 40),
    mean=st.sampled_from([0.0, 0.001, 1.0, 30.0]),
    law=st.sampled_from(["exponential", "fixed"]),
    seed=st.integers(0, 1_000),
    cut=st.integers(1, 70),
)
@settings(max_examples=60, deadline=None)
def test_the_loop_keeps_its_rules_however_it_is_cut(
    users: int, mean: float, law: str, seed: int, cut: int
) -> None:
    critical = np.random.default_rng(seed).integers(1, 5 * SECOND, 300)
    asked = {"think_seconds": mean, "think_law": law, "seed": seed, "duration_s": 60}
    times, after, think = send(users_of(users, **asked), critical)
    again = send(users_of(users, **asked), critical, cut)
    assert np.array_equal(again, [times, after, think])
    assert np.all(np.diff(times) >= 0)
    assert np.all(times < 60 * SECOND)
    first = after < 0
    assert first.sum() <= users
    assert np.array_equal(times[first], think[first])
    later = np.flatnonzero(~first)
    assert np.all(after[later] < later)
    ends = times + critical[: len(times)]
    assert np.array_equal(times[later], ends[after[later]] + think[later])
    assert len(set(after[later].tolist())) == len(later), "two requests wait for one answer"
    assert mean > 0 or len(times) == 300 or times[-1] > 50 * SECOND


def thoughts_by_user(columns: Columns) -> list[tuple[int, ...]]:
    """Return how long each user thought, users in the order of their first request."""
    user: list[int] = []
    thoughts: dict[int, list[int]] = {}
    for number, (before, think) in enumerate(columns[1:].T.tolist()):
        user.append(number if before < 0 else user[before])
        thoughts.setdefault(user[number], []).append(think)
    return [tuple(own) for own in thoughts.values()]


def test_with_more_users_the_others_think_as_before() -> None:
    """1,500 and 2,000 users: of the second thousand, some in the first case, more in the second."""
    critical = np.full(80_000, 2 * SECOND)
    few = thoughts_by_user(send(users_of(1_500, think_seconds=3), critical))
    more = thoughts_by_user(send(users_of(2_000, think_seconds=3), critical))
    assert (len(few), len(more)) == (1_500, 2_000)
    assert max(len(own) for own in few) > 16, "later draws are not seen"
    assert set(few) < set(more)
    assert len(set(more)) == 2_000


def test_thinking_is_exponential_also_late() -> None:
    loop = users_of(3, think_seconds=2, duration_s=10**6)
    _, _, think = send(loop, np.full(9_000, 1))
    for part in (think[:45], think[45:4_500], think[4_500:]):
        assert stats.kstest(part / SECOND, "expon", args=(0, 2)).pvalue > 1e-3
    assert len(set(think.tolist())) > 8_900


def test_the_rate_is_that_of_users_over_their_cycle() -> None:
    """100 users, 10 s thinking, 2 s answering: 100/12 requests per second in the long run."""
    counts = []
    for seed in range(60):
        loop = users_of(100, think_seconds=10, seed=seed, duration_s=700)
        times = send(loop, np.full(20_000, 2 * SECOND))[0]
        counts.append(int((times >= 100 * SECOND).sum()))
    z = (np.mean(counts) - 5_000) / (np.std(counts, ddof=1) / np.sqrt(60))
    assert 2 * stats.norm.sf(abs(z)) > 1e-3


def test_loops_differ_by_seed_and_key() -> None:
    critical = np.full(50, SECOND)
    first = send(users_of(5), critical)
    assert np.array_equal(first, send(users_of(5), critical))
    assert not np.array_equal(first, send(users_of(5, seed=2), critical))
    assert not np.array_equal(first, send(users_of(5, key="tenant"), critical))


def test_memory_is_that_of_the_users() -> None:
    loop = users_of(1_000, duration_s=10**9)
    critical = np.full(16_384, SECOND)
    for _ in range(6):
        loop.next_block(critical)
    tracemalloc.start()
    try:
        for _ in range(4):
            loop.next_block(critical)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_an_empty_block_sends_nothing() -> None:
    loop = users_of(2)
    assert [len(column) for column in loop.next_block(np.empty(0, np.int64))] == [0, 0, 0]


def test_what_never_gets_on_is_refused() -> None:
    loop = users_of(2, think_seconds=0)
    with pytest.raises(InputError, match="set think_seconds above 0"):
        loop.next_block(np.zeros(100, np.int64))


def test_what_cannot_be_followed_is_refused() -> None:
    with pytest.raises(InputError, match="1,000,001 users; at most 1,000,000"):
        users_of(1_000_001)
    with pytest.raises(InputError, match="duration is 0 seconds"):
        users_of(1, duration_s=0)
    with pytest.raises(InputError, match="critical path is -3"):
        users_of(1).next_block(np.array([5, -3]))


def test_thinking_beyond_all_bounds_does_no_harm() -> None:
    assert len(users_of(3, think_seconds=1e300).next_block(np.array([1, 2]))[0]) == 0
