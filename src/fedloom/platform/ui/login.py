"""Signing in and out: plain forms, so that nothing else is served to strangers."""

from __future__ import annotations

import asyncio
from html import escape
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fedloom.errors import AccessError, LinkError
from fedloom.platform.identity import LockedOutError
from fedloom.platform.ui.gate import BASE, COOKIE, is_same_origin
from fedloom.platform.ui.sessions import Sessions
from fedloom.platform.ui.theme import THEME_COOKIE, assets_version, read_theme

__all__ = ["add_login"]

_MOST_BYTES = 8192
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'",
}


def add_login(app: FastAPI, sessions: Sessions, title: str) -> None:
    """Add the page's login and logout to an application."""

    async def show(request: Request) -> Response:
        return _page(request, title, request.query_params.get("next", ""))

    async def sign_in(request: Request) -> Response:
        form = await _read_form(request)
        wanted = form.get("next", "")
        if not is_same_origin(request.scope):
            return _page(request, title, wanted, "Sign in on this page itself.", 403)
        address = request.client.host if request.client else ""
        try:
            key, _ = await asyncio.to_thread(sessions.open, form.get("token", "").strip(), address)
        except LockedOutError as error:
            return _page(request, title, wanted, str(error), 429)
        except AccessError as error:
            return _page(request, title, wanted, str(error), 401)
        except LinkError as error:
            return _page(request, title, wanted, str(error), 503)
        answer = RedirectResponse(BASE + _inner(wanted), 303)
        answer.set_cookie(
            COOKIE, key, path=BASE, httponly=True, samesite="lax", secure=_tls(request)
        )
        return answer

    async def sign_out(request: Request) -> Response:
        if is_same_origin(request.scope):
            sessions.close(request.cookies.get(COOKIE))
        answer = RedirectResponse(f"{BASE}/login", 303)
        answer.delete_cookie(COOKIE, path=BASE, httponly=True, samesite="lax")
        return answer

    app.add_route(f"{BASE}/login", show, ["GET"], include_in_schema=False)
    app.add_route(f"{BASE}/login", sign_in, ["POST"], include_in_schema=False)
    app.add_route(f"{BASE}/logout", sign_out, ["POST"], include_in_schema=False)


async def _read_form(request: Request) -> dict[str, str]:
    """Read a small form; what is large is none of ours."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            return {}
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=10))
    except ValueError:
        return {}


def _inner(wanted: str) -> str:
    """Return where to go on, inside of the page only."""
    safe = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    return wanted if safe and wanted.isprintable() else "/"


def _tls(request: Request) -> bool:
    return request.url.scheme == "https"


def _page(
    request: Request, title: str, wanted: str, error: str = "", status: int = 200
) -> Response:
    theme = {True: ' data-theme="dark"', False: ' data-theme="light"', None: ""}
    chosen = theme[read_theme(request.cookies.get(THEME_COOKIE))]
    said = f'<p class="flm-reason" role="alert">{escape(error)}</p>' if error else ""
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en"{chosen}><head><meta charset="utf-8"><title>Sign in · {escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="{BASE}/assets/page.css?v={assets_version()}"></head>
<body class="flm-bare"><main class="flm-login">
<div class="flm-card"><span class="flm-brand">{escape(title)}</span>
<form method="post" action="{BASE}/login">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus
 placeholder="flm_…" aria-describedby="hint">
<input type="hidden" name="next" value="{escape(_inner(wanted))}">{said}
<button type="submit">Sign in</button>
<span id="hint" class="flm-muted flm-small">A token is printed when the platform starts for the
 first time; others are made under Tokens, or with “fedloom token”.</span>
</form></div></main></body></html>""",
        status,
        _HEADERS,
    )
