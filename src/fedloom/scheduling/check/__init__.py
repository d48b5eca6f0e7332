"""The checker: whether a schedule could have happened.

It knows the problem, the schedule and arithmetic of its own. It imports neither the simulator nor
the policies nor the state of the devices, so it cannot share a fault with them.
"""

from __future__ import annotations

__all__: list[str] = []
