"""A block: some thousand consecutive requests as columns, as they are drawn and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedloom.workload.config.workflow import Node, Workflow

__all__ = ["BLOCK_REQUESTS", "ClosedLoopColumns", "NodeColumns", "RequestBlock", "WorkflowColumns"]

BLOCK_REQUESTS = 16_384
"""Requests in a block: draws are keyed by block, so this number is part of what a seed means."""

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NodeColumns:
    """What was drawn for one node, for each request of its workflow in the block.

    Attributes:
        node: which node.
        time_us: execution time.
        options: option → position of the choice in the model's `Option.choices`; only options
            that have choices, in the order of the node's `config_options`.
        tokens: ``input`` and/or ``output`` → counts; empty for models without tokens.
    """

    node: Node
    time_us: Whole
    options: Mapping[str, Whole] = field(default_factory=dict)
    tokens: Mapping[str, Whole] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkflowColumns:
    """The requests of one workflow in the block.

    Attributes:
        workflow: which workflow.
        rows: their positions in the block, ascending.
        nodes: the columns of each node, in the order of the workflow.
        total_us: sum over the nodes.
        critical_us: longest path through the graph.
    """

    workflow: Workflow
    rows: Whole
    nodes: tuple[NodeColumns, ...]
    total_us: Whole
    critical_us: Whole


@dataclass(frozen=True, slots=True)
class ClosedLoopColumns:
    """Which request each waits for.

    Attributes:
        after: number of the request whose end it waits for; −1: none.
        think_us: time between that end and this arrival.
    """

    after: Whole
    think_us: Whole


@dataclass(frozen=True, slots=True)
class RequestBlock:
    """Consecutive requests; n of them.

    Attributes:
        first: number of the first request, from 0.
        time_us: [n] arrivals, microseconds since 1970, ascending.
        workflows: the requests by workflow; every row is in exactly one of them.
        tenant: [n] position in the configuration's tenants; None: there are none.
        priority: [n]; None: nothing states one.
        deadline_us: [n] microseconds since 1970; −1: none; None: nothing states one.
        prompt_line: [n] position in the lines of prompts; None: prompts follow the template.
        closed_loop: which request each waits for; None outside closed loops.
    """

    first: int
    time_us: Whole
    workflows: tuple[WorkflowColumns, ...]
    tenant: Whole | None = None
    priority: Whole | None = None
    deadline_us: Whole | None = None
    prompt_line: Whole | None = None
    closed_loop: ClosedLoopColumns | None = None

    def __len__(self) -> int:
        return len(self.time_us)
