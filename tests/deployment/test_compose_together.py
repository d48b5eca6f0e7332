"""All services of docker-compose.yml with their own commands and variables, without containers.

What is another machine there is a port of this one here; the registry is a file that API and
coordinator share, because the MLflow server is an image that nobody can pull here.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ..platform.conftest import fresh_database  # noqa: TID252 - tests are no package
from .test_compose import BASE, make_env, merge, read_env

SCRIPTS = Path(sys.executable).parent
READY_SECONDS, TASK_SECONDS, END_SECONDS = 240, 300, 60
ROUNDS = 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass
class Town:
    """The services, as processes of this machine."""

    services: dict[str, dict[str, Any]]
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, volume: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a service; what is its /tmp and its volume there are folders here."""
        home, state = self.folder / f"tmp-{name}", self.folder / volume
        home.mkdir()
        state.mkdir(exist_ok=True)

        def move(text: object) -> str:
            moved = str(text).replace("$$", "$").replace("/tmp/", f"{home}/")
            return moved.replace("/var/lib/fedloom", str(state))

        service = self.services[name]
        said = {key: move(value) for key, value in service.get("environment", {}).items()}
        known = {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "HOME": str(state)}
        known |= {"FEDLOOM_DIR": str(state), "FLWR_HOME": str(state), "FLWR_TELEMETRY_ENABLED": "0"}
        command = [move(part) for part in service["command"]]
        if "superlink" in more:
            port = more.pop("superlink")
            command[2] = command[2].replace("--host 0.0.0.0", "--host 127.0.0.1")
            command[2] = command[2].replace("--port 9091", f"--port {port}")
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env={**known, **said, **more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.processes[name]

    def wait(self, what: Callable[[], bool], seconds: float) -> None:
        until = monotonic() + seconds
        while not what():
            late = monotonic() > until
            ended = [n for n, p in self.processes.items() if p.poll() is not None and n != "demo"]
            assert not ended, f"{ended} ended\n{self.logs()}"
            assert not late, f"late\n{self.logs()}"
            sleep(0.3)

    def logs(self) -> str:
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text()[-2000:]}" for file in files)

    def stop(self) -> None:
        for process in reversed(list(self.processes.values())):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=END_SECONDS)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    make_env(tmp_path / ".env")
    started = Town(merge(tmp_path / ".env", BASE, folder=tmp_path)["services"], tmp_path)
    try:
        yield started
    finally:
        started.stop()


def place(prefix: str, url: str) -> dict[str, str]:
    """Return a server's address in the words of the compose file."""
    parts = urlsplit(url)
    said = {"HOST": parts.hostname, "PORT": parts.port or "", "USER": parts.username or ""}
    said["PASSWORD"] = parts.password or "any"
    return {f"{prefix}_{key}": str(value) for key, value in said.items()}


def test_all_services_train_together(town: Town, postgresql_server: str, amqp_url: str) -> None:
    ports = {name: str(free_port()) for name in ("api", "gateway", "superlink")}
    stores = place("POSTGRES", postgresql_server) | place("RABBIT", amqp_url)
    stores |= {"MLFLOW_URL": "", "FEDLOOM_BROKER_PREFIX": f"{town.folder.name}-{os.getpid()}."}
    stores["FEDLOOM_REGISTRY_URL"] = f"sqlite:///{town.folder}/mlflow.db"
    gateway = f"127.0.0.1:{ports['gateway']}"
    with fresh_database(postgresql_server) as database:
        stores["POSTGRES_DB"] = urlsplit(database).path[1:]
        try:
            town.start("superlink", "superlink", superlink=ports["superlink"])
            town.start("api", "api", **stores, FEDLOOM_HOST="127.0.0.1", FEDLOOM_PORT=ports["api"])
            secret = f"{town.folder}/tmp-server/superlink_secret"
            town.start(
                "server",
                "server",
                **stores,
                FEDLOOM_SUPERLINKS=f"127.0.0.1:{ports['superlink']}={secret}",
                FEDLOOM_GATEWAY_HOST="127.0.0.1",
                FEDLOOM_GATEWAY_PORT=ports["gateway"],
            )
            assert town.start("demo", "clients").wait(timeout=READY_SECONDS) == 0
            for name in ("client-1", "client-2"):
                town.start(name, "clients", FEDLOOM_CLIENT_SUPERLINK=gateway)
            train(town, f"http://127.0.0.1:{ports['api']}")
        finally:
            town.stop()


def train(town: Town, url: str) -> None:
    """Push the demo and let the nodes train it, as somebody who has only the API and a token."""
    from fedloom.platform.demo import demo_package

    token = read_env(town.folder / ".env")["FEDLOOM_ADMIN_TOKEN"]
    headers = {"Authorization": f"Bearer {token}"}
    town.wait(lambda: answers(f"{url}/ready"), READY_SECONDS)
    environment = os.environ | {"FEDLOOM_URL": url, "FEDLOOM_TOKEN": token}
    push = [SCRIPTS / "fedloom", "package", "push", demo_package(), "--name", "iris"]
    subprocess.run([*push, "--timeout", "120"], env=environment, check=True, timeout=TASK_SECONDS)
    with httpx.Client(base_url=url, headers=headers, timeout=30) as api:
        town.wait(lambda: sum(n["online"] for n in api.get("/nodes").json()) == 2, READY_SECONDS)
        asked = {"use_case": "iris", "model_name": "iris", "model_version": 1, "user_id": "1"}
        asked |= {"num_global_iterations": ROUNDS, "run_name": "r", "experiment_name": "Default"}
        answer = api.post("/tasks/", json=asked)
        assert answer.status_code == 201, answer.text
        path = f"/tasks/{answer.json()['id']}"
        town.wait(
            lambda: api.get(path).json()["status"] not in ("pending", "running"), TASK_SECONDS
        )
        ended = api.get(path).json()
        assert (ended["status"], ended["rounds_done"]) == ("success", ROUNDS), town.logs()
        rounds = api.get(f"{path}/rounds").json()
        assert [row["participants"] for row in rounds] == [2] * ROUNDS
        assert api.get(f"{path}/result").content[:2] == b"PK"
    said = (town.folder / "api.log").read_text() + (town.folder / "server.log").read_text()
    assert not [s for s in read_env(town.folder / ".env").values() if len(s) > 30 and s in said]
    assert not re.search("Traceback", said), said


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False
