"""Scheduling: how fast policies are simulated, and their schedules checked and measured."""

from __future__ import annotations

__all__: list[str] = []
