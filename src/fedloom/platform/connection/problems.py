"""From the API's answers that say no to the errors of Fedloom."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from fedloom.errors import ConflictError, FedloomError, InputError, LinkError, NotFoundError
from fedloom.platform.identity.refusals import (
    ForbiddenError,
    LockedOutError,
    UnauthenticatedError,
)

__all__ = ["read_problem"]

_MOST_CHARACTERS = 500
_TOKEN_HINT = "give one with token=… or --token, or in FEDLOOM_TOKEN"
_DEFAULT_PAUSE_S = 60.0

_ERRORS: Mapping[int, type[FedloomError]] = {
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
}
"""What else than a wrong request (4xx) or a server in need (5xx) a status stands for."""


def read_problem(answer: httpx.Response) -> FedloomError:
    """Return the error that an answer of status 400 or more stands for; its body must be read."""
    detail = _read_detail(answer)
    status = answer.status_code
    if status == 401:
        return UnauthenticatedError(f"{detail}; {_TOKEN_HINT}")
    if status == 429:
        return LockedOutError(_read_pause_s(answer))
    if status in _ERRORS:
        return _ERRORS[status](detail)
    if status >= 500:
        return LinkError(f"{answer.url.host} could not do it ({status}): {detail}")
    return InputError(detail)


def _read_detail(answer: httpx.Response) -> str:
    """Return one line; what comes from a server is not trusted to be one."""
    try:
        body = json.loads(answer.content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        text = body if isinstance(body, str) else answer.reason_phrase
        return _shorten(text or f"status {answer.status_code}")
    said = body.get("detail") or body.get("title") or f"status {answer.status_code}"
    lines = [*_list_faults(body.get("errors"))] or [said if isinstance(said, str) else str(said)]
    return _shorten("; ".join(lines))


def _list_faults(errors: Any) -> Iterable[str]:
    """Yield "where: what" for each fault of a request that is named."""
    for fault in errors if isinstance(errors, list) else ():
        if not isinstance(fault, Mapping):
            continue
        place = fault.get("loc", fault.get("field", ()))
        parts = place if isinstance(place, list) else [place]
        where = ".".join(str(part) for part in parts if part not in ("body", "query", "path"))
        what = fault.get("msg") or fault.get("detail") or fault.get("message") or "is wrong"
        yield f"{where}: {what}" if where else str(what)


def _shorten(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 1]}…"


def _read_pause_s(answer: httpx.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else _DEFAULT_PAUSE_S
