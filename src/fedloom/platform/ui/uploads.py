"""Packages from the browser, with the page's own cookie; past the gate that keeps bodies small."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from fedloom.platform.api.taking import take_package
from fedloom.platform.identity import Permission, require
from fedloom.platform.ui.gate import BASE, COOKIE, is_same_origin
from fedloom.platform.ui.sessions import Sessions
from fedloom.platform.ui.wording import model_path

if TYPE_CHECKING:
    from fedloom.platform.service import Service

__all__ = ["UPLOAD_PATH", "add_uploads"]

UPLOAD_PATH = f"{BASE}/files/packages"
"""Where the page sends packages; the API's gate bounds them as it does those of programs."""


def add_uploads(app: FastAPI, service: Service, sessions: Sessions) -> None:
    """Add the page's upload to an application; it needs a session of somebody who may push."""

    async def upload(request: Request) -> Response:
        # Refusing comes before the body, which may be large, is read.
        session = await asyncio.to_thread(sessions.find, request.cookies.get(COOKIE))
        if session is None:
            raise HTTPException(401, "the session is over: sign in again")
        if not is_same_origin(request.scope):
            raise HTTPException(403, "packages are taken from the page itself only")
        who = session.identity
        request.state.user_id = who.user_id
        require(who, Permission.PUSH_MODEL)
        version = await take_package(request, who, service)
        return JSONResponse(
            {
                "said": f"{version} is in the registry"
                + (": this package was there already" if version.was_there else ""),
                "path": f"{BASE}{model_path(version.name, version.version)}",
            },
            200 if version.was_there else 201,
        )

    app.add_route(UPLOAD_PATH, upload, ["POST"], include_in_schema=False)
