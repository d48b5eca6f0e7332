"""Scheduling: clusters, policies, the simulator, the checker, metrics and pages."""

from __future__ import annotations

__all__: list[str] = []
