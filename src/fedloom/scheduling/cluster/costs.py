"""What moving models and running tasks costs: the one place where times are rounded.

Each of the three is computed in double precision and rounded to the nearest whole microsecond (a
half to the even one): the time to load a model, the time to move out what is evicted, and the time
to run. The compiled core does the same arithmetic in the same order.
"""

from __future__ import annotations

from fedloom.scheduling.cluster.description import REFERENCE_LINK_GB_PER_S
from fedloom.scheduling.problem import ModelNeeds

__all__ = ["TOO_LARGE", "load_us", "move_us", "run_us"]

TOO_LARGE = -1
"""Stands for the time to load a model where it can never fit."""


def move_us(memory_mb: int, link_gb_per_s: float) -> int:
    """Return how long some memory takes over a link.

    Example:
        >>> move_us(16_000, 16.0)
        1000000
    """
    return round(memory_mb * 1000 / link_gb_per_s)


def load_us(model: ModelNeeds, link_gb_per_s: float, overhead_us: int) -> int:
    """Return how long a model, or one share of a gang's, takes to load.

    A stated time holds over the reference link; else it is the time of its share over the link,
    and the overhead.

    Example:
        >>> load_us(ModelNeeds("m", "llm", 1, 16_000, 10_000_000), 32.0, 0)
        5000000
        >>> load_us(ModelNeeds("m", "llm", 1, 16_000), 32.0, 2_000_000)
        2500000
    """
    if model.load_time_us is None:
        return move_us(model.memory_mb, link_gb_per_s) + overhead_us
    return round(model.load_time_us * REFERENCE_LINK_GB_PER_S / link_gb_per_s)


def run_us(duration_us: int, slowest_speed: float, slowdown: float = 1.0) -> int:
    """Return how long a task executes on devices of which the slowest has this speed.

    Args:
        duration_us: on a device of speed 1.
        slowest_speed: of the devices it takes.
        slowdown: 1, or what spanning servers costs.

    Example:
        >>> run_us(3_000_000, 2.0)
        1500000
    """
    return round(duration_us / slowest_speed * slowdown)
