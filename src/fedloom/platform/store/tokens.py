"""Tokens in the database: added, found by the digest of their secret, revoked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from fedloom.errors import ConflictError, NotFoundError
from fedloom.platform.identity.role import Role
from fedloom.platform.identity.token import Token
from fedloom.platform.store.columns import is_storable
from fedloom.platform.store.database import Database, Transaction
from fedloom.platform.store.kinds import EventKind
from fedloom.platform.store.rows import MAX_ID
from fedloom.platform.store.tables import TokenRow, table_of

__all__ = ["TokenMethods"]

_TOKEN = table_of(TokenRow)
_TOKEN_LOCK = 0x666C_6D03
_USE_STEP = timedelta(minutes=1)


class TokenMethods(Database):
    """What `fedloom.platform.identity` needs of a store; nobody else should call it."""

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
        """Add a token.

        Args:
            name: what its holder calls it.
            user_id: whom it stands for.
            role: what its holder is.
            secret_hash: SHA-256 of its secret.
            created_by: user id of the giver.
            expires_at: UTC; None for never.
            only_without_admin: add it only where no admin's token holds; two processes that start
                together get one between them.

        Returns:
            The token, or None where an admin's token holds and that was asked for.

        Raises:
            ConflictError: there is one with that secret.
        """
        with self._write() as transaction:
            if only_without_admin:
                transaction.lock(_TOKEN_LOCK)
                if _has_admin(transaction):
                    return None
            row: dict[str, Any] = {
                "name": name,
                "user_id": user_id,
                "role": role,
                "secret_hash": secret_hash,
                "created_at": transaction.now,
                "created_by": created_by,
                "expires_at": expires_at,
            }
            try:
                key = transaction.connection.execute(insert(_TOKEN), row).inserted_primary_key
            except IntegrityError:
                raise ConflictError("there is a token with this secret already") from None
            assert key is not None
            transaction.add_event(EventKind.TOKEN, id=key[0], change="made")
        return Token(id=key[0], **row)

    def find_token(self, secret_hash: str) -> Token | None:
        """Return the token with that digest, whether it holds or not."""
        query = select(_TOKEN).where(_TOKEN.c.secret_hash == secret_hash)
        with self._read() as transaction:
            row = transaction.connection.execute(query).mappings().one_or_none()
        return None if row is None else Token(**row)

    def get_token(self, token_id: int) -> Token:
        """Return a token by its number.

        Raises:
            NotFoundError: there is none with that number.
        """
        if 1 <= token_id <= MAX_ID:
            query = select(_TOKEN).where(_TOKEN.c.id == token_id)
            with self._read() as transaction:
                row = transaction.connection.execute(query).mappings().one_or_none()
            if row is not None:
                return Token(**row)
        raise NotFoundError(f"there is no token {token_id}")

    def tokens(self, user_id: str | None = None) -> list[Token]:
        """Return all tokens, or a user's, oldest first."""
        query = select(_TOKEN).order_by(_TOKEN.c.id)
        if user_id is not None:
            if not is_storable(user_id):
                return []
            query = query.where(_TOKEN.c.user_id == user_id)
        with self._read() as transaction:
            return [Token(**row) for row in transaction.connection.execute(query).mappings()]

    def revoke_token(self, token_id: int) -> Token:
        """Revoke a token; revoking a revoked one changes nothing.

        Raises:
            NotFoundError: there is none with that number.
        """
        token = self.get_token(token_id)
        with self._write() as transaction:
            query = update(_TOKEN).where(_TOKEN.c.id == token.id, _TOKEN.c.revoked_at.is_(None))
            changed = transaction.connection.execute(query.values(revoked_at=transaction.now))
            if changed.rowcount:
                transaction.add_event(EventKind.TOKEN, id=token_id, change="revoked")
        return self.get_token(token_id)

    def note_token_use(self, token_id: int, now: datetime) -> None:
        """Write down when a token was used, at most once a minute."""
        stale = or_(_TOKEN.c.last_used_at.is_(None), _TOKEN.c.last_used_at <= now - _USE_STEP)
        with self._write() as transaction:
            query = update(_TOKEN).where(_TOKEN.c.id == token_id, stale)
            transaction.connection.execute(query.values(last_used_at=now))


def _has_admin(transaction: Transaction) -> bool:
    holds = or_(_TOKEN.c.expires_at.is_(None), _TOKEN.c.expires_at > transaction.now)
    query = select(func.count()).where(
        _TOKEN.c.role == Role.ADMIN, _TOKEN.c.revoked_at.is_(None), holds
    )
    return bool(transaction.connection.execute(query).scalar_one())
