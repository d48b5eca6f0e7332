"""Execution logs: written, read back (also those of the studied system), and as Chrome traces."""

from __future__ import annotations

__all__: list[str] = []
