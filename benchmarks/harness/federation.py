"""Measuring a real federation, each part in a process of its own, and its table."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.children import Ended, run_command
from harness.federation_times import (
    FEDERATION_FIGURES,
    FederationTimes,
    find_federation_figure,
    read_federation,
)
from harness.markdown import render_table
from harness.reports import find_report

__all__ = ["FEDERATION", "measure_federation", "read_federation_report", "render_federation"]

FEDERATION = "federation"
"""What `--workload` takes for it."""

_BENCHMARKS = Path(__file__).resolve().parent.parent
_COLUMNS = ("federation", "median", "least–most", "unit", "stock Flower", "times as much")


def measure_federation(
    repeats: int, limit_seconds: float, *, quick: bool
) -> Iterator[FederationTimes]:
    """Yield the values of every figure, part by part, as each ends.

    Args:
        repeats: turns of each.
        limit_seconds: for one part.
        quick: take less of what takes long.
    """
    for module, part in dict.fromkeys((f.module, f.part) for f in FEDERATION_FIGURES):
        words = [*([part] if part else []), "--repeats", str(repeats)]
        ended = run_command(
            [sys.executable, "-m", f"{FEDERATION}.{module}", *words, *["--quick"] * quick],
            limit_seconds=limit_seconds,
            look_seconds=0.1,
            folder=_BENCHMARKS,
        )
        yield from read_federation_report(module, part, ended, limit_seconds)


def read_federation_report(
    module: str, part: str, ended: Ended, limit_seconds: float
) -> list[FederationTimes]:
    """Return what a module told, or for each of its figures why it did not."""
    rows, failure = find_report(ended, limit_seconds)
    if not failure:
        return read_federation(rows)
    figures = [f for f in FEDERATION_FIGURES if (f.module, f.part) == (module, part)]
    return [FederationTimes(figure.name, failure=failure) for figure in figures]


def render_federation(measured: Sequence[FederationTimes]) -> Iterator[str]:
    """Yield a heading and a table, if anything was measured."""
    if measured:
        yield f"### {FEDERATION}\n\n{render_table(_COLUMNS, map(_render_row, measured))}"


def _render_row(times: FederationTimes) -> tuple[str, ...]:
    figure = find_federation_figure(times.figure)
    if times.failure:
        return (figure.title, *["–"] * (len(_COLUMNS) - 2), times.failure)
    return (
        figure.title,
        f"{times.middle:.3g}",
        f"{min(times.values):.3g}–{max(times.values):.3g}",
        figure.unit,
        f"{min(times.beside):.3g}–{max(times.beside):.3g}" if times.beside else "–",
        f"{times.ratio:.1f}" if times.beside else "–",
    )
