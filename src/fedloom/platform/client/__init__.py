"""The owner's side of a node: its data, what may run on them, in what bounds, and a log of it."""

from __future__ import annotations

__all__: list[str] = []
