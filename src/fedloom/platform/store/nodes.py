"""Nodes that have reported, each under the key it is registered with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import RowMapping

from fedloom.errors import ConflictError, NotFoundError
from fedloom.platform.store.columns import is_storable, to_plain
from fedloom.platform.store.database import Database, Transaction
from fedloom.platform.store.kinds import EventKind, Node
from fedloom.platform.store.tables import NodeRow, table_of

__all__ = ["NodeMethods"]

_NODE = table_of(NodeRow)
_NODE_LOCK = 0x666C_6D02


class NodeMethods(Database):
    """Nodes."""

    def upsert_node(
        self,
        name: str,
        *,
        public_key: str,
        use_cases: Sequence[str] = (),
        versions: Mapping[str, str] | None = None,
        attributes: Mapping[str, Any] | None = None,
        last_seen: datetime | None = None,
        replace_key: bool = False,
    ) -> Node:
        """Write down what a node says of itself; an event follows where it says something new.

        Args:
            name: unique.
            public_key: the key that it proved to hold.
            use_cases: what it holds data for.
            versions: part → version.
            attributes: anything else, as JSON has it.
            last_seen: UTC; now if not given. An older time than the known one changes no time.
            replace_key: an operator says that the node has a new key.

        Raises:
            ConflictError: the name is registered with another key.
        """
        said = {
            "public_key": public_key,
            "use_cases": sorted(set(use_cases)),
            "versions": dict(versions or {}),
            "attributes": to_plain(attributes or {}),
        }
        with self._write() as transaction:
            # A row that is not there yet cannot be locked, so reports come in one by one.
            transaction.lock(_NODE_LOCK)
            seen = last_seen or transaction.now
            known = _find(transaction, name)
            if known is None:
                row = {"name": name, **said, "first_seen": seen, "last_seen": seen}
                transaction.connection.execute(insert(_NODE), row)
            else:
                if known["public_key"] != public_key and not replace_key:
                    raise ConflictError(f"node {name!r} is registered with another key")
                row = {**known, **said, "last_seen": max(seen, known["last_seen"])}
                changed = update(_NODE).where(_NODE.c.name == name)
                transaction.connection.execute(changed.values({**row}))
            if known is None or any(known[key] != said[key] for key in said):
                transaction.add_event(EventKind.NODE, name=name, use_cases=said["use_cases"])
        return Node(**row)

    def get_node(self, name: str) -> Node:
        """Return a node.

        Raises:
            NotFoundError: none has that name.
        """
        with self._read() as transaction:
            row = _find(transaction, name) if is_storable(name) else None
        if row is None:
            raise NotFoundError(f"there is no node {name!r}")
        return Node(**row)

    def nodes(self) -> list[Node]:
        """Return all nodes, by name."""
        with self._read() as transaction:
            found = transaction.connection.execute(select(_NODE)).mappings()
            # Databases sort texts each in their own way.
            return sorted((Node(**row) for row in found), key=lambda node: node.name)

    def remove_node(self, name: str) -> None:
        """Forget a node and its key.

        Raises:
            NotFoundError: none has that name.
        """
        with self._write() as transaction:
            query = delete(_NODE).where(_NODE.c.name == name)
            if not is_storable(name) or not transaction.connection.execute(query).rowcount:
                raise NotFoundError(f"there is no node {name!r}")
            transaction.add_event(EventKind.NODE_REMOVED, name=name)


def _find(transaction: Transaction, name: str) -> RowMapping | None:
    query = select(_NODE).where(_NODE.c.name == name)
    return transaction.connection.execute(query).mappings().one_or_none()
