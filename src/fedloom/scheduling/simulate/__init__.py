"""The simulator: a workload, a cluster and a policy give a schedule."""

from __future__ import annotations

__all__: list[str] = []
