"""What every store does, whatever it is built on."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Protocol

import numpy as np
import pytest

from fedloom.errors import ConflictError, InputError, NotFoundError
from fedloom.platform.store import EventKind, Store, open_store
from fedloom.platform.task import NewTask, Queue, Task, TaskResult, TaskStatus

NewTaskMaker = Callable[..., NewTask]
HUGE = 2**70


class Clock(Protocol):
    now: datetime

    def advance(self, seconds: float) -> None: ...


def claim(store: Store, owner: str = "me") -> Task:
    task = store.claim_task(owner, 10, lambda tasks: tasks[0].id)
    assert task is not None
    return task


def statuses(store: Store, task_id: int) -> list[str]:
    """Return how a task's status moved, as its events tell it."""
    return [
        event.data["status"]
        for event in store.events(task_id=task_id, limit=1000)
        if event.kind is EventKind.TASK_STATUS
    ]


# Tasks


def test_a_task_comes_back_as_it_was_asked_for(
    store: Store, new_task: NewTaskMaker, clock: Clock
) -> None:
    asked = new_task(
        use_case="ïris 花",
        algorithm="FedProx",
        algorithm_params={"proximal_mu": 0.1},
        cohort=0.5,
        local={"epochs": 2},
        validate=False,
        deadline=datetime(2031, 1, 1, tzinfo=UTC),
        priority=3,
    )
    added = store.add_task(asked)
    assert store.get_task(added.id) == added
    assert {name: value for name, value in added.given().items() if name in asked.given()} == (
        asked.given()
    )
    assert (added.id, added.status, added.created_at) == (1, TaskStatus.PENDING, clock.now)
    assert added.created_at.utcoffset() == timedelta(0)
    assert (added.started_at, added.finished_at, added.attempt, added.rounds_done) == (
        None,
        None,
        0,
        0,
    )


def test_a_whole_plan_is_kept(store: Store, new_task: NewTaskMaker) -> None:
    plan = {"rounds": 3, "package": "iris", "nested": {"a": [1, 2.5, None, "ü"]}}
    task = store.add_task(new_task(plan=plan))
    assert store.get_task(task.id).plan == plan


def test_a_deadline_that_has_passed_is_refused(
    store: Store, new_task: NewTaskMaker, clock: Clock
) -> None:
    with pytest.raises(InputError, match=r"deadline .* has passed"):
        store.add_task(new_task(deadline=clock.now))
    assert store.list_tasks().total == 0


@pytest.mark.parametrize("task_id", [0, -1, 1, HUGE])
def test_an_unknown_number_is_said_to_be_unknown(store: Store, task_id: int) -> None:
    for ask in (store.get_task, store.delete_task):
        with pytest.raises(NotFoundError, match=f"no task {task_id}"):
            ask(task_id)
    with pytest.raises(NotFoundError, match=f"no task {task_id}"):
        store.cancel_task(task_id, "why")
    with pytest.raises(NotFoundError, match=f"no task {task_id}"):
        store.add_log(task_id, "node", "hello")
    assert not store.renew_lease(task_id, "me", 10)
    assert not store.fail_task(task_id, "why")
    assert not store.finish_task(task_id, "me", TaskStatus.SUCCESS)
    assert not store.add_round(task_id, {"round": 1})
    assert (store.rounds(task_id), store.clients(task_id), store.logs(task_id)) == ([], [], [])
    assert store.events(task_id=task_id) == []
    assert store.last_event_id() == 0, "a late message changes nothing"


def test_tasks_are_listed_newest_first_in_pages(store: Store, new_task: NewTaskMaker) -> None:
    for number in range(5):
        store.add_task(new_task(user_id=f"user{number % 2}", use_case="a" if number else "b"))
    page = store.list_tasks(limit=2)
    assert ([task.id for task in page.tasks], page.total) == ([5, 4], 5)
    assert [task.id for task in store.list_tasks(limit=2, offset=4).tasks] == [1]
    assert store.list_tasks(offset=5).tasks == []
    of_user = store.list_tasks(user_id="user0")
    assert ([task.id for task in of_user.tasks], of_user.total) == ([5, 3, 1], 3)
    assert [task.id for task in store.list_tasks(user_id="user0", use_case="b").tasks] == [1]
    store.cancel_task(2, "")
    assert [task.id for task in store.list_tasks(status=TaskStatus.CANCELLED).tasks] == [2]
    assert store.list_tasks(model_name="iris_model").total == 5
    assert store.list_tasks(model_name="other").total == 0


@pytest.mark.parametrize("odd", ["\x00", "\ud800", "' OR 1=1 --", ""])
def test_a_filter_that_fits_nothing_finds_nothing(
    store: Store, new_task: NewTaskMaker, odd: str
) -> None:
    store.add_task(new_task())
    assert store.list_tasks(user_id=odd).total == 0
    assert store.tokens(odd) == []
    with pytest.raises(NotFoundError):
        store.get_node(odd)
    with pytest.raises(NotFoundError):
        store.remove_node(odd)


@pytest.mark.parametrize(("limit", "offset"), [(0, 0), (1001, 0), (1, -1), (1, HUGE)])
def test_a_page_that_nobody_can_want_is_refused(store: Store, limit: int, offset: int) -> None:
    with pytest.raises(InputError, match=r"(limit|offset) is"):
        store.list_tasks(limit=limit, offset=offset)


def test_cancelling_is_final_and_repeatable(store: Store, new_task: NewTaskMaker) -> None:
    store.add_task(new_task())
    cancelled = store.cancel_task(1, "not needed")
    assert (cancelled.status, cancelled.reason) == (TaskStatus.CANCELLED, "not needed")
    assert cancelled.finished_at is not None
    assert store.cancel_task(1, "again") == cancelled
    assert statuses(store, 1) == ["cancelled"]
    assert store.claim_task("me", 10, lambda tasks: tasks[0].id) is None


def test_a_late_success_does_not_overwrite_cancelled(store: Store, new_task: NewTaskMaker) -> None:
    store.add_task(new_task())
    claim(store)
    assert store.renew_lease(1, "me", 10)
    store.cancel_task(1, "stop")
    assert not store.renew_lease(1, "me", 10), "so the coordinator learns it"
    assert not store.add_round(1, {"round": 1}, "me")
    assert not store.finish_task(1, "me", TaskStatus.SUCCESS)
    assert store.get_task(1).status is TaskStatus.CANCELLED
    assert statuses(store, 1) == ["running", "cancelled"]


def test_a_task_that_ended_cannot_be_cancelled(store: Store, new_task: NewTaskMaker) -> None:
    store.add_task(new_task())
    claim(store)
    assert store.finish_task(1, "me", TaskStatus.SUCCESS)
    with pytest.raises(ConflictError, match="task 1 is success, so it cannot become cancelled"):
        store.cancel_task(1, "late")


def test_only_a_task_that_ended_can_be_deleted(store: Store, new_task: NewTaskMaker) -> None:
    store.add_task(new_task())
    with pytest.raises(ConflictError, match="task 1 is pending: cancel it first"):
        store.delete_task(1)
    claim(store)
    store.add_round(1, {"round": 1})
    store.add_client_rows(1, [{"round": 1, "client_id": "a"}])
    store.add_log(1, "node", "text")
    with pytest.raises(ConflictError, match="is running"):
        store.delete_task(1)
    store.cancel_task(1, "")
    store.delete_task(1)
    with pytest.raises(NotFoundError):
        store.get_task(1)
    assert (store.rounds(1), store.clients(1), store.logs(1)) == ([], [], [])
    assert store.events(task_id=1)[-1].kind is EventKind.TASK_DELETED
    assert store.add_task(new_task()).id == 2, "numbers are not used again"


def test_all_tasks_can_be_deleted_also_while_they_run(store: Store, new_task: NewTaskMaker) -> None:
    assert store.delete_all_tasks() == 0
    for _ in range(3):
        store.add_task(new_task())
    claim(store)
    assert store.delete_all_tasks() == 3
    assert not store.renew_lease(1, "me", 10)
    assert store.list_tasks().total == 0
    assert store.events(limit=1000)[-1].data == {"count": 3}
    assert store.add_task(new_task()).id == 4


# How a task ends


def test_a_finished_task_says_when_why_and_what_it_left(
    store: Store, new_task: NewTaskMaker, clock: Clock
) -> None:
    store.add_task(new_task())
    clock.advance(1)
    claim(store)
    clock.advance(2)
    left = TaskResult(model="trained_iris", version=2, records="runs/1", metrics={"score": 0.9})
    assert store.finish_task(1, "me", TaskStatus.SUCCESS, result=left)
    task = store.get_task(1)
    assert task.started_at == task.created_at + timedelta(seconds=1)
    assert task.finished_at == task.created_at + timedelta(seconds=3)
    assert (task.result_model, task.result_version, task.records, task.metrics) == (
        "trained_iris",
        2,
        "runs/1",
        {"score": 0.9},
    )
    assert (task.lease_owner, task.lease_until) == (None, None)


def test_a_failure_needs_a_reason_which_any_database_takes(
    store: Store, new_task: NewTaskMaker
) -> None:
    store.add_task(new_task())
    claim(store)
    with pytest.raises(ValueError, match="failed with reason"):
        store.finish_task(1, "me", TaskStatus.FAILED)
    with pytest.raises(ValueError, match="cannot end as running"):
        store.finish_task(1, "me", TaskStatus.RUNNING)
    assert store.fail_task(1, "node\x00 \ud800 said: " + "x" * 5000, owner="me")
    reason = store.get_task(1).reason
    assert reason is not None
    assert reason.startswith("node� ? said: xxx")
    assert len(reason) == 2000


def test_anybody_may_fail_a_waiting_task_and_only_its_owner_a_running_one(
    store: Store, new_task: NewTaskMaker
) -> None:
    for _ in range(2):
        store.add_task(new_task())
    assert store.fail_task(1, "no such model")
    assert not store.fail_task(1, "again")
    claim(store)
    assert not store.fail_task(2, "not mine")
    assert not store.fail_task(2, "not mine", owner="you")
    assert store.fail_task(2, "mine", owner="me")
    assert [store.get_task(number).reason for number in (1, 2)] == ["no such model", "mine"]


# Progress


def test_rounds_and_clients_come_back_in_order(store: Store, new_task: NewTaskMaker) -> None:
    store.add_task(new_task())
    claim(store)
    for number in (1, 2):
        rows = [{"round": number, "client_id": name, "loss": 0.5} for name in ("b", "a")]
        assert store.add_client_rows(1, rows, "me")
        assert store.add_round(1, {"round": number, "score": number / 2}, "me")
    assert store.rounds(1) == [{"round": 1, "score": 0.5}, {"round": 2, "score": 1.0}]
    assert store.rounds(1, after=1) == [{"round": 2, "score": 1.0}]
    assert [(row["round"], row["client_id"]) for row in store.clients(1)] == [
        (1, "a"),
        (1, "b"),
        (2, "a"),
        (2, "b"),
    ]
    assert [row["client_id"] for row in store.clients(1, 2)] == ["a", "b"]
    assert [row["round"] for row in store.clients(1, client_id="b")] == [1, 2]
    assert store.get_task(1).rounds_done == 2


def test_numbers_come_back_as_json_has_them(store: Store, new_task: NewTaskMaker) -> None:
    store.add_task(new_task())
    claim(store)
    row = {
        "round": np.int64(1),
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "array": np.array([1.5, np.nan]),
        "when": datetime(2030, 1, 1, tzinfo=UTC),
        "status": TaskStatus.FAILED,
        "set": {2, 1},
        "odd": "\x00\ud800",
    }
    store.add_round(1, row)
    (back,) = store.rounds(1)
    assert back == {
        "round": 1,
        "nan": None,
        "inf": None,
        "array": [1.5, None],
        "when": "2030-01-01T00:00:00+00:00",
        "status": "failed",
        "set": [1, 2],
        "odd": "\x00\ud800",
    }
    with pytest.raises(TypeError, match="JSON has nothing for"):
        store.add_round(1, {"round": 2, "odd": object()})


def test_a_repeated_round_takes_the_place_of_the_first(
    store: Store, new_task: NewTaskMaker
) -> None:
    store.add_task(new_task())
    claim(store)
    for number in (1, 2, 3):
        store.add_client_rows(1, [{"round": number, "client_id": "a", "loss": 1}])
        store.add_round(1, {"round": number, "loss": 1})
    assert store.cut_rounds(1, after=1, owner="me")
    assert (store.rounds(1), store.get_task(1).rounds_done) == ([{"round": 1, "loss": 1}], 1)
    assert store.clients(1) == [{"round": 1, "client_id": "a", "loss": 1}]
    store.add_round(1, {"round": 2, "loss": 2})
    store.add_round(1, {"round": 2, "loss": 3})
    store.add_client_rows(1, [{"round": 1, "client_id": "a", "loss": 4}])
    assert [row["loss"] for row in store.rounds(1)] == [1, 3]
    assert [row["loss"] for row in store.clients(1)] == [4]


def test_who_has_no_lease_writes_nothing(store: Store, new_task: NewTaskMaker) -> None:
    store.add_task(new_task())
    row = {"round": 1, "client_id": "a"}
    assert not store.add_round(1, row), "it does not run yet"
    claim(store)
    before = store.last_event_id()
    assert not store.add_round(1, row, "you")
    assert not store.add_client_rows(1, [row], "you")
    assert not store.cut_rounds(1, 0, "you")
    assert (store.rounds(1), store.clients(1), store.last_event_id()) == ([], [], before)


@pytest.mark.parametrize("number", [0, -1, HUGE])
def test_rounds_count_from_one(store: Store, new_task: NewTaskMaker, number: int) -> None:
    with pytest.raises(ValueError, match="counts from 1"):
        store.add_round(1, {"round": number})


# Logs and events


def test_logs_are_read_on_from_where_one_was(store: Store, new_task: NewTaskMaker) -> None:
    for _ in range(2):
        store.add_task(new_task())
    numbers = [store.add_log(1, "node-a", f"line {n}") for n in range(3)]
    store.add_log(2, "node-a", "of another task")
    assert [log.text for log in store.logs(1)] == ["line 0", "line 1", "line 2"]
    assert [log.text for log in store.logs(1, after=numbers[0], limit=1)] == ["line 1"]
    store.add_log(1, "node\x00", "z" * 100_000 + "\x00")
    last = store.logs(1)[-1]
    assert (last.source, len(last.text), last.text[-1]) == ("node�", 65_536, "…")


def test_every_change_leaves_one_event(store: Store, new_task: NewTaskMaker, clock: Clock) -> None:
    store.add_task(new_task())
    claim(store)
    store.renew_lease(1, "me", 10)
    store.add_client_rows(1, [{"round": 1, "client_id": "a"}, {"round": 1, "client_id": "b"}])
    store.add_round(1, {"round": 1, "score": 0.5})
    store.cut_rounds(1, 0)
    number = store.add_log(1, "node", "text")
    clock.advance(11)
    claim(store, "you")
    store.finish_task(1, "you", TaskStatus.FAILED, "why")
    found = store.events()
    assert [(event.kind, dict(event.data)) for event in found] == [
        (
            EventKind.TASK_CREATED,
            {
                "user_id": "ada",
                "use_case": "iris",
                "model_name": "iris_model",
                "model_version": 1,
            },
        ),
        (EventKind.TASK_STATUS, {"status": "running", "reason": None, "attempt": 1}),
        (EventKind.CLIENTS, {"round": 1, "count": 2}),
        (EventKind.ROUND, {"round": 1, "score": 0.5}),
        (EventKind.ROUNDS_CUT, {"after": 0}),
        (EventKind.LOG, {"id": number, "source": "node"}),
        (EventKind.TASK_RESUMED, {"attempt": 2, "rounds_done": 0}),
        (EventKind.TASK_STATUS, {"status": "failed", "reason": "why", "attempt": 2}),
    ]
    assert all(before.id < after.id for before, after in pairwise(found))
    assert {event.task_id for event in found} == {1}
    assert found[-1].at == clock.now
    assert store.last_event_id() == found[-1].id


def test_events_are_read_on_from_where_one_was(store: Store, new_task: NewTaskMaker) -> None:
    for _ in range(3):
        store.add_task(new_task())
    first = store.events(limit=2)
    assert [event.task_id for event in first] == [1, 2]
    assert [event.task_id for event in store.events(first[-1].id)] == [3]
    assert [event.task_id for event in store.events(task_id=2)] == [2]
    assert store.events(HUGE) == []
    assert len(store.events(-5)) == 3


# Messages


def test_messages_are_the_originals(store: Store, new_task: NewTaskMaker) -> None:
    store.add_task(new_task())
    claim(store)
    store.finish_task(1, "me", TaskStatus.SUCCESS)
    dispatch, running, success = store.take_outbox()
    assert dispatch.queue is Queue.DISPATCH
    assert json.loads(dispatch.body) == {
        "user_id": "ada",
        "use_case": "iris",
        "model_name": "iris_model",
        "model_version": 1,
        "num_global_iterations": 3,
        "run_name": "first",
        "experiment_name": "Default",
        "id": 1,
        "status": "pending",
        "created_at": "2030-01-01T12:00:00Z",
    }
    assert [(m.queue, m.body) for m in (running, success)] == [
        (Queue.STATUS, "Task 1 running"),
        (Queue.STATUS, "Task 1 success"),
    ]


def test_a_message_is_sent_by_one_and_again_if_its_sender_is_lost(
    store: Store, new_task: NewTaskMaker, clock: Clock
) -> None:
    for _ in range(3):
        store.add_task(new_task())
    first = store.take_outbox(limit=2, lease_s=30)
    assert [message.id for message in store.take_outbox()] == [3]
    assert store.take_outbox() == []
    store.mark_sent([first[0].id])
    store.release_outbox([3])
    assert [message.id for message in store.take_outbox()] == [3]
    clock.advance(31)
    assert [message.id for message in store.take_outbox()] == [2, 3]
    store.mark_sent([2, 3])
    clock.advance(31)
    assert store.take_outbox() == []


def test_a_change_that_fails_leaves_no_event_and_no_message(
    store: Store, new_task: NewTaskMaker
) -> None:
    store.add_task(new_task())
    claim(store)
    store.finish_task(1, "me", TaskStatus.SUCCESS)
    before = store.last_event_id()
    store.mark_sent([message.id for message in store.take_outbox()])
    with pytest.raises(ConflictError):
        store.cancel_task(1, "late")
    assert (store.last_event_id(), store.take_outbox()) == (before, [])


# Nodes


def test_a_node_is_written_down_as_it_last_reported(store: Store, clock: Clock) -> None:
    first = store.upsert_node("b", public_key="k1", use_cases=["iris"], versions={"fedloom": "1"})
    clock.advance(5)
    again = store.upsert_node("b", public_key="k1", use_cases=["iris"], versions={"fedloom": "1"})
    assert again.last_seen - first.first_seen == timedelta(seconds=5)
    assert store.get_node("b") == again
    store.upsert_node("b", public_key="k1", use_cases=["x", "iris"], attributes={"gpu": True})
    store.upsert_node("a", public_key="k2", last_seen=clock.now - timedelta(hours=1))
    assert [(node.name, node.use_cases) for node in store.nodes()] == [
        ("a", []),
        ("b", ["iris", "x"]),
    ]
    told = [event.data["name"] for event in store.events() if event.kind is EventKind.NODE]
    assert told == ["b", "b", "a"], "a mere sign of life is no event"


def test_an_older_report_does_not_turn_the_time_back(store: Store, clock: Clock) -> None:
    store.upsert_node("a", public_key="k")
    late = store.upsert_node("a", public_key="k", last_seen=clock.now - timedelta(minutes=1))
    assert late.last_seen == clock.now


def test_another_key_under_a_nodes_name_is_refused(store: Store) -> None:
    store.upsert_node("a", public_key="k1", use_cases=["iris"])
    with pytest.raises(ConflictError, match="'a' is registered with another key"):
        store.upsert_node("a", public_key="k2", use_cases=["other"])
    assert store.get_node("a").use_cases == ["iris"]
    assert store.upsert_node("a", public_key="k2", replace_key=True).public_key == "k2"
    store.remove_node("a")
    with pytest.raises(NotFoundError, match="no node 'a'"):
        store.remove_node("a")


# Retention


def test_what_is_old_goes_and_what_waits_or_runs_stays(
    store: Store, new_task: NewTaskMaker, clock: Clock
) -> None:
    for _ in range(3):
        store.add_task(new_task())
    claim(store)
    store.add_log(1, "node", "text")
    store.finish_task(1, "me", TaskStatus.SUCCESS)
    claim(store)
    clock.advance(100)
    store.cancel_task(3, "")
    counts = store.prune(clock.now - timedelta(seconds=50))
    assert counts == {"tasks": 1, "events": 7, "messages": 6, "tokens": 0}
    assert [task.id for task in store.list_tasks().tasks] == [3, 2]
    assert store.logs(1) == []
    assert store.get_task(2).status is TaskStatus.RUNNING
    assert [event.kind for event in store.events()] == ["task_status", "task_deleted"]


# Opening


def test_what_was_written_is_there_when_it_is_opened_again(
    store: Store, store_url: str, new_task: NewTaskMaker
) -> None:
    task = store.add_task(new_task())
    store.close()
    store.close()
    with open_store(store_url) as again:
        assert again.get_task(task.id) == task
        again.check()


def test_the_largest_cohort_of_each_task_is_found_at_once(
    store: Store, new_task: NewTaskMaker
) -> None:
    assert store.cohorts([]) == {}
    sizes = [[2, 12, 9], [], [3], [None], [5]]
    for number, rounds in enumerate(sizes, 1):
        store.add_task(new_task())
        assert claim(store) is not None
        for position, size in enumerate(rounds, 1):
            assert store.add_round(number, {"round": position, "cohort_size": size})
        store.fail_task(number, "enough", "me")
    assert store.cohorts([1, 2, 3, 4]) == {1: 12, 3: 3, 4: 1}
    assert store.cohorts([99]) == {}
