"""Whole tasks with what nodes really run: a package in its sandbox, and a model of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import yaml

from fedloom.data import load_dataset
from fedloom.data.dataset import Dataset
from fedloom.fleet.flower.depot import Depot, depot_fetch
from fedloom.fleet.flower.handlers import KerasHandler
from fedloom.fleet.flower.link import Link
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.platform.client.client import ClientNode
from fedloom.platform.client.config import load_node_config
from fedloom.platform.registry import (
    Registry,
    VersionKind,
    get_version,
    open_registry,
    push_package,
)
from fedloom.platform.store import open_store
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
)
from .registry_world import make_template
from .test_client_flower import TRAIN, VALIDATE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Registry:
    return open_registry(f"sqlite:///{make_template(folder)}", cache=folder / "cache")


@pytest.fixture(scope="module")
def superlink(folder: Path) -> Iterator[SuperLink]:
    with open_superlink(folder) as link:
        yield link


@contextmanager
def run_owner(link: SuperLink, folder: Path, rows: range) -> Iterator[ClientNode]:
    """Run a node whose owner allows the package `adder`."""
    (folder / "state").mkdir(parents=True)
    policy = {"packages": ["adder"], "network": {"install": False}}
    (folder / "state" / "policy.yaml").write_text(yaml.safe_dump(policy))
    (folder / "data.csv").write_text("value,label\n" + "".join(f"{n},{n % 2}\n" for n in rows))
    source = {"path": "data.csv", "label": "label"}
    document = {"name": folder.name, "state": "state", "datasets": {"numbers": source}}
    (folder / "node.yaml").write_text(yaml.safe_dump(document))
    config = load_node_config(folder / "node.yaml", environment={})
    handler = ClientNode(config, depot_fetch(link.endpoint))
    node = Node(link.endpoint, Identity.keep(config.key_path), handler)
    thread = Thread(target=node.run)
    thread.start()
    try:
        yield handler
    finally:
        node.stop()
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_a_package_goes_to_its_nodes_and_back(
    superlink: SuperLink, registry: Registry, sqlite_url: str, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    points = {name: f"python {name}.py" for name in ("train", "validate")}
    (source / "fedloom.yaml").write_text(yaml.safe_dump({"entry_points": points}))
    (source / "train.py").write_text(TRAIN)
    (source / "validate.py").write_text(VALIDATE)
    np.savez(tmp_path / "first.npz", **{"0": np.zeros(3, np.float32)})
    push_package(registry, source, "adder", use_case="numbers", seed_model=tmp_path / "first.npz")
    with (
        Depot(tmp_path / "depot") as depot,
        run_owner(superlink, tmp_path / "a", range(10)) as first,
        run_owner(superlink, tmp_path / "b", range(10, 40)),
        open_store(sqlite_url) as store,
    ):
        links = [Link(superlink.endpoint, superlink.secret, depot)]
        with coordinating(store, registry, superlink, tmp_path / "c", links=links):
            task = wait_ended(store, store.add_task(ask(model_name="adder", min_clients=2)).id, 180)
        assert (task.status, task.reason) == (TaskStatus.SUCCESS, None)
        np.testing.assert_allclose(result_of(registry, task)[0], 2 * 19.5, rtol=1e-6)
        assert [row["global_loss"] for row in store.rounds(task.id)] == [0.25, 0.25]
        check_rows(store.clients(task.id))
        assert list((first.config.state / "work").iterdir()) == []
        node = store.get_node("a")
        assert list(node.use_cases) == ["numbers"]


def check_rows(rows: list[dict[str, Any]]) -> None:
    """Hold rows to what `fedloom generate --package` writes of the same scripts."""
    assert [(row["round"], row["client_id"], row["num_examples"]) for row in rows] == [
        (number, *client) for number in (1, 2) for client in (("a", 10), ("b", 30))
    ]
    # Weights go from 0 by 19.5 a round, the mean of 0..39; a client's own mean is its loss.
    assert [row["train_loss"] for row in rows] == [4.5, 24.5] * 2
    moved = [3**0.5 * 4.5, 3**0.5 * 24.5] * 2
    np.testing.assert_allclose([row["divergence"] for row in rows], moved, rtol=1e-6)
    assert {(row["global_loss"], row["failure"]) for row in rows} == {(0.25, "")}
    assert all(row["train_seconds"] > 0 and row["download_bytes"] == 12 for row in rows)
    # A package validates the global weights only, as in a simulation; its own are not scored.
    own = ("local_loss", "local_score", "evaluate_seconds", "cpu_seconds")
    assert {row[name] for row in rows for name in own} == {None}


@contextmanager
def run_models(link: SuperLink, folder: Path, parts: dict[str, Dataset]) -> Iterator[None]:
    handlers = [KerasHandler(name, {"iris": part}) for name, part in parts.items()]
    nodes = [
        Node(link.endpoint, Identity.keep(folder / f"keras-{n}.key"), handler)
        for n, handler in enumerate(handlers)
    ]
    threads = [Thread(target=node.run) for node in nodes]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for node in nodes:
            node.stop()
        for thread in threads:
            thread.join(timeout=60)
            assert not thread.is_alive()


def cut(whole: Dataset, rows: slice) -> Dataset:
    from dataclasses import replace

    train = whole.train_features[rows], whole.train_labels[rows]
    return replace(whole, train_features=train[0], train_labels=train[1])


def test_a_plan_trains_a_model_of_ours_and_later_tasks_go_on_from_it(
    superlink: SuperLink, registry: Registry, sqlite_url: str, tmp_path: Path
) -> None:
    whole = load_dataset("iris", seed=42)
    parts = {"small": cut(whole, slice(0, 30)), "large": cut(whole, slice(30, None))}
    plan = {"dataset": "iris", "model": "logistic", "rounds": 3, "algorithm": "FedAdam"}
    asked = {
        "use_case": "iris",
        "model_name": "logistic",
        "num_global_iterations": 3,
        "plan": plan,
    }
    with (
        run_models(superlink, tmp_path, parts),
        open_store(sqlite_url) as store,
        coordinating(store, registry, superlink, tmp_path / "c"),
    ):
        task = wait_ended(store, store.add_task(ask(**asked)).id, 240)
        assert (task.status, task.reason) == (TaskStatus.SUCCESS, None)
        rounds = store.rounds(task.id)
        assert rounds[-1]["global_loss"] < rounds[0]["global_loss"]
        assert (rounds[0]["algorithm"], rounds[0]["model"]) == ("FedAdam", "logistic")
        assert all(row["local_score"] is not None for row in store.clients(task.id))
        assert task.result_model == "trained_logistic"
        version = get_version(registry, "trained_logistic", task.result_version or 0)
        assert (version.kind, version.package) == (VersionKind.TRAINED, None)
        more = asked | {"model_name": "trained_logistic", "num_global_iterations": 1}
        more["plan"] = plan | {"rounds": 1}
        second = wait_ended(store, store.add_task(ask(**more)).id, 120)
        assert second.status is TaskStatus.SUCCESS, second.reason
        assert store.rounds(second.id)[0]["global_loss"] < rounds[0]["global_loss"]
        gone = wait_ended(store, store.add_task(ask(**more | {"model_version": 99})).id, 60)
        assert gone.status is TaskStatus.FAILED, "it would start from new weights, and not say so"
        assert "trained_logistic" in (gone.reason or "")
        evil = asked | {"plan": plan | {"dataset": "csv:/etc/passwd"}}
        refused = wait_ended(store, store.add_task(ask(**evil)).id, 60)
        assert "a coordinator opens no files that a task names" in (refused.reason or "")


def test_several_superlinks_weigh_exactly_as_one(
    superlink: SuperLink, registry: Registry, sqlite_url: str, tmp_path: Path
) -> None:
    push(registry, tmp_path, "spread")
    few, many = Learner("few", [1.0, 2.0]), Learner("many", [4.0, 6.0, 8.0, 10.0, 12.0, 14.0])
    with (
        SuperLink(tmp_path / "other") as other,
        serve(superlink, tmp_path, few),
        serve(other, tmp_path, many),
        open_store(sqlite_url) as store,
    ):
        links = [link_of(superlink), link_of(other)]
        with coordinating(
            store, registry, superlink, tmp_path / "c", links=links, settings=QUICK
        ) as coordinator:
            asked = ask(model_name="spread", min_clients=2)
            task = wait_ended(store, store.add_task(asked).id, 120)
            assert coordinator.state.links_up == 2
        assert (task.status, task.reason) == (TaskStatus.SUCCESS, None)
        pooled = np.mean([*few.values, *many.values])
        np.testing.assert_allclose(result_of(registry, task)[0], 2 * pooled, rtol=1e-6)
        assert rounds_of(store, task.id) == [1, 2]
