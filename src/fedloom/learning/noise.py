"""The key from which the layers of a client's model draw in a round."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.randomness import derive_seed

__all__ = ["noise_key"]


def noise_key(seed: int, round_number: int, client: int) -> NDArray[np.uint32]:
    """Return the key of a client's dropout layers in a round: uint32, shape (2,)."""
    derived = derive_seed(seed, "layer noise", round_number, client)
    return np.array([derived >> 32, derived & 0xFFFFFFFF], np.uint32)
