"""From trials to figures: medians, spreads, ratios within a repeat, and agreement of losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from harness.catalogue import ENGINES, OURS
from harness.study import Trial
from harness.workloads import WORKLOADS

__all__ = ["Figures", "find_figures", "summarise"]

_LOSS_TOLERANCE, _LOSS_SLACK = 0.15, 0.02


@dataclass(frozen=True)
class Figures:
    """One engine on one workload, over all repeats.

    Attributes:
        workload: its name.
        engine: its name.
        seconds: median over repeats of a repeat's median round.
        fastest: the fastest single round.
        slowest: the slowest single round.
        ratio: median over repeats of its time divided by Fedloom's in the same repeat; None where
            Fedloom has none.
        first_seconds: median first round, with what it builds, compiles and starts.
        launch_seconds: median from the launch of the process to the end of the first round.
        cpu_seconds: median processor seconds of a round, whole process tree.
        peak_mb: largest memory of the process tree, in MB.
        loss: median loss after the check round.
        accuracy: median accuracy after it.
        agrees: whether the loss is that of the other engines.
        reason: why there are no figures; empty where there are.
        failed: whether it was run in vain.
    """

    workload: str
    engine: str
    seconds: float = 0.0
    fastest: float = 0.0
    slowest: float = 0.0
    ratio: float | None = None
    first_seconds: float = 0.0
    launch_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    loss: float = 0.0
    accuracy: float = 0.0
    agrees: bool = True
    reason: str = ""
    failed: bool = False


def summarise(trials: Sequence[Trial]) -> list[Figures]:
    """Return the figures of every engine on every workload that has trials, in catalogue order."""
    figures: list[Figures] = []
    for workload in WORKLOADS:
        here = [trial for trial in trials if trial.workload == workload.name]
        present = {trial.engine for trial in here}
        figures += [_gather(engine.name, here) for engine in ENGINES if engine.name in present]
    return figures


def find_figures(figures: Sequence[Figures], workload: str, engine: str) -> Figures | None:
    """Return an engine's figures on a workload, or None where it has none."""
    for found in figures:
        if (found.workload, found.engine) == (workload, engine) and not found.reason:
            return found
    return None


def _gather(engine: str, here: Sequence[Trial]) -> Figures:
    workload = here[0].workload
    own = [trial for trial in here if trial.engine == engine]
    failures = [trial for trial in own if trial.reason]
    if failures:  # one failure in three is a failure
        return Figures(
            workload, engine, reason=failures[0].reason, failed=any(t.failed for t in failures)
        )
    rounds = [seconds for trial in own for seconds in trial.report["round_seconds"]]

    def middle(key: str) -> float:
        return float(median(trial.report[key] for trial in own))

    return Figures(
        workload=workload,
        engine=engine,
        seconds=median(_pace(trial) for trial in own),
        fastest=min(rounds),
        slowest=max(rounds),
        ratio=_compare(own, here),
        first_seconds=middle("first_round_seconds"),
        launch_seconds=middle("launch_seconds"),
        cpu_seconds=middle("cpu_seconds"),
        peak_mb=max(trial.report["peak_mb"] for trial in own),
        loss=middle("loss"),
        accuracy=middle("accuracy"),
        agrees=_agrees(middle("loss"), here),
    )


def _pace(trial: Trial) -> float:
    return float(median(trial.report["round_seconds"]))


def _compare(own: Sequence[Trial], here: Sequence[Trial]) -> float | None:
    ours = {t.repeat: _pace(t) for t in here if t.engine == OURS and t.report}
    ratios = [_pace(trial) / ours[trial.repeat] for trial in own if trial.repeat in ours]
    return median(ratios) if ratios else None


def _agrees(loss: float, here: Sequence[Trial]) -> bool:
    common = median(trial.report["loss"] for trial in here if trial.report)
    return bool(abs(loss - common) <= _LOSS_TOLERANCE * common + _LOSS_SLACK)
