"""The Ray fleet: the compiled lanes of the simulated fleet on the workers of a Ray cluster.

The fleet is imported when it is first used: processes that only hold or try a cluster need no JAX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedloom.fleet.ray.fleet import RayFleet

__all__ = ["RayFleet"]


def __getattr__(name: str) -> Any:
    if name == "RayFleet":
        from fedloom.fleet.ray.fleet import RayFleet

        return RayFleet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
