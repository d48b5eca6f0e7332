"""Reading and writing models and their documents."""

from __future__ import annotations

__all__: list[str] = []
