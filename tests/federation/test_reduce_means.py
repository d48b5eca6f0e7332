from __future__ import annotations

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.federation.reduce import (
    Update,
    clipped_sum,
    mean_by_examples,
    means,
    uniform_mean,
)

LIKE = [np.zeros((2, 2), np.float32), np.zeros(3, np.float32)]
FOLDING = [mean_by_examples(), uniform_mean(), clipped_sum(1.5, 4)]
folding = pytest.mark.parametrize("reducer", FOLDING, ids=lambda r: r.name)


def make_updates(count, seed=0):
    generator = np.random.default_rng(seed)
    return [
        Update(
            [generator.normal(size=w.shape).astype(w.dtype) for w in LIKE],
            int(generator.integers(1, 1000)),
        )
        for _ in range(count)
    ]


def fold(reducer, updates, state=None):
    state = reducer.init(LIKE) if state is None else state
    for update in updates:
        state = reducer.add(state, update)
    return state


def assert_close(left, right, tolerance=1e-5):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_mean_by_examples_by_hand():
    reducer = mean_by_examples()
    like = [np.zeros(2, np.float32), np.zeros((), np.float32)]
    state = reducer.init(like)
    state = reducer.add(state, Update([np.float32([1, 2]), np.float32(10)], 1))
    state = reducer.add(state, Update([np.float32([5, -2]), np.float32(2)], 3))
    first, second = reducer.finish(state)
    # (1·1 + 3·5) / 4 = 4; (1·2 + 3·(−2)) / 4 = −1; (1·10 + 3·2) / 4 = 4
    np.testing.assert_array_equal(first, [4, -1])
    assert second == 4


def test_uniform_mean_ignores_examples():
    state = fold(uniform_mean(), [Update([np.full_like(w, 1) for w in LIKE], 1)])
    state = fold(uniform_mean(), [Update([np.full_like(w, 2) for w in LIKE], 999)], state)
    assert_close(uniform_mean().finish(state), [np.full_like(w, 1.5) for w in LIKE])


def test_clipped_sum_by_hand():
    like = [np.zeros(1, np.float32), np.zeros(1, np.float32)]
    reducer = clipped_sum(clip_norm=1.0, expected_cohort=4)
    state = reducer.init(like)
    # Norm 5 over both arrays together: scaled to (0.6, 0.8). Norm 0.5: left as it is.
    state = reducer.add(state, Update([np.float32([3]), np.float32([4])], 10))
    state = reducer.add(state, Update([np.float32([0.3]), np.float32([0.4])], 1))
    first, second = reducer.finish(state)
    # Divided by the expected four, though two arrived.
    np.testing.assert_allclose(first, [0.9 / 4], rtol=1e-6)
    np.testing.assert_allclose(second, [1.2 / 4], rtol=1e-6)


def test_clipped_sum_takes_a_zero_difference():
    reducer = clipped_sum(1.0, 1)
    result = reducer.finish(reducer.add(reducer.init(LIKE), Update(LIKE, 1)))
    assert_close(result, LIKE)


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=6),
    st.floats(0.01, 100),
    st.integers(1, 50),
)
def test_one_client_moves_the_clipped_sum_by_at_most_its_sensitivity(values, clip, cohort):
    reducer = clipped_sum(clip, cohort)
    delta = [np.float32(values)]
    moved = reducer.finish(reducer.add(reducer.init(delta), Update(delta, 7)))[0]
    assert np.linalg.norm(moved) <= clip / cohort * (1 + 1e-5)


@given(st.integers(1, 12), st.integers(0, 2**32))
@settings(max_examples=40)
def test_weighted_mean_equals_numpy_average(count, seed):
    updates = make_updates(count, seed)
    reduced = mean_by_examples().finish(fold(mean_by_examples(), updates))
    weights = [u.num_examples for u in updates]
    expected = [
        np.average([u.delta[i] for u in updates], axis=0, weights=weights) for i in range(len(LIKE))
    ]
    assert_close(reduced, expected)


@folding
@given(order=st.permutations(range(7)), first=st.integers(0, 7), second=st.integers(0, 7))
@settings(max_examples=25)
def test_grouping_and_order_do_not_matter(reducer, order, first, second):
    updates = make_updates(7)
    expected = reducer.finish(fold(reducer, updates))
    shuffled = [updates[i] for i in order]
    low, high = sorted((first, second))
    a = fold(reducer, shuffled[:low])
    b = fold(reducer, shuffled[low:high])
    c = fold(reducer, shuffled[high:])
    left = reducer.finish(reducer.merge(reducer.merge(a, b), c))
    right = reducer.finish(reducer.merge(a, reducer.merge(b, c)))
    assert_close(left, expected)
    assert_close(right, expected)


@folding
def test_states_stay_whole(reducer):
    updates = make_updates(4)
    early = fold(reducer, updates[:2])
    before = reducer.finish(early)
    other = fold(reducer, updates[2:])
    reducer.merge(early, other)
    reducer.add(early, updates[3])
    assert_close(reducer.finish(early), before, 0)


@folding
def test_nothing_arrived_means_no_difference(reducer):
    result = reducer.finish(reducer.init(LIKE))
    assert_close(result, LIKE, 0)


@folding
def test_dtype_and_shape_stay(reducer):
    updates = [Update(u.delta, np.int64(u.num_examples)) for u in make_updates(3)]
    state = fold(reducer, updates)
    for array, like in zip(reducer.finish(state), LIKE, strict=True):
        assert array.dtype == like.dtype
        assert array.shape == like.shape
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(state))


@folding
def test_init_is_zero_whatever_the_weights_hold(reducer):
    state = reducer.init([np.float32([np.nan, np.inf, 1])])
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(state))


@folding
def test_survives_pickling(reducer):
    updates = make_updates(3)
    copy = pickle.loads(pickle.dumps(reducer))
    state = pickle.loads(pickle.dumps(fold(copy, updates)))
    assert_close(copy.finish(state), reducer.finish(fold(reducer, updates)), 0)


@folding
def test_fold_in_a_compiled_loop_equals_numpy(reducer):
    updates = make_updates(6)
    deltas = [jnp.stack([u.delta[i] for u in updates]) for i in range(len(LIKE))]
    counts = jnp.array([u.num_examples for u in updates], jnp.int32)

    @jax.jit
    def run(deltas, counts):
        def step(index, state):
            return reducer.add(state, Update([d[index] for d in deltas], counts[index]))

        half = jax.lax.fori_loop(0, 3, step, reducer.init([d[0] for d in deltas]))
        rest = jax.lax.fori_loop(3, 6, step, reducer.init([d[0] for d in deltas]))
        return reducer.finish(reducer.merge(half, rest))

    assert_close(run(deltas, counts), reducer.finish(fold(reducer, updates)))


@pytest.mark.parametrize("make", [mean_by_examples, uniform_mean])
def test_folding_in_place_gives_the_same_bits_and_needs_no_memory(make, monkeypatch):
    monkeypatch.setattr(means, "_BLOCK_VALUES", 3)
    reducer = make()
    generator = np.random.default_rng(4)
    like = [
        np.zeros((5, 4), np.float32),
        np.zeros((), np.float64),
        np.asfortranarray(np.zeros((3, 2), np.float16)),
        np.zeros((0, 2), np.float32),
        np.zeros(7, np.int32),
    ]
    plain, used = reducer.init(like), reducer.init(like)
    place = used[0][0]
    for count in (3, 1, 250):
        delta = [np.asarray(generator.normal(size=w.shape) * 9).astype(w.dtype) for w in like]
        plain = reducer.add(plain, Update([d.copy() for d in delta], count))
        used = reducer.consume(used, Update(delta, count))
    assert used[0][0] is place
    for ours, theirs in zip(reducer.finish(used), reducer.finish(plain), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
