"""The process fleet: every client in a process of its own on this machine; plain and slow."""

from __future__ import annotations

from fedloom.fleet.process.fleet import ProcessFleet

__all__ = ["ProcessFleet"]
