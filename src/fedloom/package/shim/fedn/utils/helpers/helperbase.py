"""What every helper can do."""

from __future__ import annotations

from fedloom_helpers.helperbase import HelperBase  # type: ignore[import-not-found]

__all__ = ["HelperBase"]
