"""A real federation: steps beside stock Flower, many nodes, and what waits."""

from __future__ import annotations

__all__: list[str] = []
