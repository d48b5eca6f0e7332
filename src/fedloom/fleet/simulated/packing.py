"""Which lane trains which clients."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heapreplace

__all__ = ["pack_abreast", "pack_lanes"]


def pack_lanes(steps: Sequence[int], lanes: int) -> list[list[int]]:
    """Share clients out so that all lanes end at about the same time.

    Largest first, each to the lane with the least work so far (Graham 1969): no lane has more than
    4/3 of the best possible. Ties go to the lower number, so the result is determined.

    Args:
        steps: what each client costs.
        lanes: number of lanes.

    Returns:
        For each lane the positions in `steps`, largest first.

    Example:
        >>> pack_lanes([5, 1, 4, 2], 2)
        [[0, 1], [2, 3]]
    """
    packed: list[list[int]] = [[] for _ in range(lanes)]
    loads = [(0, lane) for lane in range(lanes)]
    heapify(loads)
    for position in sorted(range(len(steps)), key=lambda i: (-steps[i], i)):
        load, lane = loads[0]
        packed[lane].append(position)
        heapreplace(loads, (load + int(steps[position]), lane))
    return packed


def pack_abreast(steps: Sequence[int], lanes: int) -> list[list[int]]:
    """Share clients out over lanes that step together.

    Under ``vmap`` the lanes start each next client together, so those that run abreast should be of
    one size: sorted by size, the clients are dealt out like cards.

    Example:
        >>> pack_abreast([5, 1, 4, 2], 2)
        [[0, 3], [2, 1]]
    """
    order = sorted(range(len(steps)), key=lambda i: (-steps[i], i))
    return [order[lane::lanes] for lane in range(lanes)]
