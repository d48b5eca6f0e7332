"""Traces of calls of language models."""

from __future__ import annotations

__all__: list[str] = []
