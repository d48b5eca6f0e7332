"""Tokens over HTTP; a secret is shown once, when it is made."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from fedloom.platform.identity import Role
from fedloom.platform.task import Name
from fedloom.platform.task.settings import UtcTime

__all__ = ["Me", "NewToken", "TokenDetails", "TokenRequest"]


class TokenRequest(BaseModel):
    """A token as it is asked for."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "laptop", "role": "viewer"}]}
    )

    name: Name = Field(description="What its holder calls it.")
    user_id: Name | None = Field(None, description="Whom it stands for; oneself if not given.")
    role: Role = Field(Role.VIEWER, description="At most the giver's own.")
    expires_at: UtcTime | None = Field(None, description="When it ends; null for never.")


class TokenDetails(BaseModel):
    """What is kept of a token."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    user_id: str
    role: Role
    created_at: UtcTime
    created_by: str
    expires_at: UtcTime | None
    revoked_at: UtcTime | None
    last_used_at: UtcTime | None


class NewToken(TokenDetails):
    """A token that was just made."""

    secret: str = Field(description="What opens; it cannot be had again.")


class Me(BaseModel):
    """Who asks."""

    model_config = ConfigDict(from_attributes=True)

    user_id: str
    role: Role
    token_id: int
    expires_at: UtcTime | None
    permissions: list[str]
