"""Running what others wrote: in bounds, without the network, and without the node's own files."""

from __future__ import annotations

from fedloom.platform.client.sandbox.bounds import Bounds, View
from fedloom.platform.client.sandbox.guard import SandboxGuard
from fedloom.platform.client.sandbox.isolation import Isolation, find_isolation
from fedloom.platform.client.sandbox.runner import SandboxedRunner

__all__ = ["Bounds", "Isolation", "SandboxGuard", "SandboxedRunner", "View", "find_isolation"]
