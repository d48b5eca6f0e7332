"""Tokens that were found a moment ago, so that a burst of requests asks the database once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Lock
from time import monotonic

from fedloom.platform.identity import Role, Token, TokenStore

__all__ = ["FoundTokens"]

_KEPT_S = 1.0
"""A token that another process revokes is accepted for so many seconds more."""

_MOST = 1024


class FoundTokens:
    """A `TokenStore` that remembers what it found; what it did not find it asks for again.

    Args:
        store: where the tokens are.
        clock: seconds that only grow.
    """

    def __init__(self, store: TokenStore, *, clock: Callable[[], float] = monotonic) -> None:
        self._store, self._clock = store, clock
        self._found: OrderedDict[str, tuple[float, Token]] = OrderedDict()
        self._turn = Lock()

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
        """Add a token; see `TokenStore`."""
        return self._store.add_token(
            name=name,
            user_id=user_id,
            role=role,
            secret_hash=secret_hash,
            created_by=created_by,
            expires_at=expires_at,
            only_without_admin=only_without_admin,
        )

    def find_token(self, secret_hash: str) -> Token | None:
        """Return the token with that digest, as it was at most a second ago."""
        now = self._clock()
        with self._turn:
            kept = self._found.get(secret_hash)
        if kept is not None and now < kept[0]:
            return kept[1]
        found = self._store.find_token(secret_hash)
        with self._turn:
            self._found.pop(secret_hash, None)
            if found is not None:
                self._found[secret_hash] = (now + _KEPT_S, found)
                if len(self._found) > _MOST:
                    self._found.popitem(last=False)
        return found

    def get_token(self, token_id: int) -> Token:
        """Return a token by its number."""
        return self._store.get_token(token_id)

    def tokens(self, user_id: str | None = None) -> Sequence[Token]:
        """Return all tokens, or a user's."""
        return self._store.tokens(user_id)

    def revoke_token(self, token_id: int) -> Token:
        """Revoke a token; in this process it opens nothing from now on."""
        try:
            return self._store.revoke_token(token_id)
        finally:
            self._forget()

    def note_token_use(self, token_id: int, now: datetime) -> None:
        """Write down when a token was used."""
        self._store.note_token_use(token_id, now)
        self._forget()

    def _forget(self) -> None:
        with self._turn:
            self._found.clear()
