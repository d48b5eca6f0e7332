"""The API form of a ComfyUI workflow: ``{"3": {"class_type": "KSampler", "inputs": {…}}}``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedloom.errors import InputError
from fedloom.workload.traces.comfyui.graph import Graph, GraphNode, Link

__all__ = ["is_api_form", "read_api_form"]

_MUTED, _BYPASSED = 2, 4


def is_api_form(data: object) -> bool:
    """Return whether it maps ids to nodes, at least one of which has a class."""
    return (
        isinstance(data, dict)
        and any(isinstance(node, dict) and "class_type" in node for node in data.values())
        and not isinstance(data.get("nodes"), list)
    )


def read_api_form(data: dict[str, Any], path: Path) -> Graph:
    """Return the graph; links from nodes that do not exist are left out with a warning.

    Raises:
        InputError: a node has no class, or its inputs are no mapping.
    """
    graph = Graph()
    for node_id, node in data.items():
        inputs = node.get("inputs", {}) if isinstance(node, dict) else None
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
            raise InputError(
                f"{path}: node {node_id} has no class_type; export it from ComfyUI again"
            )
        if not isinstance(inputs, dict):
            raise InputError(f"{path}: the inputs of node {node_id} are no mapping")
        links = {name: value for name, value in inputs.items() if _is_link(value)}
        widgets = {name: value for name, value in inputs.items() if name not in links}
        mode = node.get("mode", 0) if node.get("mode") in (_MUTED, _BYPASSED) else 0
        graph.nodes[node_id] = GraphNode(node_id, node["class_type"], widgets, (), mode)
        for name, (source, _) in links.items():
            if str(source) in data:
                graph.links.append(Link(str(source), node_id, name))
            else:
                graph.warnings.append(
                    f"input {name} of node {node_id} comes from node {source}, which the file "
                    "does not have; the link is left out"
                )
    return graph


def _is_link(value: object) -> bool:
    """Return whether a value is ``[id, output]``."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
    )
