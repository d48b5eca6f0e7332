"""This process's connection to a Ray cluster, shared by its fleets: Ray allows one at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from fedloom.errors import InputError, LinkError
from fedloom.fleet.ray.inside import forget_token, on_loopback, with_token
from fedloom.fleet.ray.installed import load_ray, signals_kept
from fedloom.fleet.ray.last_words import LastWords
from fedloom.fleet.ray.local_cluster import LocalCluster
from fedloom.fleet.ray.probe import check_cluster, is_reachable

__all__ = ["Connection", "find_address"]

_LOCAL = "local"
"""The address that stands for a cluster of our own."""


def find_address(address: str | None) -> str:
    """Return the address that was given, or else that of ``RAY_ADDRESS``, or else ``local``."""
    return (address or os.environ.get("RAY_ADDRESS") or _LOCAL).strip()


@dataclass
class _Shared:
    """What fleets of this process have in common.

    Attributes:
        asked: the address as it was asked for.
        address: of the cluster.
        cluster: where it is ours.
        connected: whether we connected Ray, so that we disconnect it.
        last_words: said if Ray ends this process.
        users: fleets that use it.
    """

    asked: str
    address: str
    cluster: LocalCluster | None
    connected: bool
    last_words: LastWords | None = None
    users: int = 0


_lock = Lock()
_shared: _Shared | None = None


class Connection:
    """A fleet's share of the connection.

    Args:
        address: of a cluster; ``local`` for one of our own. See `find_address`.
        data_bytes: how large the data set is.

    Raises:
        MissingExtraError: Ray is not installed.
        LinkError: the cluster cannot be reached, or not be used.
        InputError: this process is connected to another cluster.
    """

    def __init__(self, address: str, data_bytes: int) -> None:
        global _shared
        self.ray = load_ray()
        with _lock:
            if _shared is None:
                _shared = _open(self.ray, address, data_bytes)
            elif _shared.asked != address:
                raise InputError(
                    f"ray_address={address}: this process is connected to the Ray cluster "
                    f"{_shared.asked}; one at a time is possible"
                )
            _shared.users += 1
            self._shared: _Shared | None = _shared
            self.address, self.is_own = _shared.address, _shared.cluster is not None

    def check(self) -> None:
        """Look whether the cluster is still there.

        Raises:
            LinkError: it is not.
        """
        shared = self._shared
        if shared is None:
            return
        gone = not shared.cluster.alive if shared.cluster else not is_reachable(shared.address)
        if gone:
            raise LinkError(
                f"the Ray cluster at {self.address} is gone; start it again and go on with resume"
            )

    def close(self) -> None:
        """Give the share back; the last one disconnects, and ends a cluster of our own."""
        global _shared
        with _lock:
            shared, self._shared = self._shared, None
            if shared is None:
                return
            shared.users -= 1
            if shared.users:
                return
            _shared = None
            _shut(self.ray, shared)


def _open(ray: Any, address: str, data_bytes: int) -> _Shared:
    if ray.is_initialized():
        # The program that uses us has connected Ray before; its cluster is taken, and left alone.
        return _Shared(address, ray.get_runtime_context().gcs_address, None, connected=False)
    if address != _LOCAL:
        check_cluster(address)
        with _explained(address):
            context = _connect(ray, address)
        known = dict(getattr(context, "address_info", None) or {})
        found = known.get("gcs_address") or address
        return _Shared(address, found, None, connected=True, last_words=LastWords(found))
    cluster = LocalCluster(data_bytes)
    words = LastWords(cluster.address, cluster.session, cluster.folder)
    try:
        with _explained(cluster.address), on_loopback(ray), with_token(ray, cluster.token):
            _connect(ray, cluster.address)
    except BaseException:
        words.unsay()
        cluster.close()
        raise
    return _Shared(address, cluster.address, cluster, connected=True, last_words=words)


def _connect(ray: Any, address: str) -> Any:
    quiet: Mapping[str, Any] = {"configure_logging": False, "log_to_driver": False}
    with signals_kept():
        return ray.init(address=address, **quiet)


def _shut(ray: Any, shared: _Shared) -> None:
    """Disconnect first: Ray's end of a connection whose cluster is gone ends the whole process."""
    try:
        if shared.connected:
            with signals_kept():
                ray.shutdown()
    finally:
        forget_token(ray)
        if shared.last_words is not None:
            shared.last_words.unsay()
        if shared.cluster is not None:
            shared.cluster.close()


@contextmanager
def _explained(address: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise LinkError(f"the Ray cluster at {address} cannot be used: {reason}") from error
