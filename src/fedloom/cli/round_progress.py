"""Progress of a run: a bar on a terminal, a line per round elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedloom.experiment import Plan
    from fedloom.records import RoundRecord

__all__ = ["show_rounds"]

RoundObserver = Callable[["RoundRecord", "Plan"], None]


@contextmanager
def show_rounds(plan: Plan, *, shown: bool) -> Iterator[RoundObserver | None]:
    """Show each round as it ends, on standard error, while the block runs.

    Args:
        plan: of the run; tells how many rounds there are.
        shown: whether to show anything.
    """
    if not shown:
        yield None
    elif sys.stderr.isatty():
        with _show_bar(plan) as observer:
            yield observer
    else:
        yield _print_line


def _print_line(record: RoundRecord, plan: Plan) -> None:
    print(_describe(record, plan), file=sys.stderr, flush=True)


def _describe(record: RoundRecord, plan: Plan) -> str:
    known = record.global_score is not None and isfinite(record.global_score)
    score = f"{record.global_score:.4f}" if known else "–"
    failed = record.cohort_size - record.participants
    failures = f", {failed} failed" if failed else ""
    return f"round {record.round}/{plan.rounds}: score {score}{failures}"


@contextmanager
def _show_bar(plan: Plan) -> Iterator[RoundObserver]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("preparing", total=plan.rounds)

        def observe(record: RoundRecord, plan: Plan) -> None:
            progress.update(task, completed=record.round, description=_describe(record, plan))

        yield observe
