"""Files for the browser: records, results, weights and packages, with the page's own cookie."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from fedloom.errors import ConflictError, FedloomError, NotFoundError
from fedloom.platform.identity import ForbiddenError, Identity
from fedloom.platform.service.table_file import RecordTable, TableForm
from fedloom.platform.ui.gate import BASE, COOKIE
from fedloom.platform.ui.sessions import Sessions

if TYPE_CHECKING:
    from fedloom.platform.service import Service

__all__ = ["add_downloads"]

Serve = Callable[[Request, Identity], Response]

_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


def add_downloads(app: FastAPI, service: Service, sessions: Sessions) -> None:
    """Add the page's downloads to an application; each needs a session."""

    def records(request: Request, who: Identity) -> Response:
        number, table, form = (
            _task(request),
            request.path_params["table"],
            request.path_params["form"],
        )
        if table not in set(RecordTable) or form not in set(TableForm):
            raise NotFoundError(f"there are no records {table}.{form}")
        content = service.records(who, number, RecordTable(table), TableForm(form))
        name = f"task-{number}-{table}.{form}"
        return Response(content, media_type=_TYPES[form], headers=_attach(name))

    def result(request: Request, who: Identity) -> Response:
        number = _task(request)
        return FileResponse(service.result(who, number), filename=f"task-{number}.npz")

    def weights(request: Request, who: Identity) -> Response:
        name, number = _version(request)
        found = service.weights(who, name, number)
        return FileResponse(found, filename=f"{name}-{number}.npz")

    def package(request: Request, who: Identity) -> Response:
        name, number = _version(request)
        found = service.package_archive(who, name, number)
        return FileResponse(found, filename=f"{name}-{number}.tgz")

    for path, serve in {
        "tasks/{id:int}/{table}.{form}": records,
        "tasks/{id:int}/result": result,
        "models/{name:path}/{version:int}/weights": weights,
        "models/{name:path}/{version:int}/package": package,
    }.items():
        app.add_route(
            f"{BASE}/files/{path}", _guarded(serve, sessions), ["GET"], include_in_schema=False
        )


def _guarded(serve: Serve, sessions: Sessions) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        session = await asyncio.to_thread(sessions.find, request.cookies.get(COOKIE))
        if session is None:
            return RedirectResponse(f"{BASE}/login", 303)
        try:
            return await asyncio.to_thread(serve, request, session.identity)
        except FedloomError as error:
            return Response(str(error), _status(error), media_type="text/plain; charset=utf-8")

    return answer


def _status(error: FedloomError) -> int:
    kinds = {NotFoundError: 404, ConflictError: 409, ForbiddenError: 403}
    return next((status for kind, status in kinds.items() if isinstance(error, kind)), 503)


def _attach(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


def _task(request: Request) -> int:
    return int(request.path_params["id"])


def _version(request: Request) -> tuple[str, int]:
    return str(request.path_params["name"]), int(request.path_params["version"])
