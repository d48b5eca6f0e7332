"""Helpers by name, and the documents that travel with a model."""

from __future__ import annotations

from fedloom_helpers import (  # type: ignore[import-not-found]
    get_helper,
    load_metadata,
    save_metadata,
    save_metrics,
)

__all__ = ["get_helper", "load_metadata", "save_metadata", "save_metrics"]
