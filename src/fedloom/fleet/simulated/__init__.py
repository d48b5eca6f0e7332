"""The simulated fleet: clients in compiled lanes of this process, on processor cores or a GPU."""

from __future__ import annotations

from fedloom.fleet.simulated.devices import LaneLayout, open_lanes
from fedloom.fleet.simulated.fleet import SimulatedFleet

__all__ = ["LaneLayout", "SimulatedFleet", "open_lanes"]
