"""Many nodes at one SuperLink: cheap threads, whole rounds, nobody lost."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from fedloom.fleet.flower import post
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.interval import is_ours, mark_interval
from fedloom.fleet.flower.superlink import SuperLink

from .flower_world import REDUCER, failures, mean_of, order
from .thread_nodes import Adder, serve

NODES = int(os.environ.get("FEDLOOM_TEST_NODES", "24"))
ROUNDS = int(os.environ.get("FEDLOOM_TEST_ROUNDS", "2"))
"""The benchmark has 200; here fewer, so that the test is quick on a busy machine."""


def test_rounds_of_many_nodes_have_all_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(post, "_AT_ONCE", 10)  # so that there are several requests of letters
    handlers = [Adder(f"n{number}", number + 1) for number in range(NODES)]
    with (
        SuperLink(tmp_path / "link") as link,
        serve(link, tmp_path, *handlers),
        closing(FlowerFleet(link.endpoint, link.secret, "many", {})) as fleet,
    ):
        found = fleet.wait_for(NODES, 300)
        assert [c.client_id for c in found] == [f"n{number}" for number in range(NODES)]
        for number in range(1, ROUNDS + 1):
            reply = fleet.train(order(range(NODES), number, deadline_s=300), REDUCER)
            assert failures(reply) == [None] * NODES
            # Each adds its rows n, weighted by n: the mean is (Σ n²) / (Σ n) = (2N + 1) / 3.
            assert mean_of(reply) == pytest.approx((2 * NODES + 1) / 3)
    assert {handler.heard.count("train") for handler in handlers} == {ROUNDS}


@pytest.mark.parametrize("asked", [1.0, 10.0, 20.0, 30.0, 30.7, 1800.0])
def test_an_interval_of_ours_is_no_stock_nodes(asked):
    interval = mark_interval(asked)
    assert is_ours(interval)
    assert 10 <= interval <= 1800
    assert abs(interval - max(asked, 10.0)) <= 1
    assert not is_ours(30)
