"""A round's tables for the lanes of one device, at sizes that later rounds fit too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedloom.fleet.simulated.lane import LaneTable
from fedloom.learning.batches import (
    BatchTable,
    RowLists,
    build_batches,
    count_batches,
    shuffle_keys,
)
from fedloom.learning.local_training import LocalTraining
from fedloom.learning.trainer import noise_key

__all__ = ["Capacity", "build_lane_table"]


@dataclass(frozen=True)
class Capacity:
    """How long the arrays of a lane's table are.

    Every size is a program of its own, so sizes depend on the number of clients in a cohort alone,
    not on who they are, and are powers of two.
    """

    clients: int
    batches: int

    @classmethod
    def expect(cls, lists: RowLists, cohort: int, lanes: int, settings: LocalTraining) -> Capacity:
        """Return what suffices for any cohort of a size.

        Packed largest first, no lane has more than its even share and one more client.
        """
        steps = np.sort(count_batches(lists.sizes, settings.batch_size, settings.epochs))[::-1]
        largest = int(steps[:cohort].sum())
        return cls(_round_up(cohort), _round_up(-(-largest // lanes) + int(steps[0])))


def build_lane_table(
    lists: RowLists,
    lanes: Sequence[Sequence[int]],
    capacity: Capacity,
    settings: LocalTraining,
    *,
    seed: int,
    round_number: int,
    draws_noise: bool,
) -> LaneTable:
    """Lay out a round for lanes that share a device.

    Args:
        lists: the rows of all clients.
        lanes: the clients of each lane, in the order in which it trains them.
        capacity: size of the arrays.
        settings: the local training.
        seed: the run's seed.
        round_number: which row orders and which layer noise.
        draws_noise: whether the model has seed generators at all.

    Returns:
        The table with a leading axis of lanes.
    """
    tables = []
    for clients in lanes:
        keys = shuffle_keys(seed, round_number, clients)
        tables.append(
            build_batches(
                lists, clients, keys, batch_size=settings.batch_size, epochs=settings.epochs
            )
        )
    noise = np.zeros((len(lanes), capacity.clients, 2), np.uint32)
    if draws_noise:
        for lane, clients in enumerate(lanes):
            for slot, client in enumerate(clients):
                noise[lane, slot] = noise_key(seed, round_number, client)
    return _pad(tables, noise, capacity)


def _pad(tables: Sequence[BatchTable], noise: np.ndarray, capacity: Capacity) -> LaneTable:
    def stack(arrays: list[np.ndarray], length: int) -> np.ndarray:
        shape = (len(arrays), length, *arrays[0].shape[1:])
        padded = np.zeros(shape, arrays[0].dtype)
        for lane, array in enumerate(arrays):
            padded[lane, : len(array)] = array
        return padded

    return LaneTable(
        rows=stack([t.rows for t in tables], capacity.batches),
        # Padding counts one row, so that nothing is ever divided by zero.
        counts=np.maximum(stack([t.counts for t in tables], capacity.batches), 1),
        first=stack([t.first for t in tables], capacity.clients),
        lengths=stack([t.lengths for t in tables], capacity.clients),
        examples=stack([t.examples for t in tables], capacity.clients),
        noise_keys=noise,
    )


def _round_up(count: int) -> int:
    """Round up to a power of two, at least 1."""
    return 1 << max(0, count - 1).bit_length()
