"""What people see of a task: rows, logs, documents, tables, events, the result."""

from __future__ import annotations

import csv
import io
from typing import Any

import polars as pl
import pytest

from fedloom.errors import ConflictError, NotFoundError
from fedloom.platform.identity import Identity, Role
from fedloom.platform.service import RecordTable, Service, TableForm
from fedloom.platform.store import DocumentKind
from fedloom.platform.task import TaskResult, TaskStatus
from fedloom.records import column_names
from fedloom.records.schema import ClientRecord, MetricRecord, RoundRecord

from .api_world import IRIS, ROOT

EVE = Identity("eve", Role.VIEWER, 3)


@pytest.fixture
def running(service: Service) -> int:
    """Return a task that runs, with a round of two clients."""
    task = service.create_task(ROOT, IRIS)
    store = service.store
    assert store.claim_task("me", 600, lambda tasks: tasks[0].id) is not None
    rows: list[dict[str, Any]] = [
        {"round": 1, "client_id": "a,b", "num_examples": 5, "participated": True, "failure": ""},
        {"round": 1, "client_id": "c", "num_examples": 7, "participated": False, "failure": "lost"},
    ]
    rows[0]["train_loss"] = float("nan")
    rows[1]["local_score"] = 0.1
    store.add_client_rows(task.id, rows, "me")
    store.add_round(task.id, {"round": 1, "participants": 1, "global_loss": 0.5}, "me")
    store.add_log(task.id, "coordinator", "round 1 is done")
    store.add_document(task.id, 1, "c", DocumentKind.VALIDATION, {"auc": 0.75, "x": [1]}, "me")
    return task.id


def test_rows_logs_and_documents_are_as_they_were_written(service: Service, running: int) -> None:
    assert service.rounds(EVE, running)[0]["global_loss"] == 0.5
    assert service.rounds(EVE, running, after=1) == []
    assert [row["client_id"] for row in service.clients(EVE, running)] == ["a,b", "c"]
    assert [row["num_examples"] for row in service.clients(EVE, running, client_id="c")] == [7]
    assert service.clients(EVE, running, round=2) == []
    (log,) = service.logs(EVE, running)
    assert (log.source, log.text) == ("coordinator", "round 1 is done")
    assert service.logs(EVE, running, after_id=log.id) == []
    (document,) = service.documents(EVE, running, kind=DocumentKind.VALIDATION)
    assert document.document == {"auc": 0.75, "x": [1]}
    assert service.documents(EVE, running, client_id="a,b") == []


@pytest.mark.parametrize("what", ["rounds", "clients", "logs", "documents", "result"])
def test_a_task_that_is_not_there_has_nothing_to_see(service: Service, what: str) -> None:
    with pytest.raises(NotFoundError):
        getattr(service, what)(EVE, 77)


def test_a_csv_table_has_the_columns_of_the_records(service: Service, running: int) -> None:
    content = service.records(EVE, running, RecordTable.CLIENTS, TableForm.CSV)
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert list(rows[0]) == column_names(ClientRecord)
    first, second = rows
    assert (first["client_id"], first["num_examples"], first["participated"]) == (
        "a,b",
        "5",
        "True",
    )
    assert (first["train_loss"], second["local_score"], second["failure"]) == ("", "0.1", "lost")


def test_a_parquet_table_has_the_types_of_the_records(service: Service, running: int) -> None:
    content = service.records(EVE, running, "clients", "parquet")
    frame = pl.read_parquet(io.BytesIO(content))
    assert frame.columns == column_names(ClientRecord)
    assert frame["num_examples"].to_list() == [5, 7]
    assert frame["participated"].to_list() == [True, False]
    assert frame["train_loss"].to_list() == [None, None]
    rounds = pl.read_parquet(io.BytesIO(service.records(EVE, running, "rounds", "parquet")))
    assert rounds.columns == column_names(RoundRecord)
    assert rounds["global_loss"].to_list() == [0.5]


def test_what_clients_invent_is_in_the_metrics_table(service: Service, running: int) -> None:
    said = {"f1": 0.5, "by_class": {"rose": 1, "name": "x", "bad": None}, "ok": True}
    for number, kind in ((1, DocumentKind.VALIDATION), (2, DocumentKind.VALIDATION)):
        assert service.store.add_document(running, number, "a,b", kind, said, "me")
    trained = {"epochs": 3, "loss": float("inf")}
    assert service.store.add_document(running, 1, "b", DocumentKind.METADATA, trained, "me")
    content = service.records(EVE, running, RecordTable.METRICS, TableForm.CSV)
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert list(rows[0]) == column_names(MetricRecord)
    found = [tuple(row.values())[1:] for row in rows]
    assert found == [  # round 2 is not finished
        ("1", "a,b", "validate", "f1", "0.5"),
        ("1", "a,b", "validate", "by_class.rose", "1.0"),
        ("1", "b", "train", "epochs", "3.0"),
        ("1", "c", "validate", "auc", "0.75"),
    ]
    frame = pl.read_parquet(io.BytesIO(service.records(EVE, running, "metrics", "parquet")))
    assert frame.columns == column_names(MetricRecord)
    assert frame["value"].to_list() == [0.5, 1.0, 3.0, 0.75]


def test_a_task_without_rounds_has_empty_tables(service: Service) -> None:
    task = service.create_task(ROOT, IRIS)
    for table in RecordTable:
        assert service.records(EVE, task.id, table, "csv").count(b"\n") == 1
        content = service.records(EVE, task.id, table, "parquet")
        assert pl.read_parquet(io.BytesIO(content)).height == 0


def test_the_result_is_the_published_version_and_there_is_none_before(
    service: Service, running: int
) -> None:
    with pytest.raises(ConflictError, match="running"):
        service.result(EVE, running)
    result = TaskResult(model="iris", version=1)
    assert service.store.finish_task(running, "me", TaskStatus.SUCCESS, result=result)
    assert service.result(EVE, running) == service.weights(EVE, "iris", 1)


def test_news_of_tokens_is_for_those_who_manage_them(service: Service, running: int) -> None:
    service.grant_token(ROOT, "laptop")
    seen = {event.kind for event in service.events(EVE)}
    assert "token" not in seen
    assert "round" in seen
    assert "token" in {event.kind for event in service.events(ROOT)}
    last = service.events(ROOT)[-1].id
    assert service.follow_events(EVE, last - 1) == ([], last)


def test_counts_say_how_many_stand_where(service: Service, running: int) -> None:
    service.create_task(ROOT, IRIS)
    counts = service.counts(EVE)
    assert (counts.tasks[TaskStatus.PENDING], counts.tasks[TaskStatus.RUNNING]) == (1, 1)
    assert counts.tasks[TaskStatus.FAILED] == 0
    assert counts.rounds == 1
    assert counts.unsent == 3  # two that wait, one that began
