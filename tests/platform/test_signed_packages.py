"""Signed packages, from who pushes them to the node that runs them or does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import yaml

from fedloom.cli import main
from fedloom.fleet.flower.depot import Depot, depot_fetch
from fedloom.fleet.flower.link import Link
from fedloom.fleet.flower.messages import Tempo
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.package.signing import make_key, sign_digest, sign_package, write_signature
from fedloom.platform.client.audit_check import verify_audit
from fedloom.platform.client.client import ClientNode
from fedloom.platform.client.config import load_node_config
from fedloom.platform.connection import connect
from fedloom.platform.identity import Role
from fedloom.platform.registry import get_version
from fedloom.platform.task import Task, TaskStatus

from .api_world import connect as connect_plainly
from .coordinator_world import ask, coordinating, wait_ended
from .platform_world import World, open_world
from .test_client_flower import TRAIN, VALIDATE


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture(autouse=True)
def _access(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEDLOOM_URL", world.url)
    monkeypatch.setenv("FEDLOOM_TOKEN", world.token(Role.RESEARCHER))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Return the public keys of two people; the private ones are files in this folder."""
    return {name: make_key(tmp_path / f"{name}.pem") for name in ("ada", "eve")}


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    np.savez(tmp_path / "seed.npz", **{"0": np.zeros(3, np.float32)})
    return tmp_path / "seed.npz"


def write_package(folder: Path) -> Path:
    folder.mkdir()
    points = {name: f"python {name}.py" for name in ("train", "validate")}
    (folder / "fedloom.yaml").write_text(yaml.safe_dump({"entry_points": points}))
    (folder / "train.py").write_text(f"{TRAIN}\n# {folder}\n")
    (folder / "validate.py").write_text(VALIDATE)
    return folder


def call(capfd: pytest.CaptureFixture[str], *words: object, code: int = 0) -> Any:
    """Run a command; return the JSON that it printed, or what it complained of."""
    capfd.readouterr()
    assert main([*map(str, words), "--json"]) == code
    found = capfd.readouterr()
    return found.err if code else json.loads(found.out)


def signers(made: dict[str, Any]) -> list[str]:
    return sorted(one["key"] for one in made["signatures"])


# By the API and the commands


def test_signatures_come_with_a_push_or_later(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, keys: dict[str, str], seed: Path
) -> None:
    package = write_package(tmp_path / "one")
    push = ("package", "push", package, "--name", "one", "--seed-model", seed)
    assert call(capfd, *push)["signatures"] == []
    signed = call(capfd, *push, "--key", "ada.pem")
    assert (signed["version"], signers(signed)) == (1, [keys["ada"]])
    call(capfd, "package", "sign", package, "--key", "eve.pem")
    both = call(capfd, "model", "sign", "one", 1, "--signature", "one.sig")
    assert signers(both) == sorted(keys.values())
    assert call(capfd, "model", "show", "one")["signatures"] == both["signatures"]
    assert main(["model", "show", "one"]) == 0
    assert keys["eve"] in capfd.readouterr().out
    other = write_package(tmp_path / "two")
    at_once = ("--name", "two", "--seed-model", seed, "--signature", "one.sig")
    assert "not one of the package" in call(capfd, "package", "push", other, *at_once, code=2)
    assert "not one of the package" in call(
        capfd, "package", "push", other, *at_once[:-1], write_odd(tmp_path), code=2
    )
    assert "holds no signature" in call(
        capfd, "model", "sign", "one", 1, "--signature", "ada.pem", code=2
    )


def write_odd(folder: Path) -> Path:
    """Write a signature of something else."""
    write_signature(sign_digest("a" * 64, folder / "ada.pem"), folder / "odd.sig")
    return folder / "odd.sig"


def test_the_api_refuses_rubbish_and_keeps_nothing_of_it(
    world: World, tmp_path: Path, keys: dict[str, str], seed: Path
) -> None:
    with connect(world.url, world.admin) as platform:
        platform.packages.push(write_package(tmp_path / "three"), "three", seed_model=seed)
    good = sign_package(tmp_path / "three", tmp_path / "ada.pem").describe()
    bodies: list[Any] = [
        {},
        {"signatures": []},
        {"signatures": [good["signature"]]},
        {"signatures": [good | {"key": "x"}]},
        {"signatures": [good | {"key": keys["eve"]}]},
        {"signatures": [good, good | {"signature": f"{'A' * 86}=="}]},
        {"signatures": [good] * 17},
        {"signatures": [good], "more": 1},
    ]
    with connect_plainly(world.url, world.admin) as client:
        for body in bodies:
            answer = client.put("/models/three/versions/1/signatures", json=body)
            assert answer.status_code == 422, (body, answer.text)
        assert client.get("/models/three/versions/1").json()["signatures"] == []
        for text in ("x", "[]", "{}", json.dumps(good | {"key": "ed25519:x"}), "[" * 60_000):
            files = {"file": b"rubbish"}
            data = {"name": "four", "signature": [json.dumps(good), text]}
            answer = client.post("/packages", files=files, data=data)
            assert answer.status_code == 422
            assert "signature" in answer.text
        many = {"name": "four", "signature": [json.dumps(good)] * 17}
        answer = client.post("/packages", files={"file": b"rubbish"}, data=many)
        assert (answer.status_code, "at most 16" in answer.text) == (422, True)
        done = client.put("/models/three/versions/1/signatures", json={"signatures": [good] * 2})
        assert (done.status_code, done.json()["signatures"]) == (200, [good])
        missing = client.put("/models/three/versions/9/signatures", json={"signatures": [good]})
        assert missing.status_code == 404


# To a node


@contextmanager
def run_owner(link: SuperLink, folder: Path, policy: dict[str, Any]) -> Iterator[None]:
    """Run a node with ten rows and a policy."""
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "policy.yaml").write_text(yaml.safe_dump(policy))
    rows = "".join(f"{n},{n % 2}\n" for n in range(10))
    (folder / "data.csv").write_text(f"value,label\n{rows}")
    source = {"path": "data.csv", "label": "label"}
    document = {"name": folder.name, "state": "state", "datasets": {"numbers": source}}
    (folder / "node.yaml").write_text(yaml.safe_dump(document))
    config = load_node_config(folder / "node.yaml", environment={})
    handler = ClientNode(config, depot_fetch(link.endpoint))
    node = Node(link.endpoint, Identity.keep(config.key_path), handler)
    thread = Thread(target=node.run)
    thread.start()
    try:
        yield
    finally:
        node.stop()
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_a_node_runs_what_is_signed_by_whom_it_trusts_and_nothing_else(
    world: World,
    tmp_path: Path,
    keys: dict[str, str],
    seed: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Tempo, "for_nodes", classmethod(lambda cls, _: cls(0.1, 0.5, 10.0)))
    policy = {
        "trusted_keys": [keys["ada"]],
        "packages": ["*"],  # as they call themselves, which must not be enough
        "signed_only": True,
        "network": {"install": False},
    }
    with connect(world.url, world.token(Role.RESEARCHER)) as platform:
        for name, key in (("signed", "ada.pem"), ("unsigned", None), ("strange", "eve.pem")):
            platform.packages.push(
                write_package(tmp_path / name), name, use_case="numbers", seed_model=seed, key=key
            )
        late = tmp_path / "unsigned.sig"
        write_signature(sign_package(tmp_path / "unsigned", tmp_path / "ada.pem"), late)

        def run(model: str) -> Task:
            wanted = ask(model_name=model, num_global_iterations=1)
            return wait_ended(world.store, world.store.add_task(wanted).id, 180)

        with (
            SuperLink(tmp_path / "superlink") as link,
            Depot(tmp_path / "depot") as depot,
            run_owner(link, tmp_path / "node", policy),
            coordinating(
                world.store,
                world.registry,
                link,
                tmp_path / "coordinator",
                links=[Link(link.endpoint, link.secret, depot)],
            ),
        ):
            done = run("signed")
            assert (done.status, done.reason) == (TaskStatus.SUCCESS, None)
            for name in ("unsigned", "strange"):
                refused = run(name)
                assert refused.status is TaskStatus.FAILED
                assert "not signed by a key" in str(refused.reason), refused.reason
            assert run("trained_signed").status is TaskStatus.SUCCESS  # what the first one made
            platform.models.sign("unsigned", 1, [late])
            assert run("unsigned").status is TaskStatus.SUCCESS
    trained = get_version(world.registry, "trained_signed", 1)
    assert [one.key for one in trained.signatures] == [keys["ada"]]
    check_audit(tmp_path / "node" / "state" / "audit.jsonl", keys["ada"])


def check_audit(path: Path, trusted: str) -> None:
    """Compare what the node noted with what was asked of it."""
    assert verify_audit(path).intact
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    refused = [one for one in entries if "is not signed by a key" in one.get("reason", "")]
    assert {one["name"] for one in refused} == {"unsigned", "strange"}
    assert {one["decision"] for one in refused} == {"refused"}
    started = [one for one in entries if one["event"] == "started"]
    assert {one["decision"] for one in started} == {f"signed by {trusted}"}
    assert {one["name"] for one in started} == {"signed", "unsigned"}
    late = next(one["n"] for one in started if one["name"] == "unsigned")
    assert all(one["n"] < late for one in refused)  # it ran only once it was signed
