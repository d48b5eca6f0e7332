"""A federation for tests of the coordinator: a SuperLink, nodes as threads, a store, a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest

from fedloom.fleet.flower.link import Link
from fedloom.fleet.flower.messages import (
    Describe,
    Description,
    Done,
    Evaluate,
    Evaluated,
    Failed,
    Forget,
    Tempo,
    Train,
    Trained,
)
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.platform.coordinator import Coordinator, CoordinatorSettings
from fedloom.platform.registry import Registry, download_weights, get_version, push_package
from fedloom.platform.store import Store
from fedloom.platform.task import NewTask, Task

from .registry_world import make_package

QUICK = CoordinatorSettings(poll_s=0.1, wait_s=4.0, slots=3, roll_call_s=0.5, lease_s=10.0)
FIRST = np.zeros(3, np.float32)


@dataclass
class Learner:
    """Adds the mean of its values to every weight; what else it does can be set meanwhile.

    Attributes:
        name: of the node.
        values: its rows.
        use_cases: what it says it has data for.
        how: called before an order to train is carried out: may raise, wait, or return weights.
        heard: the rounds that it was asked to train.
        stopped: how many orders were called off.
        forgotten: tasks that it was told to forget.
        refuses: why it takes no part, though it has the data; empty where it does.
    """

    name: str
    values: Sequence[float]
    use_cases: Sequence[str] = ("numbers",)
    how: Callable[[Train, Event], Any] | None = None
    heard: list[tuple[str, int]] = field(default_factory=list)
    stopped: int = 0
    forgotten: list[str] = field(default_factory=list)
    refuses: str = ""

    def handle(self, request: Any, stop: Event) -> Any:
        if isinstance(request, Describe):
            return self.describe(request)
        if isinstance(request, Forget):
            self.forgotten.append(request.task)
            return Done()
        if isinstance(request, Evaluate):
            loss = float(np.mean((np.array(self.values) - request.weights[0][0]) ** 2))
            document = {"loss": loss, "who": self.name, "odd": float("nan")}
            return Evaluated(len(self.values), {"loss": loss, "accuracy": 0.5}, document)
        assert isinstance(request, Train)
        self.heard.append((request.task, request.round))
        weights = None if self.how is None else self.how(request, stop)
        if stop.is_set():
            self.stopped += 1
            return Failed("timeout", "it was called off")
        if isinstance(weights, Failed):
            return weights
        if weights is None:
            weights = [w + w.dtype.type(np.mean(self.values)) for w in request.weights]
        metrics = {"loss": 0.25, "who": self.name}
        return Trained(weights, len(self.values), metrics=metrics, train_loss=0.25)

    def describe(self, request: Describe) -> Description:
        attributes = {
            "use_cases": {name: {"rows": len(self.values)} for name in self.use_cases},
            "fedloom": "1.2.3",
            "slots": 2,
        }
        wanted = request.settings.get("use_case")
        if wanted is not None and wanted not in self.use_cases:
            known = ", ".join(self.use_cases)
            reason = f"it has data for {known}"
            return Description(self.name, takes_part=False, reason=reason, attributes=attributes)
        if self.refuses and wanted is not None:
            reason = self.refuses
            return Description(self.name, takes_part=False, reason=reason, attributes=attributes)
        return Description(self.name, num_examples=len(self.values), attributes=attributes)

    def close(self) -> None:
        pass


@contextmanager
def open_superlink(folder: Path) -> Iterator[SuperLink]:
    """Yield a SuperLink whose idle nodes look every half second, not every five."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tempo, "for_nodes", classmethod(lambda cls, _: cls(0.1, 0.5, 10.0)))
        with SuperLink(folder / "superlink") as link:
            yield link


@contextmanager
def serve(link: SuperLink, folder: Path, *learners: Learner) -> Iterator[list[Node]]:
    """Run a node for each learner."""
    nodes = [
        Node(link.endpoint, Identity.keep(folder / f"{one.name}.key"), one, slots=2)
        for one in learners
    ]
    threads = [Thread(target=node.run, daemon=True) for node in nodes]
    for thread in threads:
        thread.start()
    try:
        yield nodes
    finally:
        for node in nodes:
            node.stop()
        for thread in threads:
            thread.join(timeout=30)
            assert not thread.is_alive()


def push(
    registry: Registry, folder: Path, name: str = "mean", server: str = "", **more: Any
) -> None:
    """Register a package whose first weights are three zeros; `server` is its ``server.py``."""
    np.savez(folder / "first.npz", **{"0": FIRST})
    package = make_package(folder / f"package-{name}", model=None, validate="print()")
    text = (package / "fedloom.yaml").read_text()
    (package / "fedloom.yaml").write_text(f"{text}\n  validate: python validate.py\n")
    (package / "validate.py").write_text("print()")
    if server:
        (package / "server.py").write_text(server)
    push_package(registry, package, name, seed_model=folder / "first.npz", **more)


def ask(**changes: Any) -> NewTask:
    asked: dict[str, Any] = {
        "user_id": "ada",
        "use_case": "numbers",
        "model_name": "mean",
        "model_version": 1,
        "num_global_iterations": 2,
        "run_name": "run",
        "experiment_name": "Default",
    }
    return NewTask.model_validate(asked | changes)


def link_of(superlink: SuperLink) -> Link:
    return Link(superlink.endpoint, superlink.secret)


@contextmanager
def coordinating(
    store: Store, registry: Registry, link: SuperLink, folder: Path, **more: Any
) -> Iterator[Coordinator]:
    """Run a coordinator."""
    more.setdefault("settings", QUICK)
    links = more.pop("links", None) or [link_of(link)]
    coordinator = Coordinator(store=store, registry=registry, links=links, folder=folder, **more)
    coordinator.start()
    try:
        yield coordinator
    finally:
        assert coordinator.stop(60)


def wait_for(condition: Callable[[], Any], seconds: float = 60.0, what: Any = "it") -> None:
    until = monotonic() + seconds
    while not condition():
        assert monotonic() < until, f"{what() if callable(what) else what} did not happen in time"
        sleep(0.05)


def wait_ended(store: Store, task_id: int, seconds: float = 90.0) -> Task:
    def tell() -> str:
        lines = [f"{log.source}: {log.text}" for log in store.logs(task_id)]
        return "\n".join([repr(store.get_task(task_id)), *lines, "the end"])

    wait_for(lambda: store.get_task(task_id).status.is_final, seconds, tell)
    return store.get_task(task_id)


def result_of(registry: Registry, task: Task) -> list[np.ndarray]:
    assert task.result_model is not None
    assert task.result_version is not None
    version = get_version(registry, task.result_model, task.result_version)
    with np.load(download_weights(registry, version)) as arrays:
        return [arrays[name] for name in arrays.files]


def rounds_of(store: Store, task_id: int) -> list[int]:
    return [row["round"] for row in store.rounds(task_id)]
