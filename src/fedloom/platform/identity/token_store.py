"""What identity needs of a store; `fedloom.platform.store.Store` has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from fedloom.platform.identity.role import Role
from fedloom.platform.identity.token import Token

__all__ = ["TokenStore"]


class TokenStore(Protocol):
    """Where tokens are kept."""

    def add_token(
        self,
        *,
        name: str,
        user_id: str,
        role: Role,
        secret_hash: str,
        created_by: str = "",
        expires_at: datetime | None = None,
        only_without_admin: bool = False,
    ) -> Token | None:
        """Add a token, or none where an admin's holds and `only_without_admin` asks for that."""

    def find_token(self, secret_hash: str) -> Token | None:
        """Return the token with that digest, whether it holds or not."""

    def get_token(self, token_id: int) -> Token:
        """Return a token by its number."""

    def tokens(self, user_id: str | None = None) -> Sequence[Token]:
        """Return all tokens, or a user's."""

    def revoke_token(self, token_id: int) -> Token:
        """Revoke a token."""

    def note_token_use(self, token_id: int, now: datetime) -> None:
        """Write down when a token was used."""
