"""A SuperLink, nodes as processes, and fleets over them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np

from fedloom.federation.fleet import ClientResult, Order, Reply
from fedloom.federation.reduce import mean_by_examples
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.letters import Patience
from fedloom.fleet.flower.superlink import SuperLink

REDUCER = mean_by_examples()
TOY = Path(__file__).with_name("toy_node.py")


@dataclass
class ToyWorld:
    """A SuperLink with toy nodes, all as processes."""

    link: SuperLink
    folder: Path
    nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    tasks: int = 0

    def start(self, name: str, rows: int, *more: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.nodes[name] = subprocess.Popen(
                [
                    *(sys.executable, str(TOY), self.link.endpoint.address, str(self.folder)),
                    *(name, str(rows), *more),
                ],
                stdout=log,
                stderr=log,
            )
        return self.nodes[name]

    def kill(self, name: str) -> None:
        process = self.nodes.pop(name)
        process.kill()
        process.wait(timeout=10)

    def events(self, name: str) -> list[str]:
        path = self.folder / f"{name}.events"
        return path.read_text().splitlines() if path.exists() else []

    @contextmanager
    def fleet(self, settings: dict[str, Any] | None = None, **more: Any) -> Iterator[FlowerFleet]:
        self.tasks += 1
        more.setdefault("patience", Patience(ask_s=2.0, return_s=10.0))
        fleet = FlowerFleet(
            self.link.endpoint,
            self.link.secret,
            f"task{self.tasks}",
            {"trainer": "toy", **(settings or {})},
            **more,
        )
        try:
            yield fleet
        finally:
            fleet.close()

    def close(self) -> None:
        for name in list(self.nodes):
            self.kill(name)
        self.link.stop()


def order(cohort: Sequence[int], number: int = 1, deadline_s: float = 60.0, **more: Any) -> Order:
    weights = [np.zeros((3, 2), np.float32), np.zeros(5, np.float32)]
    return Order(
        round=number, cohort=cohort, weights=weights, seed=7, deadline_s=deadline_s, **more
    )


def mean_of(reply: Reply) -> float:
    found = REDUCER.finish(reply.state)
    assert all(np.allclose(a, found[0].ravel()[0]) for a in found)
    return float(found[0].ravel()[0])


def failures(reply: Reply) -> list[Any]:
    return [result.failure for result in reply.results]


def by_client(results: Sequence[ClientResult]) -> dict[int, ClientResult]:
    return {result.client: result for result in results}


def wait_until(condition: Any, seconds: float = 30.0) -> None:
    until = monotonic() + seconds
    while not condition():
        assert monotonic() < until, "it did not happen in time"
        sleep(0.05)
