"""Metrics: how good a schedule is, and how good any schedule could be."""

from __future__ import annotations

__all__: list[str] = []
