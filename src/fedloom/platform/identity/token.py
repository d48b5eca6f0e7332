"""API tokens: random, shown once, kept as a digest.

A token is ``flm_`` and 32 random bytes in base64 for addresses. Nobody guesses 256 bits, so its
SHA-256 needs no salt and no slow function: it can be looked up by an index, and whoever reads the
database holds nothing that opens a door.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe

from fedloom.platform.identity.role import Role

__all__ = ["TOKEN_PREFIX", "Token", "hash_secret", "make_secret"]

TOKEN_PREFIX = "flm_"
"""What every token begins with, so that a scanner finds one that was published by mistake."""


@dataclass(frozen=True)
class Token:
    """What is kept of a token; the secret itself is not.

    Attributes:
        id: counted from 1; never used again.
        name: what its holder calls it ("laptop").
        user_id: whom it stands for.
        role: what its holder is.
        secret_hash: SHA-256 of the secret, in hexadecimal; not shown.
        created_at: UTC.
        created_by: user id of the giver; empty where the machine's owner made it.
        expires_at: UTC, the first moment at which it is refused; None for never.
        revoked_at: UTC, or None while it holds.
        last_used_at: UTC, exact to a minute; None if it never was.
    """

    id: int
    name: str
    user_id: str
    role: Role
    secret_hash: str = field(repr=False)
    created_at: datetime
    created_by: str = ""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Say whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def matches(self, secret_hash: str) -> bool:
        """Compare digests in a time that does not depend on how much of them is equal."""
        return compare_digest(self.secret_hash, secret_hash)


def make_secret() -> str:
    """Return a new token from the system's source of randomness."""
    return TOKEN_PREFIX + token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a token, in hexadecimal.

    Example:
        >>> hash_secret("flm_example")[:12]
        'b0af490fd227'
    """
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
