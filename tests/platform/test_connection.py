"""`fedloom.connect` against a real API: tasks, models, packages, nodes, tokens, events."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import fedloom
from fedloom.errors import (
    ConflictError,
    DataError,
    InputError,
    LinkError,
    NotFoundError,
    PackageError,
)
from fedloom.fleet.flower.certificates import CertificateFolder, create_certificates
from fedloom.package.archive import create_archive
from fedloom.platform.api import make_app
from fedloom.platform.connection import NotInTimeError, Platform
from fedloom.platform.demo import demo_digest, demo_package
from fedloom.platform.identity import ForbiddenError, Role, UnauthenticatedError
from fedloom.platform.task import TaskResult, TaskStatus

from .api_world import make_service, serve
from .platform_world import OWNER, World, make_public_key, open_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("URL", "TOKEN", "CA", "DIR", "INSECURE"):
        monkeypatch.delenv(f"FEDLOOM_{name}", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


@pytest.fixture
def platform(world: World) -> Iterator[Platform]:
    with fedloom.connect(world.url, world.admin) as found:
        yield found


@pytest.fixture(scope="module")
def _pushed(world: World) -> None:
    with fedloom.connect(world.url, world.admin) as platform:
        platform.packages.push(demo_package(), "iris", use_case="iris")


iris = pytest.mark.usefixtures("_pushed")


# Packages and models


def test_a_package_is_pushed_once(platform: Platform, tmp_path: Path) -> None:
    first = platform.packages.push(demo_package(), "flowers", use_case="iris")
    assert (first.name, first.version, first.digest) == ("flowers", 1, demo_digest())
    assert (first.kind, first.use_case) == ("package", "iris")
    archive = create_archive(demo_package(), tmp_path / "iris.tgz").path
    assert platform.packages.push(archive, "flowers", use_case="iris").version == 1

    seed = tmp_path / "seed.npz"
    with seed.open("wb") as file:
        np.savez(file, **{"0": np.ones((4, 3), np.float32), "1": np.zeros(3, np.float32)})
    second = platform.packages.push(
        demo_package().parent, "flowers", use_case="iris", seed_model=seed, description="ones"
    )
    assert (second.version, second.description) == (2, "ones")
    assert [v.version for v in platform.models.versions("flowers")] == [2, 1]
    assert platform.models.latest("flowers") == second

    weights = platform.models.download("flowers", 2, tmp_path / "back.npz")
    with np.load(weights) as found:
        assert [found[name].sum() for name in sorted(found.files)] == [12, 0]
    package = platform.models.download_package("flowers", 1, tmp_path / "deep" / "package.tgz")
    assert hashlib.sha256(package.read_bytes()).hexdigest() == demo_digest()
    by_digest = platform.packages.download(demo_digest(), tmp_path / "again.tgz")
    assert by_digest.read_bytes() == package.read_bytes()
    assert platform.models.lineage("flowers", 1) is None

    platform.models.delete("flowers", 2)
    assert [v.version for v in platform.models.versions("flowers")] == [1]
    with pytest.raises(NotFoundError):
        platform.models.get("flowers", 2)


def test_models_come_from_all_pages(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = demo_package()
    for name in ("b model", "a-model", "c_model"):
        platform.packages.push(archive, name)
    monkeypatch.setattr("fedloom.platform.connection.models._PAGE", 1)
    names = [model.name for model in platform.models.list()]
    assert names == sorted(names)
    assert {"a-model", "b model", "c_model"} <= set(names)
    assert platform.models.get("b model", 1).name == "b model"


def test_packages_that_cannot_be(platform: Platform, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        platform.packages.push(tmp_path / "none", "x")
    with pytest.raises(PackageError):
        platform.packages.push(tmp_path, "x")  # an empty folder
    rubbish = tmp_path / "rubbish.tgz"
    rubbish.write_bytes(b"\0" * 1000)
    with pytest.raises(InputError):
        platform.packages.push(rubbish, "x")
    with pytest.raises(InputError, match="name"):
        platform.packages.push(demo_package(), "../x")
    with pytest.raises(InputError, match="cannot be read"):
        platform.packages.push(demo_package(), "x", seed_model=tmp_path / "none.npz")
    with pytest.raises(NotFoundError):
        platform.models.latest("nothing of that name")


# Tasks


@iris
def test_a_task_from_a_name_alone(platform: Platform) -> None:
    task = platform.tasks.create(model_name="iris")
    assert (task.model_version, task.use_case, task.user_id) == (1, "iris", "ada")
    assert (task.num_global_iterations, task.run_name) == (5, "iris-1")
    assert (task.experiment_name, task.status) == ("Default", TaskStatus.PENDING)
    assert platform.tasks.get(task.id) == task


@iris
def test_all_that_a_task_may_say(platform: Platform) -> None:
    ends = datetime.now(UTC) + timedelta(hours=2)
    task = platform.tasks.create(
        model_name="iris",
        algorithm="fedadam",
        algorithm_params={"server_learning_rate": 0.03},
        cohort=0.5,
        local={"epochs": 2},
        validate=False,
        seed=7,
        deadline=ends.isoformat(),
        priority=3,
        min_clients=2,
        user_id=None,
    )
    assert task.algorithm == "FedAdam"
    assert task.local is not None
    assert task.local.epochs == 2
    assert (task.validates, task.seed, task.priority, task.min_clients) == (False, 7, 3, 2)
    assert task.deadline == ends


@iris
def test_tasks_are_listed_by_what_they_are(platform: Platform) -> None:
    made = [platform.tasks.create(model_name="iris", run_name=f"list-{i}") for i in range(3)]
    cancelled = platform.tasks.cancel(made[1].id)
    assert cancelled.status is TaskStatus.CANCELLED
    assert platform.tasks.cancel(made[1].id) == cancelled
    newest = platform.tasks.list(limit=3)
    assert [t.id for t in newest] == [t.id for t in reversed(made)]
    assert [t.id for t in platform.tasks.list(limit=1, offset=2)] == [made[0].id]
    waiting = platform.tasks.list(status="pending", use_case="iris", model_name="iris")
    assert made[1].id not in {t.id for t in waiting}
    assert platform.tasks.list(user_id="nobody") == []
    assert platform.tasks.count() == len(platform.tasks.list(limit=None))
    platform.tasks.delete(made[1].id)
    with pytest.raises(NotFoundError, match=str(made[1].id)):
        platform.tasks.get(made[1].id)
    with pytest.raises(ConflictError):
        platform.tasks.delete(made[0].id)


@iris
def test_more_tasks_than_a_page_holds(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        platform.tasks.create(model_name="iris")
    whole = platform.tasks.list(limit=None)
    monkeypatch.setattr("fedloom.platform.connection.tasks._PAGE", 2)
    assert platform.tasks.list(limit=None) == whole
    assert platform.tasks.list(limit=3) == whole[:3]


@iris
def test_a_task_is_watched_to_its_end(world: World, platform: Platform, tmp_path: Path) -> None:
    task = platform.tasks.create(model_name="iris", num_global_iterations=3)
    with pytest.raises(NotInTimeError, match=f"task {task.id} is still pending"):
        platform.tasks.wait(task.id, timeout_s=0.1)
    world.start(task.id)
    world.add_round(task.id, 1, 0.5)
    seen: list[tuple[int, float]] = []

    def work() -> None:
        world.add_round(task.id, 2, 0.75)
        world.add_round(task.id, 3, 0.9)
        result = TaskResult(model="iris", version=1, metrics={"global_score": 0.9})
        world.store.add_log(task.id, "coordinator", "all is done")
        world.store.finish_task(task.id, OWNER, TaskStatus.SUCCESS, result=result)

    starter = threading.Timer(0.3, work)
    starter.start()
    ended = platform.tasks.wait(
        task.id, 60, on_round=lambda row, _: seen.append((row["round"], row["global_score"]))
    )
    starter.join()
    assert ended.status is TaskStatus.SUCCESS
    assert seen == [(1, 0.5), (2, 0.75), (3, 0.9)]

    rounds = platform.tasks.rounds(task.id, after=1)
    assert rounds["global_score"].to_list() == [0.75, 0.9]
    clients = platform.tasks.clients(task.id, client_id="client-2")
    assert clients["num_examples"].to_list() == [34, 34, 34]
    assert platform.tasks.clients(task.id, round=2).height == 2
    assert [piece.text for piece in platform.tasks.logs(task.id)][-1] == "all is done"
    assert platform.tasks.documents(task.id) == []

    csv = platform.tasks.records(task.id, tmp_path / "rows.csv")
    assert pl.read_csv(csv).height == 6
    parquet = platform.tasks.records(task.id, tmp_path / "r.parquet", table="rounds")
    assert pl.read_parquet(parquet)["global_score"].to_list() == [0.5, 0.75, 0.9]
    weights = platform.tasks.result(task.id, tmp_path / "model.npz")
    with np.load(weights) as found:
        assert len(found.files) == 2


@iris
def test_a_task_without_a_result(platform: Platform, tmp_path: Path) -> None:
    task = platform.tasks.create(model_name="iris")
    with pytest.raises(ConflictError):
        platform.tasks.result(task.id, tmp_path / "model.npz")
    assert not (tmp_path / "model.npz").exists()
    assert platform.tasks.rounds(task.id).height == 0
    with pytest.raises(InputError):
        platform.tasks.records(task.id, tmp_path / "x.csv", table="nothing")


def test_what_is_wrong_with_a_task_is_named(platform: Platform) -> None:
    with pytest.raises(InputError, match="model_name is missing"):
        platform.tasks.create(num_global_iterations=3)
    with pytest.raises(NotFoundError):
        platform.tasks.create(model_name="no such model")
    fields = {"model_name": "iris", "model_version": 1, "use_case": "iris"}
    with pytest.raises(InputError, match="num_global_iterations"):
        platform.tasks.create(**fields, num_global_iterations=-5)
    with pytest.raises(InputError, match="colour"):
        platform.tasks.create(**fields, colour="red")


def test_a_plan_is_taken_live(platform: Platform, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("dataset: iris\nmodel: logistic\nrounds: 7\nepochs: 2\noutput: x.csv\n")
    task = platform.tasks.create(plan=plan, run_name="mine")
    assert (task.use_case, task.num_global_iterations, task.run_name) == ("iris", 7, "mine")
    assert task.plan is not None
    assert task.plan["epochs"] == 2
    assert "output" not in task.plan
    same = platform.tasks.create(plan={"dataset": "iris", "model": "logistic", "rounds": 7})
    assert same.num_global_iterations == 7
    with pytest.raises(InputError, match="rounds"):
        platform.tasks.create(plan={"rounds": 0})
    with pytest.raises(DataError, match=r"none\.yaml"):
        platform.tasks.create(plan=tmp_path / "none.yaml")


def test_the_package_of_a_plan_is_pushed_first(platform: Platform, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    package = {"package": str(demo_package()), "rounds": 2, "epochs": 3, "algorithm": "FedAvgM"}
    plan.write_text(json.dumps({**package, "server_momentum": 0.5, "cohort": 2}))
    task = platform.tasks.create(plan=plan, model_name="planned", use_case="iris")
    version = platform.models.get("planned", task.model_version)
    assert version.digest == demo_digest()
    assert (task.model_name, task.use_case, task.num_global_iterations) == ("planned", "iris", 2)
    assert (task.algorithm, task.algorithm_params) == ("FedAvgM", {"server_momentum": 0.5})
    assert task.cohort == 2
    assert task.local is not None
    assert task.local.epochs == 3
    assert task.plan is None
    again = platform.tasks.create(plan=plan, model_name="planned", use_case="iris")
    assert again.model_version == 1


# Nodes, tokens, the rest


def test_nodes_are_registered_by_key(platform: Platform, tmp_path: Path) -> None:
    mine, other = make_public_key(), make_public_key()
    file = tmp_path / "node.pub"
    file.write_text(mine)
    node = platform.nodes.register("Station Zürich 7", file)
    assert (node.name, node.registered, node.online) == ("Station Zürich 7", True, False)
    assert platform.nodes.register("Station Zürich 7", mine) == node
    with pytest.raises(ConflictError):
        platform.nodes.register("Station Zürich 7", other)
    replaced = platform.nodes.register("Station Zürich 7", other, replace=True)
    assert replaced.key != node.key
    assert "Station Zürich 7" in {n.name for n in platform.nodes.list()}
    assert platform.nodes.get("Station Zürich 7").key == replaced.key
    platform.nodes.remove("Station Zürich 7")
    with pytest.raises(NotFoundError):
        platform.nodes.get("Station Zürich 7")
    assert isinstance(platform.datasets.list(), dict)


def test_a_private_key_stays_here(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "node.key"
    file.write_text("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")
    with pytest.raises(InputError, match="private key"):
        platform.nodes.register("mine", file)
    with pytest.raises(InputError, match=r"none\.pub"):
        platform.nodes.register("mine", tmp_path / "none.pub")


def test_tokens_say_who_may(world: World, platform: Platform) -> None:
    ends = datetime.now(UTC) + timedelta(days=30)
    made = platform.tokens.create("laptop", user_id="bob", role="viewer", expires_at=ends)
    assert made.secret.startswith("flm_")
    assert made.secret not in repr(made)
    assert (made.user_id, made.role, made.expires_at) == ("bob", "viewer", ends)
    with fedloom.connect(world.url, made.secret) as viewer:
        assert viewer.me().user_id == "bob"
        with pytest.raises(ForbiddenError):
            viewer.tasks.create(plan={"dataset": "iris", "model": "logistic"})
        with pytest.raises(ForbiddenError):
            viewer.tasks.delete_all()
    platform.tokens.revoke(made.id)
    assert next(t for t in platform.tokens.list() if t.id == made.id).revoked_at is not None
    with (
        fedloom.connect(world.url, made.secret) as viewer,
        pytest.raises(UnauthenticatedError, match="FEDLOOM_TOKEN"),
    ):
        viewer.me()
    researcher = world.token(Role.RESEARCHER, "eve")
    with fedloom.connect(world.url, researcher) as eve, pytest.raises(ForbiddenError):
        eve.tokens.create("more", role="admin")


def test_how_the_platform_is(platform: Platform) -> None:
    health = platform.health()
    assert health.ready
    assert health.parts["store"] == "ok"
    assert health.version == fedloom.__version__ == platform.version


@iris
def test_events_come_in_order_and_once(platform: Platform) -> None:
    first = platform.tasks.create(model_name="iris")
    events = platform.events(after_id=0, task_id=first.id)
    created = next(events)
    assert (created.kind, created.task_id) == ("task_created", first.id)
    platform.tasks.cancel(first.id)
    moved = next(events)
    assert moved.id > created.id
    assert moved.data["status"] == "cancelled"
    events.close()


@iris
def test_events_from_now_on(world: World, platform: Platform) -> None:
    before = world.store.last_event_id()
    events = platform.events()
    starter = threading.Timer(1.0, lambda: platform.tasks.create(model_name="iris"))
    starter.start()
    assert next(events).id > before
    starter.join()
    events.close()


def test_nobody_listens_without_a_token(world: World) -> None:
    with fedloom.connect(world.url) as stranger:
        with pytest.raises(UnauthenticatedError):
            next(stranger.events())
        with pytest.raises(UnauthenticatedError):
            stranger.tasks.list()


def test_an_api_that_ended(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        platform = fedloom.connect(world.url, world.admin, timeout_s=1)
    with platform, pytest.raises(LinkError, match="cannot be reached"):
        platform.tasks.list()


def test_over_tls_with_certificates_of_fedloom(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = CertificateFolder(tmp_path / "certs")
    create_certificates(home, ["fedloom.example.org"])
    app = make_app(make_service(world.store, world.registry, tmp_path), heartbeat_s=1.0)
    files = {"certificate": home.certificate("server"), "key": home.key("server")}
    with serve(app, **files) as url:
        secure = url.replace("http:", "https:")
        monkeypatch.setenv("FEDLOOM_CA", str(home.certificate("ca")))
        with fedloom.connect(secure, world.admin) as platform:
            assert platform.health().ready
        monkeypatch.delenv("FEDLOOM_CA")
        with pytest.raises(LinkError, match="is not trusted"):
            fedloom.connect(secure, world.admin)
        with pytest.raises(LinkError):
            fedloom.connect(url, world.admin, timeout_s=0.5)
