"""Policies: which waiting task starts next, and where."""

from __future__ import annotations

__all__: list[str] = []
