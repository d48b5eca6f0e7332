"""Who asks: what every route that needs a token depends on."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from fedloom.platform.identity import Identity
from fedloom.platform.service import Service

__all__ = ["Bearer", "Desk", "Who", "address_of", "secret_of"]

_BEARER = HTTPBearer(
    bearerFormat="flm_…",
    scheme_name="token",
    description="A token, as `fedloom up` prints one or `fedloom token` makes it.",
    auto_error=False,
)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]


def address_of(request: Request) -> str:
    """Return where a request came from; behind a proxy, as the server was told to believe it."""
    return request.client.host if request.client else "local"


def secret_of(found: HTTPAuthorizationCredentials | None) -> str | None:
    """Return the token that came, or None."""
    return found.credentials if found else None


async def _find_service(request: Request) -> Service:
    """Return the service; asynchronous, since a thread for it would cost more than it does."""
    return cast(Service, request.app.state.service)


def _identify(
    request: Request, found: Bearer, desk: Annotated[Service, Depends(_find_service)]
) -> Identity:
    who = desk.sign_in(secret_of(found), address_of(request))
    request.state.user_id = who.user_id
    return who


Who = Annotated[Identity, Depends(_identify)]
"""Who asks; a route with it refuses everybody without a token that holds."""

Desk = Annotated[Service, Depends(_find_service)]
"""The service."""
