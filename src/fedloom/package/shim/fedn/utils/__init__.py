"""The folder in which FEDn keeps its helpers."""

from __future__ import annotations

__all__: list[str] = []
