"""The rounds of a run, and what is written after each of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import perf_counter

from fedloom.errors import FedloomError, RunFailedError
from fedloom.experiment.assembly import Assembly
from fedloom.experiment.checkpoint_file import (
    read_checkpoint,
    read_finished_round,
    write_checkpoint,
)
from fedloom.experiment.folder import RunFolder
from fedloom.experiment.plan import KeepWeights, Plan
from fedloom.experiment.rows import RowMaker
from fedloom.experiment.weights_store import WeightsStore, name_client_file
from fedloom.federation.fleet import WeightsSink
from fedloom.federation.loop import LoopState, RoundOutcome, begin, run_rounds
from fedloom.records import RecordWriter, RoundRecord
from fedloom.records.metrics import MetricsWriter

__all__ = ["Execution", "Observer", "refuse_failed"]

_LOGGER = logging.getLogger("fedloom.run")

Observer = Callable[[RoundRecord, Plan], None]
"""Called after each round with its record."""


class Execution:
    """Carries out the rounds of one run in its folder, which the caller has locked.

    Args:
        folder: where everything goes.
        plan: of the run.
        assembly: the parts that train; the caller closes the fleet.
        observer: called after each round.
    """

    def __init__(
        self,
        folder: RunFolder,
        plan: Plan,
        assembly: Assembly,
        observer: Observer | None,
    ) -> None:
        self._folder, self._plan, self._assembly = folder, plan, assembly
        self._observer = observer
        self._writer = RecordWriter(folder.client_csv, folder.round_csv, plan.columns)
        self._rows = RowMaker(assembly.described)
        measures = assembly.take_reports is not None or assembly.take_metrics is not None
        self._metrics = MetricsWriter(folder.path) if measures else None
        names = [client.client_id for client in assembly.fleet.clients()]
        self._store = WeightsStore(folder.weights, names)
        self._first_failure = ""

    def run(self, *, going_on: bool) -> None:
        """Carry out the rounds that are left, and write the tables as Parquet.

        Raises:
            OutputError: a file cannot be written or the disk is full; finished rounds stay.
            RunFailedError: every client failed in every round, or the weights diverged.
        """
        parts = self._assembly
        state = begin(parts.algorithm, parts.initial_weights, parts.settings.trainable_indices)
        if going_on:
            state = self._go_on(state)
        try:
            for outcome in self._rounds(state):
                self._finish_round(outcome)
        except BaseException:
            self._remove_unfinished()
            raise
        if self._metrics is not None:
            self._metrics.write_parquet()
        self._writer.write_parquet(self._folder.path)
        refuse_failed(self._folder, self._plan, self._first_failure)

    def _rounds(self, state: LoopState) -> Iterator[RoundOutcome]:
        parts = self._assembly
        return run_rounds(
            state,
            algorithm=parts.algorithm,
            fleet=parts.fleet,
            settings=parts.settings,
            clock=perf_counter,
            sink_for=self._sink_for,
        )

    def _go_on(self, start: LoopState) -> LoopState:
        """Return to the last finished round and remove what came after it."""
        state = start
        if self._folder.checkpoint.exists():
            state, fleet_state = read_checkpoint(self._folder.checkpoint, start)
            self._assembly.fleet.load(fleet_state)
        self._writer.truncate_after(state.round)
        if self._metrics is not None:
            self._metrics.truncate_after(state.round)
        self._store.remove_after(state.round)
        self._folder.sweep()
        _LOGGER.info("going on after round %d", state.round)
        return state

    def _remove_unfinished(self) -> None:
        """Leave whole rounds alone, as far as that can be done; resuming does the same."""
        with suppress(FedloomError):
            finished = read_finished_round(self._folder.checkpoint)
            self._store.remove_unfinished(finished + 1)
            self._writer.truncate_after(finished)
            if self._metrics is not None:
                self._metrics.truncate_after(finished)

    def _sink_for(self, round_number: int) -> WeightsSink | None:
        keep_all = self._plan.weights is KeepWeights.ALL
        return self._store.sink(round_number) if keep_all else None

    def _finish_round(self, outcome: RoundOutcome) -> None:
        """Write a round: weights, then records, then the checkpoint that makes it count."""
        if self._plan.weights is not KeepWeights.NONE:
            self._store.finish(outcome.state.round, outcome.state.weights)
        clients, record = self._rows.make(outcome, self._assembly.fleet.clients())
        self._write_metrics(record.round)
        self._writer.append(clients, record)
        write_checkpoint(self._folder.checkpoint, outcome.state, self._assembly.fleet.save())
        self._log(outcome, record)
        if self._observer is not None:
            self._observer(record, self._plan)

    def _write_metrics(self, number: int) -> None:
        """Write what was measured in a round, where anything is."""
        if self._metrics is None:
            return
        if self._assembly.take_metrics is not None:
            self._metrics.append(self._assembly.take_metrics(number))
        if self._assembly.take_reports is None:
            return
        reports = self._assembly.take_reports()
        documents = {}
        for report in reports:
            name = name_client_file(report.client_id)
            documents[f"{name}.train"] = dict(report.metadata or {})
            if report.validated:
                documents[name] = report.document
        self._metrics.keep(number, documents)
        self._metrics.append(self._rows.report(number, reports))

    def _log(self, outcome: RoundOutcome, record: RoundRecord) -> None:
        _LOGGER.info(
            "round %d: score %.4f, loss %.4f, %d of %d clients, %.3f s",
            record.round,
            outcome.evaluation.score,
            outcome.evaluation.loss,
            record.participants,
            record.cohort_size,
            record.train_seconds,
        )
        clients = self._assembly.fleet.clients()
        for result in outcome.results:
            if result.failure is None:
                continue
            detail = f": {result.failure_detail}" if result.failure_detail else ""
            text = f"{clients[result.client].client_id} {result.failure}{detail}"
            self._first_failure = self._first_failure or text
            _LOGGER.info("round %d: %s", record.round, text)


def refuse_failed(folder: RunFolder, plan: Plan, first_failure: str = "") -> None:
    """Raise if no client was ever in an aggregate, though some were asked.

    Args:
        folder: of the finished run.
        plan: of the run.
        first_failure: what to tell about it, if known.

    Raises:
        RunFailedError: every client failed in every round.
    """
    from fedloom.records import read_rounds

    rounds = read_rounds(folder.path)
    if rounds["participants"].sum() or not rounds["cohort_size"].sum():
        return
    parts = ["every client failed in every round"]
    if first_failure:
        parts.append(f"the first: {first_failure}")
    if plan.output is not None:  # else the table goes with the temporary folder
        parts.append(f"{folder.client_csv} says why")
    raise RunFailedError("; ".join(parts))
