"""Progress of a study: two bars on a terminal, a line per step elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fedloom.bench import CellOutcome, Study
    from fedloom.bench.provider import CellNews

__all__ = ["News", "show_study"]


class News(Protocol):
    """What is told on the way."""

    def tell(self, news: CellNews) -> None:
        """Show that a cell gets on."""

    def end(self, outcome: CellOutcome) -> None:
        """Show that a cell has ended."""


@contextmanager
def show_study(study: Study, *, shown: bool) -> Iterator[News]:
    """Show how the cells get on, on standard error, while the block runs.

    Args:
        study: whose cells.
        shown: whether to show anything.
    """
    if not shown:
        yield _Silence()
    elif sys.stderr.isatty():
        with _open_bars(study) as bars:
            yield bars
    else:
        yield _Lines(study.num_rounds)


class _Silence:
    def tell(self, news: CellNews) -> None:
        pass

    def end(self, outcome: CellOutcome) -> None:
        pass


class _Lines:
    def __init__(self, rounds: int) -> None:
        self._rounds, self._last = rounds, ""

    def tell(self, news: CellNews) -> None:
        self._say(f"{news.cell.id}: {_describe(news, self._rounds)}")

    def end(self, outcome: CellOutcome) -> None:
        self._say(f"{outcome.cell}: {_sum_up(outcome)}")

    def _say(self, line: str) -> None:
        if line != self._last:
            self._last = line
            print(line, file=sys.stderr, flush=True)


class _Bars:
    def __init__(self, study: Study, progress: Any) -> None:
        self._rounds, self._progress = study.num_rounds, progress
        self._cells = progress.add_task("cells", total=sum(1 for _ in study.cells()))
        self._cell = progress.add_task("", total=study.num_rounds)

    def tell(self, news: CellNews) -> None:
        text = f"{news.cell.id}: {_describe(news, self._rounds)}"
        self._progress.update(self._cell, completed=news.round, description=text)

    def end(self, outcome: CellOutcome) -> None:
        self._progress.advance(self._cells)
        self._progress.console.print(f"{outcome.cell}: {_sum_up(outcome)}", highlight=False)


@contextmanager
def _open_bars(study: Study) -> Iterator[_Bars]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bars(study, progress)


def _describe(news: CellNews, rounds: int) -> str:
    return f"round {news.round}/{rounds}" if news.round else str(news.stage)


def _sum_up(outcome: CellOutcome) -> str:
    why = f": {outcome.reason}" if outcome.reason else ""
    return f"{outcome.status} after {outcome.rounds} rounds, {outcome.seconds:.1f} s{why}"
