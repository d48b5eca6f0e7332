"""What comes to a coordinator from outside: wake-ups, an outage of the database, what is old."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from fedloom.fleet.flower.superlink import SuperLink
from fedloom.platform.broker import Broker, Publisher, open_broker
from fedloom.platform.coordinator import CoordinatorSettings
from fedloom.platform.registry import Registry, open_registry
from fedloom.platform.store import open_store
from fedloom.platform.task import Queue, TaskStatus

from .coordinator_world import (
    Learner,
    ask,
    coordinating,
    open_superlink,
    push,
    result_of,
    rounds_of,
    serve,
    wait_ended,
    wait_for,
)
from .own_servers import OwnPostgresql
from .registry_world import make_template

PATIENT = CoordinatorSettings(poll_s=3600.0, wait_s=4.0, roll_call_s=0.5)
"""One that would look at its queue only after an hour."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Registry:
    registry = open_registry(f"sqlite:///{make_template(folder)}", cache=folder / "cache")
    push(registry, folder)
    return registry


@pytest.fixture(scope="module")
def superlink(folder: Path) -> Iterator[SuperLink]:
    with open_superlink(folder) as link:
        yield link


@pytest.fixture(scope="module")
def node(superlink: SuperLink, folder: Path) -> Iterator[Learner]:
    learner = Learner("few", [1.0, 2.0])
    with serve(superlink, folder, learner):
        yield learner


@pytest.fixture(params=["memory", "amqp"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "memory":
        yield open_broker("memory://", prefix=f"{uuid4().hex[:8]}-")
        return
    url = request.getfixturevalue("amqp_url")
    opened = open_broker(url, prefix=f"test-{uuid4().hex[:8]}-")
    yield opened
    with opened.connect() as connection:
        channel = connection.default_channel
        for queue in Queue:
            channel.queue_delete(opened.name_queue(queue))
        channel.exchange_delete(opened.exchange().name)


def test_a_message_of_the_broker_starts_a_task_at_once(
    broker: Broker,
    node: Learner,
    superlink: SuperLink,
    registry: Registry,
    sqlite_url: str,
    tmp_path: Path,
) -> None:
    with open_store(sqlite_url) as store:
        publisher = Publisher(broker, store)
        publisher.start()
        try:
            with coordinating(
                store, registry, superlink, tmp_path, broker=broker, settings=PATIENT
            ):
                wait_for(lambda: any(known.name == node.name for known in store.nodes()))
                for _ in range(2):  # the second when its first look at the queue is long over
                    task = store.add_task(ask(num_global_iterations=1))
                    publisher.wake()
                    ended = wait_ended(store, task.id, 60)
                    assert (ended.status, ended.reason) == (TaskStatus.SUCCESS, None)
        finally:
            publisher.stop()


@pytest.mark.skipif(not OwnPostgresql.programs, reason="no PostgreSQL to start")
def test_a_database_that_is_killed_and_comes_back_costs_no_round(
    node: Learner, superlink: SuperLink, registry: Registry, tmp_path: Path
) -> None:
    reached, go_on = Event(), Event()

    def hold(request: Any, stop: Event) -> None:
        if request.round == 2 and not go_on.is_set():
            reached.set()
            while not (go_on.wait(0.1) or stop.is_set()):
                pass

    server = OwnPostgresql()
    try:
        server.start()
        settings = CoordinatorSettings(poll_s=0.1, roll_call_s=0.5, lease_s=5.0)
        with (
            open_store(f"{server.url}/postgres") as store,
            coordinating(store, registry, superlink, tmp_path, settings=settings) as coordinator,
        ):
            node.how = hold
            task = store.add_task(ask(num_global_iterations=3))
            assert reached.wait(60)
            server.kill()
            wait_for(lambda: "database" in (coordinator.state.last_error or ""))
            go_on.set()  # the round ends while its row cannot be written
            server.start()
            ended = wait_ended(store, task.id, 120)
            assert (ended.status, ended.reason) == (TaskStatus.SUCCESS, None)
            assert rounds_of(store, task.id) == [1, 2, 3]
            np.testing.assert_allclose(result_of(registry, ended)[0], 3 * 1.5, rtol=1e-6)
            again = wait_ended(store, store.add_task(ask(num_global_iterations=1)).id)
            assert again.status is TaskStatus.SUCCESS, again.reason
    finally:
        node.how = None
        server.close()


def test_what_ended_long_ago_is_forgotten(
    superlink: SuperLink, registry: Registry, sqlite_url: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    for days in (3.0, 1.0):
        with open_store(sqlite_url, clock=lambda d=days: now - timedelta(days=d)) as store:
            task = store.add_task(ask())
            assert store.claim_task("me", 60, lambda tasks: tasks[0].id) is not None
            store.add_round(task.id, {"round": 1}, "me")
            assert store.finish_task(task.id, "me", TaskStatus.SUCCESS)
    settings = CoordinatorSettings(poll_s=0.1, keep_days=2.0)
    with open_store(sqlite_url) as store:
        assert store.list_tasks().total == 2
        with coordinating(store, registry, superlink, tmp_path, settings=settings):
            wait_for(lambda: store.list_tasks().total < 2)
        assert [one.id for one in store.list_tasks().tasks] == [2]
        assert (store.rounds(1), len(store.rounds(2))) == ([], 1)
