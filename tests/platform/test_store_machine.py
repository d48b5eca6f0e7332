"""The store against a model of it: whatever is done in whatever order, both agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from fedloom.errors import ConflictError, NotFoundError
from fedloom.platform.store import Store, open_store
from fedloom.platform.task import NewTask, TaskStatus

OWNERS = st.sampled_from(["ada", "bob"])
FINAL = ("success", "failed", "cancelled")


@dataclass
class Expected:
    """What the model knows of a task, in words of its own."""

    priority: int
    status: str = "pending"
    owner: str | None = None
    until: datetime | None = None
    attempt: int = 0
    rounds: int = 0


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def make_machine(
    store: Store, clock: Clock, new_task: Callable[..., NewTask]
) -> type[RuleBasedStateMachine]:
    class Machine(RuleBasedStateMachine):
        ids = Bundle("ids")

        @initialize()
        def begin(self) -> None:
            store.delete_all_tasks()
            self.tasks: dict[int, Expected] = {}
            self.first_event = store.last_event_id()
            self.histories: dict[int, list[str]] = {}

        def held_by(self, task_id: int, owner: str) -> bool:
            task = self.tasks.get(task_id)
            return task is not None and task.status == "running" and task.owner == owner

        def move(self, task_id: int, status: str) -> None:
            self.tasks[task_id].status = status
            self.histories[task_id].append(status)
            if status in FINAL:
                self.tasks[task_id].owner = self.tasks[task_id].until = None

        def waiting(self) -> list[int]:
            found = [
                (-task.priority, task_id)
                for task_id, task in self.tasks.items()
                if task.status == "pending"
                or (task.status == "running" and task.until is not None and task.until <= clock.now)
            ]
            return [task_id for _, task_id in sorted(found)]

        @rule(target=ids, priority=st.integers(-1, 1))
        def add(self, priority: int) -> int:
            task_id = store.add_task(new_task(priority=priority)).id
            assert task_id not in self.tasks
            self.tasks[task_id] = Expected(priority)
            self.histories[task_id] = []
            return task_id

        @rule(owner=OWNERS, lease_s=st.sampled_from([5, 20]), place=st.integers(0, 5))
        def claim(self, owner: str, lease_s: int, place: int) -> None:
            waiting = self.waiting()
            got = store.claim_task(owner, lease_s, lambda tasks: tasks[place % len(tasks)].id)
            if not waiting:
                assert got is None
                return
            assert got is not None
            assert got.id == waiting[place % len(waiting)]
            task = self.tasks[got.id]
            if task.status == "pending":
                self.move(got.id, "running")
            task.owner, task.until = owner, clock.now + timedelta(seconds=lease_s)
            task.attempt += 1

        @rule(task_id=ids, owner=OWNERS, lease_s=st.sampled_from([5, 20]))
        def renew(self, task_id: int, owner: str, lease_s: int) -> None:
            held = self.held_by(task_id, owner)
            assert store.renew_lease(task_id, owner, lease_s) == held
            if held:
                self.tasks[task_id].until = clock.now + timedelta(seconds=lease_s)

        @rule(task_id=ids, owner=OWNERS)
        def release(self, task_id: int, owner: str) -> None:
            held = self.held_by(task_id, owner)
            assert store.release_lease(task_id, owner) == held
            if held:
                self.tasks[task_id].until = clock.now

        @rule(task_id=ids, owner=OWNERS, status=st.sampled_from(FINAL))
        def finish(self, task_id: int, owner: str, status: str) -> None:
            held = self.held_by(task_id, owner)
            assert store.finish_task(task_id, owner, TaskStatus(status), "why") == held
            if held:
                self.move(task_id, status)

        @rule(task_id=ids, owner=st.none() | OWNERS)
        def fail(self, task_id: int, owner: str | None) -> None:
            task = self.tasks.get(task_id)
            waits = task is not None and task.status == "pending"
            allowed = waits if owner is None else self.held_by(task_id, owner)
            assert store.fail_task(task_id, "why", owner) == allowed
            if allowed:
                self.move(task_id, "failed")

        @rule(task_id=ids)
        def cancel(self, task_id: int) -> None:
            task = self.tasks.get(task_id)
            if task is None:
                with pytest.raises(NotFoundError):
                    store.cancel_task(task_id, "why")
            elif task.status in ("success", "failed"):
                with pytest.raises(ConflictError):
                    store.cancel_task(task_id, "why")
            else:
                assert store.cancel_task(task_id, "why").status is TaskStatus.CANCELLED
                if task.status != "cancelled":
                    self.move(task_id, "cancelled")

        @rule(task_id=ids, owner=OWNERS, number=st.integers(1, 4))
        def add_round(self, task_id: int, owner: str, number: int) -> None:
            held = self.held_by(task_id, owner)
            assert store.add_round(task_id, {"round": number}, owner) == held
            if held:
                self.tasks[task_id].rounds = number

        @rule(task_id=consumes(ids))
        def delete(self, task_id: int) -> None:
            task = self.tasks.get(task_id)
            assert task is not None
            if task.status in FINAL:
                store.delete_task(task_id)
                del self.tasks[task_id]
            else:
                with pytest.raises(ConflictError):
                    store.delete_task(task_id)

        @rule(seconds=st.sampled_from([1, 5, 20]))
        def wait(self, seconds: int) -> None:
            clock.now += timedelta(seconds=seconds)

        @invariant()
        def both_agree(self) -> None:
            page = store.list_tasks(limit=1000)
            seen: dict[int, Any] = {
                task.id: (
                    str(task.status),
                    task.lease_owner,
                    task.lease_until,
                    task.attempt,
                    task.rounds_done,
                    task.finished_at is not None,
                )
                for task in page.tasks
            }
            assert page.total == len(self.tasks)
            assert seen == {
                task_id: (
                    task.status,
                    task.owner,
                    task.until,
                    task.attempt,
                    task.rounds,
                    task.status in FINAL,
                )
                for task_id, task in self.tasks.items()
            }
            assert [task.id for task in store.claimable_tasks()] == self.waiting()

        def teardown(self) -> None:
            told: dict[int, list[str]] = {task_id: [] for task_id in self.histories}
            last = self.first_event
            for event in store.events(self.first_event, limit=1000):
                assert event.id > last
                last = event.id
                if event.kind == "task_status" and event.task_id is not None:
                    told[event.task_id].append(event.data["status"])
            assert told == self.histories

    return Machine


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 40), ("postgresql", 12)])
def test_the_store_does_what_its_model_does(
    kind: str, examples: int, request: pytest.FixtureRequest, new_task: Callable[..., NewTask]
) -> None:
    clock = Clock()
    with open_store(request.getfixturevalue(f"{kind}_url"), clock=clock) as store:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            make_machine(store, clock, new_task),
            settings=settings(
                max_examples=examples,
                stateful_step_count=25,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
