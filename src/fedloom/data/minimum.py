"""Seeing to it that no client holds too few rows, by moving rows from those who hold most."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

__all__ = ["fill_minimum"]


def fill_minimum(
    owner: NDArray[np.int64],
    codes: NDArray[np.int64],
    clients: int,
    minimum: int,
    *,
    order: NDArray[np.int64],
    wanted: NDArray[np.float64] | None = None,
) -> list[int]:
    """Give every client at least `minimum` rows, changing `owner` in place.

    Clients below the minimum are served in their order, a row at a time. A client that wants
    labels gets the label that brings its mix nearest to what it wants (the highest quotient of
    wanted / (held + 1), D'Hondt's rule), from the richest client that has one to spare; only if
    nobody has, it gets the commonest label of the richest client. Nobody falls below the minimum by
    giving.

    Args:
        owner: the client of each row, or -1 where nobody holds it; shape (rows,).
        codes: the label of each row, 0…labels-1; shape (rows,).
        clients: how many there are.
        minimum: rows that each must hold; clients × minimum rows must be held in all.
        order: a permutation of the rows, so that which row of a label moves is no matter of its
            place in the data.
        wanted: how much each client wants of each label, shape (clients, labels), 0 for labels
            that it should not hold; None where any label will do.

    Returns:
        The clients that got a label which they do not want, in their order.
    """
    sizes = np.bincount(owner[owner >= 0], minlength=clients)
    needy = np.flatnonzero(sizes < minimum)
    if not len(needy):
        return []
    stock = _Stock(owner, codes, sizes, minimum, order)
    served_badly = []
    for client in needy.tolist():
        wishes = None if wanted is None else wanted[client]
        goods = [stock.serve(client, wishes) for _ in range(minimum - int(sizes[client]))]
        if not all(goods):
            served_badly.append(client)
    return served_badly


class _Stock:
    """What every client holds of every label, and who holds most."""

    def __init__(
        self,
        owner: NDArray[np.int64],
        codes: NDArray[np.int64],
        sizes: NDArray[np.int64],
        minimum: int,
        order: NDArray[np.int64],
    ) -> None:
        self.owner, self.minimum = owner, minimum
        self.sizes: list[int] = sizes.tolist()
        self.labels = int(codes.max()) + 1
        held = order[owner[order] >= 0]
        keys = owner[held] * self.labels + codes[held]
        self.rows = held[np.argsort(keys, kind="stable")]
        flat = np.bincount(keys, minlength=len(sizes) * self.labels)
        self.start = (np.cumsum(flat) - flat).reshape(len(sizes), self.labels)
        self.counts = flat.reshape(len(sizes), self.labels)
        donors = np.flatnonzero(sizes > minimum)
        self.richest_of_all = self._queue(donors)
        self.richest = [self._queue(donors[self.counts[donors, k] > 0]) for k in range(self.labels)]

    def serve(self, client: int, wishes: NDArray[np.float64] | None) -> bool:
        """Move one row to `client`; return whether it is of a label that the client wishes."""
        if wishes is not None:
            quotients = wishes / (self.counts[client] + 1)
            for label in np.argsort(-quotients, kind="stable").tolist():
                if quotients[label] <= 0:
                    break
                if (donor := self._find(self.richest[label], label)) is not None:
                    self._move(donor, client, label)
                    return True
        donor = self._find(self.richest_of_all, None)
        assert donor is not None, "clients × minimum rows are held in all"
        self._move(donor, client, int(self.counts[donor].argmax()))
        return wishes is None

    def _queue(self, donors: NDArray[np.int64]) -> list[tuple[int, int]]:
        queue = [(-self.sizes[donor], donor) for donor in donors.tolist()]
        heapq.heapify(queue)
        return queue

    def _find(self, queue: list[tuple[int, int]], label: int | None) -> int | None:
        """Return the richest client of a queue, which is brought up to date on the way.

        Donors only ever lose rows, so an entry's size is never too small: when the first entry is
        up to date, it is the richest.
        """
        while queue:
            size, donor = queue[0]
            gone = self.sizes[donor] <= self.minimum
            if gone or (label is not None and not self.counts[donor, label]):
                heapq.heappop(queue)
            elif -size != self.sizes[donor]:
                heapq.heapreplace(queue, (-self.sizes[donor], donor))
            else:
                return donor
        return None

    def _move(self, donor: int, client: int, label: int) -> None:
        self.counts[donor, label] -= 1
        self.sizes[donor] -= 1
        self.owner[self.rows[self.start[donor, label] + self.counts[donor, label]]] = client
        self.counts[client, label] += 1
        self.sizes[client] += 1
