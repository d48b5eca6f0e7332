"""A platform's nodes, and the data that they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from urllib.parse import quote

from fedloom.errors import InputError, LinkError
from fedloom.platform.connection.link import ApiLink
from fedloom.platform.connection.values import Holding, Node, read_list, read_value

__all__ = ["Datasets", "Nodes"]

_LARGEST_KEY_BYTES = 64 * 1024


class Nodes:
    """What can be done with nodes; all of it raises `FedloomError` where the platform says no.

    Args:
        link: to the API.
    """

    def __init__(self, link: ApiLink) -> None:
        self._link = link

    def list(self) -> Sequence[Node]:
        """Return all nodes that are known."""
        return read_list(Node, self._link.get("/nodes"))

    def get(self, name: str) -> Node:
        """Return a node by its name."""
        return read_value(Node, self._link.get(_path(name)))

    def register(self, name: str, key: str | PathLike[str], *, replace: bool = False) -> Node:
        """Let a node in under a name, which nobody with another key can use from then on.

        Args:
            name: of the node.
            key: file of its public key (PEM), or the key itself.
            replace: whether to do so where the name has another key already.

        Raises:
            InputError: that is no public key.
            ConflictError: the name has another key.
        """
        body = {"public_key": _read_key(key), "replace": replace}
        return read_value(Node, self._link.send("PUT", _path(name), body))

    def remove(self, name: str) -> None:
        """Forget a node; it is let in no more where only registered ones are."""
        self._link.send("DELETE", _path(name))


class Datasets:
    """The data that nodes hold.

    Args:
        link: to the API.
    """

    def __init__(self, link: ApiLink) -> None:
        self._link = link

    def list(self) -> Mapping[str, Sequence[Holding]]:
        """Return which nodes hold data, by use case."""
        found = self._link.get("/datasets")
        if not isinstance(found, dict):
            raise LinkError("the platform's answer is no mapping of use cases")
        return {use_case: read_list(Holding, nodes) for use_case, nodes in found.items()}


def _path(name: str) -> str:
    return f"/nodes/{quote(name, safe='')}"


def _read_key(key: str | PathLike[str]) -> str:
    if isinstance(key, str) and key.lstrip().startswith("-----BEGIN"):
        text = key
    else:
        try:
            with Path(key).open("rb") as file:
                text = file.read(_LARGEST_KEY_BYTES).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{key} cannot be read as a public key: {error}") from error
    if "PRIVATE KEY" in text:
        raise InputError("that is a private key, which nobody else may have: give the public one")
    return text
