"""Database, broker or registry away: nothing is lost, nothing sticks, all of it comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from fedloom.platform.api import make_app
from fedloom.platform.broker import Publisher, open_broker
from fedloom.platform.identity import Role
from fedloom.platform.registry import Registry
from fedloom.platform.service import Service
from fedloom.platform.store import open_store

from .api_world import IRIS, make_secret, make_service, open_client
from .own_servers import OwnPostgresql

LIMIT_S = 60.0


def wait_for(what: Callable[[], bool]) -> None:
    give_up = time.monotonic() + LIMIT_S
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.fixture
def own_postgresql() -> Iterator[Any]:
    if not OwnPostgresql.programs:
        pytest.skip("PostgreSQL's programs are not on this machine")
    server = OwnPostgresql()
    server.start()
    with psycopg.connect(f"{server.url}/postgres", autocommit=True) as admin:
        admin.execute("CREATE DATABASE fedloom")
    yield server
    server.close()


def test_with_the_broker_away_a_task_is_accepted_and_its_message_waits(service: Service) -> None:
    """Acceptance 6: no lost or stuck task."""
    broker = open_broker("amqp://guest:guest@127.0.0.1:9//", connect_timeout_s=1)
    service.broker = broker
    publisher = service.publisher = Publisher(broker, service.store)
    publisher.start()
    with open_client(make_app(service), make_secret(service.store, Role.ADMIN)) as client:
        assert client.post("/tasks/", json=IRIS).status_code == 201
        wait_for(lambda: publisher.state.failures > 0)
        text = client.get("/metrics").text.splitlines()
        assert "fedloom_outbox_length 1.0" in text
        assert "fedloom_publisher_connected 0.0" in text
    assert publisher.stop()
    again = service.publisher = Publisher(open_broker("memory://"), service.store)
    again.start()
    wait_for(lambda: again.state.sent == 1)
    assert again.stop()


def test_a_postgresql_that_is_killed_is_a_503_and_everything_goes_on_when_it_is_back(
    own_postgresql: OwnPostgresql, iris_registry: Registry, tmp_path: Path
) -> None:
    with open_store(f"{own_postgresql.url}/fedloom") as store:
        service = make_service(store, iris_registry, tmp_path)
        with open_client(make_app(service), make_secret(store, Role.ADMIN)) as client:
            assert client.post("/tasks/", json=IRIS).json()["id"] == 1
            assert client.get("/ready").status_code == 200
            own_postgresql.kill()
            for answer in (client.post("/tasks/", json=IRIS), client.get("/tasks/1")):
                assert answer.status_code == 503, answer.text
                assert answer.headers["Retry-After"] == "5"
                assert "database" in answer.json()["detail"]
            assert client.get("/health").status_code == 200
            wait_for(lambda: client.get("/ready").status_code == 503)
            own_postgresql.start()
            wait_for(lambda: client.get("/ready").status_code == 200)
            assert client.post("/tasks/", json=IRIS).status_code == 201
            assert len(client.get("/tasks/").json()) == 2


def test_connections_that_were_dropped_while_idle_are_not_noticed(
    postgresql_url: str, iris_registry: Registry, tmp_path: Path
) -> None:
    with open_store(postgresql_url) as store:
        service = make_service(store, iris_registry, tmp_path)
        with open_client(make_app(service), make_secret(store, Role.ADMIN)) as client:
            assert client.post("/tasks/", json=IRIS).status_code == 201
            with psycopg.connect(postgresql_url, autocommit=True) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                    " current_database() AND pid <> pg_backend_pid()"
                )
            assert client.post("/tasks/", json=IRIS).status_code == 201
            assert client.get("/tasks/").headers["X-Total-Count"] == "2"


def test_with_the_registry_away_nothing_is_queued_and_the_rest_goes_on(
    sqlite_url: str, tmp_path: Path
) -> None:
    from fedloom.platform.registry import open_registry

    away = open_registry("http://127.0.0.1:9", cache=tmp_path / "cache")
    with open_store(sqlite_url) as store:
        service = make_service(store, away, tmp_path)
        with open_client(make_app(service), make_secret(store, Role.ADMIN)) as client:
            answers: list[httpx.Response] = [
                client.post("/tasks/", json=IRIS),
                client.get("/models"),
                client.get("/ready"),
            ]
            assert [answer.status_code for answer in answers] == [503, 503, 503]
            assert client.get("/tasks/").json() == []
            plan = {"plan": {"rounds": 1}}
            assert client.post("/tasks/", json=plan).status_code == 201


def test_a_full_disk_is_a_507_and_nothing_is_queued(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedloom.errors import OutputError

    def fill(*_: object) -> None:
        raise OutputError("cannot use the database sqlite:///x: database or disk is full")

    with open_client(make_app(service), make_secret(service.store, Role.ADMIN)) as client:
        with monkeypatch.context() as patch:
            patch.setattr(type(service.store), "add_task", fill)
            assert client.post("/tasks/", json=IRIS).status_code == 507
        assert client.get("/tasks/").json() == []
        assert client.post("/tasks/", json=IRIS).status_code == 201
