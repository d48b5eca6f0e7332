"""A version of a registered model: what it is, and how MLflow keeps that as tags."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from fedloom.errors import InputError
from fedloom.package.signing import MOST_SIGNATURES, Signature

__all__ = [
    "Lineage",
    "Model",
    "Page",
    "StoredFile",
    "Tag",
    "Version",
    "VersionKind",
    "read_kind",
    "read_time",
    "read_version",
]

ItemT = TypeVar("ItemT")


class VersionKind(StrEnum):
    """What a version holds."""

    PACKAGE = "package"
    """A package as it was pushed, with its first weights."""
    TRAINED = "trained"
    """The last aggregate of a task, with the package that trained it, if one did."""
    FOREIGN = "foreign"
    """What another program registered; Fedloom can show it, not train it."""


class Tag(StrEnum):
    """The tags that Fedloom sets; `use_case` and `trained` are the original's."""

    USE_CASE = "use_case"
    TRAINED = "trained"
    OURS = "fedloom"
    KIND = "fedloom.kind"
    KEY = "fedloom.key"
    MADE_BY = "fedloom.made_by"
    ENTRY_POINTS = "fedloom.entry_points"
    PACKAGE = "fedloom.package"
    WEIGHTS = "fedloom.weights"
    TASK = "fedloom.task"
    PARENT = "fedloom.parent"
    ROUNDS = "fedloom.rounds"
    CLIENTS = "fedloom.clients"
    RECORDS = "fedloom.records"
    LINEAGE = "fedloom.lineage"
    SIGNATURE = "fedloom.signature"
    """Begins the names of the tags of signatures; see `signature_tags`."""


@dataclass(frozen=True)
class StoredFile:
    """A file in the registry.

    Attributes:
        run_id: MLflow's run that holds it.
        path: inside of the run's files.
        sha256: of its bytes, in hexadecimal.
        size_bytes: of the file.
    """

    run_id: str
    path: str
    sha256: str
    size_bytes: int

    def to_tag(self) -> str:
        """Return it as a tag's value."""
        return json.dumps([self.run_id, self.path, self.sha256, self.size_bytes])

    @classmethod
    def from_tag(cls, text: str | None) -> StoredFile | None:
        """Read a tag; what is not right counts as nothing."""
        try:
            run_id, path, sha256, size_bytes = json.loads(text or "")
            return cls(str(run_id), str(path), str(sha256), int(size_bytes))
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True)
class Lineage:
    """Where trained weights come from.

    Attributes:
        model: name of the model that was trained.
        version: its version.
        task_id: the task that trained it.
        clients: names of the clients whose updates are in it.
        rounds: how many rounds it was trained.
    """

    model: str
    version: int
    task_id: int
    clients: Sequence[str]
    rounds: int


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Attributes:
        name: of the model.
        version: counted from 1.
        digest: SHA-256 of the package's archive; empty for what is not Fedloom's.
        kind: what it holds.
        use_case: nodes that hold data for it can train it; None for all.
        entry_points: names of the package's commands.
        made_by: version of Fedloom that put it in.
        created_at: UTC.
        description: what people say about it.
        package: the archive in the registry.
        weights: the weights in the registry.
        parent: model and version that a task started from, where a task made it.
        task_id: the task that made it.
        rounds: how many rounds it was trained.
        num_clients: how many clients took part.
        records: where the task's records are.
        signatures: of the package, a key once; nodes check them, and whom to trust is theirs.
        tags: all tags, as MLflow has them.
        was_there: whether a push found it instead of making it.
    """

    name: str
    version: int
    digest: str
    kind: VersionKind = VersionKind.FOREIGN
    use_case: str | None = None
    entry_points: Sequence[str] = ()
    made_by: str | None = None
    created_at: datetime | None = None
    description: str = ""
    package: StoredFile | None = field(default=None, repr=False)
    weights: StoredFile | None = field(default=None, repr=False)
    parent: tuple[str, int] | None = None
    task_id: int | None = None
    rounds: int | None = None
    num_clients: int | None = None
    records: str | None = None
    signatures: Sequence[Signature] = ()
    tags: Mapping[str, str] = field(default_factory=dict, repr=False)
    was_there: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


@dataclass(frozen=True)
class Model:
    """A registered model.

    Attributes:
        name: its name.
        latest: its newest version's number, or None while it has none.
        use_case: of the version that was put in last.
        kind: of the same.
        description: what people say about it.
        created_at: UTC.
        updated_at: UTC.
    """

    name: str
    latest: int | None
    use_case: str | None
    kind: VersionKind
    description: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Page(Generic[ItemT]):
    """Some of many.

    Attributes:
        items: in order.
        next_token: asks for the next ones; None at the end.
    """

    items: Sequence[ItemT]
    next_token: str | None = None


def read_version(found: Any) -> Version:
    """Read MLflow's version; tags that are not right count as nothing."""
    tags = {str(key): str(value) for key, value in found.tags.items()}
    package = StoredFile.from_tag(tags.get(Tag.PACKAGE))
    weights = StoredFile.from_tag(tags.get(Tag.WEIGHTS))
    return Version(
        name=found.name,
        version=int(found.version),
        digest=package.sha256 if package else "",
        kind=read_kind(tags) if package or weights else VersionKind.FOREIGN,
        use_case=tags.get(Tag.USE_CASE),
        entry_points=_read_names(tags.get(Tag.ENTRY_POINTS)),
        made_by=tags.get(Tag.MADE_BY),
        created_at=read_time(found.creation_timestamp),
        description=found.description or "",
        package=package,
        weights=weights,
        parent=_read_parent(tags.get(Tag.PARENT)),
        task_id=_read_number(tags.get(Tag.TASK)),
        rounds=_read_number(tags.get(Tag.ROUNDS)),
        num_clients=_read_number(tags.get(Tag.CLIENTS)),
        records=tags.get(Tag.RECORDS),
        signatures=_read_signatures(tags),
        tags=tags,
    )


def read_kind(tags: Mapping[str, str]) -> VersionKind:
    """Return what the tags say that something holds."""
    value = tags.get(Tag.KIND, "")
    return VersionKind(value) if value in set(VersionKind) else VersionKind.FOREIGN


def read_time(milliseconds: int) -> datetime:
    """Return a point in time from MLflow's milliseconds since the epoch."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _read_names(text: str | None) -> tuple[str, ...]:
    try:
        return tuple(str(name) for name in json.loads(text or "[]"))
    except (ValueError, TypeError):
        return ()


def _read_signatures(tags: Mapping[str, str]) -> tuple[Signature, ...]:
    found = []
    for key in sorted(key for key in tags if key.startswith(f"{Tag.SIGNATURE}.")):
        with suppress(InputError):
            found.append(Signature.parse(tags[key]))
    return tuple(found[:MOST_SIGNATURES])


def _read_parent(text: str | None) -> tuple[str, int] | None:
    name, _, number = (text or "").rpartition("/")
    return (name, int(number)) if name and number.isdecimal() else None


def _read_number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
