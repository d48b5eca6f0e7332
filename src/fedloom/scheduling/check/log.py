"""Checking an execution log: ours, or one of the studied system."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedloom.scheduling.check.answer import Answer
from fedloom.scheduling.check.demand import demand_of
from fedloom.scheduling.check.log_alone import (
    check_duplicates,
    check_log_alone,
    compare_summary,
)
from fedloom.scheduling.check.matching import answer_of_log
from fedloom.scheduling.check.schedule import check_answer
from fedloom.scheduling.check.times import Ran
from fedloom.scheduling.check.violation import (
    SHOWN_PER_KIND,
    Violation,
    ViolationKind,
    Violations,
)
from fedloom.scheduling.log.log import Log
from fedloom.scheduling.problem import Problem

__all__ = ["CheckReport", "check_log"]

_NEEDS_PROBLEM = (
    "missing requests, dependencies, arrivals, sizes of gangs, execution times and memory: "
    "they need the configuration, the requests and the cluster"
)
_NEEDS_GANGS = (
    "all but the first device of a gang: the log does not name the others, "
    "so neither their overlaps nor the memory of gangs were checked"
)
_NEEDS_PRICES = (
    "prices of loads and evictions, and whether models were loaded before their first use: "
    "the log is not ours, and its system has other prices"
)


@dataclass(frozen=True)
class CheckReport:
    """What the checker found in a log.

    Attributes:
        source: the file.
        executions: how many it has.
        requests: how many different requests were executed, in part or as a whole.
        violations: what could not have happened; empty where all could.
        not_checked: what could not be checked, and why.
    """

    source: str
    executions: int
    requests: int
    violations: Violations
    not_checked: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, as far as it could be checked."""
        return not self.violations.total

    def lines(self) -> Iterator[str]:
        """Yield the report for people, line by line."""
        yield f"{self.source}: {self.executions:,} executions of {self.requests:,} requests"
        yield from self.violations.lines()
        yield from (f"not checked: {what}" for what in self.not_checked)
        count = self.violations.total
        yield "no violation" if count == 0 else f"{count:,} violation{'s' * (count > 1)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return {
            "log": self.source,
            "executions": self.executions,
            "requests": self.requests,
            "ok": self.ok,
            "counts": {str(kind): count for kind, count in self.violations.counts.items()},
            "violations": [
                {
                    "kind": str(violation.kind),
                    "message": violation.message,
                    "request": violation.request,
                    "gpu": violation.gpu,
                    **violation.numbers,
                }
                for violation in self.violations
            ],
            "not_checked": list(self.not_checked),
        }


def check_log(
    log: Log, problem: Problem | None = None, *, shown_per_kind: int = SHOWN_PER_KIND
) -> CheckReport:
    """Return what is wrong with a log.

    By itself a log shows overlaps, impossible times, repeated executions, and a summary that does
    not agree with its executions. With the problem that it answers, all checks of
    `fedloom.scheduling.check.schedule.check_schedule` are made, as far as the log says enough.

    Args:
        log: see `fedloom.scheduling.log.read.read_log`.
        problem: the workload on the cluster; None: the log alone is checked.
        shown_per_kind: violations of a kind that are kept; all are counted.
    """
    found = Violations(shown_per_kind)
    not_checked = [] if log.gangs_known else [_NEEDS_GANGS]
    check_log_alone(log, found)
    if problem is None:
        check_duplicates(log, found)
        not_checked.append(_NEEDS_PROBLEM)
    else:
        demand = demand_of(problem)
        answer = answer_of_log(log, demand, found)
        ran = check_answer(demand, answer, found, devices_checked=True)
        _check_outcome(log, problem, answer, ran, found)
        if not log.is_ours:
            not_checked.append(_NEEDS_PRICES)
    requests = log.executions["request_id"].n_unique()
    return CheckReport(str(log.path), len(log), requests, found, tuple(not_checked))


def _check_outcome(log: Log, problem: Problem, answer: Answer, ran: Ran, found: Violations) -> None:
    """Check what the log says about whole requests."""
    compare_summary(log, "total_requests", problem.requests, found)
    compare_summary(log, "completed_requests", int(ran.complete.sum()), found)

    def describe(request: int) -> Violation:
        name = problem.request_ids[request]
        message = f"{name} is called unfinished, but all its tasks ran"
        return Violation(ViolationKind.SUMMARY, message, request=name)

    found.report(ViolationKind.SUMMARY, np.flatnonzero(ran.complete & answer.named), describe)
