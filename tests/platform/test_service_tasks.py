"""Tasks as people ask for them: checked in every respect before anything is queued."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedloom.errors import ConflictError, FedloomError, InputError, LinkError, NotFoundError
from fedloom.platform.identity import ForbiddenError, Identity, Role
from fedloom.platform.registry import Registry
from fedloom.platform.service import Service, TaskFieldsError
from fedloom.platform.task import TaskStatus

from .api_world import IRIS, ROOT, make_service, push_iris

ADA = Identity("ada", Role.RESEARCHER, 1)
BOB = Identity("bob", Role.RESEARCHER, 2)
EVE = Identity("eve", Role.VIEWER, 3)
OPERATOR = Identity("ops", Role.OPERATOR, 4)


class Woken:
    """Stands in for a publisher: counts how often it is woken."""

    def __init__(self) -> None:
        self.count = 0

    def wake(self) -> None:
        self.count += 1


def test_a_task_is_queued_in_the_askers_name_and_the_publisher_is_woken(
    service: Service,
) -> None:
    woken = service.publisher = Woken()  # type: ignore[assignment]
    task = service.create_task(ADA, IRIS)
    assert (task.id, task.user_id, task.status) == (1, "ada", TaskStatus.PENDING)
    assert (task.use_case, task.model_name, task.model_version) == ("irises", "iris", 1)
    assert woken.count == 1
    assert [event.kind for event in service.events(ADA)] == ["task_created"]


def test_a_plan_starts_from_a_version_that_is_there_or_is_refused(service: Service) -> None:
    plan = {"plan": {"dataset": "digits", "model": "logistic"}}
    assert service.create_task(ADA, plan).model_name == "logistic"
    gone = plan | {"model_name": "trained_logistic", "model_version": 7}
    with pytest.raises(NotFoundError, match="trained_logistic"):
        service.create_task(ADA, gone)


@pytest.mark.parametrize(
    ("changes", "kind", "word"),
    [
        ({"model_version": 0}, TaskFieldsError, "model_version"),
        ({"num_global_iterations": -5}, TaskFieldsError, "num_global_iterations"),
        ({"run_name": ""}, TaskFieldsError, "run_name"),
        ({"use_case": " x"}, TaskFieldsError, "use_case"),
        ({"colour": "red"}, TaskFieldsError, "colour"),
        ({"algorithm": "FedMagic"}, TaskFieldsError, "FedMagic"),
        ({"algorithm_params": {"tau": 1.0}}, TaskFieldsError, "tau"),
        ({"algorithm": "FedAdam", "algorithm_params": {"tau": -1.0}}, InputError, "tau"),
        ({"algorithm": "FedProx"}, InputError, "FedProx"),
        ({"algorithm": "Scaffold"}, InputError, "gradient"),
        ({"algorithm": "Krum", "cohort": 4}, InputError, "cohort"),
        ({"cohort": 2, "quorum": 3}, InputError, "quorum"),
        ({"cohort": 2, "min_clients": 4, "quorum": 3}, InputError, "a round has 2 clients"),
        ({"deadline": "2001-01-01T00:00:00Z"}, InputError, "passed"),
        ({"model_name": "irsi"}, NotFoundError, "iris"),
        ({"model_version": 9}, NotFoundError, "version 9"),
        ({"use_case": "roses"}, InputError, "irises"),
    ],
)
def test_what_no_node_could_train_is_refused_and_nothing_is_queued(
    service: Service, changes: dict[str, Any], kind: type[FedloomError], word: str
) -> None:
    with pytest.raises(kind, match=word):
        service.create_task(ADA, IRIS | changes)
    assert service.list_tasks(ADA).total == 0
    assert service.store.take_outbox() == []


def test_a_quorum_that_no_round_of_a_plan_could_reach_is_refused(service: Service) -> None:
    plan = {"dataset": "iris", "model": "mlp", "rounds": 2, "clients": 4, "cohort": 2}
    with pytest.raises(TaskFieldsError, match="a round has 2 clients") as refused:
        service.create_task(ADA, {"plan": plan, "quorum": 3})
    assert refused.value.faults[0].location == ("quorum",)
    assert service.list_tasks(ADA).total == 0
    assert service.create_task(ADA, {"plan": plan, "quorum": 2}).quorum == 2


@pytest.mark.parametrize("field", ["cohort", "quorum"])
@pytest.mark.parametrize("value", [0, 1.0, 1.5, -0.5, True, "many", "2", [2], 10**7])
def test_what_is_no_number_of_clients_is_said_in_one_plain_sentence(
    service: Service, field: str, value: Any
) -> None:
    with pytest.raises(TaskFieldsError) as refused:
        service.create_task(ADA, IRIS | {field: value})
    (fault,) = refused.value.faults
    assert fault.location == (field,)
    assert fault.message == (
        "must be a number of clients, from 1 to 1,000,000, or a share of them, above 0 and below 1"
    )


def test_all_fields_that_are_wrong_are_told_at_once(service: Service) -> None:
    with pytest.raises(TaskFieldsError) as refused:
        service.create_task(ADA, {"use_case": "irises", "model_version": 0})
    places = {fault.location[0] for fault in refused.value.faults}
    assert places == {
        "model_name",
        "model_version",
        "num_global_iterations",
        "run_name",
        "experiment_name",
    }


def test_everything_that_a_task_may_say_is_kept(service: Service) -> None:
    deadline = datetime.now(UTC) + timedelta(hours=1)
    said = {
        "algorithm": "fed-adam",
        "algorithm_params": {"tau": 0.01},
        "cohort": 0.5,
        "local": {"epochs": 2},
        "validate": False,
        "seed": 7,
        "deadline": deadline.isoformat(),
        "priority": 3,
    }
    task = service.get_task(EVE, service.create_task(ADA, IRIS | said).id)
    assert task.algorithm == "FedAdam"
    assert task.local is not None
    assert task.local.epochs == 2
    assert (task.cohort, task.validates, task.seed, task.priority) == (0.5, False, 7, 3)
    assert task.deadline == deadline


def test_a_version_without_train_or_of_another_program_is_refused(
    service: Service, iris_registry: Registry, tmp_path: Path
) -> None:
    client = iris_registry.client()
    client.create_registered_model("foreign")
    client.create_model_version("foreign", str(tmp_path))
    with pytest.raises(InputError, match="not put in by Fedloom"):
        service.create_task(ADA, IRIS | {"model_name": "foreign"})


def test_a_version_for_all_use_cases_takes_any(
    service: Service, iris_registry: Registry, tmp_path: Path
) -> None:
    push_iris(iris_registry, tmp_path, "for-all", use_case=None)
    task = service.create_task(ADA, IRIS | {"model_name": "for-all", "use_case": "roses"})
    assert task.use_case == "roses"


# Plans


def test_a_plan_says_what_need_not_be_said_again(service: Service) -> None:
    plan = {"dataset": "digits", "model": "mlp", "rounds": 7, "algorithm": "FedProx"}
    task = service.create_task(ADA, {"plan": plan})
    assert (task.use_case, task.model_name, task.model_version) == ("digits", "mlp", 1)
    assert (task.num_global_iterations, task.experiment_name) == (7, "Default")
    assert task.plan == plan


def test_what_is_said_beside_a_plan_counts(service: Service) -> None:
    task = service.create_task(ADA, {"plan": {"rounds": 2}, "use_case": "wards", "run_name": "r"})
    assert (task.use_case, task.run_name, task.num_global_iterations) == ("wards", "r", 2)


def test_places_on_the_machine_that_simulated_are_left_out(service: Service) -> None:
    plan = {"rounds": 2, "output": "mine", "output_dir": "/x", "data_dir": "/y"}
    assert service.create_task(ADA, {"plan": plan}).plan == {"rounds": 2}


@pytest.mark.parametrize(
    ("plan", "word"),
    [
        ({"rounds": 0}, "rounds"),
        ({"rouns": 3}, "rouns"),
        ({"package": "/srv/secret"}, "package"),
        ({"model": "/srv/model.py:build"}, "model"),
        ({"dataset": "csv:/etc/passwd"}, "dataset"),
        ({"dataset": "npz:x.npz"}, "dataset"),
        ({"algorithm": "Scaffold", "optimizer": "adam"}, "Scaffold"),
        ({"algorithm": "Krum", "cohort": 4}, "cohort"),
    ],
)
def test_a_plan_that_nodes_cannot_train_is_refused(
    service: Service, plan: dict[str, Any], word: str
) -> None:
    with pytest.raises(InputError, match=word):
        service.create_task(ADA, {"plan": plan})
    assert service.list_tasks(ADA).total == 0


# Who may


def test_a_viewer_may_not_ask_and_a_researcher_not_in_anothers_name(service: Service) -> None:
    with pytest.raises(ForbiddenError):
        service.create_task(EVE, IRIS)
    with pytest.raises(ForbiddenError, match="bob"):
        service.create_task(ADA, IRIS | {"user_id": "bob"})
    assert service.create_task(OPERATOR, IRIS | {"user_id": "bob"}).user_id == "bob"


def test_only_ones_own_tasks_can_be_cancelled_but_by_operators(service: Service) -> None:
    task = service.create_task(ADA, IRIS)
    with pytest.raises(ForbiddenError, match="ada"):
        service.cancel_task(BOB, task.id)
    assert service.cancel_task(ADA, task.id).status is TaskStatus.CANCELLED
    assert service.cancel_task(OPERATOR, task.id).reason == "cancelled by ada"
    other = service.create_task(ADA, IRIS)
    assert service.cancel_task(OPERATOR, other.id).reason == "cancelled by ops"


def test_a_task_is_deleted_when_it_has_ended_and_all_of_them_by_admins(service: Service) -> None:
    first, second = (service.create_task(ADA, IRIS).id for _ in range(2))
    with pytest.raises(ConflictError, match="cancel it first"):
        service.delete_task(OPERATOR, first)
    service.cancel_task(ADA, first)
    with pytest.raises(ForbiddenError):
        service.delete_task(ADA, first)
    service.delete_task(OPERATOR, first)
    with pytest.raises(NotFoundError):
        service.get_task(EVE, first)
    with pytest.raises(ForbiddenError):
        service.delete_all_tasks(OPERATOR)
    assert service.delete_all_tasks(ROOT) == 1
    assert second not in {task.id for task in service.list_tasks(EVE).tasks}


# The registry away, and asked no more than needed


def test_while_the_registry_is_away_nothing_is_queued(
    sqlite_url: str, tmp_path: Path, iris_registry: Registry
) -> None:
    from fedloom.platform.registry import open_registry
    from fedloom.platform.store import open_store

    away = open_registry("http://127.0.0.1:9", cache=tmp_path / "cache")
    with open_store(sqlite_url) as store:
        service = make_service(store, away, tmp_path)
        with pytest.raises(LinkError):
            service.create_task(ADA, IRIS)
        assert service.list_tasks(ADA).total == 0


def test_a_burst_of_tasks_asks_the_registry_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedloom.platform.service import found_versions

    asked: list[int] = []
    real = found_versions.get_version
    monkeypatch.setattr(found_versions, "get_version", lambda *a: (asked.append(a[2]), real(*a))[1])
    clock = [0.0]
    service._versions._clock = lambda: clock[0]
    for _ in range(5):
        service.create_task(ADA, IRIS)
    clock[0] = 1.5
    service.create_task(ADA, IRIS)
    assert asked == [1, 1]


def test_a_deleted_version_takes_no_task_any_more(
    service: Service, iris_registry: Registry, tmp_path: Path
) -> None:
    push_iris(iris_registry, tmp_path, "passing")
    asked = IRIS | {"model_name": "passing"}
    service.create_task(ADA, asked)
    with pytest.raises(ForbiddenError):
        service.delete_version(ADA, "passing", 1)
    service.delete_version(OPERATOR, "passing", 1)
    with pytest.raises(NotFoundError):
        service.create_task(ADA, asked)


def test_weights_and_package_come_back_as_they_went_in(
    service: Service, iris_registry: Registry
) -> None:
    version = service.version(EVE, "iris", 1)
    assert service.package_archive(EVE, "iris", 1) == service.package_by_digest(EVE, version.digest)
    with np.load(service.weights(EVE, "iris", 1)) as weights:
        assert weights["0"].tolist() == [0.0, 1.0, 2.0]
    for digest in ("0" * 64, "x", version.digest[:-1] + "%"):
        with pytest.raises(NotFoundError):
            service.package_by_digest(EVE, digest)
