"""How the platform is, over HTTP."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = ["Health", "History", "Part", "Pong", "Ready", "Versions"]


class Pong(BaseModel):
    """The answer of the original's health check."""

    message: Literal["Pong"] = "Pong"


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Versions(BaseModel):
    """What runs here."""

    fedloom: str
    python: str


class Part(BaseModel):
    """How one part is."""

    ok: bool
    detail: str


class Ready(BaseModel):
    """Whether requests can be served, and how each part is."""

    ready: bool
    parts: dict[str, Part]


class History(BaseModel):
    """Tasks as a workload: what `fedloom workload` and `fedloom schedule` read."""

    config: dict[str, Any] = Field(description="The workload's configuration.")
    requests: list[Any] = Field(description="A request per task.")
