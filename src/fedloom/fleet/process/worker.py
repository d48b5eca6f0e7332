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
from fedloom.learning import build_trainer
from fedloom.learning.batches import RowLists, build_batches, shuffle_keys
from fedloom.learning.scored_rows import arrange_test_rows, count_scored_rows
from fedloom.learning.trainer import EVALUATION_BATCH, EvaluationSums, KerasTrainer, noise_key

__all__ = ["ClientProcess", "score_weights", "serve"]


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
    def _scorer(self) -> _Scorer:
        return _Scorer(self._trainer)

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
            local_loss=None if scored is None else scored.loss,
            local_score=None if scored is None else scored.score,
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


class _Scorer:
    """Scores weights on the test part, batch by batch."""

    def __init__(self, trainer: KerasTrainer) -> None:
        self._trainer = trainer
        self._test = arrange_test_rows(trainer.dataset, EVALUATION_BATCH)
        self._batch = jax.jit(trainer.score_batch)

    def score(self, weights: Any, row_count: int) -> Evaluation:
        total = EvaluationSums(0.0, 0.0)
        for start in range(0, row_count, EVALUATION_BATCH):
            rows = self._test.features[start : start + EVALUATION_BATCH]
            labels = self._test.labels[start : start + EVALUATION_BATCH]
            count = min(EVALUATION_BATCH, row_count - start)
            sums = self._batch(weights, rows, labels, count)
            total = EvaluationSums(total.loss + float(sums.loss), total.hits + float(sums.hits))
        return self._trainer.summarise(total, row_count)


def score_weights(trainer: KerasTrainer) -> Any:
    """Return a function from weights to their `Evaluation` on the whole test part."""
    scorer = _Scorer(trainer)
    return lambda weights: scorer.score(weights, len(trainer.dataset.test_labels))


def serve(pipe: Connection) -> None:
    """Do what comes through the pipe until the other side closes it."""
    try:
        client = ClientProcess(pipe.recv())
        while True:
            order = pipe.recv()
            try:
                answer: Done | Failed = client.train(order)
            except Exception as error:  # noqa: BLE001 - a user's model may raise anything
                text = " ".join(str(error).split())
                answer = Failed(f"{type(error).__name__}: {text}")
            pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
