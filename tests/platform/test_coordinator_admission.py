"""Registered nodes: from `PUT /nodes/{name}` to a task, through the gateway, over TLS."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from fedloom.fleet.flower.certificates import CertificateFolder, create_certificates
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.gateway import Gateway
from fedloom.fleet.flower.link import Link
from fedloom.fleet.flower.messages import Tempo
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.superlink import Certificates, SuperLink
from fedloom.platform.api import make_app
from fedloom.platform.coordinator import CoordinatorSettings
from fedloom.platform.identity import Role
from fedloom.platform.registry import open_registry
from fedloom.platform.store import Store, open_store
from fedloom.platform.task import TaskStatus

from .api_world import connect, make_secret, make_service
from .api_world import serve as serve_app
from .coordinator_world import Learner, ask, coordinating, push, result_of, wait_ended, wait_for
from .registry_world import make_template

SETTINGS = CoordinatorSettings(poll_s=0.1, roll_call_s=0.5, known_nodes_only=True)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    folder = CertificateFolder(tmp_path / "certs")
    create_certificates(folder, ["127.0.0.1"])
    authority = tmp_path / "certs" / "ca.pem"
    return Certificates(authority, folder.certificate("server"), folder.key("server"))


def is_online(store: Store, name: str) -> bool:
    return any(n.name == name and n.attributes.get("online") for n in store.nodes())


def test_only_registered_nodes_train_and_only_under_their_own_names(
    certificates: Certificates,
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Tempo, "for_nodes", classmethod(lambda cls, _: cls(0.1, 0.5, 10.0)))
    caplog.set_level(logging.WARNING)
    registry = open_registry(f"sqlite:///{make_template(tmp_path)}", cache=tmp_path / "cache")
    push(registry, tmp_path)
    learners = {
        "good": Learner("good", [1.0, 3.0]),
        "stranger": Learner("stranger", [100.0]),
        "impostor": Learner("good", [1000.0]),
    }
    keys = {key: Identity.keep(tmp_path / f"{key}.key") for key in learners}
    with ExitStack() as stack:
        link = stack.enter_context(
            SuperLink(tmp_path / "link", certificates=certificates, known_nodes_only=True)
        )
        gateway = stack.enter_context(Gateway(link.endpoint, certificates=certificates))
        way_in = Endpoint(gateway.url.removeprefix("https://"), certificates.authority)
        nodes = {key: Node(way_in, keys[key], learner) for key, learner in learners.items()}
        store = stack.enter_context(open_store(sqlite_url))
        service = make_service(store, registry, tmp_path)
        url = stack.enter_context(serve_app(make_app(service)))
        api = stack.enter_context(connect(url, make_secret(store, Role.OPERATOR)))
        links = [Link(link.endpoint, link.secret)]
        stack.enter_context(
            coordinating(store, registry, link, tmp_path / "c", links=links, settings=SETTINGS)
        )
        for node in nodes.values():
            thread = Thread(target=node.run)
            stack.callback(thread.join, 30)
            stack.callback(node.stop)
            thread.start()

        def register(name: str, key: str) -> int:
            body = {"public_key": keys[key].public_pem.decode()}
            return api.put(f"/nodes/{name}", json=body).status_code

        wait_for(lambda: "the SuperLink refuses" in caplog.text)
        assert not any(node.connected for node in nodes.values())
        assert register("good", "good") == 200
        # Its key is let in under a name of its own; it says that it is called as another.
        assert register("other", "impostor") == 200
        assert register("good", "impostor") == 409
        wait_for(lambda: nodes["good"].connected and nodes["impostor"].connected)
        wait_for(lambda: is_online(store, "good"))
        task = wait_ended(store, store.add_task(ask(num_global_iterations=2)).id)
        assert (task.status, task.reason) == (TaskStatus.SUCCESS, None)
        np.testing.assert_allclose(result_of(registry, task)[0], 2 * 2.0, rtol=1e-6)
        assert {row["client_id"] for row in store.clients(task.id)} == {"good"}
        assert "other node's identity: 'good' is registered with key" in caplog.text
        told = [log.text for log in store.logs(task.id)]
        assert any("other node's identity" in text for text in told), told
        assert not nodes["stranger"].connected
        assert (learners["stranger"].heard, learners["impostor"].heard) == ([], [])
        assert store.get_node("good").public_key.encode() == keys["good"].public_pem
        # Who is removed is out, and its key with it.
        assert api.delete("/nodes/good").status_code == 204
        wait_for(lambda: not nodes["good"].connected)
