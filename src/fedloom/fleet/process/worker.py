"""The process of one client: ``python -m fedloom.fleet.process.worker DESCRIPTOR``.

It waits for work on the pipe that it was started with and ends when the other side is gone. Each
step is a compiled function called from Python: nothing of the lanes is used, so that this fleet is
an independent yardstick for them.
"""

from __future__ import annotations

import sys
from functools import cached_property
from multiprocessing.connection import Connection
from time import perf_counter, process_time
from typing import Any

import jax
import numpy as np

from fedloom.federation.fleet import Evaluation, LocalEvaluation
from fedloom.fleet.process.messages import Done, Failed, Train, Welcome
from fedloom.fleet.process.scorer import Scorer
from fedloom.learning import build_trainer
from fedloom.learning.batches import RowLists, build_batches, shuffle_keys
from fedloom.learning.describe import describe_error
from fedloom.learning.scored_rows import count_scored_rows
from fedloom.learning.trainer import noise_key

__all__ = ["ClientProcess", "serve"]


class ClientProcess:
    """One client with its rows, its model and its compiled step.

    Args:
        welcome: who it is.
    """

    def __init__(self, welcome: Welcome) -> None:
        self._welcome = welcome
        self._dataset = welcome.data.open()
        self._trainer = build_trainer(
            welcome.training, self._dataset, welcome.objective, fast_loops=False
        )
        self._rows = RowLists.join([welcome.rows])
        self._step = jax.jit(self._trainer.step)

    @cached_property
    def _scorer(self) -> Scorer:
        return Scorer(self._trainer)

    def train(self, order: Train) -> Done:
        """Train for one round and score the weights it ends with."""
        began, began_cpu = perf_counter(), process_time()
        weights = [jax.numpy.asarray(w) for w in order.weights]
        state, loss, steps = self._walk(order, weights)
        ended = [np.asarray(w) for w in self._trainer.finish(state)]
        memory, drift = self._remember(order, ended, steps)
        seconds, cpu = perf_counter() - began, process_time() - began_cpu
        scored_at = perf_counter()
        scored = self._score(ended, order.local_evaluation)
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

    def _walk(self, order: Train, weights: Any) -> tuple[Any, float, int]:
        """Take all steps of a round; return the state, the mean loss and the number of steps."""
        trainer, client = self._trainer, self._welcome.client
        settings = trainer.settings
        keys = shuffle_keys(order.seed, order.round, [client])
        table = build_batches(
            self._rows, [0], keys, batch_size=settings.batch_size, epochs=settings.epochs
        )
        state = trainer.begin(weights, noise_key(order.seed, order.round, client))
        anchor = [weights[i] for i in trainer.trainable_indices]
        total = 0.0
        for rows, count in zip(table.rows, table.counts, strict=True):
            batch = self._dataset.train_features[rows], self._dataset.train_labels[rows]
            state, loss = self._step(
                state, anchor, order.client_state, order.shared, *batch, int(count)
            )
            total += float(loss) * int(count)
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

    def _score(self, weights: Any, evaluation: LocalEvaluation) -> Evaluation | None:
        rows = count_scored_rows(evaluation, len(self._dataset.test_labels))
        return self._scorer.score(weights, rows) if rows else None


def serve(pipe: Connection) -> None:
    """Do what comes through the pipe until the other side closes it."""
    try:
        welcome, client = pipe.recv(), None
        while True:
            order = pipe.recv()
            try:
                client = client or ClientProcess(welcome)
                answer: Done | Failed = client.train(order)
            except Exception as error:  # noqa: BLE001 - a user's model may raise anything
                answer = Failed(describe_error(error))
            pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
