"""What goes in and comes out over HTTP, where the platform's own classes do not say it."""

from __future__ import annotations

__all__: list[str] = []
