"""A node that runs a package, over a real SuperLink: train, validate, fail, cancel, forget."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from fedloom.errors import PackageError
from fedloom.federation.fleet import Evaluation, Failure, Order
from fedloom.federation.reduce import mean_by_examples
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.handlers import PackageHandler, PackageSite, package_settings
from fedloom.fleet.flower.messages import Description
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.package.client_folder import ClientFolder, copy_package
from fedloom.package.environment import PackageEnvironment
from fedloom.package.run import run_entry_point
from fedloom.package.trainer import PackageTrainer

from .flower_world import wait_until

TRAIN = """
import json, sys, time
import numpy as np
given, out = sys.argv[1:]
told = json.load(open(given + "-metadata"))
with np.load(given) as held:
    weights = {name: held[name] + 1 for name in held.files}
if told.get("sleep"):
    open("asleep", "w").close()
    time.sleep(told["sleep"])
if told.get("fail"):
    sys.exit("no rows today")
np.savez(out, **weights)
json.dump({"num_examples": 7, "training_metadata": {"loss": 0.25}}, open(out + "-metadata", "w"))
"""
VALIDATE = """
import json, sys
json.dump({"test_loss": 0.5, "accuracy": 0.75}, open(sys.argv[2], "w"))
"""
WEIGHTS = [np.zeros((2, 2), np.float32), np.ones(3, np.float32)]


class Site:
    """Packages at one node, as the platform's client will make them ready."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.opened, self.closed = folder, 0, 0
        source = folder / "source"
        source.mkdir()
        scripts = {"train": TRAIN, "validate": VALIDATE}
        lines = ["entry_points:"]
        for name, text in scripts.items():
            (source / f"{name}.py").write_text(textwrap.dedent(text))
            lines.append(f"  {name}: python {name}.py")
        (source / "fedloom.yaml").write_text("\n".join([*lines, ""]))

    def open(self, task: str, settings: Mapping[str, Any]) -> PackageSite:
        if settings["package"]["digest"] != "good":
            raise PackageError("package evil: its owner allows only good")
        self.opened += 1
        place = self.folder / task
        copy = copy_package(self.folder / "source", place / "copy")
        client = ClientFolder.make(copy, place / "client", index=0, clients=1, seed=1)
        environment = PackageEnvironment(Path(sys.executable), None, created=False)
        trainer = PackageTrainer(copy.project, environment, run_entry_point, 60.0)

        def close() -> None:
            shutil.rmtree(place)
            self.closed += 1

        return PackageSite(client, trainer, place / "logs", close)


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuperLink]:
    with SuperLink(tmp_path_factory.mktemp("superlink")) as link:
        yield link


@pytest.fixture
def site(link: SuperLink, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    handler = PackageHandler(lambda _: Description("n"), site.open)
    node = Node(link.endpoint, Identity.keep(tmp_path / "key"), handler)
    thread = Thread(target=node.run)
    thread.start()
    yield site
    node.stop()
    thread.join(timeout=30)
    assert not thread.is_alive()


def run(link: SuperLink, task: str, **more: Any) -> FlowerFleet:
    told = package_settings("p", more.pop("digest", "good"), "u", more)
    return FlowerFleet(link.endpoint, link.secret, task, told)


def sent(number: int = 1) -> Order:
    return Order(number, [0], WEIGHTS, 1, deadline_s=60)


def test_a_package_trains_and_validates_and_is_gone_with_its_task(link, site):
    reducer = mean_by_examples()
    with closing(run(link, "good")) as fleet:
        assert fleet.wait_for(1, 30)[0].num_examples == 0
        for number in (1, 2):
            reply = fleet.train(sent(number), reducer)
            assert [r.failure for r in reply.results] == [None], reply.results[0].failure_detail
        assert fleet.clients()[0].num_examples == 7
        np.testing.assert_allclose(reducer.finish(reply.state)[1], np.ones(3))
        assert fleet.evaluate(WEIGHTS) == Evaluation(0.5, 0.75)
        report = fleet.take_reports()[0]
        assert (report.client_id, report.num_examples) == ("n", 7)
        assert report.document == {"test_loss": 0.5, "accuracy": 0.75}
        assert (site.opened, site.closed) == (1, 0)
    wait_until(lambda: site.closed == 1)
    assert not (site.folder / "good").exists()


def test_what_a_package_does_wrong_is_told(link, site):
    with closing(run(link, "fails", fail=True)) as fleet:
        fleet.wait_for(1, 30)
        result = fleet.train(sent(), mean_by_examples()).results[0]
    assert result.failure is Failure.ERROR
    assert "no rows today" in result.failure_detail


def test_a_package_that_its_owner_does_not_allow_is_refused(link, site):
    with closing(run(link, "evil", digest="bad")) as fleet:
        fleet.wait_for(1, 30)
        result = fleet.train(sent(), mean_by_examples()).results[0]
    assert result.failure is Failure.REJECTED
    assert result.failure_detail == "package evil: its owner allows only good"


def test_cancel_stops_the_command(link, site):
    with closing(run(link, "sleeps", sleep=60)) as fleet:
        fleet.wait_for(1, 30)
        training = Thread(target=fleet.train, args=(sent(), mean_by_examples()))
        training.start()
        asleep = site.folder / "sleeps" / "client" / "source" / "asleep"
        wait_until(asleep.exists)
        fleet.cancel()
        training.join(timeout=10)
        assert not training.is_alive()
    wait_until(lambda: site.closed == 1, 15.0)
