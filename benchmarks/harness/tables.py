"""The result as Markdown, which reads well in a terminal too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from harness.catalogue import ENGINES
from harness.package_times import PackageTimes, find_figure
from harness.summary import Figures
from harness.targets import Verdict
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
) -> str:
    """Return the whole result: the machine, the targets, and a table for every workload.

    Args:
        machine: what it ran on, and with what; see `run.py`.
        figures: from `harness.summary.summarise`.
        verdicts: from `harness.targets.judge`.
        packages: from `harness.packages.measure_packages`.
    """
    parts = [_render_machine(machine)]
    if verdicts:
        rows = [(v.target, v.wanted, v.measured, "yes" if v.met else "**no**") for v in verdicts]
        parts.append(_render_table(("target", "wanted", "measured", "met"), rows))
    names = dict.fromkeys(figure.workload for figure in figures)
    parts += [
        _render_workload(name, [f for f in figures if f.workload == name], machine)
        for name in names
    ]
    if packages:
        table = _render_table(_PACKAGE_COLUMNS, map(_render_times, packages))
        parts.append(f"### packages\n\n{table}")
    return "\n\n".join(parts) + "\n"


def _render_machine(machine: Mapping[str, Any]) -> str:
    return "\n".join(f"- {key}: {value}" for key, value in machine.items())


def _render_workload(name: str, figures: Sequence[Figures], machine: Mapping[str, Any]) -> str:
    workload = find_workload(name)
    heading = f"### {name}\n\n{workload.title}; {workload.batches:,} batches in a round.\n\n"
    titles = {engine.name: engine.title.format(cores=machine["cores"]) for engine in ENGINES}
    return heading + _render_table(_COLUMNS, (_render_row(titles[f.engine], f) for f in figures))


def _render_row(title: str, figures: Figures) -> tuple[str, ...]:
    if figures.reason:
        return (title, *["–"] * (len(_COLUMNS) - 2), figures.reason)
    warning = "" if figures.agrees else " **differs from the others**"
    return (
        title,
        _seconds(figures.seconds),
        f"{_seconds(figures.fastest)}–{_seconds(figures.slowest)}",
        "–" if figures.ratio is None else f"{figures.ratio:.2f}",
        f"{figures.first_seconds:.1f}",
        f"{figures.launch_seconds:.1f}",
        _seconds(figures.cpu_seconds),
        f"{figures.peak_mb:.0f}",
        f"{figures.loss:.3f}, {figures.accuracy:.1%}{warning}",
    )


def _render_times(times: PackageTimes) -> tuple[str, ...]:
    figure = find_figure(times.figure)
    if times.failure:
        return (figure.title, *["–"] * (len(_PACKAGE_COLUMNS) - 2), times.failure)
    return (
        figure.title,
        *_spread(times.seconds),
        f"{times.pace:.0f}" if times.megabytes else "–",
        figure.beside or "–",
        *(_spread(times.beside) if times.beside else ("–", "–")),
        f"{times.ratio:.2f}" if times.beside else "–",
    )


def _spread(seconds: Sequence[float]) -> tuple[str, str]:
    return _seconds(median(seconds)), f"{_seconds(min(seconds))}–{_seconds(max(seconds))}"


def _render_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [tuple(columns), *(tuple(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    widths[-1] = len(columns[-1])  # reasons stand there, and may be sentences
    return "\n".join(_render_lines(cells, widths))


def _render_lines(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for number, row in enumerate(cells):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(padded)} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"


def _seconds(value: float) -> str:
    return f"{value:.4f}" if value < 1 else f"{value:.2f}"
