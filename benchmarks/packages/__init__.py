"""What is measured of compute packages; `harness.packages` runs each module as a process."""

from __future__ import annotations

__all__: list[str] = []
