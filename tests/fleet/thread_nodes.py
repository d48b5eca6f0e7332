"""Nodes as threads of the test's own process: cheap enough for hundreds of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from fedloom.fleet.flower.messages import (
    Describe,
    Description,
    Done,
    Evaluate,
    Evaluated,
    Forget,
    Train,
    Trained,
)
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.superlink import SuperLink


@dataclass
class Adder:
    """Adds its number of rows to every weight, and scores weights by their first value."""

    name: str
    rows: int
    attributes: Mapping[str, Any] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)

    def handle(self, request: Any, stop: Event) -> Any:
        self.heard.append(request.verb)
        if isinstance(request, Describe):
            return Description(self.name, num_examples=self.rows, attributes=self.attributes)
        if isinstance(request, Train):
            weights = [w + w.dtype.type(self.rows) for w in request.weights]
            drift = [w * 0 + self.rows for w in request.client_state]
            state = [w + 1 for w in request.client_state]
            return Trained(weights, self.rows, state, drift, train_loss=1.0)
        if isinstance(request, Evaluate):
            value = float(request.weights[0].ravel()[0])
            return Evaluated(self.rows, {"loss": value, "accuracy": self.rows / 100})
        assert isinstance(request, Forget)
        return Done()

    def close(self) -> None:
        pass


@contextmanager
def serve(link: SuperLink, folder: Path, *handlers: Any, slots: int = 2) -> Iterator[list[Node]]:
    """Run a node for each handler; its key lies in the folder under its name."""
    nodes = [
        Node(link.endpoint, Identity.keep(folder / f"{h.name}.key"), h, slots=slots)
        for h in handlers
    ]
    threads = [Thread(target=node.run, name=f"node {n}") for n, node in enumerate(nodes)]
    for thread in threads:
        thread.start()
    try:
        yield nodes
    finally:
        for node in nodes:
            node.stop()
        for thread in threads:
            thread.join(timeout=60)
            assert not thread.is_alive()
