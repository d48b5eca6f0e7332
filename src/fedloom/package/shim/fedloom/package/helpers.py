"""Fedloom's helpers in environments where Fedloom itself is not installed."""

from __future__ import annotations

from fedloom_helpers import (  # type: ignore[import-not-found]
    HelperBase,
    get_helper,
    load_metadata,
    save_metadata,
    save_metrics,
)

__all__ = ["HelperBase", "get_helper", "load_metadata", "save_metadata", "save_metrics"]
