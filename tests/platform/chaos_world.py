"""A platform of separate processes, each of which may be killed and started again at any time."""

from __future__ import annotations

import json
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import psycopg
import yaml

from fedloom.errors import FedloomError
from fedloom.platform.connection import Platform
from fedloom.platform.demo import write_demo
from fedloom.platform.task import Task, TaskStatus

from .own_servers import OwnPostgresql, OwnRabbitmq, find_free_port
from .processes import IRIS, Running, find_members, open_platform, run_part

__all__ = ["ROUNDS", "Stage", "Victim", "World"]

ROUNDS = 4
_LIMIT_S = 300.0
_CLIENTS = 2


class Victim(StrEnum):
    """What is killed."""

    CLIENT = "client"
    COORDINATOR = "coordinator"
    SUPERLINK = "superlink"
    API = "api"
    POSTGRESQL = "postgresql"
    RABBITMQ = "rabbitmq"


class Stage(StrEnum):
    """Where the task is when that happens."""

    WAITING = "waiting"
    DESCRIBING = "describing"
    TRAINING = "training"
    UPLOADING = "uploading"
    BETWEEN_ROUNDS = "between rounds"
    PUBLISHING = "publishing"


class World:
    """API, coordinator with its SuperLink, two clients, PostgreSQL and RabbitMQ of its own."""

    def __init__(self, place: Path) -> None:
        self._place, self._stack = place, ExitStack()
        self.postgresql, self.rabbitmq = OwnPostgresql(), OwnRabbitmq()
        self._stack.callback(self.postgresql.close)
        self._stack.callback(self.rabbitmq.close)
        self._ports = (find_free_port(), find_free_port())
        self._parts: dict[str, Running] = {}
        self._starts: dict[str, ExitStack] = {}
        self.platform: Platform

    def __enter__(self) -> World:
        try:
            self.postgresql.start()
            self.rabbitmq.start()
            with psycopg.connect(f"{self.postgresql.url}/postgres", autocommit=True) as admin:
                admin.execute("CREATE DATABASE fedloom")
            self._lay_out_nodes()
            self.start("api")
            self._parts["api"].wait_for("page ready")
            self.start("server")
            for number in range(_CLIENTS):
                self.start(f"client-{number + 1}")
            token = (self._place / "api" / "token").read_text().strip()
            url = f"http://127.0.0.1:{self._ports[0]}"
            self.platform = self._stack.enter_context(open_platform(url, token))
            self.platform.packages.push(IRIS, "iris")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for stack in self._starts.values():
            stack.close()
        self._stack.close()

    def start(self, name: str) -> None:
        """Start a part, or start it again."""
        words = {
            "api": ["api", "--dir", str(self._place / "api"), "--port", str(self._ports[0])],
            "server": [
                *("server", "--dir", str(self._place / "server")),
                *("--gateway-port", str(self._ports[1])),
            ],
        }.get(name, ["client", "--config", str(self._node(name) / "node.yaml")])
        stack = self._starts.setdefault(name, ExitStack())
        output = self._place / f"{name}.txt"
        self._parts[name] = stack.enter_context(
            run_part(*words, output=output, environment=self._environment())
        )

    def kill(self, victim: Victim) -> None:
        """End it as a power cut would, and bring it back."""
        match victim:
            case Victim.POSTGRESQL:
                self.postgresql.kill()
                self.postgresql.start()
            case Victim.RABBITMQ:
                self.rabbitmq.kill()
                self.rabbitmq.start()
            case Victim.SUPERLINK:
                (superlink,) = find_members(self._parts["server"].pid, "superlink_child")
                superlink.kill()
            case _:
                name = {Victim.CLIENT: "client-1", Victim.COORDINATOR: "server"}.get(victim, "api")
                self._parts[name].kill()
                self.start(name)

    def ask(self) -> Task:
        """Ask for a task."""
        return self.platform.tasks.create(
            model_name="iris", num_global_iterations=ROUNDS, min_clients=_CLIENTS
        )

    def reach(self, stage: Stage, task: Task, marks: dict[str, int]) -> None:
        """Wait until a task is at a stage.

        Args:
            stage: which.
            task: of which one.
            marks: of `mark`, before the task was asked for.
        """
        until = monotonic() + _LIMIT_S
        while not self._is_at(stage, task, marks):
            if monotonic() > until:
                raise AssertionError(f"the task never reached {stage}: {self.tell()}")
            sleep(0.01)

    def mark(self) -> dict[str, int]:
        """Note how often each thing has happened at a client."""
        counts: dict[str, int] = {}
        path = self._node("client-1") / "audit.jsonl"
        for line in path.read_text().splitlines() if path.exists() else []:
            entry = json.loads(line) if line.endswith("}") else {}
            name = f"{entry.get('event')}"
            counts[name] = counts.get(name, 0) + 1
        return counts

    def wait(self, task_id: int) -> Task:
        """Return a task once it has ended, through every outage."""
        until = monotonic() + _LIMIT_S
        while monotonic() < until:
            try:
                task = self.platform.tasks.get(task_id)
            except (FedloomError, httpx.HTTPError):
                sleep(0.5)
                continue
            if task.status not in (TaskStatus.PENDING, TaskStatus.RUNNING):
                return task
            sleep(0.2)
        raise AssertionError(f"task {task_id} does not end: {self.tell()}")

    def rounds(self, task_id: int) -> list[Any]:
        """Return the numbers of the rounds that the store has of a task."""
        found = self.platform.tasks.rounds(task_id)
        return found["round"].to_list() if len(found.columns) else []

    def tell(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(f"--- {name}\n{part.text[-3000:]}" for name, part in self._parts.items())

    def _is_at(self, stage: Stage, task: Task, marks: dict[str, int]) -> bool:
        if stage is Stage.WAITING:
            return True
        if stage is Stage.BETWEEN_ROUNDS:
            return len(self.rounds(task.id)) >= 2
        if stage is Stage.PUBLISHING:
            return len(self.rounds(task.id)) >= ROUNDS
        # Each round a client trains, and then scores: what comes third is the second round.
        event, times = {
            Stage.DESCRIBING: ("described", 1),
            Stage.TRAINING: ("started", 3),
            Stage.UPLOADING: ("finished", 3),
        }[stage]
        return self.mark().get(event, 0) >= marks.get(event, 0) + times

    def _node(self, name: str) -> Path:
        return self._place / "nodes" / name

    def _lay_out_nodes(self) -> None:
        for described in write_demo(self._place / "nodes", _CLIENTS):
            superlink = f"127.0.0.1:{self._ports[1]}"
            content = {**described, "superlink": superlink, "insecure": True}
            (Path(described["state"]) / "node.yaml").write_text(yaml.safe_dump(content))

    def _environment(self) -> dict[str, str]:
        return {
            "FEDLOOM_DATABASE_URL": f"{self.postgresql.url}/fedloom",
            "FEDLOOM_BROKER_URL": self.rabbitmq.url,
            "FEDLOOM_REGISTRY_URL": f"sqlite:///{self._place / 'registry' / 'mlflow.db'}",
            "FEDLOOM_LEASE_S": "5",
            "FEDLOOM_ROUND_TIMEOUT_S": "60",
        }
