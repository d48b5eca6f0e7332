"""What clients report of a round, and the score that is made of it."""

from __future__ import annotations

import logging
from typing import Any

from fedloom.federation.fleet import Evaluation
from fedloom.fleet.flower.messages import Evaluated, Failed, Trained
from fedloom.fleet.flower.roster import Roster
from fedloom.fleet.flower.tail import clean_tail
from fedloom.fleet.package.reports import ClientReport, score_reports
from fedloom.package.contract import list_scalars

__all__ = ["Scores"]

_LOGGER = logging.getLogger(__name__)


class Scores:
    """The reports of the last round.

    Args:
        roster: of the clients.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._reports: dict[int, ClientReport] = {}

    def clients(self) -> list[int]:
        """Return whose update was accepted, ascending."""
        return sorted(self._reports)

    def trained(self, client: int, answer: Trained) -> None:
        """Note what a client said of its training."""
        name = self._roster.clients[client].client_id
        self._roster.resize(client, answer.num_examples)
        metadata = dict(answer.metrics)
        numbers = dict(list_scalars(metadata))
        self._reports[client] = ClientReport(name, answer.num_examples, metadata, numbers)

    def evaluated(self, client: int, answer: Any) -> None:
        """Note what a client says of weights."""
        held = self._roster.clients[client]
        if not isinstance(answer, Evaluated):
            why, lines = type(answer).__name__, []
            if isinstance(answer, Failed):
                why, lines = answer.reason, clean_tail(answer.tail)
            told = "\n".join([str(why), *(f"  | {line}" for line in lines)])
            _LOGGER.warning("%s does not score the weights: %s", held.client_id, told)
            return
        empty = ClientReport(held.client_id, held.num_examples)
        report = self._reports.setdefault(client, empty)
        report.document = answer.document
        report.validate = dict(list_scalars(dict(answer.scalars)))
        report.validated = True
        # A package counts the rows it trains on, not those it validates on.
        if isinstance(answer.num_examples, int) and answer.num_examples > 0:
            report.num_examples = answer.num_examples

    def reports(self) -> dict[int, ClientReport]:
        """Return the reports by client, ascending."""
        return {client: self._reports[client] for client in self.clients()}

    def mean(self) -> Evaluation:
        """Return the mean score, weighted by rows."""
        return score_reports([self._reports[client] for client in self.clients()])

    def take(self) -> list[ClientReport]:
        """Return the reports in the clients' order, and forget them."""
        reports, self._reports = self._reports, {}
        return [reports[client] for client in sorted(reports)]
