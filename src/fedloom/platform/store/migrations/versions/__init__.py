"""One module per step, named ``rNNNN_what.py``."""

from __future__ import annotations

__all__: list[str] = []
