"""The form in which ComfyUI's editor saves a workflow: ``nodes`` and ``links``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedloom.errors import InputError
from fedloom.workload.traces.comfyui.graph import Graph, GraphNode, Link
from fedloom.workload.traces.comfyui.widgets import name_widgets

__all__ = ["is_ui_form", "read_ui_form"]


def is_ui_form(data: object) -> bool:
    """Return whether it has a list of nodes with types."""
    nodes = data.get("nodes") if isinstance(data, dict) else None
    return isinstance(nodes, list) and all(isinstance(node, dict) for node in nodes)


def read_ui_form(data: dict[str, Any], path: Path) -> Graph:
    """Return the graph; links to or from nothing are left out with a warning.

    A subgraph is one node with its name; what is inside is not looked at.

    Raises:
        InputError: a node has no id or type, an id stands twice, or a link is malformed.
    """
    graph = Graph()
    subgraphs = _subgraphs(data)
    inputs: dict[str, list[Any]] = {}
    for position, node in enumerate(data["nodes"]):
        node_id, kind = node.get("id"), node.get("type") or node.get("class_type")
        if not isinstance(node_id, int | str) or not isinstance(kind, str):
            raise InputError(f"{path}: nodes[{position}] has no id or no type; save it again")
        if str(node_id) in graph.nodes:
            raise InputError(f"{path}: node id {node_id} stands twice; save it from ComfyUI again")
        if kind in subgraphs:
            kind = f"subgraph {subgraphs[kind]}"
        graph.nodes[str(node_id)] = GraphNode(
            str(node_id), kind, name_widgets(kind, node), _names(node.get("outputs")),
            node.get("mode") or 0,
        )  # fmt: skip
        found = node.get("inputs")
        inputs[str(node_id)] = found if isinstance(found, list) else []
    _add_links(graph, data.get("links") or [], inputs, path)
    return graph


def _subgraphs(data: Mapping[str, Any]) -> dict[str, str]:
    definitions = data.get("definitions")
    found = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    return {
        str(one.get("id")): str(one.get("name") or one.get("id"))
        for one in found or ()
        if isinstance(one, dict)
    }


def _names(slots: object) -> tuple[str, ...]:
    found = slots if isinstance(slots, list) else []
    return tuple(str(slot.get("name")) for slot in found if isinstance(slot, dict))


def _add_links(graph: Graph, links: Any, inputs: dict[str, list[Any]], path: Path) -> None:
    links = list(links.values()) if isinstance(links, dict) else links
    if not isinstance(links, list):
        raise InputError(f"{path}: links is {links!r:.80}; a list would be right")
    for position, link in enumerate(links):
        if link is None:
            continue
        number, source, target, slot, kind = _ends(link, position, path)
        missing = [node for node in (source, target) if node not in graph.nodes]
        if missing:
            graph.warnings.append(
                f"link {number} names node {' and '.join(missing)}, which the file does not have; "
                "it is left out"
            )
            continue
        graph.links.append(Link(source, target, _slot_name(inputs[target], slot), kind))


def _slot_name(slots: list[Any], slot: Any) -> str:
    """Return the name of an input; its number where the node does not list it."""
    known = isinstance(slot, int) and 0 <= slot < len(slots) and isinstance(slots[slot], dict)
    return str(slots[slot].get("name", slot)) if known else str(slot)


def _ends(link: object, position: int, path: Path) -> tuple[str, str, str, Any, str]:
    """Return number, source, target, input slot and type of a link in either spelling."""
    match link:
        case [number, source, _, target, slot, *rest]:
            kind = rest[0] if rest else ""
        case {"origin_id": source, "target_id": target, **more}:
            number, slot, kind = (
                more.get("id", position),
                more.get("target_slot", 0),
                more.get("type"),
            )
        case _:
            raise InputError(
                f"{path}: links[{position}] is {link!r:.80}; [id, from, slot, to, slot, type] "
                "would be right"
            )
    return str(number), str(source), str(target), slot, kind if isinstance(kind, str) else ""
