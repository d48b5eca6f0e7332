"""The routes, one module for each kind of thing."""

from __future__ import annotations

from fedloom.platform.api.routes import (
    events,
    models,
    nodes,
    packages,
    progress,
    system,
    tasks,
    tokens,
)

__all__ = ["ROUTERS"]

ROUTERS = (
    system.router,
    tasks.router,
    progress.router,
    nodes.router,
    models.router,
    packages.router,
    events.router,
    tokens.router,
)
"""All of them, in the order of the OpenAPI document."""
