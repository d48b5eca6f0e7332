from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import InputError
from fedloom.federation.select import (
    choose_cohort,
    draw_dropouts,
    draw_uniforms,
    resolve_cohort,
)


@pytest.mark.parametrize(
    ("cohort", "size"),
    [(None, 20), (20, 20), (1, 1), (1.0, 20), (0.5, 10), (0.1, 2), (0.125, 3), (0.001, 1)],
)
def test_resolve_cohort(cohort, size):
    assert resolve_cohort(cohort, 20) == size


@pytest.mark.parametrize("cohort", [0, -1, 21, 0.0, -0.5, 1.5, 10.0, float("nan"), True])
def test_impossible_cohort_is_named(cohort):
    with pytest.raises(InputError, match=f"cohort={cohort}: .* from 1 to 20"):
        resolve_cohort(cohort, 20)


def test_no_clients():
    with pytest.raises(InputError, match="clients=0"):
        resolve_cohort(None, 0)


@given(st.integers(0, 2**32), st.integers(1, 50), st.integers(1, 300), st.data())
def test_cohort_is_ascending_distinct_and_repeatable(seed, number, clients, data):
    size = data.draw(st.integers(1, clients))
    cohort = choose_cohort(seed, number, clients, size)
    assert len(cohort) == size
    assert cohort == sorted(set(cohort))
    assert set(cohort) <= set(range(clients))
    assert all(type(client) is int for client in cohort)
    assert cohort == choose_cohort(seed, number, clients, size)


def test_rounds_and_seeds_choose_differently():
    cohorts = {tuple(choose_cohort(s, r, 1000, 10)) for s in range(5) for r in range(5)}
    assert len(cohorts) == 25


def test_all_clients():
    assert choose_cohort(1, 1, 5, 5) == choose_cohort(1, 1, 5, 5, poisson=True) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("poisson", [False, True])
def test_every_client_is_as_likely(poisson):
    counts = np.zeros(20)
    for number in range(2000):
        counts[choose_cohort(3, number, 20, 5, poisson=poisson)] += 1
    # 500 expected each, with a standard deviation of about 19.
    assert np.all(np.abs(counts - 500) < 90)


def test_poisson_sizes_and_pairs_are_those_of_independent_clients():
    cohorts = [choose_cohort(3, number, 10, 2, poisson=True) for number in range(4000)]
    sizes = np.array([len(c) for c in cohorts])
    assert sizes.mean() == pytest.approx(2, abs=0.1)
    assert sizes.var() == pytest.approx(10 * 0.2 * 0.8, abs=0.15)
    assert sizes.min() == 0
    together = np.mean([{0, 1} <= set(c) for c in cohorts])
    assert together == pytest.approx(0.04, abs=0.015)


def test_a_billion_clients_cost_no_more_than_the_cohort():
    begin = perf_counter()
    assert len(choose_cohort(1, 1, 10**9, 100)) == 100
    choose_cohort(1, 1, 10**9, 100, poisson=True)
    assert perf_counter() - begin < 10.0


def test_dropouts_do_not_depend_on_who_else_is_there():
    few, many = draw_dropouts(1, 3, range(10), 0.5), draw_dropouts(1, 3, range(1000), 0.5)
    assert few == {client for client in many if client < 10}
    assert 420 < len(many) < 580
    assert draw_dropouts(1, 4, range(1000), 0.5) != many


def test_dropout_extremes():
    assert draw_dropouts(1, 1, [3, 5], 0.0) == set()
    assert draw_dropouts(1, 1, [3, 5], 1.0) == {3, 5}
    assert draw_dropouts(1, 1, [], 0.5) == set()
    # More dropout only adds clients.
    assert draw_dropouts(1, 1, range(100), 0.2) < draw_dropouts(1, 1, range(100), 0.6)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_impossible_dropout(rate):
    with pytest.raises(InputError, match=f"dropout={rate}"):
        draw_dropouts(1, 1, [0], rate)


def test_uniform_numbers_are_uniform():
    numbers = draw_uniforms(7, "test", range(20_000), 3)
    assert numbers.min() > 0
    assert numbers.max() < 1
    histogram, _ = np.histogram(numbers, bins=10, range=(0, 1))
    assert np.all(np.abs(histogram - 2000) < 220)
