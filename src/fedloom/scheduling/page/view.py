"""What the page of a comparison is made of: results as given, and what is read from them.

Metrics are read by name from ``Metrics.to_dict()``; what is missing, None or not finite is shown as
a dash, so that the page outlives a change of the metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from fedloom.page.palette import color_of, dash_of
from fedloom.page.tables import name_apart
from fedloom.scheduling.problem import Schedule

__all__ = ["PolicyResult", "PolicyView", "view_results"]


@dataclass(frozen=True)
class PolicyResult:
    """What one policy made of a problem.

    Attributes:
        schedule: what ran where and when.
        metrics: ``Metrics.to_dict()``.
        label: what the policy is called, with its options; "": as in the schedule.
    """

    schedule: Schedule
    metrics: Mapping[str, Any]
    label: str = ""


@dataclass(frozen=True)
class PolicyView:
    """A result with a name of its own and a colour."""

    name: str
    index: int
    schedule: Schedule
    metrics: Mapping[str, Any]

    @property
    def color(self) -> str:
        """Token of its colour."""
        return color_of(self.index)

    @property
    def dash(self) -> str:
        """Its line style: colours begin again after eight policies."""
        return dash_of(self.index)

    def number(self, *path: str) -> float | None:
        """Return a metric by its path of keys; None where there is no finite number.

        Example: ``view.number("response_s", "p95")``.
        """
        value: Any = self.metrics
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number and isfinite(value) else None

    @property
    def unfinished(self) -> int:
        """How many requests were not done at the end."""
        return int(self.number("unfinished_requests") or 0)


def view_results(results: Sequence[PolicyResult]) -> list[PolicyView]:
    """Give each result a name of its own and a colour, in their order."""
    names = name_apart(result.label or result.schedule.policy for result in results)
    return [
        PolicyView(name, index, result.schedule, result.metrics)
        for index, (name, result) in enumerate(zip(names, results, strict=True))
    ]
