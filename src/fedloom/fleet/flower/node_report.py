"""What is known of a node that a SuperLink knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fedloom.fleet.flower.admission import Admitted
from fedloom.fleet.flower.messages import Description

__all__ = ["NodeReport", "read_report"]

_VERSIONS = ("fedloom", "python")
_NAME_LENGTH = 100
_MOST_LETTERS = 64 << 10
"""Of what a node says of itself, as JSON; more is no description."""


@dataclass(frozen=True)
class NodeReport:
    """A node, as it was found at the last look.

    Attributes:
        name: as it calls itself; ``node`` and the start of its key where it could not say.
        key: digest of its public key.
        node_id: its number at its SuperLink.
        online: whether it gives signs of life.
        use_cases: what it holds data for, with ``rows`` and more of each.
        versions: part → version.
        attributes: anything else that it says of itself.
        last_seen: UTC; the time of the look while it is online, None if it never was.
        fault: why it can take no part in any task; empty where it can.
    """

    name: str
    key: str
    node_id: int
    online: bool
    use_cases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    last_seen: datetime | None = None
    fault: str = ""


def read_report(node: Admitted, said: Description | None, fault: str, now: datetime) -> NodeReport:
    """Return the report of a node.

    Args:
        node: as the SuperLink has it.
        said: what it answered; None where there was no answer that makes sense.
        fault: why it takes no part, where that is known already.
        now: the time of the look, UTC.
    """
    told, odd = _read_attributes(said)
    attributes = dict(told)
    use_cases = attributes.pop("use_cases", {})
    versions = {name: str(attributes.pop(name)) for name in _VERSIONS if name in attributes}
    return NodeReport(
        name=_read_name(node, said),
        key=node.key,
        node_id=node.node_id,
        online=node.online,
        use_cases=use_cases if isinstance(use_cases, dict) else {},
        versions=versions,
        attributes=attributes,
        last_seen=now if node.online else _read_time(node.left),
        fault=fault or odd,
    )


def _read_name(node: Admitted, said: Description | None) -> str:
    name = None if said is None else said.name
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _NAME_LENGTH:
        return node.name or f"node {node.key[:8]}"
    return name


def _read_attributes(said: Description | None) -> tuple[Mapping[str, Any], str]:
    """Return what a node says of itself, and what is wrong with that."""
    told: Any = {} if said is None else said.attributes
    if not isinstance(told, Mapping):
        return {}, f"its attributes are {type(told).__name__}: an object would be right"
    if len(json.dumps(dict(told))) > _MOST_LETTERS:
        return {}, f"it says more of itself than {_MOST_LETTERS} letters"
    odd = [name for name, one in _list_use_cases(told) if not isinstance(one, Mapping)]
    if odd:
        kept = {k: v for k, v in told.items() if k != "use_cases"}
        return kept, f"use_cases.{odd[0]}: an object would be right"
    return told, ""


def _list_use_cases(told: Mapping[str, Any]) -> list[tuple[str, Any]]:
    given = told.get("use_cases", {})
    return list(given.items()) if isinstance(given, Mapping) else [("", given)]


def _read_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
