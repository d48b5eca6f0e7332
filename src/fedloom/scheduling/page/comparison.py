"""The page of a comparison: policies side by side, and what ran where and when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedloom.errors import InputError
from fedloom.files import write_text
from fedloom.page.gantt import gantt_part
from fedloom.page.html import compose_page
from fedloom.page.wording import count, duration
from fedloom.scheduling.page.cards import comparison_cards
from fedloom.scheduling.page.head import facts, policies_table, tiles, unfinished
from fedloom.scheduling.page.rows import gantt_of
from fedloom.scheduling.page.view import PolicyResult, PolicyView, view_results
from fedloom.scheduling.problem import Problem

__all__ = ["MOST_POLICIES", "render_comparison", "write_comparison"]

MOST_POLICIES = 32
"""So many colours and line styles can be told apart, together."""


def render_comparison(results: Sequence[PolicyResult], problem: Problem) -> str:
    """Return the comparison as one HTML page that loads nothing.

    Args:
        results: of each policy on `problem`; names are made unique.
        problem: what was scheduled.

    Raises:
        InputError: there is no result, or more than `MOST_POLICIES`.
    """
    if not 1 <= len(results) <= MOST_POLICIES:
        raise InputError(f"a page compares 1 to {MOST_POLICIES} policies, not {len(results)}")
    views = view_results(results)
    head = unfinished(views, problem) + tiles(views) + facts(problem) + policies_table(views)
    cards = comparison_cards(views, problem)
    part = gantt_part(gantt_of(views, problem))
    return compose_page(_title(views, problem), _subtitle(views), head, cards, "", [part])


def write_comparison(results: Sequence[PolicyResult], problem: Problem, path: Path) -> None:
    """Write the comparison to `path` in one step, replacing what was there.

    Raises:
        InputError: as `render_comparison`.
        OutputError: the place cannot be written or the disk is full.
    """
    write_text(path, render_comparison(results, problem))


def _title(views: Sequence[PolicyView], problem: Problem) -> str:
    who = views[0].name if len(views) == 1 else f"{len(views)} policies"
    return f"{who} on {count(len(problem.cluster.gpus), 'GPU')}"


def _subtitle(views: Sequence[PolicyView]) -> str:
    offline = [view for view in views if view.schedule.offline]
    known = "offline: the future is known" if offline else "online: arrivals are not anticipated"
    if offline and len(offline) < len(views):
        known = f"offline: {', '.join(view.name for view in offline)}"
    bound = views[0].number("makespan_lower_bound_s")
    return f"Schedule, {known}" + (
        f". No schedule can be shorter than {duration(bound)}" if bound else ""
    )
