"""The Flower fleet gives what a lane gives: real SuperLink, real HTTP, nodes in threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from fedloom.data.dataset import Dataset
from fedloom.federation.fleet import LocalEvaluation
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.handlers import KerasHandler, keras_settings
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.fleet.process.scorer import Scorer

from .worlds import World, assert_same_story, run


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuperLink]:
    with SuperLink(tmp_path_factory.mktemp("superlink")) as link:
        yield link


def part(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """What one node holds: its own rows, and the test part."""
    return Dataset(
        dataset.name,
        dataset.task,
        dataset.train_features[rows],
        dataset.train_labels[rows],
        dataset.test_features,
        dataset.test_labels,
        classes=dataset.classes,
    )


@contextmanager
def nodes(world: World, link: SuperLink, folder: Path) -> Iterator[None]:
    """Run a node per client of the world."""
    dataset, started = world.dataset(), []
    for name, rows in zip(world.client_ids, world.rows, strict=True):
        handler = KerasHandler(name, {"world": part(dataset, rows)})
        node = Node(link.endpoint, Identity.keep(folder / f"{name}.key"), handler)
        started.append((node, Thread(target=node.run)))
    for _, thread in started:
        thread.start()
    try:
        yield
    finally:
        for node, _ in started:
            node.stop()
        for _, thread in started:
            thread.join(timeout=30)
            assert not thread.is_alive()


@contextmanager
def flower(world: World, link: SuperLink, folder: Path, task: str) -> Iterator[FlowerFleet]:
    trainer = world.trainer(fast_loops=False)
    scorer = Scorer(trainer)
    weights = trainer.initial_weights
    trained = [weights[i] for i in trainer.trainable_indices]
    fleet = FlowerFleet(
        link.endpoint,
        link.secret,
        task,
        keras_settings(world.training, world.build_algorithm(), "world"),
        memory=ClientMemory(trainer.objective.init_client(trained)),
        scorer=lambda w: scorer.score(w, trainer.test_rows.row_count),
    )
    fleet._trainer = trainer  # type: ignore[attr-defined]
    with ExitStack() as stack:
        stack.enter_context(nodes(world, link, folder))
        stack.enter_context(closing(fleet))
        found = fleet.wait_for(len(world.sizes), within_s=60)
        assert [(c.client_id, c.num_examples) for c in found] == list(
            zip(world.client_ids, world.sizes, strict=True)
        )
        yield fleet


def test_two_nodes_give_what_two_lanes_give(link, tmp_path):
    world = World(sizes=(13, 20))
    with flower(world, link, tmp_path, "pair") as fleet:
        ours = run(fleet, world)
    with closing(world.simulated()) as lanes:
        assert_same_story(ours, run(lanes, world))


def test_five_nodes_remember_what_scaffold_asks_them_to(link, tmp_path):
    world = World(algorithm="Scaffold", sizes=(13, 1, 20, 7, 9), model="logistic", hidden=None)

    def story(fleet: Any) -> list[Any]:
        first = run(fleet, world, rounds=1, cohort=4)
        saved = {name: np.array(array) for name, array in fleet.save().items()}
        second = run(fleet, world, rounds=3, cohort=4, after=first.state)
        fleet.load(saved)
        again = run(fleet, world, rounds=3, cohort=4, after=first.state)
        return [first, second, again]

    with flower(world, link, tmp_path, "five") as fleet:
        ours = story(fleet)
    with closing(world.simulated()) as lanes:
        theirs = story(lanes)
    for mine, expected in zip(ours, theirs, strict=True):
        assert_same_story(mine, expected, tolerance=5e-5)
    assert_same_story(ours[2], ours[1], tolerance=5e-5)


def test_a_client_that_diverges_leaves_the_other_alone(link, tmp_path):
    world = World(model="logistic", hidden=None, sizes=(13, 20), poisoned=(1,))
    none = LocalEvaluation.NONE
    with flower(world, link, tmp_path, "poison") as fleet:
        ours = run(fleet, world, rounds=1, local_evaluation=none)
    with closing(world.simulated()) as lanes:
        assert_same_story(ours, run(lanes, world, rounds=1, local_evaluation=none))
    assert ours.outcomes[0].participants == [0]


def test_weights_of_several_parts_and_of_odd_types_come_back(link, tmp_path, monkeypatch):
    from fedloom.fleet.flower import parcel
    from fedloom.fleet.flower.messages import Description, Trained

    monkeypatch.setattr(parcel, "PART_BYTES", 1000)
    monkeypatch.setattr(parcel, "INSIDE_BYTES", 500)
    monkeypatch.setattr(parcel, "_KEPT_BYTES", 2000)
    generator = np.random.default_rng(3)
    weights = [
        generator.normal(size=(37, 11)).astype(np.float64),
        np.array(5, np.int32),
        np.zeros((0, 4), np.float32),
        generator.normal(size=(13, 3)).astype(np.float16)[:, ::2],
    ]

    class Echo:
        def handle(self, request: Any, stop: Any) -> Any:
            if hasattr(request, "weights"):
                return Trained([2 * w for w in request.weights], 3)
            return Description("echo", num_examples=3)

        def close(self) -> None:
            pass

    from fedloom.federation.fleet import Order
    from fedloom.federation.reduce import mean_by_examples

    node = Node(link.endpoint, Identity.keep(tmp_path / "key"), Echo())
    thread = Thread(target=node.run)
    thread.start()
    kept: dict[int, Any] = {}
    reducer = mean_by_examples()
    with closing(FlowerFleet(link.endpoint, link.secret, "echo", {})) as fleet:
        fleet.wait_for(1, 30)
        sent = Order(1, [0], weights, 1, sink=kept.__setitem__, deadline_s=60)
        reply = fleet.train(sent, reducer)
    node.stop()
    thread.join(timeout=30)
    assert reply.results[0].failure is None
    for kept_one, delta, given in zip(kept[0], reducer.finish(reply.state), weights, strict=True):
        assert kept_one.dtype == given.dtype
        np.testing.assert_array_equal(kept_one, 2 * given)
        np.testing.assert_allclose(np.asarray(delta, np.float64), given.astype(np.float64), 1e-3)
