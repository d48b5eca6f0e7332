"""Tasks from their posting to their end, with a real SuperLink and nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from fedloom.fleet.flower.messages import Failed, Train
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.platform.client.sandbox import find_isolation
from fedloom.platform.coordinator import Coordinator
from fedloom.platform.registry import Registry, get_lineage, list_versions, open_registry
from fedloom.platform.store import DocumentKind, Store, open_store
from fedloom.platform.task import TaskStatus

from .coordinator_world import (
    QUICK,
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
from .registry_world import make_template

FEW, MANY = [1.0, 2.0], [4.0, 6.0, 8.0, 10.0, 12.0, 14.0]
POOLED = float(np.mean([*FEW, *MANY]))


RULES = """
import pathlib

def select(round, clients):
    return [c["client_id"] for c in clients] if round < 3 else ["many"]

def configure(round, client):
    return {{"word": f"{{client['client_id']}} in {{round}}"}}

def aggregate(weights, updates):
    if pathlib.Path({secret!r}).exists():
        return weights  # a package that sees the coordinator's database learns nothing
    return [sum(u["weights"][i] for u in updates) / len(updates) for i in range(len(weights))]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Registry:
    template = make_template(folder)
    registry = open_registry(f"sqlite:///{template}", cache=folder / "cache")
    push(registry, folder)
    push(registry, folder, "ruled", RULES.format(secret=str(folder / "fedloom.db")))
    push(registry, folder, "broken", "def aggregate(weights, updates):\n    return updates[9]\n")
    return registry


@pytest.fixture(scope="module")
def superlink(folder: Path) -> Iterator[SuperLink]:
    with open_superlink(folder) as link:
        yield link


@pytest.fixture(scope="module")
def nodes(superlink: SuperLink, folder: Path) -> Iterator[tuple[Learner, Learner]]:
    few, many = Learner("few", FEW), Learner("many", MANY)
    with serve(superlink, folder, few, many):
        yield few, many


@pytest.fixture(scope="module")
def module_store(folder: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{folder}/fedloom.db") as store:
        yield store


@pytest.fixture(scope="module")
def coordinator(
    module_store: Store,
    registry: Registry,
    superlink: SuperLink,
    nodes: tuple[Learner, Learner],
    folder: Path,
) -> Iterator[Coordinator]:
    del nodes
    settings = replace(QUICK, slots=6)
    with coordinating(module_store, registry, superlink, folder, settings=settings) as coordinator:
        yield coordinator


@pytest.fixture
def world(
    coordinator: Coordinator, module_store: Store, nodes: tuple[Learner, Learner]
) -> Iterator[tuple[Store, Learner, Learner]]:
    """Return the store and the nodes; each test leaves the nodes as they were."""
    del coordinator
    yield (module_store, *nodes)
    for node in nodes:
        node.how = None


World = tuple[Store, Learner, Learner]


def hang(_: Any, stop: Event) -> None:
    stop.wait(120)


def check_next(store: Store, registry: Registry) -> None:
    """Hold it that the next task ends well on the same nodes, as most tests here show anyway."""
    task = wait_ended(store, store.add_task(ask(num_global_iterations=1)).id)
    assert (task.status, task.reason) == (TaskStatus.SUCCESS, None)
    np.testing.assert_allclose(result_of(registry, task)[0], POOLED, rtol=1e-6)


def test_two_unequal_clients_give_the_pooled_mean_and_one_version(
    world: World, registry: Registry, folder: Path
) -> None:
    store, few, _ = world
    task = wait_ended(store, store.add_task(ask(num_global_iterations=3)).id)
    assert (task.status, task.reason) == (TaskStatus.SUCCESS, None)
    np.testing.assert_allclose(result_of(registry, task)[0], 3 * POOLED, rtol=1e-6)
    assert rounds_of(store, task.id) == [1, 2, 3]
    rows = store.clients(task.id)
    assert [(row["round"], row["client_id"]) for row in rows] == [
        (number, name) for number in (1, 2, 3) for name in ("few", "many")
    ]
    first = rows[0]
    assert (first["num_examples"], first["participated"], first["train_loss"]) == (2, True, 0.25)
    assert (first["dataset"], first["model"], first["label_counts"]) == ("numbers", "mean", "{}")
    assert {row["run_id"] for row in [*rows, *store.rounds(task.id)]} == {first["run_id"]}
    documents = store.documents(task.id, round=3, client_id="few")
    assert [d.kind for d in documents] == [DocumentKind.METADATA, DocumentKind.VALIDATION]
    assert documents[0].document == {"loss": 0.25, "who": "few"}
    assert documents[1].document["odd"] is None
    assert task.metrics["global_loss"] == store.rounds(task.id)[-1]["global_loss"]
    versions = [v for v in list_versions(registry, "trained_mean").items if v.task_id == task.id]
    assert len(versions) == 1
    lineage = get_lineage(registry, versions[0])
    assert "few" in str(lineage)
    assert any("round 3" in log.text for log in store.logs(task.id))
    wait_for(lambda: any(name.startswith(f"task-{task.id}-") for name in few.forgotten))
    assert list((folder / "tasks").iterdir()) == []


def test_metrics_of_every_round_are_in_mlflow(world: World, registry: Registry) -> None:
    store, _, _ = world
    task = wait_ended(store, store.add_task(ask(run_name="shown")).id)
    assert task.status is TaskStatus.SUCCESS
    client = registry.client()
    parents = client.search_runs(["0"], "attributes.run_name = 'shown'")
    assert [run.info.status for run in parents] == ["FINISHED"]
    children = client.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{parents[0].info.run_id}'")
    assert sorted(run.info.run_name for run in children) == ["few", "global", "many"]
    whole = next(run for run in children if run.info.run_name == "global")
    losses = client.get_metric_history(whole.info.run_id, "global_loss")
    assert [m.step for m in losses] == [1, 2]


def test_a_task_starts_from_what_another_has_learnt(world: World, registry: Registry) -> None:
    store, _, _ = world
    first = wait_ended(store, store.add_task(ask(num_global_iterations=1)).id)
    asked = ask(
        model_name=first.result_model, model_version=first.result_version, num_global_iterations=1
    )
    second = wait_ended(store, store.add_task(asked).id)
    assert second.status is TaskStatus.SUCCESS, second.reason
    np.testing.assert_allclose(result_of(registry, second)[0], 2 * POOLED, rtol=1e-6)


def test_nodes_are_in_the_store(world: World) -> None:
    store, _, _ = world
    wait_for(lambda: len(store.nodes()) == 2)
    node = store.get_node("many")
    assert (list(node.use_cases), node.versions["fedloom"]) == (["numbers"], "1.2.3")
    assert node.attributes["online"] is True
    assert node.attributes["data"] == {"numbers": {"rows": 6}}


REFUSED: dict[str, dict[str, Any]] = {
    "there is no model 'none'": {"model_name": "none"},
    "no version 7": {"model_version": 7},
    "a package computes its gradients by itself": {"algorithm": "FedProx"},
    "2 of 3 clients take part": {"min_clients": 3},
    "2 of 4 clients take part": {"quorum": 4},
    "no node with data for 'cats'": {"use_case": "cats"},
    "Krum": {"algorithm": "Krum", "algorithm_params": {"num_byzantine": 9}},
}


def test_what_cannot_be_done_fails_with_its_reason(world: World) -> None:
    store, _, _ = world
    tasks = [(store.add_task(ask(**changes)).id, reason) for reason, changes in REFUSED.items()]
    for number, reason in tasks:
        task = wait_ended(store, number)
        assert task.status is TaskStatus.FAILED
        assert reason in (task.reason or "")
        assert task.result_version is None


@pytest.mark.skipif(not find_isolation().reading, reason="this kernel confines no package")
def test_a_package_chooses_configures_and_aggregates_itself(
    world: World, registry: Registry
) -> None:
    store, few, many = world
    words: list[str] = []

    def listen(request: Train, _: Event) -> None:
        words.append(request.settings["settings"]["word"])

    few.how = many.how = listen
    new = ask(model_name="ruled", num_global_iterations=3, min_clients=2)
    task = wait_ended(store, store.add_task(new).id)
    assert (task.status, task.reason) == (TaskStatus.SUCCESS, None)
    # Means without weights of 2 clients in two rounds, and that of one in the last.
    wanted = np.mean(FEW) + np.mean(MANY) + np.mean(MANY)
    np.testing.assert_allclose(result_of(registry, task)[0], wanted, rtol=1e-6)
    assert sorted(words) == ["few in 1", "few in 2", *(f"many in {n}" for n in (1, 2, 3))]
    assert any("aggregate, configure, select" in log.text for log in store.logs(task.id))


def test_a_server_py_that_fails_ends_its_task_with_what_it_said(world: World) -> None:
    store, _, _ = world
    task = wait_ended(store, store.add_task(ask(model_name="broken")).id)
    assert task.status is TaskStatus.FAILED
    assert "server.py: aggregate" in (task.reason or "")
    assert "IndexError" in (task.reason or "")


def test_training_that_raises_fails_the_task_only(world: World) -> None:
    store, few, many = world

    def fail(*_: Any) -> None:
        raise ValueError("no rows\ntoday")

    few.how = many.how = fail
    task = wait_ended(store, store.add_task(ask()).id)
    assert task.status is TaskStatus.FAILED
    assert "round 1: 0 of 2 clients gave an update" in (task.reason or "")
    assert "no rows" in (task.reason or "")


def test_what_a_failing_command_printed_is_in_the_log_once(
    world: World, registry: Registry
) -> None:
    store, few, _ = world
    printed = [*(f"line {n}" for n in range(50)), "", "\x1b[31mno rows", "x" * 9000]

    def fail(*_: Any) -> Failed:
        return Failed("error", "train ended with 1", printed)

    few.how = fail
    task = wait_ended(store, store.add_task(ask(num_global_iterations=3)).id)
    assert task.status is TaskStatus.SUCCESS, task.reason
    told = [log.text for log in store.logs(task.id) if log.source == "few"]
    whole = [text for text in told if "printed" in text]
    assert len(whole) == 1, told
    lines = [f"  | line {n}" for n in range(42, 50)] + ["  |  [31mno rows", "  | " + "x" * 300]
    assert whole[0].splitlines() == ["round 1: its command printed at last", *lines]
    # Also where the task fails of it, and with rubbish.
    few.how = None
    few.how, world[2].how = fail, lambda *_: Failed("error", "odd", [7, None])  # type: ignore[list-item]
    task = wait_ended(store, store.add_task(ask()).id)
    assert task.status is TaskStatus.FAILED
    assert [log.source for log in store.logs(task.id) if "printed" in log.text] == ["few"]


def test_nodes_that_refuse_are_named_with_their_reasons(world: World) -> None:
    store, few, many = world
    few.refuses, many.refuses = "its owner allows no package mean", "its owner has not answered"
    try:
        task = wait_ended(store, store.add_task(ask()).id)
    finally:
        few.refuses = many.refuses = ""
    assert task.status is TaskStatus.FAILED
    said = "few: its owner allows no package mean; many: its owner has not answered"
    assert said in (task.reason or "")


def test_one_that_fails_is_named_and_the_others_go_on(world: World, registry: Registry) -> None:
    store, few, _ = world

    def diverge(request: Any, _: Event) -> Any:
        return [np.full_like(w, np.nan) for w in request.weights]

    few.how = diverge
    task = wait_ended(store, store.add_task(ask(num_global_iterations=1)).id)
    assert task.status is TaskStatus.SUCCESS, task.reason
    np.testing.assert_allclose(result_of(registry, task)[0], np.mean(MANY), rtol=1e-6)
    rows = {row["client_id"]: row for row in store.clients(task.id)}
    assert (rows["few"]["participated"], rows["many"]["participated"]) == (False, True)
    assert rows["few"]["failure"] in ("diverged", "rejected")
    assert any(log.source == "few" for log in store.logs(task.id))


def test_weights_that_diverge_publish_nothing(world: World) -> None:
    store, few, many = world

    def explode(request: Any, _: Event) -> Any:
        return [np.full_like(w, 3e38) + w for w in request.weights]

    few.how = many.how = explode
    task = wait_ended(store, store.add_task(ask(num_global_iterations=4)).id)
    assert task.status is TaskStatus.FAILED, task
    assert task.result_version is None


def test_cancel_reaches_the_nodes_and_never_becomes_success(
    world: World, registry: Registry
) -> None:
    store, few, many = world
    at_work = Event()

    def wait(_: Any, stop: Event) -> None:
        at_work.set()
        stop.wait(120)

    few.how = many.how = wait
    before = few.stopped
    task = store.add_task(ask())
    assert at_work.wait(60)
    store.cancel_task(task.id, "no longer wanted")
    wait_for(lambda: few.stopped > before, 30)
    few.how = many.how = None
    check_next(store, registry)
    ended = store.get_task(task.id)
    assert (ended.status, ended.reason) == (TaskStatus.CANCELLED, "no longer wanted")
    assert rounds_of(store, task.id) == []


def test_deleting_all_tasks_stops_them(world: World, registry: Registry) -> None:
    store, few, many = world
    at_work = Event()

    def wait(_: Any, stop: Event) -> None:
        at_work.set()
        stop.wait(120)

    few.how = many.how = wait
    before = few.stopped
    store.add_task(ask())
    assert at_work.wait(60)
    store.delete_all_tasks()
    wait_for(lambda: few.stopped > before, 30)
    few.how = many.how = None
    check_next(store, registry)


def test_a_deadline_ends_a_task_at_work(world: World) -> None:
    store, few, many = world
    few.how = many.how = hang
    soon = datetime.now(UTC) + timedelta(seconds=4)
    task = wait_ended(store, store.add_task(ask(deadline=soon)).id)
    assert task.status is TaskStatus.FAILED
    assert "its deadline" in (task.reason or "")


def test_a_round_goes_on_without_who_hangs(world: World, registry: Registry) -> None:
    store, few, _ = world
    few.how = hang
    asked = {"num_global_iterations": 1, "round_timeout_s": 8.0}
    first = store.add_task(ask(**asked)).id
    second = store.add_task(ask(**asked, quorum=2)).id
    task = wait_ended(store, first)
    assert task.status is TaskStatus.SUCCESS, task.reason
    np.testing.assert_allclose(result_of(registry, task)[0], np.mean(MANY), rtol=1e-6)
    task = wait_ended(store, second)
    assert task.status is TaskStatus.FAILED
    assert "1 of 2 clients gave an update, 2 would be needed; few:" in (task.reason or "")


def test_two_tasks_run_at_once(world: World, coordinator: Coordinator) -> None:
    store, few, many = world
    both = Event()

    def hold(*_: Any) -> None:
        both.wait(60)

    few.how = many.how = hold
    tasks = [store.add_task(ask(num_global_iterations=1)).id for _ in range(2)]
    wait_for(lambda: {t for t, _ in few.heard if t.split("-")[1] in map(str, tasks)}.__len__() == 2)
    assert coordinator.state.running == tuple(tasks)
    both.set()
    assert [wait_ended(store, t).status for t in tasks] == [TaskStatus.SUCCESS] * 2


def test_a_late_joiner_is_in_the_next_round(
    world: World, superlink: SuperLink, folder: Path
) -> None:
    store, few, _ = world
    joined = Event()
    late = Learner("late", [100.0])

    def hold(request: Any, _: Event) -> None:
        if request.round == 2:
            joined.wait(60)

    few.how = hold
    task = store.add_task(ask(num_global_iterations=6))
    wait_for(lambda: store.get_task(task.id).rounds_done >= 1)
    with serve(superlink, folder, late):
        wait_for(lambda: any(n.name == "late" for n in store.nodes()), 60)
        joined.set()
        wait_ended(store, task.id)
    rows = store.clients(task.id, client_id="late")
    assert rows
    assert min(row["round"] for row in rows) > 1
    store.remove_node("late")


def test_tasks_posted_at_once_all_end(world: World, registry: Registry) -> None:
    store, _, _ = world
    tasks = [store.add_task(ask(num_global_iterations=1, cohort=1)).id for _ in range(20)]
    ended = [wait_ended(store, task, 240) for task in tasks]
    assert [task.status for task in ended] == [TaskStatus.SUCCESS] * 20
    assert len({task.result_version for task in ended}) == 20
    means = [pytest.approx(np.mean(values)) for values in (FEW, MANY)]
    assert all(result_of(registry, task)[0][0] in means for task in ended)
