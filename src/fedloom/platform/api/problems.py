"""Errors as problem documents (RFC 9457): one shape for everything that is refused or fails."""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match

from fedloom.errors import (
    AccessError,
    ConflictError,
    FedloomError,
    InputError,
    LinkError,
    NotFoundError,
    OutputError,
)
from fedloom.platform.identity import ForbiddenError, LockedOutError, UnauthenticatedError
from fedloom.platform.service import TaskFieldsError

__all__ = ["MEDIA_TYPE", "Fault", "Problem", "add_handlers", "make_problem", "refusals"]

MEDIA_TYPE = "application/problem+json"

_FULL = ("No space left on device", "disk is full", "Disk quota exceeded")
_RETRY_S = 5

_STATUS: Sequence[tuple[type[FedloomError], HTTPStatus]] = (
    (UnauthenticatedError, HTTPStatus.UNAUTHORIZED),
    (LockedOutError, HTTPStatus.TOO_MANY_REQUESTS),
    (ForbiddenError, HTTPStatus.FORBIDDEN),
    # The registry or the broker refuses *us*: whoever asks can do nothing about it.
    (AccessError, HTTPStatus.SERVICE_UNAVAILABLE),
    (LinkError, HTTPStatus.SERVICE_UNAVAILABLE),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (OutputError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
)
"""What an error is to HTTP; the first that fits counts."""


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    loc: list[str | int] = Field(description="The way to it, such as ['body', 'model_version'].")
    msg: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """Why a request was refused or failed (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "there is no task 7",
                    "request_id": "5f0c6a1d2b3e4f50",
                }
            ]
        }
    )

    type: str = Field(
        default="about:blank", description="What kind of problem; about:blank: the status."
    )
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status, once more.", ge=400, le=599)
    detail: str = Field(description="What happened, which value, and what to do.")
    request_id: str = Field(default="", description="Names the request in the server's log.")
    errors: list[Fault] = Field(
        default_factory=list, description="Everything that is wrong, where several things are."
    )


def make_problem(
    status: int,
    detail: str,
    *,
    request_id: str = "",
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a problem as a response."""
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=request_id,
        errors=list(errors),
    )
    content = problem.model_dump(exclude={"errors"} if not errors else None)
    return JSONResponse(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how a route's refusals stand in the OpenAPI document; those all routes have too."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in sorted({*statuses, 400, 401, 403, 413, 422, 429, 500, 503})
    }


def add_handlers(app: FastAPI) -> None:
    """Let an app answer every error with a problem."""
    app.add_exception_handler(FedloomError, _answer_ours)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(OSError, _answer_system)


def _id_of(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


async def _answer_ours(request: Request, error: Any) -> JSONResponse:
    status = next(
        (status for kind, status in _STATUS if isinstance(error, kind)),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="fedloom"'
    elif isinstance(error, LockedOutError):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    elif status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_S)
    elif isinstance(error, OutputError) and any(mark in str(error) for mark in _FULL):
        status = HTTPStatus.INSUFFICIENT_STORAGE
    faults = error.faults if isinstance(error, TaskFieldsError) else ()
    errors = [Fault(loc=["body", *fault.location], msg=fault.message) for fault in faults]
    return make_problem(
        status, str(error), request_id=_id_of(request), errors=errors, headers=headers
    )


async def _answer_invalid(request: Request, error: Any) -> JSONResponse:
    errors = [
        Fault(loc=list(found["loc"]), msg=found["msg"].removeprefix("Value error, "))
        for found in error.errors()
    ]
    first = errors[0]
    place = ".".join(str(part) for part in first.loc)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    detail = f"{place}: {first.msg}{more}"
    return make_problem(422, detail, request_id=_id_of(request), errors=errors)


async def _answer_http(request: Request, error: Any) -> JSONResponse:
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_list_methods(request)))
    return make_problem(
        error.status_code, str(error.detail), request_id=_id_of(request), headers=headers
    )


async def _answer_system(request: Request, error: Any) -> JSONResponse:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    return make_problem(
        HTTPStatus.INSUFFICIENT_STORAGE,
        "the server's disk is full: free space there, and try again",
        request_id=_id_of(request),
    )


def _list_methods(request: Request) -> set[str]:
    """Return what a path does take; the router itself names the first route's methods alone."""
    found: set[str] = set()
    for route in request.app.state.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            found |= route.methods
    return found
