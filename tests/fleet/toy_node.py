"""A node without a framework, as a process: ``python toy_node.py ADDRESS FOLDER NAME ROWS``.

A protocol and a version may follow, of a part that is not ours. What it does with an order is in
the task's settings, under its name: ``sleep``, ``hang``, ``shape``, ``count``, ``nan``,
``unsendable``, ``raise``, ``die_once``, ``stubborn``. It writes a line per event to
``FOLDER/NAME.events``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from fedloom.fleet.flower import codec
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.messages import (
    Describe,
    Description,
    Done,
    Evaluate,
    Evaluated,
    Failed,
    Forget,
    Train,
    Trained,
)
from fedloom.fleet.flower.node import Identity, Node


class ToyHandler:
    """Adds its number of rows to every weight."""

    def __init__(self, name: str, rows: int, folder: Path) -> None:
        self.name, self.rows, self.folder = name, rows, folder

    def note(self, text: str) -> None:
        with (self.folder / f"{self.name}.events").open("a") as file:
            file.write(f"{text}\n")

    def handle(self, request: Any, stop: Event) -> Any:
        if isinstance(request, Forget):
            self.note(f"forget {request.task}")
            return Done()
        told = dict(request.settings.get(self.name, {}))
        if isinstance(request, Describe):
            return Description(self.name, num_examples=self.rows, attributes={"toy": True})
        if isinstance(request, Evaluate):
            value = float(request.weights[0].ravel()[0])
            return Evaluated(self.rows, {"loss": value, "accuracy": self.rows / 10}, {"a": [1]})
        self.note(f"train {request.round}")
        return self.train(request, told, stop)

    def train(self, request: Train, told: dict[str, Any], stop: Event) -> Any:
        if told.get("die_once") and not (self.folder / f"{self.name}.died").exists():
            (self.folder / f"{self.name}.died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if told.get("raise"):
            raise ValueError("no rows\n for me")
        if told.get("stubborn"):
            time.sleep(float(told["stubborn"]))
        if stop.wait(float(told.get("sleep", 0.0))):
            self.note(f"stopped {request.round}")
            return Failed("timeout", "stopped")
        weights = [w + w.dtype.type(self.rows) for w in request.weights]
        if told.get("shape"):
            weights[0] = weights[0].ravel()[1:]
        if told.get("nan"):
            weights[0] = np.full_like(weights[0], np.nan)
        if told.get("unsendable") == "arrays":
            weights[0] = np.full(weights[0].shape, None)
        count = told.get("count", self.rows)
        drift = [np.ones_like(w) for w in request.client_state]
        state = [w + 1 for w in request.client_state]
        metrics: dict[str, Any] = {"loss": 1.5, "who": self.name}
        if told.get("unsendable") == "metrics":
            metrics["who"] = self
        return Trained(weights, count, state, drift, metrics=metrics, train_loss=1.5)

    def close(self) -> None:
        self.note("close")


def main() -> None:
    address, folder, name, rows, *rest = sys.argv[1:]
    place = Path(folder)
    if rest:
        codec.PROTOCOL = int(rest[0])
        codec.__version__ = rest[1] if len(rest) > 1 else codec.__version__
    node = Node(
        Endpoint(address, insecure=True),
        Identity.keep(place / f"{name}.key"),
        ToyHandler(name, int(rows), place),
        memory=place / f"{name}.json",
    )
    signal.signal(signal.SIGTERM, lambda *_: node.stop())
    node.run()


if __name__ == "__main__":
    main()
