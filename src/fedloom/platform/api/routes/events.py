"""Events, as they happen."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse

from fedloom.platform.api.access import Bearer, Desk, Who, address_of, secret_of
from fedloom.platform.api.feed import Feed
from fedloom.platform.api.problems import refusals
from fedloom.platform.identity import Identity, Permission, require

__all__ = ["router"]

router = APIRouter(tags=["events"], responses=refusals())

_MEDIA_TYPE = "text/event-stream"
_LONGEST_S = 3600.0
_LARGEST = 2**63 - 1


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: id, event (the kind) and data (JSON).",
            "content": {_MEDIA_TYPE: {"schema": {"type": "string"}}},
        }
    },
)
async def follow_events(
    request: Request,
    who: Who,
    token: Bearer,
    desk: Desk,
    after_id: Annotated[
        int | None, Query(ge=0, le=_LARGEST, description="The last one known; 0 for all.")
    ] = None,
    task_id: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    timeout_s: Annotated[
        float, Query(ge=0, le=_LONGEST_S, description="Seconds after which the stream ends.")
    ] = _LONGEST_S,
    last_event_id: Annotated[str | None, Header(max_length=20, pattern=r"^\d*$")] = None,
) -> StreamingResponse:
    """Follow what changes; without a number, from now on.

    A listener that lost the connection comes again with `Last-Event-ID`, as browsers do by
    themselves, and misses nothing.
    """
    require(who, Permission.VIEW)
    feed = cast(Feed, request.app.state.feed)
    feed.check_room()
    after = -1 if after_id is None else after_id
    if last_event_id:
        after = min(int(last_event_id), _LARGEST)
    secret, address = secret_of(token), address_of(request)

    def check() -> Identity:
        return desk.sign_in(secret, address)

    return StreamingResponse(
        feed.listen(check, after, task_id, timeout_s),
        media_type=_MEDIA_TYPE,
        headers={"X-Accel-Buffering": "no"},
    )
