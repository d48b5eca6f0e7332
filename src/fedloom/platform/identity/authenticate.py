"""From a token to who asks."""

from __future__ import annotations

from datetime import datetime, timedelta

from fedloom.platform.identity.attempts import Attempts
from fedloom.platform.identity.identity import Identity
from fedloom.platform.identity.refusals import UnauthenticatedError
from fedloom.platform.identity.token import Token, hash_secret
from fedloom.platform.identity.token_store import TokenStore

__all__ = ["authenticate"]

_LONGEST = 512
_USE_STEP = timedelta(minutes=1)


def authenticate(
    store: TokenStore, attempts: Attempts, token: str | None, source_address: str, now: datetime
) -> Identity:
    """Say whose token it is.

    The token is looked up by its digest, so how long that takes says nothing of a secret that is
    nearly right; what is found is compared once more in constant time.

    Args:
        store: where tokens are kept.
        attempts: one for the whole process.
        token: what came in the request; None where none came, which counts as no attempt.
        source_address: of who asks; behind a proxy, the one that the proxy vouches for.
        now: UTC.

    Raises:
        UnauthenticatedError: there is no token, or it is unknown, expired or revoked. The message
            says no more about an unknown one.
        LockedOutError: the address sent too many wrong ones.
    """
    attempts.check(source_address, now)
    if not token:
        raise UnauthenticatedError("a token is needed: Authorization: Bearer flm_…")
    try:
        found = _find(store, token, now)
    except UnauthenticatedError:
        attempts.note_failure(source_address, now)
        raise
    if found.last_used_at is None or now - found.last_used_at >= _USE_STEP:
        store.note_token_use(found.id, now)
    return Identity(found.user_id, found.role, found.id, found.expires_at)


def _find(store: TokenStore, secret: str, now: datetime) -> Token:
    if len(secret) > _LONGEST:
        raise UnauthenticatedError("the token is not known")
    digest = hash_secret(secret)
    found = store.find_token(digest)
    if found is None or not found.matches(digest):
        raise UnauthenticatedError("the token is not known")
    if found.revoked_at is not None:
        raise UnauthenticatedError(f"token {found.id} ({found.name}) is revoked")
    if not found.holds(now):
        raise UnauthenticatedError(f"token {found.id} ({found.name}) has expired")
    return found
