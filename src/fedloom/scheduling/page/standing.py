"""Who wins where: the figures that policies are compared by, and which is the best of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedloom.page.wording import duration, number, percent
from fedloom.scheduling.page.view import PolicyView

__all__ = ["FIGURES", "Figure", "figure", "shown_figures", "winners"]

Format = Callable[[float | None], str]


@dataclass(frozen=True, slots=True)
class Figure:
    """One column of the comparison.

    Attributes:
        group: what it is a figure of; neighbours of one group share a heading.
        label: what it is within the group; may be empty.
        path: of keys in the metrics.
        text: how a value is spelt.
        higher: whether more is better.
        counts_unfinished: whether requests that were not finished weigh in it already. Where they
            do not, a policy looks the better the less it finished.
        of_all: whether it means something only where all requests were finished.
    """

    group: str
    label: str
    path: tuple[str, ...]
    text: Format
    higher: bool = False
    counts_unfinished: bool = False
    of_all: bool = False

    def of(self, view: PolicyView) -> float | None:
        """Return the policy's value; None where it has none."""
        if self.path == ("makespan_ratio",):
            return _ratio(view)
        return view.number(*self.path)


def _ratio(view: PolicyView) -> float | None:
    """Makespan ÷ lower bound; a part of the work may be done sooner than the bound of all."""
    makespan, bound = view.number("makespan_s"), view.number("makespan_lower_bound_s")
    return makespan / bound if makespan and bound and not view.unfinished else None


def _three(value: float | None) -> str:
    return number(value, 3)


def _whole(value: float | None) -> str:
    return number(None) if value is None else f"{value:,.0f}"


FIGURES = (
    Figure("Unfinished", "", ("unfinished_requests",), _whole, False, True),
    Figure("Makespan", "", ("makespan_s",), duration, of_all=True),
    Figure("Makespan", "÷ bound", ("makespan_ratio",), _three, of_all=True),
    Figure("Response", "mean", ("response_s", "mean"), duration),
    Figure("Response", "p95", ("response_s", "p95"), duration),
    Figure("Response", "p99", ("response_s", "p99"), duration),
    Figure("Waiting", "mean", ("waiting_s", "mean"), duration),
    Figure("Waiting", "p95", ("waiting_s", "p95"), duration),
    Figure("Slowdown", "mean", ("slowdown", "mean"), _three),
    Figure("Slowdown", "p95", ("slowdown", "p95"), _three),
    Figure("Deadlines", "met", ("deadline_attainment",), percent, True, True),
    Figure("Fairness", "", ("fairness_slowdown",), _three, True),
    Figure("Utilisation", "", ("utilisation", "mean"), percent, True),
    Figure("Switches", "", ("switches",), _whole),
    Figure("Switches", "time", ("switch_seconds",), duration),
    Figure("Goodput", "per s", ("goodput_per_s",), _three, True, True),
)
"""The columns of the comparison, in order."""


def figure(*path: str) -> Figure:
    """Return the figure with a path of keys."""
    return next(figure for figure in FIGURES if figure.path == path)


def shown_figures(views: Sequence[PolicyView]) -> list[Figure]:
    """Return the figures that some policy has; unfinished requests only where there are any."""
    shown = [each for each in FIGURES if any(each.of(view) is not None for view in views)]
    if any(view.unfinished for view in views):
        return shown
    return [each for each in shown if each.path != ("unfinished_requests",)]


def winners(
    views: Sequence[PolicyView], figure: Figure, spell: Format | None = None
) -> list[PolicyView]:
    """Return the policies with the best value of a figure; none where all read the same.

    Values that are spelt alike count as equal. Only the policies that left the fewest requests
    unfinished compete, unless the figure counts those.

    Args:
        views: the policies.
        figure: what they are compared by.
        spell: how values are spelt where they are shown; None: as the figure has it.
    """
    spell = spell or figure.text
    fewest = min(view.unfinished for view in views)
    values = [(view, value) for view in views if (value := figure.of(view)) is not None]
    fit = [
        (view, value)
        for view, value in values
        if figure.counts_unfinished or view.unfinished == fewest
    ]
    alike = len({spell(value) for _, value in values}) < 2
    if alike or not fit or (figure.of_all and fewest):
        return []
    best = spell((max if figure.higher else min)(value for _, value in fit))
    return [view for view, value in fit if spell(value) == best]
