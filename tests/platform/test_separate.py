"""API, coordinator and clients as processes of their own, over PostgreSQL, RabbitMQ and TLS."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import yaml

from fedloom.fleet.flower.certificates import CertificateFolder, create_certificates
from fedloom.platform.broker import open_broker
from fedloom.platform.demo import write_demo

from .own_servers import find_free_port
from .processes import IRIS, LIMIT_S, Running, open_platform, run_part, wait_until


@pytest.fixture
def broker(amqp_url: str) -> Iterator[dict[str, str]]:
    """Yield what says where the broker is, with names of our own, which are removed."""
    prefix = f"test-{uuid4().hex[:8]}-"
    yield {"FEDLOOM_BROKER_URL": amqp_url, "FEDLOOM_BROKER_PREFIX": prefix}
    from fedloom.platform.task import Queue

    opened = open_broker(amqp_url, prefix=prefix)
    with opened.connect() as connection:
        channel = connection.default_channel
        for queue in Queue:
            channel.queue_delete(opened.name_queue(queue))
        channel.exchange_delete(opened.exchange().name)


def write_nodes(folder: Path, ports: Sequence[int], authority: Path | None) -> list[Path]:
    files = []
    for described, port in zip(write_demo(folder, len(ports)), ports, strict=True):
        path = Path(described["state"]) / "node.yaml"
        way = {"insecure": True} if authority is None else {"ca": str(authority)}
        content = {**described, "superlink": f"127.0.0.1:{port}", **way}
        path.write_text(yaml.safe_dump(content))
        files.append(path)
    return files


def find_free_ports() -> tuple[int, int]:
    """Return two ports in a row, as a server with two SuperLinks takes them."""
    while True:
        first = find_free_port()
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", first + 1))
            return first, first + 1


def test_three_kinds_of_processes_with_two_superlinks_for_registered_nodes(
    tmp_path: Path, bare_postgresql_url: str, broker: dict[str, str]
) -> None:
    certificates = CertificateFolder(tmp_path / "certs")
    create_certificates(certificates, ["127.0.0.1"])
    ports = find_free_ports()
    registry = tmp_path / "registry" / "mlflow.db"
    shared = {
        **broker,
        "FEDLOOM_DATABASE_URL": bare_postgresql_url,
        "FEDLOOM_REGISTRY_URL": f"sqlite:///{registry}",
        "FEDLOOM_TLS_CERTIFICATE": str(certificates.certificate("server")),
        "FEDLOOM_TLS_KEY": str(certificates.key("server")),
    }
    authority = tmp_path / "certs" / "ca.pem"
    nodes = write_nodes(tmp_path / "nodes", ports, authority)
    with ExitStack() as stack:

        def start(name: str, *words: str) -> Running:
            output = tmp_path / f"{name}.txt"
            part = run_part(*words, output=output, environment=shared)
            return stack.enter_context(part)

        api = start("api", "api", "--dir", str(tmp_path / "api"), "--port", "0")
        url = api.wait_for(r"page ready: (https\S+)")[1]
        server = start(
            "server",
            *("server", "--dir", str(tmp_path / "server"), "--gateway-port", str(ports[0])),
            *("--superlinks", "2", "--known-nodes-only"),
        )
        clients = [start(f"c{n}", "client", "--config", str(f)) for n, f in enumerate(nodes)]
        token = (tmp_path / "api" / "token").read_text().strip()
        platform = stack.enter_context(open_platform(url, token, ca=authority))
        platform.packages.push(IRIS, "iris")
        for number, (client, file) in enumerate(zip(clients, nodes, strict=True), 1):
            client.wait_for("only registered nodes are let in.*fedloom client key")
            register(
                f"client-{number}",
                file,
                {"FEDLOOM_URL": url, "FEDLOOM_TOKEN": token, "FEDLOOM_CA": str(authority)},
            )
        for client in clients:
            client.wait_for("is connected to")
        wait_until(lambda: sum(node.online for node in platform.nodes.list()) == 2)
        task = platform.tasks.create(model_name="iris", num_global_iterations=4, min_clients=2)
        ended = platform.tasks.wait(task.id, LIMIT_S)
        assert ended.status == "success", f"{ended.reason}\n{server.text}"
        rounds = platform.tasks.rounds(task.id)
        assert rounds["round"].to_list() == [1, 2, 3, 4]
        losses = rounds["global_loss"].to_list()
        assert losses[-1] < losses[0]
        # The API has no folder in common with the coordinator, and still has the result.
        platform.tasks.result(task.id, tmp_path / "result.npz")
        assert token not in api.text + server.text
        for part in (*clients, server, api):
            assert part.end(signal.SIGTERM) == 0, part.text
            assert "Traceback" not in part.text


def register(name: str, file: Path, environment: dict[str, str]) -> None:
    """Do what the client's log says: its owner prints the key, and an operator registers it."""
    printed = file.with_suffix(".pem")
    with run_part("client", "key", "--config", str(file), output=printed) as command:
        assert command.process.wait(LIMIT_S) == 0, command.text
    words = ["node", "register", name, str(printed)]
    with run_part(*words, output=file.with_suffix(".txt"), environment=environment) as command:
        assert command.process.wait(LIMIT_S) == 0, command.text


def test_a_superlink_that_runs_elsewhere_outlives_a_killed_coordinator(tmp_path: Path) -> None:
    """The SuperLink is a process of its own, and so are API and coordinator, on one SQLite file."""
    gateway, link = find_free_port(), find_free_port()
    secret = tmp_path / "superlink.key"
    shared = {
        "FEDLOOM_DATABASE_URL": f"sqlite:///{tmp_path / 'fedloom.db'}",
        "FEDLOOM_REGISTRY_URL": f"sqlite:///{tmp_path / 'registry' / 'mlflow.db'}",
        "FEDLOOM_LEASE_S": "3600",
    }
    (node,) = write_nodes(tmp_path / "nodes", [gateway], None)
    serve = ["server", "--dir", str(tmp_path / "server"), "--gateway-port", str(gateway)]
    serve += ["--superlinks", f"127.0.0.1:{link}={secret}", "--health-port", "0"]
    with ExitStack() as stack:

        def start(name: str, *words: str) -> Running:
            part = run_part(*words, output=tmp_path / f"{name}.txt", environment=shared)
            return stack.enter_context(part)

        words = ["superlink", "--dir", str(tmp_path / "link"), "--secret", str(secret)]
        superlink = start("superlink", *words, "--port", str(link))
        wait_until(secret.exists)
        server = start("server", *serve)
        api = start("api", "api", "--dir", str(tmp_path / "api"), "--port", "0")
        client = start("client", "client", "--config", str(node))
        url = api.wait_for(r"page ready: (http\S+)")[1]
        token = (tmp_path / "api" / "token").read_text().strip()
        platform = stack.enter_context(open_platform(url, token))
        platform.packages.push(IRIS, "iris")
        client.wait_for("is connected to")
        task = platform.tasks.create(model_name="iris", num_global_iterations=6)
        wait_until(lambda: len(platform.tasks.rounds(task.id)) >= 1)
        server.kill()
        again = start("again", *serve)
        ended = platform.tasks.wait(task.id, LIMIT_S)
        assert ended.status == "success", f"{ended.reason}\n{again.text}"
        assert platform.tasks.rounds(task.id)["round"].to_list() == [1, 2, 3, 4, 5, 6]
        address = again.wait_for(r"health and metrics: (http\S+)")[1]
        wait_until(lambda: httpx.get(f"{address}/ready", timeout=LIMIT_S).status_code == 200)
        numbers = httpx.get(f"{address}/metrics", timeout=LIMIT_S).text
        assert "fedloom_coordinator_links_up 1.0" in numbers
        assert superlink.process.poll() is None
        # Flower's command ends in order, and then by the signal that it was sent.
        assert superlink.end(signal.SIGTERM) == -signal.SIGTERM, superlink.text
        assert "INFO" not in superlink.text  # not a line for each request
        wait_until(lambda: httpx.get(f"{address}/ready", timeout=LIMIT_S).status_code == 503)
        assert httpx.get(f"{address}/health", timeout=LIMIT_S).status_code == 200


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--host", "0.0.0.0"], "without TLS"),
        (["--tls-certificate", "a.pem"], "go together"),
        (["--known-nodes-only"], "needs TLS certificates"),
    ],
)
def test_a_superlink_is_not_opened_by_accident(tmp_path: Path, words: list[str], why: str) -> None:
    given = ["superlink", "--dir", str(tmp_path / "l"), "--secret", str(tmp_path / "k"), *words]
    with run_part(*given, "--port", str(find_free_port()), output=tmp_path / "o.txt") as running:
        assert running.process.wait(LIMIT_S) > 0
        assert why in running.text
        assert "Traceback" not in running.text
    assert not (tmp_path / "l").exists()


@pytest.mark.parametrize("part", ["api", "server"])
def test_a_service_that_is_not_there_is_one_line(tmp_path: Path, part: str) -> None:
    words = [part, "--dir", str(tmp_path / "s"), "--set", "port=0", "--set", "gateway_port=0"]
    wrong = {"FEDLOOM_DATABASE_URL": "postgresql://me:geheim@127.0.0.1:1/x"}
    with run_part(
        *words, "--set", "startup_wait_s=0", output=tmp_path / "out.txt", environment=wrong
    ) as running:
        assert running.process.wait(LIMIT_S) == 1
        assert "cannot reach the database" in running.text, running.text
        assert "geheim" not in running.text
        assert "Traceback" not in running.text


def test_a_server_is_not_opened_to_others_without_tls(tmp_path: Path) -> None:
    words = ["server", "--dir", str(tmp_path / "s"), "--gateway-host", "0.0.0.0"]
    with run_part(*words, output=tmp_path / "out.txt") as running:
        assert running.process.wait(LIMIT_S) == 2
        assert "the gateway on 0.0.0.0 would be open" in running.text
    assert not (tmp_path / "s").exists()


def test_a_second_server_on_the_folder_is_refused(tmp_path: Path) -> None:
    words = ["server", "--dir", str(tmp_path / "s"), "--gateway-port", "0"]
    with run_part(*words, output=tmp_path / "first.txt") as first:
        first.wait_for("gateway ready")
        with run_part(*words, output=tmp_path / "second.txt") as second:
            assert second.process.wait(LIMIT_S) == 2
            assert f"process {first.pid} works in" in second.text
        assert first.end(signal.SIGTERM) == 0
