"""The package fleet: every client is a compute package, trained by its own commands.

Each client has a private copy of the package, made and started when the client is first chosen.
Nothing a package does ends a round: whatever fails is that client's failure, and is told.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock
from typing import Any, TypeVar

import numpy as np

from fedloom.federation.fleet import Client, ClientResult, Evaluation, Failure, Order, Reply
from fedloom.federation.reduce import Reducer, Update
from fedloom.federation.weights import Weights
from fedloom.fleet.cores import count_cores
from fedloom.fleet.folding import measure_difference, store_weights, subtract
from fedloom.fleet.package.reports import (
    TRAIN_LOSS_NAMES,
    ClientReport,
    find_first,
    score_reports,
)
from fedloom.fleet.verdict import judge
from fedloom.package.client_folder import ClientFolder, PackageCopy
from fedloom.package.contract import list_scalars
from fedloom.package.trainer import Fault, PackageTrainer, Trained, Validated

__all__ = ["NEWS", "PackageFleet"]

NEWS = logging.getLogger("fedloom.fleet.package.news")
"""What the user ought to see at once: progress of preparations, and how clients failed."""

_LINES_TOLD = 10
_CANCELLED = Fault(Failure.TIMEOUT, "it had not begun when the round was ended")
_EXAMPLES = "num_examples"

_Answer = TypeVar("_Answer")

Configure = Callable[[int, Sequence[Client]], Sequence[Mapping[str, Any]]]
"""From a round's number and its clients to settings, one mapping per client."""


class PackageFleet:
    """Clients that are packages; see `fedloom.federation.fleet.Fleet` for the calls.

    How many rows a client has is known once it has trained: `clients` says 0 before. The score of
    weights is what the clients of the last round say of them (see `reports`), weighted by rows;
    clients whose training failed are not asked.

    Args:
        copy: the package.
        trainer: runs it.
        clients: how many there are.
        seed: of the run.
        settings: what every client is told beside the round's number.
        folder: takes the clients' folders; the caller removes it.
        logs: takes what commands print, a folder per round.
        workers: clients at work at the same time; None takes one per core.
        configure: from a round's number and its clients to what each is told beside that.
    """

    def __init__(
        self,
        copy: PackageCopy,
        trainer: PackageTrainer,
        *,
        clients: int,
        seed: int,
        settings: Mapping[str, Any],
        folder: Path,
        logs: Path,
        workers: int | None = None,
        configure: Configure | None = None,
    ) -> None:
        self.workers = min(workers or count_cores(), clients)
        self._copy, self._trainer, self._settings = copy, trainer, dict(settings)
        self._seed, self._folder, self._logs = seed, folder, logs
        self._clients = [Client(i, f"client_{i + 1}", 0) for i in range(clients)]
        self._folders: dict[int, ClientFolder] = {}
        self._first_start, self._started = Lock(), Event()
        self._reports: dict[int, ClientReport] = {}
        self._told: set[tuple[int, str]] = set()
        self._configure = configure
        self._round, self._stop = 0, Event()
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="package")

    def clients(self) -> Sequence[Client]:
        """Return all clients; those that have not trained yet have 0 examples."""
        return list(self._clients)

    def train(self, order: Order, reducer: Reducer) -> Reply:
        """Let the cohort train, `workers` at a time; see `Fleet.train`.

        The order's deadline holds for each call by itself, so that a client which hangs costs
        those that wait for its place nothing; it is the trainer's.
        """
        start = [np.asarray(w) for w in order.weights]
        self._round, self._reports = order.round, {}
        settings = self._settle(order)
        state, results, store_seconds = reducer.init(start), [], 0.0

        def train(client: int, stop: Event) -> Trained | Fault:
            return self._train_one(client, start, settings[client], stop)

        # Folded in the cohort's order, not as they arrive: sums of floats depend on it.
        for client, answer in self._ask(order.cohort, train):
            result, delta = self._judge(client, answer, start)
            results.append(result)
            if isinstance(answer, Trained) and delta is not None:
                state = reducer.add(state, Update(delta, answer.update.num_examples))
                store_seconds += store_weights(order, client, answer.update.weights)
        return Reply(state=state, results=results, store_seconds=store_seconds)

    def evaluate(self, weights: Weights) -> Evaluation:
        """Let the clients that trained last validate weights, and return their mean."""
        asked = sorted(self._reports)
        if "validate" in self._trainer.project.entry_points:
            start = [np.asarray(w) for w in weights]
            settings = self._settings | {"round": self._round}

            def validate(client: int, stop: Event) -> Validated | Fault:
                return self._validate_one(client, start, settings, stop)

            for client, answer in self._ask(asked, validate):
                if isinstance(answer, Fault):
                    self._tell(client, "validate", answer)
                    continue
                report = self._reports[client]
                report.document, report.validate = answer.document, answer.scalars
                report.validated = True
        return score_reports([self._reports[client] for client in asked])

    def take_reports(self) -> list[ClientReport]:
        """Return what the clients of the last round reported, in their order, and forget it."""
        reports, self._reports = self._reports, {}
        return [reports[client] for client in sorted(reports)]

    def cancel(self) -> None:
        """Stop the commands at work, with all they started, so that `train` returns."""
        self._stop.set()

    def close(self) -> None:
        """Stop all commands and threads."""
        self.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def save(self) -> dict[str, Any]:
        """Return how many rows the clients have said they have."""
        return {_EXAMPLES: np.array([c.num_examples for c in self._clients], np.int64)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `save` returned."""
        for index, count in enumerate(np.asarray(state[_EXAMPLES]).tolist()):
            self._clients[index] = replace(self._clients[index], num_examples=count)

    def _ask(
        self, clients: Sequence[int], task: Callable[[int, Event], _Answer]
    ) -> Iterator[tuple[int, _Answer]]:
        """Give every client a task, and yield the answers in the clients' order."""
        stop = self._stop = Event()
        waiting: deque[tuple[int, Future[_Answer]]] = deque()
        try:
            waiting.extend((c, self._threads.submit(task, c, stop)) for c in clients)
            while waiting:
                client, future = waiting.popleft()  # an answer is forgotten once it is folded
                yield client, future.result()
        except BaseException:
            stop.set()
            for _, future in waiting:
                future.cancel()
            raise

    def _settle(self, order: Order) -> dict[int, dict[str, Any]]:
        """Return what each client of the cohort is told."""
        cohort = [self._clients[client] for client in order.cohort]
        own: Sequence[Mapping[str, Any]] = [{}] * len(cohort)
        if self._configure is not None and cohort:
            own = self._configure(order.round, cohort)
        common = self._settings | {"round": order.round}
        return {c.index: common | dict(o) for c, o in zip(cohort, own, strict=True)}

    def _train_one(
        self, client: int, weights: Weights, settings: Mapping[str, Any], stop: Event
    ) -> Trained | Fault:
        if stop.is_set():
            return _CANCELLED
        folder = self._start(client, stop)
        if isinstance(folder, Fault):
            return folder
        log = self._log(client, "train")
        return self._trainer.train(folder, weights, settings, log=log, cancel=stop)

    def _validate_one(
        self, client: int, weights: Weights, settings: Mapping[str, Any], stop: Event
    ) -> Validated | Fault:
        if stop.is_set():
            return _CANCELLED
        log = self._log(client, "validate")
        return self._trainer.validate(
            self._folders[client], weights, settings, log=log, cancel=stop
        )

    def _start(self, client: int, stop: Event) -> ClientFolder | Fault:
        """Return a client's folder, made and started if it is not yet.

        The first of all starts alone: what it downloads to a place that all share is there then.
        """
        if client in self._folders:
            return self._folders[client]
        if self._started.is_set():
            return self._start_one(client, stop)
        with self._first_start:
            found = self._start_one(client, stop)
            self._started.set()
            return found

    def _start_one(self, client: int, stop: Event) -> ClientFolder | Fault:
        folder = ClientFolder.make(
            self._copy,
            self._folder / f"client_{client + 1:04d}",
            index=client,
            clients=len(self._clients),
            seed=self._seed,
        )
        log = self._log(client, "startup")
        fault = self._trainer.start(folder, log=log, cancel=stop)
        if fault is not None:
            return fault
        self._folders[client] = folder
        return folder

    def _log(self, client: int, name: str) -> Path:
        return self._logs / f"round_{self._round:04d}" / f"client_{client + 1:04d}.{name}.log"

    def _judge(
        self, client: int, answer: Trained | Fault, start: Weights
    ) -> tuple[ClientResult, Weights | None]:
        """Turn an answer into a result, and the difference to fold if it is accepted."""
        if isinstance(answer, Fault):
            self._tell(client, "train", answer)
            return ClientResult(client, answer.failure, answer.reason), None
        update = answer.update
        for warning in update.warnings:
            self._tell_once(client, warning)
        name, rows = self._clients[client].client_id, update.num_examples
        self._clients[client] = replace(self._clients[client], num_examples=rows)
        numbers = dict(list_scalars(update.metadata))
        delta = subtract(update.weights, start)
        result = judge(
            ClientResult(client, train_seconds=answer.seconds),
            loss=find_first(numbers, TRAIN_LOSS_NAMES),
            norm=measure_difference(delta),
            scored=None,
        )
        if result.failure is not None:
            return result, None
        self._reports[client] = ClientReport(name, rows, update.metadata, numbers)
        return result, delta

    def _tell(self, client: int, entry_point: str, fault: Fault) -> None:
        """Tell how a call failed; the first time of each kind with its last lines."""
        lines = [line for line in fault.tail if line.strip()][-_LINES_TOLD:]
        name = self._clients[client].client_id
        said = f"round {self._round}: {name}: {fault.reason}"
        self._tell_once(client, said, lines, key=f"{entry_point} {fault.failure}")

    def _tell_once(
        self, client: int, text: str, lines: Sequence[str] = (), *, key: str | None = None
    ) -> None:
        known = (client, key or text)
        if known in self._told:
            return
        self._told.add(known)
        NEWS.warning("%s", "\n".join([text, *(f"  | {line}" for line in lines)]))
