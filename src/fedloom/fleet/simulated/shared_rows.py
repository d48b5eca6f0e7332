"""One copy of the rows for all lanes of a processor."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["align_array"]

_ALIGNMENT = 64
"""Bytes; XLA's host devices use memory of others without a copy if it begins at a multiple."""


def align_array(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the array where host devices can use it as it is, copying it at most once.

    Without this, every host device would hold a copy of the data set.
    """
    if array.flags.c_contiguous and array.ctypes.data % _ALIGNMENT == 0:
        return array
    memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    aligned: np.ndarray[Any, Any] = (
        memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    )
    aligned[...] = array
    return aligned
