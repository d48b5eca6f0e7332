"""One client in this process: its rows, its model, its compiled step.

Each step is a compiled function called from Python: nothing of the lanes is used, so that fleets
which train like this are an independent yardstick for them. It computes with the backend that its
orders name, which is then that of the process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.data.dataset import Dataset
from fedloom.federation.fleet import Evaluation, LocalEvaluation
from fedloom.federation.objective import Objective
from fedloom.fleet.process.messages import Done, Train
from fedloom.fleet.process.scorer import Scorer
from fedloom.learning import LocalTraining, build_step_trainer
from fedloom.learning.batches import RowLists, build_batches, shuffle_keys
from fedloom.learning.noise import noise_key
from fedloom.learning.scored_rows import count_scored_rows

__all__ = ["LocalClient", "Stopped"]


class Stopped(Exception):  # noqa: N818 - an outcome that the caller turns into a failure
    """Training was no longer wanted."""


class LocalClient:
    """A client that trains in this process.

    Args:
        dataset: holds its rows, and the test part that weights are scored on.
        rows: its rows of the training part.
        training: how it trains.
        objective: what it minimises.
        fast_loops: jax: whether it uses the lanes' forms of convolutions after all, for speed.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: NDArray[np.int64],
        training: LocalTraining,
        objective: Objective,
        *,
        fast_loops: bool = False,
    ) -> None:
        self._dataset, self._rows = dataset, RowLists.join([rows])
        self._trainer = build_step_trainer(training, dataset, objective, fast_loops=fast_loops)
        self._step = self._trainer.compile_step()

    def train(self, order: Train, client: int, stopped: Callable[[], bool] = lambda: False) -> Done:
        """Train for one round and score the weights it ends with.

        Args:
            order: the round.
            client: index of the client, from which its draws are derived.
            stopped: looked at before every step.

        Raises:
            Stopped: it said so.
        """
        began, began_cpu = perf_counter(), process_time()
        state, loss, steps = self._walk(order, client, stopped)
        ended = [np.asarray(w) for w in self._trainer.finish(state)]
        memory, drift = self._remember(order, ended, steps)
        seconds, cpu = perf_counter() - began, process_time() - began_cpu
        scored_at = perf_counter()
        scored = self.score(ended, order.local_evaluation)
        return Done(
            weights=ended,
            client_state=memory,
            drift=drift,
            train_loss=loss,
            train_seconds=seconds,
            cpu_seconds=cpu,
            evaluate_seconds=None if scored is None else perf_counter() - scored_at,
            scored=scored,
        )

    def score(self, weights: Any, evaluation: LocalEvaluation) -> Evaluation | None:
        """Score weights on as much of the test part as asked for; None for none of it."""
        rows = count_scored_rows(evaluation, len(self._dataset.test_labels))
        return self._scorer.score(weights, rows) if rows else None

    @cached_property
    def _scorer(self) -> Scorer:
        return Scorer(self._trainer)

    def _walk(
        self, order: Train, client: int, stopped: Callable[[], bool]
    ) -> tuple[Any, float, int]:
        """Take all steps of a round; return the state, the mean loss and the number of steps."""
        trainer = self._trainer
        settings = trainer.settings
        keys = shuffle_keys(order.seed, order.round, [client])
        table = build_batches(
            self._rows, [0], keys, batch_size=settings.batch_size, epochs=settings.epochs
        )
        weights = trainer.place(order.weights)
        state = trainer.begin(weights, noise_key(order.seed, order.round, client))
        anchor = [weights[i] for i in trainer.trainable_indices]
        own, shared = trainer.place(order.client_state), trainer.place(order.shared)
        losses = []
        for rows, count in zip(table.rows, table.counts, strict=True):
            if stopped():
                raise Stopped
            batch = self._dataset.train_features[rows], self._dataset.train_labels[rows]
            state, loss = self._step(state, anchor, own, shared, *batch, int(count))
            losses.append(loss)
        # Read at the end: reading one waits for it, while the next batch could be gathered.
        counted = zip(losses, table.counts, strict=True)
        total = sum(float(loss) * int(count) for loss, count in counted)
        return state, total / (int(table.examples[0]) * settings.epochs), len(table.rows)

    def _remember(self, order: Train, ended: Any, steps: int) -> tuple[Any, Any]:
        objective, places = self._trainer.objective, self._trainer.trainable_indices
        if not objective.stateful:
            return order.client_state, ()
        anchor = [order.weights[i] for i in places]
        reached = [ended[i] for i in places]
        rate = self._trainer.settings.learning_rate
        return objective.finish_client(
            order.client_state, order.shared, anchor, reached, steps, rate
        )
