"""Undoing the running mean in the old study's accuracies.

One metric object was shared by all evaluations of a server process and never reset. So the k-th
value that was recorded is the mean of the first k accuracies, and with recorded values a₁, a₂, …

    corrected_k = k · a_k - (k - 1) · a_(k-1)

A server process carried out its strategies one after the other, so k goes on across them. Where a
process began is told by the times in its logs: the strategies of one follow each other at once.
What comes out has to be whole numbers of the 720 evaluated rows, which no wrong k gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from operator import attrgetter

from fedloom.bench.legacy.tree import OldCell

__all__ = ["EVALUATION_ROWS", "correct_scores", "find_processes", "undo_running_mean"]

_GAP = timedelta(minutes=5)
"""Between two strategies of a process lies the upload of a log; a new machine takes longer."""

EVALUATION_ROWS = 720
"""Rows that every evaluation of the old study scored: an accuracy is a whole number of them."""

_SLACK_ROWS = 0.05
"""By which rounding may lead an accuracy away from a whole number of rows."""


def undo_running_mean(recorded: Sequence[float], before: int = 0, last: float = 0.0) -> list[float]:
    """Return the values whose running mean was recorded.

    Args:
        recorded: in the order of the evaluations.
        before: evaluations of the same process before the first of these.
        last: what was recorded of the last of those.

    Example:
        >>> undo_running_mean([0.5, 0.75, 0.5])
        [0.5, 1.0, 0.0]
    """
    found = []
    for number, value in enumerate(recorded, start=before + 1):
        found.append(number * value - (number - 1) * last)
        last = value
    return found


def find_processes(cells: Sequence[OldCell]) -> list[list[OldCell]]:
    """Return the cells that each server process carried out, in its order.

    A cell without times counts as a process of its own.
    """
    timed = [cell for cell in cells if cell.server.started is not None]
    timed.sort(key=attrgetter("backend", "clients", "server.started"))
    processes = [[cell] for cell in cells if cell.server.started is None]
    for earlier, cell in zip([None, *timed], timed, strict=False):
        if earlier is not None and _follows(earlier, cell):
            processes[-1].append(cell)
        else:
            processes.append([cell])
    return processes


def _follows(earlier: OldCell, later: OldCell) -> bool:
    if (earlier.backend, earlier.clients) != (later.backend, later.clients):
        return False
    ended, begun = earlier.server.last, later.server.started
    return ended is not None and begun is not None and ended <= begun <= ended + _GAP


def correct_scores(cells: Sequence[OldCell]) -> tuple[dict[str, dict[int, float]], list[str]]:
    """Return the corrected accuracy of every cell, by its name and round, and warnings.

    Where evaluations are missing, neither the cell nor what followed it in the same process can be
    corrected; those cells are left out, with a warning.
    """
    corrected: dict[str, dict[int, float]] = {}
    warnings: list[str] = []
    for process in find_processes(cells):
        _correct_process(process, corrected, warnings)
    return corrected, warnings


def _correct_process(
    process: Sequence[OldCell], corrected: dict[str, dict[int, float]], warnings: list[str]
) -> None:
    count, last, fault = 0, 0.0, ""
    for cell in process:
        scores = cell.scores()
        recorded, gap = list(scores.values()), _find_gap(scores)
        values = undo_running_mean(recorded, count, last)
        if not gap and (fault or not _are_shares(values)):
            # Whether it was the first of a process after all, its values tell for sure.
            count, values = 0, undo_running_mean(recorded)
            fault = "" if _are_shares(values) else fault or "they are no running mean of its own"
        if gap or fault:
            fault = gap or fault
            warnings.append(f"{cell.name}: the accuracies cannot be corrected: {fault}")
            continue
        corrected[cell.name] = dict(zip(scores, values, strict=True))
        count, last = count + len(values), recorded[-1]
        if cell.server.finished_s is None:
            fault = f"nobody knows what else {cell.name} evaluated in the same process"


def _find_gap(scores: dict[int, float]) -> str:
    if not scores:
        return "none is recorded"
    missing = set(range(max(scores) + 1)) - set(scores)
    numbers = ", ".join(map(str, sorted(missing)))
    return f"nothing is recorded of round {numbers}" if missing else ""


def _are_shares(values: Sequence[float]) -> bool:
    """Whether all values are whole numbers of evaluated rows."""
    images = [value * EVALUATION_ROWS for value in values]
    return all(
        -_SLACK_ROWS <= image <= EVALUATION_ROWS + _SLACK_ROWS
        and abs(image - round(image)) <= _SLACK_ROWS
        for image in images
    )
