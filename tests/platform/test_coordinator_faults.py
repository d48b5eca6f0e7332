"""What kills a coordinator or a SuperLink loses and doubles no finished round."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from fedloom.errors import ConflictError, LinkError
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.platform.coordinator import Coordinator, CoordinatorSettings, claiming, learning
from fedloom.platform.coordinator.checkpoints import name_task_folder
from fedloom.platform.coordinator.open_fleet import name_for_nodes
from fedloom.platform.registry import Registry, open_registry, publish
from fedloom.platform.store import Store, open_store
from fedloom.platform.task import TaskStatus

from .coordinator_world import (
    QUICK,
    Learner,
    ask,
    coordinating,
    link_of,
    open_superlink,
    push,
    result_of,
    rounds_of,
    serve,
    wait_ended,
    wait_for,
)
from .registry_world import make_template

FEW, MANY = [1.0, 2.0], [4.0, 6.0, 8.0, 10.0, 12.0, 14.0]
POOLED = float(np.mean([*FEW, *MANY]))
PROCESS = Path(__file__).with_name("coordinator_process.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Registry:
    template = make_template(folder)
    registry = open_registry(f"sqlite:///{template}", cache=folder / "cache")
    push(registry, folder)
    return registry


@pytest.fixture(scope="module")
def superlink(folder: Path) -> Iterator[SuperLink]:
    with open_superlink(folder) as link:
        yield link


@pytest.fixture(scope="module")
def both(superlink: SuperLink, folder: Path) -> Iterator[tuple[Learner, Learner]]:
    few, many = Learner("few", FEW), Learner("many", MANY)
    with serve(superlink, folder, few, many):
        yield few, many


@pytest.fixture
def nodes(both: tuple[Learner, Learner]) -> Iterator[tuple[Learner, Learner]]:
    yield both
    for node in both:
        node.how = None


@pytest.fixture
def killed(superlink: SuperLink, folder: Path, registry: Registry) -> Iterator[Any]:
    """Return a function that starts a coordinator as a process; all are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(url: str, place: Path) -> subprocess.Popen[str]:
        key = folder / "superlink" / "superexec.key"
        arguments = [url, registry.address.url, superlink.endpoint.address, str(key), str(place)]
        process = subprocess.Popen(
            [sys.executable, str(PROCESS), *arguments], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_killed_coordinator_loses_and_doubles_no_round(
    store_url: str,
    nodes: tuple[Learner, Learner],
    superlink: SuperLink,
    registry: Registry,
    killed: Any,
    tmp_path: Path,
) -> None:
    few, _ = nodes
    reached, go_on = Event(), Event()

    def hold(request: Any, stop: Event) -> None:
        if request.round == 3 and not go_on.is_set():
            reached.set()
            while not (go_on.wait(0.1) or stop.is_set()):
                pass

    few.how = hold
    with open_store(store_url) as store:
        task = store.add_task(ask(num_global_iterations=5))
        first = killed(store_url, tmp_path / "first")
        assert reached.wait(120)
        wait_for(lambda: store.get_task(task.id).rounds_done == 2)
        first.kill()
        first.wait(timeout=10)
        go_on.set()
        # Only who has a server for a database can go on without the folder of the first.
        place = tmp_path / ("first" if store.file else "second")
        with coordinating(store, registry, superlink, place):
            ended = wait_ended(store, task.id)
        assert (ended.status, ended.reason, ended.attempt) == (TaskStatus.SUCCESS, None, 2)
        np.testing.assert_allclose(result_of(registry, ended)[0], 5 * POOLED, rtol=1e-6)
        assert rounds_of(store, task.id) == [1, 2, 3, 4, 5]
        assert any(log.text == "goes on after round 2" for log in store.logs(task.id))
        assert store.checkpoint(task.id) is None
        assert few.heard.count((name_for_nodes(task), 2)) == 1


def test_a_coordinator_that_stops_gives_its_tasks_back(
    postgresql_url: str,
    nodes: tuple[Learner, Learner],
    superlink: SuperLink,
    registry: Registry,
    tmp_path: Path,
) -> None:
    few, _ = nodes
    reached = Event()

    def hold(request: Any, stop: Event) -> None:
        if request.round == 2 and not reached.is_set():
            reached.set()
            stop.wait(120)

    few.how = hold
    with open_store(postgresql_url) as store:
        task = store.add_task(ask(num_global_iterations=3))
        with coordinating(store, registry, superlink, tmp_path / "first"):
            assert reached.wait(60)
        left = store.get_task(task.id)
        assert (left.status, left.rounds_done) == (TaskStatus.RUNNING, 1)
        with coordinating(store, registry, superlink, tmp_path / "second"):
            ended = wait_ended(store, task.id)
        assert (ended.status, ended.attempt) == (TaskStatus.SUCCESS, 1), ended.reason
        np.testing.assert_allclose(result_of(registry, ended)[0], 3 * POOLED, rtol=1e-6)


def test_two_coordinators_share_the_tasks(
    postgresql_url: str,
    nodes: tuple[Learner, Learner],
    superlink: SuperLink,
    registry: Registry,
    tmp_path: Path,
) -> None:
    del nodes
    one = CoordinatorSettings(slots=1, poll_s=0.1, roll_call_s=0.5, lease_s=10.0)
    seen: set[str] = set()
    with open_store(postgresql_url) as first, open_store(postgresql_url) as second:
        tasks = [first.add_task(ask(num_global_iterations=1)).id for _ in range(4)]
        with (
            coordinating(first, registry, superlink, tmp_path / "a", settings=one) as a,
            coordinating(second, registry, superlink, tmp_path / "b", settings=one) as b,
        ):

            def all_ended() -> bool:
                found = [first.get_task(task) for task in tasks]
                seen.update(t.lease_owner for t in found if t.lease_owner)
                return all(t.status.is_final for t in found)

            wait_for(all_ended, 120)
            assert seen == {a.owner, b.owner}
        ended = [first.get_task(task) for task in tasks]
        assert [(t.status, t.attempt) for t in ended] == [(TaskStatus.SUCCESS, 1)] * 4


def test_a_second_coordinator_of_an_embedded_database_is_refused(
    sqlite_url: str, superlink: SuperLink, registry: Registry, tmp_path: Path
) -> None:
    with (
        open_store(sqlite_url) as store,
        open_store(sqlite_url) as again,
        coordinating(store, registry, superlink, tmp_path / "a"),
    ):
        links = [link_of(superlink)]
        second = Coordinator(store=again, registry=registry, links=links, folder=tmp_path / "b")
        with pytest.raises(ConflictError, match=r"process \d+ coordinates the tasks of .*store.db"):
            second.start()
    with open_store(sqlite_url) as store, coordinating(store, registry, superlink, tmp_path):
        pass


def check_next(store: Store, registry: Registry) -> None:
    task = wait_ended(store, store.add_task(ask(num_global_iterations=1)).id)
    assert (task.status, task.reason) == (TaskStatus.SUCCESS, None)
    np.testing.assert_allclose(result_of(registry, task)[0], POOLED, rtol=1e-6)


def test_a_superlink_that_is_killed_and_comes_back_costs_no_round(
    sqlite_url: str,
    nodes: tuple[Learner, Learner],
    superlink: SuperLink,
    registry: Registry,
    tmp_path: Path,
) -> None:
    few, _ = nodes
    reached, go_on = Event(), Event()

    def hold(request: Any, stop: Event) -> None:
        if request.round == 2 and not go_on.is_set():
            reached.set()
            while not (go_on.wait(0.1) or stop.is_set()):
                pass

    few.how = hold
    with open_store(sqlite_url) as store, coordinating(store, registry, superlink, tmp_path) as c:
        task = store.add_task(ask(num_global_iterations=3))
        assert reached.wait(60)
        superlink.kill()
        wait_for(lambda: c.state.links_up == 0)
        go_on.set()
        superlink.start()
        ended = wait_ended(store, task.id, 180)
        assert ended.status is TaskStatus.SUCCESS, ended.reason
        np.testing.assert_allclose(result_of(registry, ended)[0], 3 * POOLED, rtol=1e-6)
        assert rounds_of(store, task.id) == [1, 2, 3]
        few.how = None
        check_next(store, registry)


def test_a_registry_that_is_away_at_the_end_costs_no_round(
    sqlite_url: str,
    nodes: tuple[Learner, Learner],
    superlink: SuperLink,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few, _ = nodes
    tried: list[int] = []

    def publish_later(*arguments: Any, **more: Any) -> Any:
        tried.append(1)
        if len(tried) == 1:
            raise LinkError("the registry is away")
        return publish(*arguments, **more)

    monkeypatch.setattr(learning, "publish", publish_later)
    monkeypatch.setattr(claiming, "_PUT_OFF_S", 0.5)
    with open_store(sqlite_url) as store, coordinating(store, registry, superlink, tmp_path):
        task = store.add_task(ask())
        ended = wait_ended(store, task.id)
        assert (ended.status, ended.attempt) == (TaskStatus.SUCCESS, 2), ended.reason
        name = name_for_nodes(task)
        assert [number for told, number in few.heard if told == name] == [1, 2]
        assert any("the registry is away" in log.text for log in store.logs(task.id))


def test_attempts_come_to_an_end_and_so_does_a_full_disk(
    sqlite_url: str,
    nodes: tuple[Learner, Learner],
    superlink: SuperLink,
    registry: Registry,
    tmp_path: Path,
) -> None:
    del nodes
    with open_store(sqlite_url) as store:
        lost = store.add_task(ask())
        for number in range(QUICK.max_attempts):
            owner = f"killed {number}"
            assert store.claim_task(owner, 60, lambda tasks: tasks[0].id) is not None
            store.release_lease(lost.id, owner)
        blocked = store.add_task(ask())
        (tmp_path / "tasks").mkdir()
        with coordinating(store, registry, superlink, tmp_path):
            # Nothing can be written where its folder should be.
            (tmp_path / "tasks" / name_task_folder(blocked)).write_text("in the way")
            failed = wait_ended(store, lost.id)
            assert failed.status is TaskStatus.FAILED
            assert "gave up after 5 attempts" in (failed.reason or "")
            failed = wait_ended(store, blocked.id)
            assert failed.status is TaskStatus.FAILED
            assert name_task_folder(blocked) in (failed.reason or "")
            check_next(store, registry)
