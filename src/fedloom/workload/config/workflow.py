"""A workflow: a directed acyclic graph of calls of service models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

__all__ = ["Node", "Workflow"]


@dataclass(frozen=True, slots=True)
class Node:
    """One call of a service model.

    Attributes:
        node_id: unique in its workflow.
        model_id: the service model that it calls.
        inputs: names of what it reads; for people.
        outputs: names of what it gives; for people.
        config_options: the options of its model that a request sets.
    """

    node_id: str
    model_id: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    config_options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workflow:
    """A workflow whose graph has been checked: no unknown node, no cycle.

    Attributes:
        workflow_id: its key in the configuration.
        name: for people.
        nodes: in the order of the configuration.
        edges: pairs of positions in `nodes`, (from, to), each once.
        description: for people.
        weight: its share among the workflows of a mix.
        priority: of its requests; larger is more urgent; None: not stated.
        slo_factor: the deadline of a request is this times its critical path after its arrival.
    """

    workflow_id: str
    name: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...] = ()
    description: str = ""
    weight: float = 1.0
    priority: int | None = None
    slo_factor: float | None = None

    @cached_property
    def predecessors(self) -> tuple[tuple[int, ...], ...]:
        """For each node, the positions of the nodes that it waits for."""
        return tuple(
            tuple(a for a, b in self.edges if b == node) for node in range(len(self.nodes))
        )

    @cached_property
    def successors(self) -> tuple[tuple[int, ...], ...]:
        """For each node, the positions of the nodes that wait for it."""
        return tuple(
            tuple(b for a, b in self.edges if a == node) for node in range(len(self.nodes))
        )

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Positions of the nodes so that each comes after all that it waits for."""
        waiting = [len(before) for before in self.predecessors]
        ready = [node for node, count in enumerate(waiting) if count == 0]
        for node in ready:
            for after in self.successors[node]:
                waiting[after] -= 1
                if waiting[after] == 0:
                    ready.append(after)
        return tuple(ready)

    def critical_path(self, times: Sequence[int]) -> int:
        """Return the longest path through the graph, given a whole time for each node.

        Example:
            >>> fork = Workflow("w", "w", tuple(Node(n, "m") for n in "abc"), ((0, 1), (0, 2)))
            >>> fork.critical_path([1, 2, 5])
            6
        """
        end = list(times)
        for node in self.order:
            end[node] += max((end[before] for before in self.predecessors[node]), default=0)
        return max(end, default=0)
