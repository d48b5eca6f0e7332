"""The result as Markdown, which reads well in a terminal too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.catalogue import ENGINES
from harness.federation import render_federation
from harness.federation_times import FederationTimes
from harness.markdown import format_seconds, format_spread, render_table
from harness.package_times import PackageTimes, find_figure
from harness.rate_tables import render_rates
from harness.rate_times import RateTimes
from harness.summary import Figures
from harness.verdicts import Verdict
from harness.workloads import CHECK_ROUND, find_workload

__all__ = ["render_markdown"]

_COLUMNS = (
    "engine",
    "s per round",
    "fastest–slowest",
    "× Fedloom",
    "first round, s",
    "from launch, s",
    "CPU-s per round",
    "memory, MB",
    f"loss, accuracy after {CHECK_ROUND} rounds",
)


_PACKAGE_COLUMNS = (
    "compute packages",
    "s",
    "fastest–slowest",
    "MB/s",
    "beside it",
    "s",
    "fastest–slowest",
    "quotient",
)


def render_markdown(
    machine: Mapping[str, Any],
    figures: Sequence[Figures],
    verdicts: Sequence[Verdict],
    packages: Sequence[PackageTimes] = (),
    rates: Sequence[RateTimes] = (),
    federation: Sequence[FederationTimes] = (),
) -> str:
    """Return the whole result: the machine, the targets, and a table for every workload.

    Args:
        machine: what it ran on, and with what; see `run.py`.
        figures: from `harness.summary.summarise`.
        verdicts: from `harness.targets.judge`.
        packages: from `harness.packages.measure_packages`.
        rates: from `harness.rate_runs.measure_rates`.
        federation: from `harness.federation.measure_federation`.
    """
    parts = [_render_machine(machine)]
    if verdicts:
        rows = [(v.target, v.wanted, v.measured, "yes" if v.met else "**no**") for v in verdicts]
        parts.append(render_table(("target", "wanted", "measured", "met"), rows))
    names = dict.fromkeys(figure.workload for figure in figures)
    parts += [
        _render_workload(name, [f for f in figures if f.workload == name], machine)
        for name in names
    ]
    if packages:
        table = render_table(_PACKAGE_COLUMNS, map(_render_times, packages))
        parts.append(f"### packages\n\n{table}")
    parts += render_federation(federation)
    parts += render_rates(rates)
    return "\n\n".join(parts) + "\n"


def _render_machine(machine: Mapping[str, Any]) -> str:
    return "\n".join(f"- {key}: {value}" for key, value in machine.items())


def _render_workload(name: str, figures: Sequence[Figures], machine: Mapping[str, Any]) -> str:
    workload = find_workload(name)
    heading = f"### {name}\n\n{workload.title}; {workload.batches:,} batches in a round.\n\n"
    titles = {engine.name: engine.title.format(cores=machine["cores"]) for engine in ENGINES}
    return heading + render_table(_COLUMNS, (_render_row(titles[f.engine], f) for f in figures))


def _render_row(title: str, figures: Figures) -> tuple[str, ...]:
    if figures.reason:
        return (title, *["–"] * (len(_COLUMNS) - 2), figures.reason)
    warning = "" if figures.agrees else " **differs from the others**"
    return (
        title,
        format_seconds(figures.seconds),
        f"{format_seconds(figures.fastest)}–{format_seconds(figures.slowest)}",
        "–" if figures.ratio is None else f"{figures.ratio:.2f}",
        f"{figures.first_seconds:.1f}",
        f"{figures.launch_seconds:.1f}",
        format_seconds(figures.cpu_seconds),
        f"{figures.peak_mb:.0f}",
        f"{figures.loss:.3f}, {figures.accuracy:.1%}{warning}",
    )


def _render_times(times: PackageTimes) -> tuple[str, ...]:
    figure = find_figure(times.figure)
    if times.failure:
        return (figure.title, *["–"] * (len(_PACKAGE_COLUMNS) - 2), times.failure)
    return (
        figure.title,
        *format_spread(times.seconds),
        f"{times.pace:.0f}" if times.megabytes else "–",
        figure.beside or "–",
        *(format_spread(times.beside) if times.beside else ("–", "–")),
        f"{times.ratio:.2f}" if times.beside else "–",
    )
