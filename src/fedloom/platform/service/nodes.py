"""Nodes: who they are, which data they hold, and whose key stands for which name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from pydantic import TypeAdapter, ValidationError

from fedloom.errors import InputError
from fedloom.platform.identity import Identity, Permission, require
from fedloom.platform.service.desk import Desk
from fedloom.platform.store import Node
from fedloom.platform.task import Name

__all__ = ["DataHolder", "NodeService", "NodeView", "digest_of_key", "tidy_key"]

_SILENT_AFTER = timedelta(seconds=90)
"""Coordinators look more often than this; who was not seen since is away, whatever stands there."""

_PEM = "-----BEGIN"
_NAME: TypeAdapter[str] = TypeAdapter(Name)


@dataclass(frozen=True)
class NodeView:
    """A node as people see it.

    Attributes:
        name: unique.
        key: SHA-256 of its public key, in hexadecimal.
        registered: whether an operator gave this name to this key.
        online: whether it was there when a coordinator looked last.
        use_cases: what it holds data for.
        versions: part → version.
        attributes: whatever else it says of itself.
        first_seen: UTC.
        last_seen: UTC.
    """

    name: str
    key: str
    registered: bool
    online: bool
    use_cases: tuple[str, ...]
    versions: Mapping[str, str]
    attributes: Mapping[str, Any]
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class DataHolder:
    """A node that holds data for a use case: its name, whether it is there, and how many rows."""

    node: str
    online: bool
    rows: int | None = None


class NodeService(Desk):
    """What people do with nodes."""

    def nodes(self, who: Identity) -> list[NodeView]:
        """Return all nodes, by name."""
        require(who, Permission.VIEW)
        now = self._now()
        return [_view(node, now) for node in self.store.nodes()]

    def node(self, who: Identity, name: str) -> NodeView:
        """Return a node; raises `NotFoundError` where none has that name."""
        require(who, Permission.VIEW)
        return _view(self.store.get_node(name), self._now())

    def register_node(
        self, who: Identity, name: str, public_pem: str, replace: bool = False
    ) -> NodeView:
        """Give a name to a key; nobody with another key may go by it from now on.

        Args:
            who: asks.
            name: of the node.
            public_pem: its public key, on the curve P-384, in PEM.
            replace: whether the key may take the place of another.

        Raises:
            InputError: the name or the key cannot be used.
            ConflictError: the name has another key.
        """
        require(who, Permission.MANAGE_NODES)
        try:
            _NAME.validate_python(name)
        except ValidationError as error:
            raise InputError(f"name is {name!r}: {error.errors()[0]['msg']}") from error
        if "/" in name or not name.isprintable() or name in {".", ".."}:
            raise InputError(f"name is {name!r}: visible characters without '/' would be right")
        key = tidy_key(public_pem)
        known = {node.name: node for node in self.store.nodes()}.get(name)
        if known is not None and known.public_key == digest_of_key(key):
            replace = True  # it reported under this very key before it was registered
        node = self.store.upsert_node(
            name,
            public_key=key,
            use_cases=known.use_cases if known else (),
            versions=known.versions if known else {},
            attributes=known.attributes if known else {"online": False},
            last_seen=known.last_seen if known else None,
            replace_key=replace,
        )
        return _view(node, self._now())

    def remove_node(self, who: Identity, name: str) -> None:
        """Forget a node and its key; raises `NotFoundError` where none has that name."""
        require(who, Permission.MANAGE_NODES)
        self.store.remove_node(name)

    def datasets(self, who: Identity) -> dict[str, list[DataHolder]]:
        """Return who holds data, by use case."""
        found: dict[str, list[DataHolder]] = {}
        for node in self.nodes(who):
            for use_case in node.use_cases:
                rows = _find_rows(node.attributes, use_case)
                found.setdefault(use_case, []).append(DataHolder(node.name, node.online, rows))
        return dict(sorted(found.items()))


def tidy_key(public_pem: str) -> str:
    """Return a public key as nodes send it.

    Raises:
        InputError: it is no public key on the curve P-384 in PEM.
    """
    try:
        key = load_pem_public_key(public_pem.strip().encode() + b"\n")
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            "public_key is no public key in PEM, -----BEGIN PUBLIC KEY-----"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise InputError("public_key is not on the curve P-384, as a node's own key is")
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def digest_of_key(key: str) -> str:
    """Return what stands for a key in reports; what is a digest already stays as it is."""
    return sha256(key.encode()).hexdigest() if key.startswith(_PEM) else key


def _view(node: Node, now: datetime) -> NodeView:
    attributes = dict(node.attributes)
    online = attributes.pop("online", True) is True and now - node.last_seen < _SILENT_AFTER
    return NodeView(
        name=node.name,
        key=digest_of_key(node.public_key),
        registered=node.public_key.startswith(_PEM),
        online=online,
        use_cases=tuple(node.use_cases),
        versions=node.versions,
        attributes=attributes,
        first_seen=node.first_seen,
        last_seen=node.last_seen,
    )


def _find_rows(attributes: Mapping[str, Any], use_case: str) -> int | None:
    """Return how many rows a node says that it holds, if it says so."""
    held = attributes.get("data", attributes.get("use_cases"))
    said = held.get(use_case) if isinstance(held, Mapping) else None
    rows = said.get("rows") if isinstance(said, Mapping) else None
    return rows if isinstance(rows, int) and not isinstance(rows, bool) and rows >= 0 else None
