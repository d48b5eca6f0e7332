"""Making and revoking tokens; nobody gives more than they have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from fedloom.errors import ConflictError, InputError
from fedloom.platform.identity.identity import Identity, require
from fedloom.platform.identity.refusals import ForbiddenError
from fedloom.platform.identity.role import Permission, Role
from fedloom.platform.identity.token import Token, hash_secret, make_secret
from fedloom.platform.identity.token_store import TokenStore
from fedloom.platform.task import Name

__all__ = ["MIN_SECRET", "bootstrap_admin", "grant", "revoke", "visible_tokens"]

MIN_SECRET = 32
"""Characters that a secret must have which an owner brings along."""

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def grant(
    store: TokenStore,
    giver: Identity,
    *,
    name: str,
    user_id: str,
    role: Role,
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """Make a token for somebody.

    Args:
        store: where tokens are kept.
        giver: who makes it.
        name: what its holder calls it.
        user_id: whom it stands for; for others than oneself it takes the right to manage tokens.
        role: what its holder will be, at most what the giver is.
        now: UTC.
        expires_at: UTC; None for never. Not after the giver's own token ends.

    Returns:
        The token, and its secret, which cannot be had again.

    Raises:
        ForbiddenError: the giver may not, or would give more than they have.
        InputError: a name or the time cannot be meant.
    """
    own = user_id == giver.user_id
    require(giver, Permission.GRANT_OWN_TOKEN if own else Permission.MANAGE_TOKENS)
    if not giver.role.covers(role):
        raise ForbiddenError(f"{giver.user_id} is a {giver.role} and cannot make anybody {role}")
    if giver.expires_at is not None and (expires_at is None or expires_at > giver.expires_at):
        raise ForbiddenError(
            f"the giver's token ends at {giver.expires_at.isoformat()}, so the new one must too"
        )
    _check(name, user_id, expires_at, now)
    secret = make_secret()
    token = store.add_token(
        name=name,
        user_id=user_id,
        role=role,
        secret_hash=hash_secret(secret),
        created_by=giver.user_id,
        expires_at=expires_at,
    )
    assert token is not None
    return token, secret


def revoke(store: TokenStore, asker: Identity, token_id: int) -> Token:
    """Revoke a token, the own one at once too.

    Raises:
        NotFoundError: there is none with that number.
        ForbiddenError: it is somebody else's, or of a higher role.
        ConflictError: without it no admin would be left.
    """
    token = store.get_token(token_id)
    own = token.user_id == asker.user_id
    require(asker, Permission.GRANT_OWN_TOKEN if own else Permission.MANAGE_TOKENS)
    if not asker.role.covers(token.role):
        raise ForbiddenError(f"token {token_id} is of role {token.role}, above {asker.role}")
    if _is_lasting_admin(token) and sum(map(_is_lasting_admin, store.tokens())) == 1:
        raise ConflictError(
            f"token {token_id} is the last admin's: make another without an end first"
            " (fedloom token create NAME --role admin)"
        )
    return store.revoke_token(token_id)


def visible_tokens(store: TokenStore, asker: Identity) -> Sequence[Token]:
    """Return all tokens to those who manage them, and the own ones to others.

    Raises:
        ForbiddenError: not even those.
    """
    if asker.may(Permission.MANAGE_TOKENS):
        return store.tokens()
    require(asker, Permission.GRANT_OWN_TOKEN)
    return store.tokens(asker.user_id)


def bootstrap_admin(
    store: TokenStore, *, user_id: str = "admin", secret: str | None = None
) -> str | None:
    """Make the first admin's token, on the machine's owner's authority.

    Args:
        store: where tokens are kept.
        user_id: whom it stands for.
        secret: one that the owner brings along (from a file or the environment); it is made sure
            that it opens, whether or not there are other admins. None makes a new one, only where
            no admin's token holds.

    Returns:
        The secret of the token that was made, to be shown once; None where none was.

    Raises:
        InputError: the secret is too short, or belongs to a token that is no admin's or no longer
            holds.
    """
    if secret is not None:
        return _admit(store, user_id, secret)
    made = make_secret()
    token = _add_admin(store, user_id, made, only_without_admin=True)
    return None if token is None else made


def _admit(store: TokenStore, user_id: str, secret: str) -> str | None:
    """Make sure that a secret opens as an admin's."""
    if len(secret) < MIN_SECRET:
        raise InputError(
            f"the admin's token has {len(secret)} characters; it takes {MIN_SECRET} random ones"
        )
    known = store.find_token(hash_secret(secret))
    if known is None:
        try:
            _add_admin(store, user_id, secret, only_without_admin=False)
        except ConflictError:  # another process that starts did so meanwhile
            return None
        return secret
    if not _is_lasting_admin(known):
        raise InputError(
            f"the admin's token is known as token {known.id}, which {_say_why(known)}:"
            " bring another"
        )
    return None


def _is_lasting_admin(token: Token) -> bool:
    """Say whether somebody is an admin by it until it is revoked."""
    return token.role is Role.ADMIN and token.revoked_at is None and token.expires_at is None


def _say_why(token: Token) -> str:
    """Return what keeps a token from being a first admin's."""
    if token.revoked_at is not None:
        return "is revoked"
    if token.role is not Role.ADMIN:
        return f"is of role {token.role}"
    return "has an end"


def _add_admin(
    store: TokenStore, user_id: str, secret: str, only_without_admin: bool
) -> Token | None:
    return store.add_token(
        name="first admin",
        user_id=user_id,
        role=Role.ADMIN,
        secret_hash=hash_secret(secret),
        only_without_admin=only_without_admin,
    )


def _check(name: str, user_id: str, expires_at: datetime | None, now: datetime) -> None:
    for label, value in (("name", name), ("user_id", user_id)):
        try:
            _NAME.validate_python(value)
        except ValidationError as error:
            raise InputError(f"{label} is {value!r}: {error.errors()[0]['msg']}") from error
    if expires_at is not None and expires_at <= now:
        raise InputError(f"expires_at is {expires_at.isoformat()}, which has passed")
