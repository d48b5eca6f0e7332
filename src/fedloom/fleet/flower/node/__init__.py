"""The node: the long-lived process that represents one client of a real federation."""

from __future__ import annotations

from fedloom.fleet.flower.node.handler import Handler
from fedloom.fleet.flower.node.identity import Identity
from fedloom.fleet.flower.node.node import Node

__all__ = ["Handler", "Identity", "Node"]
