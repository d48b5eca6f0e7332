"""Binary heaps in three rows of an array: two numbers that decide, smallest first, and a third."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.simulate.kernel.jit import compiled

__all__ = ["pop", "push"]

Whole = NDArray[np.int64]


@compiled
def push(heap: Whole, size: int, first: int, second: int, third: int) -> None:
    """Put an entry into a heap that has `size` of them."""
    at = size
    while at > 0:
        up = (at - 1) // 2
        if first > heap[0, up] or (first == heap[0, up] and second > heap[1, up]):
            break
        heap[0, at], heap[1, at], heap[2, at] = heap[0, up], heap[1, up], heap[2, up]
        at = up
    heap[0, at], heap[1, at], heap[2, at] = first, second, third


@compiled
def pop(heap: Whole, size: int) -> None:
    """Take the first entry out of a heap that has `size` of them."""
    last = size - 1
    first, second, third = heap[0, last], heap[1, last], heap[2, last]
    at = 0
    while 2 * at + 1 < last:
        low = 2 * at + 1
        right = low + 1
        if right < last and (
            heap[0, right] < heap[0, low]
            or (heap[0, right] == heap[0, low] and heap[1, right] < heap[1, low])
        ):
            low = right
        if first < heap[0, low] or (first == heap[0, low] and second < heap[1, low]):
            break
        heap[0, at], heap[1, at], heap[2, at] = heap[0, low], heap[1, low], heap[2, low]
        at = low
    heap[0, at], heap[1, at], heap[2, at] = first, second, third
