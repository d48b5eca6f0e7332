"""One module per engine; each is run as a process of its own and prints one line of JSON."""

from __future__ import annotations

__all__: list[str] = []
