"""Nodes that add one to every weight, as threads: ``python -m federation.nodes ADDRESS FOLDER N``.

They end when standard input does, so that none is left behind.
"""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any

from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.messages import Describe, Description, Done, Train, Trained
from fedloom.fleet.flower.node import Identity, Node

__all__ = ["AddOne", "main"]

_END_SECONDS = 30.0


class AddOne:
    """A client whose training takes no time.

    Args:
        name: of the node.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def handle(self, request: Any, stop: Event) -> Any:  # noqa: ARG002 - as a handler is called
        """Carry out a request."""
        if isinstance(request, Describe):
            return Description(self._name, num_examples=10)
        if isinstance(request, Train):
            return Trained([w + 1 for w in request.weights], 10, train_loss=0.1)
        return Done()

    def close(self) -> None:
        """Hold nothing."""


def main() -> None:
    """Serve until standard input ends."""
    address, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    endpoint = Endpoint(address, insecure=True)
    nodes = [
        Node(endpoint, Identity.keep(folder / f"{n}.key"), AddOne(f"{folder.name}-{n}"))
        for n in range(count)
    ]
    threads = [Thread(target=node.run, daemon=True) for node in nodes]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    for node in nodes:
        node.stop()
    for thread in threads:
        thread.join(_END_SECONDS)


if __name__ == "__main__":
    main()
