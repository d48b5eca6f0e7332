"""What `fedloom schedule` prints: a line per policy, the best of each column marked."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len

from fedloom.cli.printing import print_files, print_json, print_warnings
from fedloom.page.wording import MISSING, number, percent
from fedloom.scheduling.comparison import Comparison, Outcome
from fedloom.scheduling.page.standing import Figure, figure, shown_figures, winners
from fedloom.scheduling.page.view import PolicyResult, PolicyView, view_results

__all__ = ["print_table", "tell"]

_SHOWN_VIOLATIONS = 5
_WIDEST_NAME = 40


@dataclass(frozen=True)
class _Column:
    """A figure as the table has it: its heading, and how a value is spelt beside others."""

    title: str
    figure: Figure
    spell: Callable[[float], str]


def _seconds(value: float) -> str:
    return f"{value:,.1f}"


def _rate(value: float) -> str:
    return number(value, 3)


_COLUMNS = (
    _Column("unfinished", figure("unfinished_requests"), "{:,.0f}".format),
    _Column("makespan s", figure("makespan_s"), _seconds),
    _Column("÷ bound", figure("makespan_ratio"), "{:.3f}".format),
    _Column("response s", figure("response_s", "mean"), _seconds),
    _Column("p99", figure("response_s", "p99"), _seconds),
    _Column("waiting s", figure("waiting_s", "mean"), _seconds),
    _Column("slowdown", figure("slowdown", "mean"), "{:.2f}".format),
    _Column("deadlines", figure("deadline_attainment"), percent),
    _Column("fairness", figure("fairness_slowdown"), "{:.3f}".format),
    _Column("switches", figure("switches"), "{:,.0f}".format),
    _Column("switch s", figure("switch_seconds"), _seconds),
    _Column("goodput /s", figure("goodput_per_s"), _rate),
)


def tell(found: Comparison, paths: Sequence[Path], *, as_json: bool, quiet: bool) -> None:
    """Print what was found and written; what is wrong with a schedule goes to standard error."""
    if quiet:
        return
    if as_json:
        print_json({"files": [str(path) for path in paths], **found.to_dict()})
    else:
        print_table(found)
        print("Files:")
        print_files(paths)
    sys.stdout.flush()  # so that what went wrong comes last, wherever both streams go
    for outcome in found.outcomes:
        print_warnings(_troubles(outcome))


def print_table(found: Comparison) -> None:
    """Print the policies side by side; a star marks the best of several, as on the page.

    On a terminal that is too narrow the columns go on below.
    """
    problem = found.problem
    bound_us = found.outcomes[0].metrics.bounds.makespan_us
    print(
        f"{problem.requests:,} requests, {problem.tasks:,} tasks, "
        f"{len(problem.cluster.gpus):,} GPUs; no schedule takes less than {bound_us / 1e6:,.1f} s"
    )
    names = ["policy", *(_clip(outcome.label) for outcome in found.outcomes)]
    views = view_results(
        [PolicyResult(o.schedule, o.metrics.to_dict(), o.label) for o in found.outcomes]
    )
    shown = shown_figures(views)
    columns = [[c.title, *_cells(c, views)] for c in _COLUMNS if c.figure in shown]
    for place, block in enumerate(_blocks(names, columns)):
        if place:
            print()
        for row in zip(*block, strict=True):
            print("  ".join(row).rstrip())


def _cells(column: _Column, views: Sequence[PolicyView]) -> list[str]:
    def spell(value: float | None) -> str:
        return MISSING if value is None else column.spell(value)

    best = {view.index for view in winners(views, column.figure, spell)}
    return [spell(column.figure.of(view)) + ("*" if view.index in best else " ") for view in views]


def _blocks(names: Sequence[str], columns: Sequence[Sequence[str]]) -> Iterator[list[list[str]]]:
    """Yield columns of equal width as many as fit beside the names; at least one at a time."""
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    first = _align(names, left=True)
    block = [first]
    for column in columns:
        aligned = _align(column, left=False)
        if len(block) > 1 and sum(cell_len(c[0]) + 2 for c in (*block, aligned)) - 2 > room:
            yield block
            block = [first]
        block.append(aligned)
    yield block


def _align(texts: Sequence[str], *, left: bool) -> list[str]:
    width = max(map(cell_len, texts))
    padded = [" " * (width - cell_len(text)) for text in texts]
    return [t + space if left else space + t for t, space in zip(texts, padded, strict=True)]


def _clip(label: str) -> str:
    """Return a policy's name on one line that leaves room for figures."""
    text = " ".join(label.split())
    return text if len(text) <= _WIDEST_NAME else f"{text[: _WIDEST_NAME - 1]}…"


def _troubles(outcome: Outcome) -> Iterator[str]:
    unfinished = outcome.metrics.unfinished_requests
    if unfinished:
        reason = f": {outcome.schedule.stopped}" if outcome.schedule.stopped else ""
        requests = "1 request" if unfinished == 1 else f"{unfinished:,} requests"
        yield f"{outcome.label}: {requests} unfinished{reason}"
    shown = outcome.violations[:_SHOWN_VIOLATIONS]
    for violation in shown:
        yield f"{outcome.label}: {violation}"
    if (more := outcome.violations.total - len(shown)) > 0:
        yield f"{outcome.label}: {more:,} more violations"
