"""A node as a process: connect, serve, and end when asked to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from fedloom.platform.client.config import NodeConfig

if TYPE_CHECKING:
    from fedloom.fleet.flower.node import Node

__all__ = ["serve_client"]

_LOGGER = logging.getLogger(__name__)
_LOOK_SECONDS = 0.2
_END_SECONDS = 8.0


def serve_client(
    config: NodeConfig,
    stop: Event,
    *,
    on_ready: Callable[[], None] = lambda: None,
    hidden: Iterable[Path] = (),
) -> None:
    """Be a node until `stop` is set; an outage of the platform is waited for.

    Args:
        config: of the node.
        stop: ends it.
        on_ready: called once, when the SuperLink has let the node in.
        hidden: files that packages must not see, such as that of the configuration.

    Raises:
        ConflictError: another process is this node.
        FedloomError: its key, policy or state cannot be used.
    """
    from fedloom.fleet.flower.depot import depot_fetch
    from fedloom.fleet.flower.endpoint import Endpoint
    from fedloom.fleet.flower.node import Identity, Node
    from fedloom.platform.client.client import ClientNode

    endpoint = Endpoint(config.superlink, config.ca, insecure=config.insecure)
    handler = ClientNode(config, depot_fetch(endpoint), hidden=hidden)
    try:
        _ = handler.policy.policy  # one that cannot be read should show now
        identity = Identity.keep(config.key_path)
        memory = config.state / "node.json"
        node = Node(endpoint, identity, handler, memory=memory, slots=config.slots)
    except BaseException:
        handler.close()
        raise
    faults: list[BaseException] = []
    thread = Thread(target=_run, args=(node, faults), name="node", daemon=True)
    thread.start()
    _wait(node, thread, stop, on_ready)
    node.stop()
    thread.join(_END_SECONDS)
    if thread.is_alive():
        _LOGGER.warning("an order does not end; it is left behind")
    if faults:
        raise faults[0]


def _run(node: Node, faults: list[BaseException]) -> None:
    try:
        node.run()
    except BaseException as error:  # noqa: BLE001 - raised where the process ends
        faults.append(error)


def _wait(node: Node, thread: Thread, stop: Event, on_ready: Callable[[], None]) -> None:
    """Wait until it is asked to end, or ends by itself; tell when it is connected."""
    while thread.is_alive() and not stop.wait(_LOOK_SECONDS):
        if node.connected:
            on_ready()
            break
    while thread.is_alive() and not stop.wait(_LOOK_SECONDS):
        pass
