"""Batches: each row once an epoch, in an order that depends on the client's key alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.learning import batches
from fedloom.learning.batches import RowLists, build_batches, count_batches, shuffle_keys

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def split_rows(sizes):
    """Give every client rows of its own, not in order."""
    order = np.random.default_rng(0).permutation(sum(sizes))
    return RowLists.join(np.split(order, np.cumsum(sizes)[:-1]))


def client_part(table, position):
    first, length = table.first[position], table.lengths[position]
    return table.rows[first : first + length], table.counts[first : first + length]


@given(sizes=SIZES, batch_size=st.integers(1, 17), epochs=st.integers(1, 3))
def test_each_row_once_an_epoch(sizes, batch_size, epochs):
    lists = split_rows(sizes)
    clients = list(range(len(sizes)))
    keys = shuffle_keys(7, 1, clients)
    table = build_batches(lists, clients, keys, batch_size=batch_size, epochs=epochs)
    assert table.lengths.tolist() == count_batches(lists.sizes, batch_size, epochs).tolist()
    assert table.examples.tolist() == sizes
    assert table.rows.shape == (table.lengths.sum(), batch_size)
    for client in clients:
        own = sorted(lists.rows[lists.offsets[client] : lists.offsets[client + 1]].tolist())
        rows, counts = client_part(table, client)
        assert set(rows.ravel().tolist()) <= set(own)  # what fills a batch is the client's own
        per_epoch = np.split(np.arange(len(rows)), epochs)
        for steps in per_epoch:
            seen = [r for s in steps for r in rows[s, : counts[s]].tolist()]
            assert sorted(seen) == own
            assert all(counts[s] == batch_size for s in steps[:-1])


@given(data=st.data(), sizes=SIZES, batch_size=st.integers(1, 9))
def test_a_client_alone_has_the_batches_that_it_has_among_many(data, sizes, batch_size):
    lists = split_rows(sizes)
    clients = data.draw(st.permutations(range(len(sizes))))
    keys = shuffle_keys(7, 3, clients)
    together = build_batches(lists, clients, keys, batch_size=batch_size, epochs=2)
    for position, client in enumerate(clients):
        own = lists.rows[lists.offsets[client] : lists.offsets[client + 1]].astype(np.int64)
        alone = build_batches(
            RowLists.join([own]),
            [0],
            shuffle_keys(7, 3, [client]),
            batch_size=batch_size,
            epochs=2,
        )
        rows, counts = client_part(together, position)
        np.testing.assert_array_equal(rows, alone.rows)
        np.testing.assert_array_equal(counts, alone.counts)


def test_filled_from_the_front_of_the_same_order():
    lists = split_rows([3])
    table = build_batches(lists, [0], shuffle_keys(1, 1, [0]), batch_size=8, epochs=1)
    row = table.rows[0].tolist()
    assert row[3:] == [*row[:3], *row[:2]]
    assert table.counts.tolist() == [3]


def test_rounds_epochs_clients_and_seeds_have_orders_of_their_own():
    lists = RowLists.join([np.arange(50)] * 2)

    def rows(seed, round_number, client):
        keys = shuffle_keys(seed, round_number, [client])
        return build_batches(lists, [client], keys, batch_size=50, epochs=2).rows.tolist()

    seen = [rows(1, 1, 0), rows(1, 2, 0), rows(1, 1, 1), rows(2, 1, 0)]
    orders = [tuple(epoch) for two in seen for epoch in two]
    assert len(set(orders)) == 8
    assert rows(1, 1, 0) == seen[0]


def test_orders_are_spread_evenly():
    lists = RowLists.join([np.arange(4)] * 4000)
    clients = list(range(4000))
    table = build_batches(lists, clients, shuffle_keys(3, 1, clients), batch_size=4, epochs=1)
    for place in range(4):
        shares = np.bincount(table.rows[:, place], minlength=4) / 4000
        assert abs(shares - 0.25).max() < 0.03


def test_orders_do_not_depend_on_how_many_clients_there_are():
    sizes = np.array([30, 1, 12])
    owner = np.repeat(np.arange(3), sizes)
    position = np.concatenate([np.arange(s) for s in sizes])
    few = np.full(3, 5, np.uint64)
    many = np.broadcast_to(np.uint64(5), 2**24 + 2)  # too many for one sort key
    np.testing.assert_array_equal(
        batches._order(owner, position, few, 1), batches._order(owner, position, many, 1)
    )


def test_nobody():
    table = build_batches(split_rows([3, 4]), [], shuffle_keys(1, 1, []), batch_size=2, epochs=1)
    assert table.rows.shape == (0, 2)
    assert len(table.first) == 0


@pytest.mark.parametrize(("size", "steps"), [(1, 3), (8, 3), (9, 6)])
def test_count_of_batches(size, steps):
    assert count_batches(np.array([size]), 8, 3).tolist() == [steps]
