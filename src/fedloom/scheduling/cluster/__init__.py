"""Clusters: their description and their state while a schedule is made."""

from __future__ import annotations

__all__: list[str] = []
