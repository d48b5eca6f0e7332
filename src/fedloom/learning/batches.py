"""Which rows a client learns from, in which order: a table of batches.

The order of a client's rows in an epoch depends on the client's key alone: every row gets a 64-bit
hash of (key, epoch, position), and the rows are sorted by it. So many clients are shuffled in one
vectorised sort, and a client that is shuffled alone, in another process, gets the same order.

The last batch of an epoch is filled up with the client's own rows, counted from the front of the
same order; they carry no weight in the loss, and batch statistics never see another client's rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.randomness import derive_seed

__all__ = ["BatchTable", "RowLists", "build_batches", "count_batches", "shuffle_keys"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class RowLists:
    """The training rows of every client, end to end.

    Attributes:
        rows: int32, the rows of client 0, then those of client 1, …
        offsets: int64, shape (clients + 1,); client i holds ``rows[offsets[i]:offsets[i + 1]]``.
    """

    rows: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def join(cls, parts: Sequence[NDArray[np.int64]]) -> RowLists:
        """Put the clients' index arrays end to end."""
        sizes = [len(part) for part in parts]
        rows = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        return cls(rows.astype(np.int32), np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of rows of every client."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class BatchTable:
    """The batches of some clients, client after client, epoch after epoch.

    Attributes:
        rows: int32, shape (batches, batch_size), indices into the training part.
        counts: int32, shape (batches,); how many leading rows of a batch carry weight.
        first: int32, shape (clients,); each client's first batch.
        lengths: int32, shape (clients,); each client's number of batches over all epochs.
        examples: int32, shape (clients,); each client's number of rows.
    """

    rows: NDArray[np.int32]
    counts: NDArray[np.int32]
    first: NDArray[np.int32]
    lengths: NDArray[np.int32]
    examples: NDArray[np.int32]


def count_batches(sizes: NDArray[np.int64], batch_size: int, epochs: int) -> NDArray[np.int64]:
    """Return how many steps each client takes in a round."""
    return -(-sizes // batch_size) * epochs


def shuffle_keys(seed: int, round_number: int, clients: Sequence[int]) -> NDArray[np.uint64]:
    """Return the key of each client's row order in a round."""
    keys = (derive_seed(seed, "shuffle", round_number, int(c)) for c in clients)
    return np.fromiter(keys, np.uint64, len(clients))


def build_batches(
    lists: RowLists,
    clients: Sequence[int],
    keys: NDArray[np.uint64],
    *,
    batch_size: int,
    epochs: int,
) -> BatchTable:
    """Lay out the batches of some clients, in the order given.

    Args:
        lists: the rows of all clients.
        clients: whose batches; each must hold at least one row.
        keys: from `shuffle_keys`, for the same clients.
        batch_size: rows in a batch.
        epochs: passes over the rows.
    """
    chosen = np.asarray(clients, np.int64)
    sizes = lists.sizes[chosen]
    per_epoch = -(-sizes // batch_size)
    lengths = per_epoch * epochs
    first = np.cumsum(lengths) - lengths
    owner = np.repeat(np.arange(len(chosen)), sizes)
    position = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    held = lists.rows[lists.offsets[chosen][owner] + position]
    slot_owner = np.repeat(np.arange(len(chosen)), per_epoch)
    slot = np.arange(len(slot_owner)) - np.repeat(np.cumsum(per_epoch) - per_epoch, per_epoch)
    counts = np.minimum(batch_size, sizes[slot_owner] - slot * batch_size)
    source = _slot_sources(sizes, slot_owner, slot, batch_size)
    table_rows = np.empty((int(lengths.sum()), batch_size), np.int32)
    table_counts = np.empty(int(lengths.sum()), np.int32)
    for epoch in range(epochs):
        where = first[slot_owner] + epoch * per_epoch[slot_owner] + slot
        table_rows[where] = held[_order(owner, position, keys, epoch)][source]
        table_counts[where] = counts
    return BatchTable(
        table_rows, table_counts, *(a.astype(np.int32) for a in (first, lengths, sizes))
    )


def _slot_sources(
    sizes: NDArray[np.int64], owner: NDArray[np.int64], slot: NDArray[np.int64], batch_size: int
) -> NDArray[np.int64]:
    """For every place in every batch of one epoch: which of the shuffled rows stands there."""
    start = (np.cumsum(sizes) - sizes)[owner][:, None]
    place = slot[:, None] * batch_size + np.arange(batch_size)
    return start + place % sizes[owner][:, None]


def _order(
    owner: NDArray[np.int64], position: NDArray[np.int64], keys: NDArray[np.uint64], epoch: int
) -> NDArray[np.int64]:
    """Return the order that shuffles each owner's rows among themselves.

    The owner fills the upper bits of one sort key, the hash the rest, so one sort does it; equal
    keys keep their order, which makes the result the same on every machine.
    """
    bits = max(1, int(len(keys) - 1).bit_length())
    with np.errstate(over="ignore"):
        hashed = _mix(keys[owner] + _GOLDEN * np.uint64(epoch + 1))
        hashed = _mix(hashed ^ (position.astype(np.uint64) * _GOLDEN))
    # The hash keeps 40 bits whatever the number of clients, so an order never depends on it.
    if bits > 24:
        return np.lexsort((hashed >> np.uint64(24), owner))
    joint = (owner.astype(np.uint64) << np.uint64(40)) | (hashed >> np.uint64(24))
    return np.argsort(joint, kind="stable")


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))
