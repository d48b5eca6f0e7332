"""One client of a cell: its data, its node, and the wait for the end."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fedloom.bench.cell.belonging import Belonging
from fedloom.bench.cell.handler import CellHandler
from fedloom.bench.cell.server_parts import USE_CASE
from fedloom.bench.cell.shards import name_client, take_shard
from fedloom.bench.cell_id import Cell
from fedloom.errors import InputError, LinkError
from fedloom.experiment.plan import Plan
from fedloom.experiment.split import split_dataset
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.handlers import KerasHandler
from fedloom.fleet.flower.node import Identity, Node
from fedloom.learning.backend import use_backend

if TYPE_CHECKING:
    from fedloom.bench.logs import ClientLog

__all__ = ["CellClient", "load_framework"]

_LOGGER = logging.getLogger("fedloom.bench")
_LOOK_SECONDS = 0.2
_REPLY_SECONDS = 1.0
"""For the answer to the last word, after which the node is stopped."""

_END_SECONDS = 10.0


class CellClient:
    """A client, ready with its data.

    Args:
        plan: of the cell.
        belonging: the cell.
        index: which shard it holds, from 0.
        server: URL of the way in.
        authority: certificate of who signed the server's, or None.

    Raises:
        InputError: the address or the plan's data cannot be used.
    """

    def __init__(
        self,
        plan: Plan,
        belonging: Belonging,
        index: int,
        *,
        server: str,
        authority: Path | None,
    ) -> None:
        self._endpoint = _read_endpoint(server, authority)
        self._belonging, self._name = belonging, name_client(index)
        self._dataset = take_shard(split_dataset(plan), index, plan.seed)
        self._backend, self._over = plan.backend, Event()

    def run(self, log: Path, instance_id: str, cell: Cell, *, away_s: float) -> None:
        """Take part until the cell has ended.

        Args:
            log: takes what was used.
            instance_id: what it calls this machine.
            cell: which is carried out.
            away_s: seconds that the server may stay away.

        Raises:
            LinkError: it stayed away for longer.
            OutputError: the log cannot be written.
        """
        from fedloom.bench.logs import ClientLog

        load_framework(self._backend)
        writer = ClientLog(log, cell.backend, cell.strategy, instance_id)
        inner = KerasHandler(self._name, {USE_CASE: self._dataset})
        handler = CellHandler(self._name, self._belonging, inner, writer, self._over.set)
        with TemporaryDirectory(prefix="fedloom-") as private:
            node = Node(self._endpoint, Identity.keep(Path(private) / "key.pem"), handler)
            thread = Thread(target=node.run, name="node", daemon=True)
            thread.start()
            try:
                self._wait(node, thread, writer, away_s)
            finally:
                node.stop()
                thread.join(_END_SECONDS)
                writer.closed()

    def _wait(self, node: Node, thread: Thread, log: ClientLog, away_s: float) -> None:
        heard, told = monotonic(), False
        while not self._over.wait(_LOOK_SECONDS):
            if not thread.is_alive():
                raise LinkError(f"the node of {self._name} ended by itself; its output says why")
            if node.connected:
                heard = monotonic()
                if not told:
                    log.connected(secured=not self._endpoint.insecure)
                    told = True
            elif monotonic() - heard > away_s:
                raise LinkError(
                    f"{self._endpoint} stayed away for more than {away_s:g} s; is the server of "
                    f"{self._belonging.cell} running, and can it be reached from here?"
                )
        thread.join(_REPLY_SECONDS)


def load_framework(backend: str) -> None:
    """Import what trains, which takes seconds, before the first round is timed."""
    use_backend(backend)
    import_module("fedloom.learning.models")
    import_module("fedloom.fleet.local_client")


def _read_endpoint(server: str, authority: Path | None) -> Endpoint:
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError(f"server={server}: http://host:port or https://host:port would be right")
    if authority is not None and not authority.is_file():
        raise InputError(f"authority={authority}: there is no such file")
    return Endpoint(parts.netloc, authority, insecure=parts.scheme == "http")
