"""`fedloom up` as a real process: the walk-through, ending, starting again, and what goes wrong."""

from __future__ import annotations

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from uuid import uuid4

import httpx
import numpy as np
import psutil
import pytest

from fedloom.fleet.flower.certificates import CertificateFolder, create_certificates
from fedloom.platform.client.config import load_node_config
from fedloom.platform.config import load_config
from fedloom.platform.connection import Platform
from fedloom.platform.up.clients import write_clients
from fedloom.platform.up.console import Console
from fedloom.platform.up.state_folder import StateFolder
from fedloom.platform.up.up import run_up

from .own_servers import find_free_port
from .processes import IRIS, LIMIT_S, Running, find_members, open_platform, run_part, wait_until

READY = "everything is ready"


def start_words(folder: Path, *more: str, clients: int = 2) -> list[str]:
    return ["up", "--dir", str(folder), "--port", "0", "--clients", str(clients), *more]


def reach(running: Running, folder: Path, *, count: int = 1) -> Platform:
    url = running.wait_for(r"page ready: (http\S+)/ui", count=count)[1]
    return open_platform(url, (folder / "token").read_text().strip())


def is_gone(processes: list[psutil.Process]) -> bool:
    return all(
        not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        for process in processes
    )


def train(platform: Platform, rounds: int = 2) -> int:
    task = platform.tasks.create(model_name="iris", num_global_iterations=rounds)
    ended = platform.tasks.wait(task.id, LIMIT_S)
    assert ended.status == "success", ended.reason
    return task.id


def test_the_walk_through_then_ctrl_c_then_again(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with run_part(*start_words(folder, clients=3), output=tmp_path / "first.txt") as running:
        with reach(running, folder) as platform:
            page = httpx.get(f"{platform.url}/ui", follow_redirects=True, timeout=LIMIT_S)
            assert page.status_code == 200
            assert "Fedloom" in page.text
            running.wait_for(READY)
            version = platform.packages.push(IRIS, "iris")
            assert (version.name, version.version) == ("iris", 1)
            task = platform.tasks.create(
                model_name="iris", model_version=1, use_case="iris", num_global_iterations=4
            )
            ended = platform.tasks.wait(task.id, LIMIT_S)
            assert ended.status == "success", ended.reason
            rounds = platform.tasks.rounds(task.id)
            assert rounds["round"].to_list() == [1, 2, 3, 4]
            scores = rounds["global_score"].to_list()
            assert scores[-1] > scores[0]
            result = platform.tasks.result(task.id, tmp_path / "result.npz")
            with np.load(result) as weights:
                assert all(np.isfinite(weights[name]).all() for name in weights.files)
            names = [node.name for node in platform.nodes.list()]
            assert names == ["client-1", "client-2", "client-3"]
        family = running.family()
        assert running.end(signal.SIGINT) == 0
        assert is_gone(family)
        assert "stopped" in running.text
        assert (folder / "token").read_text().strip() not in (folder / "log" / "up.log").read_text()
    token = (folder / "token").read_text()
    with run_part(*start_words(folder, clients=3), output=tmp_path / "again.txt") as running:
        with reach(running, folder) as platform:
            assert (folder / "token").read_text() == token
            assert platform.tasks.get(task.id).status == "success"
            assert platform.models.get("trained_iris", 1).version == 1
            running.wait_for(READY)
            assert train(platform) == task.id + 1
        assert running.end(signal.SIGTERM) == 0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path, Path]]:
    """Yield one `fedloom up` for tests that leave it as it was, its folder, and a place."""
    place = tmp_path_factory.mktemp("up")
    with run_part(*start_words(place / "state"), output=place / "up.txt") as running:
        running.wait_for(READY)
        yield running, place / "state", place


def test_a_second_one_on_the_folder_is_refused_and_told_which(
    running: tuple[Running, Path, Path],
) -> None:
    first, folder, place = running
    with run_part(*start_words(folder), output=place / "second.txt") as second:
        assert second.process.wait(LIMIT_S) == 2
        assert f"process {first.pid} works in {folder}" in second.text
        assert second.text.count("\n") == 1
    assert first.process.poll() is None


def test_a_client_or_superlink_that_is_killed_comes_back(
    running: tuple[Running, Path, Path],
) -> None:
    first, folder, _ = running
    with reach(first, folder) as platform:
        platform.packages.push(IRIS, "iris")
        (client,) = find_members(first.pid, "client-2/node.yaml")
        client.kill()
        first.wait_for("client-2 ended.* it is started again")
        (superlink,) = find_members(first.pid, "superlink_child")
        superlink.kill()
        first.wait_for("SuperLink ended.* it is started again")
        first.wait_for("SuperLink answers again")
        wait_until(lambda: find_members(first.pid, "client-2/node.yaml"))
        task = train(platform)
        assert platform.tasks.rounds(task)["round"].to_list() == [1, 2]


def test_commands_find_it_without_an_address(running: tuple[Running, Path, Path]) -> None:
    _, folder, place = running
    environment = {"FEDLOOM_DIR": str(folder)}
    with run_part("node", "list", output=place / "n.txt", environment=environment) as command:
        assert command.process.wait(LIMIT_S) == 0, command.text
        assert "client-1" in command.text
    with run_part("node", "list", output=place / "n2.txt") as command:
        assert command.process.wait(LIMIT_S) == 0, command.text  # through the user's own folder


def test_state_is_nobody_elses(running: tuple[Running, Path, Path]) -> None:
    _, folder, _ = running
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "token").stat().st_mode & 0o077 == 0
    assert (folder / "fedloom.db").stat().st_mode & 0o077 == 0


def test_kill_leaves_nothing_and_the_next_one_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    # The next one does not wait for the lease: nobody else can have this database.
    words = start_words(folder, "--set", "lease_s=3600")
    with run_part(*words, output=tmp_path / "first.txt") as running:
        with reach(running, folder) as platform:
            running.wait_for(READY)
            platform.packages.push(IRIS, "iris")
            task = platform.tasks.create(model_name="iris", num_global_iterations=6)
            wait_until(lambda: len(platform.tasks.rounds(task.id)) >= 1)
            family = running.family()
            running.kill()
        wait_until(lambda: is_gone(family), why="children outlived a killed fedloom up")
    with (
        run_part(*words, output=tmp_path / "again.txt") as running,
        reach(running, folder) as platform,
    ):
        ended = platform.tasks.wait(task.id, LIMIT_S)
        assert ended.status == "success", ended.reason
        assert platform.tasks.rounds(task.id)["round"].to_list() == [1, 2, 3, 4, 5, 6]
        train(platform)


def test_a_terminal_that_closes_while_it_starts_ends_all_of_it(tmp_path: Path) -> None:
    with run_part(*start_words(tmp_path / "s"), output=tmp_path / "out.txt") as running:
        wait_until(lambda: find_members(running.pid, "superlink_child"))
        family = running.family()
        begun = monotonic()
        assert running.end(signal.SIGHUP) == 0, running.text
        assert monotonic() - begun < 60.0  # normal: 2 s
        wait_until(lambda: is_gone(family))
        assert "Traceback" not in running.text


def test_without_demo_clients_hold_nothing_and_allow_nothing(tmp_path: Path) -> None:
    (file,) = write_clients(StateFolder(tmp_path), 1, demo=False)
    config = load_node_config(file, {}, {})
    assert (config.name, config.datasets, config.state) == ("client-1", {}, file.parent)
    assert not config.policy_path.exists()


def test_a_clients_file_moves_with_its_folder_and_stays_as_its_owner_left_it(
    tmp_path: Path,
) -> None:
    write_clients(StateFolder(tmp_path / "a"), 2, demo=True)
    (tmp_path / "a").rename(tmp_path / "b")
    mine = tmp_path / "b" / "clients" / "client-1" / "node.yaml"
    mine.write_text(mine.read_text() + "slots: 7\n")
    first, second = write_clients(StateFolder(tmp_path / "b"), 2, demo=True)
    assert load_node_config(first, {}, {}).slots == 7
    source = load_node_config(second, {}, {}).datasets["iris"]
    assert source.path == tmp_path / "b" / "clients" / "client-2" / "data" / "iris.csv"
    assert source.path.exists()


# What cannot work, in one line and before anything is there


def refuse(tmp_path: Path, *words: str, environment: dict[str, str] | None = None) -> str:
    folder = tmp_path / "state"
    command = ["up", "--dir", str(folder), *words]
    output = tmp_path / f"{uuid4().hex}.txt"
    with run_part(*command, output=output, environment=environment or {}) as running:
        assert running.process.wait(LIMIT_S) == 2
        assert running.text.count("\n") == 1, running.text
        assert not (folder / "fedloom.db").exists()
        return running.text


def test_a_taken_port_is_said_at_once(tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} on 127.0.0.1 is taken" in refuse(tmp_path, "--port", str(port))


def test_other_machines_need_tls(tmp_path: Path) -> None:
    assert "without TLS" in refuse(tmp_path, "--host", "0.0.0.0", "--port", "0")
    wrong = {"FEDLOOM_GATEWAY_HOST": "0.0.0.0"}
    assert "the gateway on 0.0.0.0" in refuse(tmp_path, "--port", "0", environment=wrong)


def test_a_wrong_policy_or_number_is_said(tmp_path: Path) -> None:
    assert "clients" in refuse(tmp_path, "--clients", "101")
    assert "unknown key" in refuse(tmp_path, "--set", "potr=1")


def test_a_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "fedloom.db")) as other, other:
        other.execute("CREATE TABLE task (a INTEGER)")
    console = Console(lambda _: None)
    config = load_config(None, {"dir": folder, "port": 0, "clients": 0}, {})
    with pytest.raises(Exception, match="of another program"):
        run_up(config, console)
    with closing(sqlite3.connect(folder / "fedloom.db")) as other:
        names = other.execute("SELECT name FROM sqlite_master").fetchall()
    assert names == [("task",)]
    assert list((folder / "log").iterdir()) == []


def test_with_a_gateway_clients_go_through_it_and_nodes_elsewhere_can(tmp_path: Path) -> None:
    certificates = CertificateFolder(tmp_path / "certs")
    create_certificates(certificates, ["127.0.0.1"])
    folder, port = tmp_path / "state", find_free_port()
    environment = {
        "FEDLOOM_GATEWAY_HOST": "0.0.0.0",
        "FEDLOOM_GATEWAY_PORT": str(port),
        "FEDLOOM_TLS_CERTIFICATE": str(certificates.certificate("server")),
        "FEDLOOM_TLS_KEY": str(certificates.key("server")),
        "FEDLOOM_CA": str(tmp_path / "certs" / "ca.pem"),
    }
    words = start_words(folder, clients=1)
    with run_part(*words, output=tmp_path / "out.txt", environment=environment) as running:
        url = running.wait_for(r"page ready: (https\S+)/ui")[1]
        running.wait_for(READY)
        token = (folder / "token").read_text().strip()
        with open_platform(url, token, ca=tmp_path / "certs" / "ca.pem") as platform:
            platform.packages.push(IRIS, "iris")
            train(platform, rounds=1)
        assert running.end() == 0
