"""Models as raw float64 numbers."""

from __future__ import annotations

from fedloom_helpers.binaryhelper import Helper  # type: ignore[import-not-found]

__all__ = ["Helper"]
