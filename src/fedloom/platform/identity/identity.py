"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fedloom.platform.identity.refusals import ForbiddenError
from fedloom.platform.identity.role import PERMISSIONS, Permission, Role

__all__ = ["Identity", "may_cancel", "require"]


@dataclass(frozen=True)
class Identity:
    """Who asks, as their token says.

    Attributes:
        user_id: whom the token stands for.
        role: what they are.
        token_id: number of the token.
        expires_at: UTC, when the token ends; None for never.
    """

    user_id: str
    role: Role
    token_id: int
    expires_at: datetime | None = None

    def may(self, permission: Permission) -> bool:
        """Say whether their role has a permission."""
        return permission in PERMISSIONS[self.role]


def require(identity: Identity, permission: Permission) -> None:
    """Refuse those who may not.

    Raises:
        ForbiddenError: the message names the permission and the role that would be right.
    """
    if identity.may(permission):
        return
    lowest = next(role for role in Role if permission in PERMISSIONS[role])
    raise ForbiddenError(
        f"{identity.user_id} is a {identity.role} and may not {permission.words}:"
        f" that takes the role {lowest} or higher"
    )


def may_cancel(identity: Identity, task_user_id: str) -> bool:
    """Say whether somebody may cancel a task that bears a user id.

    Example:
        >>> may_cancel(Identity("ada", Role.RESEARCHER, 1), "ada")
        True
        >>> may_cancel(Identity("ada", Role.RESEARCHER, 1), "bob")
        False
    """
    if identity.may(Permission.CANCEL_ANY_TASK):
        return True
    return identity.may(Permission.CANCEL_OWN_TASK) and identity.user_id == task_user_id
