"""From a finished round to its records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedloom.experiment.plan import Plan
from fedloom.experiment.split import Split
from fedloom.federation.fleet import Client, ClientResult, Failure
from fedloom.federation.loop import RoundOutcome
from fedloom.federation.weights import count_bytes
from fedloom.records.schema import ClientRecord, RoundRecord

__all__ = ["RowMaker"]

_NEVER_SENT = {Failure.UNAVAILABLE, Failure.DROPPED_OUT}
"""Failures of clients that were not sent the weights."""


@dataclass(frozen=True)
class RowMaker:
    """Makes the records of one run's rounds.

    Attributes:
        plan: of the run.
        clients: of the fleet.
        label_counts: JSON text per client.
        common: the columns that are the same in all rows of both tables.
    """

    plan: Plan
    clients: Sequence[Client]
    label_counts: Sequence[str]
    common: dict[str, Any]

    @classmethod
    def begin(cls, plan: Plan, split: Split, clients: Sequence[Client]) -> RowMaker:
        """Return the maker of a run's records."""
        common = {
            "run_id": plan.run_id,
            "dataset": plan.dataset_name,
            "task": str(split.dataset.task),
            "model": plan.model_name,
            "algorithm": plan.algorithm,
            "backend": plan.backend,
            "partition": split.partition.strategy,
            "partition_param": split.partition.param,
        }
        counts = [
            json.dumps(c, separators=(",", ":"), ensure_ascii=False) for c in split.label_counts
        ]
        return cls(plan, clients, counts, common)

    def make(self, outcome: RoundOutcome) -> tuple[list[ClientRecord], RoundRecord]:
        """Return a round's records: one per client of the cohort, and that of the round."""
        rows = [
            self._client_row(outcome, position, result)
            for position, result in enumerate(outcome.results)
        ]
        return rows, self._round_row(outcome)

    def _client_row(
        self, outcome: RoundOutcome, position: int, result: ClientResult
    ) -> ClientRecord:
        client = self.clients[result.client]
        size = count_bytes(outcome.state.weights)
        train, transfer = self._simulated(outcome, position, result)
        return ClientRecord(
            **self.common,
            round=outcome.state.round,
            client_id=client.client_id,
            label_counts=self.label_counts[result.client],
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

    def _round_row(self, outcome: RoundOutcome) -> RoundRecord:
        examples = {c: self.clients[c].num_examples for c in outcome.participants}
        losses = {
            r.client: r.train_loss
            for r in outcome.results
            if r.failure is None and r.train_loss is not None
        }
        return RoundRecord(
            **self.common,
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
