"""Traces and workflows of other systems: imported and exported."""

from __future__ import annotations

__all__: list[str] = []
