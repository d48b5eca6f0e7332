"""Who may do what: roles, permissions, and the one table that joins them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

__all__ = ["PERMISSIONS", "Permission", "Role"]


class Role(StrEnum):
    """What somebody is; each role may do all that those before it may, and more."""

    VIEWER = "viewer"
    RESEARCHER = "researcher"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Its place in the order, viewer 0 to admin 3."""
        return list(Role).index(self)

    def covers(self, other: Role) -> bool:
        """Say whether this role is as high as another, or higher.

        Example:
            >>> Role.OPERATOR.covers(Role.RESEARCHER), Role.OPERATOR.covers(Role.ADMIN)
            (True, False)
        """
        return self.rank >= other.rank


class Permission(StrEnum):
    """One thing that somebody may do."""

    VIEW = "view"
    """See tasks, nodes, models, logs and events, and download results."""
    CREATE_TASK = "create_task"
    """Ask for tasks."""
    CANCEL_OWN_TASK = "cancel_own_task"
    """Cancel tasks that bear the own user id."""
    PUSH_MODEL = "push_model"
    """Upload packages and register versions of models."""
    GRANT_OWN_TOKEN = "grant_own_token"
    """Make, see and revoke tokens that bear the own user id."""
    CANCEL_ANY_TASK = "cancel_any_task"
    """Cancel everybody's tasks."""
    DELETE_TASK = "delete_task"
    """Delete single tasks that have ended."""
    MANAGE_NODES = "manage_nodes"
    """Register and remove nodes, and change their keys."""
    MANAGE_MODELS = "manage_models"
    """Delete versions of models and change their tags."""
    DELETE_ALL_TASKS = "delete_all_tasks"
    """Delete every task at once, and prune what is old."""
    MANAGE_TOKENS = "manage_tokens"
    """Make, see and revoke everybody's tokens."""

    @property
    def words(self) -> str:
        """What comes after "may not" when somebody is refused."""
        return _WORDS[self]


_WORDS: Mapping[Permission, str] = MappingProxyType(
    {
        Permission.VIEW: "look at anything",
        Permission.CREATE_TASK: "create tasks",
        Permission.CANCEL_OWN_TASK: "cancel tasks",
        Permission.PUSH_MODEL: "push packages",
        Permission.GRANT_OWN_TOKEN: "make or list tokens",
        Permission.CANCEL_ANY_TASK: "cancel or ask for tasks of others",
        Permission.DELETE_TASK: "delete tasks",
        Permission.MANAGE_NODES: "register or remove nodes",
        Permission.MANAGE_MODELS: "delete versions of models",
        Permission.DELETE_ALL_TASKS: "delete all tasks",
        Permission.MANAGE_TOKENS: "manage the tokens of others",
    }
)

_ADDED: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.VIEW}),
    Role.RESEARCHER: frozenset(
        {
            Permission.CREATE_TASK,
            Permission.CANCEL_OWN_TASK,
            Permission.PUSH_MODEL,
            Permission.GRANT_OWN_TOKEN,
        }
    ),
    Role.OPERATOR: frozenset(
        {
            Permission.CANCEL_ANY_TASK,
            Permission.DELETE_TASK,
            Permission.MANAGE_NODES,
            Permission.MANAGE_MODELS,
        }
    ),
    Role.ADMIN: frozenset({Permission.DELETE_ALL_TASKS, Permission.MANAGE_TOKENS}),
}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        role: frozenset[Permission]().union(
            *(_ADDED[other] for other in Role if role.covers(other))
        )
        for role in Role
    }
)
"""All that each role may do."""
