"""The coordinator: carries out the tasks of a store with the nodes of a federation.

It claims tasks under leases, lets a scheduling policy choose the next, runs the one federated loop
over the Flower fleet, writes down every round, and publishes what was learnt. All that others know
of it stands in the store.
"""

from __future__ import annotations

from fedloom.platform.coordinator.coordinator import Coordinator, CoordinatorState
from fedloom.platform.coordinator.settings import CoordinatorSettings

__all__ = ["Coordinator", "CoordinatorSettings", "CoordinatorState"]
