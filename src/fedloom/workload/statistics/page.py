"""The page of a workload: what arrives when, of which kind, and what it costs."""

from __future__ import annotations

from pathlib import Path

from fedloom.files import write_text
from fedloom.page.html import compose_page
from fedloom.page.tiles import Tile, tile_list
from fedloom.page.wording import MISSING, count, duration, number
from fedloom.workload.statistics.cards import stats_cards
from fedloom.workload.statistics.view import StatsView

__all__ = ["render_stats_page", "write_stats_page"]


def render_stats_page(view: StatsView) -> str:
    """Return the page of a workload as one HTML file that loads nothing.

    It holds counts and histograms only, so it is small however many requests there are.
    """
    subtitle = f"Workload: {count(view.requests, 'request')}"
    return compose_page(view.name, subtitle, _tiles(view), stats_cards(view), "")


def write_stats_page(view: StatsView, path: Path) -> None:
    """Write the page of a workload to `path` in one step, replacing what was there.

    Raises:
        OutputError: the place cannot be written or the disk is full.
    """
    write_text(path, render_stats_page(view))


def _tiles(view: StatsView) -> str:
    hours = sum(view.gpu_hours_by_model.values()) if view.gpu_hours_by_model else None
    workflows = sum(1 for requests in view.mix.values() if requests)
    tiles = [
        Tile("Requests", f"{view.requests:,}", f"of {count(workflows, 'workflow')}"),
        Tile("Duration", duration(view.duration_s or None), "from first to last arrival"),
        _rate_tile(view.rate_per_s),
        Tile("Gap variation", number(view.gap_cv, 3), "1 is a Poisson process"),
    ]
    if hours is not None:
        more = f"{number(3600 * hours / view.requests, 3)} GPU-s a request" if view.requests else ""
        tiles.append(Tile("GPU-hours", number(hours, 3), more))
    if view.tenants:
        tiles.append(Tile("Tenants", f"{len(view.tenants):,}"))
    return tile_list(tiles)


def _rate_tile(rate_per_s: float | None) -> Tile:
    """Per second, minute or hour: whichever gives a number of at least one."""
    if not rate_per_s:
        return Tile("Rate", MISSING, "needs two arrivals")
    units = (("second", 1), ("minute", 60), ("hour", 3600))
    unit, seconds = next((u for u in units if rate_per_s * u[1] >= 1), units[-1])
    return Tile("Rate", number(rate_per_s * seconds, 3), f"arrivals per {unit}")
