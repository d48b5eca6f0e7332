"""Taking some requests out of their block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.workload.block import ClosedLoopColumns, NodeColumns, RequestBlock, WorkflowColumns

__all__ = ["first_rows", "take_rows"]

Whole = NDArray[np.int64]


def take_rows(columns: WorkflowColumns, rows: Whole, cut: slice | Whole) -> WorkflowColumns:
    """Return a part of a workflow's columns, as requests that stand in other rows of a block.

    Args:
        columns: the columns.
        rows: where the requests that are kept stand.
        cut: which are kept.
    """
    nodes = tuple(
        NodeColumns(
            node.node,
            node.time_us[cut],
            {name: chosen[cut] for name, chosen in node.options.items()},
            {name: count[cut] for name, count in node.tokens.items()},
        )
        for node in columns.nodes
    )
    return WorkflowColumns(
        columns.workflow, rows, nodes, columns.total_us[cut], columns.critical_us[cut]
    )


def first_rows(block: RequestBlock, count: int) -> RequestBlock:
    """Return the first `count` requests of a block."""
    workflows = []
    for columns in block.workflows:
        kept = int(np.searchsorted(columns.rows, count))
        if kept:
            workflows.append(take_rows(columns, columns.rows[:kept], slice(kept)))
    loop = block.closed_loop
    return RequestBlock(
        block.first,
        block.time_us[:count],
        tuple(workflows),
        None if block.tenant is None else block.tenant[:count],
        None if block.priority is None else block.priority[:count],
        None if block.deadline_us is None else block.deadline_us[:count],
        None if block.prompt_line is None else block.prompt_line[:count],
        None if loop is None else ClosedLoopColumns(loop.after[:count], loop.think_us[:count]),
    )
