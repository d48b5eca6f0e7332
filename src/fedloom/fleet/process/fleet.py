"""The process fleet: every client in a process of its own on this machine.

Plain and slow, and easy to reason about: the yardstick for every other fleet, and the way to train
clients that may crash. A process keeps its model and its compiled step between rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.federation.fleet import Client, ClientResult, Evaluation, Failure, Order, Reply
from fedloom.federation.reduce import Reducer, Update, mean_by_examples
from fedloom.federation.weights import Weights
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.cores import count_cores
from fedloom.fleet.folding import measure_difference, store_weights, subtract
from fedloom.fleet.process.client_process import ClientGone, ClientHandle, ClientLate
from fedloom.fleet.process.messages import Done, Failed, SharedData, Train, Welcome
from fedloom.fleet.process.pool import ProcessPool
from fedloom.fleet.process.scorer import Scorer
from fedloom.fleet.verdict import find_update_fault, judge
from fedloom.learning.local_training import LocalTraining
from fedloom.learning.step_trainer import StepTrainer

__all__ = ["ProcessFleet"]

_TOO_LATE = "it did not answer before the round was ended"


class ProcessFleet:
    """Clients in processes; see `fedloom.federation.fleet.Fleet` for the calls.

    Args:
        trainer: scores the global weights in this process.
        training: how every client trains, in its own process.
        client_ids: names of the clients.
        rows: one index array into the training part per client.
        workers: clients that train at the same time; None takes one per core.
    """

    def __init__(
        self,
        trainer: StepTrainer,
        training: LocalTraining,
        client_ids: Sequence[str],
        rows: Sequence[NDArray[np.int64]],
        *,
        workers: int | None = None,
    ) -> None:
        self.workers = workers or count_cores()
        self._trainer, self._training, self._rows = trainer, training, list(rows)
        named = zip(client_ids, rows, strict=True)
        self._clients = [Client(i, name, len(held)) for i, (name, held) in enumerate(named)]
        weights = trainer.initial_weights
        trained = [weights[i] for i in trainer.trainable_indices]
        self._memory = ClientMemory(trainer.objective.init_client(trained))
        self._keeper = TemporaryDirectory(prefix="fedloom-processes-")
        self._data = SharedData.write(trainer.dataset, Path(self._keeper.name))
        self._pool = ProcessPool(self._start_process)
        self._stop = Event()
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="client")

    def clients(self) -> Sequence[Client]:
        """Return all clients, in the order of their indices."""
        return self._clients

    def train(self, order: Order, reducer: Reducer) -> Reply:
        """Let the cohort train, `workers` at a time; see `Fleet.train`."""
        stop = self._stop = Event()
        until = inf if order.deadline_s is None else monotonic() + order.deadline_s
        start = [np.asarray(w) for w in order.weights]
        waiting = {
            c: self._threads.submit(self._train_one, c, order, until, stop) for c in order.cohort
        }
        state, drift_mean, drift = reducer.init(start), mean_by_examples(), None
        results, store_seconds = [], 0.0
        try:
            # Folded in the cohort's order, not as they arrive: sums of floats depend on it.
            for client, future in waiting.items():
                result, done = self._judge(client, future, start)
                results.append(result)
                if done is None:
                    continue
                delta = subtract(done.weights, start)
                examples = self._clients[client].num_examples
                state = reducer.add(state, Update(delta, examples))
                if self._trainer.objective.stateful:
                    first = drift_mean.init(done.drift) if drift is None else drift
                    drift = drift_mean.add(first, Update(done.drift, examples))
                    self._memory.remember(client, done.client_state)
                store_seconds += store_weights(order, client, done.weights)
        except BaseException:
            self.cancel()
            raise
        spent = [r.evaluate_seconds for r in results if r.evaluate_seconds is not None]
        return Reply(
            state=state,
            results=results,
            drift=() if drift is None else drift,
            evaluate_seconds=sum(spent) / self.workers,
            store_seconds=store_seconds,
        )

    def evaluate(self, weights: Weights) -> Evaluation:
        """Score weights on the whole test part, in this process."""
        return self._scorer.score(weights, self._trainer.test_rows.row_count)

    def cancel(self) -> None:
        """Kill the processes, so that a running `train` returns; they are started anew later."""
        self._stop.set()
        self._pool.kill()

    def close(self) -> None:
        """End all processes and threads and remove the shared files."""
        self.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._keeper.cleanup()

    def save(self) -> dict[str, Any]:
        """Return what is remembered of the clients."""
        return self._memory.save()

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `save` returned."""
        self._memory.load(state)

    @cached_property
    def _scorer(self) -> Scorer:
        return Scorer(self._trainer)

    def _train_one(self, client: int, order: Order, until: float, stop: Event) -> Done | Failed:
        if stop.is_set() or monotonic() >= until:
            raise ClientLate
        message = Train(
            round=order.round,
            weights=[np.asarray(w) for w in order.weights],
            seed=order.seed,
            shared=order.shared,
            client_state=self._memory.recall(client) if self._memory else (),
            local_evaluation=order.local_evaluation,
        )
        try:
            # Looked again: a cancel from now on finds the process among those lent, and kills it.
            with self._pool.borrow(client) as handle:
                if stop.is_set():
                    raise ClientLate
                return handle.train(message, until)
        except ClientGone:
            if stop.is_set():
                raise ClientLate from None
            raise

    def _start_process(self, client: int) -> ClientHandle:
        welcome = Welcome(
            client, self._rows[client], self._data, self._training, self._trainer.objective
        )
        return ClientHandle(welcome, Path(self._keeper.name) / f"client_{client}.log")

    def _judge(
        self, client: int, future: Future[Done | Failed], start: Weights
    ) -> tuple[ClientResult, Done | None]:
        """Turn an answer, or its absence, into a result."""
        try:
            answer = future.result()
        except ClientGone as error:
            return ClientResult(client, Failure.LOST, str(error)), None
        except ClientLate:
            return ClientResult(client, Failure.TIMEOUT, _TOO_LATE), None
        if isinstance(answer, Failed):
            return ClientResult(client, Failure.ERROR, answer.reason), None
        fault = find_update_fault(answer.weights, start, self._clients[client].num_examples)
        if fault is not None:
            return ClientResult(client, Failure.REJECTED, fault), None
        result = _measure(client, answer, start)
        return result, answer if result.failure is None else None


def _measure(client: int, answer: Done, start: Weights) -> ClientResult:
    norm = measure_difference(subtract(answer.weights, start))
    measured = ClientResult(
        client=client,
        train_seconds=answer.train_seconds,
        evaluate_seconds=answer.evaluate_seconds,
        cpu_seconds=answer.cpu_seconds,
    )
    return judge(measured, loss=answer.train_loss, norm=norm, scored=answer.scored)
