"""The report: everything that the records of one or several runs show, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedloom.errors import InputError
from fedloom.files import write_text
from fedloom.page.card import Card
from fedloom.page.curves import divergence_card, loss_card, score_card
from fedloom.page.head import facts, runs_table, tiles, title_of
from fedloom.page.heatmap import Counts, heatmap_card, heatmap_cards
from fedloom.page.html import compose_page
from fedloom.page.metrics import metric_cards
from fedloom.page.participation import participation_card
from fedloom.page.rounds import rounds_card
from fedloom.page.tables import RunTables
from fedloom.page.times import simulated_card, size_card, time_card
from fedloom.page.view import RunView, view_runs

__all__ = ["MAX_RUNS", "heatmap_page", "render_report", "write_report"]

MAX_RUNS = 32
"""So many colours and line styles can be told apart, together."""


def render_report(runs: Sequence[RunTables]) -> str:
    """Return a report as one HTML page that loads nothing.

    The page follows the reader's preference for light or dark; the fragment ``#theme=dark`` (or
    ``light``) overrides it. Values that are missing or not finite leave gaps.

    Args:
        runs: the runs, which are overlaid where there are several. Their names are made unique.

    Raises:
        InputError: no run is given, more than `MAX_RUNS`, or one that holds no rows.
    """
    if not 1 <= len(runs) <= MAX_RUNS:
        raise InputError(f"a report shows 1 to {MAX_RUNS} runs, not {len(runs)}")
    views = view_runs(runs)
    if len(views) == 1:
        head, subtitle = tiles(views[0]) + facts(views[0]), views[0].name
    else:
        head, subtitle = runs_table(views), "Untick a run to hide it in all plots"
    return compose_page(title_of(views), subtitle, head, _cards(views), rounds_card(views))


def write_report(runs: Sequence[RunTables], path: Path) -> None:
    """Write a report to `path` in one step, replacing what was there.

    Raises:
        InputError: as `render_report`.
        OutputError: the place cannot be written or the disk is full.
    """
    write_text(path, render_report(runs))


def heatmap_page(counts: Counts, title: str) -> str:
    """Return a page that shows a partition alone: the label × client heatmap.

    Args:
        counts: client → label → rows, in the order of the clients.
        title: what was split and how, such as ``digits · dirichlet 0.3``.

    Raises:
        InputError: there is no client or no label.
    """
    if not any(counts.values()):
        raise InputError("a heatmap needs at least one client with at least one label")
    card = heatmap_card(counts, "Rows by label and client")
    return compose_page(title, "Partition", "", [card], "")


def _cards(views: Sequence[RunView]) -> list[Card]:
    """Return the cards in reading order: what came out, who held what, what it took."""
    results = [score_card(views), loss_card(views)]
    costs = [
        time_card(views),
        divergence_card(views),
        participation_card(views),
        simulated_card(views),
        size_card(views),
    ]
    shown = [*results, *metric_cards(views), *heatmap_cards(views), *costs]
    return [card for card in shown if card is not None]
