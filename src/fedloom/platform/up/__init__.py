"""Processes of the platform: `fedloom up`, `fedloom api`, `fedloom server`, and what they share."""

from __future__ import annotations

__all__: list[str] = []
