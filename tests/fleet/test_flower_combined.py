"""Several SuperLinks as one fleet: the numbers are those of one, and an outage is a part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from fedloom.errors import InputError, LinkError, RunFailedError
from fedloom.federation.fleet import ClientResult, Failure
from fedloom.federation.reduce import mean_by_examples, median
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.flower.combined import CombinedFleet
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.handlers import KerasHandler, keras_settings
from fedloom.fleet.flower.letters import Patience
from fedloom.fleet.flower.round import Quorum
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.fleet.process.scorer import Scorer

from .flower_world import REDUCER, by_client, failures, mean_of, order, wait_until
from .test_flower_contract import part
from .thread_nodes import Adder, serve
from .worlds import World, assert_same_story, run

PATIENCE = Patience(outage_s=3.0, ask_s=2.0, return_s=5.0)


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SuperLink]]:
    with ExitStack() as stack:
        folders = [tmp_path_factory.mktemp(f"superlink{n}") for n in range(2)]
        yield [stack.enter_context(SuperLink(folder)) for folder in folders]


Deal = Sequence[Sequence[Any]]
"""The handlers of the nodes at each SuperLink."""


@contextmanager
def combined(
    links: Sequence[SuperLink], folder: Path, deal: Deal, task: str, **more: Any
) -> Iterator[CombinedFleet]:
    """Run nodes at several SuperLinks, and a fleet over all of them."""
    more.setdefault("settings", {"trainer": "toy"})
    more.setdefault("patience", PATIENCE)
    memory: Callable[[], Any] = more.pop("memory", lambda: None)
    with ExitStack() as stack:
        for link, handlers in zip(links, deal, strict=True):
            stack.enter_context(serve(link, folder, *handlers))
        fleets = [FlowerFleet(k.endpoint, k.secret, task, memory=memory(), **more) for k in links]
        yield stack.enter_context(closing(CombinedFleet(fleets)))


def toys(*names_and_rows: tuple[str, int]) -> list[Adder]:
    return [Adder(name, rows) for name, rows in names_and_rows]


@pytest.mark.parametrize("algorithm", ["Scaffold", "Krum"])
def test_unequal_combiners_give_what_one_fleet_gives(links, tmp_path, algorithm):
    world = World(algorithm=algorithm, sizes=(13, 1, 20, 7, 9), model="logistic", hidden=None)
    trainer = world.trainer(fast_loops=False)
    scorer, dataset = Scorer(trainer), world.dataset()
    trained = [trainer.initial_weights[i] for i in trainer.trainable_indices]
    handlers = {
        name: KerasHandler(name, {"world": part(dataset, rows)})
        for name, rows in zip(world.client_ids, world.rows, strict=True)
    }
    for name, handler in handlers.items():
        handler.name = name  # type: ignore[attr-defined]
    # The numbers of the whole are dealt across: 1, 3, 4, 5 here, and 2 alone there.
    deal = [[handlers[n] for n in world.client_ids if n != "client_2"], [handlers["client_2"]]]
    with combined(
        links,
        tmp_path,
        deal,
        algorithm,
        settings=keras_settings(world.training, world.build_algorithm(), "world"),
        memory=lambda: ClientMemory(trainer.objective.init_client(trained)),
        scorer=lambda w: scorer.score(w, trainer.test_rows.row_count),
    ) as fleet:
        fleet._trainer = trainer  # type: ignore[attr-defined]
        found = fleet.wait_for(5, within_s=60)
        assert [c.client_id for c in found] == world.client_ids
        assert [c.num_examples for c in found] == list(world.sizes)
        ours = run(fleet, world, cohort=4)
    with closing(world.simulated()) as lanes:
        assert_same_story(ours, run(lanes, world, cohort=4), tolerance=5e-5)


def test_states_of_reducers_that_keep_updates_are_merged(links, tmp_path):
    deal = [toys(("a", 1), ("b", 2)), toys(("c", 9))]
    with combined(links, tmp_path, deal, "median") as fleet:
        fleet.wait_for(3, 60)
        reply = fleet.train(order([0, 1, 2]), median())
        # Of the differences 1, 2 and 9, by hand: 2.
        assert [float(a.ravel()[0]) for a in median().finish(reply.state)] == [2.0, 2.0]


def test_scores_are_weighted_over_all_combiners(links, tmp_path):
    deal = [toys(("a", 1), ("b", 2)), toys(("c", 9))]
    with combined(links, tmp_path, deal, "scores") as fleet:
        fleet.wait_for(3, 60)
        reply = fleet.train(order([0, 1, 2]), REDUCER)
        assert mean_of(reply) == pytest.approx((1 * 1 + 2 * 2 + 9 * 9) / 12)
        scored = fleet.evaluate([np.full((3, 2), 5.0, np.float32), np.zeros(5, np.float32)])
        # Every node says rows / 100: the mean of 0.01, 0.02 and 0.09 by rows, and the loss is 5.
        assert scored.score == pytest.approx((0.01 + 2 * 0.02 + 9 * 0.09) / 12)
        assert scored.loss == 5.0
        assert [(r.client_id, r.num_examples) for r in fleet.take_reports()] == [
            ("a", 1),
            ("b", 2),
            ("c", 9),
        ]
        assert fleet.take_reports() == []
        # Only those who trained are asked for a score, and here nobody of the first SuperLink.
        fleet.train(order([2], number=2), REDUCER)
        assert fleet.evaluate([np.zeros((3, 2)), np.zeros(5)]).score == pytest.approx(0.09)


def test_late_comers_come_after_the_others_and_numbers_last(links, tmp_path):
    first = [toys(("b", 2)), toys(("c", 3))]
    results: list[ClientResult] = []
    with combined(links, tmp_path, first, "late", observer=results.append) as fleet:
        fleet.wait_for(2, 60)
        with serve(links[0], tmp_path, *toys(("a", 1))):
            wait_until(lambda: fleet.online() == [0, 1, 2], 60)
            assert [c.client_id for c in fleet.clients()] == ["b", "c", "a"]
            stored: dict[int, float] = {}
            asked = order([1, 2], sink=lambda c, w: stored.update({c: float(w[1][0])}))
            reply = fleet.train(asked, REDUCER)
            assert mean_of(reply) == pytest.approx((1 * 1 + 3 * 3) / 4)
            assert stored == {1: 3.0, 2: 1.0}
            assert sorted(r.client for r in results) == [1, 2]
            saved = {name: np.array(array) for name, array in fleet.save().items()}
    # Gone on with elsewhere: the SuperLinks come in another order, and one node is not there.
    turned = [toys(("c", 3)), toys(("b", 2), ("0", 7))]
    with combined(links[::-1], tmp_path, turned, "late") as fleet:
        fleet.load(saved)
        wait_until(lambda: fleet.online() == [0, 1, 3], 60)
        assert [c.client_id for c in fleet.clients()] == ["b", "c", "a", "0"]
        reply = fleet.train(order([0, 1, 2, 3], number=2), REDUCER)
        assert failures(reply) == [None, None, Failure.UNAVAILABLE, None]
        assert mean_of(reply) == pytest.approx((2 * 2 + 3 * 3 + 7 * 7) / 12)


def test_clients_remember_under_their_own_numbers(links, tmp_path):
    deal = [toys(("b", 2)), toys(("a", 1))]
    memory = lambda: ClientMemory([np.zeros(1, np.float32)])  # noqa: E731
    with combined(links, tmp_path, deal, "memory", memory=memory) as fleet:
        fleet.wait_for(2, 60)
        for number in (1, 2):
            reply = fleet.train(order([0, 1], number=number), REDUCER)
        # What the objective returns is averaged by rows over both: (1·1 + 2·2) / 3.
        assert mean_by_examples().finish(reply.drift)[0] == pytest.approx(5 / 3)
        assert {k: float(v[0]) for k, v in fleet.save().items() if "memory" in k} == {
            "0/memory/0/0": 2.0,
            "1/memory/0/0": 2.0,
        }


def test_one_name_at_two_superlinks_takes_part_once(links, tmp_path):
    (tmp_path / "other").mkdir()
    deal = [toys(("a", 1), ("b", 2)), []]
    with (
        combined(links, tmp_path, deal, "names") as fleet,
        serve(links[1], tmp_path / "other", *toys(("a", 5))),
    ):
        wait_until(lambda: len(fleet.online()) == 2 and fleet.refusals(), 60)
        assert "at another SuperLink" in fleet.refusals()["a"]
        assert sorted(c.client_id for c in fleet.clients()) == ["a", "b"]


def test_a_superlink_that_is_down_takes_only_its_clients_with_it(tmp_path):
    results: list[ClientResult] = []
    with ExitStack() as stack:
        links = [stack.enter_context(SuperLink(tmp_path / f"link{n}")) for n in range(2)]
        slow = Adder("b", 2)
        deal = [toys(("a", 1)), [slow]]
        fleet = stack.enter_context(
            combined(
                links,
                tmp_path,
                deal,
                "down",
                quorum=Quorum(minimum=1),
                observer=lambda r: results.append(r),
            )
        )
        fleet.wait_for(2, 60)
        # It dies in the middle of a round …
        handle = slow.handle

        def handle_slowly(request: Any, stop: Any) -> Any:
            if request.verb == "train":
                links[1].kill()
            return handle(request, stop)

        slow.handle = handle_slowly  # type: ignore[method-assign]
        reply = fleet.train(order([0, 1]), REDUCER)
        assert failures(reply) == [None, Failure.UNAVAILABLE]
        assert mean_of(reply) == 1.0
        assert by_client(results)[1].failure is Failure.UNAVAILABLE
        # … and is away in the next, which does not wait for it …
        assert fleet.online() == [0]
        reply = fleet.train(order([0, 1], number=2), REDUCER)
        assert failures(reply) == [None, Failure.UNAVAILABLE]
        assert "does not answer" in reply.results[1].failure_detail
        assert fleet.evaluate([np.zeros((3, 2)), np.zeros(5)]).score == pytest.approx(0.01)
        fleet._quorum = Quorum(minimum=2)
        with pytest.raises(RunFailedError, match="1 of 2 clients gave an update"):
            fleet.train(order([0, 1], number=3), REDUCER)
        fleet._quorum = Quorum()
        # … and back in the one after that.
        slow.handle = handle  # type: ignore[method-assign]
        links[1].start()
        wait_until(lambda: fleet.online() == [0, 1], 60)
        assert failures(fleet.train(order([0, 1], number=4), REDUCER)) == [None, None]
        for link in links:
            link.kill()
        with pytest.raises(LinkError, match="does not answer"):
            fleet.train(order([0, 1], number=5), REDUCER)


class Waiting(Adder):
    """Trains until it is told to stop."""

    stopped = False

    def handle(self, request: Any, stop: Any) -> Any:
        if request.verb == "train":
            self.heard.append("train")
            self.stopped = stop.wait(60)
        return super().handle(request, stop)


def test_a_cancellation_reaches_the_nodes_of_all_superlinks(links, tmp_path):
    nodes = [Waiting("a", 1), Waiting("b", 2)]
    with combined(links, tmp_path, [[nodes[0]], [nodes[1]]], "cancel") as fleet:
        fleet.wait_for(2, 60)
        replies: list[Any] = []
        thread = Thread(target=lambda: replies.append(fleet.train(order([0, 1]), REDUCER)))
        thread.start()
        wait_until(lambda: all("train" in node.heard for node in nodes))
        fleet.cancel()
        thread.join(timeout=30)
        assert failures(replies[0]) == [Failure.TIMEOUT, Failure.TIMEOUT]
        wait_until(lambda: all(node.stopped for node in nodes))


def test_an_error_of_the_callers_own_ends_the_round_everywhere(links, tmp_path):
    node = Waiting("b", 2)

    def fail(_: int, __: Any) -> None:
        raise OSError("disk full")

    with combined(links, tmp_path, [toys(("a", 1)), [node]], "sink") as fleet:
        fleet.wait_for(2, 60)
        with pytest.raises(OSError, match="disk full"):
            fleet.train(order([0, 1], sink=fail), REDUCER)
        wait_until(lambda: node.stopped)


def test_too_few_clients_are_named_with_the_reasons(links, tmp_path):
    with (
        combined(links, tmp_path, [toys(("a", 1)), []], "few") as fleet,
        pytest.raises(RunFailedError, match="1 of 2 clients take part at 2 SuperLinks"),
    ):
        fleet.wait_for(2, 6)


def test_a_superlink_is_named_once(links):
    one = FlowerFleet(links[0].endpoint, links[0].secret, "t", {})
    with pytest.raises(InputError, match="each once"):
        CombinedFleet([one, one])
    with pytest.raises(InputError, match="at least one"):
        CombinedFleet([])
