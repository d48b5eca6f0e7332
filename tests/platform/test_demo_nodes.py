"""The demo's nodes: who holds what, and what they allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedloom.errors import InputError
from fedloom.package.archive import create_archive
from fedloom.platform.client.config import NodeConfig
from fedloom.platform.client.datasets import DataShelf
from fedloom.platform.client.policy import Mode
from fedloom.platform.client.policy_file import read_policy
from fedloom.platform.demo import demo_digest, demo_package, write_demo
from fedloom.platform.demo.deal import deal


def test_six_rows_of_two_classes_for_two() -> None:
    # Class 0 goes 6/1 : 1/2, that is 12 of 13 parts; three rows are the least that one has.
    shares = deal(np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]), 2)
    assert sorted(np.concatenate(shares)) == list(range(12))
    assert [len(share) for share in shares] == [8, 4]
    assert (np.array([0] * 6 + [1] * 6)[shares[0]] == 0).sum() == 6


@pytest.mark.parametrize("clients", [1, 2, 3, 7, 20, 50])
def test_every_node_has_something(clients: int) -> None:
    labels = np.repeat(np.arange(3), 40)
    shares = deal(labels, clients)
    assert len(shares) == clients
    assert min(len(share) for share in shares) >= 3
    assert set(np.concatenate(shares)) == set(range(120))
    assert all(np.array_equal(a, b) for a, b in zip(shares, deal(labels, clients), strict=True))


def test_nodes_that_can_be_configured_and_read(tmp_path: Path) -> None:
    nodes = [NodeConfig.model_validate(found) for found in write_demo(tmp_path / "clients")]
    assert [node.name for node in nodes] == ["client-1", "client-2", "client-3"]
    irises = [DataShelf(node.datasets).summarize("iris") for node in nodes]
    assert [summary.rows for summary in irises] == [60, 34, 26]
    assert {summary.test_rows for summary in irises} == {30}
    assert irises[0].label_counts == {"setosa": 37, "versicolor": 10, "virginica": 13}
    digits = [DataShelf(node.datasets).summarize("digits") for node in nodes]
    assert sum(summary.rows for summary in digits) == 1797 - 360
    assert {summary.classes for summary in digits} == {10}


def test_they_allow_the_package_that_comes_along_and_nothing_else(tmp_path: Path) -> None:
    (node,) = write_demo(tmp_path / "clients", 1)
    archive = create_archive(demo_package(), tmp_path / "package.tgz")
    policy = read_policy(NodeConfig.model_validate(node).policy_path)
    assert policy.mode is Mode.DENY
    assert policy.digests == (archive.sha256,) == (demo_digest(),)
    assert policy.packages == ()


def test_what_the_owner_changed_stays(tmp_path: Path) -> None:
    home = tmp_path / "clients" / "client-1"
    write_demo(home.parent, 1)
    policy, data = home / "policy.yaml", home / "data" / "iris.csv"
    fresh = policy.read_text("utf-8")

    policy.write_text(fresh.replace(demo_digest(), "0" * 64), "utf-8")
    data.write_text("mine", "utf-8")
    (home / "data" / "digits.npz").unlink()
    write_demo(home.parent, 1)
    assert policy.read_text("utf-8") == fresh, "of an older Fedloom"
    assert data.read_text("utf-8") == "mine"
    assert (home / "data" / "digits.npz").exists()

    policy.write_text("mode: ask\n", "utf-8")
    write_demo(home.parent, 1)
    assert policy.read_text("utf-8") == "mode: ask\n"


@pytest.mark.parametrize("clients", [0, -1, 1001])
def test_numbers_of_nodes_that_cannot_be_meant(clients: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"not {clients}"):
        write_demo(tmp_path, clients)
