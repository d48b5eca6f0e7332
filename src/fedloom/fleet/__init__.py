"""Fleets: where the clients are. Each implements `fedloom.federation.fleet.Fleet`."""

from __future__ import annotations

__all__: list[str] = []
