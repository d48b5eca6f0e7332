"""The tables of workloads and of scheduling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from harness.markdown import format_seconds, format_spread, render_table
from harness.rate_figures import RATE_GROUPS, find_rate_figure
from harness.rate_times import RateTimes

__all__ = ["render_rates"]

_COLUMNS = (
    "what",
    "count",
    "s",
    "fastest–slowest",
    "CPU-s",
    "per second",
    "MB above the start",
    "beside it",
    "count",
    "per second",
    "times as fast",
)


def render_rates(rates: Sequence[RateTimes]) -> Iterator[str]:
    """Yield a heading and a table for each group that was measured."""
    for group, heading in RATE_GROUPS.items():
        own = [times for times in rates if find_rate_figure(times.figure).group == group]
        if own:
            yield f"### {group}\n\n{heading}.\n\n{render_table(_COLUMNS, map(_render_row, own))}"


def _render_row(times: RateTimes) -> tuple[str, ...]:
    figure = find_rate_figure(times.figure)
    if times.failure:
        return (figure.title, *["–"] * (len(_COLUMNS) - 2), times.failure)
    return (
        figure.title,
        f"{times.count:,} {figure.item}" if times.count > 1 else "–",
        *format_spread(times.seconds),
        format_seconds(median(times.cpu_seconds)) if times.cpu_seconds else "–",
        f"{times.per_second:,.0f}" if times.count > 1 else "–",
        f"{times.memory_mb:.0f}" if times.memory_mb else "–",
        *_render_beside(times, figure.beside),
    )


def _render_beside(times: RateTimes, beside: str) -> tuple[str, ...]:
    if not times.beside:
        return ("–", "–", "–", "–")
    rate = f"{times.beside_per_second:,.0f}"
    if times.beside_count == 1:  # a time that is no rate
        return (beside, "–", f"{format_seconds(median(times.beside))} s", f"{times.speedup:.1f}")
    return (beside, f"{times.beside_count:,}", rate, f"{times.speedup:.1f}")
