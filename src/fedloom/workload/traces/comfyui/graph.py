"""A ComfyUI workflow as a graph, whichever form its file has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Graph", "GraphNode", "Link"]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node.

    Attributes:
        node_id: as in the file.
        class_name: what it does: ``KSampler``, …
        widgets: the values set on it, by name where the names are known.
        outputs: names of its outputs; empty in the API form.
        mode: 0: it runs; 2: muted; 4: bypassed.
    """

    node_id: str
    class_name: str
    widgets: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    mode: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A link from an output to an input.

    Attributes:
        source: id of the node it comes from.
        target: id of the node it leads to.
        name: of the input.
        type: of what flows (``MODEL``, ``LATENT``, …); empty in the API form.
    """

    source: str
    target: str
    name: str
    type: str = ""


@dataclass(slots=True)
class Graph:
    """Nodes and links, and what was noticed about them.

    Attributes:
        nodes: by id, in the order of the file.
        links: in the order of the file.
        warnings: what was left out or assumed.
    """

    nodes: dict[str, GraphNode] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def into(self, node_id: str) -> list[Link]:
        """Return the links that lead to a node."""
        return [link for link in self.links if link.target == node_id]

    def follow(self, node_id: str, names: Iterable[str]) -> Iterable[GraphNode]:
        """Yield what feeds a node through inputs of these names, nearest first.

        From each node, all its inputs of these names are followed.
        """
        names, seen, ahead = set(names), {node_id}, [node_id]
        for current in ahead:
            for link in self.into(current):
                if link.name in names and link.source not in seen:
                    seen.add(link.source)
                    ahead.append(link.source)
                    yield self.nodes[link.source]
