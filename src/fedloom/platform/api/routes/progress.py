"""How far a task is, what was said, and what is left of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.responses import FileResponse

from fedloom.platform.api.access import Desk, Who
from fedloom.platform.api.models.progress import ClientDocument, LogPiece
from fedloom.platform.api.problems import refusals
from fedloom.platform.api.routes.files import file_answer, send_file
from fedloom.platform.api.routes.tasks import TaskId
from fedloom.platform.service import RecordTable, TableForm
from fedloom.platform.store import DocumentKind

__all__ = [
    "download_records",
    "download_result",
    "list_clients",
    "list_documents",
    "list_logs",
    "list_rounds",
    "router",
]

router = APIRouter(prefix="/tasks/{task_id}", tags=["progress"], responses=refusals(404))

Number = Annotated[int | None, Query(ge=1, le=2**31 - 1)]
After = Annotated[int, Query(ge=0, le=2**63 - 1, description="Only what comes after it.")]
ClientId = Annotated[str | None, Query(max_length=200)]

_TYPES = {
    TableForm.CSV: "text/csv",
    TableForm.PARQUET: "application/vnd.apache.parquet",
}


@router.get("/rounds")
def list_rounds(task_id: TaskId, who: Who, desk: Desk, after: After = 0) -> list[dict[str, Any]]:
    """Return a row for each finished round; columns as in `docs/records.md`."""
    return desk.rounds(who, task_id, min(after, 2**31 - 1))


@router.get("/clients")
def list_clients(
    task_id: TaskId,
    who: Who,
    desk: Desk,
    round: Number = None,  # noqa: A002 - a column's name
    client_id: ClientId = None,
) -> list[dict[str, Any]]:
    """Return a row for each client and round; columns as in `docs/records.md`."""
    return desk.clients(who, task_id, round, client_id)


@router.get("/logs")
def list_logs(
    task_id: TaskId,
    who: Who,
    desk: Desk,
    after_id: After = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[LogPiece]:
    """Return pieces of the task's log, oldest first."""
    return [LogPiece.model_validate(log) for log in desk.logs(who, task_id, after_id, limit)]


@router.get("/documents")
def list_documents(
    task_id: TaskId,
    who: Who,
    desk: Desk,
    round: Number = None,  # noqa: A002 - a column's name
    client_id: ClientId = None,
    kind: DocumentKind | None = None,
) -> list[ClientDocument]:
    """Return what clients said beside the numbers: whole validations, and metadata."""
    found = desk.documents(who, task_id, round, client_id, kind)
    return [ClientDocument.model_validate(document) for document in found]


@router.get(
    "/records",
    response_class=Response,
    responses={
        200: {
            "description": "The table.",
            "content": {
                name: {"schema": {"type": "string", "format": "binary"}} for name in _TYPES.values()
            },
        }
    },
)
def download_records(
    task_id: TaskId,
    who: Who,
    desk: Desk,
    table: RecordTable = RecordTable.CLIENTS,
    format: TableForm = TableForm.CSV,  # noqa: A002 - as it is asked for
) -> Response:
    """Download a table of the task's records, for `fedloom merge` and `fedloom report`."""
    content = desk.records(who, task_id, table, format)
    name = f"task_{task_id}_{table}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=_TYPES[format], headers=headers)


@router.get(
    "/result", response_class=FileResponse, responses=refusals(409) | file_answer("The weights.")
)
def download_result(task_id: TaskId, who: Who, desk: Desk) -> FileResponse:
    """Download the weights that the task left, as npz."""
    return send_file(desk.result(who, task_id), f"task_{task_id}.npz")
