"""From a finished round to its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedloom.experiment.described import Described
from fedloom.federation.fleet import Client, ClientResult, Failure
from fedloom.federation.loop import RoundOutcome
from fedloom.federation.weights import count_bytes
from fedloom.records.schema import ClientRecord, MetricRecord, RoundRecord

if TYPE_CHECKING:
    from fedloom.fleet.package.reports import ClientReport

__all__ = ["RowMaker"]

_NEVER_SENT = {Failure.UNAVAILABLE, Failure.DROPPED_OUT}
"""Failures of clients that were not sent the weights."""


@dataclass(frozen=True)
class RowMaker:
    """Makes the records of one run's rounds.

    Attributes:
        described: what is the same in all rows.
    """

    described: Described

    def make(
        self, outcome: RoundOutcome, clients: Sequence[Client]
    ) -> tuple[list[ClientRecord], RoundRecord]:
        """Return a round's records: one per client of the cohort, and that of the round.

        Args:
            outcome: of the round.
            clients: all of the fleet, as they are known after it.
        """
        rows = [
            self._client_row(outcome, position, clients[result.client], result)
            for position, result in enumerate(outcome.results)
        ]
        return rows, self._round_row(outcome, clients)

    def report(self, round: int, reports: Sequence[ClientReport]) -> list[MetricRecord]:  # noqa: A002
        """Return the numbers that clients reported in a round."""
        return [
            MetricRecord(
                run_id=self.described.common["run_id"],
                round=round,
                client_id=report.client_id,
                phase=phase,
                name=name,
                value=value,
            )
            for report in reports
            for phase, numbers in (("train", report.train), ("validate", report.validate))
            for name, value in numbers.items()
        ]

    def _client_row(
        self, outcome: RoundOutcome, position: int, client: Client, result: ClientResult
    ) -> ClientRecord:
        size = count_bytes(outcome.state.weights)
        train, transfer = self._simulated(outcome, position, result)
        return ClientRecord(
            **self.described.common,
            round=outcome.state.round,
            client_id=client.client_id,
            label_counts=self.described.label_counts[result.client],
            num_examples=client.num_examples,
            participated=result.failure is None,
            failure="" if result.failure is None else str(result.failure),
            train_loss=result.train_loss,
            local_loss=result.local_loss,
            local_score=result.local_score,
            global_loss=outcome.evaluation.loss,
            global_score=outcome.evaluation.score,
            divergence=result.divergence,
            train_seconds=result.train_seconds,
            evaluate_seconds=result.evaluate_seconds,
            cpu_seconds=result.cpu_seconds,
            download_bytes=0 if result.failure in _NEVER_SENT else size,
            upload_bytes=size if result.failure is None else 0,
            simulated_train_seconds=train,
            simulated_transfer_seconds=transfer,
            simulated_seconds=None if train is None or transfer is None else train + transfer,
        )

    def _simulated(
        self, outcome: RoundOutcome, position: int, result: ClientResult
    ) -> tuple[float | None, float | None]:
        if outcome.devices is None or result.failure in _NEVER_SENT:
            return None, None
        devices = outcome.devices
        return float(devices.train_seconds[position]), float(devices.transfer_seconds[position])

    def _round_row(self, outcome: RoundOutcome, clients: Sequence[Client]) -> RoundRecord:
        examples = {c: clients[c].num_examples for c in outcome.participants}
        losses = {
            r.client: r.train_loss
            for r in outcome.results
            if r.failure is None and r.train_loss is not None
        }
        return RoundRecord(
            **self.described.common,
            round=outcome.state.round,
            cohort_size=len(outcome.results),
            participants=len(outcome.participants),
            num_examples=sum(examples.values()),
            train_loss=_mean(losses, examples),
            global_loss=outcome.evaluation.loss,
            global_score=outcome.evaluation.score,
            update_norm=outcome.update_norm,
            epsilon=outcome.epsilon,
            train_seconds=outcome.train_seconds,
            evaluate_seconds=outcome.evaluate_seconds,
            simulated_seconds=None if outcome.devices is None else outcome.devices.round_seconds,
        )


def _mean(values: Mapping[int, float], weights: Mapping[int, int]) -> float | None:
    """Return the weighted mean of what there is; None of nothing."""
    total = sum(weights[key] for key in values)
    return sum(value * weights[key] for key, value in values.items()) / total if total else None
