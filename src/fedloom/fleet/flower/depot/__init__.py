"""The depot: a small HTTP server of a coordinator for what is too big for a SuperLink.

A link is a secret of 256 bits that travels in an order, which only its node can read: whoever has
it may fetch the one thing, or bring the one thing, and nothing else.
"""

from __future__ import annotations

from fedloom.fleet.flower.depot.carrier import Carrier, DepotDownError, DepotRefusedError
from fedloom.fleet.flower.depot.depot import Depot
from fedloom.fleet.flower.depot.packages import Fetch, depot_fetch, with_package_link

__all__ = [
    "Carrier",
    "Depot",
    "DepotDownError",
    "DepotRefusedError",
    "Fetch",
    "depot_fetch",
    "with_package_link",
]
