"""From a study to its finished run: what the command line calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedloom.bench.checks import check_study
from fedloom.bench.outcome import CellOutcome
from fedloom.bench.places import RESULTS, RunPlace
from fedloom.bench.provider import Estimate, Observer, Provider
from fedloom.bench.run import Group, StudyRun, choose_run, find_newest_run
from fedloom.bench.study import FleetKind, ProviderName, Study
from fedloom.bench.study_file import make_study, merge_study_options, read_study_options
from fedloom.errors import InputError, NotFoundError
from fedloom.files import write_text

__all__ = ["Launch", "carry_out_study", "estimate_study", "prepare_launch"]


@dataclass(frozen=True)
class Launch:
    """What is to be carried out, and where.

    Attributes:
        study: what.
        place: folder of the run.
        resume: whether it goes on with what is there.
        provider: whose machines.
        machines: settings of the provider, such as a region.
    """

    study: Study
    place: RunPlace
    resume: bool = False
    provider: ProviderName = ProviderName.LOCAL
    machines: Mapping[str, Any] = field(default_factory=dict)


def prepare_launch(
    options: Mapping[str, Any],
    plan_options: Mapping[str, Any],
    *,
    plan: Path | None = None,
    run: str | None = None,
    folder: Path | None = None,
    resume: bool = False,
    provider: ProviderName = ProviderName.LOCAL,
    machines: Mapping[str, Any] | None = None,
) -> Launch:
    """Return what some options ask for, once it is sure that it can be carried out.

    Args:
        options: of the study; None counts as not given.
        plan_options: of its plan, likewise.
        plan: a file with a study; options take precedence.
        run: id of the run; None takes one by the time, or with `resume` the newest.
        folder: of all runs; None is ``federated-learning-results`` here.
        resume: go on with a run; options that are given must be what it was begun with.
        provider: whose machines.
        machines: settings of the provider.

    Raises:
        InputError: something is wrong with the options, the data or the run.
    """
    given = [name for name, value in (machines or {}).items() if value is not None]
    if given and provider is ProviderName.LOCAL:
        raise InputError(f"{given[0]}: this is for --provider aws only")
    results = Path(RESULTS) if folder is None else folder
    base: dict[str, Any] = {}
    if resume:
        place = find_newest_run(results) if run is None else choose_run(results, run)
        if not place.study.is_file():
            raise NotFoundError(f"{place.path} holds no run to go on with; leave out --resume")
        base = read_study_options(place.study)
    else:
        place = choose_run(results, run)
    if plan is not None:
        base = merge_study_options(base, read_study_options(plan), {})
    study = make_study(merge_study_options(base, options, plan_options))
    if study.fleet is FleetKind.RAY and provider is not ProviderName.LOCAL:
        raise InputError(f"fleet=ray: its workers are those of a cluster, not of {provider}")
    check_study(study)
    return Launch(study, place, resume, provider, machines or {})


def estimate_study(launch: Launch) -> Estimate:
    """Return what a study would take; nothing is started and nothing is written.

    Raises:
        FedloomError: the provider cannot carry it out.
    """
    return _open_provider(launch, lambda _: None).estimate(launch.study)


def carry_out_study(
    launch: Launch,
    observer: Observer = lambda _: None,
    *,
    told: Callable[[CellOutcome], None] = lambda _: None,
    mlflow: str | None = None,
    baselines: bool = True,
) -> tuple[list[CellOutcome], list[str]]:
    """Carry out a study, and return how its cells ended, and what went wrong beside them.

    Args:
        launch: what and where.
        observer: told how cells get on.
        told: called with each new outcome.
        mlflow: URI of a server that each cell is logged to.
        baselines: whether the scores without federated learning are measured, too.

    Raises:
        FedloomError: no cell can be carried out any more; `prepare_launch` with `resume` goes on.
    """
    run = StudyRun(launch.study, launch.place)
    run.after_cell = lambda outcome: _note(launch.place, outcome, told, mlflow)
    if baselines:
        run.measure_group = lambda group: _measure_baselines(launch, group)
    with run.opened(resume=launch.resume):
        return run.carry_out(_open_provider(launch, observer)), run.warnings


def _note(
    place: RunPlace, outcome: CellOutcome, told: Callable[[CellOutcome], None], uri: str | None
) -> None:
    told(outcome)
    if uri is not None:
        from fedloom.bench.mlflow_sink import log_cell

        log_cell(place, outcome, uri)


def _measure_baselines(launch: Launch, group: Group) -> None:
    from fedloom.bench.baselines import measure_baselines

    found = measure_baselines(launch.study, *group)
    write_text(launch.place.baselines(*group), json.dumps(found, indent=2) + "\n")


def _open_provider(launch: Launch, observer: Observer) -> Provider:
    if launch.provider is ProviderName.LOCAL:
        from fedloom.bench.local import LocalProvider

        return LocalProvider(launch.study, launch.place, observer)
    from fedloom.bench.aws import open_provider

    return open_provider(launch.study, launch.place, observer, launch.machines)
