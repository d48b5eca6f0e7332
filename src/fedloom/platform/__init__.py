"""The service: tasks, their store, who may do what, and the parts that run a federation."""

from __future__ import annotations

__all__: list[str] = []
