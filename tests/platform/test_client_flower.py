"""Owners' nodes in a real federation: SuperLink, HTTP, packages in their sandboxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from shutil import copyfile
from threading import Thread
from typing import Any

import numpy as np
import pytest
import yaml

from fedloom.federation.fleet import Order
from fedloom.federation.reduce import mean_by_examples
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.handlers import package_settings
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.package.archive import Archive, create_archive
from fedloom.platform.client.audit_check import verify_audit
from fedloom.platform.client.client import ClientNode
from fedloom.platform.client.config import load_node_config

TRAIN = """
import os, sys
import numpy as np
from fedloom.package.helpers import get_helper, save_metadata
helper = get_helper("numpyhelper")
rows = np.loadtxt(os.environ["FEDLOOM_DATA_PATH"], delimiter=",", skiprows=1)
helper.save([w + rows[:, 0].mean() for w in helper.load(sys.argv[1])], sys.argv[2])
save_metadata({"num_examples": len(rows), "loss": float(rows[:, 0].mean())}, sys.argv[2])
"""
VALIDATE = "import json, sys; json.dump({'loss': 0.25}, open(sys.argv[2], 'w'))"


@contextmanager
def run_node(link: SuperLink, folder: Path, rows: range, policy: str) -> Iterator[ClientNode]:
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "policy.yaml").write_text(policy)
    text = "".join(f"{n},{n % 2}\n" for n in rows)
    (folder / "data.csv").write_text(f"value,label\n{text}")
    source = {"path": "data.csv", "label": "label"}
    document = {"name": folder.name, "state": "state", "datasets": {"numbers": source}}
    (folder / "node.yaml").write_text(yaml.safe_dump(document))
    config = load_node_config(folder / "node.yaml", environment={})

    def fetch(settings: Mapping[str, Any], target: Path) -> None:
        copyfile(folder.parent / f"{settings['package']['digest']}.tgz", target)

    handler = ClientNode(config, fetch)
    node = Node(link.endpoint, Identity.keep(config.key_path), handler)
    thread = Thread(target=node.run)
    thread.start()
    try:
        yield handler
    finally:
        node.stop()
        thread.join(timeout=30)
        assert not thread.is_alive()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    folder = tmp_path / "package"
    folder.mkdir()
    entry_points = {name: f"python {name}.py" for name in ("train", "validate")}
    (folder / "fedloom.yaml").write_text(yaml.safe_dump({"entry_points": entry_points}))
    (folder / "train.py").write_text(TRAIN)
    (folder / "validate.py").write_text(VALIDATE)
    packed = create_archive(folder, tmp_path / "packed.tgz")
    packed.path.rename(tmp_path / f"{packed.sha256}.tgz")
    return packed


def test_unequal_nodes_give_the_pooled_mean_and_who_refuses_is_not_asked(
    tmp_path: Path, archive: Archive
) -> None:
    settings = package_settings("mean", archive.sha256, "numbers")
    allowed = yaml.safe_dump({"digests": [archive.sha256], "network": {"install": False}})
    with ExitStack() as stack:
        link = stack.enter_context(SuperLink(tmp_path / "superlink"))
        first = stack.enter_context(run_node(link, tmp_path / "a", range(10), allowed))
        stack.enter_context(run_node(link, tmp_path / "b", range(10, 40), allowed))
        denying = stack.enter_context(run_node(link, tmp_path / "c", range(5), "mode: deny\n"))
        fleet = stack.enter_context(closing(FlowerFleet(link.endpoint, link.secret, "t", settings)))
        found = fleet.wait_for(2, within_s=60)
        assert sorted(client.client_id for client in found) == ["a", "b"]
        weights, reducer = [np.zeros(3, np.float32)], mean_by_examples()
        for number in (1, 2):
            order = Order(round=number, cohort=[0, 1], weights=weights, seed=1, deadline_s=60.0)
            reply = fleet.train(order, reducer)
            assert [result.failure for result in reply.results] == [None, None]
            weights = [w + d for w, d in zip(weights, reducer.finish(reply.state), strict=True)]
            np.testing.assert_allclose(weights[0], number * np.arange(40).mean(), rtol=1e-6)
        assert fleet.evaluate(weights).loss == 0.25
        fleet.close()
        work = first.config.state / "work"
        assert list(work.iterdir()) == []
        assert [p.name for p in denying.config.state.glob("work/*")] == []
    for name in "abc":
        report = verify_audit(tmp_path / name / "state" / "audit.jsonl")
        assert report.intact, report.fault
        text = (tmp_path / name / "state" / "audit.jsonl").read_text()
        assert ('"started"' in text) == (name != "c")
        assert ("not among what" in text) == (name == "c")
