from __future__ import annotations

import logging

import numpy as np
import pytest

from fedloom.federation.reduce import Update, bulyan, krum, multi_krum
from fedloom.federation.reduce.distances import squared_distances


def reduce_values(reducer, rows, counts=None):
    state = reducer.init([np.zeros(len(rows[0]))])
    for index, row in enumerate(rows):
        state = reducer.add(state, Update([np.float64(row)], counts[index] if counts else 1))
    return reducer.finish(state)[0]


ROWS = [[0.0], [1.0], [3.0], [7.0], [100.0]]


def test_krum_by_hand():
    # n = 5, f = 1: the two nearest others. Squared: 0 → 1 + 9, 1 → 1 + 4, 3 → 4 + 9, 7 → 16 + 36.
    assert reduce_values(krum(1), ROWS)[0] == 1.0


def test_multi_krum_by_hand():
    # The best two scores are 5 (of 1) and 10 (of 0); num_examples does not matter.
    assert reduce_values(multi_krum(1, 2), ROWS, [1, 999, 1, 1, 1])[0] == 0.5
    assert reduce_values(multi_krum(1, 1), ROWS)[0] == 1.0


def test_multi_krum_averages_no_more_than_the_scores_vouch_for():
    # n − f − 2 = 2, also where more, or "as many as are safe", is asked for.
    assert reduce_values(multi_krum(1), ROWS)[0] == 0.5
    assert reduce_values(multi_krum(1, 4), ROWS)[0] == 0.5


def test_bulyan_by_hand():
    # n = 7, f = 1, θ = 5. Krum takes, with one neighbour less each time: 2 (4 + 1 + 1 + 4), 1 (ties
    # with 3), 3 (1 + 9), 0 (ties with 4), 4 (ties with 60). Around their median, θ − 2 = 3 values.
    rows = [[60.0], [0.0], [1.0], [2.0], [3.0], [4.0], [200.0]]
    assert reduce_values(bulyan(1), rows)[0] == 2.0
    # The same choice; now 1, 2 and 2.5 are nearest to the median.
    rows[4] = [2.5]
    assert reduce_values(bulyan(1), rows)[0] == pytest.approx(5.5 / 3)


def test_bulyan_averages_the_values_nearest_to_the_median():
    # f = 0: all are chosen, and all are averaged.
    assert reduce_values(bulyan(0), [[0.0], [1.0], [5.0]])[0] == 2.0


def test_bulyan_with_too_few_arrivals_averages_all_of_them():
    # Six are one too few for f = 1.
    rows = [[0.0], [1.0], [2.0], [3.0], [4.0], [20.0]]
    assert reduce_values(bulyan(1), rows)[0] == 5.0


def test_ties_fall_to_the_smaller_update():
    # All corners of a square score the same.
    corners = [[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    np.testing.assert_array_equal(reduce_values(krum(0), corners), [0, 0])


def test_too_few_arrivals_lower_the_number_of_liars_and_say_so(caplog):
    with caplog.at_level(logging.WARNING):
        # Four updates allow f = 0: two nearest others each; 1 scores 1 + 4.
        assert reduce_values(krum(2), ROWS[:4])[0] == 1.0
    assert "4 updates arrived: protected against 0 lying clients instead of 2" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        reduce_values(krum(1), ROWS)
    assert not caplog.text


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_distances_equal_those_of_a_plain_loop(scale):
    generator = np.random.default_rng(0)
    deltas = [
        [generator.normal(size=s).astype(np.float32) * np.float32(scale) for s in ((3, 4), (5,))]
        for _ in range(6)
    ]
    flat = [np.concatenate([a.ravel() for a in d]).astype(np.float64) for d in deltas]
    expected = [[np.sum((a - b) ** 2) for b in flat] for a in flat]
    found = squared_distances([Update(d, 1) for d in deltas])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * scale**2)


def test_distances_beyond_a_float_are_infinite():
    deltas = [[np.array([1e200])], [np.array([1.0])], [np.array([2.0])]]
    found = squared_distances([Update(d, 1) for d in deltas])
    np.testing.assert_array_equal(found[0], [0, np.inf, np.inf])
    assert found[1, 2] == 1.0
