"""What a workload amounts to: figures and a page."""

from __future__ import annotations

__all__: list[str] = []
