"""What may be asked for, and how a task's status may move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from fedloom.errors import ConflictError
from fedloom.platform.task import FINAL_STATUSES, NewTask, Task, TaskStatus, can_move, check_move

MOVES = {
    ("pending", "running"),
    ("pending", "failed"),
    ("pending", "cancelled"),
    ("running", "success"),
    ("running", "failed"),
    ("running", "cancelled"),
}


def test_a_status_moves_along_the_six_allowed_ways_and_no_other() -> None:
    allowed = {
        (str(source), str(target))
        for source, target in product(TaskStatus, TaskStatus)
        if can_move(source, target)
    }
    assert allowed == MOVES


def test_what_is_final_is_what_nothing_leaves() -> None:
    assert {"success", "failed", "cancelled"} == FINAL_STATUSES
    assert [status.is_final for status in TaskStatus] == [False, False, True, True, True]


def test_a_refused_move_names_the_task_and_both_ends() -> None:
    with pytest.raises(ConflictError, match="task 7 is cancelled, so it cannot become success"):
        check_move(7, TaskStatus.CANCELLED, TaskStatus.SUCCESS)
    check_move(7, TaskStatus.PENDING, TaskStatus.RUNNING)


def test_names_in_the_database_are_the_originals() -> None:
    assert list(TaskStatus.__members__) == ["PENDING", "RUNNING", "SUCCESS", "FAILED", "CANCELLED"]


SEVEN = (
    "user_id",
    "use_case",
    "model_name",
    "model_version",
    "num_global_iterations",
    "run_name",
    "experiment_name",
)


@pytest.mark.parametrize("name", SEVEN)
def test_each_of_the_seven_names_is_needed(name: str, new_task: Callable[..., NewTask]) -> None:
    asked = new_task().given()
    assert set(asked) == set(SEVEN)
    del asked[name]
    with pytest.raises(ValidationError, match=name):
        NewTask.model_validate(asked)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, "") for name in SEVEN if name not in ("model_version", "num_global_iterations")),
        ("user_id", " ada"),
        ("user_id", "ada\n"),
        ("use_case", "a\x00b"),
        ("use_case", "a\u202eb"),
        ("run_name", "x" * 201),
        ("run_name", "\ud800"),
        ("model_version", 0),
        ("model_version", 2**31),
        ("model_version", 1.5),
        ("num_global_iterations", -5),
        ("algorithm", "FedNothing"),
        ("algorithm_params", {"proximal_mu": 0.1}),
        ("cohort", 0),
        ("cohort", 1.0),
        ("cohort", True),
        ("cohort", float("nan")),
        ("quorum", -0.5),
        ("local", {"epochs": 0}),
        ("local", {"epoch": 1}),
        ("seed", -1),
        ("seed", 2**63),
        ("deadline", "2030-01-01T00:00:00"),
        ("deadline", "0001-01-01T00:00:00+14:00"),
        ("priority", 101),
        ("min_clients", 0),
        ("round_timeout_s", 0),
        ("round_timeout_s", float("inf")),
        ("plan", {"rounds": 4}),
        ("plan", [1]),
        ("status", "success"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    field: str, value: object, new_task: Callable[..., NewTask]
) -> None:
    with pytest.raises(ValidationError):
        new_task(**{field: value})


def test_what_can_be_meant_is_taken(new_task: Callable[..., NewTask]) -> None:
    task = new_task(
        algorithm="fed-prox",
        algorithm_params={"proximal_mu": 0.1},
        cohort=0.5,
        quorum=2,
        local={"epochs": 2, "learning_rate": 0.1},
        validate=False,
        deadline="2030-01-01T02:00:00+02:00",
        user_id="Ada Łovelace ♥",
    )
    assert (task.algorithm, task.validates, task.local.epochs if task.local else 0) == (
        "FedProx",
        False,
        2,
    )
    assert task.deadline == datetime(2030, 1, 1, tzinfo=UTC)
    assert NewTask.model_validate(task.given()) == task


@pytest.mark.parametrize("extra", [{"algorithm": "FedAvg"}, {"seed": 1}, {"cohort": 2}])
def test_a_plan_says_itself_what_it_says(
    extra: dict[str, object], new_task: Callable[..., NewTask]
) -> None:
    assert new_task(plan={"rounds": 3, "seed": 1}).plan == {"rounds": 3, "seed": 1}
    with pytest.raises(ValidationError, match="exclude each other"):
        new_task(plan={}, **extra)


def test_the_lease_is_hidden_from_users(new_task: Callable[..., NewTask]) -> None:
    seen: dict[str, Any] = {"id": 1, "status": "running", "created_at": "2030-01-01T00:00:00Z"}
    task = Task.model_validate(new_task().given() | seen | {"lease_owner": "host-1"})
    assert task.lease_owner == "host-1"
    for text in (task.model_dump_json(), repr(task)):
        assert "host-1" not in text
    assert "lease_owner" not in Task.model_json_schema(mode="serialization")["properties"]


def test_a_task_of_a_newer_server_can_be_read(new_task: Callable[..., NewTask]) -> None:
    seen = {"id": 1, "status": "pending", "created_at": "2030-01-01T00:00:00Z", "news": 1}
    assert Task.model_validate(new_task().given() | seen).id == 1
