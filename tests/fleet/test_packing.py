"""Clients shared out over lanes, and tables that every such share fits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.fleet.simulated.packing import pack_abreast, pack_lanes
from fedloom.fleet.simulated.round_table import Capacity, build_lane_table
from fedloom.learning import LocalTraining
from fedloom.learning.batches import RowLists, count_batches

STEPS = st.lists(st.integers(1, 50), max_size=40)
LANES = st.integers(1, 7)
TRAINING = LocalTraining("mlp", None, 0, epochs=2, batch_size=4, optimizer="sgd", learning_rate=0.1)


@pytest.mark.parametrize("pack", [pack_lanes, pack_abreast])
@given(steps=STEPS, lanes=LANES)
def test_each_client_is_in_one_lane(pack, steps, lanes):
    packed = pack(steps, lanes)
    assert len(packed) == lanes
    assert sorted(i for lane in packed for i in lane) == list(range(len(steps)))


@given(steps=STEPS, lanes=LANES)
def test_no_lane_has_more_than_four_thirds_of_the_best(steps, lanes):
    longest = max(sum(steps[i] for i in lane) for lane in pack_lanes(steps, lanes))
    # No schedule is shorter than the mean, the largest client, or two of those that must share.
    ordered = sorted(steps, reverse=True)
    pair = ordered[lanes - 1] + ordered[lanes] if len(steps) > lanes else 0
    bound = max(sum(steps) / lanes, max(steps, default=0), pair)
    assert longest <= 4 / 3 * bound + max(steps, default=0) / 3


def test_largest_first_by_hand():
    assert pack_lanes([3, 3, 2, 2, 2], 2) == [[0, 2, 4], [1, 3]]
    assert pack_abreast([3, 3, 2, 2, 2], 2) == [[0, 2, 4], [1, 3]]
    assert pack_abreast([1, 9, 5, 7], 2) == [[1, 2], [3, 0]]


@pytest.mark.parametrize("pack", [pack_lanes, pack_abreast])
@given(data=st.data(), sizes=st.lists(st.integers(1, 90), min_size=1, max_size=20), lanes=LANES)
@settings(deadline=None)
def test_every_cohort_fits_the_tables_of_its_size(pack, data, sizes, lanes):
    clients = st.lists(st.integers(0, len(sizes) - 1), min_size=1, unique=True)
    cohort = data.draw(clients)
    lists = RowLists.join(np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]))
    capacity = Capacity.expect(lists, len(cohort), lanes, TRAINING)
    steps = count_batches(lists.sizes, TRAINING.batch_size, TRAINING.epochs)
    packed = [[cohort[i] for i in lane] for lane in pack(steps[cohort].tolist(), lanes)]
    table = build_lane_table(
        lists, packed, capacity, TRAINING, seed=1, round_number=2, draws_noise=True
    )
    assert table.rows.shape == (lanes, capacity.batches, TRAINING.batch_size)
    assert table.counts.min() >= 1
    for lane, members in enumerate(packed):
        assert table.lengths[lane, : len(members)].tolist() == steps[members].tolist()
        assert table.examples[lane, : len(members)].tolist() == [sizes[c] for c in members]
        assert not table.lengths[lane, len(members) :].any()
