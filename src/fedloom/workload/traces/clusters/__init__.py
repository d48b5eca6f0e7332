"""Traces of clusters: jobs and functions with a duration."""

from __future__ import annotations

__all__: list[str] = []
