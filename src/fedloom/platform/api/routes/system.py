"""How the platform is, and what it did."""

from __future__ import annotations

import platform
from dataclasses import asdict
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import RedirectResponse

from fedloom._version import __version__
from fedloom.platform.api.access import Desk, Who
from fedloom.platform.api.measures import write_metrics
from fedloom.platform.api.models.system import Health, History, Part, Pong, Ready, Versions
from fedloom.platform.api.problems import refusals

__all__ = ["health", "history", "metrics", "ping", "ready", "router", "version"]

router = APIRouter(tags=["system"])


@router.get("/", response_model=Pong)
async def ping(request: Request) -> Pong | RedirectResponse:
    """Answer the original's health check; a browser is sent to the page."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(request.app.state.home, HTTPStatus.SEE_OTHER)
    return Pong()


@router.get("/health")
async def health() -> Health:
    """Say that the process lives; looks at nothing else."""
    return Health()


@router.get("/ready", responses={503: {"model": Ready, "description": "Something is not there."}})
def ready(desk: Desk, response: Response) -> Ready:
    """Say whether requests can be served, and how each part is."""
    found = desk.readiness()
    if not found.ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    parts = {name: Part(**asdict(part)) for name, part in found.parts.items()}
    return Ready(ready=found.ready, parts=parts)


@router.get("/version")
async def version() -> Versions:
    """Return what runs here."""
    return Versions(fedloom=__version__, python=platform.python_version())


@router.get(
    "/metrics",
    response_class=Response,
    responses=refusals()
    | {
        200: {
            "description": "Prometheus' text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
def metrics(request: Request, who: Who, desk: Desk) -> Response:
    """Return numbers for Prometheus; give it a viewer's token."""
    state = request.app.state
    content = write_metrics(state.measures, desk, who, state.coordinator_state)
    return Response(content, media_type=CONTENT_TYPE_LATEST)


@router.get("/history", responses=refusals())
def history(who: Who, desk: Desk) -> History:
    """Return the tasks as a workload, to try scheduling policies on."""
    return History.model_validate(desk.history(who))
