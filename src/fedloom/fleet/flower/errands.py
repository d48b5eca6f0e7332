"""What a fleet does with its clients: send each an order, and hear until it is time to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from time import monotonic, sleep
from typing import Any

from fedloom.errors import LinkError
from fedloom.federation.fleet import ClientResult, Failure
from fedloom.fleet.flower.discovery import Discovery
from fedloom.fleet.flower.letters import Letter
from fedloom.fleet.flower.messages import Cancel, Forget
from fedloom.fleet.flower.orders import Maker, Orders
from fedloom.fleet.flower.post import Post
from fedloom.fleet.flower.results import Results
from fedloom.fleet.flower.roster import Roster
from fedloom.fleet.flower.round import Ending, Quorum, collect, name_missing

__all__ = ["Errand", "Errands"]

_LOGGER = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
_FAREWELL_SECONDS = 3.0


@dataclass(frozen=True)
class Errand:
    """What clients are asked at the same time.

    Attributes:
        kind: the verb; how long it usually takes is known by it.
        make: the letter for each.
        until: the deadline, on the clock of `time.monotonic`.
        take: gets a client and its answer.
        limit: bytes of arrays that are accepted in an answer.
    """

    kind: str
    make: Maker
    until: float
    take: Callable[[int, Any], None]
    limit: int = 0


class Errands:
    """Sends the orders of a task.

    Args:
        task: its name.
        post: carries letters.
        roster: of the clients.
        orders: makes the letters.
        discovery: takes the answers of nodes that are no clients yet.
        results: told what came of each client.
        stop: set when a running errand is to end.

    Attributes:
        quorum: who is waited for.
        outage: why the last errand ended without its SuperLink; for a larger fleet.
    """

    def __init__(
        self,
        task: str,
        post: Post,
        roster: Roster,
        orders: Orders,
        discovery: Discovery,
        results: Results,
        stop: Event,
    ) -> None:
        self._task, self._post, self._roster = task, post, roster
        self._orders, self._discovery = orders, discovery
        self._results, self._stop = results, stop
        self._usual_s: dict[str, float] = {}
        self.quorum = Quorum()
        self.outage: LinkError | None = None

    def run(self, errand: Errand, clients: Sequence[int], results: dict[int, ClientResult]) -> None:
        """Send each client its order, and hand over answers until it is time to stop.

        Args:
            errand: what they are asked.
            clients: who.
            results: gets those of the clients that gave no answer.

        Raises:
            LinkError: the SuperLink stayed away for too long, and this is no part of a fleet.
        """
        places = {client: self._roster.place_of(client) for client in clients}
        for client in (c for c, place in places.items() if place is None):
            offline = ClientResult(client, Failure.UNAVAILABLE, "its node is offline")
            self._results.note(results, offline)
        letters = {errand.make(c, place): c for c, place in places.items() if place is not None}
        usual_s = self._usual_s.get(errand.kind, 0.0)
        ending = Ending(errand.until, self._stop, self.quorum, len(clients), usual_s)
        try:
            missing = self._wait_for(letters, errand, ending)
        finally:
            self._orders.end()
        self._usual_s[errand.kind] = ending.usual_s
        for result in missing.values():
            self._results.note(results, result)

    def say_farewell(self) -> None:
        """Let the nodes drop what they keep for the task.

        They look often while it goes on, so a few seconds are enough. Word that is still on its way
        when the run ends does not arrive; a node that missed it forgets the task in time.

        Raises:
            LinkError: the SuperLink is away.
        """
        letters = self._word(self._roster.online(), Forget(self._task))
        waiting, until = set(letters), monotonic() + _FAREWELL_SECONDS
        self._post.send(letters)
        while waiting and monotonic() < until:
            waiting -= {letter for letter, _ in self._post.look(limit=0)}
            sleep(_LOOK_SECONDS)
        self._post.drop(letters)

    def _wait_for(
        self, letters: Mapping[Letter, int], errand: Errand, ending: Ending
    ) -> dict[int, ClientResult]:
        """Hand over answers; return a result for each client that gave none."""
        waiting = dict(letters)
        try:
            self._post.send(list(letters))
            return collect(
                self._post, waiting, errand.take, self._discovery.take, ending, errand.limit
            )
        except LinkError as error:
            if not self._stop.is_set() and self._results.part is None:
                raise
            self.outage = error
            missing = self._miss(waiting, ending, error)
            waiting.clear()  # the SuperLink is away: nobody can be told
            return missing
        finally:
            # Also where a sink fails: nobody is left at work for nothing.
            self._call_off(waiting)

    def _miss(
        self, waiting: Mapping[Letter, int], ending: Ending, error: LinkError
    ) -> dict[int, ClientResult]:
        """Return the results of those that were asked when the SuperLink went away."""
        self._post.drop(list(waiting))
        away = {c: ClientResult(c, Failure.UNAVAILABLE, str(error)) for c in waiting.values()}
        return away | name_missing(waiting.values(), ending)

    def _call_off(self, waiting: Mapping[Letter, int]) -> None:
        """Tell those at work that nobody waits for them, without waiting for an answer."""
        self._post.drop(list(waiting))
        letters = self._word(list(waiting.values()), Cancel(self._task))
        try:
            self._post.send(letters)
        except LinkError as error:
            _LOGGER.warning("%d nodes could not be told to stop: %s", len(letters), error)
        self._post.drop(letters)

    def _word(self, clients: Sequence[int], request: Cancel | Forget) -> list[Letter]:
        places = [p for c in clients if (p := self._roster.place_of(c)) is not None]
        return self._orders.word(places, request, self._post.tempo)
