"""Carrying out a plan on this machine, from data to records."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from fedloom.errors import InputError, OutputError, RunFailedError
from fedloom.experiment.assemble import Assembly, assemble
from fedloom.experiment.checkpoint_file import read_checkpoint, write_checkpoint
from fedloom.experiment.device_files import read_devices
from fedloom.experiment.folder import RunFolder, locate_run
from fedloom.experiment.plan import KeepWeights, Plan, make_plan
from fedloom.experiment.plan_file import digest_data, read_options, read_run_header, write_plan
from fedloom.experiment.rows import RowMaker
from fedloom.experiment.run import Run
from fedloom.experiment.split import Split, split_dataset
from fedloom.experiment.weights_store import WeightsStore
from fedloom.federation.fleet import WeightsSink
from fedloom.federation.loop import LoopState, RoundOutcome, begin, run_rounds
from fedloom.files import output_errors
from fedloom.records import RecordWriter, RoundRecord
from fedloom.settings import load_settings

__all__ = ["Observer", "carry_out", "read_plan", "simulate"]

_LOGGER = logging.getLogger("fedloom.run")

Observer = Callable[[RoundRecord, Plan], None]
"""Called after each round with its record."""


def simulate(
    *,
    plan: str | Path | Plan | None = None,
    overwrite: bool = False,
    resume: bool = False,
    observer: Observer | None = None,
    **options: Any,
) -> Run:
    """Run a federated experiment on this machine.

    Args:
        plan: a plan, or a file with one; `options` take precedence over what it says.
        overwrite: replace an existing output.
        resume: go on with an interrupted run of the same plan; start it if there is none.
        observer: called after each round.
        options: the fields of `Plan`: ``dataset``, ``clients``, ``rounds``, ``model``,
            ``partition``, ``algorithm`` and its parameters, ``seed``, ``output``, … Without
            ``output``, results lie in a temporary folder that lives as long as the returned run,
            and only global weights are kept unless ``weights`` says otherwise.

    Raises:
        InputError: something about the plan, the data or the output is wrong; nothing was written.
        RunFailedError: every client failed, or the weights diverged; finished rounds are kept.

    Example:
        >>> import fedloom
        >>> run = fedloom.simulate(dataset="iris", clients=3, rounds=2, model="logistic")
        >>> run.rounds.height
        2
    """
    chosen = plan if isinstance(plan, Plan) and not options else read_plan(plan, options)
    if chosen.output is not None:
        return carry_out(chosen, overwrite=overwrite, resume=resume, observer=observer)
    if overwrite or resume:
        raise InputError("overwrite and resume need output: without it there is nothing there")
    keeper = TemporaryDirectory(prefix="fedloom-")
    if "weights" not in options:
        chosen = chosen.model_copy(update={"weights": KeepWeights.GLOBAL})
    folder = RunFolder(Path(keeper.name) / "run.csv")
    return _carry_out_in(folder, chosen, resume=False, observer=observer, keeper=keeper)


def read_plan(plan: str | Path | Plan | None, options: dict[str, Any]) -> Plan:
    """Return the plan that a file, or another plan, and options describe together."""
    merged: dict[str, Any] = {}
    if isinstance(plan, Plan):
        merged = plan.model_dump(exclude_none=True)
    elif plan is not None:
        merged = read_options(Path(plan))
    merged |= {key: value for key, value in options.items() if value is not None}
    if merged.get("devices") is not None:
        merged["devices"] = read_devices(merged["devices"])
    if isinstance(merged.get("distribution"), str | Path):
        from fedloom.data import read_distribution

        merged["distribution"] = read_distribution(Path(merged["distribution"]))
    return make_plan(merged)


def carry_out(
    plan: Plan,
    *,
    overwrite: bool = False,
    resume: bool = False,
    observer: Observer | None = None,
) -> Run:
    """Carry out a plan with an output.

    Raises:
        OutputError: the output exists, is in use, or cannot be written.
        InputError: overwrite and resume are both asked for, or something else is wrong.
    """
    if overwrite and resume:
        raise InputError("overwrite and resume exclude each other; give one of them")
    if plan.output is None:
        raise InputError("output: a file name such as clients.csv is needed")
    folder = locate_run(
        plan.output,
        output_dir=plan.output_dir,
        default_dir=Path(load_settings().output_dir),
    )
    if folder.exists() and not (overwrite or resume):
        raise OutputError(
            f"{folder.client_csv} exists already; --overwrite replaces it, --resume goes on with it"
        )
    return _carry_out_in(folder, plan, resume=resume, observer=observer, keeper=None)


def _carry_out_in(
    folder: RunFolder,
    plan: Plan,
    *,
    resume: bool,
    observer: Observer | None,
    keeper: TemporaryDirectory[str] | None,
) -> Run:
    going_on = resume and folder.plan_file.exists()
    split = split_dataset(plan)
    digest = digest_data(split.dataset)
    if going_on:
        plan = _check_same_run(folder, plan, digest)
    assembly = assemble(plan, split)
    plan = plan.model_copy(update={"lanes": assembly.resolved.get("lanes", plan.lanes)})
    try:
        with folder.lock():
            if not going_on:
                folder.remove()
                write_plan(folder.plan_file, plan, data_digest=digest, resolved=assembly.resolved)
            with _logging_to(folder):
                _Execution(folder, plan, split, assembly, observer).run(going_on)
    finally:
        assembly.fleet.close()
    return Run(plan, folder, keeper)


def _check_same_run(folder: RunFolder, plan: Plan, digest: str) -> Plan:
    """Return the plan with what the interrupted run had chosen, if it is the same run."""
    header = read_run_header(folder.plan_file)
    before = make_plan(header["plan"])
    if before.run_id != plan.run_id:
        old = before.model_dump()
        changed = [k for k, v in plan.model_dump().items() if old[k] != v]
        raise InputError(
            f"{folder.path} was started with another plan; it differs in {', '.join(changed)}: "
            "take the same options, or --overwrite"
        )
    if header["data_digest"] != digest:
        raise InputError(f"the rows of {plan.dataset} have changed since {folder.path} was started")
    return plan.model_copy(update={"lanes": plan.lanes or before.lanes})


class _Execution:
    """The rounds of one run and what is written after each of them."""

    def __init__(
        self,
        folder: RunFolder,
        plan: Plan,
        split: Split,
        assembly: Assembly,
        observer: Observer | None,
    ) -> None:
        self._folder, self._plan, self._assembly = folder, plan, assembly
        self._observer = observer
        self._writer = RecordWriter(folder.client_csv, folder.round_csv, plan.columns)
        self._rows = RowMaker.begin(plan, split, assembly.fleet.clients())
        self._store = WeightsStore(folder.weights, split.client_ids)
        self._participations = 0

    def run(self, going_on: bool) -> None:
        """Carry out the rounds that are left, and write the tables as Parquet."""
        parts = self._assembly
        state = begin(parts.algorithm, parts.initial_weights, parts.settings.trainable_indices)
        if going_on:
            state = self._go_on(state)
        rounds = run_rounds(
            state,
            algorithm=parts.algorithm,
            fleet=parts.fleet,
            settings=parts.settings,
            clock=perf_counter,
            sink_for=self._sink_for,
        )
        for outcome in rounds:
            self._finish_round(outcome)
        self._writer.write_parquet(self._folder.path)
        if self._participations == 0 and state.round < parts.settings.rounds:
            raise RunFailedError(
                f"every client failed in every round; {self._folder.client_csv} says why"
            )

    def _go_on(self, start: LoopState) -> LoopState:
        """Return to the last finished round and cut off what came after it."""
        state = start
        if self._folder.checkpoint.exists():
            state, fleet_state = read_checkpoint(self._folder.checkpoint, start)
            self._assembly.fleet.load(fleet_state)
        self._writer.truncate_after(state.round)
        self._store.remove_after(state.round)
        _LOGGER.info("going on after round %d", state.round)
        return state

    def _sink_for(self, round_number: int) -> WeightsSink | None:
        keep_all = self._plan.weights is KeepWeights.ALL
        return self._store.sink(round_number) if keep_all else None

    def _finish_round(self, outcome: RoundOutcome) -> None:
        """Write a round: weights, then records, then the checkpoint that makes it count."""
        if self._plan.weights is not KeepWeights.NONE:
            self._store.finish(outcome.state.round, outcome.state.weights)
        clients, record = self._rows.make(outcome)
        self._writer.append(clients, record)
        write_checkpoint(self._folder.checkpoint, outcome.state, self._assembly.fleet.save())
        self._participations += record.participants
        self._log(outcome, record)
        if self._observer is not None:
            self._observer(record, self._plan)

    def _log(self, outcome: RoundOutcome, record: RoundRecord) -> None:
        _LOGGER.info(
            "round %d: score %.4f, loss %.4f, %d of %d clients, %.3f s",
            record.round,
            record.global_score,
            record.global_loss,
            record.participants,
            record.cohort_size,
            record.train_seconds,
        )
        for result in outcome.results:
            if result.failure is not None:
                name = self._assembly.fleet.clients()[result.client].client_id
                _LOGGER.info(
                    "round %d: %s: %s %s",
                    record.round,
                    name,
                    result.failure,
                    result.failure_detail,
                )


@contextmanager
def _logging_to(folder: RunFolder) -> Iterator[None]:
    """Write the package's log to the run's folder while the block runs."""
    with output_errors(folder.log):
        handler = logging.FileHandler(folder.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("fedloom")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        handler.close()
