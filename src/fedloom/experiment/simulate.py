"""Carrying out a plan on this machine, from data to records."""

from __future__ import annotations

import shutil
from os import PathLike
from pathlib import Path
from tempfile import mkdtemp
from typing import Unpack
from weakref import finalize

from fedloom.errors import InputError
from fedloom.experiment.assembly import Assembly
from fedloom.experiment.checkpoint_file import read_finished_round
from fedloom.experiment.execution import Execution, Observer, refuse_failed
from fedloom.experiment.folder import RunFolder, locate_run
from fedloom.experiment.options import PlanOptions
from fedloom.experiment.parts import Parts, open_parts
from fedloom.experiment.plan import KeepWeights, Plan, make_plan
from fedloom.experiment.plan_file import read_run_header, write_plan
from fedloom.experiment.reading import read_plan
from fedloom.experiment.run import Run
from fedloom.experiment.run_log import logging_to
from fedloom.files import open_replacing
from fedloom.settings import load_settings

__all__ = ["carry_out", "carry_out_parts", "simulate"]


def simulate(
    *,
    plan: str | PathLike[str] | Plan | None = None,
    overwrite: bool = False,
    resume: bool = False,
    observer: Observer | None = None,
    **options: Unpack[PlanOptions],
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
    chosen = read_plan(plan, options)
    if chosen.output is not None:
        return carry_out(chosen, overwrite=overwrite, resume=resume, observer=observer)
    if overwrite or resume:
        raise InputError("overwrite and resume need output: without it there is nothing there")
    if "weights" not in chosen.model_fields_set:
        chosen = chosen.model_copy(update={"weights": KeepWeights.GLOBAL})
    return _carry_out_aside(chosen, observer)


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
    folder.refuse_existing(overwrite=overwrite, resume=resume)
    return _carry_out_in(folder, plan, overwrite=overwrite, resume=resume, observer=observer)


def _carry_out_aside(plan: Plan, observer: Observer | None) -> Run:
    """Carry out a plan in a temporary folder that goes when the run is forgotten."""
    place = Path(mkdtemp(prefix="fedloom-"))
    try:
        run = _carry_out_in(
            RunFolder(place / "run.csv"), plan, overwrite=False, resume=False, observer=observer
        )
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    finalize(run, shutil.rmtree, place, ignore_errors=True)
    return run


def _carry_out_in(
    folder: RunFolder,
    plan: Plan,
    *,
    overwrite: bool,
    resume: bool,
    observer: Observer | None,
) -> Run:
    parts = open_parts(plan)
    return carry_out_parts(parts, folder, overwrite=overwrite, resume=resume, observer=observer)


def carry_out_parts(
    parts: Parts,
    folder: RunFolder,
    *,
    overwrite: bool = False,
    resume: bool = False,
    observer: Observer | None = None,
) -> Run:
    """Carry out a plan whose parts are at hand; they are closed at the end.

    Args:
        parts: data, model and fleet, with the plan that they were made for.
        folder: where everything goes.
        overwrite: replace what is there.
        resume: go on with what is there; begin if nothing is.
        observer: called after each round.

    Raises:
        InputError: what is there is of another plan or other data.
        OutputError: the folder is in use, or cannot be written.
        RunFailedError: every client failed, or the weights diverged; finished rounds are kept.
    """
    try:
        plan, done, going_on = parts.plan, 0, resume and folder.plan_file.exists()
        if going_on:
            plan = _check_same_run(folder, parts)
            done = read_finished_round(folder.checkpoint)
            if done == plan.rounds and folder.round_parquet.exists():
                refuse_failed(folder, plan)
                return Run(plan, folder, started_after=done)
        assembly = parts.assemble(plan, folder, going_on=going_on)
        plan = plan.model_copy(update={"lanes": assembly.resolved.get("lanes", plan.lanes)})
        try:
            with folder.lock():
                if not going_on:
                    # Another run may have been here since the first look.
                    folder.refuse_existing(overwrite=overwrite, resume=False)
                    folder.remove()
                    _begin_folder(folder, plan, parts.digest, assembly)
                with logging_to(folder.log):
                    Execution(folder, plan, assembly, observer).run(going_on=going_on)
        finally:
            assembly.fleet.close()
    finally:
        parts.close()
    return Run(plan, folder, started_after=done)


def _begin_folder(folder: RunFolder, plan: Plan, digest: str, assembly: Assembly) -> None:
    """Write what a run leaves before its first round; the plan comes last and makes it a run."""
    if assembly.seed_file is not None:
        with open_replacing(folder.seed_model) as file:
            file.write(assembly.seed_file.read_bytes())
    write_plan(folder.plan_file, plan, data_digest=digest, resolved=assembly.resolved)


def _check_same_run(folder: RunFolder, parts: Parts) -> Plan:
    """Return the plan with what the interrupted run had chosen, if it is the same run."""
    plan, header = parts.plan, read_run_header(folder.plan_file)
    before = make_plan(header["plan"])
    old, new = ({**p.identity, "columns": p.columns} for p in (before, plan))
    changed = [key for key in Plan.model_fields if old.get(key) != new.get(key)]
    if changed:
        raise InputError(
            f"{folder.path} was started with another plan; it differs in {', '.join(changed)}: "
            "take the same options, or --overwrite"
        )
    if header["data_digest"] != parts.digest:
        raise InputError(f"{parts.changed} since {folder.path} was started")
    return plan.model_copy(update={"lanes": plan.lanes or before.lanes})
