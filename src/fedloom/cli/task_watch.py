"""Watching a task: a bar on a terminal, a line per round elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedloom.cli.connecting import AsJson, with_platform
from fedloom.cli.listing import as_plain
from fedloom.cli.printing import print_json

if TYPE_CHECKING:
    from fedloom.platform.connection import Platform
    from fedloom.platform.task import Task

__all__ = ["watch", "watch_task"]

_Observer = Callable[[Mapping[str, Any], "Task"], None]
_Looker = Callable[["Task"], None]


@with_platform
def watch(
    platform: Platform,
    task_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the task.")],
    wait_s: Annotated[
        float | None,
        typer.Option("--wait", min=0, help="Seconds to watch at most (default: to its end)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Watch a task to its end.

    Exit codes: 0 it succeeded; 1 it failed or was cancelled, or has not ended in time.
    Ctrl-C ends the watching, not the task.

    For example: fedloom task watch 1 --wait 600
    """
    watch_task(platform, task_id, wait_s=wait_s, as_json=as_json)


def watch_task(
    platform: Platform, task_id: int, *, wait_s: float | None = None, as_json: bool = False
) -> None:
    """Show a task until it ends, and say how it ended.

    Raises:
        typer.Exit: with code 1 where it did not succeed.
        FedloomError: the platform says no, or is away for long.
    """
    try:
        with _show(shown=not as_json) as (on_round, on_look):
            ended = platform.tasks.wait(task_id, wait_s, on_round=on_round, on_look=on_look)
    except KeyboardInterrupt:
        print(
            f"fedloom: task {task_id} goes on; to stop it: fedloom task cancel {task_id}",
            file=sys.stderr,
        )
        raise
    if as_json:
        print_json(as_plain([ended])[0])
    else:
        typer.echo(_conclude(ended))
    if ended.status.value != "success":
        raise typer.Exit(1)


def _conclude(ended: Task) -> str:
    reason = f": {ended.reason}" if ended.reason else ""
    made = ""
    if ended.result_model:
        made = f"; the result is {ended.result_model} version {ended.result_version}"
    return f"task {ended.id}: {ended.status} after {ended.rounds_done} rounds{reason}{made}"


@contextmanager
def _show(*, shown: bool) -> Iterator[tuple[_Observer | None, _Looker | None]]:
    if not shown:
        yield None, None
    elif sys.stderr.isatty():
        with _show_bar() as both:
            yield both
    else:
        yield _print_line, None


def _print_line(row: Mapping[str, Any], task: Task) -> None:
    print(_describe(row, task), file=sys.stderr, flush=True)


def _describe(row: Mapping[str, Any], task: Task) -> str:
    score = row.get("global_score")
    told = f"{score:.4f}" if isinstance(score, int | float) and isfinite(score) else "–"
    came, asked = row.get("participants"), row.get("cohort_size")
    clients = f", {came} of {asked} clients" if came is not None and asked is not None else ""
    return f"round {row.get('round', '?')}/{task.num_global_iterations}: score {told}{clients}"


@contextmanager
def _show_bar() -> Iterator[tuple[_Observer, _Looker]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("waiting", total=None)

        def observe(row: Mapping[str, Any], task: Task) -> None:
            progress.console.print(_describe(row, task), highlight=False, markup=False)
            progress.update(bar, completed=row.get("round", 0))

        def look(task: Task) -> None:
            words = f"task {task.id} {task.status}"
            progress.update(bar, description=words, total=task.num_global_iterations)

        yield observe, look
