"""The study: engines side by side on each workload, taking turns over several repeats.

The machine's speed drifts; as every engine has its turn in every repeat, the drift meets all alike,
and ratios are taken within a repeat.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from harness.catalogue import ENGINES, OURS, Engine, build_command, build_environment
from harness.children import run_command
from harness.reports import find_report
from harness.workloads import WORKLOADS, Workload

__all__ = ["Settings", "Trial", "describe_trial", "plan_trials", "run_study"]

_BENCHMARKS = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """What of the study to run.

    Attributes:
        workloads: names, among which others' are passed over; empty for all that are not
            optional.
        engines: names; empty for all.
        repeats: turns of each engine on each workload.
        quick: fewer rounds.
        slow: run what is left out for being slow, too.
        cores: processes, actors or threads that an engine may keep busy.
        device: "cpu" or "cuda".
        limit_seconds: for one engine's turn.
    """

    workloads: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    repeats: int = 3
    quick: bool = False
    slow: bool = False
    cores: int = 2
    device: str = "cpu"
    limit_seconds: float = 600.0


@dataclass(frozen=True)
class Trial:
    """One engine's turn on one workload.

    Attributes:
        workload: its name.
        engine: its name.
        repeat: counted from 1.
        report: what the engine printed; see `harness.stopwatch`.
        reason: why there is no report; empty where there is one.
        failed: whether it was run in vain, rather than not run.
    """

    workload: str
    engine: str
    repeat: int
    report: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    failed: bool = False


def plan_trials(settings: Settings) -> Iterator[tuple[Workload, Engine, int]]:
    """Yield all trials in the order in which they run: repeat by repeat, engines in turn."""
    for repeat in range(1, settings.repeats + 1):
        for workload in _choose_workloads(settings):
            engines = _choose_engines(settings, workload)
            shift = (repeat - 1) % max(1, len(engines))  # nobody is always first
            for engine in engines[shift:] + engines[:shift]:
                yield workload, engine, repeat


def run_study(settings: Settings) -> Iterator[Trial]:
    """Run all trials and yield each as it ends."""
    for workload, engine, repeat in plan_trials(settings):
        yield _run_trial(settings, workload, engine, repeat)


def describe_trial(trial: Trial) -> str:
    """Return one line of progress."""
    place = f"[{trial.repeat}] {trial.workload} {trial.engine}"
    if not trial.report:
        return f"{place}: {trial.reason}"
    seconds = median(trial.report["round_seconds"])
    return f"{place}: {seconds:.4f} s per round, loss {trial.report['loss']:.3f}"


def _choose_workloads(settings: Settings) -> list[Workload]:
    named = settings.workloads
    return [w for w in WORKLOADS if w.name in named or (not named and not w.optional)]


def _choose_engines(settings: Settings, workload: Workload) -> list[Engine]:
    return [
        engine
        for engine in ENGINES
        if (not settings.engines or engine.name in settings.engines)
        and workload.model in engine.models
        and (engine.cuda or settings.device == "cpu")
        and (workload.name != "small-10" or engine.name == OURS or settings.workloads)
    ]


def _run_trial(settings: Settings, workload: Workload, engine: Engine, repeat: int) -> Trial:
    place = workload.name, engine.name, repeat
    if workload.name in engine.skips and not settings.slow:
        return Trial(*place, reason=engine.skips[workload.name])
    timed = workload.quick_rounds if settings.quick else workload.rounds
    rounds = engine.rounds.get(workload.name, (workload.warm, timed))
    command = build_command(engine, workload, rounds, settings.cores, settings.device)
    ended = run_command(
        [*command, "--launched", str(time.time())],
        limit_seconds=settings.limit_seconds,
        look_seconds=0.1,
        environment=build_environment(engine, settings.cores, settings.device),
        folder=_BENCHMARKS,
    )
    report, failure = find_report(ended, settings.limit_seconds)
    return Trial(*place, reason=failure, failed=True) if failure else Trial(*place, report=report)
