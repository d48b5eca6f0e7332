"""Which nodes a SuperLink knows, and which it accepts where it accepts known ones only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from flwr.proto.control_pb2 import ListNodesRequest, RegisterNodeRequest, UnregisterNodeRequest
from flwr.proto.node_pb2 import NodeInfo
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, public_key_to_bytes

from fedloom.errors import InputError
from fedloom.fleet.flower.endpoint import Endpoint, RefusedError, call
from fedloom.fleet.flower.interval import is_ours

__all__ = [
    "Admitted",
    "KeyChanges",
    "admit_node",
    "digest_key",
    "list_nodes",
    "remove_node",
    "sync_keys",
]


@dataclass(frozen=True)
class Admitted:
    """A node that a SuperLink knows.

    Attributes:
        node_id: its number there.
        key: digest of its public key.
        name: as it was registered, empty if it registered itself.
        status: ``registered``, ``online`` or ``offline``.
        since: when it came online, ISO 8601; another time means that it started anew.
        left: when it was last known to be there, ISO 8601; empty while it is, or if it never was.
        inside: whether it surely takes records inside of messages.
    """

    node_id: int
    key: str
    name: str
    status: str
    since: str = ""
    left: str = ""
    inside: bool = False

    @property
    def online(self) -> bool:
        """Whether it gives signs of life."""
        return self.status == "online"


@dataclass(frozen=True)
class KeyChanges:
    """What `sync_keys` did, by the nodes' names.

    Attributes:
        admitted: let in from now on.
        removed: let in no more; the digest of the key where there is no name.
        refused: whom the SuperLink does not want, and why.
    """

    admitted: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


def digest_key(public_pem: bytes) -> str:
    """Return the name of a public key, as SuperLinks and reports have it; line ends do not matter.

    Raises:
        InputError: it is no public key in PEM.
    """
    return sha256(_tidy(public_pem)).hexdigest()


def admit_node(endpoint: Endpoint, public_pem: bytes, name: str) -> int:
    """Let the holder of a key in; return its number.

    Raises:
        InputError: it is no public key in PEM.
        LinkError: the SuperLink cannot be reached, or has the key already.
    """
    request = RegisterNodeRequest(public_key=_tidy(public_pem), name=name)
    with endpoint.control() as control:
        return int(call(control.RegisterNode, request).node_id)


def remove_node(endpoint: Endpoint, node_id: int) -> None:
    """Let a node in no more; its key can never be admitted again at this SuperLink.

    Raises:
        LinkError: the SuperLink cannot be reached, or knows no such node.
    """
    with endpoint.control() as control:
        call(control.UnregisterNode, UnregisterNodeRequest(node_id=node_id))


def list_nodes(endpoint: Endpoint) -> list[Admitted]:
    """Return all nodes that may come.

    Raises:
        LinkError: the SuperLink cannot be reached.
    """
    with endpoint.control() as control:
        found = call(control.ListNodes, ListNodesRequest()).nodes_info
    return [_read(node) for node in found if node.status != "unregistered"]


def sync_keys(endpoint: Endpoint, wanted: Mapping[str, bytes]) -> KeyChanges:
    """Let in exactly the wanted keys; for SuperLinks that accept known nodes only.

    Args:
        endpoint: of the SuperLink.
        wanted: public keys in PEM by the nodes' names.

    Raises:
        InputError: one of them is no public key; nothing was changed then.
        LinkError: the SuperLink cannot be reached; call it again later.
    """
    keys = {digest_key(pem): name for name, pem in wanted.items()}
    present = list_nodes(endpoint)
    removed = [node for node in present if node.key not in keys]
    for node in removed:
        remove_node(endpoint, node.node_id)
    admitted, refused = [], {}
    missing = keys.keys() - {node.key for node in present}
    for name in sorted(keys[key] for key in missing):
        try:
            admit_node(endpoint, wanted[name], name)
        except RefusedError as error:
            refused[name] = f"{error}; a key that was removed once needs a successor"
        else:
            admitted.append(name)
    return KeyChanges(tuple(admitted), tuple(n.name or n.key for n in removed), refused)


def _read(node: NodeInfo) -> Admitted:
    key = sha256(node.public_key).hexdigest()
    left = "" if node.status == "online" else node.last_deactivated_at
    return Admitted(
        node_id=node.node_id,
        key=key,
        name=node.name,
        status=node.status,
        since=node.last_activated_at,
        left=left,
        inside=is_ours(node.heartbeat_interval),
    )


def _tidy(public_pem: bytes) -> bytes:
    """Return a key as nodes send it, whatever the line ends of the file it came from."""
    try:
        return public_key_to_bytes(bytes_to_public_key(public_pem.strip() + b"\n"))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(f"no public key in PEM: {error}") from error
