"""Importing ComfyUI workflows: each file becomes a workflow of one configuration."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from fedloom.errors import InputError
from fedloom.workload.traces.comfyui.api_form import is_api_form, read_api_form
from fedloom.workload.traces.comfyui.graph import Graph
from fedloom.workload.traces.comfyui.models import ComfyModels
from fedloom.workload.traces.comfyui.node_classes import node_type
from fedloom.workload.traces.comfyui.simplify import simplify
from fedloom.workload.traces.comfyui.ui_form import is_ui_form, read_ui_form
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.imported import Imported, Importer, ImportOptions
from fedloom.workload.traces.text import open_text

__all__ = ["COMFYUI", "read_graph"]

_WRAPPERS = ("prompt", "workflow")


def read_graph(path: Path) -> Graph:
    """Read one file, in the editor's form or the API's, as it stands or wrapped.

    Raises:
        InputError: it is no JSON, or no ComfyUI workflow.
    """
    with open_text(path) as file:
        try:
            data = json.load(file)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is no JSON: {error}") from None
    candidates = [data]
    if isinstance(data, dict):
        candidates += [data[name] for name in _WRAPPERS if name in data]
    for candidate in candidates:
        if is_ui_form(candidate):
            return read_ui_form(candidate, path)
        if is_api_form(candidate):
            return read_api_form(candidate, path)
    raise InputError(
        f"{path} is no ComfyUI workflow: no list 'nodes', and no node with a 'class_type'"
    )


def _recognises(head: Head) -> bool:
    text = head.text
    return text.lstrip().startswith("{") and (
        '"class_type"' in text or ('"nodes"' in text and '"widgets_values"' in text)
        or '"last_node_id"' in text
    )  # fmt: skip


def _read(paths: Sequence[Path], _options: ImportOptions) -> Imported:
    models, workflows, warnings = ComfyModels(), dict[str, Any](), list[str]()
    for path, in_folder in _files(paths):
        try:
            graph = read_graph(path)
        except InputError as error:
            if not in_folder:
                raise
            warnings.append(f"{error}; the file is left out")
            continue
        simple = simplify(graph)
        name = _free_name(path.name.removesuffix(".gz").removesuffix(".json"), workflows)
        workflows[name] = _workflow(name, simple, models, path)
        warnings += [f"{path.name}: {text}" for text in simple.warnings]
    if not workflows:
        raise InputError(f"no ComfyUI workflow in {', '.join(map(str, paths))}")
    names = ", ".join(path.name for path in paths)
    config = {"description": f"Imported from {names} (comfyui)"}
    return Imported(config | {"models": models.to_config(), "workflows": workflows}, (), warnings)


def _files(paths: Sequence[Path]) -> Iterable[tuple[Path, bool]]:
    """Yield the files, and whether they were found in a folder."""
    for path in paths:
        if path.is_dir():
            yield from ((file, True) for file in sorted(path.rglob("*.json")))
        else:
            yield path, False


def _free_name(name: str, taken: dict[str, Any]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _workflow(name: str, graph: Graph, models: ComfyModels, path: Path) -> dict[str, Any]:
    if not graph.nodes:
        raise InputError(f"{path} has no node that runs")
    _refuse_cycle(graph, path)
    unknown: dict[str, list[str]] = defaultdict(list)
    nodes = []
    for node in graph.nodes.values():
        if (kind := node_type(graph, node)) is None:
            unknown[node.class_name].append(node.node_id)
        model, set_options = models.add(graph, node, kind or "utility")
        inputs = dict.fromkeys(link.name for link in graph.into(node.node_id))
        spelt = {"id": node.node_id, "model": model, "inputs": list(inputs)}
        spelt |= {"outputs": list(dict.fromkeys(node.outputs))}
        nodes.append(spelt | ({"config_options": set_options} if set_options else {}))
    for class_name, ids in unknown.items():
        graph.warnings.append(
            f"unknown node {class_name!r} ({', '.join(ids)}) is kept as a utility node"
        )
    edges = dict.fromkeys((link.source, link.target) for link in graph.links)
    return {
        "name": name,
        "nodes": nodes,
        "edges": [{"from": source, "to": target} for source, target in edges],
    }


def _refuse_cycle(graph: Graph, path: Path) -> None:
    before: dict[str, set[str]] = defaultdict(set)
    for link in graph.links:
        before[link.target].add(link.source)
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise InputError(f"{path}: nodes {circle} wait for one another; break the circle") from None


COMFYUI = Importer(
    "comfyui",
    "ComfyUI workflows, saved by the editor or for the API (JSON; files or folders)",
    _read,
    _recognises,
)
"""A workflow per file; no requests."""
