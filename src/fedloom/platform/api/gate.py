"""What every request passes: its number, limits, log line, and the headers of its answer."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from secrets import token_hex
from time import perf_counter
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedloom.platform.api.measures import Measures
from fedloom.platform.api.problems import make_problem

__all__ = ["BODY_LIMIT_BYTES", "UPLOAD_LIMIT_BYTES", "Gate"]

BODY_LIMIT_BYTES = 1024**2
"""Of a JSON body."""

UPLOAD_LIMIT_BYTES = 2 * 1024**3
"""Of an uploaded package with its seed model."""

_LOGGER = logging.getLogger("fedloom.access")
_REQUEST_ID = re.compile(r"[\w.-]{8,64}", re.ASCII)
_PAGE = "/ui"
_UPLOADS = ("/packages", f"{_PAGE}/files/packages")
"""Where packages come in: from programs, and from the page."""
_SLASHED = ("/tasks",)
"""Addresses that end with a slash in the OpenAPI document, as the original's do."""

_HANGS_UP = 499
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_CLOSED = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""For what is data, and no page that loads anything."""


@dataclass
class _Passage:
    """One request on its way."""

    scope: Scope
    request_id: str
    begun: float = field(default_factory=perf_counter)
    status: int = 0
    body_left: bool = False

    @property
    def raw_path(self) -> str:
        """The path as it came: still quoted, so it can forge no line of a log."""
        raw: bytes = self.scope.get("raw_path") or self.scope["path"].encode("utf-8", "replace")
        return raw.split(b"?", 1)[0][:512].decode("ascii", "replace")

    @property
    def user(self) -> str:
        return str(self.scope["state"].get("user_id") or "-")


class Gate:
    """Middleware around everything; see the module's description.

    Args:
        app: what it is around.
        measures: takes how many requests there were, and how long they took.
        body_limit_bytes: of a body.
        upload_limit_bytes: of the body of an upload.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        measures: Measures,
        body_limit_bytes: int = BODY_LIMIT_BYTES,
        upload_limit_bytes: int = UPLOAD_LIMIT_BYTES,
    ) -> None:
        self._app, self._measures = app, measures
        self._limit, self._upload_limit = body_limit_bytes, upload_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or _is_page(scope["path"]):
            await self._app(scope, receive, send)
            return
        passage = _Passage(scope, _choose_id(Headers(scope=scope)))
        scope.setdefault("state", {})["request_id"] = passage.request_id
        scope["path"] = _tidy_path(scope["path"])
        try:
            await self._pass(passage, receive, _finish_answer(passage, send))
        finally:
            self._note(passage)

    async def _pass(self, passage: _Passage, receive: Receive, send: Send) -> None:
        scope = passage.scope
        upload = scope["path"] in _UPLOADS and scope["method"] == "POST"
        limit = self._upload_limit if upload else self._limit
        try:
            passage.body_left = _has_body(scope)
            if _read_length(scope) > limit:
                raise _too_large(limit)
            await self._app(scope, _limit_body(passage, receive, limit), send)
        except ClientDisconnect:
            passage.status = passage.status or _HANGS_UP
        except HTTPException as error:
            await self._fail(passage, error.status_code, error.detail, receive, send)
        except Exception:
            # The last place where it can be told; nobody above knows the request.
            _LOGGER.exception("request %s failed", passage.request_id)
            detail = f"the server failed; its log tells why, at request {passage.request_id}"
            await self._fail(passage, 500, detail, receive, send)

    async def _fail(
        self, passage: _Passage, status: int, detail: str, receive: Receive, send: Send
    ) -> None:
        if not passage.status:
            answer = make_problem(status, detail, request_id=passage.request_id)
            await answer(passage.scope, receive, send)

    def _note(self, passage: _Passage) -> None:
        seconds = perf_counter() - passage.begun
        scope = passage.scope
        route = getattr(scope.get("route"), "path", "other")
        self._measures.note(scope["method"], route, passage.status, seconds)
        _LOGGER.info(
            "%s %s %d %.1f ms user=%s id=%s",
            scope["method"],
            passage.raw_path,
            passage.status,
            1000 * seconds,
            passage.user,
            passage.request_id,
        )


def _is_page(path: str) -> bool:
    inside = path == _PAGE or path.startswith(f"{_PAGE}/")
    return inside and path not in _UPLOADS


def _tidy_path(path: str) -> str:
    """Return a path as its route has it, whether or not it came with a slash at its end."""
    bare = path.rstrip("/")
    return f"{bare}/" if bare in _SLASHED else bare or "/"


def _choose_id(headers: Headers) -> str:
    """Return the number that a proxy gave, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else token_hex(8)


def _has_body(scope: Scope) -> bool:
    return _read_length(scope) > 0 or "transfer-encoding" in Headers(scope=scope)


def _read_length(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else 0


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"the body is too large: {limit:,} bytes are the most")


def _limit_body(passage: _Passage, receive: Receive, limit: int) -> Receive:
    taken = 0

    async def receive_limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise _too_large(limit)
        passage.body_left = bool(message.get("more_body", False))
        return message

    return receive_limited


def _finish_answer(passage: _Passage, send: Send) -> Send:
    async def send_finished(message: Message) -> None:
        if message["type"] == "http.response.start":
            passage.status = int(message["status"])
            headers: Any = MutableHeaders(scope=message)
            headers["X-Request-ID"] = passage.request_id
            if passage.body_left:  # or the server would take the rest of it, however much
                headers["Connection"] = "close"
            html = headers.get("content-type", "").startswith("text/html")
            for name, value in (_SAFE if html else _SAFE | _CLOSED).items():
                headers.setdefault(name, value)
        await send(message)

    return send_finished
