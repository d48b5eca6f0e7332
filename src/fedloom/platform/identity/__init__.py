"""Who asks, and what they may do: roles, tokens, and the refusal of everybody else.

`authenticate` says whose token it is, `require` whether they may, and `grant` makes a token for
somebody, never with more rights or for longer than the giver has. `bootstrap_admin` makes the
first.
"""

from __future__ import annotations

from fedloom.platform.identity.attempts import Attempts
from fedloom.platform.identity.authenticate import authenticate
from fedloom.platform.identity.grant import bootstrap_admin, grant, revoke, visible_tokens
from fedloom.platform.identity.identity import Identity, may_cancel, require
from fedloom.platform.identity.refusals import (
    ForbiddenError,
    LockedOutError,
    UnauthenticatedError,
)
from fedloom.platform.identity.role import PERMISSIONS, Permission, Role
from fedloom.platform.identity.token import TOKEN_PREFIX, Token
from fedloom.platform.identity.token_store import TokenStore

__all__ = [
    "PERMISSIONS",
    "TOKEN_PREFIX",
    "Attempts",
    "ForbiddenError",
    "Identity",
    "LockedOutError",
    "Permission",
    "Role",
    "Token",
    "TokenStore",
    "UnauthenticatedError",
    "authenticate",
    "bootstrap_admin",
    "grant",
    "may_cancel",
    "require",
    "revoke",
    "visible_tokens",
]
