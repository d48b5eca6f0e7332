"""Messages as a header that JSON can hold and groups of arrays, and back.

Every message says of which version of Fedloom and of this protocol it is: parts that do not
understand each other refuse, and name both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from fedloom._version import __version__
from fedloom.errors import DataError, IncompatibleError
from fedloom.federation.weights import Weights
from fedloom.fleet.flower.messages import (
    Answer,
    Asked,
    Cancel,
    Describe,
    Description,
    Done,
    Evaluate,
    Evaluated,
    Failed,
    Forget,
    Request,
    State,
    Tempo,
    Train,
    Trained,
)

__all__ = [
    "PROTOCOL",
    "ROLL_CALL",
    "UPLOAD",
    "check_protocol",
    "decode",
    "describe_version",
    "encode",
    "name_order",
    "read_tempo",
    "task_of",
]

PROTOCOL = 1
"""Changes when parts of before and after cannot work together."""

ROLL_CALL = "roll-call"
"""The task for which nodes are asked who they are while they have none."""

UPLOAD = "upload"
"""The key of a header that says where the arrays of an answer may be brought, if they are large."""

_GROUPS = frozenset({"weights", "shared", "client_state", "drift"})
_REQUESTS: dict[str, type[Any]] = {
    kind.verb: kind for kind in (Describe, Train, Evaluate, Asked, Cancel, Forget)
}
_ANSWERS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Description, Trained, Evaluated, Failed, State, Done)
}


def describe_version(program: str = __version__, protocol: int = PROTOCOL) -> str:
    """Return how a part of Fedloom is named to others."""
    return f"Fedloom {program} (protocol {protocol})"


def encode(
    message: Request | Answer, tempo: Tempo | None = None
) -> tuple[dict[str, Any], dict[str, Weights]]:
    """Return a message as a header that JSON can hold, and its arrays by group."""
    values = {f.name: getattr(message, f.name) for f in fields(message)}
    groups = {n: list(values.pop(n)) for n in list(values) if n in _GROUPS and len(values[n])}
    plain = {n: dict(v) if isinstance(v, Mapping) else v for n, v in values.items()}
    plain = {n: v for n, v in plain.items() if n not in _GROUPS}
    header: dict[str, Any] = {
        "protocol": PROTOCOL,
        "program": __version__,
        "kind": getattr(message, "verb", type(message).__name__),
        "fields": plain,
    }
    if tempo is not None:
        header["tempo"] = [tempo.active_s, tempo.idle_s, tempo.heartbeat_s]
    return header, groups


def decode(header: Mapping[str, Any], groups: Mapping[str, Weights]) -> Any:
    """Return the message of which `encode` made this.

    Raises:
        IncompatibleError: it is from a part of another protocol.
        DataError: it is malformed.
    """
    check_protocol(header)
    kind = (_REQUESTS | _ANSWERS).get(str(header.get("kind")))
    if kind is None:
        raise DataError(f"a message of unknown kind {header.get('kind')!r}")
    values = header.get("fields", {})
    try:
        known = {name: arrays for name, arrays in groups.items() if name in _GROUPS}
        return kind(**values, **known)
    except TypeError as error:
        raise DataError(f"a message {header.get('kind')!r} that is malformed: {error}") from error


def check_protocol(header: Mapping[str, Any]) -> None:
    """Refuse a message of another protocol.

    Raises:
        IncompatibleError: it is one; both versions are named.
    """
    protocol, program = header.get("protocol"), header.get("program", "of unknown version")
    if protocol != PROTOCOL:
        theirs = f"Fedloom {program} (protocol {protocol})"
        raise IncompatibleError(describe_version(), theirs)


def name_order(task: str, digest: str) -> str:
    """Return the name of an order: equal for equal orders of a task, so that none counts twice."""
    return f"{task}:{digest[:24]}"


def task_of(order: str) -> str:
    """Return the task that an order belongs to, by its name."""
    return order.rpartition(":")[0]


def read_tempo(header: Mapping[str, Any]) -> Tempo | None:
    """Return how often the sender wants to be asked, where it says so."""
    said = header.get("tempo")
    if said is None:
        return None
    active, idle, heartbeat = (float(value) for value in said)
    return Tempo(max(0.01, active), max(0.01, idle), min(1800.0, max(10.0, heartbeat)))
