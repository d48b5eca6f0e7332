"""Requests: how fast they are generated, written and read, and in how much memory."""

from __future__ import annotations

__all__: list[str] = []
