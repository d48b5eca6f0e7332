"""Draws: what each request calls, and how long it takes."""

from __future__ import annotations

__all__: list[str] = []
