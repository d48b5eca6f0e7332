"""Models in npz archives."""

from __future__ import annotations

from fedloom_helpers.numpyhelper import Helper  # type: ignore[import-not-found]

__all__ = ["Helper"]
