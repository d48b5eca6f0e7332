"""Small federations to compare fleets on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from time import perf_counter
from typing import Any

import numpy as np

from fedloom.data.dataset import Dataset, Task
from fedloom.federation.algorithm import Algorithm, build_algorithm
from fedloom.federation.fleet import Fleet, LocalEvaluation
from fedloom.federation.loop import LoopSettings, LoopState, RoundOutcome, begin, run_rounds
from fedloom.fleet.process import ProcessFleet
from fedloom.fleet.simulated import SimulatedFleet, open_lanes
from fedloom.learning import LocalTraining, build_trainer
from fedloom.randomness import derive_generator

SIZES = (13, 1, 20, 7, 9, 16)
"""Rows of the clients: one of a single row, most no multiple of the batch of 8."""

ONE_LANE, TWO_LANES, TWO_BY_THREE = (1, 1), (2, 1), (6, 3)
"""Lanes, and how many of them share a device under ``vmap``, as on a GPU."""


@dataclass(frozen=True)
class World:
    """Data, model and algorithm; fleets are built on it."""

    model: str = "mlp"
    hidden: tuple[int, ...] | None = (8,)
    task: Task = Task.CLASSIFICATION
    sizes: Sequence[int] = SIZES
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    epochs: int = 2
    algorithm: str = "FedAvg"
    poisoned: Sequence[int] = ()
    shape: tuple[int, ...] = (6, 6, 1)
    test_rows: int = 600
    seed: int = 5

    @property
    def training(self) -> LocalTraining:
        return LocalTraining(
            model=self.model,
            hidden=self.hidden,
            seed=self.seed,
            epochs=self.epochs,
            batch_size=8,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
        )

    @property
    def client_ids(self) -> list[str]:
        return [f"client_{i + 1}" for i in range(len(self.sizes))]

    @property
    def rows(self) -> list[np.ndarray]:
        order = derive_generator(self.seed, "split").permutation(sum(self.sizes))
        return np.split(order, np.cumsum(self.sizes)[:-1])

    def dataset(self) -> Dataset:
        generator = derive_generator(self.seed, "world")
        count = sum(self.sizes) + self.test_rows
        features = generator.normal(size=(count, *self.shape)).astype(np.float32)
        truth = generator.normal(size=(int(np.prod(self.shape)), 3))
        values = features.reshape(count, -1) @ truth
        if self.task is Task.REGRESSION:
            labels, classes = (0.1 * values[:, 0]).astype(np.float32), ()
        else:
            labels, classes = values.argmax(axis=1).astype(np.int32), ("a", "b", "c")
        for client in self.poisoned:
            features[self.rows[client]] *= 1e30
        cut = sum(self.sizes)
        parts = features[:cut], labels[:cut], features[cut:], labels[cut:]
        return Dataset("world", self.task, *parts, classes=classes)

    def build_algorithm(self, name: str | None = None) -> Algorithm:
        """Return an algorithm, the same one each time: another would need other programs."""
        return _build_algorithm(name or self.algorithm, len(self.sizes))

    def simulated(self, lanes: int = 1, abreast: int = 1, **trainer: Any) -> SimulatedFleet:
        layout = open_lanes(lanes, abreast=abreast)
        assert (layout.lanes, layout.lanes_per_device) == (lanes, abreast)
        return SimulatedFleet(self.trainer(**trainer), self.client_ids, self.rows, layout)

    def processes(self, workers: int = 2) -> ProcessFleet:
        trainer = self.trainer(fast_loops=False)
        return ProcessFleet(trainer, self.training, self.client_ids, self.rows, workers=workers)

    def trainer(self, *, fast_loops: bool = True) -> Any:
        objective = self.build_algorithm().objective
        return build_trainer(self.training, self.dataset(), objective, fast_loops=fast_loops)

    def with_(self, **changes: Any) -> World:
        return replace(self, **changes)


@lru_cache
def _build_algorithm(name: str, clients: int) -> Algorithm:
    return build_algorithm(name, clients=clients, cohort=clients)


@dataclass
class Story:
    """All that a run yielded."""

    outcomes: list[RoundOutcome] = field(default_factory=list)
    kept: dict[tuple[int, int], list[np.ndarray]] = field(default_factory=dict)

    @property
    def state(self) -> LoopState:
        return self.outcomes[-1].state


def run(
    fleet: Fleet,
    world: World,
    *,
    algorithm: Algorithm | None = None,
    rounds: int = 3,
    cohort: int | None = None,
    local_evaluation: LocalEvaluation = LocalEvaluation.FULL,
    keep: bool = True,
    after: LoopState | None = None,
    deadline_s: float | None = 240.0,
) -> Story:
    """Run rounds with the real loop; keep every client's weights if asked to."""
    algorithm = algorithm or world.build_algorithm()
    trainer = fleet._trainer  # type: ignore[attr-defined]
    start = begin(algorithm, trainer.initial_weights, trainer.trainable_indices)
    settings = LoopSettings(
        rounds=rounds,
        cohort=cohort or len(world.sizes),
        epochs=world.epochs,
        seed=world.seed,
        trainable_indices=trainer.trainable_indices,
        local_evaluation=local_evaluation,
        deadline_s=deadline_s,
    )
    story = Story()

    def sink_for(number: int) -> Any:
        def sink(client: int, weights: list[np.ndarray]) -> None:
            story.kept[number, client] = [np.array(w) for w in weights]

        return sink if keep else None

    story.outcomes += run_rounds(
        after or start,
        algorithm=algorithm,
        fleet=fleet,
        settings=settings,
        clock=perf_counter,
        sink_for=sink_for,
    )
    return story


def assert_same_story(story: Story, expected: Story, *, tolerance: float = 2e-5) -> None:
    """Compare everything that is not a measurement of the host."""
    for ours, theirs in zip(story.outcomes, expected.outcomes, strict=True):
        assert_close(ours.state.weights, theirs.state.weights, tolerance)
        assert_close(ours.state.shared, theirs.state.shared, 10 * tolerance)
        assert_close(ours.evaluation.loss, theirs.evaluation.loss, 10 * tolerance)
        assert_close(ours.evaluation.score, theirs.evaluation.score, 0.01)
        assert ours.participants == theirs.participants
        for a, b in zip(ours.results, theirs.results, strict=True):
            assert (a.client, a.failure, a.failure_detail) == (
                b.client,
                b.failure,
                b.failure_detail,
            )
            for name in ("train_loss", "divergence", "local_loss"):
                assert_close(getattr(a, name), getattr(b, name), 10 * tolerance)
            assert_close(a.local_score, b.local_score, 0.01)
    assert story.kept.keys() == expected.kept.keys()
    for place, weights in expected.kept.items():
        assert_close(story.kept[place], weights, tolerance)


def assert_close(ours: Any, theirs: Any, tolerance: float) -> None:
    """Compare numbers, arrays or lists of them; None equals None alone."""
    if isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_close(a, b, tolerance)
    elif theirs is None:
        assert ours is None
    else:
        assert ours is not None
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
