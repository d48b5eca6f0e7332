"""A page that is served by a process of its own, over a store that tests write to."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx

from fedloom.platform.identity import Role
from fedloom.platform.identity.token import hash_secret, make_secret
from fedloom.platform.store import DocumentKind, Store, open_store
from fedloom.platform.task import NewTask, Task

LIMIT_S = 90.0
OWNER = "a coordinator"


@dataclass
class PageWorld:
    """A store, and the process that serves the page over it."""

    folder: Path
    store: Store
    url: str
    process: subprocess.Popen[bytes]

    def token(self, role: Role, user_id: str = "ada") -> str:
        secret = make_secret()
        made = self.store.add_token(
            name="test", user_id=user_id, role=role, secret_hash=hash_secret(secret)
        )
        assert made is not None
        return secret

    def add_task(self, run_name: str, rounds: int, **more: Any) -> Task:
        values = {
            "user_id": "ada",
            "use_case": "iris",
            "model_name": "iris",
            "model_version": 1,
            "experiment_name": "Default",
        }
        asked = {**values, **more, "run_name": run_name, "num_global_iterations": rounds}
        return self.store.add_task(NewTask.model_validate(asked))

    def run_task(self, run_name: str, rounds: int, **more: Any) -> Task:
        """Add a task and take it, as a coordinator does; others that wait are left alone."""
        task = self.add_task(run_name, rounds, **more)
        taken = self.store.claim_task(OWNER, 3600.0, lambda _tasks, *_: task.id)
        assert taken is not None
        assert taken.id == task.id
        return taken

    def add_round(self, task: Task, number: int, clients: Sequence[str]) -> None:
        rows = [client_row(number, name) for name in clients]
        assert self.store.add_client_rows(task.id, rows, OWNER)
        assert self.store.add_round(task.id, round_row(number, len(clients)), OWNER)

    def add_document(self, task: Task, number: int, client: str, document: Any) -> None:
        kind = DocumentKind.VALIDATION
        assert self.store.add_document(task.id, number, client, kind, document, OWNER)

    def add_node(self, name: str, rows: int, *, online: bool = True) -> None:
        self.store.upsert_node(
            name,
            public_key=f"key of {name}",
            use_cases=["iris"],
            versions={"fedloom": "0.6.0", "python": "3.11"},
            attributes={"online": online, "use_cases": {"iris": {"rows": rows}}},
        )

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.store.close()


def client_row(number: int, name: str) -> dict[str, Any]:
    noise = random.Random(f"{name}/{number}").uniform(-0.08, 0.08)
    skill = 1 - 0.7 * 0.85**number
    return {
        "round": number,
        "client_id": name,
        "num_examples": 100,
        "participated": True,
        "failure": "",
        "train_loss": 1.1 * 0.88**number + abs(noise),
        "local_loss": 1.0 * 0.88**number + abs(noise),
        "local_score": min(1.0, skill + noise),
        "global_score": min(1.0, skill + noise / 2),
        "train_seconds": 1.5 + noise,
        "upload_bytes": 4_000_000,
        "metrics": {"f1": min(1.0, skill - 0.05 + noise)},
    }


def round_row(number: int, participants: int) -> dict[str, Any]:
    return {
        "round": number,
        "cohort_size": participants,
        "participants": participants,
        "num_examples": 100 * participants,
        "train_loss": 1.1 * 0.88**number,
        "global_loss": 1.05 * 0.88**number,
        "global_score": 1 - 0.7 * 0.85**number,
        "update_norm": 2.0 * 0.9**number,
        "train_seconds": 2.0,
        "evaluate_seconds": 0.4,
    }


def start_page(folder: Path) -> PageWorld:
    """Start the process, give it a model, and wait until it answers."""
    store = open_store(f"sqlite:///{folder / 'fedloom.db'}")
    port = _free_port()
    script = Path(__file__).with_name("serve_page.py")
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(script), str(folder), str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTEST_CURRENT_TEST": "", "NICEGUI_STORAGE_PATH": str(folder)},
        )
    world = PageWorld(folder, store, f"http://127.0.0.1:{port}", process)
    try:
        push_model(folder)
    except BaseException:
        world.close()
        raise
    give_up = monotonic() + LIMIT_S
    while True:
        try:
            httpx.get(f"{world.url}/ui/login", timeout=5.0)
        except httpx.TransportError:
            gone = process.poll() is not None
            if gone or monotonic() > give_up:
                world.close()
                said = (folder / "server.log").read_text("utf-8")
                raise AssertionError(f"the page does not answer: {said}") from None
            sleep(0.1)
        else:
            return world


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def push_model(folder: Path) -> None:
    """Put a model into the registry of a page's folder, with a use case and settings."""
    import numpy as np

    from fedloom.platform.registry import open_registry, push_package

    package = folder / "package"
    package.mkdir()
    (package / "fedloom.yaml").write_text(
        "entry_points:\n  train: python train.py\n  validate: python train.py\n"
        "settings:\n  epochs: 3\n  learning_rate: 0.05\n"
    )
    (package / "train.py").write_text("print('trained')\n")
    np.savez(folder / "seed.npz", **{"0": np.zeros((2, 2), np.float32)})
    registry = open_registry(
        f"sqlite:///{folder / 'mlflow.db'}",
        artifacts=folder / "artifacts",
        cache=folder / "cache-of-tests",
    )
    seed = folder / "seed.npz"
    push_package(registry, package, "iris", use_case="iris", seed_model=seed, description="A demo")
