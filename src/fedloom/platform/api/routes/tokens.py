"""Tokens, and who asks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, status

from fedloom.platform.api.access import Desk, Who
from fedloom.platform.api.models.token import Me, NewToken, TokenDetails, TokenRequest
from fedloom.platform.api.problems import refusals
from fedloom.platform.identity import PERMISSIONS

__all__ = ["grant_token", "list_tokens", "revoke_token", "router", "who_am_i"]

router = APIRouter(tags=["tokens"], responses=refusals())


@router.get("/tokens")
def list_tokens(who: Who, desk: Desk) -> list[TokenDetails]:
    """Return all tokens to admins, and the own ones to others."""
    return [TokenDetails.model_validate(token) for token in desk.tokens(who)]


@router.post("/tokens", status_code=status.HTTP_201_CREATED, responses=refusals(409))
def grant_token(asked: TokenRequest, who: Who, desk: Desk) -> NewToken:
    """Make a token; its secret is in this answer and nowhere else.

    Nobody gives more than they have, or for longer.
    """
    token, secret = desk.grant_token(who, asked.name, asked.user_id, asked.role, asked.expires_at)
    return NewToken(**TokenDetails.model_validate(token).model_dump(), secret=secret)


@router.delete("/tokens/{token_id}", responses=refusals(404))
def revoke_token(
    token_id: Annotated[int, Path(ge=1, le=2**31 - 1)], who: Who, desk: Desk
) -> TokenDetails:
    """Revoke a token; revoking twice changes nothing."""
    return TokenDetails.model_validate(desk.revoke_token(who, token_id))


@router.get("/me")
def who_am_i(who: Who) -> Me:
    """Return who the token stands for, and what they may do."""
    return Me(
        user_id=who.user_id,
        role=who.role,
        token_id=who.token_id,
        expires_at=who.expires_at,
        permissions=sorted(str(permission) for permission in PERMISSIONS[who.role]),
    )
