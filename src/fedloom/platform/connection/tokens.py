"""A platform's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fedloom.platform.connection.link import ApiLink
from fedloom.platform.connection.values import (
    GivenToken,
    TokenEntry,
    read_list,
    read_value,
)

__all__ = ["Tokens"]


class Tokens:
    """What can be done with tokens; all of it raises `FedloomError` where the platform says no.

    Args:
        link: to the API.
    """

    def __init__(self, link: ApiLink) -> None:
        self._link = link

    def list(self) -> Sequence[TokenEntry]:
        """Return all tokens to who manages them, and the own ones to others."""
        return read_list(TokenEntry, self._link.get("/tokens"))

    def create(
        self,
        name: str,
        *,
        user_id: str | None = None,
        role: str | None = None,
        expires_at: datetime | None = None,
    ) -> GivenToken:
        """Make a token; its secret is in what this returns, and nowhere else.

        Args:
            name: what its holder calls it.
            user_id: whom it stands for; oneself by default.
            role: viewer, researcher, operator or admin, at most what the own token is; viewer by
                default.
            expires_at: when it ends; never if None. A time without a zone is UTC.
        """
        body = {"name": name, "user_id": user_id, "role": role, "expires_at": _spell(expires_at)}
        given = {key: value for key, value in body.items() if value is not None}
        return read_value(GivenToken, self._link.send("POST", "/tokens", given))

    def revoke(self, token_id: int) -> None:
        """Revoke a token, the own one at once too."""
        self._link.send("DELETE", f"/tokens/{token_id:d}")


def _spell(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
