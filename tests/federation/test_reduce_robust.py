from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from fedloom.federation.reduce import (
    Update,
    bulyan,
    geometric_median,
    krum,
    median,
    multi_krum,
    trimmed_mean,
)
from fedloom.federation.reduce import kept as kept_module

KEEPING = [
    median(),
    trimmed_mean(0.2),
    geometric_median(),
    krum(1),
    multi_krum(1, 3),
    bulyan(1),
]
keeping = pytest.mark.parametrize("reducer", KEEPING, ids=lambda r: r.name)


def reduce_values(reducer, rows, counts=None):
    """Reduce one-array updates given as rows of numbers."""
    rows = np.asarray(rows, np.float64)
    state = reducer.init([np.zeros_like(rows[0])])
    for index, row in enumerate(rows):
        state = reducer.add(state, Update([row], counts[index] if counts else 1))
    return reducer.finish(state)[0]


def test_median_by_hand():
    rows = [[1, 10], [2, 30], [100, 20]]
    np.testing.assert_array_equal(reduce_values(median(), rows), [2, 20])
    # An even number: the mean of the two in the middle, whoever holds more examples.
    np.testing.assert_array_equal(reduce_values(median(), [*rows, [4, 40]], [1, 1, 1, 99]), [3, 25])


def test_trimmed_mean_by_hand():
    rows = [[-1000.0], [1], [2], [3], [5000]]
    np.testing.assert_array_equal(reduce_values(trimmed_mean(0.2), rows), [2])
    # A tenth of five is less than one: nothing is cut.
    np.testing.assert_allclose(reduce_values(trimmed_mean(0.1), rows), [4006 / 5])


def test_trimmed_mean_cuts_what_the_fraction_says():
    # 0.29 × 100 is 28.999… in floating point; 29 are cut.
    rows = [[0.0]] * 29 + [[50.0]] * 42 + [[1e6]] * 29
    assert reduce_values(trimmed_mean(0.29), rows)[0] == 50.0


def test_trimmed_mean_always_leaves_something():
    assert reduce_values(trimmed_mean(0.5 - 1e-12), [[1.0], [3.0]])[0] == 2.0


@given(st.integers(1, 30), st.floats(0, 0.49), st.integers(0, 1000))
@settings(max_examples=40)
def test_trimmed_mean_equals_scipy(count, fraction, seed):
    rows = np.random.default_rng(seed).normal(size=(count, 3))
    expected = stats.trim_mean(rows, fraction + 1e-12, axis=0)
    np.testing.assert_allclose(reduce_values(trimmed_mean(fraction), rows), expected)


def test_geometric_median_by_hand():
    # Of an isosceles cross the centre; of two collinear masses the heavier end.
    cross = [[1, 0], [-1, 0], [0, 1], [0, -1]]
    np.testing.assert_allclose(reduce_values(geometric_median(), cross), [0, 0], atol=1e-9)
    ends = [[0.0, 0.0], [1.0, 0.0]]
    np.testing.assert_allclose(reduce_values(geometric_median(), ends, [3, 1]), [0, 0], atol=1e-5)


@given(st.integers(3, 9), st.integers(0, 1000))
@example(count=3, seed=386)  # the median lies close beside an update: the slowest case
@settings(max_examples=20, deadline=None)
def test_geometric_median_equals_a_general_minimiser(count, seed):
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, 2))
    counts = generator.integers(1, 5, count).tolist()

    def cost(point):
        return float(counts @ np.linalg.norm(rows - point, axis=1))

    found = reduce_values(geometric_median(), rows, counts)
    best = optimize.minimize(cost, rows.mean(axis=0), method="Nelder-Mead")
    assert cost(found) <= best.fun * (1 + 1e-5)


def test_geometric_median_withstands_one_huge_update():
    rows = [[0.9], [1.0], [1.1], [1e30]]
    assert 0.9 <= reduce_values(geometric_median(), rows)[0] <= 1.1


@keeping
def test_one_liar_cannot_move_the_result_far(reducer):
    generator = np.random.default_rng(3)
    honest = generator.normal(1.0, 0.1, size=(9, 5))
    for lie in (1e9, -1e9, 1e200):
        result = reduce_values(reducer, [*honest, np.full(5, lie)], [1] * 10)
        assert np.all(np.abs(result - 1.0) < 0.5)


@keeping
@given(order=st.permutations(range(9)), split=st.integers(0, 9), seed=st.integers(0, 5))
@settings(max_examples=20)
def test_order_and_grouping_change_no_bit(reducer, order, split, seed):
    # Few distinct values, so that scores tie.
    rows = np.random.default_rng(seed).integers(0, 2, size=(9, 3)).astype(np.float32)
    updates = [Update([row], 1 + i % 2) for i, row in enumerate(rows)]

    def fold(chosen):
        state = reducer.init([rows[0] * 0])
        for update in chosen:
            state = reducer.add(state, update)
        return state

    expected = reducer.finish(fold(updates))[0]
    shuffled = [updates[i] for i in order]
    merged = reducer.merge(fold(shuffled[:split]), fold(shuffled[split:]))
    np.testing.assert_array_equal(reducer.finish(merged)[0], expected)


@keeping
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_arrivals_still_give_something_in_between(reducer, count):
    rows = np.arange(count * 2, dtype=np.float64).reshape(count, 2)
    result = reduce_values(reducer, rows)
    assert np.all(result >= rows.min(axis=0))
    assert np.all(result <= rows.max(axis=0))


@keeping
def test_no_arrival_means_no_difference(reducer):
    like = [np.ones((2, 3), np.float32), np.ones((), np.float32)]
    result = reducer.finish(reducer.init(like))
    assert [(r.shape, r.dtype) for r in result] == [(w.shape, w.dtype) for w in like]
    assert not any(np.any(r) for r in result)


@keeping
def test_dtype_shape_and_states_stay(reducer):
    generator = np.random.default_rng(0)
    like = [np.zeros((2, 3), np.float32), np.zeros((), np.float32), np.zeros((0,), np.float32)]
    updates = [
        Update([np.float32(generator.normal(size=w.shape)) for w in like], 5) for _ in range(7)
    ]
    state = reducer.init(like)
    states = [state := reducer.add(state, update) for update in updates]
    results = [reducer.finish(s) for s in states]
    reducer.merge(states[2], states[3])
    for before, state in zip(results, states, strict=True):
        for a, b, w in zip(before, reducer.finish(state), like, strict=True):
            np.testing.assert_array_equal(a, b)
            assert (a.shape, a.dtype) == (w.shape, w.dtype)


@keeping
def test_many_updates_neither_nest_deeply_nor_need_a_closure(reducer):
    state = reducer.init([np.zeros(1)])
    for value in range(3000):
        state = reducer.add(state, Update([np.float64([value])], 1))
    assert pickle.loads(pickle.dumps(reducer)).name == reducer.name
    _, chunks = pickle.loads(pickle.dumps(state))
    assert sum(map(len, chunks)) == 3000
    assert len(chunks) <= 12


@pytest.mark.parametrize("block", [1, 7, 1 << 22])
@keeping
def test_blocks_do_not_show(reducer, block, monkeypatch):
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(8, 50))
    expected = reduce_values(reducer, rows)
    monkeypatch.setattr(kept_module, "_BLOCK_VALUES", block)
    np.testing.assert_allclose(reduce_values(reducer, rows), expected, rtol=1e-12)


def test_updates_are_told_apart_by_their_last_value():
    # Beyond what is compared at once, and with a tie in everything before.
    long = np.zeros(10_000)
    rows = [long.copy() for _ in range(3)]
    rows[1][-1], rows[2][-1] = 1, 2
    forth, back = reduce_values(krum(0), rows), reduce_values(krum(0), rows[::-1])
    np.testing.assert_array_equal(forth, back)


def test_geometric_median_of_nothing_measurable_is_no_difference():
    np.testing.assert_array_equal(reduce_values(geometric_median(), [[1e200], [-1e200]]), [0])
