"""The gateway: the one door for nodes, to a SuperLink's Fleet API and to a depot, and nothing else.

A SuperLink serves nodes, coordinators and operators on one port, so it stays on loopback, and this
stands in front of it. It runs as a process of its own, ``python -m fedloom.fleet.flower.gateway``,
and imports nothing but the standard library.
"""

from __future__ import annotations

from fedloom.fleet.flower.gateway.gateway import Gateway

__all__ = ["Gateway"]
