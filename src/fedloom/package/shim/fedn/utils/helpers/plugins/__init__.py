"""One module for each kind of file."""

from __future__ import annotations

__all__: list[str] = []
