"""What the tests of the platform share: stores in SQLite and PostgreSQL, tasks, a clock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from fedloom.errors import LinkError
from fedloom.platform.broker import open_broker
from fedloom.platform.registry import Registry, open_registry
from fedloom.platform.service import Service
from fedloom.platform.store import Store, open_store
from fedloom.platform.store.tables import Row
from fedloom.platform.task import NewTask

from .api_world import make_service, push_iris
from .own_servers import OwnPostgresql, OwnRabbitmq

POSTGRESQL = os.environ.get("FEDLOOM_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432")
"""A server on which tests may make and drop databases of their own."""

AMQP = os.environ.get("FEDLOOM_TEST_AMQP", "amqp://guest:guest@127.0.0.1:5672//")
"""A broker on which tests may make and delete exchanges and queues of their own."""


class SetClock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def new_task() -> Callable[..., NewTask]:
    """Return a function that makes what somebody asks for, with some of it changed."""

    def make(**changes: object) -> NewTask:
        asked: dict[str, object] = {
            "user_id": "ada",
            "use_case": "iris",
            "model_name": "iris_model",
            "model_version": 1,
            "num_global_iterations": 3,
            "run_name": "first",
            "experiment_name": "Default",
        }
        return NewTask.model_validate(asked | changes)

    return make


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Yield the address of a PostgreSQL server, without a database; start one if none is there."""
    try:
        psycopg.connect(f"{POSTGRESQL}/postgres", connect_timeout=3).close()
    except psycopg.OperationalError as error:
        if not OwnPostgresql.programs:
            reason = str(error).splitlines()[0]
            pytest.skip(f"no PostgreSQL at {POSTGRESQL}, and none to start: {reason}")
    else:
        yield POSTGRESQL
        return
    own = OwnPostgresql()
    try:
        own.start()
        yield own.url
    finally:
        own.close()


@pytest.fixture(scope="session")
def amqp_url() -> Iterator[str]:
    """Yield the address of a RabbitMQ server; start one if none is there."""
    try:
        with open_broker(AMQP, connect_timeout_s=3.0).connect():
            pass
    except LinkError as error:
        if not OwnRabbitmq.programs:
            pytest.skip(f"no RabbitMQ, and none to start: {error}")
    else:
        yield AMQP
        return
    own = OwnRabbitmq()
    try:
        own.start()
        yield own.url
    finally:
        own.close()


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """Yield the address of a database without tables, which is dropped afterwards."""
    name = f"fedloom_test_{uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        # The tests kill clients, never the server, so nothing depends on the disk.
        admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        try:
            yield f"{server}/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def shared_postgresql_url(postgresql_server: str) -> Iterator[str]:
    """Return the address of one store on PostgreSQL; making one takes longer than most tests."""
    with fresh_database(postgresql_server) as url:
        open_store(url).close()
        yield url


@pytest.fixture
def postgresql_url(shared_postgresql_url: str) -> str:
    """Return the address of an empty store on PostgreSQL."""
    tables = ", ".join(Row.metadata.tables)
    with psycopg.connect(shared_postgresql_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        admin.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
    return shared_postgresql_url


@pytest.fixture
def bare_postgresql_url(postgresql_server: str) -> Iterator[str]:
    """Return the address of a database without tables on PostgreSQL."""
    with fresh_database(postgresql_server) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite file with an empty store, to be copied."""
    file = tmp_path_factory.mktemp("template") / "store.db"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Return the address of an empty store in an SQLite file, ``store.db``."""
    shutil.copyfile(sqlite_template, tmp_path / "store.db")
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def bare_sqlite_url(tmp_path: Path) -> str:
    """Return the address of an SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path}/bare.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Return the address of an empty store, once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_url(request: pytest.FixtureRequest) -> str:
    """Return the address of a database without tables, once on each."""
    url: str = request.getfixturevalue(f"bare_{request.param}_url")
    return url


@pytest.fixture
def store(store_url: str, clock: SetClock) -> Iterator[Store]:
    """Return an empty store whose clock the test sets."""
    with open_store(store_url, clock=clock) as opened:
        yield opened


@pytest.fixture
def start_python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a Python process; all are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def iris_registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Return a registry that holds version 1 of ``iris``; whoever changes it takes other names."""
    folder = tmp_path_factory.mktemp("iris-registry")
    registry = open_registry(f"sqlite:///{folder}/mlflow.db", cache=folder / "cache")
    push_iris(registry, folder)
    return registry


@pytest.fixture
def service(sqlite_url: str, iris_registry: Registry, tmp_path: Path) -> Iterator[Service]:
    """Return a service over an empty SQLite store and the registry with ``iris``."""
    with open_store(sqlite_url) as opened:
        yield make_service(opened, iris_registry, tmp_path)
