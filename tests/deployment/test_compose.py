"""The files of docker compose: merged by podman-compose, checked against the specification.

There is no container engine here: podman-compose merges the files and fills in the variables, for
which it only asks `podman` for its version; `compose-spec` then checks what came out.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).parents[2]
BASE, TLS = "docker-compose.yml", "docker-compose.tls.yml"
OURS = ("api", "server", "superlink", "client-1", "client-2", "demo")
READY_SECONDS = 120


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compose") / ".env"
    make_env(path)
    return path


def make_env(path: Path) -> None:
    command = [ROOT / "scripts" / "generate_envs.sh", "--env-only"]
    subprocess.run(command, env=os.environ | {"ENV_FILE": str(path)}, check=True, timeout=60)


def read_env(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text("utf-8").splitlines() if "=" in line]
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def merge(env_file: Path, *files: str, folder: Path) -> dict[str, Any]:
    """Return what compose makes of the files."""
    pytest.importorskip("podman_compose", reason="podman-compose is not installed")
    podman = folder / "podman"
    podman.write_text("#!/bin/sh\necho podman version 5.4.0\n")
    podman.chmod(0o755)
    command = [sys.executable, "-m", "podman_compose", "--env-file", str(env_file)]
    for file in files:
        command += ["-f", str(ROOT / file)]
    ended = subprocess.run(
        [*command, "config"],
        env={"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    merged: dict[str, Any] = yaml.safe_load(ended.stdout)
    return merged


@pytest.fixture(scope="module")
def plain(env_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return merge(env_file, BASE, folder=tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def over(env_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return merge(env_file, BASE, TLS, folder=tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("which", ["plain", "over"])
def test_the_specification_allows_it(which: str, request: pytest.FixtureRequest) -> None:
    checker = pytest.importorskip("compose_spec", reason="compose-spec is not installed")
    merged = request.getfixturevalue(which)
    checker.PyCompose.from_yaml(yaml.safe_dump(merged)).validate()
    parts = {"api", "server", "superlink", "client-1", "client-2"}
    assert parts | {"postgres", "rabbitmq", "mlflow"} <= set(merged["services"])


def test_all_images_are_pinned(plain: dict[str, Any]) -> None:
    for name, service in plain["services"].items():
        tag = service["image"].rpartition(":")[2]
        assert tag != "latest", name
        if name not in OURS:
            assert re.search(r"\d+\.\d+", tag), service["image"]


def test_mlflow_is_of_the_version_that_we_were_tested_with(plain: dict[str, Any]) -> None:
    pins = (ROOT / "constraints.txt").read_text("ascii")
    version = re.search(r"^mlflow-skinny==(.+)$", pins, re.MULTILINE)
    assert version is not None
    assert plain["services"]["mlflow"]["image"].endswith(f":v{version[1]}")


def test_everything_waits_until_what_it_needs_is_healthy(plain: dict[str, Any]) -> None:
    services = plain["services"]

    def needs(name: str) -> dict[str, str]:
        wanted = services[name].get("depends_on", {})
        return {other: how["condition"] for other, how in wanted.items()}

    stores = dict.fromkeys(("postgres", "rabbitmq", "mlflow"), "service_healthy")
    assert needs("api") == stores
    assert needs("server") == {**stores, "api": "service_healthy", "superlink": "service_healthy"}
    assert needs("client-1")["server"] == "service_healthy"
    built = (ROOT / "Dockerfile").read_text("utf-8")
    for name in {
        other for one in services for other, how in needs(one).items() if "healthy" in how
    }:
        inside = re.search(rf"^FROM base AS {name}$(.*?)^CMD", built, re.MULTILINE | re.DOTALL)
        checked = "healthcheck" in services[name] or "HEALTHCHECK --" in (inside or [""])[0]
        assert checked, f"{name} is waited for, and nobody can tell whether it is healthy"


@pytest.mark.parametrize("which", ["plain", "over"])
def test_our_containers_are_confined(which: str, request: pytest.FixtureRequest) -> None:
    services = request.getfixturevalue(which)["services"]
    for name in OURS:
        service = services[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert "privileged" not in service, name


def test_nodes_reach_the_gateway_and_nothing_behind_it(plain: dict[str, Any]) -> None:
    services = plain["services"]

    def members(network: str) -> set[str]:
        return {name for name, s in services.items() if network in s.get("networks", [])}

    assert members("link") == {"server", "superlink"}
    assert members("backend") == {"api", "server", "postgres", "rabbitmq", "mlflow"}
    assert {"client-1", "client-2"} <= members("edge")
    assert services["superlink"]["networks"] == ["link"]
    assert plain["networks"]["link"]["internal"] is True
    assert plain["networks"]["backend"]["internal"] is True
    published = {name for name, service in services.items() if service.get("ports")}
    assert published == {"api", "server"}
    for name in published:
        assert [str(port).startswith("127.0.0.1:") for port in services[name]["ports"]] == [True]


def test_no_secret_stands_in_the_files(env_file: Path) -> None:
    secrets = {
        value
        for key, value in read_env(env_file).items()
        if re.search("PASSWORD|SECRET|TOKEN", key)
    }
    assert len(secrets) == 4
    for file in (BASE, TLS):
        text = (ROOT / file).read_text("utf-8")
        assert not [secret for secret in secrets if secret in text]
        assert not re.search(r"(PASSWORD|SECRET|TOKEN|PASS): (?!\$\{)(?!/)\S", text)


def test_without_secrets_nothing_starts(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text((ROOT / "templates" / "dot_env").read_text("utf-8"))
    with pytest.raises(AssertionError, match="generate_envs"):
        merge(empty, BASE, folder=tmp_path)


def test_tls_takes_back_what_allows_doing_without(over: dict[str, Any]) -> None:
    services = over["services"]
    for name in ("api", "server"):
        said = services[name]["environment"]
        assert said["FEDLOOM_INSECURE"] == "false"
        assert said["FEDLOOM_TLS_KEY"] == "/run/secrets/tls_key"
        assert "tls_key" in services[name]["secrets"]
    for name in ("client-1", "client-2"):
        assert services[name]["environment"]["FEDLOOM_CLIENT_INSECURE"] == "false"
        assert services[name]["secrets"] == ["tls_ca"], "a node gets the server's key"


@pytest.mark.parametrize("which", ["plain", "over"])
@pytest.mark.parametrize("name", ["api", "server"])
def test_our_configuration_understands_the_variables(
    which: str, name: str, request: pytest.FixtureRequest
) -> None:
    from fedloom.platform.config import load_config

    service = request.getfixturevalue(which)["services"][name]
    said = service["environment"]
    own = {key: value for key, value in said.items() if key.startswith("FEDLOOM_")}
    known = load_config(environment={key: str(value) for key, value in said.items()})
    for key in set(own) - {"FEDLOOM_ADMIN_TOKEN"}:
        assert key.removeprefix("FEDLOOM_").lower() in type(known).model_fields, key
    password = said["POSTGRES_PASSWORD"]
    assert known.database == f"postgresql://fedloom:{password}@postgres:5432/fedloom"
    assert known.broker_url == f"amqp://fedloom:{said['RABBIT_PASSWORD']}@rabbitmq:5672/"
    assert known.registry == "http://mlflow:5000"
    assert known.insecure is (which == "plain")
    if name == "server":
        (link,) = known.superlinks
        assert (link.address, str(link.secret)) == ("superlink:9091", "/tmp/superlink_secret")


def test_the_demo_lays_out_what_the_nodes_are_started_with(
    plain: dict[str, Any], tmp_path: Path
) -> None:
    from fedloom.platform.client.config import load_node_config

    *python, code = plain["services"]["demo"]["command"]
    assert python == ["python", "-c"]
    code = code.replace("/var/lib/fedloom", str(tmp_path))
    for _ in range(2):  # the second time nothing is to be done
        subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    for name in ("client-1", "client-2"):
        service = plain["services"][name]
        file = service["command"][-1].replace("/var/lib/fedloom", str(tmp_path))
        config = load_node_config(Path(file), environment=service["environment"])
        assert (config.name, config.superlink) == (name, "server:9092")
        assert config.insecure is True
        assert config.datasets["iris"].path.exists()
        assert config.state == tmp_path / "clients" / name


def test_the_superlink_starts_with_its_command(plain: dict[str, Any], tmp_path: Path) -> None:
    service = plain["services"]["superlink"]
    assert service["command"][:2] == ["sh", "-c"]
    with running_superlink(service, tmp_path) as port:
        until = monotonic() + READY_SECONDS
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert monotonic() < until, (tmp_path / "log").read_text()
            sleep(0.1)
    assert (tmp_path / "secret").read_text() == service["environment"]["SUPERLINK_SECRET"]
    assert (tmp_path / "superlink.db").exists()


@contextmanager
def running_superlink(service: dict[str, Any], folder: Path) -> Iterator[int]:
    """Run a service's command here, in a folder and on a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shell = service["command"][2].replace("$$", "$")
    shell = shell.replace("/var/lib/fedloom", str(folder)).replace(
        "/tmp/superlink_secret", str(folder / "secret")
    )
    shell = shell.replace("--host 0.0.0.0 --port 9091", f"--host 127.0.0.1 --port {port}")
    scripts = Path(sys.executable).parent
    own = {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "FLWR_HOME": str(folder / "flwr")}
    own |= {"FLWR_TELEMETRY_ENABLED": "0"} | service["environment"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", shell],
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(timeout=60)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False
