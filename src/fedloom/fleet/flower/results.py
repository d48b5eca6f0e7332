"""Telling what came of a client, as soon as it is known."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from fedloom.federation.fleet import ClientResult
from fedloom.fleet.flower.part import Part
from fedloom.fleet.flower.roster import Roster

__all__ = ["Results"]

_LOGGER = logging.getLogger(__name__)


class Results:
    """Hands results on.

    Args:
        roster: of the clients.
        observer: called with each result; by the numbers of the larger fleet, if there is one.

    Attributes:
        round: which the results are of.
        part: of a larger fleet, if the fleet is one.
    """

    def __init__(self, roster: Roster, observer: Callable[[ClientResult], None]) -> None:
        self._roster, self._observer = roster, observer
        self.round = 0
        self.part: Part | None = None

    def note(self, results: dict[int, ClientResult], result: ClientResult) -> None:
        """Put a result with the others of its round, and tell it."""
        results[result.client] = result
        if result.failure is not None:
            name, why = self.name(result.client), result.failure_detail
            _LOGGER.info("round %d: %s %s: %s", self.round, name, result.failure, why)
        if self.part is None:
            self._observer(result)
            return
        with self.part.turn:
            self._observer(replace(result, client=self.part.number(result.client)))

    def tell(self, result: ClientResult) -> None:
        """Let the observer know of a result of the larger fleet."""
        self._observer(result)

    def name(self, client: int) -> str:
        """Return how a client calls itself."""
        return self._roster.clients[client].client_id
