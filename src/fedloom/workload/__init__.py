"""Workloads: configurations, arrivals, draws, request files, traces of others, statistics."""

from __future__ import annotations

__all__: list[str] = []
