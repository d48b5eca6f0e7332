"""Pages: policies side by side, and what ran where and when."""

from __future__ import annotations

__all__: list[str] = []
