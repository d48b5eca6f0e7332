"""What the benchmarks measure, how they measure it, and how they tell."""

from __future__ import annotations

__all__: list[str] = []
