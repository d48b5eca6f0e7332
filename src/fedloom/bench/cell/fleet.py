"""The fleet of a cell: its clients over Flower, both evaluations, and the stopwatch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import nan
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fedloom.bench.cell.divergence import DivergedError
from fedloom.bench.cell.history import SERVER, History
from fedloom.bench.cell.in_order import InOrder
from fedloom.errors import RunFailedError
from fedloom.federation.fleet import (
    Client,
    ClientResult,
    Evaluation,
    Failure,
    Order,
    Reply,
)
from fedloom.federation.reduce import Reducer
from fedloom.federation.weights import Weights
from fedloom.fleet.package.reports import ClientReport
from fedloom.records.schema import MetricRecord

if TYPE_CHECKING:
    from fedloom.bench.logs import ServerLog
    from fedloom.fleet.flower.fleet import FlowerFleet

__all__ = ["CellFleet"]

_MEMORY = "memory/"


class CellFleet:
    """Trains, scores and measures the rounds of one cell; see `fedloom.federation.fleet.Fleet`.

    A cell of n clients with fewer is another cell, so one that is lost ends it.

    Args:
        open_fleet: opens a Flower fleet with an observer of results, or another one if `whole`.
        scorer: scores weights on the whole held-out part.
        history: of the rounds before, where the cell goes on; takes what is measured.
        log: of the server.
        run_id: of the plan, for records.
        whole: whether the fleet is no federation of processes: it folds in order by itself, and
            its clients do not score.
    """

    def __init__(
        self,
        open_fleet: Callable[[Callable[[ClientResult], None]], Any],
        scorer: Callable[[Weights], Evaluation],
        history: History,
        log: ServerLog,
        run_id: str,
        *,
        whole: bool = False,
    ) -> None:
        self._folding: InOrder | None = None
        self._fleet: FlowerFleet = open_fleet(self._tell)
        self._scorer, self._history, self._log, self._run_id = scorer, history, log, run_id
        self._before, self._whole = history.seconds, whole
        self._rows: list[MetricRecord] = []
        self._began: float | None = None
        self._round, self._fit_began = 0, 0.0
        self.stepping = False

    def wait_for(self, count: int, within_s: float) -> None:
        """Wait until all clients are there.

        Raises:
            RunFailedError: they are not in time; it says who there is.
        """
        self._fleet.wait_for(count, within_s)

    def score_initial(self, weights: Weights) -> None:
        """Score the weights of which the first round starts; they count as those of round 0."""
        began = perf_counter()
        found = self._scorer(weights)
        self._measure(0, "evaluate", "loss", found.loss)
        self._measure(0, "evaluate", "score", found.score)
        self._measure(0, "evaluate", "evaluate_seconds", perf_counter() - began)
        self._measure(0, "evaluate", "elapsed_seconds", 0.0)
        self._log.initial(found.loss, found.score)

    def clients(self) -> Sequence[Client]:
        """Return all clients."""
        return self._fleet.clients()

    def train(self, order: Order, reducer: Reducer) -> Reply:
        """Let the cohort train; updates are folded in the clients' order.

        Raises:
            DivergedError: the weights of a client have diverged.
            RunFailedError: a client gave no update.
            LinkError: the SuperLink stayed away for too long.
        """
        self._round, self._fit_began = order.round, perf_counter()
        if self._began is None:
            self._began = self._fit_began
            self._log.begin()
        self._log.fit_begun(order.round, len(order.cohort), len(self.clients()))
        reply = self._let_train(order, reducer)
        self._measure(order.round, "train", "fit_seconds", perf_counter() - self._fit_began)
        failed = [result for result in reply.results if result.failure is not None]
        self._log.fit_ended(order.round, len(reply.results) - len(failed), len(failed))
        self._refuse_failed(failed)
        self.stepping = True
        return reply

    def evaluate(self, weights: Weights) -> Evaluation:
        """Score weights here, then let every client score them on its own rows.

        Raises:
            RunFailedError: a client gave no score.
            LinkError: the SuperLink stayed away for too long.
        """
        self.stepping = False
        number, began = self._round, perf_counter()
        found = self._scorer(weights)
        now = perf_counter()
        elapsed = self._before + now - (began if self._began is None else self._began)
        self._measure(number, "evaluate", "loss", found.loss)
        self._measure(number, "evaluate", "score", found.score)
        self._measure(number, "evaluate", "evaluate_seconds", now - began)
        self._measure(number, "evaluate", "elapsed_seconds", elapsed)
        self._log.progress(number, found.loss, found.score, elapsed)
        if not self._whole:
            self._let_clients_score(weights)
        self._measure(number, "round", "round_seconds", perf_counter() - self._fit_began)
        return found

    def take_metrics(self, number: int) -> list[MetricRecord]:
        """Return all that was measured since the last round, by the server and by its clients."""
        rows, self._rows = self._rows, []
        for report in () if self._whole else self._fleet.take_reports():
            for phase, numbers in (("train", report.train), ("validate", report.validate)):
                rows += [self._row(number, report.client_id, phase, *n) for n in numbers.items()]
            if report.validated:
                rows.append(
                    self._row(
                        number,
                        report.client_id,
                        "validate",
                        "num_examples",
                        float(report.num_examples),
                    )
                )
        return rows

    def cancel(self) -> None:
        """Let a running call return."""
        self._fleet.cancel()

    def close(self) -> None:
        """Tell the clients that the cell is over."""
        self._fleet.close()

    def save(self) -> dict[str, Any]:
        """Return what is remembered of the clients; not their keys, which are new each time."""
        saved = self._fleet.save()
        return {k: v for k, v in saved.items() if self._whole or k.startswith(_MEMORY)}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `save` returned."""
        self._fleet.load(state)

    def _tell(self, result: ClientResult) -> None:
        if self._folding is not None:
            self._folding.tell(result)

    def _let_train(self, order: Order, reducer: Reducer) -> Reply:
        if self._whole:
            return self._fleet.train(order, reducer)
        self._folding = InOrder(reducer, order.cohort)
        reply = self._fleet.train(order, self._folding.wrapped())
        state, self._folding = self._folding.finish(), None
        return replace(reply, state=state)

    def _let_clients_score(self, weights: Weights) -> None:
        number, clients = self._round, self.clients()
        self._log.evaluate_begun(number, len(clients), len(clients))
        began = perf_counter()
        reports = self._fleet.ask_scores(weights, range(len(clients)))
        self._measure(number, "validate", "validate_seconds", perf_counter() - began)
        scored = [report for report in reports.values() if report.validated]
        silent = {client.client_id for client in clients} - {r.client_id for r in scored}
        self._log.evaluate_ended(number, len(scored), len(silent))
        if silent:
            names = ", ".join(sorted(silent))
            raise RunFailedError(
                f"round {number}: no score of the new weights from {names}; the logs say why"
            )
        for name in ("loss", "score"):
            self._measure(number, "validate", name, _mean(scored, name))

    def _refuse_failed(self, failed: Sequence[ClientResult]) -> None:
        if not failed:
            return
        clients = self.clients()
        diverged = any(result.failure is Failure.DIVERGED for result in failed)
        told = "; ".join(
            f"{clients[r.client].client_id} {r.failure}"
            + (f": {r.failure_detail}" if r.failure_detail else "")
            for r in failed
        )
        kind = DivergedError if diverged else RunFailedError
        raise kind(f"round {self._round}: {told}")

    def _measure(self, number: int, phase: str, name: str, value: float) -> None:
        self._history.add(phase, name, number, value)
        self._rows.append(self._row(number, SERVER, phase, name, value))

    def _row(self, number: int, who: str, phase: str, name: str, value: float) -> MetricRecord:
        return MetricRecord(
            run_id=self._run_id, round=number, client_id=who, phase=phase, name=name, value=value
        )


def _mean(reports: Sequence[ClientReport], name: str) -> float:
    """Return the mean of a number over the clients, weighted by their evaluation rows."""
    total = sum(report.num_examples for report in reports)
    return sum(r.validate.get(name, nan) * (r.num_examples / total) for r in reports)
