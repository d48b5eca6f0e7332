"""Faults of the graph of a workflow: cycles, and parts that have nothing to do with each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

__all__ = ["find_cycles", "find_parts"]

Graph = Mapping[int, Sequence[int]]


def find_cycles(count: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return cycles that have no node in common; none for an acyclic graph.

    Args:
        count: number of nodes.
        edges: pairs of positions (from, to).

    Returns:
        The nodes of each cycle, in its direction; one shortest through its first node.

    Example:
        >>> find_cycles(4, [(0, 1), (1, 2), (2, 1), (2, 3)])
        [[1, 2]]
    """
    left = _prune(count, edges, forward=True) & _prune(count, edges, forward=False)
    after = _neighbours(count, [(a, b) for a, b in edges if a in left and b in left])
    cycles: list[list[int]] = []
    for node in sorted(left):
        if node in left and (cycle := _shortest_cycle(node, after, left)):
            cycles.append(cycle)
            left.difference_update(cycle)
    return cycles


def find_parts(count: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the nodes of each part of a graph, joined by edges in either direction.

    Example:
        >>> find_parts(3, [(0, 2)])
        [[0, 2], [1]]
    """
    joined = _neighbours(count, [*edges, *((b, a) for a, b in edges)])
    parts: list[list[int]] = []
    seen: set[int] = set()
    for node in range(count):
        if node not in seen:
            part = _reach(node, joined, seen)
            parts.append(sorted(part))
    return parts


def _neighbours(count: int, edges: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    after: dict[int, list[int]] = {node: [] for node in range(count)}
    for a, b in edges:
        after[a].append(b)
    return after


def _prune(count: int, edges: Sequence[tuple[int, int]], *, forward: bool) -> set[int]:
    """Return the nodes left when those that wait for none are taken away, again and again."""
    directed = edges if forward else [(b, a) for a, b in edges]
    after = _neighbours(count, directed)
    waiting = [0] * count
    for _, b in directed:
        waiting[b] += 1
    ready = [node for node in range(count) if waiting[node] == 0]
    for node in ready:
        for b in after[node]:
            waiting[b] -= 1
            if waiting[b] == 0:
                ready.append(b)
    return set(range(count)).difference(ready)


def _shortest_cycle(start: int, after: Graph, allowed: set[int]) -> list[int] | None:
    """Return a shortest way from a node back to itself, by breadth-first search."""
    came_from: dict[int, int] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for b in after[node]:
            if b == start:
                return _walk_back(node, start, came_from)
            if b in allowed and b not in came_from:
                came_from[b] = node
                queue.append(b)
    return None


def _walk_back(node: int, start: int, came_from: Mapping[int, int]) -> list[int]:
    path = [node]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def _reach(start: int, joined: Graph, seen: set[int]) -> list[int]:
    reached = [start]
    seen.add(start)
    for node in reached:
        new = [b for b in dict.fromkeys(joined[node]) if b not in seen]
        seen.update(new)
        reached += new
    return reached
