"""What a task leaves while it runs, over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fedloom.platform.store import DocumentKind
from fedloom.platform.task.settings import UtcTime

__all__ = ["ClientDocument", "LogPiece"]


class LogPiece(BaseModel):
    """A piece of a task's log."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Grows; ask for what comes after it.")
    task_id: int
    source: str = Field(description="Who says it: a node's name, or coordinator.")
    text: str
    at: UtcTime


class ClientDocument(BaseModel):
    """What a client said in a round beside the numbers."""

    model_config = ConfigDict(from_attributes=True)

    task_id: int
    round: int
    client_id: str
    kind: DocumentKind
    document: Any = Field(description="As the client wrote it; NaN and infinities are null.")
    at: UtcTime
