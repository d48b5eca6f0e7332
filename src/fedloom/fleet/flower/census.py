"""The clients of several fleets as one list, in which each keeps its place."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np

from fedloom.federation.fleet import Client
from fedloom.fleet.flower.roster import sort_naturally

__all__ = ["Census", "Seat"]

_LOGGER = logging.getLogger(__name__)

GONE = -1
"""The fleet of clients that were at a SuperLink which is no part of the federation any more."""


@dataclass(frozen=True)
class Seat:
    """Where a client of the whole is: the number of its fleet, and its index there."""

    fleet: int
    client: int


class Census:
    """All clients, with their seats; safe to use from many threads.

    Args:
        addresses: of the fleets' SuperLinks, by which a checkpoint knows them again.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = list(addresses)
        self._seats: list[Seat] = []
        self._clients: list[Client] = []
        self._numbers: dict[Seat, int] = {}
        self._turned_away: dict[str, str] = {}
        self._lock = Lock()

    def settle(self, found: Sequence[Sequence[Client]]) -> list[Client]:
        """Give new clients a number, in the order of their names; return all.

        Args:
            found: the clients of each fleet.
        """
        with self._lock:
            self._resize(found)
            taken = {client.client_id for client in self._clients}
            for seat, client in self._list_new(found):
                if client.client_id in taken:
                    self._turn_away(client.client_id)
                    continue
                taken.add(client.client_id)
                self._add(seat, client)
            return list(self._clients)

    def seat_of(self, client: int) -> Seat:
        """Return where a client is."""
        return self._seats[client]

    def number_of(self, fleet: int, client: int) -> int | None:
        """Return the number of a fleet's client; None where its name is another's."""
        return self._numbers.get(Seat(fleet, client))

    def refusals(self) -> dict[str, str]:
        """Return why clients have no number, by their names."""
        return dict(self._turned_away)

    def save(self) -> dict[str, Any]:
        """Return all as named arrays."""
        return {
            "addresses": np.array(self._addresses, np.str_),
            "fleets": np.array([seat.fleet for seat in self._seats], np.int64),
            "clients": np.array([seat.client for seat in self._seats], np.int64),
            "names": np.array([client.client_id for client in self._clients], np.str_),
            "num_examples": np.array([c.num_examples for c in self._clients], np.int64),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `save` returned, also where the SuperLinks come in another order."""
        places = self.places_of(state)
        with self._lock:
            self._seats, self._clients, self._numbers = [], [], {}
            columns = (state[name] for name in ("fleets", "clients", "names", "num_examples"))
            for fleet, client, name, count in zip(*columns, strict=True):
                seat = Seat(places.get(int(fleet), GONE), int(client))
                self._add(seat, Client(0, str(name), int(count)))

    def places_of(self, state: Mapping[str, Any]) -> dict[int, int]:
        """Return which fleet each of a checkpoint's is now, where it is any."""
        saved = enumerate(str(address) for address in state["addresses"])
        return {n: self._addresses.index(a) for n, a in saved if a in self._addresses}

    def _resize(self, found: Sequence[Sequence[Client]]) -> None:
        for number, seat in enumerate(self._seats):
            if seat.fleet != GONE and seat.client < len(found[seat.fleet]):
                count = found[seat.fleet][seat.client].num_examples
                self._clients[number] = replace(self._clients[number], num_examples=count)

    def _list_new(self, found: Sequence[Sequence[Client]]) -> list[tuple[Seat, Client]]:
        new = [
            (Seat(fleet, client.index), client)
            for fleet, clients in enumerate(found)
            for client in clients
            if Seat(fleet, client.index) not in self._numbers
        ]
        return sort_naturally(new, lambda one: one[1].client_id)

    def _add(self, seat: Seat, client: Client) -> None:
        number = len(self._clients)
        self._seats.append(seat)
        self._clients.append(replace(client, index=number))
        if seat.fleet != GONE:
            self._numbers[seat] = number

    def _turn_away(self, name: str) -> None:
        if name not in self._turned_away:
            why = f"a node at another SuperLink is called {name!r}; give each its own name"
            _LOGGER.warning("node %s takes no part: %s", name, why)
            self._turned_away[name] = why
