"""How the tables came to be, step by step; Alembic reads this folder, nobody imports it."""

from __future__ import annotations

__all__: list[str] = []
