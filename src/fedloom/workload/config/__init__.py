"""Configurations: service models, workflows, tenants; read, checked and resolved."""

from __future__ import annotations

__all__: list[str] = []
