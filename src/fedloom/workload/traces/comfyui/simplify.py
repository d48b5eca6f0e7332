"""Taking out of a graph what does not run: reroutes, notes, muted and bypassed nodes.

ComfyUI does the same before it runs a workflow.
"""

from __future__ import annotations

from dataclasses import replace

from fedloom.workload.traces.comfyui.graph import Graph, GraphNode, Link

__all__ = ["simplify"]

_MUTED, _BYPASSED = 2, 4
_PASSING = {"Reroute", "Reroute (rgthree)", "ReroutePrimitive|pysssss", "SetNode", "GetNode"}
_SILENT = {"Note", "MarkdownNote", "Label (rgthree)", "Bookmark (rgthree)", "PrimitiveNode"}
_ANY = {"", "*"}


def simplify(graph: Graph) -> Graph:
    """Return the graph without nodes that do not run; links pass through them.

    Bypassed nodes hand on the first input of the same type. Links from muted nodes, and from
    bypassed ones without such an input, are left out with a warning.
    """
    simple = Graph(dict(graph.nodes), [*graph.links, *_named_links(graph)], list(graph.warnings))
    for node in graph.nodes.values():
        if node.mode == _MUTED:
            _take_out(simple, node, [], "muted")
        elif node.class_name in _SILENT:
            # The value of a primitive stands in the node it leads to as well.
            simple.links = [link for link in simple.links if node.node_id not in _ends(link)]
            del simple.nodes[node.node_id]
        elif node.class_name in _PASSING or node.mode == _BYPASSED:
            _take_out(simple, node, simple.into(node.node_id), "bypassed")
    return simple


def _ends(link: Link) -> tuple[str, str]:
    return link.source, link.target


def _named_links(graph: Graph) -> list[Link]:
    """Return the links that set and get nodes make by a common name."""
    named = {
        str(node.widgets.get("constant")): node.node_id
        for node in graph.nodes.values()
        if node.class_name == "SetNode"
    }
    return [
        Link(named[name], node.node_id, "value", "*")
        for node in graph.nodes.values()
        if node.class_name == "GetNode" and (name := str(node.widgets.get("constant"))) in named
    ]


def _take_out(graph: Graph, node: GraphNode, given: list[Link], why: str) -> None:
    """Remove a node and join each link that leaves it to the first of `given` that fits."""
    links: list[Link] = []
    for link in graph.links:
        if link.target == node.node_id:
            continue
        if link.source != node.node_id:
            links.append(link)
        elif (before := _fitting(given, link)) is not None:
            kind = before.type if link.type in _ANY else link.type
            links.append(replace(link, source=before.source, type=kind))
        else:
            graph.warnings.append(
                f"node {node.node_id} ({node.class_name}) is {why} and gives nothing to input "
                f"{link.name} of node {link.target}; that link is left out"
            )
    graph.links = links
    del graph.nodes[node.node_id]


def _fitting(given: list[Link], wanted: Link) -> Link | None:
    for link in given:
        if link.type == wanted.type or link.type in _ANY or wanted.type in _ANY:
            return link
    return None
