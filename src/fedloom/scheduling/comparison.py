"""What several policies made of one problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fedloom.scheduling.check.violation import Violations
from fedloom.scheduling.metrics.metrics import Metrics
from fedloom.scheduling.problem import Problem, Schedule

__all__ = ["Comparison", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What one policy made of the problem.

    Attributes:
        label: the policy's name with its options; no other outcome has the same.
        schedule: what ran where and when; its `policy` is the label.
        metrics: how good that is.
        violations: rules that the schedule breaks; none, unless there is a bug.
    """

    label: str
    schedule: Schedule
    metrics: Metrics
    violations: Violations

    @property
    def sound(self) -> bool:
        """Whether every request was finished and no rule broken."""
        return not self.violations and not self.metrics.unfinished_requests


@dataclass(frozen=True)
class Comparison:
    """The outcomes of several policies on one problem."""

    problem: Problem
    outcomes: tuple[Outcome, ...]

    @property
    def sound(self) -> bool:
        """Whether every policy finished every request within the rules."""
        return all(outcome.sound for outcome in self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as ``…_comparison.json`` holds it."""
        return {
            "requests": self.problem.requests,
            "tasks": self.problem.tasks,
            "gpus": len(self.problem.cluster.gpus),
            "policies": {outcome.label: _describe(outcome) for outcome in self.outcomes},
        }


def _describe(outcome: Outcome) -> dict[str, Any]:
    return {
        "sound": outcome.sound,
        "violations": list(outcome.violations.lines()),
        "stopped": outcome.schedule.stopped,
        **outcome.metrics.to_dict(),
    }
