"""The workflows of a configuration, with their graphs checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedloom.workload.config.faults import KeyPath
from fedloom.workload.config.findings import Findings
from fedloom.workload.config.graph import find_cycles, find_parts
from fedloom.workload.config.schema import EdgeSection, NodeSection, WorkflowSection
from fedloom.workload.config.wording import show
from fedloom.workload.config.workflow import Node, Workflow

__all__ = ["resolve_workflow"]

Pair = tuple[int, int]

_NAMED = 6


def resolve_workflow(
    workflow: str, raw: Any, models: Collection[str] | None, findings: Findings
) -> Workflow | None:
    """Check one workflow.

    Args:
        workflow: its key.
        raw: what the file says.
        models: the keys of the models; None: not known, so none is unknown.
        findings: takes faults and warnings.

    Returns:
        The workflow, without its graph where nodes have faults; None where nothing is right.
    """
    path = ("workflows", workflow)
    if not isinstance(raw, Mapping):
        findings.fault(path, f"is {show(raw)}", "must be a map with nodes and edges")
        return None
    graph = {key: raw.get(key) for key in ("nodes", "edges")}
    around = {key: value for key, value in raw.items() if key not in graph}
    nodes = _check_nodes(graph["nodes"], models, (*path, "nodes"), findings)
    edges = _check_edges(graph["edges"], nodes, workflow, (*path, "edges"), findings)
    _check_graph(nodes, edges, path, findings)
    stand_in = {"nodes": [{"id": "a", "model": "m"}]}
    section, _ = findings.check_section("workflow", WorkflowSection, around | stand_in, path)
    if section is None:
        return None
    return Workflow(
        workflow_id=workflow,
        name=section.name or workflow,
        nodes=tuple(node for node in nodes.nodes if node) if nodes.complete else (),
        edges=tuple(edges) if nodes.complete else (),
        description=section.description,
        weight=section.weight,
        priority=section.priority,
        slo_factor=section.slo_factor,
    )


@dataclass(frozen=True)
class _Nodes:
    """The nodes of a workflow; None in the place of one that has faults.

    `position` also knows those that have faults but an id; `all_named`: every one has an id.
    """

    nodes: Sequence[Node | None]
    position: Mapping[str, int]
    all_named: bool = True

    @property
    def complete(self) -> bool:
        return None not in self.nodes


def _check_nodes(
    raw: Any, models: Collection[str] | None, path: KeyPath, findings: Findings
) -> _Nodes:
    if not isinstance(raw, list | tuple) or not raw:
        found = "is missing" if raw is None else f"is {show(raw)}"
        findings.fault(path, found, "a workflow needs a list of one node or more")
        return _Nodes((), {}, all_named=False)
    nodes: list[Node | None] = []
    position: dict[str, int] = {}
    all_named = True
    for index, stated in enumerate(raw):
        here = (*path, index)
        section, broken = findings.check_section("node", NodeSection, stated, here)
        name = section.id if section else _id_of(stated)
        if name in position:
            first = findings.place((*path, position[name])).line
            where = f", the first in line {first}" if first else ""
            problem = f"two nodes have the id {name!r}{where}"
            findings.fault((*here, "id"), problem, "ids must differ")
            section = None
        elif name is None:
            all_named = False
        else:
            position[name] = index
        if section and models is not None and section.model not in models:
            findings.unknown_name((*here, "model"), "model", section.model, models)
        nodes.append(_take_node(section) if section and not broken else None)
    return _Nodes(nodes, position, all_named)


def _id_of(stated: Any) -> str | None:
    name = stated.get("id") if isinstance(stated, Mapping) else None
    return str(name) if isinstance(name, str | int | float) and name != "" else None


def _take_node(section: NodeSection) -> Node:
    options = tuple(dict.fromkeys(section.config_options))
    return Node(section.id, section.model, section.inputs, section.outputs, options)


def _check_edges(
    raw: Any, nodes: _Nodes, workflow: str, path: KeyPath, findings: Findings
) -> list[Pair]:
    if raw is None:
        return []
    if not isinstance(raw, list | tuple):
        findings.fault(path, f"is {show(raw)}", "must be a list of maps with from and to")
        return []
    found: dict[Pair, None] = {}
    for index, stated in enumerate(raw):
        here = (*path, index)
        section, _ = findings.check_section("edge", EdgeSection, stated, here)
        pair = section and _check_ends(section, nodes, workflow, here, findings)
        if pair and pair in found:
            findings.warn(here, "stands there twice; counted once")
        elif pair:
            found[pair] = None
    return list(found)


def _check_ends(
    edge: EdgeSection, nodes: _Nodes, workflow: str, path: KeyPath, findings: Findings
) -> Pair | None:
    dangling = False
    for key, name in (("from", edge.from_), ("to", edge.to)):
        if name not in nodes.position:
            dangling = True
            if nodes.all_named:  # else it may be the one whose id has a fault
                drawn = f"the edge {edge.from_!r} → {edge.to!r}"
                problem = f"{drawn} of workflow {workflow!r} needs the missing node {name!r}"
                findings.missing_name((*path, key), problem, name, nodes.position)
        elif key == "to" and edge.from_ == name:
            findings.fault(path, f"node {name!r} waits for itself", "drop this edge")
            dangling = True
    return None if dangling else (nodes.position[edge.from_], nodes.position[edge.to])


def _check_graph(nodes: _Nodes, edges: Sequence[Pair], path: KeyPath, findings: Findings) -> None:
    names = {position: name for name, position in nodes.position.items()}
    for cycle in find_cycles(len(nodes.nodes), edges):
        drawn = " → ".join(names[node] for node in [*cycle, cycle[0]])
        findings.fault((*path, "edges"), f"has the cycle {drawn}", "drop one of its edges")
    parts = find_parts(len(nodes.nodes), edges)
    if len(parts) > 1 and nodes.complete:
        listed = ["+".join(names[node] for node in part[:_NAMED]) for part in parts[:_NAMED]]
        more = ", …" if len(parts) > _NAMED else ""
        text = f"falls into {len(parts)} parts that no edge joins: {', '.join(listed)}{more}"
        findings.warn(path, text)
