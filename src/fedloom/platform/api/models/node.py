"""Nodes over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from fedloom.platform.task.settings import UtcTime

__all__ = ["DatasetHolder", "NodeDetails", "NodeKey"]


class NodeDetails(BaseModel):
    """A node as it was found last."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    key: str = Field(description="SHA-256 of its public key.")
    registered: bool = Field(description="Whether an operator gave this name to this key.")
    online: bool
    use_cases: list[str]
    versions: dict[str, str]
    attributes: dict[str, Any]
    first_seen: UtcTime
    last_seen: UtcTime


class NodeKey(BaseModel):
    """The key that a node's name is to stand for."""

    model_config = ConfigDict(extra="forbid")

    public_key: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        description="PEM, on the curve P-384: what `fedloom client` prints."
    )
    replace: bool = Field(False, description="Whether it may take the place of another key.")


class DatasetHolder(BaseModel):
    """A node that holds data for a use case."""

    model_config = ConfigDict(from_attributes=True)

    node: str
    online: bool
    rows: int | None = Field(description="Training rows, where the node says so.")
