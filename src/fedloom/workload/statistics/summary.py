"""The summary that the console shows, in the lines that users of the first generator know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fedloom.page.wording import number
from fedloom.workload.formats.header import Header
from fedloom.workload.statistics.collect import WorkloadStats

__all__ = ["summary_lines"]


def summary_lines(stats: WorkloadStats, title: str, header: Header | None = None) -> Iterator[str]:
    """Yield the lines of the summary: first those of the first generator, then ours.

    Args:
        stats: what was collected.
        title: the first line, such as "Workflow Request Generation Complete!".
        header: what the file says of itself; None: nothing.
    """
    figures = stats.to_dict()
    yield title
    yield f"Total requests generated: {stats.total}"
    yield from _distribution("Workflow distribution:", stats.workflows, stats.total)
    if stats.config:
        yield from _hours("Estimated GPU hours by model:", figures["gpu_hours_by_model"])
    yield "Base model usage:"
    for base, count in figures["base_model_usage"].items():
        yield f"  {base}: {count} requests"
    if stats.config:
        by_type = figures["gpu_hours_by_model_type"]
        yield from _hours("Estimated GPU hours by model type:", by_type)
        yield f"Total: {figures['total_gpu_hours']:.2f} GPU-hours"
    if stats.tenants:
        yield from _distribution("Tenant distribution:", stats.tenants, stats.total)
    yield from _arrivals(figures["arrivals"])
    yield from _metadata(header)


def _distribution(title: str, counts: Mapping[str, int], total: int) -> Iterator[str]:
    yield title
    for name, count in counts.items():
        share = 100 * count / total if total else 0.0
        yield f"  {name}: {count} requests ({share:.1f}%)"


def _hours(title: str, hours: Mapping[str, float]) -> Iterator[str]:
    yield title
    for name, value in hours.items():
        yield f"  {name}: {value:.2f} GPU-hours"


def _arrivals(figures: Mapping[str, Any]) -> Iterator[str]:
    if figures["rate_per_second"] is not None:
        yield (
            f"Arrivals: {figures['first']} to {figures['last']}, "
            f"{number(figures['rate_per_second'])} per second, gap cv {figures['gap_cv']:.2f}"
        )


def _metadata(header: Header | None) -> Iterator[str]:
    if header is None:
        return
    yield "Generation metadata:"
    for name, value in header.to_dict().items():
        yield f"  {name}: {', '.join(value) if isinstance(value, list) else value}"
