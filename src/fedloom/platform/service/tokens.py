"""Tokens: who asks, who may, and what those who may hand out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fedloom.platform.identity import (
    Identity,
    Permission,
    Role,
    Token,
    authenticate,
    grant,
    require,
    revoke,
    visible_tokens,
)
from fedloom.platform.service.desk import Desk

__all__ = ["TokenService"]


class TokenService(Desk):
    """What people do with tokens."""

    def sign_in(self, token: str | None, address: str) -> Identity:
        """Say who brings a token.

        Args:
            token: the secret, or None where none came.
            address: that it came from; too many wrong ones lock it.

        Raises:
            UnauthenticatedError: there is none, or it is unknown, expired or revoked.
            LockedOutError: too many wrong ones came from there.
        """
        return authenticate(self._tokens, self.attempts, token, address, self._now())

    def tokens(self, who: Identity) -> Sequence[Token]:
        """Return all tokens to those who manage them, and the own ones to others."""
        return visible_tokens(self._tokens, who)

    def grant_token(
        self,
        who: Identity,
        name: str,
        user_id: str | None = None,
        role: Role = Role.VIEWER,
        expires_at: datetime | None = None,
    ) -> tuple[Token, str]:
        """Make a token, for oneself if no `user_id` is given; return it and its secret.

        Raises:
            ForbiddenError: they may not, or would give more than they have.
            InputError: a name or the time cannot be meant.
        """
        return grant(
            self._tokens,
            who,
            name=name,
            user_id=who.user_id if user_id is None else user_id,
            role=role,
            now=self._now(),
            expires_at=expires_at,
        )

    def revoke_token(self, who: Identity, token_id: int) -> Token:
        """Revoke a token, at once in this process and within a second in others."""
        require(who, Permission.GRANT_OWN_TOKEN)  # before anybody learns which numbers there are
        return revoke(self._tokens, who, token_id)
