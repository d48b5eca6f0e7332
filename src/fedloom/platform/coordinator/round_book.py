"""What is written down of a finished round, in an order that a crash at any point leaves whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from fedloom.errors import InputError
from fedloom.experiment.described import Described
from fedloom.experiment.rows import RowMaker
from fedloom.federation.fleet import Client
from fedloom.federation.loop import RoundOutcome
from fedloom.fleet.package.reports import ClientReport
from fedloom.platform.coordinator.interruption import Interruption
from fedloom.platform.coordinator.metrics_feed import MetricsFeed
from fedloom.platform.coordinator.task_log import TaskLog
from fedloom.platform.store import DocumentKind, Store
from fedloom.records.schema import ClientRecord, RoundRecord

__all__ = ["RoundBook", "list_numbers"]

_NOT_METRICS = {"round", "partition_param"}


class _Unknown(Sequence[str]):
    """What the coordinator knows of the labels of each client: nothing, however many there are."""

    def __getitem__(self, _: Any) -> Any:
        return "{}"

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True)
class RoundBook:
    """Writes rounds down.

    Attributes:
        store: where to.
        task_id: whose rounds.
        owner: who holds the task's lease.
        columns: of the records, the same in all rows.
        log: of the task.
        feed: takes the metrics to MLflow.
        interruption: of the task.
    """

    store: Store
    task_id: int
    owner: str
    columns: Mapping[str, Any]
    log: TaskLog
    feed: MetricsFeed
    interruption: Interruption

    def write(
        self, outcome: RoundOutcome, clients: Sequence[Client], reports: Sequence[ClientReport]
    ) -> RoundRecord:
        """Write a round's clients, their documents, and then the round itself.

        Raises:
            StoppedError: the lease is lost, or the task is to stop.
        """
        maker = RowMaker(Described(dict(self.columns), _Unknown()))
        rows, record = maker.make(outcome, clients)
        plain = [asdict(row) for row in rows]
        self.interruption.insist(
            lambda: self.store.add_client_rows(self.task_id, plain, self.owner)
        )
        for report in reports:
            self._write_documents(record.round, report)
        self.interruption.insist(
            lambda: self.store.add_round(self.task_id, asdict(record), self.owner)
        )
        self.feed.add(record.round, list_numbers(asdict(record)), _list_by_client(rows, reports))
        self._tell(outcome, record, clients)
        return record

    def _write_documents(self, number: int, report: ClientReport) -> None:
        documents: dict[DocumentKind, Any] = {}
        if report.metadata:
            documents[DocumentKind.METADATA] = dict(report.metadata)
        if report.validated:
            documents[DocumentKind.VALIDATION] = report.document
        for kind, document in documents.items():
            self._write_document(number, report.client_id, kind, document)

    def _write_document(self, number: int, client: str, kind: DocumentKind, what: Any) -> None:
        try:
            self.interruption.insist(
                lambda: self.store.add_document(
                    self.task_id, number, client, kind, what, self.owner
                )
            )
        except (InputError, TypeError, ValueError, RecursionError) as error:
            self.log.say(f"round {number}: the {kind} document cannot be kept: {error}", client)

    def _tell(self, outcome: RoundOutcome, record: RoundRecord, clients: Sequence[Client]) -> None:
        scores = (("score", record.global_score), ("loss", record.global_loss))
        shown = [f"{k} {v:.4f}" for k, v in scores if v is not None and isfinite(v)]
        took = f"{record.train_seconds + record.evaluate_seconds:.2f} s"
        count = f"{record.participants} of {record.cohort_size} clients"
        self.log.say(f"round {record.round}: {', '.join([*shown, count, took])}")
        for result in outcome.results:
            if result.failure is not None:
                detail = f": {result.failure_detail}" if result.failure_detail else ""
                name = clients[result.client].client_id
                self.log.say(f"round {record.round}: {result.failure}{detail}", name)


def list_numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the measured numbers of a record, by column; NaN and infinities are left out."""
    return {
        name: float(value)
        for name, value in record.items()
        if name not in _NOT_METRICS
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
    }


def _list_by_client(
    rows: Sequence[ClientRecord], reports: Sequence[ClientReport]
) -> dict[str, dict[str, float]]:
    """Return each client's numbers; what it reports comes under its own names."""
    found = {row.client_id: list_numbers(asdict(row)) for row in rows}
    for report in reports:
        numbers = {f"train/{k}": v for k, v in report.train.items()}
        numbers |= {f"validate/{k}": v for k, v in report.validate.items()}
        found.setdefault(report.client_id, {}).update(numbers)
    return found
