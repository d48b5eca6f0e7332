"""Nodes, and the data that they hold."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, status

from fedloom.platform.api.access import Desk, Who
from fedloom.platform.api.models.node import DatasetHolder, NodeDetails, NodeKey
from fedloom.platform.api.problems import refusals

__all__ = ["get_node", "list_datasets", "list_nodes", "register_node", "remove_node", "router"]

router = APIRouter(tags=["nodes"], responses=refusals())

NodeName = Annotated[str, Path(min_length=1, max_length=200, description="The node's name.")]


@router.get("/nodes")
def list_nodes(who: Who, desk: Desk) -> list[NodeDetails]:
    """Return all nodes, by name."""
    return [NodeDetails.model_validate(node) for node in desk.nodes(who)]


@router.get("/nodes/{name}", responses=refusals(404))
def get_node(name: NodeName, who: Who, desk: Desk) -> NodeDetails:
    """Return a node."""
    return NodeDetails.model_validate(desk.node(who, name))


@router.put("/nodes/{name}", responses=refusals(404, 409))
def register_node(name: NodeName, key: NodeKey, who: Who, desk: Desk) -> NodeDetails:
    """Give a name to a key; nobody with another key may go by it from now on."""
    node = desk.register_node(who, name, key.public_key, replace=key.replace)
    return NodeDetails.model_validate(node)


@router.delete("/nodes/{name}", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(404))
def remove_node(name: NodeName, who: Who, desk: Desk) -> None:
    """Forget a node and its key."""
    desk.remove_node(who, name)


@router.get("/datasets")
def list_datasets(who: Who, desk: Desk) -> dict[str, list[DatasetHolder]]:
    """Return who holds data, by use case."""
    found = desk.datasets(who)
    return {
        use_case: [DatasetHolder.model_validate(holder) for holder in holders]
        for use_case, holders in found.items()
    }
