"""What the platform says, as values of one's own: read from its JSON, and never changed.

What a newer platform says beside it is kept as an attribute of that name and breaks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedloom.errors import LinkError

__all__ = [
    "Event",
    "GivenToken",
    "Health",
    "Holding",
    "Identity",
    "LineageStep",
    "LogPiece",
    "Model",
    "Node",
    "SignedBy",
    "StoredDocument",
    "TokenEntry",
    "ValueT",
    "Version",
    "read_list",
    "read_value",
]


class _Value(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="allow", protected_namespaces=(), use_attribute_docstrings=True
    )


ValueT = TypeVar("ValueT", bound=BaseModel)


class Health(_Value):
    """How a platform is."""

    ready: bool
    """Whether it can take tasks."""
    parts: Mapping[str, str]
    """Each part, and "ok" or what is wrong with it."""
    version: str
    """Of the platform."""


class Identity(_Value):
    """Who asks."""

    user_id: str
    role: str


class Node(_Value):
    """A node as it last reported; times are UTC."""

    name: str
    key: str = ""
    """Digest of its public key."""
    registered: bool = False
    """Whether its key was registered by a person."""
    online: bool = False
    use_cases: Sequence[str] = ()
    """What it holds data for."""
    versions: Mapping[str, str] = Field(default_factory=dict)
    attributes: Mapping[str, Any] = Field(default_factory=dict)
    first_seen: datetime | None = None
    last_seen: datetime | None = None


class Holding(_Value):
    """That a node holds data for a use case."""

    node: str
    online: bool = False
    rows: int | None = None
    """Training rows, if its owner says so."""


class Model(_Value):
    """A registered model."""

    name: str
    latest: int | None = None
    """Its newest version."""
    use_case: str | None = None
    kind: str = ""
    description: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class SignedBy(_Value):
    """A key's word for a package."""

    key: str
    """Public key (ed25519:…)."""
    signature: str = ""


class Version(_Value):
    """A version of a registered model."""

    name: str
    version: int
    digest: str = ""
    """SHA-256 of the package's archive; empty where there is none."""
    weights_digest: str = ""
    """SHA-256 of the weights; empty where there are none."""
    kind: str = ""
    """package, trained or foreign."""
    use_case: str | None = None
    entry_points: Sequence[str] = ()
    made_by: str | None = None
    created_at: datetime | None = None
    description: str = ""
    parent: Any = None
    """Model and version that it was trained from."""
    task_id: int | None = None
    rounds: int | None = None
    num_clients: int | None = None
    signatures: Sequence[SignedBy] = ()
    """Of the package; nodes check them again, and trust whom their owners trust."""
    was_there: bool = Field(default=False, exclude=True)
    """Whether a push found it instead of making it."""

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


class LineageStep(_Value):
    """Where trained weights come from."""

    model: str
    version: int
    task_id: int | None = None
    clients: Sequence[str] = ()
    rounds: int | None = None


class TokenEntry(_Value):
    """A token, without its secret; times are UTC."""

    id: int
    name: str
    user_id: str
    role: str
    created_at: datetime | None = None
    created_by: str = ""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class GivenToken(TokenEntry):
    """A new token, with its secret, which cannot be had again."""

    secret: str = Field(repr=False)


class LogPiece(_Value):
    """A piece of a task's log: who says it (a node's name, "coordinator"), and when, in UTC."""

    id: int
    task_id: int | None = None
    source: str = ""
    text: str
    at: datetime | None = None


class StoredDocument(_Value):
    """What a client said in a round beside the numbers."""

    task_id: int | None = None
    round: int
    client_id: str
    kind: str
    """metadata or validation."""
    document: Any
    at: datetime | None = None


class Event(_Value):
    """Something that changed."""

    id: int
    kind: str
    task_id: int | None = None
    data: Mapping[str, Any] = Field(default_factory=dict)
    at: datetime | None = None


def read_value(kind: type[ValueT], found: Any) -> ValueT:
    """Read one value.

    Raises:
        LinkError: the platform says something else than that.
    """
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise LinkError(
            f"the platform's answer is no {kind.__name__}: {key}: {first['msg']}"
        ) from error


def read_list(kind: type[ValueT], found: Any) -> list[ValueT]:
    """Read a list of values, bare or under the key ``items``.

    Raises:
        LinkError: the platform says something else than that.
    """
    items = found.get("items") if isinstance(found, Mapping) else found
    if not isinstance(items, list):
        raise LinkError(f"the platform's answer is no list of {kind.__name__}")
    return [read_value(kind, item) for item in items]
