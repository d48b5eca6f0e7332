"""Merging streams: the requests of several arrival processes in the order of their arrival."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedloom.workload.block import ClosedLoopColumns, NodeColumns, RequestBlock, WorkflowColumns
from fedloom.workload.config.workflow import Workflow
from fedloom.workload.draw.rows import take_rows

__all__ = ["merge_blocks"]

Whole = NDArray[np.int64]

_NOTHING = RequestBlock(0, np.empty(0, np.int64), ())


def merge_blocks(streams: Sequence[Iterable[RequestBlock]]) -> Iterator[RequestBlock]:
    """Yield the requests of all streams in order of arrival; of equal times, earlier streams first.

    Each step takes from every stream what arrives no later than the end of the block that ends
    first, so one block per stream is held at a time. That block's stream may go on at the very
    same time; so later streams give only what arrives before.
    """
    cursors = [cursor for stream in streams if (cursor := _Cursor(iter(stream))).fill()]
    first = 0
    while cursors:
        ends = [int(cursor.block.time_us[-1]) for cursor in cursors]
        ending = ends.index(min(ends))
        parts = [cursor.take(min(ends), i <= ending) for i, cursor in enumerate(cursors)]
        merged = _merge(parts, cursors, first)
        first += len(merged)
        yield merged
        cursors = [cursor for cursor in cursors if cursor.fill()]


class _Cursor:
    """Where one stream stands, and under which numbers its requests went out.

    The numbers are kept of closed loops only, eight bytes a request: any of them may be waited for.
    """

    def __init__(self, blocks: Iterator[RequestBlock]) -> None:
        self._blocks, self._sent = blocks, 0
        self._numbers = np.empty(0, np.int64)
        self.block = _NOTHING
        self._at = 0

    def fill(self) -> bool:
        """Make sure that there is a request to take; False at the stream's end."""
        while self._at == len(self.block):
            block = next(self._blocks, None)
            if block is None:
                return False
            self.block, self._at = block, 0
        return True

    def take(self, horizon: int, inclusive: bool) -> tuple[RequestBlock, int, int]:
        """Return the block, and the rows from … to that arrive before, or also at, `horizon`."""
        start = self._at
        side: Literal["left", "right"] = "right" if inclusive else "left"
        self._at = max(start, int(np.searchsorted(self.block.time_us, horizon, side=side)))
        return self.block, start, self._at

    def renumber(self, after: Whole, numbers: Whole) -> Whole:
        """Note the numbers of requests that go out, and return `after` in the merged numbering."""
        needed = self._sent + len(numbers)
        if needed > len(self._numbers):
            self._numbers = np.resize(self._numbers, max(needed, 2 * len(self._numbers)))
        self._numbers[self._sent : needed] = numbers
        self._sent = needed
        return np.where(after < 0, after, self._numbers[np.maximum(after, 0)])


def _merge(
    parts: Sequence[tuple[RequestBlock, int, int]], cursors: Sequence[_Cursor], first: int
) -> RequestBlock:
    times = np.concatenate([block.time_us[start:stop] for block, start, stop in parts])
    order = np.argsort(times, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    offsets = np.cumsum([0] + [stop - start for _, start, stop in parts])
    places = [place[a:b] for a, b in pairwise(offsets.tolist())]
    return RequestBlock(
        first,
        times[order],
        _merge_workflows(parts, places),
        _column([block.tenant for block, _, _ in parts], parts, order),
        _column([block.priority for block, _, _ in parts], parts, order),
        _column([block.deadline_us for block, _, _ in parts], parts, order),
        _column([block.prompt_line for block, _, _ in parts], parts, order),
        _merge_loops(parts, cursors, places, order, first),
    )


def _column(
    columns: Sequence[Whole | None], parts: Sequence[tuple[RequestBlock, int, int]], order: Whole
) -> Whole | None:
    """Return one column in the merged order; the configuration decides for all streams alike."""
    cut = [
        column[start:stop]
        for column, (_, start, stop) in zip(columns, parts, strict=True)
        if column is not None
    ]
    return np.concatenate(cut)[order] if cut else None


def _merge_loops(
    parts: Sequence[tuple[RequestBlock, int, int]],
    cursors: Sequence[_Cursor],
    places: Sequence[Whole],
    order: Whole,
    first: int,
) -> ClosedLoopColumns | None:
    if all(block.closed_loop is None for block, _, _ in parts):
        return None
    after, think_us = np.full(len(order), -1, np.int64), np.zeros(len(order), np.int64)
    for (block, start, stop), cursor, place in zip(parts, cursors, places, strict=True):
        if block.closed_loop is not None:
            own = block.closed_loop.after[start:stop]
            after[place] = cursor.renumber(own, place + first)
            think_us[place] = block.closed_loop.think_us[start:stop]
    return ClosedLoopColumns(after, think_us)


def _merge_workflows(
    parts: Sequence[tuple[RequestBlock, int, int]], places: Sequence[Whole]
) -> tuple[WorkflowColumns, ...]:
    pieces: dict[str, list[WorkflowColumns]] = {}
    for (block, start, stop), place in zip(parts, places, strict=True):
        for columns in block.workflows:
            a, b = np.searchsorted(columns.rows, [start, stop]).tolist()
            if b > a:
                rows = place[columns.rows[a:b] - start]
                own = pieces.setdefault(columns.workflow.workflow_id, [])
                own.append(take_rows(columns, rows, slice(a, b)))
    return tuple(_join(same[0].workflow, same) for same in pieces.values())


def _join(workflow: Workflow, same: Sequence[WorkflowColumns]) -> WorkflowColumns:
    """Return pieces of one workflow as one, rows ascending."""
    if len(same) == 1:
        return same[0]
    nodes = tuple(
        NodeColumns(
            of_node[0].node,
            np.concatenate([columns.time_us for columns in of_node]),
            {k: np.concatenate([c.options[k] for c in of_node]) for k in of_node[0].options},
            {k: np.concatenate([c.tokens[k] for c in of_node]) for k in of_node[0].tokens},
        )
        for of_node in zip(*(columns.nodes for columns in same), strict=True)
    )
    rows = np.concatenate([columns.rows for columns in same])
    total_us = np.concatenate([columns.total_us for columns in same])
    critical_us = np.concatenate([columns.critical_us for columns in same])
    order = np.argsort(rows)
    return take_rows(
        WorkflowColumns(workflow, rows, nodes, total_us, critical_us), rows[order], order
    )
