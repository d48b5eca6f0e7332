"""The queue: who claims what, for how long, and what becomes of those who are killed."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from threading import Thread
from typing import Protocol

import pytest

from fedloom.errors import ConflictError, NotFoundError
from fedloom.platform.store import Store, database, open_store
from fedloom.platform.store.queue import CLAIM_WINDOW
from fedloom.platform.task import NewTask, Task, TaskStatus, can_move

NewTaskMaker = Callable[..., NewTask]
Start = Callable[..., "subprocess.Popen[str]"]


class Clock(Protocol):
    now: datetime

    def advance(self, seconds: float) -> None: ...


def oldest(tasks: Sequence[Task]) -> int:
    return min(task.id for task in tasks)


def test_the_policy_sees_what_waits_and_decides(store: Store, new_task: NewTaskMaker) -> None:
    for priority in (0, 5, 0):
        store.add_task(new_task(priority=priority))
    seen: list[list[int]] = []

    def second(tasks: Sequence[Task]) -> int:
        seen.append([task.id for task in tasks])
        return tasks[1].id

    task = store.claim_task("me", 10, second)
    assert seen == [[2, 1, 3]], "the highest priority first, then the oldest"
    assert task is not None
    assert (task.id, task.status, task.attempt, task.lease_owner) == (
        1,
        TaskStatus.RUNNING,
        1,
        "me",
    )
    assert task == store.get_task(1)


def test_a_policy_may_decline_and_must_not_invent(store: Store, new_task: NewTaskMaker) -> None:
    def never(tasks: Sequence[Task]) -> int:
        raise AssertionError("nothing waits, so nobody is asked")

    assert store.claim_task("me", 10, never) is None
    store.add_task(new_task())
    assert store.claim_task("me", 10, lambda tasks: None) is None
    with pytest.raises(ValueError, match="chose 2, which is not among"):
        store.claim_task("me", 10, lambda tasks: 2)
    assert store.get_task(1).status is TaskStatus.PENDING


def test_a_policy_sees_a_bounded_number_of_tasks(sqlite_url: str, new_task: NewTaskMaker) -> None:
    with open_store(sqlite_url) as store:
        for _ in range(CLAIM_WINDOW + 1):
            store.add_task(new_task())
        assert len(store.claimable_tasks()) == CLAIM_WINDOW


def test_who_comes_second_is_asked_again_without_it(store: Store, new_task: NewTaskMaker) -> None:
    """While one policy thinks, another coordinator takes the task that it is about to choose."""
    for _ in range(2):
        store.add_task(new_task())
    asked: list[list[int]] = []

    def slow(tasks: Sequence[Task]) -> int:
        asked.append([task.id for task in tasks])
        if len(asked) == 1:
            assert store.claim_task("quick", 10, oldest) is not None
        return oldest(tasks)

    task = store.claim_task("slow", 10, slow)
    assert asked == [[1, 2], [2]]
    assert task is not None
    assert (task.id, store.get_task(1).lease_owner) == (2, "quick")


def test_leases_of_the_dead_are_freed_and_ended_tasks_stay(
    store: Store, new_task: NewTaskMaker
) -> None:
    for _ in range(3):
        store.add_task(new_task())
    for _ in range(2):
        assert store.claim_task("dead", 3600, oldest) is not None
    assert store.finish_task(1, "dead", TaskStatus.SUCCESS)
    assert store.free_leases() == 1
    assert store.free_leases() == 0
    task = store.claim_task("next", 3600, oldest)
    assert task is not None
    assert (task.id, task.attempt) == (2, 2)
    assert store.get_task(1).status is TaskStatus.SUCCESS
    assert store.get_task(3).status is TaskStatus.PENDING


def test_a_lease_holds_until_it_runs_out(
    store: Store, new_task: NewTaskMaker, clock: Clock
) -> None:
    store.add_task(new_task())
    first = store.claim_task("me", 10, oldest)
    assert first is not None
    clock.advance(9.999)
    assert store.claim_task("you", 10, oldest) is None
    assert store.renew_lease(1, "me", 10)
    clock.advance(9.999)
    assert store.claim_task("you", 10, oldest) is None
    clock.advance(0.001)
    second = store.claim_task("you", 10, oldest)
    assert second is not None
    assert (second.lease_owner, second.attempt) == ("you", 2)
    assert second.started_at == first.started_at, "it started once"


def test_a_lost_lease_can_change_nothing(
    store: Store, new_task: NewTaskMaker, clock: Clock
) -> None:
    store.add_task(new_task())
    store.claim_task("me", 10, oldest)
    clock.advance(10)
    store.claim_task("you", 10, oldest)
    assert not store.renew_lease(1, "me", 10)
    assert not store.release_lease(1, "me")
    assert not store.add_round(1, {"round": 1}, "me")
    assert not store.finish_task(1, "me", TaskStatus.SUCCESS)
    assert not store.fail_task(1, "late", owner="me")
    task = store.get_task(1)
    assert (task.status, task.lease_owner) == (TaskStatus.RUNNING, "you")
    assert store.finish_task(1, "you", TaskStatus.SUCCESS)


def test_a_lease_that_ran_out_unnoticed_is_still_its_owners(
    store: Store, new_task: NewTaskMaker, clock: Clock
) -> None:
    store.add_task(new_task())
    store.claim_task("me", 10, oldest)
    clock.advance(100)
    assert store.renew_lease(1, "me", 10)
    clock.advance(100)
    assert store.finish_task(1, "me", TaskStatus.SUCCESS)


def test_a_task_that_was_given_back_is_taken_at_once(store: Store, new_task: NewTaskMaker) -> None:
    store.add_task(new_task())
    store.claim_task("me", 1000, oldest)
    assert store.release_lease(1, "me")
    task = store.claim_task("you", 10, oldest)
    assert task is not None
    assert (task.id, task.attempt) == (1, 2)


CLAIM_ALL = """
import sys
from fedloom.platform.store import open_store

url, owner = sys.argv[1:]
store = open_store(url)
print("ready", flush=True)
sys.stdin.readline()
while (task := store.claim_task(owner, 60, lambda tasks: tasks[0].id)) is not None:
    print(task.id, flush=True)
store.close()
"""


def test_processes_that_claim_at_once_never_get_the_same_task(
    store_url: str, new_task: NewTaskMaker, start_python: Start
) -> None:
    with open_store(store_url) as store:
        for _ in range(40):
            store.add_task(new_task())
        claimers = [start_python(CLAIM_ALL, store_url, f"owner{number}") for number in range(3)]
        for claimer in claimers:
            assert claimer.stdout is not None
            assert claimer.stdout.readline() == "ready\n"
        for claimer in claimers:  # all are up: now they race
            assert claimer.stdin is not None
            claimer.stdin.write("\n")
            claimer.stdin.flush()
        outputs = [claimer.communicate(timeout=60) for claimer in claimers]
        got = [int(line) for output, _ in outputs for line in output.split()]
        assert sorted(got) == list(range(1, 41)), outputs
        assert all(task.attempt == 1 for task in store.list_tasks().tasks)


CLAIM_AND_HANG = """
import sys, time
from fedloom.platform.store import open_store

store = open_store(sys.argv[1])
task = store.claim_task("doomed", float(sys.argv[2]), lambda tasks: tasks[0].id)
store.add_round(task.id, {"round": 1}, "doomed")
print(task.id, flush=True)
time.sleep(60)
"""


def test_what_a_killed_coordinator_had_is_claimed_again(
    store_url: str, new_task: NewTaskMaker, start_python: Start
) -> None:
    lease_s = 1.0
    with open_store(store_url) as store:
        store.add_task(new_task())
        doomed = start_python(CLAIM_AND_HANG, store_url, lease_s)
        assert doomed.stdout is not None
        assert doomed.stdout.readline() == "1\n"
        doomed.kill()  # SIGKILL
        doomed.wait()
        assert store.claim_task("next", 10, oldest) is None, "its lease still holds"
        give_up = time.monotonic() + 10 * lease_s
        while (task := store.claim_task("next", 10, oldest)) is None:
            assert time.monotonic() < give_up, "the lease of a killed owner does not run out"
            time.sleep(0.05)
        assert (task.attempt, task.rounds_done) == (2, 1)
        assert not store.finish_task(1, "doomed", TaskStatus.SUCCESS)
        assert store.finish_task(1, "next", TaskStatus.SUCCESS)


CLAIM_AND_DIE_INSIDE = """
import os, signal, sys
from fedloom.platform.store import open_store
from fedloom.platform.store.database import Transaction

store = open_store(sys.argv[1])
Transaction.write_events = lambda self: os.kill(os.getpid(), signal.SIGKILL)
store.claim_task("doomed", 60, lambda tasks: tasks[0].id)
"""


def test_a_claim_that_is_killed_before_its_end_did_not_happen(
    store_url: str, new_task: NewTaskMaker, start_python: Start
) -> None:
    with open_store(store_url) as store:
        store.add_task(new_task())
        doomed = start_python(CLAIM_AND_DIE_INSIDE, store_url)
        assert doomed.wait(timeout=30) == -9
        task = store.claim_task("next", 10, oldest)
        assert task is not None
        assert task.attempt == 1
        assert [event.kind for event in store.events()] == ["task_created", "task_status"]
        assert len(store.take_outbox()) == 2


def test_postgresqls_clock_decides_not_the_machines(
    postgresql_url: str, new_task: NewTaskMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coordinator whose clock is wrong takes no lease away from others."""

    class Future(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now().astimezone() + timedelta(hours=5)

    with open_store(postgresql_url) as store:
        store.add_task(new_task())
        store.claim_task("me", 10, oldest)
        monkeypatch.setattr(database, "datetime", Future)
        assert store.claim_task("you", 10, oldest) is None


def test_threads_that_do_anything_at_once_leave_only_legal_histories(
    store_url: str, new_task: NewTaskMaker
) -> None:
    store = open_store(store_url)
    failures: list[BaseException] = []

    def act(number: int) -> None:
        draw, owner = Random(number), f"owner{number}"
        try:
            for _ in range(25):
                task_id = draw.randint(1, 6)
                match draw.randrange(6):
                    case 0:
                        store.claim_task(owner, draw.choice([0.0, 5.0]), oldest)
                    case 1:
                        store.renew_lease(task_id, owner, 1)
                    case 2:
                        store.add_round(task_id, {"round": draw.randint(1, 3)}, owner)
                    case 3:
                        store.finish_task(task_id, owner, TaskStatus.SUCCESS)
                    case 4:
                        store.fail_task(task_id, "why", draw.choice([owner, None]))
                    case 5 if draw.random() < 0.3:
                        with suppress(ConflictError, NotFoundError):
                            store.cancel_task(task_id, "why")
        except BaseException as error:  # noqa: BLE001, shown below
            failures.append(error)

    with store:
        for _ in range(6):
            store.add_task(new_task())
        threads = [Thread(target=act, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert not failures, failures
        for task in store.list_tasks().tasks:
            status = TaskStatus.PENDING
            for event in store.events(task_id=task.id, limit=1000):
                if event.kind == "task_status":
                    following = TaskStatus(event.data["status"])
                    assert can_move(status, following), (task.id, status, following)
                    status = following
                elif event.kind in ("round", "task_resumed"):
                    assert status is TaskStatus.RUNNING, "nothing happens after the end"
            assert task.status is status
        bodies = [json.dumps(message.body) for message in store.take_outbox(limit=1000)]
        assert len(bodies) == sum(
            event.kind in ("task_created", "task_status") for event in store.events(limit=1000)
        )
