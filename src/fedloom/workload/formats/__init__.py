"""Request files: written by blocks, read lazily."""

from __future__ import annotations

__all__: list[str] = []
