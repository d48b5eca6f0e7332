"""The gate before the page: what is not public needs a session, the websocket as well."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedloom.platform.ui.sessions import Sessions

__all__ = [
    "BASE",
    "COOKIE",
    "MAX_BODY_BYTES",
    "SESSION_KEY",
    "Gate",
    "is_same_origin",
    "read_cookie",
]

BASE = "/ui"
"""Where the page is mounted."""
COOKIE = "fedloom_session"
SESSION_KEY = "fedloom.session"
"""Under this name the session stands in a request's scope."""

MAX_BODY_BYTES = 2 * 1024**2
"""Of what a browser sends: a plan is the largest, and the page takes nothing larger."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    # Vue makes functions of templates, and NiceGUI's page starts with a script of its own.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval';"
        " style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:;"
        " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}
_PUBLIC = ("/_nicegui/",)
_NOT_PUBLIC = ("/_nicegui/client/", "/_nicegui/auto/")


class Gate:
    """Lets through whoever has a session, and what holds nothing of anybody: scripts and styles.

    Args:
        app: the page behind it.
        sessions: who is signed in.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path, send = _inner_path(scope), _with_headers(send)
        if _body_length(scope) > MAX_BODY_BYTES:
            await _say(413, f"the body is too large: {MAX_BODY_BYTES:,} bytes are the most")(
                scope, receive, send
            )
            return
        if path.startswith(_PUBLIC) and not path.startswith(_NOT_PUBLIC):
            await self._app(scope, receive, send)
            return
        # Asking about the token may reach for the database.
        session = await asyncio.to_thread(self._sessions.find, read_cookie(scope, COOKIE))
        if session is None or not is_same_origin(scope):
            await _refuse(scope, receive, send, path)
            return
        scope[SESSION_KEY] = session
        await self._app(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send, path: str) -> None:
    if scope["type"] == "websocket":
        # Closing before accepting answers the handshake with 403.
        await send({"type": "websocket.close", "code": 4401, "reason": "sign in first"})
        return
    if scope["method"] in ("GET", "HEAD") and not path.startswith("/_nicegui"):
        wanted = quote(
            path + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
        )
        target = f"{BASE}/login" + (f"?next={wanted}" if path not in ("", "/") else "")
        await RedirectResponse(target, 303)(scope, receive, send)
        return
    await _say(401, "sign in at the page first")(scope, receive, send)


def _say(status: int, detail: str) -> JSONResponse:
    title = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(problem, status, media_type="application/problem+json")


def _body_length(scope: Scope) -> int:
    """Return how long a body says that it is; one that does not say it counts as too long."""
    if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
        return 0
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        return MAX_BODY_BYTES + 1
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 20 else MAX_BODY_BYTES + 1


def _with_headers(send: Send) -> Send:
    async def send_safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_safely


def is_same_origin(scope: Scope) -> bool:
    """Say whether a request comes from this page, as far as the browser says where it comes from.

    Reading pages by following a link from elsewhere is allowed; acting, and the websocket, is not.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None or (scope["type"] == "http" and scope["method"] in ("GET", "HEAD")):
        return True
    return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def read_cookie(scope: Scope, name: str) -> str | None:
    """Return a cookie of a request; None where it is missing or cannot be read."""
    try:
        found = SimpleCookie(Headers(scope=scope).get("cookie", "")).get(name)
    except CookieError:
        return None
    return found.value if found else None


def _inner_path(scope: Scope) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root else path
